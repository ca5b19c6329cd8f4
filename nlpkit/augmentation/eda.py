"""The four operations of EDA (Wei and Zou 2019, "EDA: Easy Data Augmentation Techniques for Boosting Performance on
Text Classification Tasks"), on words with and without tags.

Of words with tags entities stay whole: words are swapped, inserted and left out between them alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from nlpkit.augmentation import synonyms as tables
from nlpkit.augmentation.operation import Material, WordOperation
from nlpkit.data.wording import Word, Wording, continues, is_outside, without

if TYPE_CHECKING:
    import numpy as np

    from nlpkit.augmentation.options import AugmentationOptions

# rows of train up to which EDA recommends a rate and a number of copies for each row (table 3 of the paper)
RECOMMENDED = {500: (0.05, 16), 2_000: (0.05, 8)}
OTHERWISE = (0.1, 4)


def recommended(rows: int) -> tuple[float, int]:
    """The rate and the copies of each row that EDA recommends for so many rows."""
    return next((found for most, found in RECOMMENDED.items() if rows <= most), OTHERWISE)


def how_many(wording: Wording, rate: float) -> int:
    """How many words of a wording are changed: a share of them, one at least."""
    return max(1, int(rate * sum(word.is_word for word in wording)))


def drawn(places: Sequence[int], count: int, generator: np.random.Generator) -> list[int]:
    """Some of the places, in a random order."""
    return [places[int(i)] for i in generator.permutation(len(places))[:count]]


@dataclass(frozen=True)
class Synonyms(WordOperation):
    """Puts synonyms in the place of some words."""

    table: tables.Synonyms
    rate: float
    name = "synonyms"

    def change(self, wording: Wording, generator: np.random.Generator) -> Sequence[Word] | None:
        found = {place: others for place, word in enumerate(wording) if (others := self.table.of(word.text))}
        chosen = drawn(list(found), how_many(wording, self.rate), generator)
        new = {place: found[place][int(generator.integers(len(found[place])))] for place in chosen}
        made = [part for i, word in enumerate(wording) for part in (word.replaced(new[i]) if i in new else [word])]
        return made if new else None


@dataclass(frozen=True)
class Insert(WordOperation):
    """Puts synonyms of some words before others."""

    table: tables.Synonyms
    rate: float
    name = "insert"

    def change(self, wording: Wording, generator: np.random.Generator) -> Sequence[Word] | None:
        found = {i: new for i, word in enumerate(wording) if is_outside(word) and (new := self.table.of(word.text))}
        before = [i for i, word in enumerate(wording) if word.is_word and not continues(word)]
        made = list(wording)
        if not found or not before:
            return None
        chosen = drawn(list(found), how_many(wording, self.rate), generator)
        places = sorted((before[int(generator.integers(len(before)))] for _ in chosen), reverse=True)
        for source, place in zip(chosen, places, strict=True):  # from the end, so that the places before stay
            other = found[source][int(generator.integers(len(found[source])))]
            made[place:place] = replace(wording[source], after=" ").replaced(other)
        return made


@dataclass(frozen=True)
class Swap(WordOperation):
    """Exchanges some words with others."""

    rate: float
    name = "swap"

    def change(self, wording: Wording, generator: np.random.Generator) -> Sequence[Word] | None:
        made = list(wording)
        places = [place for place, word in enumerate(wording) if word.is_word and is_outside(word)]
        if len(places) < 2:
            return None
        for _ in range(how_many(wording, self.rate)):
            one, other = drawn(places, 2, generator)
            first, second = made[one], made[other]
            made[one], made[other] = replace(second, after=first.after), replace(first, after=second.after)
        return made


@dataclass(frozen=True)
class Delete(WordOperation):
    """Leaves each word out with a chance of the rate, and one word at least in."""

    rate: float
    name = "delete"

    def change(self, wording: Wording, generator: np.random.Generator) -> Sequence[Word] | None:
        places = [place for place, word in enumerate(wording) if word.is_word and is_outside(word)]
        dropped = {place for place, draw in zip(places, generator.random(len(places)), strict=True) if draw < self.rate}
        if not dropped and places:  # of a short text a rate of 0.1 would mostly leave all words
            dropped = {places[int(generator.integers(len(places)))]}
        made = without(wording, dropped)
        return made if dropped and any(word.is_word for word in made) else None


def synonyms(options: AugmentationOptions, material: Material) -> Synonyms:
    """See `Make`."""
    return Synonyms(tables.of_file(options.synonyms), material.rate)


def insert(options: AugmentationOptions, material: Material) -> Insert:
    """See `Make`."""
    return Insert(tables.of_file(options.synonyms), material.rate)


def swap(options: AugmentationOptions, material: Material) -> Swap:
    """See `Make`."""
    return Swap(material.rate)


def delete(options: AugmentationOptions, material: Material) -> Delete:
    """See `Make`."""
    return Delete(material.rate)
