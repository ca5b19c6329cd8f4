"""Slips of hands and of machines, in the manner of nlpaug (Ma 2019): keys beside the right one, characters that look
alike, capitals, and punctuation put between words (AEDA, Karimi et al. 2021)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from nlpkit.augmentation.eda import drawn, how_many
from nlpkit.augmentation.operation import Material, WordOperation
from nlpkit.data.wording import Word, Wording, continues

if TYPE_CHECKING:
    import numpy as np

    from nlpkit.augmentation.options import AugmentationOptions

# rows of letters, each half a key further to the right than the one above
LAYOUTS: Mapping[str, tuple[str, str, str]] = {
    "qwerty": ("qwertyuiop", "asdfghjkl", "zxcvbnm"),
    "qwertz": ("qwertzuiopü", "asdfghjklöä", "yxcvbnm"),
    "azerty": ("azertyuiop", "qsdfghjklm", "wxcvbn"),
}
# what recognition of printed text takes for one another; https://github.com/makcedward/nlpaug has most of them
CONFUSED: Mapping[str, tuple[str, ...]] = {
    "0": ("o", "O"), "1": ("l", "I", "i"), "2": ("z", "Z"), "5": ("s", "S"), "6": ("b", "G"), "8": ("B",),
    "9": ("g", "q"), "B": ("8",), "D": ("0",), "G": ("6", "C"), "I": ("1", "l"), "O": ("0",), "S": ("5",),
    "Z": ("2",), "a": ("o",), "b": ("6", "h"), "c": ("e", "o"), "d": ("cl",), "e": ("c",), "g": ("9", "q"),
    "h": ("b",), "i": ("1", "l"), "l": ("1", "I"), "m": ("rn", "nn"), "n": ("ri",), "o": ("0", "c"),
    "q": ("g", "9"), "r": ("n",), "s": ("5",), "t": ("f",), "u": ("v", "ii"), "v": ("u", "y"), "w": ("vv",),
    "y": ("v",), "z": ("2",), "rn": ("m",), "cl": ("d",), "vv": ("w",), "ri": ("n",),
}  # fmt: skip
MARKS = (".", ";", "?", ":", "!", ",")  # AEDA
MOST_MARKS = 3  # one for each so many words at most: AEDA


def neighbours(layout: str) -> dict[str, str]:
    """The letters beside each letter of a keyboard, by letter."""
    places = {key: (row, place + row / 2) for row, keys in enumerate(LAYOUTS[layout]) for place, key in enumerate(keys)}
    return {
        key: "".join(
            other
            for other, (line, left) in places.items()
            if other != key and abs(line - row) <= 1 and abs(left - place) <= 1
        )
        for key, (row, place) in places.items()
    }


@dataclass(frozen=True)
class Slips(WordOperation):
    """Puts something else in the place of one or two characters, in some of the words.

    Attributes:
        instead: what may stand for one character, or for two.
        name: of the operation.
    """

    instead: Mapping[str, Sequence[str]]
    rate: float
    name: str

    def change(self, wording: Wording, generator: np.random.Generator) -> Sequence[Word] | None:
        slips = {place: found for place, word in enumerate(wording) if word.is_word and (found := self._in(word.text))}
        made = list(wording)
        for place in drawn(list(slips), how_many(wording, self.rate), generator):
            start, end, others = slips[place][int(generator.integers(len(slips[place])))]
            new = others[int(generator.integers(len(others)))]
            made[place] = replace(made[place], text=f"{made[place].text[:start]}{new}{made[place].text[end:]}")
        return made if slips else None

    def _in(self, text: str) -> list[tuple[int, int, Sequence[str]]]:
        """Where something else may stand in a word, and what."""
        spans = [(start, start + size) for size in (1, 2) for start in range(len(text) - size + 1)]
        return [(*span, self.instead[part]) for span in spans if (part := text[span[0] : span[1]]) in self.instead]


@dataclass(frozen=True)
class Case(WordOperation):
    """Writes some words in capitals, in small letters, or with one capital."""

    rate: float
    name = "case"

    def change(self, wording: Wording, generator: np.random.Generator) -> Sequence[Word] | None:
        made = list(wording)
        others = {
            place: new
            for place, word in enumerate(wording)
            if (new := sorted({word.text.upper(), word.text.lower(), word.text.capitalize()} - {word.text}))
        }
        for place in drawn(list(others), how_many(wording, self.rate), generator):
            made[place] = replace(made[place], text=others[place][int(generator.integers(len(others[place])))])
        return made if others else None


@dataclass(frozen=True)
class Punctuation(WordOperation):
    """Puts marks before some words: from one to a third as many as there are words, whatever the rate."""

    tags: str | None
    name = "punctuation"

    def change(self, wording: Wording, generator: np.random.Generator) -> Sequence[Word] | None:
        if self.tags == "plain":  # nobody knows which tag the marks of this tag set have
            return None
        places = [place for place, word in enumerate(wording) if word.is_word and not continues(word)]
        count = int(generator.integers(1, max(len(places) // MOST_MARKS, 1) + 1))
        made = list(wording)
        for place in sorted(drawn(places, count, generator), reverse=True):
            mark = MARKS[int(generator.integers(len(MARKS)))]
            made.insert(place, replace(wording[place], text=mark, after=" ", tag=self.tags and "O"))
        return made if places else None


def keyboard(options: AugmentationOptions, material: Material) -> Slips:
    """See `Make`."""
    near = neighbours(options.keyboard)
    both = {**near, **{key.upper(): others.upper() for key, others in near.items()}}
    return Slips(both, material.rate, "keyboard")


def ocr(options: AugmentationOptions, material: Material) -> Slips:
    """See `Make`."""
    return Slips(CONFUSED, material.rate, "ocr")


def case(options: AugmentationOptions, material: Material) -> Case:
    """See `Make`."""
    return Case(material.rate)


def punctuation(options: AugmentationOptions, material: Material) -> Punctuation:
    """See `Make`."""
    return Punctuation(material.tags)
