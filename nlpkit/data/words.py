"""Words of a text: where they stand, which tokens belong to which, and the windows that long texts are read in.

Data sets of tagged words and texts that a user types go the same way: words are places in a text, the text is
tokenized as a whole, and a token belongs to the word that its first character is in. So a model sees the same tokens
wherever a sentence comes from, whatever kind of tokenizer it has.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from nlpkit.data import pieces

Place = tuple[int, int]  # first character, and the one behind the last

# scripts that write words without blanks between them, as far as one character can stand for a word: Han, kana
_ALONE = ((0x3040, 0x30FF), (0x31F0, 0x31FF), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0xFF66, 0xFF9D),
          (0x20000, 0x3FFFF))  # fmt: skip


class _Shapes(dict[int, str]):
    """Character -> what it is to the splitter: `a` letter or mark, `0` digit, `c` stands alone, else itself or `*`."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        kind = unicodedata.category(character)
        if any(low <= code <= high for low, high in _ALONE):
            shape = "c"
        elif character.isspace() or kind == "Cc":
            shape = " "
        elif kind[0] in "LM" or kind == "Cf":  # marks and joiners are parts of words in many scripts
            shape = "a"
        elif kind[0] == "N":
            shape = "0"
        elif character in "’‘":
            shape = "'"
        else:
            shape = character if code < 128 else "*"
        self[code] = shape
        return shape


_SHAPES = _Shapes()


def shape(character: str) -> str:
    """What a character is to `split`, see `_Shapes`: `a` and `0` make up words."""
    return _SHAPES[ord(character)]


_WORD = re.compile(
    r"""
      (?:a\.){2,}                                            # U.S.
    | a+:///?[^\s"<>]*[a0/]                                  # http://...
    | [@\#]?[a0_]+ (?: (?:[-'./&@+_]|(?<=0)[,:](?=0)) [a0_]+ )*   # Anglo-Dutch, 3,000, a@b.org, @user, #tag
    | c
    | ([^\sa0c])\1*                                          # punctuation, a run of one mark together
    """,
    re.VERBOSE,
)
_CLITIC = re.compile(r"(?:n['’]t|['’](?:s|re|ve|ll|d|m))$", re.IGNORECASE)  # as in the Penn Treebank


def split(text: str, borders: Iterable[int] = ()) -> list[Place]:
    """Places of the words of running text.

    Blanks separate; punctuation around a word is a word of its own, and so are the English clitics ('s, n't, ...) and
    each character of Chinese and Japanese. Control characters belong to no word.

    Args:
        text: any.
        borders: characters before which a word must end, as an entity begins or ends there.
    """
    places: list[Place] = []
    for match in _WORD.finditer(text.translate(_SHAPES)):
        start, end = match.span()
        clitic = _CLITIC.search(text, start, end)
        if places and _CLITIC.fullmatch(text, places[-1][0], end) and _stands_apart(text, places[-1][0]):
            places[-1] = (places[-1][0], end)  # of words that were split already: August 's
        elif clitic and clitic.start() > start:
            places += [(start, clitic.start()), (clitic.start(), end)]
        else:
            places.append((start, end))
    cuts = sorted(set(borders))
    return [piece for place in places for piece in _cut(place, cuts)] if cuts else places


def _stands_apart(text: str, start: int) -> bool:
    return start == 0 or text[start - 1].isspace()


def _cut(place: Place, cuts: Sequence[int]) -> Iterable[Place]:
    start, end = place
    return pairwise([start, *(cut for cut in cuts if start < cut < end), end])


def plain(text: str, *, lowercase: bool = True) -> list[str]:
    """The words of running text without punctuation, in lower case or as they are; the marks where there is nothing
    else."""
    parts = [text[start:end].lower() if lowercase else text[start:end] for start, end in split(text)]
    return [part for part in parts if any(shape(character) in "a0c" for character in part)] or parts


def joined(words: Sequence[str]) -> tuple[str, list[Place]]:
    """Words as a text with one blank between two, and their places in it."""
    places = []
    start = 0
    for word in words:
        places.append((start, start + len(word)))
        start += len(word) + 1
    return " ".join(words), places


@dataclass(frozen=True)
class WordTokens:
    """The tokens of a text, without special ones.

    Attributes:
        ids: shape (tokens,).
        words: for each token the index of its word, ascending; -1 for one that stands in no word; shape (tokens,).
        carried: indices of the words that begin inside a token of an earlier word, ascending.
    """

    ids: np.ndarray
    words: np.ndarray
    carried: np.ndarray


def tokenized(
    tokenizer: Any, texts: Sequence[str], starts: Sequence[Sequence[int]], ends: Sequence[Sequence[int]]
) -> list[WordTokens]:
    """Tokenize texts and find the word of each token.

    Args:
        tokenizer: a fast one tells where its tokens stand in the whole text; with a slow one (Japanese BERT's) each
            word is tokenized by itself.
        texts: whole texts, of any length.
        starts, ends: of each text the first character of each word, and the one behind its last.
    """
    if not tokenizer.is_fast:
        return _word_by_word(tokenizer, texts, starts, ends)
    return [
        _of_words(tokens.ids.astype(np.int64), tokens.offsets.astype(np.int64), first, behind)
        for tokens, first, behind in zip(pieces.tokenized(tokenizer, texts), starts, ends, strict=True)
    ]


def _word_by_word(
    tokenizer: Any, texts: Sequence[str], starts: Sequence[Sequence[int]], ends: Sequence[Sequence[int]]
) -> list[WordTokens]:
    sentences = [
        [text[start:end] for start, end in zip(first, behind, strict=True)]
        for text, first, behind in zip(texts, starts, ends, strict=True)
    ]
    each = list(dict.fromkeys(word for sentence in sentences for word in sentence))
    ids = dict(zip(each, tokenizer(each, add_special_tokens=False, verbose=False)["input_ids"], strict=True))
    return [
        WordTokens(
            np.array([token for word in sentence for token in ids[word]], dtype=np.int64),
            np.repeat(np.arange(len(sentence)), [len(ids[word]) for word in sentence]),
            np.zeros(0, dtype=np.int64),
        )
        for sentence in sentences
    ]


def _of_words(ids: np.ndarray, offsets: np.ndarray, starts: Sequence[int], ends: Sequence[int]) -> WordTokens:
    first, behind = np.asarray(starts, dtype=np.int64), np.asarray(ends, dtype=np.int64)
    # A token may begin with the blank before its word (byte-level BPE): its word is the first one that is not over
    word = np.searchsorted(behind, offsets[:, 0], side="right")
    inside = (word < len(first)) & (offsets[:, 1] > offsets[:, 0])
    inside[inside] = offsets[inside, 1] > first[word[inside]]
    words = np.where(inside, word, -1)
    silent = np.ones(len(first), dtype=bool)
    silent[words[inside]] = False
    # the token that reaches furthest, up to where each word begins, holds its first character
    reach = np.zeros(len(first), dtype=np.int64)
    if inside.any():
        np.maximum.at(reach, words[inside], offsets[inside, 1])
        reach = np.maximum.accumulate(reach)
    return WordTokens(ids, words, np.flatnonzero(silent & (reach > first) & (behind > first)))


class Window(NamedTuple):
    """A part of a text that the model sees at a time: tokens `start` to `stop`, of which `first` to `last` are read."""

    start: int
    stop: int
    first: int
    last: int


def windows(length: int, room: int | None) -> list[Window]:
    """Windows of `room` tokens, a quarter of it shared by two neighbours; each token is read in exactly one.

    It is the one where a token is further from the border, so that what is read has most context.

    Args:
        length: tokens of the text.
        room: tokens of a window; None for one window.
    """
    if room is None or length <= room:
        return [Window(0, length, 0, length)]
    step = room - room // 4
    starts = [*range(0, length - room, step), length - room]
    borders = [0, *((after + before + room) // 2 for before, after in pairwise(starts)), length]
    return [Window(start, start + room, *read) for start, read in zip(starts, pairwise(borders), strict=True)]


def frame(tokenizer: Any, text: str = "a") -> tuple[list[int], list[int]]:
    """The special tokens that the tokenizer puts before and behind a text.

    Args:
        tokenizer: a fast one.
        text: that it has a token for, by which it is seen where a text begins and ends.
    """
    encoded = tokenizer(text, return_special_tokens_mask=True)
    ids, special = encoded["input_ids"], encoded["special_tokens_mask"]
    place = special.index(0)
    return ids[:place], ids[len(special) - special[::-1].index(0) :]
