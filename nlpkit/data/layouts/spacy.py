"""Training data of spaCy as Python tuples that went through JSON: [text, {"entities": [[start, end, label]]}].

The tool at https://tecoholic.github.io/ner-annotator/ writes the same in {"classes": [...], "annotations": [...]}.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from nlpkit.data.inputs import Wanted
from nlpkit.data.layouts.base import DocumentLayout, Tally

if TYPE_CHECKING:
    from nlpkit.data.inputs import Input

NAME = "spaCy training data"
NAMES = ("entities", "cats")


def record(value: Any) -> dict[str, Any] | None:
    """The row of [text, {"entities": [...]}] or [text, {"cats": {label: 1 or 0}}], None for any other value."""
    if not isinstance(value, list) or len(value) != 2 or not isinstance(value[0], str):
        return None
    text, marks = value
    if not isinstance(marks, Mapping) or not any(name in marks for name in NAMES):
        return None
    entities, cats = marks.get("entities") or [], marks.get("cats") or {}
    if not isinstance(entities, list) or not isinstance(cats, Mapping):
        return None
    row: dict[str, Any] = {"text": text}
    if "entities" in marks:
        row["spans"] = [_span(entity) for entity in entities]
    if "cats" in marks:
        try:
            row["label"] = [name for name, share in cats.items() if share and float(share) >= 0.5]
        except (TypeError, ValueError):
            return None
    return row


def _span(entity: Any) -> Any:
    """[start, end, label] as an object; what is written otherwise is told when the row is read."""
    if isinstance(entity, list) and len(entity) >= 3:
        return {"start": entity[0], "end": entity[1], "label": entity[2]}
    return entity


def _is_annotator(document: Any, wanted: Wanted) -> bool:
    records = document.get("annotations") if isinstance(document, dict) else None
    return isinstance(records, list) and any(record(item) for item in records)


def _annotator_rows(document: Any, source: Input) -> Iterator[tuple[int, Any]]:
    tally = Tally(source)
    for number, item in enumerate(document["annotations"], start=1):
        tally.total += 1
        if item is None:  # a text that nobody came to
            tally.leave_out(number, "they are not annotated")
        else:
            tally.kept += 1
            yield number, item
    tally.tell()


ANNOTATOR = DocumentLayout(
    "spaCy training data with its classes",
    'spaCy ([["text", {"entities": [[0, 9, "PER"]]}], ...] as JSON)',
    frozenset(("words",)),
    _is_annotator,
    _annotator_rows,
)
