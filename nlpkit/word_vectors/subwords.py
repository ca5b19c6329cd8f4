"""Vectors of the pieces of words, so that a word that was never seen has one too (Bojanowski et al. 2017,
https://arxiv.org/abs/1607.04606).

A word in angle brackets is cut into all runs of `shortest` to `longest` characters. Runs are not named: a hash puts
each into one of many buckets, and a bucket has a vector. Hash and cut are fastText's, which gensim repeats.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

FNV_OFFSET, FNV_PRIME = 2166136261, 16777619


def bucket_of(run: bytes, buckets: int) -> int:
    """The bucket of a run of characters in UTF-8: fastText's FNV-1a, which takes a byte for a signed number."""
    code = FNV_OFFSET
    for byte in run:
        code = ((code ^ (byte if byte < 128 else byte | 0xFFFFFF00)) * FNV_PRIME) & 0xFFFFFFFF
    return code % buckets


def runs_of(word: str, shortest: int, longest: int) -> Iterator[str]:
    """The runs of characters of a word in brackets; a bracket alone is none."""
    framed = f"<{word}>"
    for start in range(len(framed)):
        for size in range(shortest, min(longest, len(framed) - start) + 1):
            if size > 1 or 0 < start < len(framed) - 1:
                yield framed[start : start + size]


@dataclass(frozen=True, eq=False)
class Subwords:
    """What the pieces of words have learned.

    Attributes:
        shortest, longest: characters of a piece.
        buckets: how many a hash chooses among.
        learned: buckets that a word of the vocabulary has a piece in, ascending, int64 of shape (pieces,). The others
            hold the random numbers that training began with, and are not kept.
        table: their vectors, float32 of shape (pieces, width).
    """

    shortest: int
    longest: int
    buckets: int
    learned: np.ndarray
    table: np.ndarray

    def vector(self, word: str) -> np.ndarray | None:
        """The mean of the pieces that were learned, shape (width,); None where none was."""
        buckets = [bucket_of(run.encode(), self.buckets) for run in runs_of(word, self.shortest, self.longest)]
        wanted = np.array(buckets, np.int64)
        places = np.searchsorted(self.learned, wanted)
        known = places < len(self.learned)
        known[known] = self.learned[places[known]] == wanted[known]
        return self.table[places[known]].mean(axis=0) if known.any() else None
