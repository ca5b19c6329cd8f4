"""A text under `content` with its annotations beside it: Dataturks and LightTag.

Dataturks (an object a line) names the last character of a span as its end; LightTag (a document) has the tag of a span
and the text that it covers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nlpkit.data.inputs import Wanted
from nlpkit.data.layouts.base import DocumentLayout, Layout, Tally, row_by_row

if TYPE_CHECKING:
    from nlpkit.data.inputs import Input
    from nlpkit.data.rows import Row

_ANNOTATIONS = ("annotation", "annotations")


def _is_row(values: Any) -> bool:
    return (
        isinstance(values, Mapping)
        and isinstance(values.get("content"), str)
        and any(name in values and _are_annotations(values[name]) for name in _ANNOTATIONS)
    )


def _are_annotations(value: Any) -> bool:
    """Whether a cell has annotations of a text, or none; a list of names is something else."""
    return value is None or isinstance(value, dict) or (isinstance(value, list) and all(map(_is_annotation, value)))


def _is_annotation(item: Any) -> bool:
    if not isinstance(item, Mapping):
        return False
    points = item.get("points")
    if isinstance(points, list):
        return all(isinstance(point, Mapping) and {"start", "end"} <= point.keys() for point in points)
    return {"start", "end"} <= item.keys()


def _recognises(head: Sequence[Row], wanted: Wanted) -> bool:
    return wanted.labelled and all(_is_row(row.values) for row in head)


def _rows(rows: Iterator[Row], head: Sequence[Row], source: Input) -> Iterator[Row]:
    return row_by_row(rows, source, _plain)


def _plain(row: Row, tally: Tally) -> dict[str, Any] | None:
    values = row.values
    if not _is_row(values):
        tally.leave_out(row.line, "they have no 'content' with annotations, as the others do")
        return None
    name = next(name for name in _ANNOTATIONS if name in values and _are_annotations(values[name]))
    nested = values[name]
    plain: dict[str, Any] = {"text": values["content"]}
    if isinstance(nested, dict):  # of the whole text
        plain["label"] = nested.get("labels")
        return plain
    plain["spans"] = [span for item in nested or [] for span in _spans(item)]
    return plain


def _spans(item: Any) -> list[dict[str, Any]]:
    """The spans of an annotation: of Dataturks with points, of LightTag as it is; one without a label has None."""
    if "points" not in item:
        span = {"start": item["start"], "end": item["end"], "label": item.get("tag", item.get("label"))}
        return [{**span, "text": item.get("value")}]
    labels = item.get("label") or [None]
    return [
        {"start": point["start"], "end": point["end"] + 1, "label": label, "text": point.get("text")}
        for point in item["points"]
        for label in (labels if isinstance(labels, list) else [labels])
    ]


def _is_document(document: Any, wanted: Wanted) -> bool:
    examples = document.get("examples") if isinstance(document, dict) else None
    return isinstance(examples, list) and bool(examples) and all(map(_is_row, examples))


LAYOUT = Layout(
    "texts under 'content' with annotations (Dataturks, LightTag)",
    'Dataturks and LightTag ("content" beside "annotation" or "annotations")',
    frozenset(("words",)),
    _recognises,
    _rows,
)
DOCUMENT = DocumentLayout(
    "LightTag's examples",
    LAYOUT.shape,
    frozenset(),
    _is_document,
    lambda document, source: enumerate(document["examples"], start=1),
)
