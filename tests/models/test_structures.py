"""Structures that no stock class has: saved so that only nlpkit opens them, and opened as they were."""

from __future__ import annotations

import copy
import json
import pickle
import shutil
import sys
from pathlib import Path
from typing import Any

import forked
import pytest
import torch
import transformers
from conftest import make_tokenizer
from safetensors.torch import load_file, save_file
from tiny import HEADS, batch, outputs, tiny

import nlpkit
from nlpkit.cli.app import main
from nlpkit.errors import UserError
from nlpkit.models import opening, surgery
from nlpkit.models.anatomy import FAMILIES, anatomy
from nlpkit.models.structures import LayerCut, Structure
from nlpkit.pruning.vocabulary import keep_pieces
from nlpkit.recipes import finetune_cls


def pruned(architecture: str = "bert", head: str = "AutoModelForSequenceClassification", **settings: Any) -> Any:
    """A model whose first layer has three neurons less than the others, and fewer heads where that can be."""
    model = tiny(architecture, head, **settings)
    surgery.keep_neurons(model, {0: range(3, 48)})
    if FAMILIES[architecture].cuts_heads:
        surgery.keep_heads(model, {0: [1, 3]})
    return model


CASES = [
    *((name, "AutoModelForSequenceClassification") for name, family in FAMILIES.items() if not family.shared),
    *((name, head) for name in ("bert", "distilbert", "mpnet", "electra") for head in list(HEADS)[1:]),
    ("albert", "AutoModelForMaskedLM"),
]


@pytest.mark.parametrize(("architecture", "head"), CASES)
def test_a_pruned_model_opens_as_it_was(architecture: str, head: str, tmp_path: Path) -> None:
    model = pruned(architecture, head)
    model.save_pretrained(tmp_path)
    opened = nlpkit.load(tmp_path)
    assert type(opened) is type(model)
    assert not opened.training
    torch.testing.assert_close(outputs(opened), outputs(model))
    # and so does what is saved from there
    opened.save_pretrained(tmp_path / "again")
    torch.testing.assert_close(outputs(nlpkit.load(tmp_path / "again")), outputs(model))


def test_stock_classes_refuse_it_and_say_what_to_do(tmp_path: Path) -> None:
    pruned().save_pretrained(tmp_path)
    for opener in (
        transformers.AutoConfig,
        transformers.AutoModel,
        transformers.AutoModelForSequenceClassification,
        transformers.BertModel,
        transformers.BertForSequenceClassification,
    ):
        with pytest.raises(Exception, match=r"nlpkit\.load\(FOLDER\)"):
            opener.from_pretrained(tmp_path)


@pytest.mark.parametrize("architecture", ["bert", "distilbert", "roberta", "albert"])
def test_what_the_stock_classes_describe_is_opened_by_them(architecture: str, tmp_path: Path) -> None:
    model = tiny(architecture)
    layers = range(len(anatomy(model).layers))
    surgery.keep_neurons(model, {layer: range(20) for layer in layers})
    surgery.keep_layers(model, [0, 2])
    model.save_pretrained(tmp_path)
    opened = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path)
    torch.testing.assert_close(outputs(opened), outputs(model))
    assert "nlpkit" not in (tmp_path / "config.json").read_text()


def test_a_structure_that_becomes_uniform_is_stock_again(tmp_path: Path) -> None:
    model = pruned()
    surgery.keep_layers(model, [1, 2])  # layer 0 was the odd one
    model.save_pretrained(tmp_path)
    opened = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path)
    torch.testing.assert_close(outputs(opened), outputs(model))


@pytest.mark.slow
def test_a_fresh_process_opens_model_and_tokenizer(tmp_path: Path) -> None:
    tokenizer = make_tokenizer()
    texts = ["a good film", "the soup was lovely"]
    odd = pruned(vocab_size=len(tokenizer), pad_token_id=0)
    stock = tiny("bert", vocab_size=len(tokenizer), pad_token_id=0)
    surgery.keep_layers(stock, [0, 2])
    stock, smaller, _ = keep_pieces(stock, tokenizer, texts)
    expected = []
    for name, model, its in (("odd", odd, tokenizer), ("stock", stock, smaller)):
        model.save_pretrained(tmp_path / name)
        its.save_pretrained(tmp_path / name)
        with torch.no_grad():
            expected.append(model(**its(texts, padding=True, return_tensors="pt")).logits)
    script = (
        "import json, sys, transformers as hf, nlpkit\n"
        "odd, stock, *texts = sys.argv[1:]\n"
        "auto = hf.AutoModelForSequenceClassification.from_pretrained(stock).eval()\n"
        "sides = [(nlpkit.load(odd), odd), (auto, stock)]\n"
        "read = lambda name: hf.AutoTokenizer.from_pretrained(name)(texts, padding=True, return_tensors='pt')\n"
        "print(json.dumps([model(**read(name)).logits.tolist() for model, name in sides]))"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "odd"), str(tmp_path / "stock"), *texts]
    done = forked.run(command, check=True)
    found = torch.tensor(json.loads(done.stdout.splitlines()[-1]))
    torch.testing.assert_close(found, torch.stack(expected), atol=1e-5, rtol=0)


@pytest.mark.slow
def test_every_command_opens_a_pruned_run(
    trained: Path, reviews: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = shutil.copytree(trained, tmp_path / "run")
    model = nlpkit.load(run)
    surgery.keep_heads(model, {0: [1]})
    surgery.keep_neurons(model, {1: range(40)})
    model.save_pretrained(run)
    assert main(["predict", str(run), "a good film", "--device", "cpu"]) == 0
    assert "positive" in capsys.readouterr().out
    assert main(["evaluate", str(run), "--data", str(reviews), "--split", "test", "--device", "cpu"]) == 0
    again = finetune_cls.Config(
        model=str(run), data=str(reviews), output=tmp_path / "again", max_steps=2, device="cpu", threads=1
    )
    finetune_cls.run(again)
    assert anatomy(nlpkit.load(tmp_path / "again")).layers[1].neurons == 40
    with pytest.raises(ValueError, match=r"nlpkit\.load\(FOLDER\)"):
        transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path / "again")


def test_another_head_takes_the_body(tmp_path: Path) -> None:
    model = pruned()
    model.save_pretrained(tmp_path)
    other, new = opening.load_model(str(tmp_path), "AutoModelForTokenClassification", num_labels=7)
    assert new == ["classifier.bias", "classifier.weight"]
    assert other.config.num_labels == 7
    with torch.no_grad():
        body, expected = other.bert(**batch())[0], model.bert(**batch())[0]
    torch.testing.assert_close(body, expected)


def test_a_config_can_be_copied_and_pickled() -> None:
    config = pruned("mpnet").config
    for other in (copy.deepcopy(config), pickle.loads(pickle.dumps(config))):
        assert other.nlpkit_structure == config.nlpkit_structure
        assert isinstance(other, transformers.MPNetConfig)


def test_damaged_weights_are_refused(tmp_path: Path) -> None:
    pruned().save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    name = next(name for name in weights if name.endswith("0.intermediate.dense.weight"))
    weights[name] = torch.zeros(7, 32)
    save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(UserError, match=r"no weights for bert\.encoder\.layer\.0\.intermediate\.dense\.weight"):
        nlpkit.load(tmp_path)


@pytest.mark.slow
def test_any_other_model_is_loaded_too(trained: Path, tmp_path: Path) -> None:
    assert isinstance(nlpkit.load(trained), transformers.BertForSequenceClassification)
    with pytest.raises(UserError, match="there is no such folder"):
        nlpkit.load(tmp_path / "none")


def test_a_structure_says_what_it_keeps() -> None:
    full = tuple(range(4))
    odd = Structure((LayerCut(0, (0, 2), (1, 2, 3)), LayerCut(2, full, (0,))), depth=3, heads=4, neurons=8)
    assert odd.describe().rows == [
        [0, "2 of 4", "3 of 8"],
        [1, "removed", "removed"],
        [2, "4 of 4", "1 of 8"],
    ]
    assert not odd.stock
    assert Structure((LayerCut(0, full, (1, 2)), LayerCut(2, full, (0, 7))), depth=3, heads=4, neurons=8).stock
    assert not Structure((LayerCut(0, full, (1,)), LayerCut(2, full, (0, 7))), depth=3, heads=4, neurons=8).stock
