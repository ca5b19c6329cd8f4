"""n-gram models as a baseline: interpolated Kneser-Ney over the token stream that a model is trained on.

An n-gram model knows nothing but which tokens follow which few others, and is fitted in seconds: what a model that
writes does not do better, it has not learnt. Smoothing is that of Kneser and Ney (1995), interpolated, with one
discount per order (Chen and Goodman 1999, https://doi.org/10.1006/csla.1999.0128): the highest order counts how often
an n-gram stands there, lower ones after how many different tokens it does.

The token that ends a document is the last token of that document and the first that the next one sees, as for a model
that is trained with its documents kept apart; no n-gram reaches further back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

ORDER = 5  # the highest
MOST_TOKENS = 5_000_000  # that are counted: some 300 bytes each, of 8,000 different ones, so 1.5 GB at most


@dataclass(frozen=True)
class Smoothed:
    """Probabilities of an order by one way of counting.

    Attributes:
        chance: of each n-gram that was seen, of its last token behind the others; float64, shape (n-grams,).
        backoff: of each context, what a token that was not seen behind it has of its probability at the order below;
            shape (contexts,).
        best, best_chance: the likeliest token behind each context, and its probability; shape (contexts,).
    """

    chance: np.ndarray
    backoff: np.ndarray
    best: np.ndarray
    best_chance: np.ndarray


@dataclass(frozen=True)
class Level:
    """The n-grams of an order, sorted; their contexts are the n-grams of the order below, by number.

    Attributes:
        keys: context * vocabulary + last token; int64, shape (n-grams,).
        suffix: number of each n-gram without its first token at the order below, shape (n-grams,).
        highest: probabilities where this is the highest order, and
        lower: where it is not.
    """

    keys: np.ndarray
    suffix: np.ndarray
    highest: Smoothed
    lower: Smoothed


class NGrams:
    """Models of order 1 to `orders` that share their tables.

    Args:
        tokens: ids, shape (n,), at least one.
        vocabulary: how many tokens there are; those that were never seen share what the discount leaves.
        separator: the token that ends a document; None: there is none.
        orders: the highest order.
    """

    def __init__(self, tokens: np.ndarray, vocabulary: int, separator: int | None, orders: int = ORDER) -> None:
        self.vocabulary, self.separator = vocabulary, separator
        tokens = np.asarray(tokens, dtype=np.int64)
        first = _context_starts(tokens, separator)
        self.levels: list[Level] = []
        uniform = 1.0 / vocabulary
        below = Smoothed(np.array([uniform]), np.array([1.0]), np.array([0]), np.array([uniform]))
        suffixes = np.zeros(1, dtype=np.int64)  # of the contexts: n-grams of the order below, without their first token
        before = np.zeros(len(tokens), dtype=np.int64)  # number of the context at each place, -1 without one
        shorter = before  # number of the n-gram of the order below that ends at each place
        place = np.arange(len(tokens))
        counted = self._table(before, tokens, np.ones(len(tokens), dtype=bool))
        for order in range(1, orders + 1):
            keys, at, counts, where = counted
            if not len(keys):  # no document is that long
                break
            ends = np.full(len(tokens), -1, dtype=np.int64)
            ends[at] = where
            suffix = np.zeros(len(keys), dtype=np.int64)
            suffix[where] = shorter[at]
            highest = _smoothed(keys, suffix, counts, below, suffixes, vocabulary)
            if order == orders:
                self.levels.append(Level(keys, suffix, highest, highest))
                break
            # the next order is counted already: it tells after how many different tokens an n-gram of this one stands
            before = np.concatenate([[-1], ends[:-1]])
            counted = self._table(before, tokens, (before >= 0) & (place - order >= first))
            longer, longer_at, _, longer_where = counted
            ending = np.zeros(len(longer), dtype=np.int64)
            ending[longer_where] = ends[longer_at]
            after = np.bincount(ending, minlength=len(keys))
            if separator is not None and order > 1:  # nothing stands before what begins a document
                begins = np.zeros(len(keys), dtype=bool)
                begins[where] = tokens[at - order + 1] == separator
                after = np.where(begins, counts, after)
            lower = _smoothed(keys, suffix, after, below, suffixes, vocabulary)
            self.levels.append(Level(keys, suffix, highest, lower))
            below, suffixes, shorter = lower, suffix, ends

    def _table(
        self, before: np.ndarray, tokens: np.ndarray, fits: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """The n-grams at the places that fit: sorted, the places, how often each is there, which one each place has."""
        at = np.flatnonzero(fits)
        keys, where, counts = np.unique(
            before[at] * self.vocabulary + tokens[at], return_inverse=True, return_counts=True
        )
        return keys, at, counts, where.reshape(-1)

    def judged(self, tokens: np.ndarray, first: np.ndarray | None = None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """For each order the probability of every token, and whether it is the likeliest; shape (n,) each.

        Args:
            tokens: ids, shape (n,).
            first: for each place the first one that may be looked back to; None: as documents end.
        """
        tokens = np.asarray(tokens, dtype=np.int64)
        if first is None:
            first = _context_starts(tokens, self.separator)
        place = np.arange(len(tokens))
        chance = np.full(len(tokens), 1.0 / self.vocabulary)
        best = np.zeros(len(tokens), dtype=np.int64)
        before = np.zeros(len(tokens), dtype=np.int64)
        for order, level in enumerate(self.levels, start=1):
            known = (before >= 0) & (place - order + 1 >= first)
            context = np.where(known, before, 0)
            keys = context * self.vocabulary + tokens
            number = np.minimum(np.searchsorted(level.keys, keys), len(level.keys) - 1)
            found = known & (level.keys[number] == keys)
            ways = []
            for way in (level.highest, level.lower):
                shorter = np.where(known, way.backoff[context], 1.0) * chance
                ways.append((np.where(found, way.chance[number], shorter), np.where(known, way.best[context], best)))
            (top, guess), (chance, best) = ways
            yield top, guess == tokens
            before = np.concatenate([[-1], np.where(found, number, -1)[:-1]])


def _context_starts(tokens: np.ndarray, separator: int | None) -> np.ndarray:
    """For each place the first one that what stands there may be seen to depend on: where its document begins."""
    if separator is None:
        return np.zeros(len(tokens), dtype=np.int64)
    ended = np.where(tokens == separator, np.arange(len(tokens)), 0)
    return np.concatenate([[0], np.maximum.accumulate(ended)[:-1]])


def _smoothed(
    keys: np.ndarray, suffix: np.ndarray, counts: np.ndarray, below: Smoothed, suffixes: np.ndarray, vocabulary: int
) -> Smoothed:
    """Probabilities from counts, of which some may be 0, interpolated with those of the order below.

    Args:
        suffixes: of the contexts, see `Level.suffix`.
    """
    context, last = keys // vocabulary, keys % vocabulary
    size = len(suffixes)
    total = np.bincount(context, counts, minlength=size)
    kinds = np.bincount(context, counts > 0, minlength=size)
    discount = _discount(counts)
    backoff = np.where(total > 0, discount * kinds / np.maximum(total, 1), 1.0)
    own = np.maximum(counts - discount, 0.0) / np.maximum(total, 1)[context]
    chance = own + backoff[context] * below.chance[suffix]
    # Behind a context the likeliest token is one that was seen there, or the likeliest of the order below.
    best, best_chance = below.best[suffixes].copy(), backoff * below.best_chance[suffixes]
    begins = np.flatnonzero(np.diff(context, prepend=-1))  # n-grams are sorted by context
    highest = np.repeat(np.maximum.reduceat(chance, begins), np.diff(begins, append=len(chance)))
    top = np.flatnonzero(chance == highest)
    top = top[np.diff(context[top], prepend=-1) > 0]  # of several the first token
    top = top[chance[top] >= best_chance[context[top]]]
    best[context[top]], best_chance[context[top]] = last[top], chance[top]
    return Smoothed(chance, backoff, best, best_chance)


def _discount(counts: np.ndarray) -> float:
    """What each n-gram that was seen gives away: n1 / (n1 + 2 n2), of those that were seen once and twice (Ney, Essen
    and Kneser 1994); a half where none was seen once, as of few characters."""
    once, twice = int((counts == 1).sum()), int((counts == 2).sum())
    return once / (once + 2 * twice) if once else 0.5


def sums_of_rows(ngrams: NGrams, rows: Iterable[Any], bytes_of: np.ndarray) -> dict[str, np.ndarray]:
    """What `CausalLM` sums up of each row, for each order: on the same tokens, with no more before them than its row.

    Args:
        rows: of `Windows`, with what each judges.
        bytes_of: see `CausalLM`.

    Returns:
        Sums of shape (rows, 4), by the name of the order.
    """
    ids, first, judged, lengths, place = [], [], [], [], 0
    for row in rows:
        tokens = np.asarray(row.ids, dtype=np.int64)
        ids.append(tokens)
        first.append(_context_starts(tokens, ngrams.separator) + place)
        used = np.ones(len(tokens), dtype=bool)
        used[: 1 + row.context] = False  # the first token is only read
        judged.append(used)
        lengths.append(len(tokens))
        place += len(tokens)
    tokens, used = np.concatenate(ids), np.concatenate(judged)
    begins = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    said = np.where(used, bytes_of[tokens], 0.0)
    made = {}
    for order, (chance, right) in enumerate(ngrams.judged(tokens, np.concatenate(first)), start=1):
        columns = (np.where(used, -np.log(chance), 0.0), right & used, used, said)
        sums = [np.add.reduceat(column.astype(np.float64), begins) for column in columns]
        made[f"{order}-gram"] = np.stack(sums, axis=1)
    return made
