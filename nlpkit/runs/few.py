"""What figures of few rows are worth: said beside them, wherever a model is judged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

FEW = 30  # among fewer rows one alone moves a share of them by more than three points


def few_rows(rows: Mapping[str, int]) -> list[str]:
    """A line for each split that has fewer than `FEW` rows, by its number of rows that were judged."""
    return [
        f"{split}: the figures are of only {count:,} {'row' if count == 1 else 'rows'}"
        for split, count in rows.items()
        if 0 < count < FEW
    ]


def interval_notes(record: Mapping[str, Any]) -> list[str]:
    """What the intervals of a record are of; nothing where it has none.

    Args:
        record: with `metric_intervals`, `interval_level` and `interval_units`, which records of older versions lack.
    """
    if not any((record.get("metric_intervals") or {}).values()):
        return []
    units = record.get("interval_units") or {}
    drawn = ", ".join(
        f"{count:,} {unit} of {split}"
        for split, of_split in units.items()
        if split != "train" or len(units) == 1
        for unit, count in of_split.items()
    )
    level = record.get("interval_level", 0.95)
    return [f"in brackets: {100 * level:g} % intervals for the draw of rows ({drawn}), not for the seed of training"]
