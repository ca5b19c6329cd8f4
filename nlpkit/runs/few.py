"""What figures of few rows are worth: said beside them, wherever a model is judged."""

from __future__ import annotations

from collections.abc import Mapping

FEW = 30  # among fewer rows one alone moves a share of them by more than three points


def few_rows(rows: Mapping[str, int]) -> list[str]:
    """A line for each split that has fewer than `FEW` rows, by its number of rows that were judged."""
    return [
        f"{split}: the figures are of only {count:,} {'row' if count == 1 else 'rows'}"
        for split, count in rows.items()
        if 0 < count < FEW
    ]
