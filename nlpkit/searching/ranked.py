"""Rows in the order in which they answer a question, and orders made of several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

SAME = 3e-7  # of scores of length 1: by how much those of equal rows differ, as a product hangs on its block
RANK = 60  # what is added to a rank before it divides (Cormack et al. 2009)


class Ranked(NamedTuple):
    """The best rows for a question, the best first, of equal ones those that stand first.

    Attributes:
        rows: their places, int64 of shape (depth,).
        scores: float32 of the same shape.
    """

    rows: np.ndarray
    scores: np.ndarray


def best(scores: np.ndarray, depth: int) -> Ranked:
    """The `depth` largest of some scores, shape (rows,)."""
    depth = min(depth, len(scores))
    if depth == 0:
        return Ranked(np.empty(0, np.int64), np.empty(0, np.float32))
    bound = np.partition(scores, len(scores) - depth)[len(scores) - depth]
    above = np.flatnonzero(scores > bound)
    equal = np.flatnonzero(scores == bound)[: depth - len(above)]
    chosen = np.concatenate([above, equal])
    order = np.lexsort((chosen, -scores[chosen]))
    return Ranked(chosen[order], scores[chosen[order]])


def in_order(ranked: Ranked) -> Ranked:
    """The same list, in which rows whose scores differ by rounding alone have one score, and stand in their order."""
    if len(ranked.scores) < 2:
        return ranked
    near = SAME * max(1.0, float(np.abs(ranked.scores).max()))
    group = np.cumsum(-np.diff(ranked.scores, prepend=ranked.scores[0]) > near)
    first = np.searchsorted(group, group)
    order = np.lexsort((ranked.rows, group))
    return Ranked(ranked.rows[order], ranked.scores[first])


def scaled(ranked: Ranked) -> np.ndarray:
    """The scores of a list from 0, its last, to 1, its first; all 1 where they are equal."""
    if not len(ranked.scores):
        return ranked.scores
    low, high = float(ranked.scores.min()), float(ranked.scores.max())
    if high <= low:
        return np.ones_like(ranked.scores)
    return (ranked.scores - low) / np.float32(high - low)


def averaged(lists: Sequence[Ranked], weights: Sequence[float], depth: int) -> Ranked:
    """The weighted mean of scores that are scaled in each list from 0 to 1; what a list lacks has 0 there.

    Args:
        weights: of the lists, which add up to 1.
    """
    return _summed(
        [(ranked.rows, weight * scaled(ranked)) for ranked, weight in zip(lists, weights, strict=True)], depth
    )


def by_ranks(lists: Sequence[Ranked], depth: int) -> Ranked:
    """Reciprocal rank fusion (Cormack et al. 2009, https://doi.org/10.1145/1571941.1572114)."""
    return _summed([(ranked.rows, 1 / (RANK + np.arange(1, len(ranked.rows) + 1))) for ranked in lists], depth)


def _summed(parts: Sequence[tuple[np.ndarray, np.ndarray]], depth: int) -> Ranked:
    rows, places = np.unique(np.concatenate([rows for rows, _ in parts]), return_inverse=True)
    total = np.zeros(len(rows))
    np.add.at(total, places, np.concatenate([values for _, values in parts]))
    found = best(total.astype(np.float32), depth)
    return Ranked(rows[found.rows], found.scores)
