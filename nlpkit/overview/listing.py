"""Run folders as rows: in the order that is asked for, as JSON, as a flat table for a spreadsheet, and for a screen."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, TypeAlias

from nlpkit.overview.found import Found
from nlpkit.overview.run import Figure, parameters
from nlpkit.reporting import Cell, Table, duration
from nlpkit.runs.folder import human_bytes

Order: TypeAlias = Literal["name", "metric", "date", "size", "time"]
RANKED = ("test", "validation")  # the split whose figure ranks a run: the first of these that it has
LOWER = frozenset({"loss", "perplexity", "mse", "rmse", "mae"})  # where no task says which way is better
# columns that go first where a screen is too narrow
LEAST_IMPORTANT = ("time", "parameters", "on disk", "task", "validation", "made by", "data")
UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"))


def ordered(runs: Sequence[Found], by: Order) -> list[Found]:
    """The runs in an order: newest, largest or longest first; by metric those of one task, metric and split together,
    the best first, and behind them all that have none."""
    keys: dict[Order, Callable[[Found], Any]] = {
        "name": lambda found: str(found.run.path),
        "metric": _rank,
        "date": lambda found: -found.date.timestamp(),
        "size": lambda found: -found.size,
        "time": lambda found: -(found.run.seconds or 0),
    }
    return sorted(runs, key=keys[by])


def _rank(found: Found) -> tuple[Any, ...]:
    run, metric = found.run, found.run.main_metric
    split = _ranked_split(found)
    figure = run.figure(split, metric) if split is not None and metric is not None else None
    if figure is None or figure.value is None:
        return (True, "", "", "", 0.0)
    value = figure.value if lower_is_better(run.task, str(metric)) else -figure.value
    return (False, run.task or "", str(metric), str(split), value)


def _ranked_split(found: Found) -> str | None:
    present = found.run.metrics
    return next((split for split in (*RANKED, *present) if split in present), None)


def lower_is_better(task: str | None, metric: str) -> bool:
    """Whether the smaller value of a metric is the better one, as the task says; None is no task."""
    from nlpkit.tasks import registry
    from nlpkit.tasks.roles import Judged

    if task in registry.TASKS and issubclass(known := registry.task_class(str(task)), Judged):
        return metric in known.lower_is_better
    return metric in LOWER


def entry(found: Found, now: datetime) -> dict[str, Any]:
    """A run as JSON has it."""
    run, metric = found.run, found.run.main_metric
    figures = {split: run.figure(split, metric) for split in run.metrics} if metric is not None else {}
    return {
        "run": str(run.path),
        "command": run.command,
        "task": run.task,
        "model": run.model,
        "data": run.data,
        "status": found.status,
        "note": found.note or None,
        "main_metric": metric,
        "metrics": {split: figure.value for split, figure in figures.items() if figure is not None},
        "intervals": {split: list(figure.interval) for split, figure in figures.items() if figure and figure.interval},
        "parameters": run.parameters,
        "bytes": found.size,
        "seconds": run.seconds,
        "date": found.date.isoformat(),
        "age_seconds": round((now - found.date).total_seconds()),
    }


def flat(entries: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The same with a column for each split and bound, as a spreadsheet takes it."""
    splits = _splits(entries)
    bounded = [split for split in splits if any(split in entry["intervals"] for entry in entries)]
    rows = []
    for each in entries:
        row = {name: value for name, value in each.items() if name not in ("metrics", "intervals")}
        row |= {split: each["metrics"].get(split) for split in splits}
        for split in bounded:
            low, high = each["intervals"].get(split, (None, None))
            row |= {f"{split}_low": low, f"{split}_high": high}
        rows.append(row)
    return rows


def table(entries: Sequence[Mapping[str, Any]], folder: Path, title: str, width: int) -> tuple[Table, list[str]]:
    """The runs for a screen; and what all of them share, which has no column, and what the screen has no room for.

    Args:
        entries: at least one.
        folder: that all of them are in.
        width: characters of a line of the screen.
    """
    columns: dict[str, list[Cell]] = {
        "run": [os.path.relpath(each["run"], folder) for each in entries],
        "status": [each["status"] for each in entries],
        "made by": [each["command"] for each in entries],
        "task": [each["task"] for each in entries],
        "data": [each["data"] for each in entries],
        "metric": [each["main_metric"] for each in entries],
    }
    shared = {
        name: str(values[0])
        for name, values in columns.items()
        if name != "run" and len(entries) > 1 and values[0] is not None and len(set(values)) == 1
    }
    columns = {name: values for name, values in columns.items() if name not in shared}
    columns |= {split: [_figure(each, split) for each in entries] for split in _splits(entries) if split != "train"}
    columns["parameters"] = [None if each["parameters"] is None else parameters(each["parameters"]) for each in entries]
    columns["on disk"] = [human_bytes(each["bytes"]) for each in entries]
    columns["time"] = [None if each["seconds"] is None else duration(each["seconds"]) for each in entries]
    columns["age"] = [age(each["age_seconds"]) for each in entries]
    columns = {name: values for name, values in columns.items() if any(value is not None for value in values)}
    narrow = _left_out(columns, width)
    columns = {name: values for name, values in columns.items() if name not in narrow}
    body = [list(row) for row in zip(*columns.values(), strict=True)]
    lines = [f"all of them: {', '.join(f'{name} {value}' for name, value in shared.items())}"] if shared else []
    lines += [f"no room for {', '.join(narrow)}: a wider window, --output or --json has them"] if narrow else []
    return Table(title, list(columns), body, to_left=True), lines


def _left_out(columns: Mapping[str, Sequence[Cell]], width: int) -> list[str]:
    """The columns that a screen has no room for, the least important first."""
    widths = {name: 2 + max(len(name), *(len(str(value or "")) for value in cells)) for name, cells in columns.items()}
    left_out: list[str] = []
    for name in LEAST_IMPORTANT:
        if sum(each for other, each in widths.items() if other not in left_out) <= width:
            break
        if name in columns and (name != "validation" or "test" in columns):
            left_out.append(name)
    return left_out


def age(seconds: float) -> str:
    """How long ago, in the largest unit that fits: `3 d`."""
    for length, unit in UNITS:
        if seconds >= length:
            return f"{seconds // length:.0f} {unit}"
    return "now" if seconds < 1 else f"{seconds:.0f} s"


def _splits(entries: Sequence[Mapping[str, Any]]) -> list[str]:
    found = {split for each in entries for split in each["metrics"]}
    usual = [split for split in ("train", "validation", "test") if split in found]
    return usual + sorted(found - set(usual))


def _figure(each: Mapping[str, Any], split: str) -> str | None:
    if split not in each["metrics"]:
        return None
    bounds = each["intervals"].get(split)
    return str(Figure(each["metrics"][split], tuple(bounds) if bounds else None))
