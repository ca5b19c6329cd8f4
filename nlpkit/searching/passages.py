"""Documents in passages that a model reads whole, and that remember where they stand."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nlpkit.data import pieces

DIGEST = 16  # bytes
ENDS = tuple(".!?…。！？")  # of sentences


@dataclass(frozen=True)
class Passage:
    """A part of a document.

    Attributes:
        document: its place among the documents.
        number: among the passages of the document, from 0.
        start, end: its characters in the text of the document.
    """

    document: int
    number: int
    start: int
    end: int


def of_texts(texts: Sequence[str], tokenizer: Any, most: int | None, overlap: int) -> Iterator[Passage]:
    """The passages of each text, in order.

    Args:
        most: tokens of a passage, without special ones; None: each text is one passage.
        overlap: tokens that a passage has in common with the one before it.
    """
    for place, text in enumerate(texts):
        if most is None or len(text.encode()) <= most:  # No tokenizer makes more tokens of a text than it has bytes.
            yield Passage(place, 0, 0, len(text))
            continue
        (tokens,) = pieces.tokenized(tokenizer, [text])
        for number, (start, end) in enumerate(cut(text, tokens.offsets, most, overlap)):
            yield Passage(place, number, start, end)


def cut(text: str, offsets: np.ndarray, most: int, overlap: int) -> list[tuple[int, int]]:
    """Where the passages of a text begin and end: at the end of a sentence where the second half of a passage has one,
    else between words, else anywhere.

    Args:
        offsets: the characters of each token, shape (tokens, 2).
        most: tokens of a passage, at least 1.
        overlap: tokens that the next one begins earlier, fewer than half of `most`.
    """
    starts = offsets[:, 0].tolist()
    count = len(starts)
    if count <= most:
        return [(0, len(text))]
    spans: list[tuple[int, int]] = []
    first = 0
    while count - first > most:
        last = _border(text, starts, first + max(most // 2, 1), first + most)
        spans.append(_trimmed(text, starts[first], starts[last]))
        back = max(last - overlap, first + 1)
        # The next passage begins with a word, where one begins in what both have in common.
        first = next((i for i in range(back, last) if _begins_word(text, starts[i])), last) if overlap else last
    spans.append(_trimmed(text, starts[first], len(text)))
    return [(start, end) for start, end in spans if end > start]


def _border(text: str, starts: Sequence[int], least: int, most: int) -> int:
    """The token before which a passage ends, from `least` to `most`."""
    words = [i for i in range(most, least, -1) if _begins_word(text, starts[i])]
    sentence = next((i for i in words if _ends_sentence(text, starts[i])), None)
    if sentence is not None:
        return sentence
    return words[0] if words else most


def _ends_sentence(text: str, start: int) -> bool:
    """Whether a sentence or a paragraph ends before the word at a character."""
    before = text[max(start - 3, 0) : start]
    return before.rstrip().endswith(ENDS) or "\n\n" in before


def _begins_word(text: str, start: int) -> bool:
    """Whether a blank stands before a character, or is it, as tokens of some tokenizers begin with theirs."""
    return start == 0 or text[start - 1].isspace() or text[start].isspace()


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """The same characters without blanks at either end."""
    part = text[start:end]
    return start + len(part) - len(part.lstrip()), start + len(part.rstrip())


def digest(text: str) -> bytes:
    """What a text is known by: equal texts are embedded once, and only when they are new."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=DIGEST).digest()
