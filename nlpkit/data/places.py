"""The columns in which rows carry where they come from; they are no column of the user's data."""

from __future__ import annotations

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


def user_columns(columns: Iterable[str]) -> list[str]:
    """The columns that are the user's, in their order; their names may begin with underscores too."""
    return [name for name in columns if name not in HIDDEN]
