"""What metrics hang on: how often each kind of row counts.

A metric of rows that are drawn anew (a bootstrap, Efron 1979, https://doi.org/10.1214/aos/1176344552) is one of the
same rows with other weights. A task says once how its metrics follow from weights; intervals and paired tests need no
more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

Weights = np.ndarray
"""How often each kind of row counts, in each of several draws: shape (draws, kinds)."""
Figures = Callable[[Weights], Mapping[str, np.ndarray]]
"""Metrics of each draw, shape (draws,) each; NaN in a draw where a metric is not defined."""


@dataclass(frozen=True)
class Share:
    """A metric that is a share of trials, for which an interval needs no draws: accuracy, precision, recall, F1.

    Attributes:
        hits, trials: of each row, shape (rows,); the metric is the sum of hits over that of trials, 0 without trials.
        dice: the metric is F1 = 2J / (1 + J) of this share J: hits are true positives, trials these and all errors.
        scale: what a share of 1 is as a figure: 100 where it is in percent.
    """

    hits: np.ndarray
    trials: np.ndarray
    dice: bool = False
    scale: float = 1.0

    def figure(self, share: float) -> float:
        """The metric as it is shown, of a share from 0 to 1."""
        return self.scale * (2 * share / (1 + share) if self.dice else share)


@dataclass(frozen=True)
class Extremes:
    """The least and the greatest value of a metric: an interval ends there, and is not empty where a model reaches one.

    Attributes:
        low, high: as the metric is shown.
        trials: independent trials that have all come out alike at an end; None: as many as there are units.
    """

    low: float = 0.0
    high: float = 1.0
    trials: int | None = None


@dataclass(frozen=True)
class Evidence:
    """How the metrics of a split hang on its rows.

    Attributes:
        kinds: the kind of each row, from 0, shape (rows,): rows of a kind are the same to every metric.
        figures: metrics from weights of the kinds.
        shares: metrics that are shares.
        extremes: of the metrics that have some, where they are no shares.
        units: the unit of each row, from 0, shape (rows,): units are drawn independently, rows of one unit are not;
            None: each row is one.
        unit: what units are called, in the plural.
        draws: of a bootstrap, where `figures` takes long; None: as many as there is time for.
    """

    kinds: np.ndarray
    figures: Figures
    shares: Mapping[str, Share] = field(default_factory=dict)
    extremes: Mapping[str, Extremes] = field(default_factory=dict)
    units: np.ndarray | None = None
    unit: str = "rows"
    draws: int | None = None

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self.kinds)

    @property
    def kind_count(self) -> int:
        """How many kinds of rows there are."""
        return int(self.kinds.max()) + 1

    @property
    def unit_count(self) -> int:
        """How many units there are."""
        return self.rows if self.units is None else int(self.units.max()) + 1

    def observed(self) -> dict[str, float]:
        """The metrics of the rows as they are."""
        weights = np.bincount(self.kinds, minlength=self.kind_count).astype(np.float64)[None]
        return {name: float(values[0]) for name, values in self.figures(weights).items()}

    def part(self, rows: np.ndarray) -> Evidence:
        """What the metrics of some of the rows hang on.

        Args:
            rows: their places, at least one.
        """
        kinds, kind_of = np.unique(self.kinds[rows], return_inverse=True)
        units = None if self.units is None else np.unique(self.units[rows], return_inverse=True)[1].reshape(-1)

        def figures(weights: Weights) -> Mapping[str, np.ndarray]:
            of_all = np.zeros((len(weights), self.kind_count))
            of_all[:, kinds] = weights
            return self.figures(of_all)

        return replace(
            self,
            kinds=kind_of.reshape(-1),
            figures=figures,
            shares={
                name: replace(share, hits=share.hits[rows], trials=share.trials[rows])
                for name, share in self.shares.items()
            },
            # how many trials were alike is known of all rows alone
            extremes={name: replace(ends, trials=None) for name, ends in self.extremes.items()},
            units=units,
        )


class Judgement(NamedTuple):
    """How good a model is on a split, and what that hangs on; None where there is no telling."""

    metrics: Mapping[str, float]
    evidence: Evidence | None


def numbered(keys: np.ndarray) -> np.ndarray:
    """The number of each row among the different ones, shape (rows,); keys of shape (rows,) or (rows, columns)."""
    return np.unique(keys, axis=0, return_inverse=True)[1].reshape(-1)
