"""Recognising which columns hold what, and which kind of data that makes rows: by the names of the columns and by what
is in their cells, never by their order.

What is guessed is told; where two readings are possible, both are named and neither is taken.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, get_args

from nlpkit import reporting
from nlpkit.data import collections
from nlpkit.data import columns as column_names
from nlpkit.data.labels import as_number, is_missing
from nlpkit.data.places import user_columns
from nlpkit.data.spelling import folded
from nlpkit.errors import UserError
from nlpkit.options import Config
from nlpkit.tasks.sentence_embedding.layout import Layout
from nlpkit.tasks.sentence_embedding.options import ShapeName, ShapeOptions

if TYPE_CHECKING:
    from datasets import Dataset

PAIRS = (
    ("anchor", "positive"), ("query", "positive"), ("question", "positive"), ("text", "positive"),
    ("sentence", "positive"), ("query", "answer"), ("question", "answer"), ("query", "document"),
    ("question", "document"), ("question", "passage"), ("question_1", "question_2"), ("source", "target"),
    ("anchor", "answer"), ("anchor", "document"), ("anchor", "passage"),
    *column_names.PAIR_NAMES,
)  # fmt: skip
"""Columns that hold two texts which belong together, in the sets in wide use."""
PARAGRAPHS = ("question", "context")  # of SQuAD: a question, and the paragraph that it was asked about
ANCHORS = ("anchor", "query", "question", "sentence1", "premise", *column_names.TEXT_NAMES)
POSITIVES = ("positive", "answer", "document", "passage", "response", "sentence2", "text_pair", "hypothesis")
NEGATIVE = re.compile(r"(?:hard_)?negatives?(?:_?\d+)?")
VECTORS = ("vector", "vectors", "embedding", "embeddings", "teacher_vector", "teacher_embedding")
LABELS = (
    "score", "similarity", "similarity_score", "relatedness_score", "relatedness", "label", "labels", "gold_label",
    "similar", "is_similar", "is_duplicate", "duplicate", "is_paraphrase", "quality", "entailment_judgment",
    "entailment_label",
)  # fmt: skip
CLASSES = ("category", "class", "intent", "topic")
"""Columns of the label of a text; beside a pair they say nothing of the two."""
GRADED = ("score", "similarity", "relatedness")
"""In the names of columns whose numbers are grades, also where all of them are whole."""
INFERENCE: Mapping[str, str] = {
    "entailment": "entailment",
    "neutral": "neutral",
    "contradiction": "contradiction",
    "e": "entailment",
    "n": "neutral",
    "c": "contradiction",
}
"""The ways in which the labels of inference pairs are written."""
UNDECIDED = ("-", "other", "")  # of pairs that annotators did not agree on
TRUTH = {"0": 0, "1": 1, "false": 0, "true": 1, "no": 0, "yes": 1}
LABELLED = ("scored-pairs", "labelled-pairs", "nli", "labelled-texts")
LOOKED_AT = 1_000  # rows
SHOWN = 3
FEWEST_WORDS = 3  # on the mean, of a column that may hold texts


def of_splits(splits: Mapping[str, Dataset], options: Config) -> tuple[Layout, Layout | None]:
    """The layout of train, and that of validation where it is another one.

    Args:
        options: of the command: a `ShapeOptions` among others.

    Raises:
        UserError: a named column does not exist, none fits, or there are two readings.
    """
    own = ShapeOptions.of(options)
    split = "train" if "train" in splits else next(iter(splits))
    layout = told(splits[split], split, own)
    held = splits.get("validation")
    if held is None or (set(layout.columns) <= set(held.column_names) and layout.shape not in ("texts", "taught")):
        return layout, None
    return layout, told(held, "validation", ShapeOptions())


def suits(columns: Sequence[str]) -> bool:
    """Whether columns have names that those of texts which belong together have, and other tasks' columns have not."""
    own = [pair for pair in PAIRS if pair not in column_names.PAIR_NAMES]
    paired = column_names.guess_pair(columns, own) is not None
    return paired or any(NEGATIVE.fullmatch(name.lower()) for name in columns)


def find(rows: Dataset, options: ShapeOptions) -> Layout:
    """The layout of rows.

    Raises:
        UserError: a named column does not exist, none fits, or there are two readings.
    """
    columns = user_columns(rows.column_names)
    if is_collection(columns):
        return Layout("retrieval", collections.QUERY)
    text, pair = _texts(columns, options, rows)
    negatives = _negatives(columns, options, {text, pair})
    vector = _vector(rows, columns, options)
    guessed = tuple(
        name
        for name, given in ((text, options.text_column), (pair, options.text_pair_column))
        if name and name != given
    )
    layout = Layout("texts", text, pair, negatives, None, vector, guessed=guessed)
    label, shape, names = _label(rows, columns, layout, options)
    layout = replace(layout, label=label, names=names, shape=options.shape or shape or _unlabelled(layout, rows))
    if layout.shape not in LABELLED:  # a column of classes beside a question and its answer is none of their score
        layout = replace(layout, label=None, names=())
    return _checked(layout, rows, columns, options)


def is_collection(columns: Sequence[str]) -> bool:
    """Whether rows are the queries of a collection, see `nlpkit.data.collections`."""
    return set(collections.COLUMNS) <= set(columns)


def told(rows: Dataset, split: str, options: ShapeOptions) -> Layout:
    """The layout of rows; what was guessed is told to the reporter."""
    found = find(rows, options)
    unread = [name for name in user_columns(rows.column_names) if name not in found.columns]
    more = f"; not read: {', '.join(unread)}" if unread else ""
    reporting.current().note(f"{split}: {found.described()} (guessed; --shape, --text-column and its kin){more}")
    return found


def _texts(columns: Sequence[str], options: ShapeOptions, rows: Dataset) -> tuple[str, str | None]:
    text, pair = options.text_column, options.text_pair_column
    text = column_names.require(text, columns, "text") if text else None
    pair = column_names.require(pair, columns, "text pair") if pair else None
    if text and pair:
        return text, pair
    single = options.shape in ("texts", "labelled-texts", "taught")
    known = None if single else column_names.guess_pair(columns, (*PAIRS, PARAGRAPHS))
    if known and known[0] == (text or known[0]) and known[1] == (pair or known[1]):
        rivals = [name for name in POSITIVES if pair is None and column_names.guess(columns, [name])]
        if len(rivals) < 2 or known in _spelt(columns, column_names.PAIR_NAMES):
            return known
    if text is None:
        text = column_names.guess([name for name in columns if name != pair], ANCHORS)
    if text is None:
        longest = column_names.wordiest(rows, columns)
        way = f"Name it: --text-column '{longest}' has the longest texts." if longest else "Name it with --text-column."
        raise UserError(
            f"no column looks like text; the columns are {', '.join(columns)}",
            f"{way} The second text of a pair is --text-pair-column.",
        )
    if pair is None and not single:
        others = [name for name in columns if name != text]
        found = [name for name in POSITIVES if column_names.guess(others, [name])]
        if len(found) > 1:
            raise UserError(
                f"the second text may be column {' or '.join(repr(name) for name in found)}",
                f"Name it with --text-pair-column. The columns are {', '.join(columns)}.",
            )
        pair = column_names.guess(others, found)
    return text, pair


def _spelt(columns: Sequence[str], pairs: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Those of the pairs of names that are columns, as the columns are spelt."""
    return [found for pair in pairs if (found := column_names.guess_pair(columns, [pair]))]


def _negatives(columns: Sequence[str], options: ShapeOptions, taken: set[str | None]) -> tuple[str, ...]:
    if options.negative_columns:
        return tuple(column_names.require(name, columns, "negative") for name in options.negative_columns)
    if options.shape not in (None, "pairs", "triplets"):
        return ()
    return tuple(name for name in columns if name not in taken and NEGATIVE.fullmatch(name.strip().lower()))


def _vector(rows: Dataset, columns: Sequence[str], options: ShapeOptions) -> str | None:
    if options.shape not in (None, "taught"):
        return None
    if options.vector_column:
        return column_names.require(options.vector_column, columns, "vector")
    name = column_names.guess(columns, VECTORS)
    return name if name is not None and len(rows) and isinstance(rows[0][name], list) else None


def _label(
    rows: Dataset, columns: Sequence[str], layout: Layout, options: ShapeOptions
) -> tuple[str | None, ShapeName | None, tuple[str, ...]]:
    """The column of the label, the shape that it tells of, and the names of its numbers."""
    if options.shape in ("pairs", "triplets", "texts", "taught", "translations"):
        return None, None, ()
    taken = {layout.text, layout.pair, layout.vector, *layout.negatives}
    if options.label_column:
        name = column_names.require(options.label_column, columns, "label")
        shape, names = _labelled(rows, name, layout, options)
        if shape is None:
            raise UserError(
                f"column '{name}' holds neither scores, nor 0 and 1, nor entailment, neutral, contradiction",
                "Name another --label-column, or say what the rows are: --shape pairs reads no label.",
            )
        return name, shape, names
    free = [name for name in columns if name not in taken]
    known = LABELS if layout.pair else (*LABELS, *CLASSES)
    named = dict.fromkeys(each for one in known if (each := column_names.guess(free, [one])))
    read = {name: _labelled(rows, name, layout, options) for name in named}
    if options.shape is None and layout.pair:
        _require_numbers(rows, [name for name, (shape, _) in read.items() if shape is None])
    # a column of other words says nothing of a pair
    wanted = {options.shape} if options.shape else set(get_args(ShapeName))
    read = {name: found for name, found in read.items() if found[0] in wanted}
    shapes = {shape for shape, _ in read.values()}
    if len(read) > 1 and len(shapes) > 1:
        both = " or ".join(f"'{name}' ({shape})" for name, (shape, _) in read.items())
        raise UserError(
            f"there are two readings of these rows, by the column {both}",
            "Name the one that is meant: " + " or ".join(f"--label-column {name}" for name in read) + ".",
        )
    if not read:
        return None, None, ()
    chosen = next(iter(read))
    return chosen, *read[chosen]


def _require_numbers(rows: Dataset, unread: Sequence[str]) -> None:
    """Refuse scores that cannot be read: without them, pairs of any likeness would be taught as alike.

    Raises:
        UserError: a column with a name of scores holds cells that are no numbers.
    """
    for name in unread:
        cells = [cell for cell in rows[name][:LOOKED_AT] if not is_missing(cell)]
        other = [cell for cell in cells if as_number(cell) is None]
        if other and any(part in name.lower() for part in GRADED):
            raise UserError(
                f"column '{name}' is named as scores are, and {other[0]!r} is no number",
                "Write scores as 4.5. --shape scored-pairs leaves such rows out, --shape pairs reads no score.",
            )


def _labelled(
    rows: Dataset, name: str, layout: Layout, options: ShapeOptions
) -> tuple[ShapeName | None, tuple[str, ...]]:
    """Which shape a column of labels tells of, and the names of its numbers.

    Raises:
        UserError: it tells of none, or of two.
    """
    declared = tuple(options.label_names) or _declared(rows, name)
    cells = [cell for cell in rows[name][:LOOKED_AT] if not is_missing(cell)]
    if options.shape:
        return options.shape, declared
    if not layout.pair:
        return "labelled-texts", declared
    if declared and {folded(one) for one in declared} <= set(INFERENCE):
        return "nli", declared
    words = {folded(str(cell)) for cell in cells if as_number(cell) is None and not isinstance(cell, bool)}
    words -= set(UNDECIDED)
    if words and words <= set(INFERENCE):
        return "nli", ()
    values = {folded(str(cell)) for cell in cells}
    if cells and values <= set(TRUTH):
        return "labelled-pairs", ()
    numbers = {as_number(cell) for cell in cells}
    if words or None in numbers or not cells:
        return None, ()
    if numbers <= {0.0, 1.0}:
        return "labelled-pairs", ()
    graded = any(part in name.lower() for part in GRADED)
    if numbers == {0.0, 1.0, 2.0} and not graded:
        raise UserError(
            f"column '{name}' holds 0, 1 and 2: inference labels, or grades of likeness",
            "Say which: --shape nli --label-names entailment,neutral,contradiction (in the order of the numbers), or "
            "--shape scored-pairs.",
        )
    return "scored-pairs", ()


def _declared(rows: Dataset, name: str) -> tuple[str, ...]:
    """The names that a column declares for its numbers."""
    from datasets import ClassLabel

    feature: Any = rows.features[name]
    return tuple(feature.names) if isinstance(feature, ClassLabel) else ()


def _unlabelled(layout: Layout, rows: Dataset) -> ShapeName:
    if layout.vector:
        return "taught"
    if layout.pair is None:
        return "texts"
    if len(layout.negatives) == 1 and isinstance(rows[0][layout.negatives[0]] if len(rows) else "", str):
        return "triplets"
    return "pairs"


def _checked(layout: Layout, rows: Dataset, columns: Sequence[str], options: ShapeOptions) -> Layout:
    """The layout, if its columns are those of its shape.

    Raises:
        UserError: one is missing, or one too many holds texts.
    """
    shape, listed = layout.shape, f"the columns are {', '.join(columns)}"
    paired = shape in ("scored-pairs", "labelled-pairs", "pairs", "triplets", "nli", "translations")
    if paired and layout.pair is None:
        raise UserError(
            f"{shape} need a second text, and no column looks like one; {listed}", "Name it with --text-pair-column."
        )
    if shape in LABELLED and layout.label is None:
        raise UserError(f"{shape} need a label, and no column looks like one; {listed}", "Name it: --label-column.")
    if shape == "triplets" and len(layout.negatives) != 1:
        raise UserError(
            f"triplets need one column of texts that do not belong to the first; {listed}",
            "Name it with --negative-columns.",
        )
    if shape == "taught" and layout.vector is None:
        raise UserError(f"taught rows need a column of vectors; {listed}", "Name it with --vector-column.")
    for name in filter(None, (layout.text, layout.pair)):
        cells = [cell for cell in rows[name][:LOOKED_AT] if not is_missing(cell)]
        if cells and all(as_number(cell) is not None for cell in cells):
            raise UserError(
                f"column '{name}' holds numbers, and texts are needed; {listed}",
                "Name the columns of texts: --text-column, --text-pair-column.",
            )
    if shape == "texts" and options.shape is None:
        others = [name for name in columns if name != layout.text]
        second = next((name for name in others if _wordy(rows, name)), None)
        if second:
            raise UserError(
                f"there are two readings of these rows: texts in '{layout.text}' alone, or pairs with '{second}'",
                f"Say which: --shape texts, or --text-pair-column '{second}'.",
            )
    return layout


def _wordy(rows: Dataset, name: str) -> bool:
    """Whether a column may hold texts: its cells have some words each."""
    cells = [cell for cell in rows[name][:LOOKED_AT] if isinstance(cell, str)]
    return bool(cells) and sum(len(cell.split()) for cell in cells) >= FEWEST_WORDS * len(cells)
