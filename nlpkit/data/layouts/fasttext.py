"""fastText's training files (https://fasttext.cc/docs/en/supervised-tutorial.html): a text a line, its labels in it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from nlpkit.data.inputs import Wanted
from nlpkit.data.layouts.base import Layout, Tally, row_by_row

if TYPE_CHECKING:
    from nlpkit.data.inputs import Input
    from nlpkit.data.rows import Row

PREFIX = "__label__"
_LABEL = re.compile(rf"(?:^|(?<=\s)){PREFIX}(\S+)\s*")
_BETWEEN = re.compile(rf"[,;|]?{PREFIX}")  # labels that are written without a blank between


def _recognises(head: Sequence[Row], wanted: Wanted) -> bool:
    first = [row.values for row in head]
    if wanted.content != "texts" or any(list(values) != ["text"] for values in first):
        return False
    # a line without a label is a text without one, but a label is no word of a text
    return any(isinstance(values["text"], str) and values["text"].startswith(PREFIX) for values in first)


def _rows(rows: Iterator[Row], head: Sequence[Row], source: Input) -> Iterator[Row]:
    def made(row: Row, tally: Tally) -> dict[str, Any]:
        text = row.values.get("text")
        if not isinstance(text, str):  # named where the texts are read
            return {**row.values, "label": []}
        labels = [label for match in _LABEL.findall(text) for label in _BETWEEN.split(match)]
        if not labels and source.reading.wanted.labelled:
            tally.map(row.line, f"have no {PREFIX}")
        return {"text": _LABEL.sub("", text).strip(), "label": labels}

    return row_by_row(rows, source, made)


LAYOUT = Layout(
    "fastText's lines", f'fastText (txt: "{PREFIX}good A fine day" per line)', frozenset(("texts",)), _recognises, _rows
)
