"""Which layers a property is read from, where a probe may read all: a scalar mix of their states.

A weight for each layer, which sum to 1, is learnt together with a linear classifier (Peters et al. 2018,
https://arxiv.org/abs/1802.05365; as edge probing has it, Tenney et al. 2019, https://arxiv.org/abs/1905.05950). The
mean of the layers by these weights is the center of gravity.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from nlpkit.probing.probes import Figures, Task, scale
from nlpkit.probing.states import States

STEPS = 400  # after which accuracy and weights of 1,500 and of 20,000 words have settled
ROWS = 256  # of a step
RATE, RATE_OF_WEIGHTS = 1e-2, 5e-2  # Adam's at the first step, of the classifier and of the weights; 0 at the last
DECAY = 1e-2


@dataclass(frozen=True)
class Mix:
    """A probe that reads several layers.

    Attributes:
        weights: of each layer, shape (layers,), summing to 1.
        center: the mean of the layers by these weights, 0 for the embeddings.
        figures: on validation.
    """

    weights: np.ndarray
    center: float
    figures: Figures

    def record(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "weights": [round(float(weight), 5) for weight in self.weights],
            "center_of_gravity": round(self.center, 4),
            **self.figures.record(),
        }


class _Probe(nn.Module):
    def __init__(self, layers: int, width: int, classes: int) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.zeros(layers))
        self.scale = nn.Parameter(torch.ones(()))
        self.classifier = nn.Linear(width, classes)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Logits, shape (rows, classes), of states of shape (layers, rows, width)."""
        mixed = torch.einsum("l,lrw->rw", self.weights.softmax(0), states)
        scores: torch.Tensor = self.classifier(self.scale * mixed)
        return scores


def mixed(task: Task, states: tuple[States, States], seed: int) -> Mix:
    """Learn weights of the layers on train, and judge on validation.

    Args:
        states: of train and validation.
        seed: of the first weights and the order of the rows.
    """
    layers = states[0].layers  # which are mixed at one scale, so that their weights compare
    scales = [scale(task.features(states[0], i, 0)) for i in range(len(layers))]
    width, rows = scales[0][0].shape[0], len(task.gold[0])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        probe = _Probe(len(layers), width, len(task.classes))
        groups: list[dict[str, Any]] = [
            {"params": list(probe.classifier.parameters()), "lr": RATE, "weight_decay": DECAY},
            {"params": [probe.weights, probe.scale], "lr": RATE_OF_WEIGHTS, "weight_decay": 0.0},
        ]
        optimizer = torch.optim.AdamW(groups)
        falling = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, STEPS)
        gold = torch.from_numpy(task.gold[0])
        for _ in range(STEPS):
            some = torch.randint(rows, (min(ROWS, rows),)).numpy()
            loss = nn.functional.cross_entropy(probe(_batch(task, states[0], scales, some, 0)), gold[some])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            falling.step()
    with torch.inference_mode():
        predicted = np.concatenate(
            [
                probe(_batch(task, states[1], scales, some, 1)).argmax(dim=1).numpy()
                for some in _blocks(len(task.gold[1]))
            ]
        )
        weights = probe.weights.softmax(0).numpy()
    return Mix(weights, float(weights @ np.array(layers)), Figures.of(predicted, task.gold[1], task.units[1]))


def _batch(
    task: Task, states: States, scales: list[tuple[np.ndarray, np.ndarray]], some: np.ndarray, side: int
) -> torch.Tensor:
    """Standardised states of some examples, shape (layers, rows, width)."""
    values = states.sentences if task.of == "sentences" else states.words
    assert values is not None
    rows = task.rows[side][some]
    found = [
        (layer[rows.reshape(-1)].reshape(len(rows), -1) - mean) / deviation
        for layer, (mean, deviation) in zip(values, scales, strict=True)
    ]
    return torch.from_numpy(np.stack(found))


def _blocks(rows: int) -> Iterator[np.ndarray]:
    for start in range(0, rows, ROWS):
        yield np.arange(start, min(start + ROWS, rows))
