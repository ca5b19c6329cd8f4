"""What is probed for: labels of words, of pairs of words and of sentences, as the columns of the data give them.

A property reads a row and says for each of its labels which words it is a label of. `material` puts the rows together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from nlpkit.data import columns as column_names
from nlpkit.data import words
from nlpkit.data.conll import CONLL_U, NUMBERS
from nlpkit.errors import UserError
from nlpkit.options import suggest

Of = Literal["words", "pairs", "sentences"]
NO_LABEL = ("", "_")  # of a word, as CoNLL-U writes that there is none
FEATS, HEAD, RELATION = "feats", "head", "deprel"
DEPENDENCY, ROOT_TENSE, LENGTH, COREFERENCE = "dependency", "root-tense", "length", "coreference"
BUILT_IN = (DEPENDENCY, ROOT_TENSE, LENGTH, COREFERENCE)
GAP = ("Text", "Pronoun", "Pronoun-offset", "A", "A-offset", "A-coref", "B", "B-offset", "B-coref")
"""Columns of the GAP corpus (Webster et al. 2018, https://arxiv.org/abs/1810.05201)."""
USUAL = ("upos", RELATION, DEPENDENCY, LENGTH)  # of CoNLL-U, where nothing else is asked for
SHOWN = 12  # names that a message lists


class Labelled(NamedTuple):
    """A label of a row.

    Attributes:
        places: indices of the words that have it: one, or two of a pair, the dependent first; none: the sentence.
        label: None where there is none; then `why` says so in a few words.
        why: see `label`.
    """

    places: tuple[int, ...]
    label: str | None
    why: str = ""


Row = Mapping[str, Any]


class Property(NamedTuple):
    """Something that a model may know.

    Attributes:
        name: as the user calls it.
        of: what has the label.
        about: for people: "the column upos of each word".
        columns: that are read besides that of the words.
        read: the labels of a row.
    """

    name: str
    of: Of
    about: str
    columns: tuple[str, ...]
    read: Callable[[Row], Iterator[Labelled]]


def settled(named: Sequence[str], columns: Sequence[str], text: str, tags: Sequence[str]) -> list[Property]:
    """The properties that are asked for, or those that the data have.

    Args:
        named: by the user.
        columns: of the data.
        text: the column of the words or of the text.
        tags: columns with a label for each word.

    Raises:
        UserError: there is no such property, or none that could be meant.
    """
    if named:
        found = [_named(name, columns, text, tags) for name in named]
        return list({one.name: one for one in found}.values())
    if is_gap(columns):
        return [_coreference()]
    if is_conll_u(columns):
        return [_named(name, columns, text, tags) for name in USUAL]
    if tags:
        return [_of_words(name) for name in tags]
    label = column_names.guess([name for name in columns if name != text], column_names.LABEL_NAMES)
    if label is None:
        raise UserError(
            f"no column looks like labels; the columns are {', '.join(columns)}",
            f"Name one: --label NAME ({LENGTH}: how long a text is).",
        )
    return [_of_sentences(label)]


def is_gap(columns: Sequence[str]) -> bool:
    """Whether rows are those of the GAP corpus: a text, a pronoun and two candidates."""
    return set(GAP) <= set(columns)


def is_conll_u(columns: Sequence[str]) -> bool:
    """Whether rows are sentences with all columns of CoNLL-U."""
    return set(CONLL_U) <= set(columns)


def features(cell: str | None) -> dict[str, str]:
    """The morphological features of a word: `Number=Sing|Tense=Past` by name, `_` none."""
    return dict(part.split("=", 1) for part in (cell or "_").split("|") if "=" in part)


def _named(name: str, columns: Sequence[str], text: str, tags: Sequence[str]) -> Property:
    known = {column.lower(): column for column in columns if column != text}
    if (column := known.get(name.lower())) is not None:
        if column == HEAD and is_conll_u(columns):
            raise UserError(
                "--label head: the head of a word is no class", f"--label {DEPENDENCY}: its relation to it."
            )
        return _of_words(column) if column in tags else _of_sentences(column)
    if name == LENGTH:
        about = "how many words a sentence has, in fifths"
        return Property(LENGTH, "sentences", about, (), lambda row: _length(row, text))
    if name in (DEPENDENCY, ROOT_TENSE):
        if not is_conll_u(columns):
            raise UserError(f"--label {name} is read off CoNLL-U, and the columns are {', '.join(columns)}")
        return _dependency() if name == DEPENDENCY else _root_tense()
    if name == COREFERENCE:
        if not is_gap(columns):
            raise UserError(f"--label {name} is read off the columns of GAP ({', '.join(GAP)})")
        return _coreference()
    if is_conll_u(columns):
        return _feature(name)
    others = [column for column in columns if column != text]
    raise UserError(
        f"--label {name}: there is no such column; the columns are {', '.join(others[:SHOWN])}",
        suggest(name, [*others, *BUILT_IN]) or f"Built in: {', '.join(BUILT_IN)}",
    )


# --- of words ---


def _of_words(column: str) -> Property:
    def read(row: Row) -> Iterator[Labelled]:
        for place, label in enumerate(row[column] or ()):
            written = "" if label is None else str(label).strip()
            yield _word(place, None if written in NO_LABEL else written, f"words without {column}")

    return Property(column, "words", f"the column {column} of each word", (column,), read)


def _feature(name: str) -> Property:
    def read(row: Row) -> Iterator[Labelled]:
        for place, cell in enumerate(row[FEATS] or ()):
            yield _word(place, features(cell).get(name), f"words without the feature {name}")

    return Property(name, "words", f"the feature {name} of each word that has it", (FEATS,), read)


def _word(place: int, label: str | None, why: str) -> Labelled:
    return Labelled((place,), label, "" if label is not None else why)


# --- of pairs ---


def _dependency() -> Property:
    def read(row: Row) -> Iterator[Labelled]:
        numbers = {number: place for place, number in enumerate(row[NUMBERS])}
        for place, (head, relation) in enumerate(zip(row[HEAD], row[RELATION], strict=True)):
            if head == "0":
                yield Labelled((place, place), None, "roots, which have no head")
            elif head not in numbers:
                yield Labelled((place, place), None, "words whose head is no word of the sentence")
            else:
                yield Labelled(
                    (place, numbers[head]), None if relation in NO_LABEL else relation, "words without deprel"
                )

    about = "the relation of a word to its head, by both states"
    return Property(DEPENDENCY, "pairs", about, (NUMBERS, HEAD, RELATION), read)


def _coreference() -> Property:
    def read(row: Row) -> Iterator[Labelled]:
        order = spans_of(row)
        for candidate in ("A", "B"):
            same = str(row[f"{candidate}-coref"]).strip().lower()
            label = {"true": "same", "false": "other"}.get(same)
            yield Labelled((order.index(candidate), order.index("Pronoun")), label, f"pairs without {candidate}-coref")

    return Property(COREFERENCE, "pairs", "whether a pronoun means a name (GAP), by the states of both", GAP[1:], read)


def spans_of(row: Row) -> list[str]:
    """Pronoun, A and B of a row of GAP, in the order in which they stand."""
    return sorted(("Pronoun", "A", "B"), key=lambda name: offset_of(row, name))


def offset_of(row: Row, name: str) -> int:
    """Where the pronoun or a name of a row of GAP begins.

    Raises:
        ValueError: that is no number.
    """
    try:
        return int(row[f"{name}-offset"])
    except (TypeError, ValueError):
        raise ValueError(f"{name}-offset is no number") from None


# --- of sentences ---


def _of_sentences(column: str) -> Property:
    def read(row: Row) -> Iterator[Labelled]:
        value = row[column]
        if isinstance(value, list | dict):
            raise UserError(f"--label {column}: the column holds lists, and a probe tells one class of each row")
        written = "" if value is None else str(value).strip()
        yield Labelled((), written or None, f"rows without {column}")

    return Property(column, "sentences", f"the column {column} of each row", (column,), read)


def _length(row: Row, text: str) -> Iterator[Labelled]:
    """The number of words, which `material` puts into fifths: what is short is not known of one row."""
    value = row[text]
    yield Labelled((), str(len(words.split(value) if isinstance(value, str) else value)))


def _root_tense() -> Property:
    def read(row: Row) -> Iterator[Labelled]:
        roots = [place for place, head in enumerate(row[HEAD]) if head == "0"]
        tense = features(row[FEATS][roots[0]]).get("Tense") if roots else None
        yield Labelled((), tense, "sentences whose root has no tense")

    return Property(ROOT_TENSE, "sentences", "the tense of the root of a sentence", (HEAD, FEATS), read)
