"""Surgery is exact: the cut model computes what the whole one computes with the removed parts masked to zero."""

from __future__ import annotations

import copy

import pytest
import torch
from tiny import HEADS, masked_heads, masked_neurons, outputs, tiny

from nlpkit.errors import UserError
from nlpkit.models import surgery
from nlpkit.models.anatomy import FAMILIES, anatomy
from nlpkit.models.structures import LayerCut, Structure

CUTS_HEADS = [name for name, family in FAMILIES.items() if family.cuts_heads]
CASES = [
    *((name, "AutoModelForSequenceClassification") for name in FAMILIES),
    *((name, head) for name in ("bert", "distilbert", "mpnet") for head in list(HEADS)[1:]),
]


@pytest.mark.parametrize(("architecture", "head"), CASES)
def test_neurons(architecture: str, head: str) -> None:
    model = tiny(architecture, head)
    layers = len(anatomy(model).layers)
    removed = {layer: list(range(layer, 48, 3)) for layer in range(layers)}
    expected = outputs(masked_neurons(model, removed))
    assert not torch.allclose(expected, outputs(model), atol=1e-2)
    surgery.keep_neurons(model, {layer: [n for n in range(48) if n not in removed[layer]] for layer in removed})
    torch.testing.assert_close(outputs(model), expected, atol=1e-5, rtol=0)
    assert [layer.neurons for layer in anatomy(model).layers] == [32] * layers
    assert getattr(model.config, FAMILIES[architecture].width) == 32


@pytest.mark.parametrize(("architecture", "head"), [case for case in CASES if case[0] in CUTS_HEADS])
def test_heads(architecture: str, head: str) -> None:
    model = tiny(architecture, head)
    found = anatomy(model)
    removed = {0: [0, 2]} if found.shared_layers else {0: [0, 2], 2: [1]}
    expected = outputs(masked_heads(model, removed))
    assert not torch.allclose(expected, outputs(model), atol=1e-2)
    surgery.keep_heads(model, {layer: [h for h in range(4) if h not in gone] for layer, gone in removed.items()})
    torch.testing.assert_close(outputs(model), expected, atol=1e-5, rtol=0)
    assert [found.heads_of(layer) for layer in found.layers] == ([2] if found.shared_layers else [2, 4, 3])
    assert model.config.num_attention_heads == 4  # the head size follows from it


@pytest.mark.parametrize("architecture", ["bert", "distilbert", "mpnet"])
def test_heads_go_in_two_steps_as_in_one(architecture: str) -> None:
    once, twice = tiny(architecture), tiny(architecture)
    surgery.keep_heads(once, {1: [1, 3]})
    surgery.keep_heads(twice, {1: [0, 1, 3]})
    surgery.keep_heads(twice, {1: [1, 2]})
    torch.testing.assert_close(outputs(twice), outputs(once))
    assert twice.config.nlpkit_structure == once.config.nlpkit_structure
    assert twice.config.nlpkit_structure["layers"][1]["heads"] == (1, 3)


@pytest.mark.parametrize("architecture", list(FAMILIES))
def test_layers(architecture: str) -> None:
    model = tiny(architecture)
    shared = anatomy(model).shared_layers
    expected = copy.deepcopy(model)
    if shared:
        expected.config.num_hidden_layers = 2
    else:
        skipped = anatomy(expected).layers[1].module
        # what stands between two layers is their hidden states, alone or first of a tuple
        skipped.register_forward_hook(
            lambda module, given, out: (given[0], *out[1:]) if isinstance(out, tuple) else given[0]
        )
    surgery.keep_layers(model, [0, 2])
    torch.testing.assert_close(outputs(model), outputs(expected))
    assert model.config.num_hidden_layers == 2
    assert len(anatomy(model).layers) == (1 if shared else 2)


def test_a_structure_cuts_all_at_once() -> None:
    model = tiny("bert")
    step = copy.deepcopy(model)
    cuts = (LayerCut(0, (0, 1, 3), tuple(range(0, 48, 2))), LayerCut(2, (2,), tuple(range(5, 48))))
    surgery.apply(model, Structure(cuts, depth=3, heads=4, neurons=48))
    surgery.keep_layers(step, [0, 2])
    surgery.keep_neurons(step, {0: range(0, 48, 2), 1: range(5, 48)})
    surgery.keep_heads(step, {0: [0, 1, 3], 1: [2]})
    torch.testing.assert_close(outputs(model), outputs(step))


def test_training_goes_on_after_surgery() -> None:
    model = tiny("bert")
    anatomy(model).layers[0].up.weight.requires_grad = False
    surgery.keep_neurons(model, {layer: range(10) for layer in range(3)})
    surgery.keep_heads(model, {1: [0]})
    model(**{"input_ids": torch.tensor([[2, 5, 6, 3]]), "labels": torch.tensor([1])}).loss.backward()
    assert anatomy(model).layers[0].up.weight.grad is None  # frozen before, frozen after
    assert anatomy(model).layers[1].query.weight.grad.shape == (8, 32)
    assert anatomy(model).layers[1].down.weight.grad.abs().sum() > 0


def test_what_cannot_be_kept() -> None:
    model = tiny("bert")
    for heads in ([], [4], [1, 1]):
        with pytest.raises(ValueError, match="head of layer 0"):
            surgery.keep_heads(model, {0: heads})
    with pytest.raises(ValueError, match="layer"):
        surgery.keep_layers(model, [3])
    with pytest.raises(UserError, match="attention of longformer asks for all its heads"):
        surgery.keep_heads(tiny("longformer"), {0: [1]})


def test_an_unknown_structure_names_those_that_are_known() -> None:
    from transformers import XLNetConfig, XLNetForSequenceClassification

    model = XLNetForSequenceClassification(XLNetConfig(d_model=16, n_layer=1, n_head=2, d_inner=16, vocab_size=20))
    with pytest.raises(UserError, match="architecture xlnet is not known") as error:
        surgery.keep_layers(model, [0])
    assert "bert, roberta" in str(error.value.hint)
