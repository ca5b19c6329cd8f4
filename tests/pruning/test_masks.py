"""Masks: which tensors, which entries, what the model computes with them, and what is left when they are permanent."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import batch, outputs, tiny
from torch import nn
from torch.nn.utils import prune

from nlpkit.errors import UserError
from nlpkit.pruning import masks


def names(model: Any, *include: str) -> list[str]:
    return [tensor.name for tensor in masks.prunable(model, include)]


@pytest.mark.parametrize("model_type", ["bert", "distilbert", "albert", "electra"])
def test_linear_weights_of_the_encoder_are_pruned(model_type: str) -> None:
    model = tiny(model_type)
    found = names(model)
    parameters = dict(model.named_parameters())
    linear = {f"{name}.weight" for name, module in model.named_modules() if isinstance(module, nn.Linear)}
    assert set(found) == {name for name in linear if name.startswith(model.base_model_prefix)}
    assert set(found) < linear  # the head is left alone
    for tensor in masks.prunable(model):
        assert tensor.original is parameters[tensor.name]


def test_a_model_without_linear_layers_is_refused() -> None:
    from transformers import GPT2Config, GPT2ForSequenceClassification

    model = GPT2ForSequenceClassification(GPT2Config(vocab_size=20, n_embd=8, n_layer=1, n_head=1))
    with pytest.raises(UserError, match="GPT2ForSequenceClassification has no Linear layer in its encoder"):
        masks.prunable(model)


def test_embeddings_and_biases_by_name_only() -> None:
    model = tiny("bert")
    plain, biases, embeddings = set(names(model)), set(names(model, "biases")), set(names(model, "embeddings"))
    assert {name.rpartition(".")[2] for name in plain} == {"weight"}
    assert {name.removesuffix("bias") for name in biases - plain} == {name.removesuffix("weight") for name in plain}
    assert {name.split(".")[2] for name in embeddings - plain} == {
        "word_embeddings",
        "position_embeddings",
        "token_type_embeddings",
    }
    assert not any("LayerNorm" in name for name in biases | embeddings)


def test_a_share_of_each_tensor() -> None:
    importance = [torch.tensor([[5.0, 1.0], [4.0, 2.0]]), torch.tensor([30.0, 10.0, 20.0])]
    first, second = masks.kept(importance, 0.5, "layer")
    assert first.tolist() == [[True, False], [True, False]]
    assert second.tolist() == [True, False, False]  # half of three, rounded to the even two


def test_a_share_of_all_entries_together() -> None:
    importance = [torch.tensor([[5.0, 1.0], [4.0, 2.0]]), torch.tensor([30.0, 10.0, 20.0])]
    first, second = masks.kept(importance, 4 / 7, "global")
    assert first.tolist() == [[False, False], [False, False]]
    assert second.all()


@pytest.mark.parametrize("sparsity", [0.0, 0.013, 0.5, 0.777, 1.0])
@pytest.mark.parametrize("scope", ["layer", "global"])
def test_the_sparsity_is_exact(sparsity: float, scope: Any) -> None:
    torch.manual_seed(0)
    importance = [torch.rand(7, 11), torch.rand(13), torch.zeros(4, 4)]  # equal entries are no exception
    gone = [int((~mask).sum()) for mask in masks.kept(importance, sparsity, scope)]
    if scope == "layer":
        assert gone == [round(sparsity * values.numel()) for values in importance]
    else:
        assert sum(gone) == round(sparsity * (77 + 13 + 16))


def test_magnitude_is_that_of_torch_prune() -> None:
    model = tiny("bert")
    theirs = copy.deepcopy(model)
    for module in theirs.base_model.modules():
        if isinstance(module, nn.Linear):
            prune.l1_unstructured(module, "weight", amount=0.3)
            prune.remove(module, "weight")
    tensors = masks.prunable(model)
    masks.attach(tensors)
    masks.prune_to(tensors, masks.magnitudes(tensors), 0.3, "layer", for_good=True)
    masks.make_permanent(tensors)
    assert {name: value.tolist() for name, value in model.state_dict().items()} == {
        name: value.tolist() for name, value in theirs.state_dict().items()
    }


def test_what_is_pruned_for_good_stays_so() -> None:
    model = tiny("bert")
    tensors = masks.prunable(model)[:2]
    masks.attach(tensors)
    masks.prune_to(tensors, masks.magnitudes(tensors), 0.4, "layer", for_good=True)
    before = [tensor.mask.clone() for tensor in tensors]
    for tensor in tensors:  # the pruned entries become the largest of all
        tensor.original.data[tensor.mask == 0] = 100.0
    masks.prune_to(tensors, masks.magnitudes(tensors), 0.6, "layer", for_good=True)
    for tensor, mask in zip(tensors, before, strict=True):
        assert not ((tensor.mask == 1) & (mask == 0)).any()
        assert int((tensor.mask == 0).sum()) == round(0.6 * mask.numel())
    masks.prune_to(tensors, masks.magnitudes(tensors), 0.6, "layer", for_good=False)
    for tensor, mask in zip(tensors, before, strict=True):
        assert tensor.mask[mask == 0].all()


def test_random_numbers_are_those_of_the_seed() -> None:
    tensors = masks.prunable(tiny("bert"))
    first, again, other = (masks.random_numbers(tensors, seed) for seed in (1, 1, 2))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize("auto_class", ["AutoModelForSequenceClassification", "AutoModelForMaskedLM"])
def test_zeros_compute_what_masks_compute(auto_class: str, tmp_path: Path) -> None:
    """Of a masked language model also the output layer, which shares its table with the embeddings."""
    import transformers

    model = tiny("bert", auto_class)
    whole = outputs(model)
    tensors = masks.prunable(model, ["embeddings", "biases"])
    masks.attach(tensors)
    assert torch.equal(outputs(model), whole)  # ones prune nothing
    masks.prune_to(tensors, masks.magnitudes(tensors), 0.5, "global", for_good=True)
    masked = outputs(model)
    assert not torch.allclose(masked, whole, atol=1e-3)
    counts = masks.zeros(tensors)
    masks.make_permanent(tensors)
    assert torch.equal(outputs(model), masked)
    assert masks.zeros(tensors) == counts
    assert sum(zeros for zeros, _ in counts.values()) == round(0.5 * sum(count for _, count in counts.values()))
    assert not any("_orig" in name or "_mask" in name for name in model.state_dict())
    model.save_pretrained(tmp_path)
    opened = getattr(transformers, auto_class).from_pretrained(tmp_path).eval()
    assert torch.allclose(outputs(opened), masked, atol=1e-6)


def test_gradients_reach_what_is_left_only() -> None:
    model = tiny("bert")
    tensors = masks.prunable(model)
    masks.attach(tensors)
    masks.prune_to(tensors, masks.magnitudes(tensors), 0.5, "layer", for_good=True)
    model(**batch()).logits.square().sum().backward()
    for tensor in tensors:
        assert tensor.original.grad is not None
        assert not tensor.original.grad[tensor.mask == 0].any()
        assert tensor.original.grad[tensor.mask == 1].any()


def test_movement_scores_get_the_gradient_of_sanh() -> None:
    """One Linear layer, by hand: y = x (W * M)^T, L = sum(c * y), so dL/dW' = c x^T and dL/dS = dL/dW' * W."""
    layer = nn.Linear(3, 2, bias=False)
    layer.weight.data = torch.tensor([[1.0, -2.0, 3.0], [-4.0, 5.0, -6.0]])
    tensors = [masks.Prunable("weight", (layer,), "weight")]
    masks.attach_scores(tensors)
    masks.set_masks(tensors, [torch.tensor([[True, False, True], [False, True, False]])])
    x, c = torch.tensor([[1.0, 10.0, 100.0]]), torch.tensor([[2.0, 3.0]])
    y = layer(x)
    assert y.tolist() == [[1.0 + 300.0, 50.0]]
    (c * y).sum().backward()
    through = c.T @ x
    weight, mask = tensors[0].original, tensors[0].mask
    assert weight.grad is not None and torch.equal(weight.grad, through * mask)
    scores = tensors[0].scores
    assert scores.grad is not None and torch.equal(scores.grad, through * weight.detach())  # of pruned entries too
    masks.make_permanent(tensors)
    assert dict(layer.named_parameters()).keys() == {"weight"}
    assert layer.weight.tolist() == [[1.0, 0.0, 3.0], [0.0, 5.0, 0.0]]
