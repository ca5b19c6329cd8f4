"""Which layers of a model that writes go: those that cost the least loss, each measured with the others gone."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from both_sides import writer

from nlpkit.errors import UserError
from nlpkit.models import stacks
from nlpkit.pruning import importance
from nlpkit.pruning.depth import LayerPlanner
from nlpkit.tasks.text2text_generation.task import Text2Text

TASK = Text2Text()


def batches() -> list[dict[str, Any]]:
    ids = torch.arange(5, 29).view(4, 6)
    return [{"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": (ids * 7) % 50}]


def silent(layer: Any) -> None:
    """A layer that adds nothing to what it is given."""
    with torch.no_grad():
        for name, parameter in layer.named_parameters():
            if name.endswith(("o.weight", "wo.weight")):
                parameter.zero_()


def test_a_layer_that_does_nothing_goes_first() -> None:
    model = writer("t5")
    found = stacks.stacks(model)
    silent(found["decoder"].layers[1])
    silent(found["encoder"].layers[2])
    kept = LayerPlanner(model, TASK, batches()).plan(0.3)
    assert kept.layers == {"encoder": [0, 1], "decoder": [0, 2]}
    assert [round(rise, 5) for _, _, rise in kept.rises] == [0, 0]
    assert kept.record()["decoder"] == {"depth": 3, "layers": [0, 2]}
    said = [row[-1] for row in kept.describe().rows]
    assert [text == "kept" for text in said] == [True, True, False, True, False, True]


def test_the_order_is_that_of_measured_losses() -> None:
    """By hand: of six layers that whose removal costs the least for its weights, then of the other five."""
    model = writer("bart")
    planner = LayerPlanner(model, TASK, batches())
    gone: dict[stacks.Side, list[int]] = {"encoder": [], "decoder": []}
    loss = importance.mean_loss(model, TASK, batches())
    expected = []
    for _ in range(4):
        tried = {}
        for side, removed in gone.items():
            for layer in [one for one in range(3) if one not in removed and len(removed) < 2]:
                smaller = stacks.without(model, {**gone, side: [*removed, layer]})
                tried[side, layer] = importance.mean_loss(smaller, TASK, batches()) - loss
        best = min(tried, key=lambda one: tried[one] / planner.weights[one])
        gone[best[0]].append(best[1])
        loss += tried[best]
        expected.append((*best, pytest.approx(tried[best], abs=1e-5)))
    whole = sum(planner.weights.values())
    two = planner.plan(sum(planner.weights[one[:2]] for one in expected[:2]) / whole)
    assert list(two.rises) == expected[:2]
    assert list(planner.plan(0.6).rises) == expected
    assert len(stacks.stacks(model)["encoder"].layers) == 3  # which stays as it is
    with pytest.raises(UserError, match=r"at most 66.7% of their weights, with one left on each side"):
        planner.plan(0.7)
