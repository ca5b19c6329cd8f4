"""A file of texts, one a line, beside a file of labels: line 7 of one belongs to line 7 of the other."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from nlpkit import reporting
from nlpkit.data.layouts import aligned
from nlpkit.errors import UserError

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
    import pyarrow.compute as pc

    try:
        table = aligned.read_table({"text": texts, "label": labels}, reading)
    except aligned.Unequal as error:
        raise UserError(error.message, f"{error.hint} Without labels: move {labels.name} elsewhere.") from None
    reporting.current().note(f"{texts}: read with the labels in {labels}, line by line")
    place = table.column_names.index("label")
    return table.set_column(place, "label", pc.utf8_trim_whitespace(table["label"]))
