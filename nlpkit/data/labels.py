"""Labels as people have them (strings, ints, bools, floats, lists, delimited) and as a model needs them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from nlpkit.errors import UserError

Problem = Literal["single-label", "multi-label", "regression"]

# A float column with no more distinct whole values than this is read as classes (0.0/1.0, one to five stars).
MAX_WHOLE_FLOAT_CLASSES = 10


def is_missing(value: Any) -> bool:
    """None, NaN and blank strings."""
    return (
        value is None or (isinstance(value, float) and value != value) or (isinstance(value, str) and not value.strip())
    )


@dataclass
class Labels:
    """A label scheme.

    Attributes:
        problem: what the labels ask for.
        names: class names in id order; the order is natural (numbers by value, text alphabetically, ClassLabel as
            declared), so the same data always give the same ids. Empty for regression.
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
        # other people's models write POSITIVE where the data say positive
        lowered = {name.lower(): i for name, i in self.ids.items()}
        self.by_lower = lowered if len(lowered) == len(self.ids) else {}

    @property
    def size(self) -> int:
        """Outputs of the model: classes, or 1 for regression."""
        return max(len(self.names), 1)

    def parse(self, value: Any) -> int | float | list[float]:
        """A class id, a number, or a vector of 0.0 and 1.0 over the classes.

        Raises:
            KeyError: the label is not among the names; its argument is the label.
            ValueError: not a number, in regression.
        """
        if self.problem == "regression":
            return float(value)
        if self.problem == "single-label":
            return self._id(text_of(value))
        vector = [0.0] * len(self.names)
        for item in split_labels(value, self.delimiter):
            vector[self._id(item)] = 1.0
        return vector

    def _id(self, name: str) -> int:
        if name in self.ids:
            return self.ids[name]
        return self.by_lower[name.lower()]


def text_of(value: Any) -> str:
    """A label as text: strings without surrounding blanks, whole floats as ints, bools in lower case."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def split_labels(value: Any, delimiter: str | None) -> list[str]:
    """Labels in a list, a JSON-like list in a string, or a delimited string; none for a missing value."""
    if is_missing(value):
        return []
    if isinstance(value, str):
        text = value.strip()
        if text.startswith("[") and text.endswith("]"):
            value = _listed(text)
        else:
            return [part.strip() for part in text.split(delimiter or "\0") if part.strip()]
    return [text_of(item) for item in value if not is_missing(item)]


def _listed(text: str) -> list[Any]:
    """The items of a list as JSON or Python writes it, else of `[a, b]` with bare words."""
    import ast
    import json

    for parse in (json.loads, ast.literal_eval):
        try:
            return list(parse(text))
        except (ValueError, SyntaxError):
            continue
    return [part.strip() for part in text[1:-1].split(",") if part.strip()]


def natural_order(names: Iterable[str]) -> list[str]:
    """Numbers by value, then text alphabetically."""

    def key(name: str) -> tuple[int, float, str]:
        try:
            return (0, float(name), name)
        except ValueError:
            return (1, 0.0, name)

    return sorted(names, key=key)


def detect(
    values: Sequence[Any],
    column: str,
    *,
    problem: str = "auto",
    delimiter: str | None = None,
    class_names: Sequence[str] | None = None,
) -> Labels:
    """Find the label scheme of a training split.

    Args:
        values: the label column.
        column: its name, for messages.
        problem: `auto`, or the user's choice.
        delimiter: given by the user: the labels are delimited strings.
        class_names: of a ClassLabel feature: the values are ids into it.

    Raises:
        UserError: the column is empty, has one class only, or nearly every value is different.
    """
    present = [value for value in values if not is_missing(value)]
    if not present:
        raise UserError(f"the label column '{column}' is empty", "Name another with --label-column.")
    if problem == "auto":
        problem = _problem_of(present, delimiter, class_names)
    if problem == "binary":
        _require_two(present, column, class_names)
    if problem in ("binary", "multi-class"):
        problem = "single-label"
    if problem == "regression":
        _require_numbers(present, column)
        return Labels("regression", [])
    if problem == "multi-label":
        return _multi_label(present, column, delimiter, class_names)
    if class_names is not None:
        return Labels("single-label", list(class_names))
    counts = Counter(text_of(value) for value in present)
    if len(counts) == 1:
        raise UserError(
            f"all {len(present):,} labels in column '{column}' are '{next(iter(counts))}': there is nothing to learn",
            "Name another column with --label-column, or add rows of another class.",
        )
    if len(present) >= 10 and len(counts) > 0.5 * len(present):
        first = ", ".join(repr(name) for name in list(counts)[:3])
        raise UserError(
            f"column '{column}' has {len(counts):,} different values in {len(present):,} rows ({first}, ...): "
            "these are not class labels",
            "Name the label column with --label-column; for a number to predict add --problem regression.",
        )
    return Labels("single-label", natural_order(counts))


def _problem_of(present: Sequence[Any], delimiter: str | None, class_names: Sequence[str] | None) -> Problem:
    first = present[0]
    if (
        delimiter is not None
        or isinstance(first, list | tuple)
        or (isinstance(first, str) and first.strip()[:1] == "[")
    ):
        return "multi-label"
    if class_names is not None or any(isinstance(value, bool) for value in present[:1]):
        return "single-label"
    numbers = _as_floats(present)
    if numbers is None:
        return "single-label"
    # text such as "3.5" and true floats are measurements; whole numbers are class ids
    written_as_float = any(isinstance(v, float) or (isinstance(v, str) and "." in v) for v in present)
    if not written_as_float:
        return "single-label"
    whole = all(number.is_integer() for number in numbers)
    return "single-label" if whole and len(set(numbers)) <= MAX_WHOLE_FLOAT_CLASSES else "regression"


def _as_floats(values: Sequence[Any]) -> list[float] | None:
    try:
        return [float(value) for value in values]
    except (TypeError, ValueError):
        return None


def _require_two(present: Sequence[Any], column: str, class_names: Sequence[str] | None) -> None:
    found = class_names or sorted({text_of(value) for value in present})
    if len(found) > 2:
        raise UserError(
            f"column '{column}' has {len(found):,} different labels ({', '.join(found[:3])}, ...), "
            "--problem binary takes 2",
            "Use --problem multi-class, or name another column with --label-column.",
        )


def _require_numbers(present: Sequence[Any], column: str) -> None:
    for value in present:
        try:
            float(value)
        except (TypeError, ValueError):
            raise UserError(
                f"column '{column}' holds {value!r}, which is not a number, so it cannot be a regression target",
                "Name another column with --label-column or another --problem.",
            ) from None


def _multi_label(
    present: Sequence[Any], column: str, delimiter: str | None, class_names: Sequence[str] | None
) -> Labels:
    if class_names is not None:
        return Labels("multi-label", list(class_names))
    found: set[str] = set()
    for value in present:
        found.update(split_labels(value, delimiter))
    if len(found) < 2:
        raise UserError(
            f"column '{column}' has {len(found)} different label(s): there is nothing to learn",
            "Give the separator of several labels in one cell with --label-delimiter.",
        )
    return Labels("multi-label", natural_order(found), delimiter)
