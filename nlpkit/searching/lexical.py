"""Search by words: BM25 (Robertson & Zaragoza 2009, https://doi.org/10.1561/1500000019), by bm25s.

Words are runs of letters and digits, in lower case, without accents; Chinese and Japanese, which have no blanks, are
taken two characters at a time. There is no list of stop words and no stemmer: both hang on the language, and a word
that stands everywhere weighs next to nothing.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nlpkit.errors import UserError

INSTALL = "pip install 'nlpkit[search]'"
_WORDS = re.compile(r"[^\W_]+")
_UNPARTED = re.compile(r"[぀-ヿ㐀-鿿豈-﫿]+")  # kana and Han


def words(text: str) -> list[str]:
    """The words of a text, as they are looked up."""
    return [word for _, _, word in places(text)]


def places(text: str) -> list[tuple[int, int, str]]:
    """The words of a text, each with its first character and the one behind its last."""
    found: list[tuple[int, int, str]] = []
    for match in _WORDS.finditer(text):
        start = match.start()
        cursor = 0
        for unparted in _UNPARTED.finditer(match[0]):
            _add(found, start + cursor, match[0][cursor : unparted.start()])
            run = unparted[0]
            for i in range(max(len(run) - 1, 1)):
                _add(found, start + unparted.start() + i, run[i : i + 2])
            cursor = unparted.end()
        _add(found, start + cursor, match[0][cursor:])
    return found


def _add(found: list[tuple[int, int, str]], start: int, run: str) -> None:
    if run:
        found.append((start, start + len(run), _folded(run)))


def _folded(word: str) -> str:
    """In lower case, without accents."""
    if word.isascii():
        return word.lower()
    parted = unicodedata.normalize("NFKD", word.casefold())
    return "".join(letter for letter in parted if not unicodedata.combining(letter))


def _library() -> Any:
    try:
        import bm25s
    except ImportError as error:
        raise UserError(f"search by words needs bm25s: {error}", INSTALL) from None
    return bm25s


@dataclass
class Words:
    """An index of words.

    Attributes:
        scorer: of bm25s; None where no text has a word.
        rows: how many texts there are.
    """

    scorer: Any
    rows: int

    @classmethod
    def of(cls, texts: Iterable[str]) -> Words:
        """Index some texts."""
        tokens = [words(text) for text in texts]
        if not any(tokens):
            return cls(None, len(tokens))
        scorer = _library().BM25()
        scorer.index(tokens, show_progress=False)
        return cls(scorer, len(tokens))

    @property
    def different(self) -> int:
        """How many words there are, each once, as the library counts them."""
        return 0 if self.scorer is None else len(self.scorer.vocab_dict)

    @classmethod
    def load(cls, folder: Path, rows: int, different: int | None = None) -> Words:
        """Open an index, mapped from the disk.

        Args:
            rows: how many texts it has.
            different: how many words; None: that is not known, and where there is no folder there are none.

        Raises:
            ValueError: it has others.
            OSError: it cannot be read.
        """
        if different == 0 or (different is None and not folder.is_dir()):
            return cls(None, rows)
        found = cls(_library().BM25.load(folder, mmap=True), rows)
        scores, words = found.scorer.scores, found.scorer.vocab_dict
        if scores["num_docs"] != rows:
            raise ValueError(f"it is of {scores['num_docs']} texts, not {rows:,}")
        if different not in (None, len(words)):
            raise ValueError(f"it has {len(words):,} words, not {different:,}")
        last = max((number for word, number in words.items() if word), default=-1)  # the empty word has no scores
        if len(scores["indptr"]) != last + 2 or len(scores["data"]) != len(scores["indices"]):
            raise ValueError("its parts do not belong together")
        return found

    def save(self, folder: Path) -> None:
        """Write it, unless it is empty."""
        if self.scorer is not None:
            self.scorer.save(folder)

    def scores(self, question: str) -> np.ndarray:
        """The score of each text, float32 of shape (rows,); 0: it has no word of the question."""
        if self.scorer is None:
            return np.zeros(self.rows, np.float32)
        known = [word for word in words(question) if word in self.scorer.vocab_dict]
        if not known:
            return np.zeros(self.rows, np.float32)
        return np.asarray(self.scorer.get_scores(known), np.float32)

    def scores_of(self, questions: Sequence[str]) -> np.ndarray:
        """The scores of several questions, shape (questions, rows)."""
        return np.stack([self.scores(question) for question in questions])
