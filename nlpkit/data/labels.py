"""Labels as people have them (names, ints, bools, floats, several a row) and as a model needs them.

How a cell is written (lists, flags, objects) is settled before, by `nlpkit.tasks.text_classification.label_cells`.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from nlpkit import reporting
from nlpkit.data.spelling import folded
from nlpkit.errors import UserError
from nlpkit.nearby import nearest
from nlpkit.reporting import counted

Problem = Literal["single-label", "multi-label", "regression", "relevance"]
NUMBERS: frozenset[Problem] = frozenset({"regression", "relevance"})
"""Problems whose labels are numbers, and no names of classes."""

# A float column with no more distinct whole values than this is read as classes (0.0/1.0, one to five stars);
MAX_WHOLE_FLOAT_CLASSES = 10
# one that counts from 0 or 1 without a gap, each number in this many rows on average, up to here.
MAX_COUNTED_CLASSES = 50
ROWS_A_COUNTED_CLASS = 4
# Texts among numbers to predict: up to this share their rows are left out, beyond it somebody has to choose.
MAX_TEXTS_AMONG_NUMBERS = 0.1
# Words for a number that is not there; as class labels they are names like any other.
MISSING_WORDS = frozenset(
    "nan na n/a #n/a #na <na> null none nil missing unknown - -- ? . inf -inf +inf infinity -infinity".split()  # noqa: SIM905
)
# what float() takes besides (1_000, Arabic digits, nan, inf) is text to people
NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
MINUS = "\u2212"  # as typesetters write it
WHOLE = re.compile(r"([+-]?[0-9]+)\.0*")
MAX_FLOAT32 = 3.4028234663852886e38


def is_missing(value: Any) -> bool:
    """None, NaN and blank strings."""
    return (
        value is None or (isinstance(value, float) and value != value) or (isinstance(value, str) and not value.strip())
    )


def as_number(value: Any) -> float | None:
    """A finite number, or a text that is one, as float; None for everything else."""
    if isinstance(value, str):
        value = value.strip().replace(MINUS, "-")
        if not NUMBER.fullmatch(value):
            return None
    elif not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def as_target(value: Any) -> float | None:
    """A number that a model can be trained to give, in float32; None for everything else."""
    number = as_number(value)
    return number if number is not None and abs(number) <= MAX_FLOAT32 else None


def is_no_number(value: Any) -> bool:
    """Whether a cell says that there is no number: NA, nan, inf, and what float32 cannot hold."""
    if isinstance(value, str) and value.strip().lower() in MISSING_WORDS:
        return True
    return isinstance(value, float) or as_number(value) is not None


@dataclass
class Labels:
    """A label scheme.

    Attributes:
        problem: what the labels ask for.
        names: class names in id order; the order is natural (numbers by value, text alphabetically, ClassLabel as
            declared), so the same data always give the same ids. Empty where labels are numbers.
        delimiter: separates several labels in one string, multi-label only.
    """

    problem: Problem
    names: list[str]
    delimiter: str | None = None

    def __post_init__(self) -> None:
        self.ids = {name: i for i, name in enumerate(self.names)}
        # a model saved without label names: its labels are numbers in disguise
        self.anonymous = bool(self.names) and self.names == [f"LABEL_{i}" for i in range(len(self.names))]
        if self.anonymous:
            self.ids |= {str(i): i for i in range(len(self.names))}
        # the other ways in which a label may be written, each where it tells one label from all others
        self.by_number = _unique((as_number(name), i) for name, i in self.ids.items())
        self.by_fold = _unique((folded(name), i) for name, i in self.ids.items())

    @property
    def size(self) -> int:
        """Outputs of the model: classes, or 1 where labels are numbers."""
        return max(len(self.names), 1)

    @property
    def numeric(self) -> bool:
        """Whether labels are numbers."""
        return self.problem in NUMBERS

    def parse(self, value: Any) -> int | float | list[float]:
        """A class id, a number, or a vector of 0.0 and 1.0 over the classes.

        Args:
            value: a label, or a list of labels; see `label_cells.Cells.read`.

        Raises:
            KeyError: a label is not among the names; its argument is the label.
            ValueError: not a number, where labels are numbers; not one label, where each row has one.
        """
        if self.problem == "multi-label":
            vector = [0.0] * len(self.names)
            for item in value if isinstance(value, list) else [value]:
                vector[self.id_of(text_of(item))] = 1.0
            return vector
        if isinstance(value, list):
            if len(value) != 1:
                raise ValueError(f"holds {counted(len(value), 'label', 'labels')}")
            (value,) = value
        if self.numeric:
            number = as_target(value)
            if number is None:
                raise ValueError("is not a number")
            if self.problem == "relevance" and number < 0:
                raise ValueError("is below 0, and a relevance is from 0 up")
            return number
        return self.id_of(text_of(value))

    def id_of(self, name: str) -> int:
        """The id of a label, which may be written as another number (1.0, 01) or in other letters (POSITIVE).

        Raises:
            KeyError: it is not among the names.
        """
        if name in self.ids:
            return self.ids[name]
        if (short := _short(name)) in self.ids:
            return self.ids[short]
        if (number := as_number(name)) is not None and number in self.by_number:
            return self.by_number[number]
        fold = folded(name)
        if fold in self.by_fold:
            return self.by_fold[fold]
        raise KeyError(name)

    def nearest(self, name: str) -> str | None:
        """The name that an unknown label most likely means; None where none is near, and of numbers."""
        if as_number(name) is not None:
            return None
        fold = folded(name)
        begins = (known for known in self.names if fold and (other := folded(known)) and _begins(fold, other))
        if (close := next(begins, None)) is None:
            by_fold = {folded(known): known for known in self.names}
            close = by_fold.get(nearest(fold, by_fold) or "")
        return close

    def unknown(self, value: Any) -> list[str]:
        """Those of the labels in a read cell that are not among the names; none where labels are numbers."""
        if self.numeric:
            return []
        names = [text_of(item) for item in (value if isinstance(value, list) else [value])]
        return [name for name in names if not self._knows(name)]

    def _knows(self, name: str) -> bool:
        try:
            self.id_of(name)
        except KeyError:
            return False
        return True

    def is_written_so(self, name: str) -> bool:
        """Whether a label is written as its name is, but for the noughts of a whole number."""
        return name in self.ids or _short(name) in self.ids


def _unique(entries: Iterable[tuple[Any, int]]) -> dict[Any, int]:
    """Key -> id, of the keys that stand for one id alone."""
    by_key: dict[Any, set[int]] = {}
    for key, i in entries:
        if key is not None:
            by_key.setdefault(key, set()).add(i)
    return {key: next(iter(ids)) for key, ids in by_key.items() if len(ids) == 1}


def _begins(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)


def text_of(value: Any) -> str:
    """A label as text: strings without surrounding blanks, whole floats as ints, bools in lower case."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def natural_order(names: Iterable[str]) -> list[str]:
    """Numbers by value, then text alphabetically; the same order whatever the order of `names`."""

    def key(name: str) -> tuple[int, float, str]:
        number = as_number(name)
        return (1, 0.0, name) if number is None else (0, number, name)

    return sorted(names, key=key)


def detect(
    values: Sequence[Any],
    column: str,
    *,
    other_labels: Sequence[Any] = (),
    problem: str = "auto",
    one_each: bool = False,
    delimiter: str | None = None,
    class_names: Sequence[str] | None = None,
) -> Labels:
    """Find the label scheme of a training split; the order of rows does not matter.

    Args:
        values: the label column, as `label_cells.Cells.read` gives it.
        column: its name, for messages.
        other_labels: the labels of the other splits, which have a say in what kind of numbers these are.
        problem: `auto`, or the user's choice.
        one_each: lists hold one label each, in all splits.
        delimiter: given by the user: between several labels in a text.
        class_names: names of the labels in the order of their ids, where these are declared.

    Raises:
        UserError: the column is empty, has one class only, nearly every value is different, or it is not clear whether
            it holds numbers.
    """
    present = [value for value in values if not is_missing(value)]
    if not present:
        raise UserError(f"the label column '{column}' is empty", "Name another with --label-column.")
    if any(isinstance(value, list) for value in present):
        if problem == "multi-label" or (problem == "auto" and not one_each):
            return _multi_label(present, column, delimiter, class_names)
        present = _alone(present, column, problem)
        other_labels = [value[0] if isinstance(value, list) and len(value) == 1 else value for value in other_labels]
        if problem == "auto":
            reporting.current().note(
                f"column '{column}': every row has exactly one label: one of several, not several at once "
                "(--problem multi-label)"
            )
    if problem == "multi-label":
        return _multi_label(present, column, delimiter, class_names)
    if problem == "auto":
        other_labels = [value for value in other_labels if not is_missing(value) and not isinstance(value, list)]
        problem = "single-label" if class_names is not None else _kind(present, other_labels, column)
    if problem == "regression":
        _require_targets(present, column)
        return Labels("regression", [])
    if problem == "relevance":
        _require_targets(present, column)
        _require_relevance([*present, *other_labels], column)
        return Labels("relevance", [])
    if problem == "binary":
        _require_two(present, column, class_names)
    if class_names is not None:
        return Labels("single-label", list(class_names))
    counts = _named(Counter(text_of(value) for value in present), column)
    if len(counts) == 1:
        raise UserError(
            f"all {len(present):,} labels in column '{column}' are '{next(iter(counts))}': there is nothing to learn",
            "Name another column with --label-column, or add rows of another class.",
        )
    names = natural_order(counts)
    if len(present) >= 10 and len(counts) > 0.5 * len(present):
        first = ", ".join(repr(name) for name in names[:3])
        raise UserError(
            f"column '{column}' has {len(counts):,} different values in {len(present):,} rows ({first}, ...): "
            "these are not class labels",
            "Name the label column with --label-column; for a number to predict add --problem regression.",
        )
    return Labels("single-label", names)


def _alone(present: Sequence[Any], column: str, problem: str) -> list[Any]:
    """The one label of each row."""
    others = [value for value in present if isinstance(value, list) and len(value) != 1]
    if others:
        raise UserError(
            f"column '{column}': {len(others):,} of {len(present):,} rows do not have exactly one label, such as "
            f"{min(others, key=str)}: --problem {problem} takes one",
            "Use --problem multi-label, or name another column with --label-column.",
        )
    return [value[0] if isinstance(value, list) else value for value in present]


def _kind(present: Sequence[Any], other_labels: Sequence[Any], column: str) -> Problem:
    """Whether labels are classes or numbers to predict; whole numbers are classes unless there are too many floats."""
    say = reporting.current()
    numbers = [number for value in present if (number := as_number(value)) is not None]
    if not numbers or any(isinstance(value, bool) for value in present):
        return "single-label"
    others = [value for value in present if as_number(value) is None]
    everywhere = numbers + [number for value in other_labels if (number := as_number(value)) is not None]
    distinct = set(everywhere)
    if any(not number.is_integer() for number in distinct):
        texts = [value for value in others if not is_no_number(value)]
        if len(texts) > len(numbers):
            return "single-label"
        if len(texts) > MAX_TEXTS_AMONG_NUMBERS * len(present):
            raise UserError(
                f"column '{column}' holds {len(numbers):,} numbers and {len(texts):,} texts such as "
                f"{min(map(str, texts))!r}: numbers to predict, or names of classes?",
                "Choose: --problem multi-class; or --problem regression, when these rows are taken out.",
            )
        _tell_regression(column, len(numbers), others)
        return "regression"
    named = natural_order({text_of(value) for value in others})
    if named and all(map(is_no_number, others)):
        say.warn(
            f"column '{column}': beside whole numbers, {', '.join(named[:5])} is read as a class of its own "
            "(empty cells are left out; --problem regression leaves these out too)"
        )
    floats = all(_is_written_as_float(value) for value in present if as_number(value) is not None)
    low, high = min(distinct), max(distinct)
    shown = f"{len(set(numbers))} whole numbers from {min(numbers):g} to {max(numbers):g}"
    counted = low in (0, 1) and high - low + 1 == len(distinct) <= MAX_COUNTED_CLASSES
    counted = counted and len(everywhere) >= ROWS_A_COUNTED_CLASS * len(distinct)
    if floats and len(distinct) > MAX_WHOLE_FLOAT_CLASSES and not counted:
        say.warn(f"column '{column}': {shown}, written as floats, are numbers to predict (--problem multi-class)")
        return "regression"
    if not others and (floats or len(distinct) > 2):
        say.note(f"column '{column}': {shown} are classes (--problem regression for a number to predict)")
    return "single-label"


def _tell_regression(column: str, count: int, others: Sequence[Any]) -> None:
    if not others:
        reporting.current().note(f"column '{column}' holds numbers to predict (--problem multi-class for classes)")
        return
    none = counted(len(others), "cell that is none", "cells that are none")
    names = ", ".join(f"{name} {rows:,}" for name, rows in sorted(Counter(map(text_of, others)).items())[:5])
    reporting.current().warn(
        f"column '{column}': {count:,} numbers to predict, and {none} ({names}): their "
        "rows are left out (--problem multi-class for classes)"
    )


def _is_written_as_float(value: Any) -> bool:
    return isinstance(value, float) or (isinstance(value, str) and "." in value)


def _named(counts: Counter[str], column: str) -> Counter[str]:
    """Rows of each class, where 1 and 1.0 are one: whole numbers become floats where a table has a gap."""
    numeric = all(as_number(name) is not None or name.lower() in MISSING_WORDS for name in counts)
    merged: Counter[str] = Counter()
    changed = {}
    for name, count in counts.items():
        short = _short(name)
        if short != name and (numeric or short in counts):
            changed[name] = short
        merged[changed.get(name, name)] += count
    if changed:
        shown = ", ".join(f"{name} is {short}" for name, short in sorted(changed.items())[:3])
        rows = sum(counts[name] for name in changed)
        reporting.current().note(
            f"column '{column}': {counted(rows, 'label is', 'labels are')} written as floats: {shown}"
        )
    return merged


def _short(name: str) -> str:
    """A whole number without the point and noughts behind it; any other name as it is."""
    whole = WHOLE.fullmatch(name)
    return str(int(whole[1])) if whole and len(name) < 20 else name


def _require_two(present: Sequence[Any], column: str, class_names: Sequence[str] | None) -> None:
    names = class_names or natural_order({_short(text_of(value)) for value in present})
    if len(names) > 2:
        raise UserError(
            f"column '{column}' has {len(names):,} different labels ({', '.join(names[:3])}, ...), "
            "--problem binary takes 2",
            "Use --problem multi-class, or name another column with --label-column.",
        )


def _require_targets(present: Sequence[Any], column: str) -> None:
    """Nearly all must be numbers; the few that are not are left out by whoever reads the rows."""
    texts = [value for value in present if as_target(value) is None and not is_no_number(value)]
    if len(texts) > MAX_TEXTS_AMONG_NUMBERS * len(present):
        raise UserError(
            f"column '{column}' holds {min(texts, key=str)!r}, which is not a number, and so do {len(texts):,} of "
            f"{len(present):,} rows: it cannot be a regression target",
            "Name another column with --label-column or another --problem.",
        )
    if all(as_target(value) is None for value in present):
        raise UserError(f"column '{column}' holds no number", "Name another column with --label-column.")


def _require_relevance(values: Sequence[Any], column: str) -> None:
    """What is learned with a sigmoid is from 0 to 1, in all splits."""
    numbers = [number for value in values if (number := as_target(value)) is not None]
    low, high = min(numbers), max(numbers)
    if low < 0 or high > 1:
        raise UserError(
            f"column '{column}' holds numbers from {low:g} to {high:g}; --problem relevance learns numbers from 0 to 1",
            "Divide grades by the highest grade before training, or use --problem regression, which learns any number.",
        )


def _multi_label(
    present: Sequence[Any], column: str, delimiter: str | None, class_names: Sequence[str] | None
) -> Labels:
    if class_names is not None:
        return Labels("multi-label", list(class_names), delimiter)
    rows = [frozenset(map(text_of, value)) if isinstance(value, list) else {text_of(value)} for value in present]
    counts = _named(Counter(name for row in rows for name in row), column)
    if len(counts) < 2:
        raise UserError(
            f"column '{column}' has {counted(len(counts), 'different label', 'different labels')}: "
            "there is nothing to learn",
            "Give the separator of several labels in one cell with --label-delimiter.",
        )
    if len(rows) > 1 and all(row == rows[0] for row in rows):
        raise UserError(
            f"column '{column}': all {len(rows):,} rows have the same labels ({', '.join(sorted(rows[0])[:5])}): there "
            "is nothing to learn",
            "Name another column with --label-column.",
        )
    return Labels("multi-label", natural_order(counts), delimiter)
