"""How much less sure the model is without a word: one word at a time, and the strongest one after another."""

from __future__ import annotations

import math

import numpy as np

from nlpkit.explaining.variants import Variants

# Rounds of `erasure` beside the first, and words that each asks about; more of longer texts. On SST-2 more of either
# gained less than it took, see docs/measured.md.
ROUNDS, CANDIDATES = 3, 8
DEEPEST = 0.1  # share of the words that are hidden together at most, where that is more than the rounds


def occlusion(variants: Variants, seed: int) -> np.ndarray:
    """Each unit is masked by itself, all in one batch (Zeiler and Fergus 2014, https://arxiv.org/abs/1311.2901)."""
    kept = ~np.eye(len(variants), dtype=bool)
    return variants.whole - variants.masked(kept)


def erasure(variants: Variants, seed: int) -> np.ndarray:
    """Each unit is left out by itself; then the strongest stay out, and the next strongest are asked about again.

    Where two words say the same, neither is missed alone: both are found once the first is out (Li et al. 2016,
    https://arxiv.org/abs/1612.08220, leave out words and sets of words). A unit is worth the mean of what it was worth
    in each round, and at least as much as those that stayed in after it was left out.
    """
    units = len(variants)
    worth = variants.whole - variants.removed(~np.eye(units, dtype=bool))
    asked = np.ones(units)
    out: list[int] = []
    deepest = min(max(ROUNDS + 1, math.ceil(DEEPEST * units)), units)
    while len(out) < deepest:
        mean = worth / asked
        mean[out] = -np.inf
        order = np.argsort(-mean, kind="stable")
        step = max(deepest // (ROUNDS + 1), 1)
        out += order[: min(step, deepest - len(out))].tolist()
        candidates = order[step : step + max(CANDIDATES, units // 4)]
        candidates = np.array([unit for unit in candidates if unit not in out], dtype=int)
        if len(out) == deepest or not len(candidates):
            break
        kept = np.ones((len(candidates) + 1, units), dtype=bool)
        kept[:, out] = False
        kept[1 + np.arange(len(candidates)), candidates] = False
        values = variants.removed(kept)
        worth[candidates] += values[0] - values[1:]
        asked[candidates] += 1
    scores = worth / asked
    staying = np.delete(scores, out)
    least = staying.max() if len(staying) else -np.inf
    for unit in reversed(out):
        least = scores[unit] = max(scores[unit], least)
    return scores
