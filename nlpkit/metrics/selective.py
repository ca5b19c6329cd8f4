"""What a model gets right where it answers only when it is sure (selective prediction, El-Yaniv and Wiener 2010)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

COVERAGE = "coverage"
"""The metric that tells which share of the rows is measured."""
COVERAGES = (1.0, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.3)
TARGETS = (0.8, 0.9, 0.95, 0.98, 0.99)
FEWEST = 30  # answers that a share of right ones is said of


class Point(NamedTuple):
    """The answers from a score on, or from a margin on.

    Attributes:
        least: the lowest score among them.
        coverage: their share of all answers.
        rows: their number.
        right: the share of them that is right.
    """

    least: float
    coverage: float
    rows: int
    right: float


def points(scores: np.ndarray, right: np.ndarray) -> list[Point]:
    """One for each score that occurs, the highest first; answers of equal score are given together."""
    order = np.argsort(-scores, kind="stable")
    ranked, correct = scores[order], np.cumsum(right[order])
    last = np.flatnonzero(np.diff(ranked, append=-np.inf))
    return [Point(float(ranked[i]), (i + 1) / len(scores), i + 1, float(correct[i]) / (i + 1)) for i in last.tolist()]


def table(scores: np.ndarray, right: np.ndarray) -> list[Point]:
    """Those that cover at least each of `COVERAGES`, from all answers to few."""
    found = points(scores, right)
    chosen = [next(point for point in found if point.coverage >= share - 1e-9) for share in COVERAGES]
    return list(dict.fromkeys(point for point in chosen if point.rows >= min(FEWEST, len(scores))))


def reaching(scores: np.ndarray, right: np.ndarray) -> dict[float, Point]:
    """For each of `TARGETS` that all answers together miss the most answers of which so many are right, if any."""
    found = [point for point in points(scores, right) if point.rows >= FEWEST]
    reached = {}
    for target in TARGETS:
        enough = [point for point in found if point.right >= target]
        if enough and right.mean() < target:
            reached[target] = enough[-1]
    return reached
