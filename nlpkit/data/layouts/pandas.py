"""JSON as pandas' `to_json` writes tables: by column (its default), by row, or with columns and data apart."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from nlpkit.data.inputs import Wanted
from nlpkit.data.layouts.base import DocumentLayout

if TYPE_CHECKING:
    from nlpkit.data.inputs import Input


def _is_split(document: Any) -> bool:
    """{"columns": ["text", "label"], "index": [0], "data": [["a", "b"]]}"""
    if not isinstance(document, dict) or set(document) not in ({"columns", "index", "data"}, {"columns", "data"}):
        return False
    columns, data = document["columns"], document["data"]
    return isinstance(columns, list) and isinstance(data, list) and all(map(_fits(columns), data))


def _fits(columns: list[Any]) -> Any:
    return lambda row: isinstance(row, list) and len(row) == len(columns)


def _by_number(document: Any) -> tuple[bool, bool] | None:
    """Whether the outer, and the inner keys of objects in an object are numbers of rows; None where it is none such."""
    if not isinstance(document, dict) or not document or not all(isinstance(part, dict) for part in document.values()):
        return None
    inner = [set(part) for part in document.values()]
    numbered = all(key.isdecimal() for key in document), all(key.isdecimal() for keys in inner for key in keys)
    return numbered if numbered[0] or all(keys == inner[0] for keys in inner) else None


def _recognises(document: Any, wanted: Wanted) -> bool:
    return _is_split(document) or _by_number(document) in ((True, False), (False, True))


def _rows(document: Any, source: Input) -> Iterator[tuple[int, Any]]:
    if _is_split(document):
        names = [str(name) for name in document["columns"]]
        rows: Any = (dict(zip(names, row, strict=True)) for row in document["data"])
    elif _by_number(document) == (True, False):
        rows = document.values()
    else:
        first = next(iter(document.values()))
        rows = ({name: column[key] for name, column in document.items()} for key in first)
    yield from enumerate(rows, start=1)


LAYOUT = DocumentLayout(
    "a table of pandas",
    "JSON of pandas (to_json)",
    frozenset(("texts", "words", "questions")),
    _recognises,
    _rows,
)
