"""Spans as [start, end, label], as doccano (https://doccano.github.io/doccano/tutorial/) and spaCy write them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

NAMES = ("start", "end", "label")


def spans_as_objects(values: list[Any]) -> list[Any]:
    """The values of a column with each [start, end, label] as an object: such lists have no one type for arrow.

    A label may be the number that the tool keeps it under, where the three numbers can be nothing else: ends behind
    starts in every row. Values that hold anything else stay as they are.
    """
    filled = [value for value in values if value]
    if not filled or not all(isinstance(value, list) and all(map(_is_triple, value)) for value in filled):
        return values
    if not any(isinstance(span[2], str) for value in filled for span in value) and not all(
        0 <= span[0] < span[1] for value in filled for span in value
    ):
        return values
    return [value and [_as_object(span) for span in value] for value in values]


def _is_triple(item: Any) -> bool:
    return isinstance(item, list) and [type(part) for part in item[:2]] == [int, int] and _is_label(item[2:])


def _is_label(rest: Sequence[Any]) -> bool:
    return len(rest) == 1 and (isinstance(rest[0], str) or type(rest[0]) is int)


def _as_object(span: Sequence[Any]) -> dict[str, Any]:
    return dict(zip(NAMES, (*span[:2], str(span[2])), strict=True))
