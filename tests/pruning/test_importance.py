"""Importance, against gates and losses computed by hand."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from tiny import TASK, batches, masked_heads, masked_neurons, tiny

from nlpkit.models.anatomy import FAMILIES, anatomy
from nlpkit.models.structures import LayerCut, Structure
from nlpkit.pruning import importance


def row_losses(model: Any, rows: dict[str, Any]) -> torch.Tensor:
    with torch.no_grad():
        logits = model(input_ids=rows["input_ids"], attention_mask=rows["attention_mask"]).logits.double()
    return torch.nn.functional.cross_entropy(logits, rows["labels"], reduction="none")


def scaled(model: Any, layer: int, columns: slice | list[int], factor: float, part: str) -> Any:
    """A copy in which what stands in some columns before a linear layer is multiplied."""
    changed = copy.deepcopy(model)
    getattr(anatomy(changed).layers[layer], part).weight.data[:, columns] *= factor
    return changed


@pytest.mark.parametrize("architecture", ["bert", "distilbert", "mpnet", "albert"])
def test_gradient_importance_is_the_mean_slope_of_each_rows_loss(architecture: str) -> None:
    model = tiny(architecture).double()
    found = importance.by_gradient(model, TASK, batches())
    step = 1e-4
    for part, columns, score in (
        ("attention_output", slice(8, 16), found.heads[0][1]),  # head 1, eight columns
        ("down", [5], found.neurons[0][5]),
    ):
        slopes = []
        for rows in batches():
            up, down = (row_losses(scaled(model, 0, columns, 1 + s, part), rows) for s in (step, -step))
            slopes.append(((up - down) / (2 * step)).abs())
        assert score == pytest.approx(float(torch.cat(slopes).mean()), rel=1e-3)


@pytest.mark.parametrize("architecture", list(FAMILIES))
def test_what_gives_nothing_has_no_importance(architecture: str) -> None:
    model = masked_neurons(tiny(architecture), {0: [3]})
    heads = FAMILIES[architecture].cuts_heads
    model = masked_heads(model, {0: [2]}) if heads else model
    found = importance.by_gradient(model, TASK, batches())
    assert found.neurons[0].argmin() == 3 and found.neurons[0][3] == 0
    assert not heads or (found.heads[0].argmin() == 2 and found.heads[0][2] == 0)
    assert [len(scores) for scores in found.neurons] == [48] * len(anatomy(model).layers)
    assert all((np.delete(scores, 3) > 0).all() for scores in found.neurons[:1])


def test_no_gate_is_left_behind() -> None:
    model = tiny("bert")
    importance.by_gradient(model, TASK, batches())
    assert not any(module._forward_pre_hooks for module in model.modules())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_magnitude_is_the_norm_of_all_that_belongs_to_a_part() -> None:
    model = tiny("bert")
    layer = anatomy(model).layers[1]
    with torch.no_grad():
        for linear in (layer.query, layer.key, layer.value, layer.attention_output, layer.up, layer.down):
            linear.weight.zero_()
        layer.query.weight[8:16] = 1  # head 1: 8 rows of 32
        layer.attention_output.weight[:, 24:] = 2  # head 3: 8 columns of 32
        layer.up.weight[4] = 3
        layer.down.weight[:, 4] = 4
    found = importance.by_magnitude(model)
    assert found.heads[1] == pytest.approx([0, 16, 0, 32])
    assert found.neurons[1][4] == pytest.approx(np.sqrt(32) * 5)
    assert np.delete(found.neurons[1], 4).max() == 0


def test_a_layer_that_changes_nothing_has_no_influence() -> None:
    model = tiny("roberta-prelayernorm")  # its residual stream passes through
    layer = anatomy(model).layers[1]
    with torch.no_grad():
        for linear in (layer.attention_output, layer.down):
            linear.weight.zero_()
            linear.bias.zero_()
    influence = importance.block_influence(model, batches())
    assert influence.shape == (3,)
    assert influence[1] == pytest.approx(0, abs=1e-6)
    assert min(influence[0], influence[2]) > 1e-3


def test_the_loss_of_a_structure_is_that_of_the_masked_model() -> None:
    model = tiny("bert")
    kept = tuple(range(3, 48))
    structure = Structure(tuple(LayerCut(i, (0, 1, 3), kept) for i in range(3)), depth=3, heads=4, neurons=48)
    masked = masked_heads(masked_neurons(model, {i: [0, 1, 2] for i in range(3)}), {i: [2] for i in range(3)})
    expected = torch.cat([row_losses(masked, rows) for rows in batches()]).mean()
    assert importance.loss_of(structure, model, TASK, batches()) == pytest.approx(float(expected), abs=1e-5)
    whole = torch.cat([row_losses(model, rows) for rows in batches()]).mean()
    assert importance.mean_loss(model, TASK, batches()) == pytest.approx(float(whole), abs=1e-5)
