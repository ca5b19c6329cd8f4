"""Label Studio's exports (https://labelstud.io/guide/export): JSON, JSON-MIN, CSV and TSV.

JSON has one task per row, with its annotations; JSON-MIN and the tables have one annotation per row, in columns named
after the tags of the labelling interface. Of a task that several people annotated, the ground truth is taken, else the
first annotation that was not cancelled.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nlpkit.data.inputs import Wanted
from nlpkit.data.layouts.base import Layout, Tally, row_by_row
from nlpkit.data.rows import spells_half
from nlpkit.errors import UserError

if TYPE_CHECKING:
    from nlpkit.data.inputs import Input
    from nlpkit.data.rows import Row

ANNOTATIONS = ("annotations", "completions")  # the latter until 2020
SPANS, LABEL = "spans", "label"
# what JSON-MIN and the tables keep of an annotation beside its values
ABOUT = ("annotation_id", "annotator", "created_at", "updated_at", "lead_time")
_CHOICE_NAMES = ("choice", "choices")
_SEVERAL = "have several annotations: the ground truth is taken, else the first that was not cancelled"
_PLACELESS = (
    "regions in them do not count the characters of the whole text (hypertext and paragraphs without globalOffsets)"
)
_OF_REGION = ("choices", "rating", "number", "taxonomy")  # what may be said about a region, too
_DIFFERENT = "have annotations that differ from the one that is taken"


def _is_task(values: Mapping[str, Any]) -> bool:
    return isinstance(values.get("data"), dict) and any(isinstance(values.get(key), list) for key in ANNOTATIONS)


def _is_flat(values: Mapping[str, Any]) -> bool:
    return "annotation_id" in values and any(name in values for name in ABOUT[1:])


def _recognises(head: Sequence[Row], wanted: Wanted) -> bool:
    return all(_is_task(row.values) for row in head) or (wanted.labelled and all(_is_flat(row.values) for row in head))


def _rows(rows: Iterator[Row], head: Sequence[Row], source: Input) -> Iterator[Row]:
    first: dict[Any, Any] = {}  # of tables: what the first annotation of each task says
    several = {name for row in head for name, cell in row.values.items() if _chosen(cell) is not None}

    def made(row: Row, tally: Tally) -> dict[str, Any] | None:
        if _is_task(row.values):
            return _of_task(row.line, row.values, source.reading.wanted, tally)
        if _is_flat(row.values):
            return _of_table(row.line, row.values, several, first, source.reading.wanted, tally)
        raise UserError("no task of Label Studio, as the others are", "Export the project again.")

    return row_by_row(rows, source, made)


# --- a task with its annotations ---


def _of_task(line: int, task: Mapping[str, Any], wanted: Wanted, tally: Tally) -> dict[str, Any] | None:
    values = dict(task["data"])
    if not wanted.labelled:
        return values
    given = [annotation for key in ANNOTATIONS for annotation in task.get(key) or [] if isinstance(annotation, dict)]
    kept = [annotation for annotation in given if not annotation.get("was_cancelled")]
    if not kept:
        tally.leave_out(line, "their annotations were cancelled" if given else "they are not annotated")
        return None
    if len(kept) < len(given):
        tally.map(line, "have cancelled annotations, which are passed over")
    made = [_of_results(line, annotation.get("result") or [], tally) for annotation in kept]
    chosen = next((i for i, annotation in enumerate(kept) if annotation.get("ground_truth")), 0)
    if len(made) > 1:
        tally.map(line, _SEVERAL)
        if any(other != made[chosen] for other in made):
            tally.map(line, _DIFFERENT)
    if wanted.content == "words":
        made[chosen].setdefault(SPANS, [])  # a text without an entity
    if wanted.content == "words" and not all(map(_is_placed, made[chosen][SPANS])):
        tally.leave_out(line, _PLACELESS)
        return None
    for name in made[chosen].keys() & values.keys():
        values[f"data.{name}"] = values.pop(name)
        tally.map(line, f"have {name!r} among their own data too, which is kept as 'data.{name}'")
    return values | made[chosen]


def _of_results(line: int, results: Sequence[Any], tally: Tally) -> dict[str, Any]:
    """Spans, and labels by the name of their tag; `label` where there is one such tag."""
    spans: list[dict[str, Any]] = []
    labels: dict[str, Any] = {}
    for result in results:
        value, kind = result.get("value") or {}, result.get("type")
        placed = "start" in value or "globalOffsets" in value
        if placed and not _names(value) and any(name in value for name in _OF_REGION):
            tally.map(line, "have choices about a region, which are passed over")
        elif placed:
            spans += _spans(value)
        elif "choices" in value:
            labels.setdefault(str(result.get("from_name", LABEL)), []).extend(value["choices"])
        elif "rating" in value or "number" in value:
            labels[str(result.get("from_name", LABEL))] = value.get("rating", value.get("number"))
        else:
            tally.map(line, f"have results of the type {kind!r}, which are passed over")
    if len(labels) == 1:
        labels = {LABEL: next(iter(labels.values()))}
    return {**labels, **({SPANS: spans} if spans else {})}


def _spans(value: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A span for each of the labels of a region; one without a label is told when the row is read.

    A region that does not count the characters of the whole text has neither start nor end: in hypertext `start` is a
    path, in paragraphs the number of one, and `startOffset` counts from there.
    """
    place = value.get("globalOffsets") or value
    whole = place is not value or "startOffset" not in value
    start, end = (place.get(name) if whole and type(place.get(name)) is int else None for name in ("start", "end"))
    return [{"start": start, "end": end, LABEL: name, "text": value.get("text")} for name in _names(value) or [None]]


def _names(value: Mapping[str, Any]) -> list[Any] | None:
    """The labels of a region."""
    return next((names for key, names in value.items() if key.endswith("labels")), None)


def _is_placed(span: Mapping[str, Any]) -> bool:
    return span["start"] is not None and span["end"] is not None


# --- an annotation a row ---


def _of_table(
    line: int, row: Mapping[str, Any], several: Collection[str], first: dict[Any, Any], wanted: Wanted, tally: Tally
) -> dict[str, Any] | None:
    """The row of an annotation; `several` are the columns in which more than one choice is possible."""
    values = {name: _cell(cell, several=name in several) for name, cell in row.items() if name not in ABOUT}
    marked = [name for name, cell in values.items() if _are_regions(cell)]
    if wanted.content == "words" and not all(_is_placed(span) for name in marked for span in values[name]):
        tally.leave_out(line, _PLACELESS)
        return None
    if wanted.content == "texts" and LABEL in marked:
        values[SPANS] = values.pop(LABEL)  # regions are no label of their text
    task = row.get("id")
    if task is not None and task in first:
        tally.leave_out(line, "another annotation of the same task comes before them")
        if first[task] != values:
            tally.map(line, "differ from the annotation of the same task that is taken")
        return None
    first[task] = values
    choice = next((name for name in (*_CHOICE_NAMES, *(several if len(several) == 1 else ())) if name in values), None)
    if choice and LABEL not in values:
        values[LABEL] = values.pop(choice)
    return values


def _cell(cell: Any, *, several: bool) -> Any:
    """Spans and choices as lists; tables have them as JSON."""
    if (chosen := _chosen(cell)) is not None:
        return chosen
    parsed = _parsed(cell)
    if _are_regions(parsed):
        return [span for value in parsed for span in _spans(value)]
    return [cell] if several and isinstance(cell, str) else cell


def _chosen(cell: Any) -> list[Any] | None:
    """What was chosen, where that may be more than one."""
    parsed = _parsed(cell)
    choices = parsed.get("choices") if isinstance(parsed, dict) else None
    return choices if isinstance(choices, list) else None


def _parsed(cell: Any) -> Any:
    if isinstance(cell, str) and cell[:1] in ("[", "{"):
        try:
            parsed = json.loads(cell)
            return cell if spells_half(cell, parsed) else parsed
        except (ValueError, RecursionError):
            return cell
    return cell


def _are_regions(cell: Any) -> bool:
    return isinstance(cell, list) and all(
        isinstance(item, dict) and ("start" in item or "globalOffsets" in item) for item in cell
    )


LAYOUT = Layout(
    "Label Studio's export",
    "Label Studio (JSON, JSON-MIN, CSV)",
    frozenset(("texts", "words")),
    _recognises,
    _rows,
)
