"""As many negatives for each row as the one with most has, as losses want them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nlpkit.data.spelling import folded


def filled(kept: Mapping[str, list[Any]]) -> tuple[list[list[str]], list[int]]:
    """Negatives of rows of train: where one has fewer than another, some of other rows that are neither its text nor
    belong to it, and its own once more where there are none.

    Args:
        kept: `text`, `text_pair` and `negatives` of each row.

    Returns:
        The negatives of each row, none where there were none for it either; and the rows that had too few.
    """
    negatives = list(kept["negatives"])
    most = max(map(len, negatives), default=0)
    short = [i for i, texts in enumerate(negatives) if len(texts) < most]
    if not short:
        return negatives, short
    right: dict[str, set[str]] = {}
    for text, second in zip(kept["text"], kept["text_pair"], strict=True):
        right.setdefault(folded(text), {folded(text)}).add(folded(second))
    pool = list({folded(text): text for texts in negatives for text in texts}.values())
    generator = np.random.default_rng(0)
    for i in short:
        taken = right[folded(kept["text"][i])] | {folded(text) for text in negatives[i]}
        drawn = _drawn(pool, most - len(negatives[i]), taken, generator)
        texts = [*negatives[i], *drawn]
        negatives[i] = [texts[number % len(texts)] for number in range(most)] if texts else []
    return negatives, short


def _drawn(pool: Sequence[str], count: int, taken: set[str], generator: np.random.Generator) -> list[str]:
    """Up to `count` different texts of `pool`, without those whose spelling is in `taken`.

    Texts are drawn one by one first, as nearly all of a large pool will do; the rest is looked for in all of it.
    """
    few = generator.choice(len(pool), 4 * count) if pool else np.zeros(0, np.int64)
    found: dict[str, str] = {}
    for numbers in (few, generator.permutation(len(pool))):
        for number in numbers:
            text = pool[number]
            if folded(text) not in taken:
                found.setdefault(folded(text), text)
            if len(found) == count:
                return list(found.values())
    return list(found.values())
