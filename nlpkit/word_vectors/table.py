"""A vector for each word: looked up, averaged over texts, and asked for neighbours and analogies."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nlpkit.data import words as word_places
from nlpkit.metrics.similarity import unit
from nlpkit.word_vectors.subwords import Subwords


@dataclass(frozen=True, eq=False)
class WordVectors:
    """The vectors of a vocabulary.

    Attributes:
        words: the vocabulary, each word once, as a rule the most frequent first.
        matrix: their vectors, float32 of shape (words, width).
        counts: how often each stood in the text, in the order of `words`; None where nobody knows.
        subwords: what gives words that are not in the vocabulary a vector; None: they have none.
    """

    words: Sequence[str]
    matrix: np.ndarray
    counts: Sequence[int] | None = None
    subwords: Subwords | None = None

    def __len__(self) -> int:
        return len(self.words)

    @property
    def width(self) -> int:
        """Dimensions of a vector."""
        return int(self.matrix.shape[1])

    @functools.cached_property
    def places(self) -> dict[str, int]:
        """The row of each word in `matrix`."""
        return {word: place for place, word in enumerate(self.words)}

    @functools.cached_property
    def units(self) -> np.ndarray:
        """The vectors scaled to length 1, shape (words, width)."""
        return np.asarray(unit(self.matrix), np.float32)

    @functools.cached_property
    def lowercase(self) -> bool:
        """Whether no word has an upper-case letter, so that texts are read in lower case."""
        return all(word == word.lower() for word in self.words)

    def tokens(self, text: str) -> list[str]:
        """The words of a text, cut as those of the text that `train-vectors` learns from."""
        return word_places.plain(text, lowercase=self.lowercase)

    def index(self, word: str) -> int | None:
        """The row of a word as it stands, or else in lower case; None where it is not in the vocabulary."""
        place = self.places.get(word)
        return self.places.get(word.lower()) if place is None else place

    def vector(self, word: str) -> np.ndarray | None:
        """The vector of a word, shape (width,), made of its pieces where it is not in the vocabulary; None: it has
        none."""
        place = self.index(word)
        if place is not None:
            row: np.ndarray = self.matrix[place]
            return row
        if self.subwords is None:
            return None
        return self.subwords.vector(word.lower() if self.lowercase else word)

    def mean(self, texts: Sequence[str]) -> np.ndarray:
        """The mean of the vectors of the words of each text, float32 of shape (texts, width).

        A word without a vector takes no part; a text without a word that has one is all zeros. `known` counts both.
        """
        means = np.zeros((len(texts), self.width), np.float32)
        for row, text in enumerate(texts):
            vectors = [vector for word in self.tokens(text) if (vector := self.vector(word)) is not None]
            if vectors:
                means[row] = np.mean(vectors, axis=0)
        return means

    def known(self, texts: Sequence[str]) -> np.ndarray:
        """Of each text how many of its words have a vector, and how many it has: int64 of shape (texts, 2)."""
        counts = np.zeros((len(texts), 2), np.int64)
        for row, text in enumerate(texts):
            tokens = self.tokens(text)
            counts[row] = sum(self.vector(word) is not None for word in tokens), len(tokens)
        return counts

    def nearest(self, vector: np.ndarray, number: int, without: Sequence[str] = ()) -> list[tuple[str, float]]:
        """The words that lie nearest to a vector, with their cosine, the nearest first.

        Args:
            vector: shape (width,).
            number: of words, at most.
            without: words that are passed over, whatever their case.
        """
        passed = {word.lower() for word in without}
        cosines = self.units @ np.asarray(unit(vector), np.float32)
        some = min(number + sum(word.lower() in passed for word in self.words), len(self.words))
        order = np.argpartition(-cosines, some - 1)[:some]
        order = order[np.argsort(-cosines[order], kind="stable")]
        found = [(self.words[i], float(cosines[i])) for i in order if self.words[i].lower() not in passed]
        return found[:number]
