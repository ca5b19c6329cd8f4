"""Texts that say the same as an earlier one, word for word or nearly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nlpkit.clustering import neighbours
from nlpkit.data.spelling import folded

if TYPE_CHECKING:
    from nlpkit.reporting import Progress


@dataclass(frozen=True)
class Duplicates:
    """Which rows repeat an earlier one.

    Each is like the first row of its group itself, and not by way of others: what is dropped has a twin that stays.

    Attributes:
        of: for each row the first row of its group, int64 of shape (rows,); a row that repeats none has its own place.
        cosine: of the two, float32; 1 where a row repeats none.
        equal: whether the two are the same but for case, blanks and the like, shape (rows,).
    """

    of: np.ndarray
    cosine: np.ndarray
    equal: np.ndarray

    @property
    def repeated(self) -> np.ndarray:
        """Places of the rows that repeat an earlier one, int64."""
        return np.flatnonzero(self.of != np.arange(len(self.of)))

    def groups(self) -> list[np.ndarray]:
        """The rows of each group of two or more, the largest group first."""
        firsts, counts = np.unique(self.of, return_counts=True)
        firsts, counts = firsts[counts > 1], counts[counts > 1]
        order = np.lexsort((firsts, -counts))
        return [np.flatnonzero(self.of == firsts[i]) for i in order.tolist()]


def found(units: np.ndarray, texts: Sequence[str], threshold: float, bar: Progress | None = None) -> Duplicates:
    """Rows whose text is that of an earlier row, or has a cosine of `threshold` or more with it.

    Rows are gone through in their order: each joins the earlier row that it is most like, of those that repeat none
    themselves.

    Args:
        units: vectors of length 1, shape (rows, width).
        texts: of the rows.
        threshold: of the cosine.
        bar: counts rows that differ.

    Raises:
        UserError: so many pairs are above the threshold that it tells nothing.
    """
    rows = len(texts)
    known: dict[str, int] = {}
    first = np.asarray([known.setdefault(folded(text), i) for i, text in enumerate(texts)], np.int64)
    different = np.flatnonzero(first == np.arange(rows))
    earlier, later, cosines = neighbours.pairs_above(units[different], threshold, bar)
    of = np.arange(len(different))
    best = np.ones(len(different), np.float32)
    bounds = np.searchsorted(later, np.arange(len(different) + 1))
    for row in np.unique(later).tolist():
        part = slice(bounds[row], bounds[row + 1])
        kept = of[earlier[part]] == earlier[part]
        if kept.any():
            candidates, values = earlier[part][kept], cosines[part][kept]
            nearest = int(values.argmax())  # of equally near ones the earliest
            of[row], best[row] = candidates[nearest], values[nearest]
    place = np.searchsorted(different, first)
    whole = different[of[place]]
    cosine = best[place]
    same = whole == first
    return Duplicates(whole, np.where(same, np.float32(1), cosine), same)
