"""Pictures of a benchmark."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from nlpkit.measurement import choice
from nlpkit.runs import plots
from nlpkit.runs.plots import Line, Plot

CALLS = {"inference": "a call", "training": "a training step", "prefill": "a prompt", "decode": "a token"}
Document = Mapping[str, Any]
Value = Callable[[Mapping[str, Any]], tuple[float, tuple[float, float] | None] | None]


def figures(made: Document) -> dict[str, Plot]:
    """A drawing by file name, of all that has at least two points to show."""
    plots_of: dict[str, Plot] = {}
    for mode in dict.fromkeys(point["mode"] for point in made["points"]):
        what = CALLS[mode]
        sweeps = {
            "time-over-length": (_lengths(made, mode, _milliseconds, "time"), "tokens", f"ms {what}"),
            "memory-over-length": (_lengths(made, mode, _megabytes, "memory"), "tokens", f"MB taken by {what}"),
            "throughput-over-batch-size": (_batch_sizes(made, mode), "batch size", "samples/s"),
        }
        for name, (panels, xlabel, ylabel) in sweeps.items():
            if panels:
                plots_of[f"{name}-{mode}"] = plots.sweep(panels, xlabel, ylabel)
    front = made["front"]
    if front and len(front["points"]) > 1:
        names, x, y, best = (
            [point[key] for point in front["points"]] for key in ("subject", "latency_ms", "value", "on_front")
        )
        xlabel = f"ms per call at {choice.size(front)}"
        plots_of[f"{front['metric']}-over-latency"] = plots.pareto(
            names, x, y, best, xlabel, f"{made['split']} {front['metric']}", knee=front["knee"]
        )
    return plots_of


def _milliseconds(result: Mapping[str, Any]) -> tuple[float, tuple[float, float] | None] | None:
    # at exact lengths a pass is a call
    return _with_interval(result["ms_a_pass"], result["ms_interval"])


def _megabytes(result: Mapping[str, Any]) -> tuple[float, tuple[float, float] | None] | None:
    taken = result["working_bytes"]
    return (taken / 1e6, None) if taken is not None and taken > 0 else None


def _samples(result: Mapping[str, Any]) -> tuple[float, tuple[float, float] | None] | None:
    return _with_interval(result["samples_per_second"], result["samples_per_second_interval"])


def _with_interval(value: float | None, interval: list[float] | None) -> Any:
    return None if value is None else (value, interval and (interval[0], interval[1]))


def _lengths(made: Document, mode: str, value: Value, figure: str) -> dict[str, list[Line]]:
    """One panel per batch size."""
    points = [point for point in made["points"] if point["mode"] == mode and point["length"] is not None]
    panels = {}
    for batch_size in dict.fromkeys(point["batch_size"] for point in points):
        exponents = {
            entry["subject"]: (entry[f"{figure}_exponent"], entry[f"{figure}_exponent_error"])
            for entry in made["growth"]
            if (entry["mode"], entry["batch_size"]) == (mode, batch_size)
        }
        at = [(point["length"], point) for point in points if point["batch_size"] == batch_size]
        panels[f"{mode}, batch size {batch_size}"] = _lines(made, at, value, exponents)
    return _worth_drawing(panels)


def _batch_sizes(made: Document, mode: str) -> dict[str, list[Line]]:
    """A panel a length."""
    points = [point for point in made["points"] if point["mode"] == mode]
    panels = {}
    for length in dict.fromkeys(point["length"] for point in points):
        at = [(point["batch_size"], point) for point in points if point["length"] == length]
        panels[f"{mode}, {'rows' if length is None else f'{length} tokens'}"] = _lines(made, at, _samples, {})
    return _worth_drawing(panels)


def _worth_drawing(panels: dict[str, list[Line]]) -> dict[str, list[Line]]:
    return {title: lines for title, lines in panels.items() if any(len(line.x) > 1 for line in lines)}


def _lines(
    made: Document,
    points: Iterable[tuple[int, Mapping[str, Any]]],
    value: Value,
    exponents: Mapping[str, tuple[float | None, float]],
) -> list[Line]:
    points, lines = list(points), []
    for style, subject in enumerate(made["subjects"]):
        name = subject["name"]
        shown = [
            (x, figure)
            for x, point in points
            for result in point["results"]
            if result["subject"] == name and (figure := value(result)) is not None
        ]
        if not shown:
            continue
        exponent, error = exponents.get(name, (None, 0.0))
        label = name if exponent is None else f"{name}: length^{exponent:.2f} ±{error:.2f}"
        figures_of = [figure for _, figure in shown]
        lines.append(Line(label, [x for x, _ in shown], [y for y, _ in figures_of], [b for _, b in figures_of], style))
    return lines
