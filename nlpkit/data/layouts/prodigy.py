"""Prodigy (https://prodi.gy/docs/api-interfaces): a task a row, with the annotator's answer to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from nlpkit.data.inputs import Wanted
from nlpkit.data.layouts.base import Layout, Tally, row_by_row

if TYPE_CHECKING:
    from nlpkit.data.inputs import Input
    from nlpkit.data.rows import Row

ANSWERS = ("accept", "reject", "ignore")
_MARKS = ("_input_hash", "_task_hash", "_view_id", "spans", "options")  # one of which goes with an answer
_BOOKKEEPING = ("answer", "options", "accept", "config", "versions", "priority", "score")


def _recognises(head: Sequence[Row], wanted: Wanted) -> bool:
    # rows to predict for lose nothing by their answer
    return wanted.labelled and all(
        row.values.get("answer") in ANSWERS and any(mark in row.values for mark in _MARKS) for row in head
    )


def _rows(rows: Iterator[Row], head: Sequence[Row], source: Input) -> Iterator[Row]:
    return row_by_row(rows, source, _accepted)


def _accepted(row: Row, tally: Tally) -> dict[str, Any] | None:
    answer = row.values.get("answer")
    if answer == "accept":
        return _plain(row.values)
    known = {"reject": "rejected by the annotator", "ignore": "ignored by the annotator"}
    tally.leave_out(row.line, known.get(str(answer), "they have no answer"))
    return None


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """Text, spans and labels of a task, without what Prodigy keeps beside them."""
    plain = {name: value for name, value in values.items() if name[0] != "_" and name not in _BOOKKEEPING}
    if isinstance(plain.get("tokens"), list) and all(isinstance(token, dict) for token in plain["tokens"]):
        del plain["tokens"]  # objects, at whose borders the spans stand
    if "options" in values:  # what was chosen of several
        plain["label"] = values.get("accept") or []
    return plain


LAYOUT = Layout(
    "Prodigy's answers",
    'Prodigy (jsonl with "text", "spans" or "accept", and "answer")',
    frozenset(("texts", "words")),
    _recognises,
    _rows,
)
