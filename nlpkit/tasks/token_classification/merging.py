"""What a tagger says of each word, from what it says of tokens in windows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nlpkit.tasks.arrays import softmax
from nlpkit.tasks.token_classification.tag_sets import TagSet


def merged(
    outputs: Sequence[np.ndarray], features: Mapping[str, Sequence[Any]], tag_set: TagSet, aggregation: str
) -> list[np.ndarray]:
    """Logits of each word, shape (words, labels), by example; NaN for a word without a token.

    Averaged are the probabilities of the tokens of a word, as `aggregation_strategy="average"` of the stock
    pipeline does, and given as their logarithms. A word that begins inside a token of the one before it, as two
    characters that a SentencePiece model has as one token, is read from that token, as its continuation.

    Args:
        outputs: logits of the tokens that are read, shape (read, labels), per feature.
        features: as `features.windows` makes them.
        tag_set: of the model.
        aggregation: "average" for the mean, else the surest token of those that are read speaks for a word.
    """
    example = np.asarray(features["example"], dtype=np.int64)
    if not len(example):
        return []
    sizes = np.zeros(int(example[-1]) + 1, dtype=np.int64)
    sizes[example] = np.asarray(features["size"], dtype=np.int64)
    offsets = np.cumsum(sizes) - sizes

    def in_all(name: str) -> np.ndarray:
        """Word indices of all features, counted over all examples."""
        parts = [
            np.asarray(places, dtype=np.int64) + offsets[i] for places, i in zip(features[name], example, strict=True)
        ]
        return np.concatenate(parts)

    logits, word_of = np.concatenate(outputs), in_all("words")
    scores = np.full((int(sizes.sum()), logits.shape[1]), np.nan, dtype=np.float32)
    if aggregation == "average":
        total = np.zeros(scores.shape)
        np.add.at(total, word_of, softmax(logits))
        count = np.bincount(word_of, minlength=len(scores))[:, None]
        with np.errstate(divide="ignore", invalid="ignore"):
            scores = np.where(count > 0, np.log(total / count), np.nan).astype(np.float32)
    else:
        # of the tokens of a word the surest is written last, and so stays
        order = np.argsort(softmax(logits).max(axis=1), kind="stable")
        scores[word_of[order]] = logits[order]
    _carry(scores, in_all("carried"), tag_set)
    return np.split(scores, offsets[1:])


def _carry(pooled: np.ndarray, carried: np.ndarray, tag_set: TagSet) -> None:
    """Give words that begin inside a token the logits of its word, where B- counts for I-; changes `pooled`."""
    if not len(carried):
        return
    own = np.arange(len(pooled))
    own[carried] = 0
    rows = pooled[np.maximum.accumulate(own)[carried]]
    for begin, name in enumerate(tag_set.labels):
        inside = tag_set.ids.get(tag_set.continuing(name), begin)
        if inside != begin:
            rows[:, inside] = np.logaddexp(rows[:, inside], rows[:, begin])
            rows[:, begin] = -np.inf
    pooled[carried] = rows
