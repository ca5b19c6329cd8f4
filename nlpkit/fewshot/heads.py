"""Heads over the states of a frozen encoder, each learnt in seconds: linear, two layers, and nearest neighbours."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from nlpkit.fewshot.states import Head, States
from nlpkit.metrics.similarity import unit

ABSENT = -20.0  # the logit of a label that no row to learn from has
SMALLEST = 1e-6  # probability of a label that no neighbour has
NEIGHBOURS = 5
CLOSENESS = 20.0  # how much more a neighbour counts for a cosine that is higher by 1, as an exponent
HIDDEN_STEPS = 200
HIDDEN_RATE = 1e-3
HIDDEN_DECAY = 1e-2


@dataclass
class FittedHead(ABC):
    """A head that was learnt from states."""

    kind: ClassVar[str]

    @abstractmethod
    def logits(self, states: States) -> np.ndarray:
        """Of rows, shape (rows, labels)."""

    def put(self, head: Head) -> None:
        """Write the head into the layers of a stock classifier."""
        raise NotImplementedError


@dataclass
class Linear(FittedHead):
    """Multinomial logistic regression: what the layer of the labels computes.

    Attributes:
        weight: shape (labels, width).
        bias: shape (labels,).
    """

    kind: ClassVar[str] = "logistic regression"
    weight: np.ndarray
    bias: np.ndarray

    def logits(self, states: States) -> np.ndarray:
        return states.last @ self.weight.T + self.bias

    def put(self, head: Head) -> None:
        head.put(self.weight.astype(np.float32), self.bias.astype(np.float32))


@dataclass
class Neighbours(FittedHead):
    """The labels of the nearest rows, by the cosine of their states. No stock layer computes it: it is compared, and
    cannot be saved."""

    kind: ClassVar[str] = "nearest neighbours"
    states: np.ndarray
    labels: np.ndarray
    size: int

    def logits(self, states: States) -> np.ndarray:
        cosines = unit(states.last) @ unit(self.states).T
        count = min(NEIGHBOURS, len(self.labels))
        nearest = np.argpartition(-cosines, count - 1, axis=1)[:, :count]
        votes = np.full((len(cosines), self.size), SMALLEST)
        for row, places in enumerate(nearest):
            np.add.at(votes[row], self.labels[places], np.exp(CLOSENESS * cosines[row, places]))
        return np.log(votes / votes.sum(axis=1, keepdims=True))


@dataclass
class Hidden(FittedHead):
    """A hidden layer and one of labels: what the square layer of a stock classifier and that of the labels compute.

    Attributes:
        layers: a copy of the two and the activation between them, learnt.
    """

    kind: ClassVar[str] = "MLP"
    layers: Any

    def logits(self, states: States) -> np.ndarray:
        import torch

        assert states.before is not None, "a head with a square layer learnt it"
        with torch.no_grad():
            found: np.ndarray = self.layers(torch.from_numpy(states.before)).numpy()
        return found

    def put(self, head: Head) -> None:
        import torch

        assert head.square is not None, "a head with a square layer learnt it"
        square, labels = self.layers[0], self.layers[-1]
        with torch.no_grad():
            head.square.weight.copy_(square.weight)
            head.square.bias.copy_(square.bias)
        head.put(labels.weight.detach().numpy(), labels.bias.detach().numpy())


def of_model(model: Any) -> Linear:
    """The layer of the labels as a model has it."""
    labels = Head(model).labels
    return Linear(labels.weight.detach().cpu().numpy(), labels.bias.detach().cpu().numpy())


def linear(
    states: np.ndarray, labels: np.ndarray, size: int, *, strength: float, weights: np.ndarray | None = None
) -> Linear:
    """Learn a logistic regression (scikit-learn, L2).

    Args:
        states: shape (rows, width).
        labels: of the rows, int.
        size: how many labels there are, of which the rows may lack some.
        strength: inverse of the regularisation, scikit-learn's C.
        weights: how much each row counts; 1 each by default.
    """
    from sklearn.linear_model import LogisticRegression

    middle = states.mean(axis=0)
    weight, bias = np.zeros((size, states.shape[1])), np.full(size, ABSENT)
    present = np.unique(labels)
    if len(present) == 1:
        bias[present] = 0.0
        return Linear(weight, bias)
    model = LogisticRegression(C=strength, max_iter=1_000).fit(states - middle, labels, sample_weight=weights)
    if len(present) == 2:  # scikit-learn has one row for two labels
        weight[present] = np.concatenate([-model.coef_, model.coef_]) / 2
        bias[present] = np.concatenate([-model.intercept_, model.intercept_]) / 2
    else:
        weight[present], bias[present] = model.coef_, model.intercept_
    return Linear(weight, bias - weight @ middle)


def hidden(states: np.ndarray, labels: np.ndarray, size: int, *, activation: Any, seed: int) -> Hidden:
    """Learn a hidden layer as wide as the states, with AdamW over all rows at once.

    Args:
        states: of below the square layer, shape (rows, width).
        labels: of the rows, int.
        size: how many labels there are.
        activation: of the stock classifier, a function of tensors.
        seed: of the first weights.
    """
    import torch
    from torch import nn

    width = states.shape[1]

    class Activation(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            bent: torch.Tensor = activation(x)
            return bent

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers = nn.Sequential(nn.Linear(width, width), Activation(), nn.Linear(width, size))
    inputs, wanted = torch.from_numpy(states), torch.from_numpy(labels)
    optimizer = torch.optim.AdamW(layers.parameters(), lr=HIDDEN_RATE, weight_decay=HIDDEN_DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, HIDDEN_STEPS)
    for _ in range(HIDDEN_STEPS):
        optimizer.zero_grad()
        nn.functional.cross_entropy(layers(inputs), wanted).backward()
        optimizer.step()
        schedule.step()
    return Hidden(layers)
