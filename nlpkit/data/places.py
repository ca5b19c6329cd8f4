"""The columns in which rows carry where they come from; no task takes them for a text or a label."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

FILE = "__file__"
"""The file of a row: int index into `LoadedData.origins`."""

LINE = "__line__"
"""Where in its file a row stands: int line or row. `readers.read_table` adds it."""

LINES = "__lines__"
"""Where each word stands: `readers.read_table` adds it to sentences of one word per line."""

PLACE = (FILE, LINE)
"""Columns that every loaded split has."""

HIDDEN = (*PLACE, LINES)
"""All columns that say where a row comes from."""

SOURCE = "augmented_from"
"""The row that a row was made of, as `source_id` names it, in files of `nlpkit augment`: of rows as they were collected
their own."""

MADE_BY = "augmented_by"
"""The operation that made a copy; empty of rows as they were collected."""

PROVENANCE = (SOURCE, MADE_BY)
"""The columns of a file of `nlpkit augment` beside those of the rows."""

_ID_CHARACTERS = 12


def user_columns(columns: Iterable[str]) -> list[str]:
    """The columns that are the user's, in their order; their names may begin with underscores too."""
    return [name for name in columns if name not in HIDDEN and name not in PROVENANCE]


def source_id(key: str) -> str:
    """The name of a row by what it says, so that it is found again in any file and in any order; "" of one that says
    nothing.

    Args:
        key: see `duplicates.keys`.
    """
    # the letter keeps a name of digits from being read as a number
    digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
    return f"r{digest[:_ID_CHARACTERS]}" if key else ""
