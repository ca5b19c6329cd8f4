"""Shares of words, with intervals: the words of a sentence are no independent trials, sentences are."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from nlpkit.metrics import intervals
from nlpkit.metrics.evidence import Share


class Part(NamedTuple):
    """A share of words from 0 to 1, and the 95 % interval of it over sentences."""

    value: float
    low: float
    high: float


def share(hits: np.ndarray, sentences: np.ndarray) -> Part:
    """The share of words that are right.

    Args:
        hits: of each word whether it is, shape (words,).
        sentences: the number of the sentence of each, shape (words,).
    """
    low, high = intervals.of_share(Share(hits, np.ones(len(hits))), np.unique(sentences, return_inverse=True)[1])
    return Part(float(hits.mean()) if len(hits) else 0.0, low, high)


def difference(hits: np.ndarray, others: np.ndarray, sentences: np.ndarray) -> Part:
    """By how much one share is larger than another of the same words, with a t-interval over sentences.

    The standard error is that of a ratio of sums over clusters (Cochran 1977, section 6.3): the sum of differences of a
    sentence, over that of its words.

    Args:
        hits, others: of each word whether it is right, shape (words,).
        sentences: the number of the sentence of each, shape (words,).
    """
    from scipy import stats

    unit = np.unique(sentences, return_inverse=True)[1]
    gains = np.bincount(unit, weights=hits.astype(np.float64) - others.astype(np.float64))
    words = np.bincount(unit)
    value, units = float(gains.sum() / words.sum()), len(words)
    if units < 2:
        return Part(value, -1.0, 1.0)
    error = math.sqrt(float(((gains - value * words) ** 2).sum()) * units / (units - 1)) / float(words.sum())
    reach = float(stats.t.ppf((1 + intervals.LEVEL) / 2, units - 1)) * error
    return Part(value, max(value - reach, -1.0), min(value + reach, 1.0))
