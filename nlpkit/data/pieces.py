"""Texts of any length in tokens: some at a time, and a long one in pieces, as a tokenizer takes 150 bytes a character.

A piece ends before a blank where the tokens of both sides are those of the whole, which is tried out on the characters
around it. In a text without such a place (one word of 262,144 characters) it ends anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

PIECE = 2**18  # characters of a text that are tokenized at a time
TOGETHER = 2**22  # characters of several texts
LISTS = ("negatives", "documents")  # columns of examples with several texts each
_AROUND = 100  # characters on either side of a border that are tried out
_NEAR = 2_000  # characters in which a border is looked for
_TRIES = 10
_BORDER = re.compile(r"(?<=\S)\s(?=\w)")


class Tokens(NamedTuple):
    """Ids of a text without special tokens, shape (tokens,), and the characters of each, shape (tokens, 2)."""

    ids: np.ndarray
    offsets: np.ndarray


def chunks(examples: Mapping[str, Sequence[Any]], most: int, characters: int = TOGETHER) -> Iterator[tuple[int, int]]:
    """Bounds [start, end) of consecutive examples (columns of equal length) that are worked on together.

    Args:
        most: examples.
        characters: of their texts, unless one alone has more.
    """
    count = len(next(iter(examples.values())))
    texts = [column for column in examples.values() if count and isinstance(column[0], str)]
    lists = [examples[name] for name in LISTS if name in examples]
    start = size = 0
    for i in range(count):
        more = sum(len(column[i] or "") for column in texts)
        more += sum(len(text) for column in lists for text in column[i] or ())
        if i > start and (i - start == most or size + more > characters):
            yield start, i
            start, size = i, 0
        size += more
    yield start, count


def tokenized(tokenizer: Any, texts: Sequence[str], *, offsets: bool = True) -> Iterator[Tokens]:
    """The tokens of each text, in order; without `offsets`, which only fast tokenizers have, these are empty."""
    none = np.zeros((0, 2), np.int32)
    for start, end in chunks({"text": texts}, len(texts) or 1):
        cut = [cut_up(tokenizer, text) for text in texts[start:end]]
        for parts in cut if any(len(parts) > 1 for parts in cut) else []:
            tokens, before = [], 0
            for part in parts:
                (made,) = _plain(tokenizer, [part], offsets)
                tokens.append(Tokens(made.ids, made.offsets + before if offsets else none))
                before += len(part)
            yield Tokens(*(np.concatenate(column) for column in zip(*tokens, strict=True)))
        if all(len(parts) == 1 for parts in cut):
            yield from _plain(tokenizer, texts[start:end], offsets)


def _plain(tokenizer: Any, texts: Sequence[str], offsets: bool) -> Iterator[Tokens]:
    if not texts:
        return
    encoded = tokenizer(
        list(texts),
        add_special_tokens=False,
        truncation=False,
        return_attention_mask=False,
        return_token_type_ids=False,
        verbose=False,
        **({"return_offsets_mapping": True} if offsets else {}),
    )
    places = encoded["offset_mapping"] if offsets else [[]] * len(texts)
    for ids, pairs in zip(encoded["input_ids"], places, strict=True):
        yield Tokens(np.asarray(ids, np.int32), np.asarray(pairs, np.int32).reshape(-1, 2))


def counts(tokenizer: Any, texts: Sequence[str]) -> list[int]:
    """Tokens of each text, without special ones."""
    return [len(tokens.ids) for tokens in tokenized(tokenizer, texts, offsets=False)]


def cut_up(tokenizer: Any, text: str) -> list[str]:
    """The text in pieces of at most `PIECE` characters, whose tokens behind each other are its own."""
    parts, start = [], 0
    while len(text) - start > PIECE:
        end = _border(tokenizer, text, start + PIECE)
        parts.append(text[start:end])
        start = end
    return [*parts, text[start:]]


def _border(tokenizer: Any, text: str, most: int) -> int:
    """Where to cut: the last good place of the characters up to `most`, else there."""
    places = [match.start() for match in _BORDER.finditer(text, max(most - _NEAR, most - PIECE // 2), most)]
    for place in [*places[: -_TRIES - 1 : -1], *range(most, most - _TRIES, -1)]:
        left, right = text[max(place - _AROUND, 0) : place], text[place : place + _AROUND]
        whole, *sides = (tokens.ids for tokens in _plain(tokenizer, [left + right, left, right], offsets=False))
        if np.array_equal(whole, np.concatenate(sides)):
            return place
    return most


def beginning(tokenizer: Any, text: str, tokens: int) -> str:
    """As much of a text as has this many tokens at least, or all of it."""
    parts, tokens_so_far = [], 0
    for part in cut_up(tokenizer, text):
        parts.append(part)
        tokens_so_far += sum(counts(tokenizer, [part]))
        if tokens_so_far >= tokens:
            break
    return "".join(parts)


def both_ends(tokenizer: Any, text: str, tokens: int) -> str:
    """Beginning and end of a text, each with this many tokens at least, or all of it."""
    parts = cut_up(tokenizer, text)
    tokens_so_far, last = 0, len(parts)
    while last and tokens_so_far < tokens:
        last -= 1
        tokens_so_far += sum(counts(tokenizer, [parts[last]]))
    begin = beginning(tokenizer, text, tokens)
    rest = len(text) - sum(map(len, parts[last:]))
    return text if len(begin) >= rest else begin + text[rest:]


def readable(tokenizer: Any, text: str, max_length: int | None, *, ends: bool = False) -> str:
    """What is read of a long text, and somewhat more: a tokenizer takes the memory of all that it is given.

    Args:
        max_length: tokens that are read, None for all.
        ends: whether they are read at both ends of the text, else at its beginning.
    """
    if max_length is None or len(text) <= PIECE:
        return text
    return both_ends(tokenizer, text, max_length) if ends else beginning(tokenizer, text, max_length)


def lost(
    lengths: Sequence[int], max_length: int | None, whole_lengths: Callable[[list[int]], Sequence[int]]
) -> list[int]:
    """Tokens of each text that were cut off; a text that fills its feature is tokenized again, whole.

    What a tokenizer itself says of what it left out is wrong for pairs.

    Args:
        lengths: tokens of each text that were kept.
        max_length: most tokens that are kept, None for all.
        whole_lengths: gives the tokens of the texts of some indices before anything is cut off.
    """
    full = [i for i, length in enumerate(lengths) if max_length is not None and length >= max_length]
    out = [0] * len(lengths)
    for i, whole in zip(full, whole_lengths(full) if full else (), strict=True):
        out[i] = max(whole - lengths[i], 0)
    return out
