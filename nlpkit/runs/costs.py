"""What a model and the classical ones beside it cost: a table and lines, wherever a run is told of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nlpkit.reporting import Cell, Table
from nlpkit.runs.folder import baselines_of, human_bytes

WEIGHT_BYTES = 4  # float32


def table(record: Mapping[str, Any]) -> Table | None:
    """A row for the model of a run, and one for each that stands beside it; None where none was timed.

    Args:
        record: with `rows_per_second`, which runs without --baseline and those of older versions lack.
    """
    beside = [base for base in baselines_of(record) if base.get("rows_per_second")]
    if not beside or not record.get("rows_per_second"):
        return None
    name = ((record.get("parents") or {}).get("model") or {}).get("name") or "this model"
    size = WEIGHT_BYTES * (record.get("parameters") or 0)
    rows: list[list[Cell]] = [_row(name, record.get("train_seconds"), size, record["rows_per_second"], None)]
    for base in beside:
        words = next(iter((base.get("words") or {}).values()), None)
        unknown = f"{words['unknown'] / words['all']:.1%}" if words and words["all"] else None
        rows.append(_row(base["name"], base.get("seconds"), base.get("bytes"), base["rows_per_second"], unknown))
    return Table("what they cost", ["model", "trained", "size", "rows/s", "unknown words"], rows)


def _row(name: str, seconds: float | None, size: int | None, rate: float, unknown: str | None) -> list[Cell]:
    return [
        name,
        f"{seconds:,.1f} s" if seconds is not None else None,
        human_bytes(size) if size else None,
        f"{rate:,.0f}",
        unknown,
    ]


def lines(record: Mapping[str, Any]) -> list[str]:
    """What each of the models beside that of a run has learnt."""
    return [f"{base['name']}: {base['described']}" for base in baselines_of(record) if base.get("described")]
