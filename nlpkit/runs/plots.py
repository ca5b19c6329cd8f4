"""Pictures of a run. Each function returns a `Plot`, drawn when it is saved: matplotlib is imported late."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nlpkit.runs.files import ornament

Plot = Callable[[Path], None]

COLOURS = ("#2f6db3", "#e0803a", "#4d9a57", "#b8505a", "#7d62a8")
# with the colours, each of the first 35 lines looks different
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DASHES = ("-", "--", ":", "-.")
WIDE = 4.0  # times the smallest value, from where on an axis is logarithmic
BINS = 25  # of a histogram, at most
MAX_CLASSES = 500  # groups of bars
MAX_NAMED_CLASSES = 40  # more class names than this cannot be read on an axis


# Texts in a picture are names of the user's, which no setting of theirs makes formulas of: a label may be `$`.
AS_WRITTEN: Any = {"text.parse_math": False, "text.usetex": False, "axes.formatter.use_mathtext": False}


def _as_written(draw: Plot) -> Plot:
    """The plot without a screen, its texts shown as they are: matplotlib would read markup while it draws."""

    @functools.wraps(draw)
    def drawn(path: Path) -> None:
        import matplotlib

        matplotlib.use("Agg")
        with matplotlib.rc_context(AS_WRITTEN):
            draw(path)

    return drawn


def _figure(width: float, height: float) -> tuple[Any, Any]:
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(width, height), layout="constrained")
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _save(figure: Any, path: Path) -> None:
    from matplotlib import pyplot

    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def draw(drawings: Mapping[str, Plot], folder: Path) -> list[str]:
    """Draw each into a folder, as NAME.png; the names of those that could be drawn."""
    drawn = []
    folder.mkdir()
    for name, plot in drawings.items():
        path = folder / f"{name}.png"
        with ornament(f"plots/{path.name}"):
            try:
                plot(path)
            except BaseException:
                path.unlink(missing_ok=True)
                raise
            drawn.append(name)
    return drawn


def curves(history: Sequence[Mapping[str, Any]], metrics: Sequence[str]) -> Plot:
    """Training and validation loss over steps, and the main validation metrics on a panel of their own."""

    @_as_written
    def draw(path: Path) -> None:
        from matplotlib import pyplot

        shown = [name for name in metrics if any(f"eval_{name}" in entry for entry in history)]
        figure, panels = pyplot.subplots(1, 1 + bool(shown), figsize=(5 + 4 * bool(shown), 3.6), layout="constrained")
        axes = np.atleast_1d(panels)
        train = [(entry["step"], entry["loss"]) for entry in history if "loss" in entry]
        held_out = [(entry["step"], entry["eval_loss"]) for entry in history if "eval_loss" in entry]
        if train:
            axes[0].plot(*zip(*train, strict=True), color=COLOURS[0], label="train")
        if held_out:
            axes[0].plot(*zip(*held_out, strict=True), color=COLOURS[1], marker="o", label="validation")
        axes[0].set(xlabel="step", ylabel="loss")
        axes[0].legend(frameon=False)
        for name, colour in zip(shown, COLOURS, strict=False):
            points = [(entry["step"], entry[f"eval_{name}"]) for entry in history if f"eval_{name}" in entry]
            axes[1].plot(*zip(*points, strict=True), color=colour, marker="o", label=name)
        if shown:
            axes[1].set(xlabel="step", ylabel="validation metric")
            axes[1].legend(frameon=False)
        for panel in axes:
            panel.spines[["top", "right"]].set_visible(False)
            panel.grid(alpha=0.25)
            panel.locator_params(axis="x", integer=True)
        _save(figure, path)

    return draw


def over_steps(history: Sequence[Mapping[str, Any]], name: str, *, log: bool = False) -> Plot:
    """One figure over steps, in training and, where it is measured, on validation.

    Args:
        log: a logarithmic axis.
    """

    @_as_written
    def draw(path: Path) -> None:
        figure, axes = _figure(5, 3.6)
        for prefix, label, colour, marker in (("", "train", COLOURS[0], ""), ("eval_", "validation", COLOURS[1], "o")):
            points = [(entry["step"], entry[prefix + name]) for entry in history if prefix + name in entry]
            if points:
                axes.plot(*zip(*points, strict=True), color=colour, marker=marker, label=label)
        if log:
            _log_axis(axes.yaxis)
        axes.set(xlabel="step", ylabel=name.replace("_", " "))
        axes.legend(frameon=False)
        axes.grid(alpha=0.25)
        _save(figure, path)

    return draw


def confusion(matrix: np.ndarray, names: Sequence[str], split: str, unit: str = "rows") -> Plot:
    """Confusion matrix (gold rows, predicted columns), shaded by the share of the gold class."""

    @_as_written
    def draw(path: Path) -> None:
        size = min(max(3.6, 0.5 * len(names) + 2), 14)
        figure, axes = _figure(size + 0.6, size)
        shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        if len(names) <= MAX_NAMED_CLASSES:
            axes.set_xticks(
                range(len(names)),
                names,
                rotation=45 if len(names) > 3 else 0,
                ha="right" if len(names) > 3 else "center",
            )
            axes.set_yticks(range(len(names)), names)
        if len(names) <= 20:
            for i, j in np.ndindex(*matrix.shape):
                axes.text(
                    j,
                    i,
                    f"{matrix[i, j]:,}",
                    ha="center",
                    va="center",
                    color="white" if shares[i, j] > 0.5 else "black",
                )
        axes.spines[:].set_visible(False)
        axes.set(xlabel="predicted", ylabel="label", title=f"{split}: {matrix.sum():,} {unit}")
        _save(figure, path)

    return draw


def grouped_bars(names: Sequence[str], counts: Mapping[str, np.ndarray], ylabel: str) -> Plot:
    """One group of bars a class, one bar a split, as shares so that splits of different size compare."""

    @_as_written
    def draw(path: Path) -> None:
        shown = np.arange(len(names))
        if len(names) > MAX_CLASSES:  # as many as there are columns of pixels
            often = next(iter(counts.values()))
            shown = np.sort(np.argsort(-np.asarray(often), kind="stable")[:MAX_CLASSES])
        figure, axes = _figure(min(max(5.6, 0.5 * len(shown) + 2.5), 16), 3.4)
        width = 0.8 / len(counts)
        for k, (split, values) in enumerate(counts.items()):
            shares = np.asarray(values)[shown] / max(np.sum(values), 1)
            axes.bar(
                np.arange(len(shown)) + k * width,
                shares,
                width,
                label=f"{split} ({np.sum(values):,})",
                color=COLOURS[k % 5],
            )
        if len(names) <= MAX_NAMED_CLASSES:
            axes.set_xticks(
                np.arange(len(names)) + 0.4 - width / 2,
                names,
                rotation=45 if len(names) > 6 else 0,
                ha="right" if len(names) > 6 else "center",
            )
        axes.set(ylabel=ylabel)
        if len(shown) < len(names):
            axes.set(xlabel=f"the {len(shown)} most frequent of {len(names):,}")
        figure.legend(frameon=False, loc="outside upper center", ncols=min(len(counts), 3))
        _save(figure, path)

    return draw


def bin_edges(values: np.ndarray) -> np.ndarray:
    """Edges of the bins of a histogram; a bin holds as many whole numbers as each of the others."""
    low, high = values.min(), values.max()
    if not np.issubdtype(values.dtype, np.integer):
        return np.histogram_bin_edges(values, bins=BINS)
    width = -(-(high - low + 1) // BINS)
    return np.arange(low, high + width + 1, width) - 0.5


def histograms(values: Mapping[str, np.ndarray], xlabel: str) -> Plot:
    """Distribution of a number in each split."""

    @_as_written
    def draw(path: Path) -> None:
        figure, axes = _figure(5, 3.4)
        edges = bin_edges(np.concatenate(list(values.values())))
        for k, (split, numbers) in enumerate(values.items()):
            axes.hist(
                numbers, bins=edges, density=True, histtype="step", linewidth=1.8, label=split, color=COLOURS[k % 5]
            )
        axes.set(xlabel=xlabel, ylabel="density")
        axes.locator_params(axis="x", nbins=6)
        axes.legend(frameon=False)
        _save(figure, path)

    return draw


def scatter(gold: np.ndarray, predicted: np.ndarray, split: str) -> Plot:
    """Predicted over gold numbers, with the diagonal."""

    @_as_written
    def draw(path: Path) -> None:
        figure, axes = _figure(4.4, 4.2)
        axes.scatter(gold, predicted, s=10, alpha=0.4, color=COLOURS[0], linewidths=0)
        low, high = float(min(gold.min(), predicted.min())), float(max(gold.max(), predicted.max()))
        axes.plot([low, high], [low, high], color="#888888", linewidth=1)
        axes.set(xlabel="label", ylabel="predicted", title=f"{split}: {len(gold):,} rows")
        _save(figure, path)

    return draw


def front(x: Sequence[float], y: Sequence[float], labels: Sequence[str], xlabel: str, ylabel: str) -> Plot:
    """What is kept over what is gained: a labelled point for each model, the first of them the reference."""

    @_as_written
    def draw(path: Path) -> None:
        figure, axes = _figure(5, 3.6)
        axes.axhline(y[0], color="#888888", linewidth=1, linestyle="--")
        order = np.argsort(x, kind="stable")
        axes.plot(np.asarray(x)[order], np.asarray(y)[order], color=COLOURS[0], marker="o")
        for left, low, label in zip(x, y, labels, strict=True):
            axes.annotate(label, (left, low), textcoords="offset points", xytext=(4, 6), fontsize=8)
        axes.set(xlabel=xlabel, ylabel=ylabel)
        axes.margins(0.12, 0.12)
        axes.grid(alpha=0.25)
        _save(figure, path)

    return draw


@dataclass(frozen=True)
class Line:
    """A line of points with error bars.

    Attributes:
        label: for the legend.
        x, y: positive, by x.
        intervals: low and high end of the bar at each point, None for no bar.
        style: number of its look: that of the same model on other panels.
    """

    label: str
    x: Sequence[float]
    y: Sequence[float]
    intervals: Sequence[tuple[float, float] | None]
    style: int


def sweep(panels: Mapping[str, Sequence[Line]], xlabel: str, ylabel: str) -> Plot:
    """Figures of models over a size on logarithmic axes, on which a power of it is a straight line.

    Figures of one magnitude stand on a linear axis, which has more ticks for them.

    Args:
        panels: lines by title; beside each other, three in a row.
    """

    @_as_written
    def draw(path: Path) -> None:
        from matplotlib import pyplot

        columns = min(len(panels), 3)
        rows = -(-len(panels) // columns)
        most = max(len(lines) for lines in panels.values())
        values = [y for lines in panels.values() for line in lines for y in line.y]
        wide = max(values) > WIDE * min(values)
        figure, grid = pyplot.subplots(
            rows,
            columns,
            figsize=(4.6 * columns + 0.4, (3.4 + 0.18 * most) * rows),
            layout="constrained",
            squeeze=False,
            sharey=True,
        )
        for axes in grid.flat[len(panels) :]:
            axes.set_visible(False)
        for axes, (title, lines) in zip(grid.flat, panels.items(), strict=False):
            for line in lines:
                _draw_line(axes, line)
            axes.set_title(title, fontsize="medium")
            axes.set(xlabel=xlabel)
            if wide:
                _log_axis(axes.yaxis)
            _log_axis(axes.xaxis, sorted({x for line in lines for x in line.x}))
            axes.legend(frameon=False, fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.14))  # covers no line
            axes.spines[["top", "right"]].set_visible(False)
            axes.grid(alpha=0.25)
        for axes in grid[:, 0]:
            axes.set_ylabel(ylabel)
        _save(figure, path)

    return draw


def _draw_line(axes: Any, line: Line) -> None:
    bars = [bar or (y, y) for y, bar in zip(line.y, line.intervals, strict=True)]
    reach = np.asarray([(max(y - low, 0), max(high - y, 0)) for y, (low, high) in zip(line.y, bars, strict=True)])
    axes.errorbar(
        line.x, line.y, yerr=reach.T, label=line.label, capsize=2, markersize=4.5, linewidth=1.4, **_look(line.style)
    )


def _look(style: int) -> dict[str, Any]:
    return {
        "color": COLOURS[style % len(COLOURS)],
        "marker": MARKERS[style % len(MARKERS)],
        "linestyle": DASHES[style // len(COLOURS) % len(DASHES)],
    }


def _log_axis(axis: Any, ticks: Sequence[float] | None = None) -> None:
    """A logarithmic axis with plain numbers at `ticks`, or else at 1, 2, 5, 10, ..."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

    axis.axes.set(**{f"{axis.axis_name}scale": "log"})
    axis.set_major_locator(FixedLocator(ticks) if ticks else LogLocator(subs=(1, 2, 5)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}" if value >= 10 else f"{value:.3g}"))


def pareto(
    names: Sequence[str],
    x: Sequence[float],
    y: Sequence[float],
    on_front: Sequence[bool],
    xlabel: str,
    ylabel: str,
    *,
    knee: str | None = None,
) -> Plot:
    """A named point for each model, a line through those that no other beats, and a ring around the knee.

    Args:
        x: positive, to be small.
        on_front: for each point.
        knee: name of a point.
    """

    @_as_written
    def draw(path: Path) -> None:
        figure, axes = _figure(6, 4.2)
        front = sorted((left, low) for left, low, best in zip(x, y, on_front, strict=True) if best)
        axes.plot(*zip(*front, strict=True), "--", color="#888888", linewidth=1, label="Pareto front", zorder=1)
        for i, (left, low, best) in enumerate(zip(x, y, on_front, strict=True)):
            look = {**_look(i), "linestyle": "none"}
            axes.plot([left], [low], markersize=7, markerfacecolor=None if best else "white", **look)
        if knee is not None:
            i = list(names).index(knee)
            ring = {"markersize": 15, "markerfacecolor": "none", "color": "#444444", "linestyle": "none"}
            axes.plot([x[i]], [y[i]], marker="o", label=f"knee: {knee}", **ring)
        axes.set(xlabel=xlabel, ylabel=ylabel)
        axes.margins(0.15, 0.15)
        if max(x) > WIDE * min(x):
            _log_axis(axes.xaxis)
        axes.grid(alpha=0.25)
        axes.legend(frameon=False, fontsize=8, loc="best", labelspacing=0.9)
        _name_points(figure, axes, names, x, y)
        _save(figure, path)

    return draw


def _name_points(figure: Any, axes: Any, names: Sequence[str], x: Sequence[float], y: Sequence[float]) -> None:
    """Write each name beside its point, where it covers neither a point nor another name."""
    figure.canvas.draw()
    renderer = figure.canvas.get_renderer()
    spots = [axes.transData.transform(point) for point in zip(x, y, strict=True)]
    taken: list[Any] = []
    for name, point in zip(names, zip(x, y, strict=True), strict=True):
        for across, up in ((8, 5), (8, -12), (-8, 5), (-8, -12), (8, 17), (8, -24), (-8, 17), (-8, -24)):
            text = axes.annotate(
                name,
                point,
                textcoords="offset points",
                xytext=(across, up),
                fontsize=8,
                ha="left" if across > 0 else "right",
            )
            box = text.get_window_extent(renderer)
            inside = axes.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1
            if inside and not any(box.overlaps(other) for other in taken) and not any(box.contains(*s) for s in spots):
                break
            text.remove()
        else:
            text = axes.annotate(name, point, textcoords="offset points", xytext=(8, 5), fontsize=8)
            box = text.get_window_extent(renderer)
        taken.append(box)
