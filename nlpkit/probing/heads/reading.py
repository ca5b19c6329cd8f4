"""Sentences with their dependencies, from the rows of CoNLL-U."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nlpkit.data import conll, places
from nlpkit.errors import UserError
from nlpkit.probing import material
from nlpkit.probing.heads.observed import ROOT, Sentence
from nlpkit.probing.properties import HEAD, RELATION

if TYPE_CHECKING:
    from nlpkit.data.sources import LoadedData
    from nlpkit.probing.options import ProbeOptions

NEEDED = (conll.TOKENS, HEAD, RELATION)


@dataclass(frozen=True)
class Split:
    """The sentences of a split, as many as are asked for.

    Attributes:
        sentences: in the order of the rows.
        rows: in the data.
        unread: why rows cannot be used, with where they stand.
    """

    sentences: Sequence[Sentence]
    rows: int
    unread: Mapping[str, Sequence[str]]

    @property
    def words(self) -> int:
        """Of the sentences."""
        return sum(len(sentence.words) for sentence in self.sentences)


def open_sentences(config: ProbeOptions) -> tuple[LoadedData, Split, Split]:
    """Read the sentences to choose by and those to judge by; some are held out where there is no validation split.

    Raises:
        UserError: there are no dependencies, or none that can be read.
    """
    loaded = material.load(config)
    names = places.user_columns(loaded.splits["train"].column_names)
    if missing := [name for name in NEEDED if name not in names]:
        raise UserError(
            f"--what {config.what} needs the dependencies of words: there is no column {', '.join(missing)}",
            f"Give CoNLL-U (https://universaldependencies.org/format.html); the columns are {', '.join(names)}.",
        )
    material.hold_out(loaded, conll.TOKENS, config)
    return loaded, _read(loaded, "train", config), _read(loaded, "validation", config)


def _read(loaded: LoadedData, split: str, config: ProbeOptions) -> Split:
    rows = loaded.splits[split].to_list()
    unread: dict[str, list[str]] = {}
    made: dict[int, Sentence] = {}
    for number, row in enumerate(rows):
        try:
            made[number] = sentence(row)
        except ValueError as error:
            unread.setdefault(str(error), []).append(loaded.where(split, number))
    if not made:
        why, where = next(iter(unread.items()), ("no rows", [split]))
        raise UserError(f"no row of {split} has dependencies: {where[0]}: {why}")
    sizes = {number: len(of_one.words) for number, of_one in made.items()}
    drawn = material.draw(sizes, config.max_words, config.seed)
    return Split([made[number] for number in drawn], len(rows), unread)


def sentence(row: Mapping[str, Any]) -> Sentence:
    """A row of CoNLL-U.

    Raises:
        ValueError: it is no tree of words, in a few words.
    """
    words, heads, relations = (row.get(name) or () for name in NEEDED)
    if not words:
        raise ValueError("no words")
    if not len(words) == len(heads) == len(relations):
        raise ValueError("words, head and deprel of different number")
    numbers = row.get(conll.NUMBERS) or [str(i) for i in range(1, len(words) + 1)]
    places_of = {"0": ROOT} | {str(number): place for place, number in enumerate(numbers)}
    if unknown := [head for head in map(str, heads) if head not in places_of]:
        raise ValueError(f"head {unknown[0]}, which is no word of the sentence")
    found = np.array([places_of[str(head)] for head in heads])
    if (found == np.arange(len(words))).any():
        raise ValueError("a word that is its own head")
    return Sentence([str(word) for word in words], found, [str(relation) for relation in relations])
