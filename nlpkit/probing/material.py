"""What probes learn from and are judged by: sentences, the words in them, and their labels."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from nlpkit import reporting
from nlpkit.data import columns as column_names
from nlpkit.data import draws, duplicates, places, splits, words
from nlpkit.data.sources import LoadedData
from nlpkit.errors import UserError
from nlpkit.probing import properties
from nlpkit.probing.properties import LENGTH, Property
from nlpkit.probing.states import Sentence
from nlpkit.reporting import counted

if TYPE_CHECKING:
    from datasets import Dataset

    from nlpkit.probing.options import ProbeOptions

WORDS = ("tokens", "words", "token", "word", "form", "forms")
MOST_CLASSES = 300  # of a property: a column with more holds no classes, but words or numbers
FIFTHS = 5
SHOWN = 3  # places that a message names
SPLITS = ("train", "validation")


@dataclass
class Examples:
    """The labels of a property in a split.

    Attributes:
        rows: of the states that a label is read off: of words shape (examples, 1), of pairs (examples, 2), of sentences
            (examples, 1), then they count sentences.
        labels: of each, shape (examples,).
        left_out: why others have no label, with how many.
    """

    rows: np.ndarray
    labels: np.ndarray
    left_out: Counter[str] = field(default_factory=Counter)


@dataclass
class Part:
    """A split.

    Attributes:
        sentences: in the order of the rows.
        forms: each word of all sentences, as it is written.
        owners: the sentence of each word, shape (words,).
        examples: by property.
        rows: in the data; `unread` of them cannot be used, `drawn` were drawn of the others.
        unread: why rows cannot be used, with where the first of them stand.
    """

    sentences: list[Sentence]
    forms: list[str]
    owners: np.ndarray
    examples: dict[str, Examples]
    rows: int
    drawn: int
    unread: dict[str, list[str]]


@dataclass(frozen=True)
class Material:
    """Both splits, and what is probed for.

    Attributes:
        loaded: where the rows come from.
        text: the column of words or texts.
    """

    loaded: LoadedData
    text: str
    properties: list[Property]
    train: Part
    validation: Part


def open_material(config: ProbeOptions) -> Material:
    """Read the rows, hold some out where there is no validation split, and draw as many as are asked for.

    Raises:
        UserError: there are no rows, no such property, or too few of its labels.
    """
    loaded = load(config)
    rows = loaded.splits["train"]
    names = places.user_columns(rows.column_names)
    text, tags = _text_column(config, rows, names), []
    if _holds_lists(rows, text):
        tags = [name for name in names if name not in (text, "id") and _holds_lists(rows, name)]
    wanted = properties.settled(config.label, names, text, tags)
    hold_out(loaded, text, config)
    parts = {split: _read(loaded, split, text, wanted, config) for split in SPLITS}
    _put_into_fifths(parts, wanted)
    for one in wanted:
        _require_classes(one, parts["train"].examples[one.name], parts["validation"].examples[one.name])
    return Material(loaded, text, wanted, **parts)


def load(config: ProbeOptions) -> LoadedData:
    """The splits of the data, as they are.

    Raises:
        UserError: none of them is there to learn from, or some rows are changed copies of others.
    """
    loaded = splits.load(config, None)
    splits.refuse_copies(loaded, "probe", SPLITS)
    if "train" not in loaded.splits:
        raise UserError(f"there is no train split; found {', '.join(loaded.splits)}", "Name one: --train-file FILE.")
    return loaded


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else " ".join(map(str, value or ()))


def _holds_lists(rows: Dataset, column: str) -> bool:
    return hasattr(rows.features[column], "feature")


def _text_column(config: ProbeOptions, rows: Dataset, names: Sequence[str]) -> str:
    if config.text_column is not None:
        return column_names.require(config.text_column, names, "text")
    if properties.is_gap(names):
        return "Text"
    lists = [name for name in names if _holds_lists(rows, name)]
    found = column_names.guess(lists, WORDS) or column_names.guess(names, column_names.TEXT_NAMES)
    if found is None:
        raise UserError(
            f"no column looks like words or text; the columns are {', '.join(names)}", "Name it: --text-column NAME"
        )
    return found


def hold_out(loaded: LoadedData, text: str, config: ProbeOptions) -> None:
    """Hold rows of train out as validation, where there is none: rows of one text stay together."""
    if "validation" in loaded.splits:
        return
    groups = duplicates.groups(_as_text(value) for value in loaded.splits["train"][text][:])
    rest, held = draws.hold_out(
        loaded.splits["train"], config.validation_share, stratify_by=None, groups=groups, seed=config.seed
    )
    loaded.splits = {**loaded.splits, "train": rest, "validation": held}
    reporting.current().note(
        f"validation: {counted(len(held), 'row', 'rows')} held out of train (seed {config.seed}; --validation-file)"
    )


# --- a split ---


def _read(loaded: LoadedData, split: str, text: str, wanted: Sequence[Property], config: ProbeOptions) -> Part:
    """The sentences of a split, as many as are asked for, drawn at random and in their order."""
    rows = _rows(
        loaded.splits[split], split, list(dict.fromkeys([text, *(name for one in wanted for name in one.columns)]))
    )
    unread: dict[str, list[str]] = {}
    made: dict[int, Sentence] = {}
    for number, row in enumerate(rows):
        try:
            made[number] = _sentence(row, text, wanted)
        except ValueError as error:
            unread.setdefault(str(error), []).append(loaded.where(split, number))
    if not made:
        why, where = next(iter(unread.items()), ("no rows", [split]))
        raise UserError(f"no row of {split} can be probed: {where[0]}: {why}")
    of_words = any(one.of != "sentences" for one in wanted)
    sizes = {number: len(one.places) if of_words else 1 for number, one in made.items()}
    drawn = draw(sizes, config.max_words, config.seed)
    part = Part([made[i] for i in drawn], [], np.zeros(0, np.int64), {}, len(rows), len(drawn), unread)
    part.forms = [one.text[start:end] for one in part.sentences for start, end in one.places]
    part.owners = np.repeat(np.arange(len(drawn)), [len(one.places) for one in part.sentences])
    starts = [0, *itertools.accumulate(len(one.places) for one in part.sentences)]
    for one in wanted:
        part.examples[one.name] = _examples(one, [rows[i] for i in drawn], starts)
    return part


def draw(sizes: Mapping[int, int], most: int, seed: int) -> list[int]:
    """Rows that are drawn at random, in their order.

    Args:
        sizes: words of each row.
        most: words of all that are drawn.
        seed: of the draw.
    """
    order = np.random.default_rng(seed).permutation(np.array(list(sizes)))
    words_of = np.array([sizes[number] for number in order.tolist()])
    return np.sort(order[np.cumsum(words_of) <= most]).tolist()


def _rows(table: Dataset, split: str, columns: Sequence[str]) -> list[dict[str, Any]]:
    """The columns that are read; numbers of classes that the data name, as data sets of the hub do, by their names.

    Raises:
        UserError: the split lacks one.
    """
    from datasets import ClassLabel

    if missing := [name for name in columns if name not in table.column_names]:
        raise UserError(f"{split} lacks the columns {', '.join(missing)}", "Give both splits the same columns.")
    rows = table.select_columns(list(columns)).to_list()
    for name in columns:
        feature = table.features[name]
        inner = getattr(feature, "feature", feature)
        if isinstance(inner, ClassLabel):
            named: dict[int | None, str | None] = {None: None, -1: None, **dict(enumerate(inner.names))}
            for row in rows:
                value = row[name]
                row[name] = [named[one] for one in value] if isinstance(value, list) else named[value]
    return rows


def _sentence(row: Mapping[str, Any], text: str, wanted: Sequence[Property]) -> Sentence:
    """The words of a row in their text.

    Raises:
        ValueError: it has none, or labels that do not align with them, in a few words.
    """
    value = row[text]
    if not value or not _as_text(value).strip():
        raise ValueError("no words")
    if any(one.name == properties.COREFERENCE for one in wanted):
        return spans(row)
    if isinstance(value, str):
        return Sentence(value, [])
    for name in dict.fromkeys(name for one in wanted for name in one.columns):
        if not (isinstance(row[name], list) or any(one.of != "sentences" and name in one.columns for one in wanted)):
            continue  # a label of the sentence
        if len(row[name] or ()) != len(value):
            have = counted(len(row[name] or ()), "label", "labels")
            raise ValueError(f"{counted(len(value), 'word', 'words')}, {have} in {name}")
    return Sentence(*words.joined(["" if word is None else str(word) for word in value]))


def spans(row: Mapping[str, Any]) -> Sentence:
    """Pronoun and names of a row of GAP, each as one word.

    Raises:
        ValueError: they do not stand where the row says, or in one another, in a few words.
    """
    found: list[words.Place] = []
    for name in properties.spans_of(row):
        start = properties.offset_of(row, name)
        end = start + len(str(row[name]))
        if not 0 <= start < end or row["Text"][start:end] != row[name]:
            raise ValueError(f"{name} does not stand where {name}-offset says")
        if found and start < found[-1][1]:
            raise ValueError("names that overlap")
        found.append((start, end))
    return Sentence(row["Text"], found)


def _examples(one: Property, rows: Sequence[Mapping[str, Any]], starts: Sequence[int]) -> Examples:
    found, labels, left_out = [], [], Counter[str]()
    for number, row in enumerate(rows):
        for labelled in one.read(row):
            if labelled.label is None:
                left_out[labelled.why] += 1
                continue
            found.append([starts[number] + place for place in labelled.places] or [number])
            labels.append(labelled.label)
    width = 2 if one.of == "pairs" else 1
    return Examples(np.array(found, np.int64).reshape(-1, width), np.array(labels, dtype=object), left_out)


def _put_into_fifths(parts: Mapping[str, Part], wanted: Sequence[Property]) -> None:
    """Lengths as fifths of the training sentences, named by the lengths that they hold."""
    if not any(one.name == LENGTH and one.of == "sentences" for one in wanted):
        return
    lengths = {split: part.examples[LENGTH].labels.astype(np.int64) for split, part in parts.items()}
    borders = np.unique(np.quantile(lengths["train"], np.arange(1, FIFTHS) / FIFTHS).astype(np.int64))
    lows = [1, *(borders + 1).tolist()]
    highs = [*borders.tolist(), None]
    names = [
        f"{low} words or more" if high is None else f"{low} to {high} words"
        for low, high in zip(lows, highs, strict=True)
    ]
    for split, part in parts.items():
        part.examples[LENGTH].labels = np.array(names, dtype=object)[np.searchsorted(borders, lengths[split])]


def _require_classes(one: Property, train: Examples, validation: Examples) -> None:
    """Raises UserError: there is nothing to tell apart, or there are more labels than classes."""
    why = ", ".join(f"{count:,} {why}" for why, count in train.left_out.most_common(SHOWN))
    if not len(train.labels) or not len(validation.labels):
        split = "validation" if len(train.labels) else "train"
        raise UserError(f"--label {one.name}: nothing in {split} has such a label{f' ({why})' if why else ''}")
    classes = set(train.labels.tolist())
    if len(classes) == 1:
        raise UserError(
            f"--label {one.name}: all {len(train.labels):,} labels of train are {classes.pop()!r}: there is nothing to "
            "tell apart"
        )
    if len(classes) > MOST_CLASSES:
        raise UserError(
            f"--label {one.name}: {len(classes):,} different labels in train; a probe tells at most {MOST_CLASSES} "
            "classes apart",
            "Does the column hold words or numbers?",
        )
