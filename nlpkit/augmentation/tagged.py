"""Operations on words with tags (Dai and Adel 2020, "An Analysis of Simple Data Augmentation for Named Entity
Recognition"): other entities of the same type, other words of the same tag, segments in another order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from nlpkit.augmentation.eda import drawn, how_many
from nlpkit.augmentation.operation import Material, WordOperation
from nlpkit.data.wording import Word, Wording, continues, is_outside

if TYPE_CHECKING:
    import numpy as np

    from nlpkit.augmentation.options import AugmentationOptions

Mention = tuple[Word, ...]
OF_ALL = 0.5  # share of the entities and segments that are changed where nobody says it: Dai and Adel try 0.1 to 0.7


def segments(wording: Wording) -> Iterator[tuple[int, int]]:
    """The entities of a wording, and what stands between them: first word, and the one behind the last."""
    start = 0
    for place in range(1, len(wording) + 1):
        if place < len(wording) and (
            continues(wording[place]) or (is_outside(wording[place]) and is_outside(wording[place - 1]))
        ):
            continue
        yield start, place
        start = place


def type_of(word: Word) -> str:
    """The type of the entity that a word is of."""
    return (word.tag or "")[2:]


@dataclass(frozen=True)
class Mentions(WordOperation):
    """Puts other entities of the same type in the place of some, from anywhere in train.

    Attributes:
        known: the different entities of each type.
        rate: share of the entities.
    """

    known: Mapping[str, Sequence[Mention]]
    rate: float
    name = "mentions"

    def change(self, wording: Wording, generator: np.random.Generator) -> Sequence[Word] | None:
        ends = {
            start: end
            for start, end in segments(wording)
            if not is_outside(wording[start]) and len(self.known[type_of(wording[start])]) > 1
        }
        made = list(wording)
        count = max(1, round(self.rate * len(ends)))
        for start in sorted(drawn(list(ends), count, generator), reverse=True):  # so that the places before stay
            end, others = ends[start], self.known[type_of(wording[start])]
            place = int(generator.integers(len(others)))
            if written(others[place]) == written(wording[start:end]):
                place = (place + 1) % len(others)
            *first, last = others[place]
            made[start:end] = [*first, replace(last, after=wording[end - 1].after)]
        return made if ends else None


def written(words: Wording) -> tuple[str, ...]:
    """The words as they are written."""
    return tuple(word.text for word in words)


@dataclass(frozen=True)
class Segments(WordOperation):
    """Puts the words of some segments in another order: within entities and between them, never across."""

    rate: float
    name = "segments"

    def change(self, wording: Wording, generator: np.random.Generator) -> Sequence[Word] | None:
        made = list(wording)
        places = [[place for place in range(start, end) if wording[place].is_word] for start, end in segments(wording)]
        long = [inside for inside in places if len(inside) > 1]
        count = max(1, round(self.rate * len(long)))
        for chosen in [long[int(i)] for i in generator.permutation(len(long))[:count]]:
            for place, source in zip(chosen, drawn(chosen, len(chosen), generator), strict=True):
                # tags and blanks stay where they are
                made[place] = replace(wording[source], tag=wording[place].tag, after=wording[place].after)
        return made if long else None


@dataclass(frozen=True)
class Labelwise(WordOperation):
    """Puts words that have the same tag somewhere in train in the place of some.

    Attributes:
        known: the words of each tag as often as they stand there, so that frequent ones are drawn more often.
    """

    known: Mapping[str, Sequence[Word]]
    rate: float
    name = "labelwise"

    def change(self, wording: Wording, generator: np.random.Generator) -> Sequence[Word] | None:
        made = list(wording)
        places = [place for place, word in enumerate(wording) if word.is_word]
        for place in drawn(places, how_many(wording, self.rate), generator):
            same = self.known[str(wording[place].tag)]
            made[place] = replace(same[int(generator.integers(len(same)))], after=wording[place].after)
        return made


def mentions(options: AugmentationOptions, material: Material) -> Mentions:
    """See `Make`."""
    known: dict[str, dict[tuple[str, ...], Mention]] = {}
    for wording in material.wordings:
        for start, end in segments(wording):
            if not is_outside(wording[start]):
                mention = tuple(wording[start:end])
                known.setdefault(type_of(mention[0]), {}).setdefault(written(mention), mention)
    return Mentions({kind: list(found.values()) for kind, found in known.items()}, options.rate or OF_ALL)


def shuffled(options: AugmentationOptions, material: Material) -> Segments:
    """See `Make`."""
    return Segments(options.rate or OF_ALL)


def labelwise(options: AugmentationOptions, material: Material) -> Labelwise:
    """See `Make`."""
    known: dict[str, list[Word]] = {}
    for word in (word for wording in material.wordings for word in wording if word.is_word):
        known.setdefault(str(word.tag), []).append(word)
    return Labelwise(known, material.rate)
