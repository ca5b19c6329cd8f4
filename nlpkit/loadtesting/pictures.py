"""Pictures of a load test: latency and what was answered, against the rate and over time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nlpkit.loadtesting.client import ANSWERED, REFUSED, Requests
from nlpkit.loadtesting.figures import Figures
from nlpkit.runs.plot_style import COLOURS, HEIGHT, INK, QUIET, QUIET_TEXT, SMALL, WIDTH
from nlpkit.runs.plots import MARKERS, Plot, new_figure, save_figure, with_style

WIDE = 8.0  # times the lowest rate, from where on the axis of rates is logarithmic
BINS = 60  # of a picture over time, at most
LEAST_BIN = 0.25  # seconds
ENOUGH = 20  # answers of a bin, from which on it has percentiles
COLOUR_OF = {"p50": COLOURS[0], "p95": COLOURS[4], "p99": COLOURS[1]}
COLOUR_OF_FLOW = {
    "answered in time": COLOURS[2],
    "answered later": COLOURS[4],
    "refused": COLOURS[5],
    "failed": COLOURS[1],
}


def latency(steps: Sequence[Figures], p99_ms: float, knee: Figures | None) -> Plot:
    """Percentiles of the latency against the rate that was offered.

    Args:
        steps: of different rates, those of which some requests were answered are drawn.
        p99_ms: the bound.
        knee: the highest rate that was held.
    """

    @with_style
    def draw(path: Path) -> None:
        figure, axes = new_figure()
        shown = [step for step in sorted(steps, key=lambda step: step.offered) if step.p99_ms is not None]
        rates = [step.offered for step in shown]
        for (name, colour), marker in zip(COLOUR_OF.items(), MARKERS, strict=False):
            axes.plot(rates, [getattr(step, f"{name}_ms") for step in shown], color=colour, marker=marker, label=name)
        ends = [(step.p99_low_ms or step.p99_ms, step.p99_high_ms or step.max_ms) for step in shown]
        axes.fill_between(rates, *zip(*ends, strict=True), color=COLOUR_OF["p99"], alpha=0.15, linewidth=0)
        axes.axhline(p99_ms, color=QUIET, linewidth=1, linestyle="--", zorder=1, label=f"{p99_ms:g} ms")
        _rates(axes, rates, knee)
        axes.set_yscale("log")
        _plain_numbers(axes.yaxis)
        axes.set(ylabel="latency from the due time, ms")
        _finish(axes)
        save_figure(figure, path)

    return draw


def goodput(steps: Sequence[Figures], p99_ms: float, knee: Figures | None) -> Plot:
    """What became of the requests of a second, against the rate that was offered.

    Args:
        steps: of different rates.
        p99_ms: what an answer may take to be of use.
        knee: the highest rate that was held.
    """

    @with_style
    def draw(path: Path) -> None:
        figure, axes = new_figure()
        shown = sorted(steps, key=lambda step: step.offered)
        rates = [step.offered for step in shown]
        axes.plot(rates, rates, color=QUIET, linewidth=1, linestyle="--", label="offered")
        lines = {
            "answered": [step.answered for step in shown],
            f"answered within {p99_ms:g} ms": [step.goodput for step in shown],
            "refused": [step.refused / step.seconds for step in shown],
            "failed": [sum(step.errors.values()) / step.seconds for step in shown],
        }
        colours = (COLOURS[0], COLOURS[2], COLOURS[5], COLOURS[1])
        for (name, values), colour, marker in zip(lines.items(), colours, MARKERS, strict=False):
            if any(values):
                axes.plot(rates, values, color=colour, marker=marker, label=name)
        _rates(axes, rates, knee)
        axes.set_ylim(bottom=0)
        axes.set(ylabel="requests a second")
        _finish(axes)
        save_figure(figure, path)

    return draw


def over_time(requests: Requests, start: float, end: float, p99_ms: float) -> Plot:
    """Latency and what became of requests, by when they were due.

    Args:
        requests: of one schedule.
        start, end: seconds of it that are drawn.
        p99_ms: the bound.
    """

    @with_style
    def draw(path: Path) -> None:
        from matplotlib import pyplot

        inside = int(((requests.due >= start) & (requests.due < end)).sum())
        bins = int(np.clip(min((end - start) / LEAST_BIN, inside / ENOUGH), 1, BINS))
        edges = np.linspace(start, end, bins + 1)
        middles, width = (edges[:-1] + edges[1:]) / 2 - start, (end - start) / bins
        place = np.digitize(requests.due, edges) - 1
        answered = requests.kind == requests.kinds.index(ANSWERED)
        refused = requests.kind == requests.kinds.index(REFUSED)
        in_time = answered & (requests.latency_ms <= p99_ms)
        figure, (above, below) = pyplot.subplots(2, 1, figsize=(WIDTH, 1.6 * HEIGHT), layout="constrained", sharex=True)
        of_bins = [requests.latency_ms[answered & (place == i)] for i in range(bins)]
        for name, share in (("p50", 50), ("p99", 99)):
            values = [np.percentile(each, share) if len(each) >= ENOUGH else np.nan for each in of_bins]
            if not np.isnan(values).all():
                above.plot(middles, values, color=COLOUR_OF[name], label=name)
        worst = [each.max() if len(each) else np.nan for each in of_bins]
        above.plot(middles, worst, color=INK, linestyle="none", marker=".", markersize=3, label="slowest")
        above.axhline(p99_ms, color=QUIET, linewidth=1, linestyle="--", zorder=1, label=f"{p99_ms:g} ms")
        above.set_yscale("log")
        _plain_numbers(above.yaxis)
        above.set(ylabel="latency from the due time, ms")
        parts = (in_time, answered & ~in_time, refused, ~(answered | refused))
        flows = {name: _counts(place, part, bins) / width for name, part in zip(COLOUR_OF_FLOW, parts, strict=True)}
        there = {name: values for name, values in flows.items() if values.any()}
        below.stackplot(
            middles, *there.values(), labels=list(there), colors=[COLOUR_OF_FLOW[name] for name in there], alpha=0.85
        )
        below.set(xlabel="seconds", ylabel="requests a second", xlim=(0, end - start))
        below.set_ylim(bottom=0)
        _finish(above)
        _finish(below)
        save_figure(figure, path)

    return draw


def _counts(place: np.ndarray, part: np.ndarray, bins: int) -> np.ndarray:
    inside = part & (place >= 0) & (place < bins)
    return np.bincount(place[inside], minlength=bins).astype(float)


def _rates(axes: Any, rates: Sequence[float], knee: Figures | None) -> None:
    """The axis of rates, with the knee on it."""
    if rates and max(rates) > WIDE * min(rates):
        axes.set_xscale("log")
        _plain_numbers(axes.xaxis)
    axes.set(xlabel="offered, requests a second")
    if knee is not None:
        axes.axvline(knee.offered, color=QUIET, linewidth=1, linestyle=":", zorder=1)
        axes.annotate(
            "knee", (knee.offered, 1), xycoords=axes.get_xaxis_transform(), xytext=(-3, -2), ha="right", va="top",
            textcoords="offset points", fontsize=SMALL, color=QUIET_TEXT,
        )  # fmt: skip


def _plain_numbers(axis: Any) -> None:
    """20 and 500 rather than powers of ten, also between them."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axis.set_minor_formatter(NullFormatter())


def _finish(axes: Any) -> None:
    axes.grid()
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=5, borderaxespad=0.2, columnspacing=1.4)
