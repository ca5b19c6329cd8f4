"""Cosines of all rows with all rows, a block at a time: there is never a matrix of all of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from nlpkit.errors import UserError
from nlpkit.metrics.similarity import unit

if TYPE_CHECKING:
    from nlpkit.reporting import Progress

ROUNDED = 1 - 1e-6  # the cosine of equal vectors, at least: their product in float32 may be below 1
BLOCK = 1_024  # rows whose cosines with all others are in memory at a time
MOST_PAIRS = 20_000_000
"""Pairs above a threshold that are kept, 12 bytes each: more say that the threshold is too low to tell anything."""


def blocks(units: np.ndarray, others: np.ndarray | None = None) -> Iterator[tuple[int, np.ndarray]]:
    """The first row of each block, and its cosines, shape (rows of the block, others).

    Args:
        units: vectors of length 1, shape (rows, width).
        others: that they are compared with. Default: the same.
    """
    with_whom = units if others is None else others
    for start in range(0, len(units), BLOCK):
        yield start, units[start : start + BLOCK] @ with_whom.T


def pairs_above(
    units: np.ndarray, threshold: float, bar: Progress | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All pairs of rows with a cosine of `threshold` or more.

    Args:
        units: vectors of length 1, shape (rows, width).
        bar: counts rows.

    Returns:
        The earlier row, the later row (int32) and the cosine (float32) of each pair, sorted by the later row.

    Raises:
        UserError: there are more than `MOST_PAIRS`.
    """
    parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    count = 0
    for start in range(0, len(units), BLOCK):
        block = units[start : start + BLOCK]
        cosines = block @ units[: start + len(block)].T
        later, earlier = np.nonzero(cosines >= min(threshold, ROUNDED))
        real = earlier < later + start
        later, earlier = later[real], earlier[real]
        parts.append(
            (
                earlier.astype(np.int32),
                (later + start).astype(np.int32),
                np.asarray(cosines[later, earlier], np.float32),
            )
        )
        count += len(later)
        if count > MOST_PAIRS:
            raise UserError(
                f"more than {MOST_PAIRS:,} pairs of texts have a cosine of {threshold:g} or more",
                "Raise --threshold: at this one most texts are alike.",
            )
        if bar is not None:
            bar.advance(len(block))
    first, second, cosine = (np.concatenate(column) for column in zip(*parts, strict=True))
    return first, second, np.clip(cosine, -1, 1)


def highest(units: np.ndarray) -> float:
    """The highest cosine of two rows; -1 where there is one row alone."""
    most = -1.0
    for start, cosines in blocks(units):
        cosines[np.arange(len(cosines)), start + np.arange(len(cosines))] = -1
        most = max(most, float(cosines.max(initial=-1)))
    return most


def nearest(units: np.ndarray, others: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The nearest of `others` to each row, the nearest first: their places and cosines, shape (rows, count)."""
    count = min(count, len(others))
    places = np.empty((len(units), count), np.int64)
    values = np.empty((len(units), count), np.float32)
    for start, cosines in blocks(units, others):
        some = np.argpartition(-cosines, count - 1, axis=1)[:, :count]
        found = np.take_along_axis(cosines, some, axis=1)
        order = np.lexsort((some, -found), axis=1)
        places[start : start + len(cosines)] = np.take_along_axis(some, order, axis=1)
        values[start : start + len(cosines)] = np.take_along_axis(found, order, axis=1)
    return places, values


def centres_of(units: np.ndarray, labels: np.ndarray, groups: int) -> np.ndarray:
    """The mean vector of each group at length 1, float32 of shape (groups, width); rows with a label below 0 count in
    none."""
    there = labels >= 0
    sums = np.zeros((groups, units.shape[1]), np.float64)
    np.add.at(sums, labels[there], units[there])
    return np.asarray(unit(sums), np.float32)
