"""Which layers of a model that writes are taken out, of its encoder and of its decoder.

One layer after the other goes: that which costs the least loss for its weights, measured on a sample of train in a
model that lacks those which are gone already. So layers that stand in for one another are not both removed, as they
would be if each had been measured in the whole model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nlpkit import reporting
from nlpkit.errors import UserError
from nlpkit.models import stacks
from nlpkit.models.stacks import Side
from nlpkit.pruning import importance
from nlpkit.pruning.importance import Batch
from nlpkit.reporting import Table

if TYPE_CHECKING:
    from nlpkit.tasks.roles import Trainable

LOSS_BATCHES = 4  # losses are measured on so many batches


@dataclass(frozen=True)
class KeptLayers:
    """What of a model is kept.

    Attributes:
        layers: of each side the layers to keep, lowest first.
        depths: how many each side has.
        rises: of each layer that goes, in that order: side, number, and the loss with it gone less that before.
    """

    layers: Mapping[Side, Sequence[int]]
    depths: Mapping[Side, int]
    rises: Sequence[tuple[Side, int, float]]

    def describe(self) -> Table:
        """A row for each layer of the model, and what its removal costs."""
        cost = {(side, layer): rise for side, layer, rise in self.rises}
        body: list[list[Any]] = []
        for side, depth in self.depths.items():
            for layer in range(depth):
                gone = (side, layer) in cost
                body.append([side, layer, f"removed, loss {cost[side, layer]:+.4f}" if gone else "kept"])
        return Table("layers", ["of", "layer", ""], body)

    def record(self) -> dict[str, Any]:
        """JSON values."""
        return {side: {"depth": self.depths[side], "layers": list(kept)} for side, kept in self.layers.items()}


class LayerPlanner:
    """Plans which layers go, for any number of targets: the order in which they do is found once.

    Args:
        model: in evaluation mode.
        task: gives the loss.
        batches: of labelled rows, as the task collates them.

    Raises:
        UserError: the structure of the model is not known.
    """

    def __init__(self, model: Any, task: Trainable, batches: Sequence[Batch]) -> None:
        self.model, self.task = model, task
        places = np.linspace(0, len(batches) - 1, min(LOSS_BATCHES, len(batches)))
        self.sample = [batches[round(place)] for place in places]
        self.depths = stacks.depths(model.config)
        self.weights = {
            (side, number): sum(parameter.numel() for parameter in layer.parameters())
            for side, stack in stacks.stacks(model).items()
            for number, layer in enumerate(stack.layers)
        }
        self._gone: list[tuple[Side, int, float]] = []
        self._loss: float | None = None

    def plan(self, sparsity: float) -> KeptLayers:
        """The layers that are kept where this share of the weights of all layers is to go, or more, as layers go whole.

        Raises:
            UserError: with one layer left on each side it is not so many.
        """
        total = sum(self.weights.values())
        taken, removed = 0, list[tuple[Side, int, float]]()
        while taken < sparsity * total:
            if len(removed) == len(self._gone) and not self._remove_one():
                raise UserError(
                    f"layers cannot be removed so far: at most {taken / total:.1%} of their weights, with one left on "
                    "each side",
                    "Set a lower target.",
                )
            side, layer, _ = self._gone[len(removed)]
            removed.append(self._gone[len(removed)])
            taken += self.weights[side, layer]
        gone = {(side, layer) for side, layer, _ in removed}
        layers = {
            side: [layer for layer in range(depth) if (side, layer) not in gone] for side, depth in self.depths.items()
        }
        return KeptLayers(layers, self.depths, removed)

    def _remove_one(self) -> bool:
        """Find the layer that goes next; False where each side has but one."""
        gone: dict[Side, list[int]] = {side: [] for side in self.depths}
        for side, layer, _ in self._gone:
            gone[side].append(layer)
        tried = [
            (side, layer)
            for side, depth in self.depths.items()
            if len(gone[side]) < depth - 1
            for layer in range(depth)
            if layer not in gone[side]
        ]
        if not tried:
            return False
        if self._loss is None:
            self._loss = importance.mean_loss(self.model, self.task, self.sample)
        losses = {}
        with reporting.current().progress("losses without a layer", len(tried), "layers") as bar:
            for side, layer in tried:
                smaller = stacks.without(self.model, {**gone, side: [*gone[side], layer]})
                losses[side, layer] = importance.mean_loss(smaller, self.task, self.sample)
                bar.advance()
        before = self._loss
        best = min(tried, key=lambda one: (losses[one] - before) / self.weights[one])
        self._gone.append((*best, losses[best] - before))
        self._loss = losses[best]
        return True
