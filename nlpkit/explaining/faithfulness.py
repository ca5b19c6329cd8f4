"""How faithful an attribution is to the model: what happens when the words that it names are taken away, or kept alone.

Comprehensiveness: how much less sure the model is without the words that are worth most; high where these are what the
answer hangs on. Sufficiency: how much less sure it is with these words alone; low where they suffice. Both as DeYoung
et al. 2020 (ERASER, https://arxiv.org/abs/1911.03429) have them, the mean over the shares below.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from nlpkit.explaining.variants import Variants

SHARES = (0.01, 0.05, 0.10, 0.20, 0.50)
"""Of the words, of which one is taken at least (ERASER)."""


@dataclass(frozen=True)
class Faithfulness:
    """See the module's docstring; in the units of the answer, as a rule probabilities."""

    comprehensiveness: float
    sufficiency: float


def sizes(units: int) -> list[int]:
    """How many of the units each of `SHARES` takes."""
    return [max(math.ceil(share * units - 1e-9), 1) for share in SHARES]


def measured(variants: Variants, scores: np.ndarray) -> Faithfulness:
    """The faithfulness of scores of the units.

    Args:
        scores: shape (units,); of equal ones the first is taken first.
    """
    units = len(variants)
    order = np.argsort(-scores, kind="stable")
    without, alone = np.ones((len(SHARES), units), dtype=bool), np.zeros((len(SHARES), units), dtype=bool)
    for i, size in enumerate(sizes(units)):
        chosen = order[:size]
        without[i, chosen], alone[i, chosen] = False, True
    values = variants.removed(np.vstack([without, alone]))
    lost = variants.whole - values
    return Faithfulness(float(lost[: len(SHARES)].mean()), float(lost[len(SHARES) :].mean()))


def of_random(variants: Variants, seed: int, draws: int) -> Faithfulness:
    """The same of scores that are drawn: what a method has to beat."""
    generator = np.random.default_rng(seed)
    found = [measured(variants, generator.random(len(variants))) for _ in range(draws)]
    return Faithfulness(
        float(np.mean([one.comprehensiveness for one in found])), float(np.mean([one.sufficiency for one in found]))
    )
