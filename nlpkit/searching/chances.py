"""What the score of a document is worth: how often the best one for a question without an answer has as much."""

from __future__ import annotations

import math

import numpy as np

from nlpkit.searching.record import Chance


def threshold(chance: Chance, share: float) -> float | None:
    """The score that at most this share of questions without an answer exceeds; of n the largest is exceeded by 1 in
    n + 1, and fewer cannot be told. None: all may."""
    count = len(chance.best)
    if share >= 1:
        return None
    place = math.ceil((count + 1) * (1 - share))
    return chance.best[min(place, count) - 1]


def probability(chance: Chance, score: float) -> float:
    """The share of questions without an answer whose best document has at least this score, as far as they tell."""
    count = len(chance.best)
    above = count - int(np.searchsorted(chance.best, score, side="left"))
    return (above + 1) / (count + 1)
