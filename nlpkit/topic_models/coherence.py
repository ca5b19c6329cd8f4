"""Whether the words of a topic belong together, and whether topics have words of their own."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations, islice

import numpy as np

TOP = 10  # words of a topic that are judged, as in OCTIS
TOGETHER = 500  # documents that are counted at a time
NEVER = 1e-12  # share of windows in which words that never meet are taken to meet, as gensim has it


def npmi(
    topics: Sequence[Sequence[str]], documents: Iterable[Sequence[str]], window: int | None = None
) -> float | None:
    """Coherence: normalised pointwise mutual information (Bouma 2009) of the words of a topic.

    Of each pair of a topic's first `TOP` words it is log(p(a, b) / (p(a) p(b))) / -log p(a, b), where p is the share of
    documents that hold a word, or both; -1 for words that never meet, 1 for words that only occur together (also where
    both are in all documents). The mean over the pairs of a topic, then over topics with two words or more.

    Args:
        topics: words of each, the heaviest first.
        documents: their words.
        window: words of a sliding window, each position of which counts as a document, as gensim's `c_npmi` and with
            it OCTIS have it (10). As there, words that never meet have a value above -1, the higher the rarer they are.
            (Of a word that is in a window twice gensim loses the second when the first leaves.) Default: whole
            documents.

    Returns:
        None where no topic has two words.
    """
    asked = [list(words[:TOP]) for words in topics if len(words) > 1]
    if not asked:
        return None
    number = {word: i for i, word in enumerate(dict.fromkeys(word for words in asked for word in words))}
    alone, together, total = _counts(number, documents, window)
    never = 0.0 if window is None else NEVER
    values = []
    for words in asked:
        pairs = [_npmi(alone, together, total, number[a], number[b], never) for a, b in combinations(words, 2)]
        values.append(sum(pairs) / len(pairs))
    return float(np.mean(values))


def _counts(
    number: Mapping[str, int], documents: Iterable[Sequence[str]], window: int | None
) -> tuple[np.ndarray, np.ndarray, int]:
    """In how many documents, or windows, each word is, int64 of shape (words,), and both of two, shape (words, words);
    and how many there are."""
    from scipy.sparse import csr_matrix

    size = len(number)
    alone, together, total = np.zeros(size, np.int64), np.zeros((size, size), np.int64), 0
    remaining = iter(documents)
    while some := list(islice(remaining, TOGETHER)):
        rows: list[np.ndarray] = []
        columns: list[np.ndarray] = []
        parts = 0
        for document in some:
            here, which, count = _windows(np.asarray([number.get(word, -1) for word in document], np.int64), window)
            rows.append(here + parts)
            columns.append(which)
            parts += count
        where = np.concatenate(rows), np.concatenate(columns)
        there = csr_matrix((np.ones(len(where[0]), np.int64), where), shape=(parts, size))
        there.data[:] = 1  # a word that is there twice counts once
        alone += np.asarray(there.sum(axis=0)).reshape(-1)
        together += (there.T @ there).toarray()
        total += parts
    return alone, together, total


def _windows(ids: np.ndarray, window: int | None) -> tuple[np.ndarray, np.ndarray, int]:
    """The window of each occurrence of a word, and which word it is; and how many windows there are. A document that is
    shorter is one window.

    Args:
        ids: of its words, below 0 for those that are of no interest.
    """
    places = np.flatnonzero(ids >= 0)
    if window is None or len(ids) <= window:
        return np.zeros(len(places), np.int64), ids[places], 1
    starts = places[:, None] - np.arange(window)  # of the windows that a word is in
    real = (starts >= 0) & (starts <= len(ids) - window)
    return starts[real], np.repeat(ids[places], real.sum(axis=1)), len(ids) - window + 1


def _npmi(alone: np.ndarray, together: np.ndarray, total: int, a: int, b: int, never: float) -> float:
    both = int(together[a, b])
    if both == total and total:
        return 1.0
    joint = both / max(total, 1) + never
    chance = int(alone[a]) * int(alone[b]) / max(total, 1) ** 2
    if joint == 0 or chance == 0:
        return -1.0
    return math.log(joint / chance) / -math.log(joint)


def diversity(topics: Sequence[Sequence[str]]) -> float | None:
    """The share of the first `TOP` words of all topics that no other topic has too: different words / words (Dieng,
    Ruiz and Blei 2020). None where there are no words."""
    words = [word for topic in topics for word in topic[:TOP]]
    return len(set(words)) / len(words) if words else None
