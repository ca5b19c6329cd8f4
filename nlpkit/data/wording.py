"""A text, or a sentence with tags, as words that can be changed and put together again."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from nlpkit.data import words

_CLITIC = re.compile(r"n['’]t|['’](?:s|re|ve|ll|d|m)", re.IGNORECASE)
_INSIDE = re.compile("^B(?=-|$)")


@dataclass(frozen=True)
class Word:
    """A word, or a run of one punctuation mark.

    Attributes:
        text: as it is written.
        after: what stands between it and the next one.
        tag: BIO or plain; None of a text without tags.
        beside: the cells of other columns that have one for each word (parts of speech, lemmas).
    """

    text: str
    after: str = " "
    tag: str | None = None
    beside: tuple[Any, ...] = ()

    @property
    def is_word(self) -> bool:
        """Whether it is made of letters or digits, and is no punctuation."""
        return any(character.isalnum() for character in self.text)

    def replaced(self, text: str) -> list[Word]:
        """Other words in its place, parted by blanks; in an entity they go on with it."""
        first, *others = text.split(" ")
        inside = self.tag and _INSIDE.sub("I", self.tag)
        made = [replace(self, text=first), *(replace(self, text=other, tag=inside) for other in others)]
        return [*(replace(word, after=" ") for word in made[:-1]), replace(made[-1], after=self.after)]


Wording = Sequence[Word]
"""The words of one text."""


def words_of(text: str) -> list[Word]:
    """The words of a text, as `words.split` finds them, but for English clitics, which stay with their word."""
    places: list[words.Place] = []
    for start, end in words.split(text):
        if places and places[-1][1] == start and _CLITIC.fullmatch(text, start, end):
            places[-1] = (places[-1][0], end)
        else:
            places.append((start, end))
    behind = [start for start, _ in places[1:]] + [len(text)]
    return [Word(text[start:end], text[end:next_]) for (start, end), next_ in zip(places, behind, strict=True)]


def text_of(wording: Wording) -> str:
    """Words put together again, without blanks at the ends."""
    return "".join(f"{word.text}{word.after}" for word in wording).strip()


def continues(word: Word) -> bool:
    """Whether a word is of the entity of the word before it."""
    return word.tag is not None and re.match("I(-|$)", word.tag) is not None


def is_outside(word: Word) -> bool:
    """Whether a word is of no entity: one with the tag O, and any of a text without tags, or with plain ones."""
    return word.tag is None or re.match("[BI](-|$)", word.tag) is None


def without(wording: Wording, dropped: set[int]) -> list[Word]:
    """The words but for some, by their places; two words that stood apart still do."""
    kept: list[Word] = []
    for place, word in enumerate(wording):
        if place not in dropped:
            if kept and not kept[-1].after and place - 1 in dropped and kept[-1].is_word and word.is_word:
                kept[-1] = replace(kept[-1], after=" ")
            kept.append(word)
        elif kept and not word.after:  # no blank before the full stop that followed the word
            kept[-1] = replace(kept[-1], after="")
    return kept
