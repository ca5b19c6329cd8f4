"""How much a model needs its attention heads, FFN neurons and layers."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from nlpkit.models import surgery
from nlpkit.models.anatomy import anatomy
from nlpkit.models.structures import Structure

if TYPE_CHECKING:
    from nlpkit.tasks.forward import Loss
    from nlpkit.tasks.roles import Trainable

Batch = Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class Importance:
    """Scores of the parts of a model; more is more important, within a layer.

    Gradients and weights of different layers differ in scale (Michel et al. 2019 divide by the norm of a layer's
    scores); how much a layer may lose is therefore left to measured losses, see `search`.

    Attributes:
        heads: for each layer with weights of its own, shape (heads,).
        neurons: likewise, shape (neurons,).
    """

    heads: tuple[np.ndarray, ...]
    neurons: tuple[np.ndarray, ...]


def by_gradient(model: Any, task: Trainable, batches: Sequence[Batch]) -> Importance:
    """Gradient x weight: what the loss of a row would change by, to first order, if a part gave nothing.

    A gate of one is put on each head and neuron; the score is the mean of |dL/d gate|, for heads as in Michel et al.
    (2019, equation 2), for neurons as in Molchanov et al. (2017, 2019: the gradient of a gate is the sum of gradient x
    weight over the weights behind it), with the absolute value of each row instead of the square of each batch.

    Args:
        model: in evaluation mode, on the device of the batches.
        task: gives logits and loss.
        batches: as the task collates labelled features.

    Returns:
        Scores in the unit of the loss, a mean over its entries.
    """
    parts = anatomy(model)
    heads = [np.zeros(parts.heads_of(layer)) for layer in parts.layers]
    neurons = [np.zeros(layer.neurons) for layer in parts.layers]
    gated = [
        *((layer.attention_output, total) for layer, total in zip(parts.layers, heads, strict=True)),
        *((layer.down, total) for layer, total in zip(parts.layers, neurons, strict=True)),
    ]
    entries = 0
    for batch in batches:
        with _gates([(linear, len(total)) for linear, total in gated]) as gates, torch.enable_grad():
            loss = task.loss(task.run(model, batch))
            gradients = torch.autograd.grad(loss.mean(), gates())
        count = _counted(loss)
        for (_, total), gradient in zip(gated, gradients, strict=True):
            total += (gradient.abs().sum(0) * count).cpu().double().numpy()
        entries += count
    return Importance(tuple(total / entries for total in heads), tuple(total / entries for total in neurons))


def by_magnitude(model: Any) -> Importance:
    """The L2 norm of the weights that go with a part: of a head its rows of query, key and value and its columns of the
    output, of a neuron its row of `up` and its column of `down` (Li et al. 2017, with L2 for L1).
    """
    parts = anatomy(model)
    heads, neurons = [], []
    for layer in parts.layers:
        rows = sum(_squares(part.weight, 1) for part in (layer.query, layer.key, layer.value))
        columns = _squares(layer.attention_output.weight, 0)
        heads.append(np.sqrt((rows + columns).reshape(-1, parts.head_size).sum(1)))
        neurons.append(np.sqrt(_squares(layer.up.weight, 1) + _squares(layer.down.weight, 0)))
    return Importance(tuple(heads), tuple(neurons))


def block_influence(model: Any, batches: Sequence[Batch]) -> np.ndarray:
    """One minus the mean cosine between what goes into a layer and what comes out (ShortGPT, Men et al. 2024).

    It takes no labels. Padding is left out.

    Returns:
        Shape (layers,), between 0 (the layer changes no direction) and 2.
    """
    totals, tokens = np.zeros(model.config.num_hidden_layers), 0
    for batch in batches:
        inputs = {name: batch[name] for name in ("input_ids", "attention_mask", "token_type_ids") if name in batch}
        with torch.no_grad():
            states = model.base_model(**inputs, output_hidden_states=True).hidden_states
        mask = batch["attention_mask"].bool()
        for layer, (before, after) in enumerate(itertools.pairwise(states)):
            cosine = nn.functional.cosine_similarity(before[mask].float(), after[mask].float(), dim=-1)
            totals[layer] += float((1 - cosine).sum())
        tokens += int(mask.sum())
    return totals / tokens


def mean_loss(model: Any, task: Trainable, batches: Sequence[Batch]) -> float:
    """The task's loss, a mean over its entries in all batches."""
    total = entries = 0.0
    for batch in batches:
        with torch.no_grad():
            loss = task.loss(task.run(model, batch))
        count = _counted(loss)
        total += float(loss.mean()) * count
        entries += count
    return total / entries


def loss_of(structure: Structure, model: Any, task: Trainable, batches: Sequence[Batch]) -> float:
    """The loss of a copy of the model that is cut to a structure."""
    smaller = copy.deepcopy(model)
    surgery.apply(smaller, structure)
    return mean_loss(smaller, task, batches)


def _counted(loss: Loss) -> int:
    return max(int(loss.entries), 1)


@contextmanager
def _gates(gated: Sequence[tuple[nn.Linear, int]]) -> Iterator[Callable[[], list[torch.Tensor]]]:
    """Multiply the inputs of linear layers, in equal groups of columns, by ones that a gradient can be asked of.

    Args:
        gated: linear layers and the number of groups of each.

    Yields:
        What gives, after a forward pass, for each layer its gates of shape (rows, groups). A layer that runs several
        times has the same gates each time.
    """
    opened: dict[int, torch.Tensor] = {}

    def gate(place: int, groups: int) -> Callable[..., Any]:
        def multiply(module: nn.Module, arguments: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
            states = arguments[0]  # (rows, tokens, columns)
            if place not in opened:
                opened[place] = torch.ones(len(states), groups, device=states.device, requires_grad=True)
            gates = opened[place].repeat_interleave(states.shape[-1] // groups, dim=1)
            return (states * gates[:, None], *arguments[1:])

        return multiply

    handles = [linear.register_forward_pre_hook(gate(place, groups)) for place, (linear, groups) in enumerate(gated)]
    try:
        yield lambda: [opened[place] for place in range(len(gated))]
    finally:
        for handle in handles:
            handle.remove()


def _squares(weight: torch.Tensor, dim: int) -> np.ndarray:
    return weight.detach().double().square().sum(dim).cpu().numpy()
