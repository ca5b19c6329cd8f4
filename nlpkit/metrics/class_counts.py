"""Averages over classes from counts, for many draws of rows at once; the figures are those of scikit-learn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

SUFFIXES = ("precision", "recall", "f1")


@dataclass(frozen=True)
class ClassCounts:
    """How often each class was right, predicted and true, in each draw: shape (draws, classes) each."""

    right: np.ndarray
    predicted: np.ndarray
    true: np.ndarray

    @classmethod
    def of(cls, tables: tuple[Any, Any, Any], weights: np.ndarray) -> ClassCounts:
        """Counts of draws.

        Args:
            tables: of each kind of row how often each class is right, predicted and true, sparse (kinds, classes) each.
            weights: of the kinds, shape (draws, kinds).
        """
        return cls(*((table.T @ weights.T).T for table in tables))

    def macro(self, *, of_all: bool = False) -> dict[str, np.ndarray]:
        """Means over classes, shape (draws,) each.

        Args:
            of_all: also over classes that are neither true nor predicted in a draw, where the figures are 0.
        """
        present = np.ones_like(self.true) if of_all else (self.true + self.predicted > 0).astype(np.float64)
        return self._averaged("macro", present)

    def weighted(self) -> dict[str, np.ndarray]:
        """Means over classes, each as often as it is true."""
        return self._averaged("weighted", self.true)

    def micro(self) -> dict[str, np.ndarray]:
        """Over all classes together."""
        both = ClassCounts(*(part.sum(axis=1, keepdims=True) for part in (self.right, self.predicted, self.true)))
        return {f"{name}_micro": values[:, 0] for name, values in zip(SUFFIXES, both.ratios(), strict=True)}

    def ratios(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Precision, recall and F1 of each class, 0 where there is nothing to divide by."""
        return (
            ratio(self.right, self.predicted),
            ratio(self.right, self.true),
            ratio(2 * self.right, self.predicted + self.true),
        )

    def mcc(self) -> np.ndarray:
        """Matthews correlation of any number of classes, see `classification`; one class a row."""
        rows, right = self.true.sum(axis=1), self.right.sum(axis=1)
        spread = (rows**2 - (self.predicted**2).sum(axis=1)) * (rows**2 - (self.true**2).sum(axis=1))
        return ratio(right * rows - (self.true * self.predicted).sum(axis=1), np.sqrt(spread))

    def _averaged(self, how: str, weights: np.ndarray) -> dict[str, np.ndarray]:
        return {
            f"{name}_{how}": ratio((values * weights).sum(axis=1), weights.sum(axis=1))
            for name, values in zip(SUFFIXES, self.ratios(), strict=True)
        }


def ratio(over: np.ndarray, under: np.ndarray) -> np.ndarray:
    """A quotient, 0 where there is nothing to divide by."""
    return np.divide(over, under, out=np.zeros(np.broadcast(over, under).shape), where=under > 0)


def marked(classes: np.ndarray, count: int) -> Any:
    """A sparse array (rows, count) with a 1 at the class of each row, none where that is below 0."""
    from scipy import sparse

    rows = np.flatnonzero(classes >= 0)
    return sparse.csr_array((np.ones(len(rows)), (rows, classes[rows])), shape=(len(classes), count))
