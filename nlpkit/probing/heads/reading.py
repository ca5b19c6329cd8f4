"""Sentences with dependencies, of rows of CoNLL-U; texts with a pronoun and two names, of rows of GAP."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

from nlpkit.data import conll, places
from nlpkit.errors import UserError
from nlpkit.probing import material, properties
from nlpkit.probing.heads import coreference
from nlpkit.probing.heads.coreference import Pronoun
from nlpkit.probing.heads.observed import ROOT, Asked, Sentence
from nlpkit.probing.heads.relations import DEPENDENCIES, Kind
from nlpkit.probing.properties import HEAD, RELATION

if TYPE_CHECKING:
    from nlpkit.data.sources import LoadedData
    from nlpkit.probing.options import ProbeOptions

T = TypeVar("T", bound=Asked)
NEEDED = (conll.TOKENS, HEAD, RELATION)


@dataclass(frozen=True)
class Split(Generic[T]):
    """The sentences of a split, as many as are asked for.

    Attributes:
        sentences: in the order of the rows.
        rows: in the data.
        unread: why rows cannot be used, with where they stand.
    """

    sentences: Sequence[T]
    rows: int
    unread: Mapping[str, Sequence[str]]

    @property
    def words(self) -> int:
        """Of the sentences; of texts with a pronoun, it and the names."""
        return sum(len(sentence.text.places) for sentence in self.sentences)


@dataclass(frozen=True)
class Given(Generic[T]):
    """What is looked at.

    Attributes:
        loaded: where the rows come from.
        kind: what is to be found in them.
        train, validation: to choose or to learn by, and to judge by.
    """

    loaded: LoadedData
    kind: Kind
    train: Split[T]
    validation: Split[T]


def open_texts(config: ProbeOptions) -> Given[Any]:
    """Read sentences with dependencies, or pronouns with names, whichever the data have.

    Raises:
        UserError: they have neither.
    """
    loaded = material.load(config)
    if properties.is_gap(places.user_columns(loaded.splits["train"].column_names)):
        material.hold_out(loaded, "Text", config)
        read = [_read(loaded, split, config, _pronoun) for split in material.SPLITS]
        return Given(loaded, coreference.PRONOUNS, *read)
    return _sentences(loaded, config)


def open_sentences(config: ProbeOptions) -> Given[Sentence]:
    """Read sentences with dependencies; some are held out where there is no validation split.

    Raises:
        UserError: there are none, or none that can be read.
    """
    return _sentences(material.load(config), config)


def _sentences(loaded: LoadedData, config: ProbeOptions) -> Given[Sentence]:
    names = places.user_columns(loaded.splits["train"].column_names)
    if missing := [name for name in NEEDED if name not in names]:
        raise UserError(
            f"--what {config.what} needs the dependencies of words: there is no column {', '.join(missing)}",
            f"Give CoNLL-U (https://universaldependencies.org/format.html); the columns are {', '.join(names)}.",
        )
    material.hold_out(loaded, conll.TOKENS, config)
    return Given(loaded, DEPENDENCIES, *(_read(loaded, split, config, sentence) for split in material.SPLITS))


def _read(loaded: LoadedData, split: str, config: ProbeOptions, made_of: Callable[[Mapping[str, Any]], T]) -> Split[T]:
    rows = loaded.splits[split].to_list()
    unread: dict[str, list[str]] = {}
    made: dict[int, T] = {}
    for number, row in enumerate(rows):
        try:
            made[number] = made_of(row)
        except ValueError as error:
            unread.setdefault(str(error), []).append(loaded.where(split, number))
    if not made:
        why, where = next(iter(unread.items()), ("no rows", [split]))
        raise UserError(f"nothing in {split} can be used: {where[0]}: {why}")
    sizes = {number: len(of_one.text.places) for number, of_one in made.items()}
    drawn = material.draw(sizes, config.max_words, config.seed)
    return Split([made[number] for number in drawn], len(rows), unread)


def _pronoun(row: Mapping[str, Any]) -> Pronoun:
    return coreference.pronoun(row, material.spans(row))


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
