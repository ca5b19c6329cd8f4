"""A benchmark against an older one: `--compare`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nlpkit.errors import UserError
from nlpkit.measurement import choice, environment, statistics
from nlpkit.measurement.recorded import Benchmark
from nlpkit.measurement.spec import Point, Subject
from nlpkit.measurement.statistics import Estimate
from nlpkit.measurement.tables import ratio
from nlpkit.reporting import Cell, Table
from nlpkit.runs import records
from nlpkit.runs.folder import human_bytes
from nlpkit.runs.records import RECORD

Document = Mapping[str, Any]
Entry = Mapping[str, Any]

COMMAND = "benchmark"
# figures of a result at a size, by the names that conditions use
SIZED = {
    "throughput": "samples_per_second",
    "tokens": "tokens_per_second",
    "p50": "p50_ms",
    "p90": "p90_ms",
    "p95": "p95_ms",
    "p99": "p99_ms",
    "memory": "peak_bytes",
}
SHOWN = ("throughput", "p50", "p95", "memory")


def change(name: str, new: Entry, old: Entry, *, paired: bool) -> Estimate | None:
    """New over old of a figure at a size.

    Args:
        paired: whether both were measured in the same launches, whose ratios are then taken; for throughput these are
            known turn by turn.
    """
    if name in ("throughput", "tokens"):
        amount = "samples" if name == "throughput" else "tokens"
        if not old[amount]:
            return None
        factor = new[amount] / old[amount]
        if paired:
            speed, interval = new["speed"], new["speed_interval"]
            return None if speed is None else Estimate(speed, interval and (interval[0], interval[1])).times(factor)
        times = _over_launches(new, "ms_a_pass"), _over_launches(old, "ms_a_pass")
        return statistics.change(*map(_values, times)).inverse().times(factor)
    figures = _over_launches(new, SIZED[name]), _over_launches(old, SIZED[name])
    if not all(figures):
        return None
    if not paired:
        return statistics.change(*map(_values, figures))
    logs = [math.log(figures[0][launch] / figures[1][launch]) for launch in figures[0].keys() & figures[1].keys()]
    return statistics.over_launches(logs) if logs else None


def _over_launches(result: Entry, figure: str) -> dict[int, float]:
    return {entry["launch"]: entry[figure] for entry in result["by_launch"] if entry[figure]}


def _values(by_launch: Mapping[int, float]) -> list[float]:
    return list(by_launch.values())


@dataclass
class Comparison:
    """A benchmark against an older one.

    Attributes:
        tables: a row a model and size; a row a model.
        warnings: what differs but for the figures.
        record: the same for machines: at each size of each model old, new, change (new over old), interval.
    """

    tables: list[Table]
    warnings: list[str]
    record: list[dict[str, Any]]


def read(path: Path) -> dict[str, Any]:
    """The record of an older benchmark: a folder, or a file that holds what `nlpkit benchmark --json` printed.

    Raises:
        UserError: there is none, or it is not of a finished benchmark.
    """
    flag = f"--compare {path}"
    hint = f"Give a folder of `nlpkit {COMMAND}`, or a file that `nlpkit {COMMAND} --json` wrote."
    file = path / RECORD if path.is_dir() else path
    record = records.read(file)
    if record is None:
        raise UserError(f"{flag}: there is no {RECORD if path.is_dir() else 'such file'}", hint)
    if record.get("command") != COMMAND:
        raise UserError(f"{flag} is not of `nlpkit {COMMAND}`", hint)
    if "points" not in record:
        raise UserError(f"{flag} holds a benchmark without results", "Complete it with --resume, or make it again.")
    return records.checked(Benchmark, record, file)


def require_common(old: Document, subjects: Sequence[Subject], points: Sequence[Point]) -> None:
    """Refuse an older benchmark that has no model at a size in common with what will be measured.

    Raises:
        UserError: naming what it has.
    """
    names = {subject.name for subject in subjects}
    for point in old["points"]:
        here = Point(point["mode"], point["batch_size"], point["length"]) in points
        if here and any(result["subject"] in names for result in point["results"]):
            return
    there = ", ".join(subject["name"] for subject in old["subjects"])
    sizes = "; ".join(choice.size(point) for point in old["points"])
    raise UserError(
        f"--compare: it has nothing in common with this benchmark; it has {there} at {sizes}",
        "Measure the same models (LABEL=NAME sets the name) at the same sizes.",
    )


def compare(old: Document, made: Document) -> Comparison:
    """What has changed since an older benchmark, for the models and sizes that both have.

    Intervals are those of two independent samples of launches: the sweeps do not share the state of the machine.
    """
    record, rows = [], []
    for point in made["points"]:
        others = results_of(point_like(old, point))
        for name, result in results_of(point).items():
            if name in others:
                entry = _entry(name, point, result, others[name])
                record.append(entry)
                rows.append(_row(point, result, others[name], entry))
    header = ["model", "size of input", "samples/s", "was", "change", "p50", "p95", "memory"]
    tables = [Table("change since --compare (new over old)", header, rows), _models(old, made)]
    return Comparison(tables, _warnings(old, made), record)


def _entry(name: str, point: Entry, new: Entry, old: Entry) -> dict[str, Any]:
    entry: dict[str, Any] = {"subject": name, **{key: point[key] for key in ("mode", "batch_size", "length")}}
    for figure, key in SIZED.items():
        both = new["status"] == old["status"] == "ok"
        estimate = change(figure, new, old, paired=False) if both else None
        entry[figure] = {
            "old": old[key],
            "new": new[key],
            "change": estimate.value if estimate else None,
            "interval": list(estimate.interval) if estimate and estimate.interval else None,
        }
    return entry


def _row(point: Entry, new: Entry, old: Entry, entry: Entry) -> list[Cell]:
    row: list[Cell] = [new["subject"], choice.size(point)]
    for result in (new, old):
        rate = result["samples_per_second"]
        row.append(result["status"] if rate is None else f"{rate:,.1f}")
    return [*row, *(_cell(entry[figure]) for figure in SHOWN)]


def _cell(entry: Entry) -> str | None:
    """The change, or that there is none (to speak of)."""
    if entry["change"] is None:
        return None
    interval = entry["interval"]
    if interval and statistics.verdict(Estimate(entry["change"], (interval[0], interval[1]))) == "no difference":
        return "no change"
    return ratio(entry["change"], interval)


def _models(old: Document, made: Document) -> Table:
    metric = made["main_metric"] if made["main_metric"] == old["main_metric"] else None
    header = ["model", "size", "was", "load s", "was", *([metric, "was"] if metric else [])]
    rows: list[list[Cell]] = []
    for subject in made["subjects"]:
        before = subject_called(old, subject["name"])
        if before is None:
            continue
        row: list[Cell] = [subject["name"]]
        for one in (subject, before):
            row.append(None if one["bytes"] is None else human_bytes(one["bytes"]))
        for one in (subject, before):
            row.append(None if one["load_seconds"] is None else f"{one['load_seconds']:.2f}")
        if metric:
            row += [(one["metrics"] or {}).get(metric) for one in (subject, before)]
        rows.append(row)
    return Table("models since --compare", header, rows)


def _warnings(old: Document, made: Document) -> list[str]:
    warnings = [f"another machine: {line}" for line in environment.differences(old["environment"], made["environment"])]
    for subject in made["subjects"]:
        before = subject_called(old, subject["name"])
        if before and before["device"] != subject["device"]:
            warnings.append(f"{subject['name']}: on {before['device']}, now {subject['device']}")
    evaluated = [(one["split"], one["rows"]) for one in (old, made)]
    if None not in evaluated[0] + evaluated[1] and evaluated[0] != evaluated[1]:
        warnings.append("other rows: {0[0]} ({0[1]:,}), now {1[0]} ({1[1]:,})".format(*evaluated))
    sides = [
        ("models", [[subject["name"] for subject in one["subjects"]] for one in (old, made)]),
        ("sizes", [[choice.size(point) for point in one["points"]] for one in (old, made)]),
    ]
    for what, (there, here) in sides:
        for side, names, others in (("older", there, here), ("new", here, there)):
            if missing := [name for name in names if name not in others]:
                warnings.append(f"{what} of the {side} benchmark only: {'; '.join(missing)}")
    return warnings


def subject_called(made: Document, name: str) -> Entry | None:
    """The model of that name in a document."""
    return next((subject for subject in made["subjects"] if subject["name"] == name), None)


def point_like(made: Document, like: Entry) -> Entry | None:
    """The size in a document that is another one's."""
    keys = ("mode", "batch_size", "length")
    return next((point for point in made["points"] if all(point[key] == like[key] for key in keys)), None)


def results_of(point: Entry | None) -> dict[str, Entry]:
    """The results at a size by the name of the model."""
    return {result["subject"]: result for result in point["results"]} if point else {}
