"""How topics come and go: dates of a column, in parts of equal length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Literal

import numpy as np

Unit = Literal["day", "month", "year"]
MOST = 40  # parts, from which on they are made longer
FORMATS = ("%d.%m.%Y", "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y", "%Y/%m/%d", "%a, %d %b %Y %H:%M:%S %z")


@dataclass(frozen=True)
class Over:
    """Counts of topics in parts of time.

    Attributes:
        unit: of the parts.
        parts: their names, in order, such as 2024-03; also those between the first and the last without texts.
        counts: shape (parts, topics).
        without: rows whose date could not be read.
    """

    unit: Unit
    parts: Sequence[str]
    counts: np.ndarray
    without: int


def read(value: Any) -> date | None:
    """The date of a cell: ISO 8601, a year, seconds since 1970, or a usual spelling without a doubt about its order."""
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    text = str(value).strip() if value is not None else ""
    if text.isdecimal() and len(text) == 4:
        return date(int(text), 1, 1) if int(text) > 0 else None
    if text.isdecimal() and len(text) == 10:
        return datetime.fromtimestamp(int(text), UTC).date()
    try:
        return datetime.fromisoformat(text).date()
    except ValueError:
        pass
    for format in FORMATS:
        try:
            return datetime.strptime(text, format).date()
        except ValueError:
            continue
    return None


def over(dates: Sequence[date | None], labels: np.ndarray, topics: int, unit: Unit | None = None) -> Over | None:
    """Count topics in time.

    Args:
        dates: of the rows.
        labels: topic of each, below 0 for none.
        topics: how many there are.
        unit: of the parts. Default: the shortest that makes at most `MOST` of the time between first and last.

    Returns:
        None where no row has a date.
    """
    known = [day for day in dates if day is not None]
    if not known:
        return None
    first, last = min(known), max(known)
    if unit is None:
        unit = "year"
        if (last.year - first.year) * 12 + last.month - first.month < MOST:
            unit = "month"
        if (last - first).days < MOST:
            unit = "day"
    names = {day: _part(day, unit) for day in set(known)}
    parts = _between(first, last, unit)
    place = {name: i for i, name in enumerate(parts)}
    counts = np.zeros((len(parts), topics), np.int64)
    for day, label in zip(dates, labels.tolist(), strict=True):
        if day is not None and label >= 0:
            counts[place[names[day]], label] += 1
    return Over(unit, parts, counts, len(dates) - len(known))


def _part(day: date, unit: Unit) -> str:
    return day.isoformat()[: {"day": 10, "month": 7, "year": 4}[unit]]


def _between(first: date, last: date, unit: Unit) -> list[str]:
    """The names of all parts from that of one day to that of another."""
    if unit == "year":
        return [f"{year:04}" for year in range(first.year, last.year + 1)]
    if unit == "month":
        months = range(first.year * 12 + first.month - 1, last.year * 12 + last.month)
        return [f"{month // 12:04}-{month % 12 + 1:02}" for month in months]
    return [date.fromordinal(day).isoformat() for day in range(first.toordinal(), last.toordinal() + 1)]
