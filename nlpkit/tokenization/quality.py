"""How well a tokenizer fits a text: the figures that a vocabulary is judged by.

A word is a run of letters, digits and marks (`\\w+`); what stands between words counts for characters per token only.
Words and tokens are matched by their place in the text, so that tokenizers of any kind are measured alike: tokens per
word is the fertility of Rust et al. (2021), the share of words that are one token the complement of their share of
continued words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nlpkit.reporting import Table

WORD = re.compile(r"\w+")
MOST_PIECES = 5  # the last bar of the plot: words of so many tokens and more

FIGURES = ("tokens_per_word", "characters_per_token", "unknown_share", "whole_word_share")
HEADER = ("tokenizer", "vocabulary", "tokens per word", "characters per token", "unknown", "words whole")


@dataclass
class Quality:
    """Counts of one tokenizer over a text; `figures` are made of them.

    Attributes:
        name: of the tokenizer, for tables.
        vocabulary: number of its tokens.
        word_tokens: tokens that overlap a word, one that overlaps two counted twice.
        whole: words that are one known token.
        pieces: how many words consist of 1, 2, ..., `MOST_PIECES` and more tokens, int64 of shape (MOST_PIECES,).
    """

    name: str
    vocabulary: int
    characters: int = 0
    tokens: int = 0
    unknown: int = 0
    words: int = 0
    word_tokens: int = 0
    whole: int = 0
    pieces: np.ndarray = field(default_factory=lambda: np.zeros(MOST_PIECES, np.int64))

    def add(self, tokenizer: Any, texts: Sequence[str]) -> None:
        """Count some texts; `tokenizer` is a fast one of transformers."""
        if not texts:
            return
        encoded = tokenizer(
            list(texts),
            add_special_tokens=False,
            return_offsets_mapping=True,
            return_attention_mask=False,
            return_token_type_ids=False,
            verbose=False,
        )
        starts, ends = [], []  # of tokens, in the texts laid end to end with a gap between two
        word_starts, word_ends = [], []
        base = 0
        for text, offsets in zip(texts, encoded["offset_mapping"], strict=True):
            spans = np.asarray(offsets, np.int64).reshape(-1, 2) + base
            words = np.asarray([word.span() for word in WORD.finditer(text)], np.int64).reshape(-1, 2) + base
            # where a normalizer has moved marks about, places may step back by a character
            starts.append(np.maximum.accumulate(spans[:, 0]))
            ends.append(np.maximum.accumulate(spans[:, 1]))
            word_starts.append(words[:, 0])
            word_ends.append(words[:, 1])
            base += len(text) + 1
        ids = np.concatenate([np.asarray(row, np.int64) for row in encoded["input_ids"]])
        unknown = ids == (-1 if tokenizer.unk_token_id is None else tokenizer.unk_token_id)
        first, last = tokens_of_words(*map(np.concatenate, (starts, ends, word_starts, word_ends)))
        pieces = last - first
        unknown_before = np.concatenate([[0], np.cumsum(unknown)])
        self.characters += base - len(texts)
        self.tokens += len(ids)
        self.unknown += int(unknown.sum())
        self.words += len(pieces)
        self.word_tokens += int(pieces.sum())
        self.whole += int(((pieces == 1) & (unknown_before[last] == unknown_before[first])).sum())
        self.pieces += np.bincount(np.clip(pieces, 0, MOST_PIECES), minlength=MOST_PIECES + 1)[1:]

    def figures(self) -> dict[str, float | None]:
        """The figures by the names in `FIGURES`; None where there is nothing to divide by."""
        return {
            "tokens_per_word": self.word_tokens / self.words if self.words else None,
            "characters_per_token": self.characters / self.tokens if self.tokens else None,
            "unknown_share": self.unknown / self.tokens if self.tokens else None,
            "whole_word_share": self.whole / self.words if self.words else None,
        }

    def record(self) -> dict[str, Any]:
        """Everything as JSON values."""
        counts = {
            key: getattr(self, key) for key in ("vocabulary", "characters", "tokens", "unknown", "words", "whole")
        }
        return {"tokenizer": self.name, **counts, **self.figures(), "words_by_tokens": self.pieces.tolist()}


def tokens_of_words(
    starts: np.ndarray, ends: np.ndarray, word_starts: np.ndarray, word_ends: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Which tokens overlap each word.

    Args:
        starts, ends: of n tokens, ascending (tokens that share a character have the same).
        word_starts, word_ends: of m words, ascending and apart.

    Returns:
        For each word its tokens as the range first:last, int64 of shape (m,) each; it is empty for a word whose
        characters the tokenizer drops.
    """
    first = np.searchsorted(ends, word_starts, side="right")  # behind the tokens that end before the word
    last = np.searchsorted(starts, word_ends, side="left")  # before those that begin after it
    return first, np.maximum(first, last)


def measure(tokenizers: Sequence[tuple[str, Any]], batches: Iterable[Sequence[str]]) -> list[Quality]:
    """Count the same texts with each tokenizer, in one pass; `tokenizers` are (name, fast tokenizer)."""
    qualities = [Quality(name, len(tokenizer)) for name, tokenizer in tokenizers]
    for texts in batches:
        for quality, (_, tokenizer) in zip(qualities, tokenizers, strict=True):
            quality.add(tokenizer, texts)
    return qualities


def table(qualities: Sequence[Quality], title: str) -> Table:
    """One row a tokenizer."""
    rows = [[quality.name, quality.vocabulary, *quality.figures().values()] for quality in qualities]
    return Table(title, HEADER, rows)
