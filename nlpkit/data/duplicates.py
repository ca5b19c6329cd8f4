"""Texts that are the same but for how they are written, and texts that are nearly the same."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from nlpkit.data.spelling import folded

if TYPE_CHECKING:
    import numpy as np
    from datasets import Dataset

_ROWS = 10_000  # in memory at a time
NEAR = 0.8  # share of the pairs of neighbouring words that two texts have in common, of all that either has
NEAR_CHARACTERS = 5_000_000  # texts with more in all are not compared: some seconds
NEAR_COMPARISONS = 1_000_000  # of pairs of texts, after which no more are looked for: texts made after one pattern
# of scripts without blanks between words each character is one
WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+")


def keys(rows: Dataset, columns: Iterable[str]) -> Iterator[str]:
    """What the cells of each row say together, normalised; empty where they say nothing."""
    named = list(columns)
    some = rows.select_columns(named)
    for start in range(0, len(rows), _ROWS):
        batch = some[start : start + _ROWS]
        cells = [[folded(_text(value)) for value in batch[column]] for column in named]
        yield from ("\x1f".join(row) if any(row) else "" for row in zip(*cells, strict=True))


def _text(value: Any) -> str:
    if isinstance(value, list):  # words
        return " ".join(map(str, value))
    return "" if value is None else str(value)


def groups(row_keys: Iterable[str]) -> np.ndarray:
    """A number for each key, the same for equal ones, by first appearance; each empty key has its own.

    A key is kept as 16 bytes, of which no two differing texts have the same.

    Returns:
        int64, shape (keys,).
    """
    import numpy as np

    digests = bytearray()
    for i, key in enumerate(row_keys):
        content = key.encode("utf-8", "surrogatepass") if key else i.to_bytes(8, "little")
        digests += hashlib.blake2b(content, digest_size=16, person=b"" if key else b"empty").digest()
    halves = np.frombuffer(digests, np.uint64).reshape(-1, 2)
    order = np.lexsort((halves[:, 0], halves[:, 1]))  # stable: of equal ones the first stands first
    begins = np.ones(len(order), bool)
    begins[1:] = (halves[order[1:]] != halves[order[:-1]]).any(axis=1)
    rank = np.empty(int(begins.sum()), np.int64)
    rank[np.argsort(order[begins], kind="stable")] = np.arange(len(rank))
    numbers = np.empty(len(order), np.int64)
    numbers[order] = rank[np.cumsum(begins) - 1]
    return numbers


def joined(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Groups by two criteria: rows that are together by either, or by way of others.

    Args:
        first, second: a number for each row, from 0 without gaps, int64 of shape (rows,).

    Returns:
        The same of what is connected.
    """
    import numpy as np
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    count = int(first.max()) + 1
    size = count + int(second.max()) + 1
    links = coo_matrix((np.ones(len(first), np.int8), (first, count + second)), shape=(size, size))
    found = connected_components(links, directed=False)[1][first]
    return np.unique(found, return_inverse=True)[1].reshape(-1).astype(np.int64)


def near(
    train: Sequence[str], others: Sequence[str], comparisons: int = NEAR_COMPARISONS
) -> tuple[list[tuple[int, int]], bool]:
    """Which of `others` are nearly, and none of them quite, texts of `train`.

    Two texts are near where their sets of pairs of neighbouring words have a Jaccard similarity of `NEAR`. All of them
    are found: two such sets share one of the few rarest pairs of either (the prefix filter of Chaudhuri et al. 2006),
    so that only texts that share one of these are compared.

    Args:
        train, others: normalised.
        comparisons: of pairs of texts at most.

    Returns:
        Pairs of indices (in others, in train), one for each of others that has some; whether all were found.
    """
    ours, theirs = [_pairs(text) for text in train], [_pairs(text) for text in others]
    frequency = Counter(pair for pairs in (*ours, *theirs) for pair in pairs)

    def rarest(pairs: set[tuple[str, str]]) -> list[tuple[str, str]]:
        ordered = sorted(pairs, key=lambda pair: (frequency[pair], pair))
        return ordered[: len(pairs) - _at_least(len(pairs)) + 1]

    # who has a twin leaves the index: of texts after one pattern each would be met again with every text of train
    known = set(train)
    index: dict[tuple[str, str], dict[int, None]] = {}
    for i, pairs in enumerate(theirs):
        for pair in rarest(pairs) if others[i] not in known else ():
            index.setdefault(pair, {})[i] = None
    twin: dict[int, int] = {}
    for j, pairs in enumerate(ours):
        for i in dict.fromkeys(i for pair in rarest(pairs) for i in index.get(pair, ())):
            if comparisons == 0:
                return sorted(twin.items()), False
            comparisons -= 1
            common = len(pairs & theirs[i])
            if common >= NEAR * (len(pairs) + len(theirs[i]) - common):
                twin[i] = j
                for pair in rarest(theirs[i]):
                    del index[pair][i]
    return sorted(twin.items()), True


def _at_least(size: int) -> int:
    """Entries that a set of this size has in common with any that is near it."""
    return -int(-NEAR * size // 1)


def _pairs(text: str) -> set[tuple[str, str]]:
    words = ["", *WORD.findall(text), ""]
    return set(pairwise(words)) if len(words) > 2 else set()


def too_many(texts: Mapping[str, Sequence[str]]) -> bool:
    """Whether comparing these splits would take too long."""
    return sum(len(text) for of_split in texts.values() for text in of_split) > NEAR_CHARACTERS
