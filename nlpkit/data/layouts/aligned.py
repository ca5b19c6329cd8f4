"""A file of texts, one a line, beside a file of labels: line 7 of one belongs to line 7 of the other."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from nlpkit import reporting
from nlpkit.errors import UserError
from nlpkit.reporting import counted

if TYPE_CHECKING:
    import pyarrow as pa

    from nlpkit.data.inputs import Reading

SHAPE = "train.txt beside train.labels (also text.txt and label.txt, train_text.txt and train_labels.txt)"
# name of the file of texts -> names that its labels may have
_NAMES = (
    (r"(.+)\.(?:txt|text)", (r"\1.labels", r"\1.label", r"\1.labels.txt", r"\1.label.txt")),
    (r"(.+)\.(?:txt|text)", (r"\1_labels.txt", r"\1_label.txt", r"\1-labels.txt", r"\1-label.txt")),
    (r"(.*)(?:texts?|sentences?|inputs?)\b(.*\.txt)", (r"\1labels\2", r"\1label\2")),
    (r"[Xx]_(.+\.txt)", (r"y_\1", r"Y_\1")),
)


def labels_of(path: Path) -> Path | None:
    """The file beside `path` that has its labels by its name; None where there is none."""
    for pattern, names in _NAMES:
        if match := re.fullmatch(pattern, path.name):
            for name in names:
                other = path.with_name(match.expand(name))
                if other != path and other.is_file():
                    return other
    return None


def read_table(texts: Path, labels: Path, reading: Reading) -> pa.Table:
    """The texts with their labels, and `places.LINE`.

    Raises:
        UserError: the files do not have the same number of lines, or cannot be read.
    """
    import pyarrow as pa

    from nlpkit.data.places import LINE

    columns = [list(_lines(path, reading)) for path in (texts, labels)]
    if len(columns[0]) != len(columns[1]):
        raise UserError(
            f"{texts} has {counted(len(columns[0]), 'line', 'lines')}, its labels in {labels} {len(columns[1]):,}",
            f"Each line of one needs its line in the other. Without labels: move {labels.name} elsewhere.",
        )
    if not columns[0]:
        raise UserError(f"{texts}: the file holds no rows", "Check that it was written to its end.")
    reporting.current().note(f"{texts}: read with the labels in {labels}, line by line")
    numbers = pa.array(range(1, len(columns[0]) + 1), pa.int64())
    return pa.table({"text": columns[0], "label": [line.strip() for line in columns[1]], LINE: numbers})


def _lines(path: Path, reading: Reading) -> Iterator[str]:
    """All lines but blank ones at the end; those between count, as the other file has lines for them."""
    from nlpkit.data.inputs import Input

    source = Input.of(path, dataclasses.replace(reading, format="txt", columns=()))
    blank = 0
    with source.failures(), source.text(newline="\n") as text:
        for line in text:
            if problem := text.take_problem():
                raise UserError(f"{source.at(text.number)}: {problem[0]}", problem[1])
            if not line.strip():
                blank += 1
                continue
            yield from [""] * blank
            blank = 0
            yield line.rstrip("\r\n")
