"""What people call the splits of a data set: in names of files and folders, as keys of a JSON document, in a column."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

SPLIT_NAMES: dict[str, str] = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "eval": "validation",
    "test": "test",
    "testing": "test",
}
"""Names of a split that people use -> the one used here."""

COLUMN = "split"  # that `readers.read_table` adds where a JSON document holds several
_COLUMNS = (COLUMN, "splits", "set", "subset", "partition", "data_split", "dataset_split")


def canonical(name: Any) -> str | None:
    """The split that a name stands for, None where it stands for none."""
    return SPLIT_NAMES.get(name.strip().lower()) if isinstance(name, str) else None


def parts_of(document: Any) -> dict[str, Any]:
    """The splits that a JSON document holds, {"train": [...], "test": [...]}, by their names here; else nothing.

    What stands beside them and is no list (a version) is passed over.
    """
    if not isinstance(document, dict):
        return {}
    held = {name: part for name, part in document.items() if isinstance(part, list | dict)}
    named = {name: split for name in held if (split := canonical(name)) is not None}
    # columns of these names would hold texts or numbers
    rows = all(isinstance(part, dict) or all(isinstance(row, list | dict) for row in part) for part in held.values())
    if not named or len(named) != len(held) or len(set(named.values())) != len(named) or not rows:
        return {}
    return {named[name]: part for name, part in held.items()}


def column_of(columns: Sequence[str]) -> str | None:
    """The column that may name the split of each row."""
    by_name = {column.strip().lower(): column for column in columns}
    return next((by_name[name] for name in _COLUMNS if name in by_name), None)


def splits_of(cells: Iterable[Any]) -> list[str] | None:
    """The split of each row, where each cell names one, and there are two at least; else None."""
    splits = [canonical(cell) for cell in cells]
    named = [split for split in splits if split is not None]
    return named if len(named) == len(splits) and len(set(named)) > 1 else None
