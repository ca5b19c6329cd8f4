"""Conditions under which a benchmark fails: `--fail-if`."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nlpkit.errors import UserError
from nlpkit.measurement import choice
from nlpkit.measurement.comparison import SIZED, change, point_like, results_of, subject_called
from nlpkit.measurement.statistics import Estimate
from nlpkit.options import suggest
from nlpkit.runs.folder import human_bytes

Document = Mapping[str, Any]
Entry = Mapping[str, Any]

OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}
CONDITION = re.compile(r"\s*([\w.-]+)\s*(<=|>=|<|>)\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(\S*)\s*")
# each unit in that of the document
UNITS: dict[str, dict[str, float]] = {
    "time": {"ms": 1.0, "s": 1e3},
    "load": {"s": 1.0, "ms": 1e-3},
    "memory": {"kB": 1e3, "MB": 1e6, "GB": 1e9},
    "rate": {"": 1.0},
    "count": {"": 1.0, "M": 1e6},
    "metric": {"": 1.0, "%": 0.01},
}
# of a result at a size
KINDS = {
    **{"throughput": "rate", "tokens": "rate", "memory": "memory"},
    **dict.fromkeys(("p50", "p90", "p95", "p99"), "time"),
    # of a model
    **{"size": "memory", "parameters": "count", "load": "load"},
}
WHOLE = {"size": "bytes", "parameters": "parameters", "load": "load_seconds"}


@dataclass(frozen=True)
class Condition:
    """When a benchmark fails.

    Attributes:
        text: as it was given.
        name: of what is looked at: a key of `KINDS`, or a metric of the task.
        sign: `<`, `>`, `<=`, `>=`.
        bound: in the unit of the document (ms, bytes, seconds to load); with `relative` times the other figure.
        relative: to the older benchmark, else to the first model.
        percent: whether the bound of a metric was written in per cent of a share.
    """

    text: str
    name: str
    sign: str
    bound: float
    relative: bool
    percent: bool = False

    def holds(self, value: float) -> bool:
        """Whether it is true of a value, and so fails."""
        return OPERATORS[self.sign](value, self.bound)


@dataclass
class Judgement:
    """What came of the conditions.

    Attributes:
        failures: a line for each figure that fails one.
        doubts: a line for each that would, were it not for the width of its interval.
    """

    failures: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)


def parse(text: str) -> Condition:
    """Read `METRIC OP NUMBER[UNIT]`: `throughput<0.95x`, `p95>20ms`, `memory>1.5GB`, `accuracy<90%`.

    A metric that is not one of speed or size is taken for one of the task, which `require_judgeable` looks for.

    Raises:
        UserError: it is not of that form, the metric is misspelt, or the unit is not one of the metric.
    """
    flag = f"--fail-if '{text}'"
    match = CONDITION.fullmatch(text)
    if match is None:
        raise UserError(
            f"{flag}: not of the form METRIC OP NUMBER[UNIT]", "For example throughput<0.95x, p95>20ms, memory>1.5GB."
        )
    name, sign, number, unit = match.groups()
    if name not in KINDS and (hint := suggest(name.lower(), KINDS)):
        raise UserError(f"{flag}: no such metric", hint)
    units = UNITS[KINDS.get(name, "metric")]
    if unit != "x" and unit not in units:
        problem = f"'{unit}' is no unit of {name}" if unit else f"{name} has a unit"
        choices = ", ".join(f"{name}{sign}{number}{unit}" for unit in [*units, "x"])
        raise UserError(f"{flag}: {problem}", f"One of: {choices}.")
    relative = unit == "x"
    return Condition(text, name, sign, float(number) * (1 if relative else units[unit]), relative, unit == "%")


def require_judgeable(
    conditions: Sequence[Condition], metrics: Collection[str] | None, *, models: int, compared: bool
) -> None:
    """Refuse conditions that could not be judged in the end.

    Args:
        metrics: of the task; none where the models are not judged, None while they are not known yet.
        models: how many are measured.
        compared: whether there is an older benchmark.

    Raises:
        UserError: a metric is unknown, or a relative condition has nothing to relate to.
    """
    for condition in conditions:
        flag = f"--fail-if '{condition.text}'"
        known = [*KINDS, *(metrics or ())]
        if metrics is not None and condition.name not in known:
            raise UserError(f"{flag}: no such metric; there are {', '.join(known)}", suggest(condition.name, known))
        if condition.relative and models < 2 and not compared:
            raise UserError(
                f"{flag}: there is only one model", "Add a model, or --compare DIR with an older benchmark."
            )


def judge(conditions: Sequence[Condition], made: Document, old: Document | None = None) -> Judgement:
    """Look at every model (and size, where the metric has one) that a condition is about.

    A relative figure fails a condition when its whole 95 % interval does, so that noise fails no build; where the
    interval reaches across the bound that is said. Where there is no interval the estimate decides, as it does for
    figures that are not relative. No figure (out of memory, not a number) fails, unless the older benchmark has none
    either or the input is longer than the model takes; so does a condition about nothing.

    Args:
        made: the new benchmark.
        old: that relative conditions refer to; None: they refer to the first model, and are about the others.
    """
    judgement = Judgement()
    for condition in conditions:
        looked_at = 0
        for case in _cases(condition, made, old):
            looked_at += 1
            _judge(condition, case, judgement)
        if not looked_at:
            judgement.failures.append(f"failed: nothing to judge by --fail-if {condition.text}")
    return judgement


@dataclass(frozen=True)
class _Case:
    """A figure that a condition is checked on.

    Attributes:
        where: the model, and the size where there are several.
        estimate: the figure; None where there is none, and `missing` says why.
        shown: writes a value of it for people.
        of: what the figure is relative to, in words; None where it is absolute.
    """

    where: str
    estimate: Estimate | None
    shown: Callable[[float], str]
    of: str | None = None
    missing: str = "not a number"


def _judge(condition: Condition, case: _Case, judgement: Judgement) -> None:
    flag = f"--fail-if {condition.text}"
    if case.estimate is None:
        judgement.failures.append(f"failed: {case.where}: {condition.name} is {case.missing}, {flag}")
        return
    value, interval = case.estimate.value, case.estimate.interval
    if condition.percent and value > 1:
        shown = f"{condition.name} is {value:.4g}, which is not a share"
        judgement.failures.append(f"failed: {case.where}: {shown}: write the bound without %, {flag}")
        return
    ends = f" ({interval[0]:.3g} to {interval[1]:.3g})" if interval else ""
    line = f"{case.where}: {condition.name} {case.shown(value)}{ends}{f' of {case.of}' if case.of else ''}, {flag}"
    if all(condition.holds(end) for end in interval or (value,)):
        judgement.failures.append(f"failed: {line}")
    elif condition.holds(value):
        judgement.doubts.append(f"within the noise: {line}")


def _cases(condition: Condition, made: Document, old: Document | None) -> Iterator[_Case]:
    against = old if condition.relative else None
    if condition.name in SIZED:
        yield from _sized_cases(condition, made, against)
        return
    for subject in made["subjects"]:
        value, of = _of_model(condition.name, subject), None
        reference: float | None = 1.0
        if condition.relative:
            of, other = _reference(subject["name"], made, against)
            reference = _of_model(condition.name, other) if other else None
        if value is None or not reference:  # random weights have no files, a metric of 0 no multiples
            continue
        estimate = None if math.isnan(value / reference) else Estimate(value / reference, None)
        yield _Case(subject["name"], estimate, _times if condition.relative else _shown(condition.name), of)


def _reference(name: str, made: Document, old: Document | None) -> tuple[str, Entry | None]:
    """What a relative figure of a model refers to, in words, and there; None where there is nothing."""
    if old is not None:
        return "what it was", subject_called(old, name)
    first = made["subjects"][0]
    return first["name"], first if name != first["name"] else None


def _of_model(name: str, subject: Entry) -> float | None:
    """A figure of a model as a whole: None where it has no such figure, NaN where that is not a number."""
    if name in WHOLE:
        return subject[WHOLE[name]]
    metrics = subject["metrics"] or {}
    if name not in metrics:
        return None
    return math.nan if metrics[name] is None else metrics[name]


def _sized_cases(condition: Condition, made: Document, old: Document | None) -> Iterator[_Case]:
    for point in made["points"]:
        there = results_of(point_like(old, point)) if old else results_of(point)
        for name, result in results_of(point).items():
            of, other = None, None
            if condition.relative:
                of, subject = _reference(name, made, old)
                other = there.get(subject["name"]) if subject else None
                if other is None:
                    continue
            where = f"{name}, {choice.size(point)}"
            if result["status"] != "ok":
                # what was not there before has not become worse
                if result["status"] != "too long" and (other is None or other["status"] == "ok"):
                    yield _Case(where, None, _times, missing=f"unknown: {result['status']}")
            elif other is None:
                value = result[SIZED[condition.name]]
                if value is not None:
                    yield _Case(where, Estimate(value, None), _shown(condition.name))
            elif other["status"] == "ok":
                estimate = change(condition.name, result, other, paired=old is None)
                if estimate is not None:
                    yield _Case(where, estimate, _times, of)


def _times(value: float) -> str:
    return f"{value:.3g}x"


def _shown(name: str) -> Callable[[float], str]:
    shown: dict[str, Callable[[float], str]] = {
        "time": lambda value: f"{value:.4g} ms",
        "load": lambda value: f"{value:.2f} s",
        "memory": human_bytes,
        "rate": lambda value: f"{value:,.1f}/s",
        "count": lambda value: f"{value:,.0f}",
        "metric": lambda value: f"{value:.4f}",
    }
    return shown[KINDS.get(name, "metric")]
