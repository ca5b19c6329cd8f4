"""The classical model beside a tagger: the tag that each word has most often."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from nlpkit.tasks.classical import Classical, Words

if TYPE_CHECKING:
    from datasets import Dataset


class MostFrequentTag(Classical):
    """Each word has the tag that it most often has in train; one that is not there has the most frequent tag of all.

    Args:
        train: the examples to learn from.
        ids: the number of each tag.
    """

    name = "most frequent tag"

    def __init__(self, train: Dataset, ids: Mapping[str, int]) -> None:
        by_word: defaultdict[str, Counter[str]] = defaultdict(Counter)
        tags = (tag for tags in train["tags"][:] for tag in tags)
        for word, tag in zip(_all_words(train), tags, strict=True):
            by_word[word][tag] += 1
        total = sum(by_word.values(), Counter())
        self.most = ids[total.most_common(1)[0][0]]
        self.known = {word: ids[counts.most_common(1)[0][0]] for word, counts in by_word.items()}
        self.certain = np.log(np.where(np.eye(len(ids)), 1 - 1e-6, 1e-6)).astype(np.float32)
        self.described = f"the tags of {len(self.known):,} words"

    def outputs(self, examples: Dataset) -> list[np.ndarray]:
        """Logits as the task pools them, an array of shape (words, tags) per example."""
        best = np.array([self.known.get(word, self.most) for word in _all_words(examples)])
        return np.split(self.certain[best], np.cumsum([len(tags) for tags in examples["tags"][:]])[:-1])

    def words(self, examples: Dataset) -> Words:
        words = _all_words(examples)
        return Words(sum(word not in self.known for word in words), len(words))


def _all_words(rows: Dataset) -> list[str]:
    columns = zip(rows["text"][:], rows["starts"][:], rows["ends"][:], strict=True)
    return [text[start:end] for text, starts, ends in columns for start, end in zip(starts, ends, strict=True)]
