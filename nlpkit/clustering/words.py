"""Words that tell a group of texts from the others: class-based TF-IDF, without stop words and near-duplicates.

Grootendorst 2022, https://arxiv.org/abs/2203.05794: all texts of a group count as one document, in which a word weighs
its share of the words there, times log(1 + A / f), with A the words of an average group and f how often the word occurs
in all groups.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nlpkit.data.spelling import folded

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

# At least two characters, of which one is no digit; with the signs of C++ and C#, and an apostrophe within. Of scripts
# without blanks between words it takes what stands between marks.
WORD = re.compile(r"(?=\w*[^\W\d_])\w(?:['’]?\w)+(?:\+\+|#)?|\b[^\W\d_](?:\+\+|#)")
LIFT = 1.5
"""How many times as frequent as in all texts a word is at least in a group that it names: words that are as frequent
everywhere, as stop words of any language are, name none."""
SHARED = 0.7  # of the longer of two words that both begin with, from where on they are taken for forms of one word
FEWEST_SHARED = 4  # characters
ENGLISH_SHARE = 0.15  # of the words of texts that are English stop words, from where on the texts count as English
WORDS = 10  # of a group
NAMED = 3  # of them in its name
OTHERWISE = "(no word of its own)"


@dataclass(frozen=True)
class Counted:
    """How often each word occurs in each text.

    Attributes:
        matrix: shape (texts, words), without stop words.
        words: by column.
        stop_words: which were left out, and occur.
        english: whether the texts look English by the share of its stop words.
    """

    matrix: csr_matrix
    words: np.ndarray
    stop_words: Collection[str]
    english: bool

    def of_groups(self, labels: np.ndarray, groups: int) -> csr_matrix:
        """The same by group, shape (groups, words).

        Args:
            labels: the group of each text from 0; of those below 0 no word counts.
        """
        from scipy.sparse import csr_matrix

        there = np.flatnonzero(labels >= 0)
        ones = np.ones(len(there), np.int64)
        member = csr_matrix((ones, (labels[there], there)), shape=(groups, len(labels)))
        return csr_matrix(member @ self.matrix)


def english_stop_words() -> frozenset[str]:
    """Stop words of scikit-learn, and what is left of words when they are cut at an apostrophe."""
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    shortened = (
        "don't doesn't didn't isn't aren't wasn't weren't can't couldn't won't wouldn't shouldn't hasn't haven't"
    )
    more = f"{shortened} i'm i've i'd i'll it's that's there's what's you're you've he's she's we're they're let's"
    return frozenset({*ENGLISH_STOP_WORDS, *more.split(), *more.replace("'", "").split()})


def words_of(text: str) -> list[str]:
    """The words of a text as they are counted: in lower case, numbers left out."""
    return [word.replace("’", "'") for word in WORD.findall(folded(text))]


def counted(texts: Sequence[str], stop_words: Collection[str] | None = None) -> Counted:
    """Count the words of texts.

    Args:
        texts: of all groups.
        stop_words: that are left out; None: the English ones where the texts look English.
    """
    from sklearn.feature_extraction.text import CountVectorizer

    vectorizer = CountVectorizer(analyzer=words_of, dtype=np.int64)
    try:
        matrix = vectorizer.fit_transform(texts).tocsr()
        words: np.ndarray = vectorizer.get_feature_names_out()
    except ValueError:  # no text has a word
        from scipy.sparse import csr_matrix

        matrix, words = csr_matrix((len(texts), 0), dtype=np.int64), np.empty(0, object)
    frequent = np.asarray(matrix.sum(axis=0)).reshape(-1)
    common = english_stop_words()
    is_english = bool(frequent[np.isin(words, list(common))].sum() >= ENGLISH_SHARE * max(frequent.sum(), 1))
    left_out = (common if is_english else frozenset()) if stop_words is None else stop_words
    kept = ~np.isin(words, list(left_out))
    return Counted(matrix[:, kept], words[kept], sorted(map(str, words[~kept])), is_english)


def class_tf_idf(counts: csr_matrix) -> csr_matrix:
    """What each word weighs in each group.

    Args:
        counts: how often it occurs there, shape (groups, words).

    Returns:
        float64 of the same shape, with entries at the same places.
    """
    in_all = np.maximum(np.asarray(counts.sum(axis=0), np.float64).reshape(-1), 1)
    of_group = np.maximum(np.asarray(counts.sum(axis=1), np.float64).reshape(-1), 1)
    average = counts.sum() / max(counts.shape[0], 1)
    weights = counts.astype(np.float64)
    weights.data *= np.log1p(average / in_all)[weights.indices] / np.repeat(of_group, np.diff(weights.indptr))
    return weights


def of_groups(
    texts: Counted, labels: np.ndarray, groups: int, most: int = WORDS, lift: float = LIFT
) -> list[list[tuple[str, float]]]:
    """The words that tell each group from the others, with their weights, the heaviest first.

    A word must be in two texts of a group with more than three, and `lift` times as frequent there as in all groups
    (of a single group any word will do). Of words that look like forms of one the heaviest stands for all.

    Args:
        texts: of all groups.
        labels: the group of each text from 0; those below 0 belong to none.
        groups: how many there are.
        most: words of a group.
        lift: see `LIFT`.
    """
    counts = texts.of_groups(labels, groups)
    in_texts = _presence(texts).of_groups(labels, groups)
    weighed = class_tf_idf(counts)
    in_all = np.maximum(np.asarray(counts.sum(axis=0)).reshape(-1), 1)
    total = max(int(counts.sum()), 1)
    sizes = np.bincount(labels[labels >= 0], minlength=groups)
    found = []
    for group in range(groups):
        columns, frequency = counts.getrow(group).indices, counts.getrow(group).data.astype(np.float64)
        weights = weighed.getrow(group).data
        share = frequency / max(frequency.sum(), 1)
        telling = share * total >= lift * in_all[columns] if groups > 1 else np.ones(len(columns), bool)
        if sizes[group] > 3:
            there = np.asarray(in_texts.getrow(group).todense()).reshape(-1)
            telling &= there[columns] > 1
        order = sorted(np.flatnonzero(telling).tolist(), key=lambda i: (-weights[i], str(texts.words[columns[i]])))
        kept: list[tuple[str, float]] = []
        for i in order:
            word = str(texts.words[columns[i]])
            if not any(alike(word, other) for other, _ in kept):
                kept.append((word, float(weights[i])))
            if len(kept) == most:
                break
        found.append(kept)
    return found


def _presence(texts: Counted) -> Counted:
    matrix = texts.matrix.copy()
    matrix.data[:] = 1
    return Counted(matrix, texts.words, texts.stop_words, texts.english)


def alike(one: str, other: str) -> bool:
    """Whether two words look like forms of one: games and game, cricket and cricketer, party and parties."""
    one, other = (_singular(word) for word in (one, other))
    if one == other:
        return True
    shared = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        shared += 1
    return shared >= max(FEWEST_SHARED, SHARED * max(len(one), len(other)))


def _singular(word: str) -> str:
    word = word.removesuffix("'s")
    if word.endswith("ies") and len(word) > FEWEST_SHARED:
        return f"{word[:-3]}y"
    return word[:-1] if word.endswith("s") and not word.endswith("ss") and len(word) > 3 else word


def name_of(words: Sequence[tuple[str, float]], most: int = NAMED) -> str:
    """What a group is called: its heaviest words."""
    return ", ".join(word for word, _ in words[:most]) or OTHERWISE


def distinct_names(found: Sequence[Sequence[tuple[str, float]]], most: int = NAMED) -> list[str]:
    """Names of groups; one that is taken gets another word, or a number."""
    names: list[str] = []
    for words in found:
        count = most
        while (name := name_of(words, count)) in names and count < len(words):
            count += 1
        number = 2
        while name in names:
            name = f"{name_of(words, most)} ({number})"
            number += 1
        names.append(name)
    return names
