"""Models and tokenizers as they are: what does not fit is one message, and what fits after all is made to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from conftest import make_tokenizer, rows, write_csv

from nlpkit.errors import RunError, UserError
from nlpkit.inference.predictor import Predictor, open_predictor
from nlpkit.models import fitting, opening
from nlpkit.recipes import evaluate, finetune_cls, predict, quantize

WHERE: dict[str, Any] = {"device": "cpu", "threads": 1}
POSITIONS = 40
SHAPE: dict[str, Any] = {
    **dict.fromkeys(("hidden_size", "d_model", "n_embd", "dim", "emb_dim"), 32),
    **dict.fromkeys(("num_hidden_layers", "n_layer", "n_layers"), 2),
    **dict.fromkeys(("encoder_layers", "decoder_layers"), 1),
    **dict.fromkeys(("num_attention_heads", "n_head", "encoder_attention_heads", "decoder_attention_heads"), 2),
    **dict.fromkeys(("intermediate_size", "d_inner", "hidden_dim", "encoder_ffn_dim", "decoder_ffn_dim"), 64),
    **dict.fromkeys(("max_position_embeddings", "n_positions", "max_seq_len"), POSITIONS),
}


def config_of(kind: str, **values: Any) -> Any:
    """The smallest sensible config of an architecture, for the tokenizer of the tests and 200 tokens more."""
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    known = CONFIG_MAPPING[kind]().to_dict()
    shape = {name: value for name, value in SHAPE.items() if name in known}
    return CONFIG_MAPPING[kind](**{**shape, "vocab_size": len(make_tokenizer()) + 200, **values})


def made(folder: Path, kind: str, side: str = "right", tokenizer: Any = None, **values: Any) -> Path:
    """A random classifier with a tokenizer that pads with 0 on that side, as Transformers saves them."""
    torch.manual_seed(0)
    config = config_of(kind, **values)
    model = transformers.AutoModelForSequenceClassification.from_config(config)
    with torch.no_grad():  # so that answers differ by more than rounding
        for parameter in model.parameters():
            parameter.mul_(3)
    model.save_pretrained(folder)
    tokenizer = tokenizer or make_tokenizer()
    tokenizer.padding_side, tokenizer.model_max_length = side, 10**30
    tokenizer.save_pretrained(folder)
    return folder


def test_a_limit_that_needs_no_model_opens_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any, **__: Any) -> None:
        raise AssertionError("a model was made")

    with monkeypatch.context() as patched:
        patched.setattr(transformers.AutoModel, "from_config", refused)
        for kind in ("bert", "distilbert", "deberta-v2", "modernbert", "albert", "electra"):
            assert fitting.first_position_of(config_of(kind)) == 0
    assert fitting.first_position_of(config_of("roberta")) == 2
    assert fitting.first_position_of(config_of("mpnet")) == 2


def test_a_tokenizer_without_a_limit_says_so_in_several_ways() -> None:
    tokenizer = make_tokenizer()
    for said in (-1, 0, 10**30):
        tokenizer.model_max_length = said
        assert opening.max_positions(config_of("bert"), tokenizer) == POSITIONS


def predictor_of(folder: Path) -> Predictor:
    return open_predictor(predict.Config(model=str(folder), texts=["-"], **WHERE))


TEXTS = ["good", "the train was awful and late and very very cold", "a lovely film"]


@pytest.mark.parametrize(
    ("kind", "side", "values"),
    [
        ("bert", "right", {}),
        ("bert", "left", {}),
        ("roberta", "right", {}),  # pads with 1 where the tokenizer pads with 0
        ("gpt2", "right", {}),  # knows no padding id at all
        ("gpt2", "left", {}),
        ("xlnet", "right", {}),  # summarises the last token
        ("xlnet", "left", {}),
        ("fnet", "right", {"use_tpu_fourier_optimizations": False}),  # takes no mask
        ("distilbert", "left", {"n_heads": 2}),
    ],
)
def test_an_answer_does_not_hang_on_the_rows_beside_it(
    kind: str, side: str, values: dict[str, Any], tmp_path: Path
) -> None:
    found = predictor_of(made(tmp_path / "model", kind, side, **values))
    together = found.outputs({"text": TEXTS})
    alone = np.concatenate([found.outputs({"text": [text]}) for text in TEXTS])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    assert np.abs(together[0] - together[1]).max() > 1e-3


@pytest.mark.parametrize(
    ("kind", "first", "values"),
    [
        ("bert", 0, {}),
        ("roberta", 2, {}),
        ("data2vec-text", 2, {}),
        ("xmod", 2, {"default_language": "en_XX", "languages": ["en_XX"]}),
        ("ibert", 2, {}),
        ("mpnet", 2, {}),
        ("xlm-roberta", 5, {"pad_token_id": 4}),
        ("bart", 0, {}),
        ("gpt2", 0, {}),
        ("llama", 0, {}),
    ],
)
def test_the_limit_is_that_of_the_position_table(kind: str, first: int, values: dict[str, Any]) -> None:
    config = config_of(kind, **values)
    assert opening.max_positions(config, None) == POSITIONS - first
    model = transformers.AutoModel.from_config(config).eval()
    assert opening.max_positions(config, None, model) == POSITIONS - first
    ids = torch.full((1, POSITIONS - first), 7)
    with torch.inference_mode():
        model(input_ids=ids, attention_mask=torch.ones_like(ids))
    if first:
        with pytest.raises((IndexError, RuntimeError)):
            model(input_ids=torch.full((1, POSITIONS - first + 1), 7))


def test_an_exported_model_remembers_its_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = config_of("data2vec-text")
    fitting.remember_first_position(config, transformers.AutoModel.from_config(config))
    config.save_pretrained(tmp_path)
    monkeypatch.setattr(transformers.AutoModel, "from_config", None)  # no model is made to find out
    assert opening.max_positions(opening.load_config(str(tmp_path)), None) == POSITIONS - 2


def test_a_vocabulary_that_is_no_plain_table_is_not_cut() -> None:
    from nlpkit.pruning import vocabulary

    model = transformers.AutoModelForSequenceClassification.from_config(config_of("ibert"))
    with pytest.raises(UserError, match="IBertForSequenceClassification has no plain table of token embeddings"):
        vocabulary.keep_pieces(model, make_tokenizer(), ["good film"])


def test_a_long_text_is_cut_at_the_positions_there_are(tmp_path: Path) -> None:
    found = predictor_of(made(tmp_path / "model", "data2vec-text"))
    found.outputs({"text": ["film " * 100]})
    assert (found.cut.texts, found.cut.limit) == (1, POSITIONS - 2)


@pytest.mark.parametrize("holes", [False, True])
def test_a_tokenizer_with_ids_beyond_the_model_is_one_message(holes: bool, tmp_path: Path) -> None:
    tokenizer = make_tokenizer()
    size = len(tokenizer)
    if holes:  # as many tokens as the model has, but not the same ids
        document = json.loads(tokenizer.backend_tokenizer.to_str())
        document["model"]["vocab"]["##z"] += 50
        from tokenizers import Tokenizer

        tokenizer = transformers.BertTokenizerFast(tokenizer_object=Tokenizer.from_str(json.dumps(document)))
    folder = made(tmp_path / "model", "bert", tokenizer=tokenizer, vocab_size=size - (0 if holes else 3))
    data = write_csv(tmp_path / "rows.csv", rows(8))
    for run in (
        lambda: predictor_of(folder),
        lambda: evaluate.run(evaluate.Config(model=str(folder), data=str(data), **WHERE)),
        lambda: quantize.run(quantize.Config(model=str(folder), data=str(data), to="bf16", **WHERE)),
    ):
        with pytest.raises(UserError, match="the tokenizer has"):
            run()


def test_token_types_that_the_model_does_not_know_are_left_out(tmp_path: Path) -> None:
    found = predictor_of(made(tmp_path / "model", "roberta", type_vocab_size=1))
    pairs = {"text": ["good film"], "text_pair": ["the shop"]}
    found.task = found.task.with_(pair="text_pair")
    assert "token_type_ids" not in found.task.features(found.tokenizer, pairs)
    assert found.outputs(pairs).shape == (1, 2)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_csv(folder / "train.csv", rows(24))
    write_csv(folder / "validation.csv", rows(36)[24:])
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("bert", {"pad_token_id": 3}),
        ("gpt2", {}),
        ("xlnet", {}),
        ("roberta", {}),
        ("bart", {}),  # whose embedding scales what it looks up
        ("ibert", {}),  # whose embedding is quantized
    ],
)
def test_models_that_pad_otherwise_are_trained_and_answer_as_they_did(
    kind: str, values: dict[str, Any], tmp_path: Path, data: Path
) -> None:
    model = made(tmp_path / "model", kind, **values)
    if kind == "bart":
        config = json.loads((model / "config.json").read_text())
        (model / "config.json").write_text(json.dumps({**config, "eos_token_id": make_tokenizer().sep_token_id}))
        tokenizer = json.loads((model / "tokenizer_config.json").read_text())
        (model / "tokenizer_config.json").write_text(json.dumps({**tokenizer, "eos_token": "[SEP]"}))
    options: dict[str, Any] = {"data": str(data), "max_steps": 2, "batch_size": 8, **WHERE}
    record = finetune_cls.run(finetune_cls.Config(model=str(model), output=tmp_path / "run", **options)).record
    measured = evaluate.run(evaluate.Config(model=str(tmp_path / "run"), data=str(data), save=False, **WHERE)).record
    assert measured["metrics"]["validation"] == pytest.approx(record["metrics"]["validation"])
    # saved and opened again, positions are counted from the same row
    saved = opening.load_config(str(tmp_path / "run"))
    assert fitting.first_position_of(saved) == fitting.first_position_of(opening.load_config(str(model)))


def test_the_best_checkpoint_comes_back_where_weights_are_published_under_other_names(
    tmp_path: Path, data: Path
) -> None:
    """ESM, GTE, Nomic, mixtures of experts: stock transformers saves them under names that no Trainer finds again."""
    from safetensors.torch import load_file

    options: dict[str, Any] = {"epochs": 3, "batch_size": 8, "learning_rate": 0.1, "best_metric": "loss"}
    model = made(tmp_path / "model", "esm", pad_token_id=0, mask_token_id=4, position_embedding_type="absolute")
    trainer = finetune_cls.build(
        finetune_cls.Config(
            data=str(data), model=str(model), output=tmp_path / "run", keep_checkpoints=True, **options, **WHERE
        )
    )
    trainer.train()
    best, last = trainer.state.best_global_step, trainer.state.global_step
    assert best < last
    weights = load_file(tmp_path / f"run/checkpoints/checkpoint-{best}/model.safetensors")
    now = trainer.model.state_dict()
    assert weights.keys() <= now.keys()
    assert all(torch.equal(tensor, now[name]) for name, tensor in weights.items())


def test_a_checkpoint_that_lacks_weights_is_not_taken_up(tmp_path: Path, data: Path) -> None:
    from safetensors.torch import load_file, save_file

    options: dict[str, Any] = {"data": str(data), "output": tmp_path / "run", "epochs": 2, "batch_size": 8, **WHERE}
    trainer = finetune_cls.build(finetune_cls.Config(model=str(made(tmp_path / "model", "bert")), **options))
    trainer.train()
    checkpoint = max((tmp_path / "run/checkpoints").iterdir())
    weights = load_file(checkpoint / "model.safetensors")
    del weights["classifier.weight"]
    save_file(weights, checkpoint / "model.safetensors", {"format": "pt"})
    with pytest.raises(RunError, match=r"lacks 1 weights of the model \(classifier.weight"):
        trainer.train(resume_from_checkpoint=str(checkpoint))


def test_a_run_whose_config_counts_other_labels_than_its_head_opens() -> None:
    """BART's config says three, whatever its head has: a reader has a start and an end, which are no labels."""
    from nlpkit.tasks import registry
    from nlpkit.tasks.question_answering.task import QuestionAnswering

    record = QuestionAnswering(max_length=64).record()
    assert registry.known_task(config_of("bart"), record) is not None


def test_an_export_that_does_not_run_is_one_message() -> None:
    from nlpkit.measurement import export_cache

    def broken(**_: Any) -> Any:
        raise RuntimeError("[ONNXRuntimeError] : 1 : FAIL : Non-zero status code\nmore")

    batch = {"input_ids": torch.ones(2, 3, dtype=torch.long)}
    with pytest.raises(UserError) as error:
        export_cache.largest_difference(
            lambda input_ids: input_ids, broken, [batch], lambda out, batch: out, hint="Do without."
        )
    assert error.value.message.startswith("the exported model does not run on 2 rows of 3 tokens: [ONNXRuntimeError]")
    assert error.value.hint == "Do without."
