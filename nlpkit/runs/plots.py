"""Pictures of a run. Each function returns a `Plot`, drawn when it is saved: matplotlib is imported late."""

from __future__ import annotations

import functools
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nlpkit.reporting import titled
from nlpkit.runs.files import ornament
from nlpkit.runs.plot_style import COLOURS, DPI, FAINT, HEIGHT, INK, PALETTE, QUIET, QUIET_TEXT, SMALL, STYLE, WIDTH

Plot = Callable[[Path], None]
History = Sequence[Mapping[str, Any]]  # what a Trainer logs: entries with `step`, `loss`, `eval_loss`, ...

# with the colours, each of the first 42 lines looks different
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DASHES = ("-", "--", ":", "-.")
WIDE = 4.0  # times the smallest value, from where on an axis is logarithmic
BINS = 25  # of a histogram, at most
SMOOTHED = 24  # losses of training steps, from which on their running mean is drawn over them
BARS = 8  # names that have bars; of more each has a line with a point per split
COUNTED = 24  # bars that have their counts beside them
FOLDED = 40  # lines of names that a screen shows at once
MAX_NAMED = 160  # more names than this cannot be read beside each other
LETTERS = 14.0  # of a legend, per inch
MARK = 6  # letters that the mark before a name in a legend takes
LONGEST_NAME = 34  # characters of a name on an axis
LONGEST_BESIDE_MATRIX = 26  # of one beside a matrix
MOST_WRITTEN, MOST_READ = 60, 90  # tokens of an alignment that are drawn
LONGEST_TOKEN = 16  # characters of one on an axis
TOKEN_INCHES = 0.075  # of a character there
CELL = 0.21  # inches of a cell of a matrix of many classes


def with_style(draw: Plot) -> Plot:
    """The plot without a screen, its texts shown as they are: matplotlib would read markup while it draws."""

    @functools.wraps(draw)
    def drawn(path: Path) -> None:
        draw_in_style(draw, path)

    return drawn


def draw_in_style(draw: Plot, path: Path) -> None:
    """Draw a picture as all of them look."""
    import matplotlib

    matplotlib.use("Agg")
    with matplotlib.rc_context(STYLE):
        draw(path)


def new_figure(width: float = WIDTH, height: float = HEIGHT) -> tuple[Any, Any]:
    """A figure and its axes; sizes in inches."""
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(width, height), layout="constrained")
    return figure, axes


def save_figure(figure: Any, path: Path) -> None:
    """Write a picture, of the kind that the name of its file says."""
    from matplotlib import pyplot

    if path.suffix == ".png":
        _save_indexed(figure, path)
    else:
        figure.savefig(path)
    pyplot.close(figure)


def _save_indexed(figure: Any, path: Path) -> None:
    """As PNG of a palette, which takes a third of the bytes: a picture here has a few colours and their shades."""
    from PIL import Image

    figure.set_dpi(DPI)
    figure.canvas.draw()
    picture = Image.fromarray(np.asarray(figure.canvas.buffer_rgba())).convert("RGB")
    picture.quantize(PALETTE, dither=Image.Dither.NONE).save(path, optimize=True)


def _legend(axes: Any, *, above: float = 0.2) -> None:
    """Above the axes, where it covers nothing, in as many rows as its names take.

    Args:
        above: distance, in heights of its text.
    """
    handles, names = axes.get_legend_handles_labels()
    inches = axes.figure.get_figwidth() / max(len(axes.figure.axes), 1)
    longest = max(map(len, names), default=0) + MARK
    columns = min(max(int(inches * LETTERS / longest), 1), 3)
    axes.legend(
        handles, names, loc="lower left", bbox_to_anchor=(0, 1), ncols=columns, borderaxespad=above, columnspacing=1.4
    )


def _named(name: str, longest: int = LONGEST_NAME) -> str:
    """A name as an axis has room for it."""
    return name if len(name) <= longest else name[: longest - 1] + "…"


def draw(drawings: Mapping[str, Plot], folder: Path) -> list[str]:
    """Draw each into a new folder, as NAME.png; the names of those that could be drawn."""
    drawn = []
    folder.mkdir()
    for name, plot in drawings.items():
        path = folder / f"{name}.png"
        with ornament(f"{folder.name}/{path.name}"):
            try:
                plot(path)
            except BaseException:
                path.unlink(missing_ok=True)
                raise
            drawn.append(name)
    return drawn


def _series(history: History, name: str) -> list[tuple[int, float]]:
    """The steps at which a figure was logged, and its values there."""
    return [(entry["step"], entry[name]) for entry in history if name in entry]


def curves(
    history: History, metrics: Sequence[str], *, best_step: int | None = None, notes: Mapping[str, str] | None = None
) -> Plot | None:
    """Training and validation loss over steps, and the main validation metrics on a panel of their own.

    A figure that was taken once is a number and no curve: it is named in the legend.

    Args:
        metrics: names of validation metrics of one scale.
        best_step: of the checkpoint that was kept.
        notes: what a metric is of, where its name does not say it.

    Returns:
        None where nothing was logged twice.
    """
    train, held_out = _series(history, "loss"), _series(history, "eval_loss")
    shown = {name: points for name in metrics if len(points := _series(history, f"eval_{name}")) > 1}
    if len(train) < 2 and len(held_out) < 2 and not shown:
        return None

    @with_style
    def draw(path: Path) -> None:
        from matplotlib import pyplot

        panels = [panel for panel, there in (("loss", train or held_out), ("metrics", shown)) if there]
        figure, grid = pyplot.subplots(
            1,
            len(panels),
            figsize=(WIDTH if len(panels) > 1 else 5, HEIGHT),
            layout="constrained",
            squeeze=False,
            sharex=True,
        )
        for panel, axes in zip(panels, grid[0], strict=True):
            if panel == "loss":
                _draw_losses(axes, train, held_out)
            else:
                labels = titled(list(shown), notes or {})
                for label, points, colour, marker in zip(labels, shown.values(), COLOURS[2:], MARKERS, strict=False):
                    axes.plot(*zip(*points, strict=True), color=colour, marker=marker, label=label)
            _mark_best(axes, best_step)
            axes.set(xlabel=_steps_named(history), ylabel="loss" if panel == "loss" else "validation metric")
            axes.grid()
            axes.locator_params(axis="x", integer=True, nbins=6)
            _legend(axes)
        if shown and min(value for points in shown.values() for _, value in points) >= 0:
            axes.set_ylim(bottom=max(axes.get_ylim()[0], 0))  # where all are 0 there would be room below
        save_figure(figure, path)

    return draw


def _draw_losses(axes: Any, train: Sequence[tuple[int, float]], held_out: Sequence[tuple[int, float]]) -> None:
    if len(train) >= SMOOTHED:
        steps, losses = np.asarray(train).T
        window = len(train) // 12
        axes.plot(steps, losses, color=COLOURS[0], alpha=0.3, linewidth=1)
        middle = np.convolve(losses, np.ones(window) / window, "valid")
        first = (window - 1) // 2
        axes.plot(steps[first : first + len(middle)], middle, color=COLOURS[0], label=f"train (mean of {window})")
    elif train:
        axes.plot(*zip(*train, strict=True), color=COLOURS[0], label="train")
    if held_out:
        once = f": {held_out[0][1]:.3g}, once" if len(held_out) == 1 else ""
        axes.plot(*zip(*held_out, strict=True), color=COLOURS[1], marker="o", label=f"validation{once}")
    values = [value for _, value in (*train, *held_out)]
    if 0 <= min(values) < max(values) / 2:
        axes.set_ylim(bottom=0)


def _mark_best(axes: Any, step: int | None) -> None:
    """A line at the checkpoint that was kept, drawn last: its name stands on the side that has room."""
    if step is None:
        return
    low, high = axes.get_xlim()
    left = step < (low + high) / 2
    axes.axvline(step, color=QUIET, linewidth=1, linestyle="--", zorder=1)
    axes.annotate(
        "best checkpoint",
        (step, 1),
        xycoords=axes.get_xaxis_transform(),
        textcoords="offset points",
        xytext=(3 if left else -3, -2),
        ha="left" if left else "right",
        va="top",
        fontsize=SMALL,
        color=QUIET_TEXT,
    )


def _steps_named(history: History) -> str:
    """What the axis of steps is called, with the length of an epoch where that is known."""
    last = next((entry for entry in reversed(history) if entry.get("epoch") and entry.get("step")), None)
    if last is None:
        return "optimizer step"
    return f"optimizer step ({last['step'] / last['epoch']:,.0f} per epoch)"


def over_steps(history: History, name: str, *, log: bool = False, best_step: int | None = None) -> Plot | None:
    """One figure over steps, in training and, where it is measured, on validation; None where it was never there twice.

    Args:
        log: a logarithmic axis.
        best_step: of the checkpoint that was kept.
    """
    lines = {"train": _series(history, name), "validation": _series(history, f"eval_{name}")}
    lines = {label: points for label, points in lines.items() if len(points) > 1}
    if not lines:
        return None

    @with_style
    def draw(path: Path) -> None:
        figure, axes = new_figure(5)
        for label, points in lines.items():
            colour, marker = (COLOURS[0], "") if label == "train" else (COLOURS[1], "o")
            axes.plot(*zip(*points, strict=True), color=colour, marker=marker, label=label)
        if log:
            _log_axis(axes.yaxis)
        elif min(value for points in lines.values() for _, value in points) >= 0:
            axes.set_ylim(bottom=0)
            _powers(axes.yaxis)
        _mark_best(axes, best_step)
        axes.set(xlabel=_steps_named(history), ylabel=name.replace("_", " "))
        axes.grid()
        axes.locator_params(axis="x", integer=True, nbins=6)
        if len(lines) > 1:
            _legend(axes)
        save_figure(figure, path)

    return draw


def rates(
    tried: Sequence[float],
    losses: Sequence[float],
    smoothed: Sequence[float],
    marks: Mapping[str, tuple[float, float]],
    suggested: float,
) -> Plot:
    """Losses over the learning rate of each step, on a logarithmic axis.

    Args:
        marks: points of the smoothed line, by name.
        suggested: a rate, at which a line stands.
    """

    @with_style
    def draw(path: Path) -> None:
        from matplotlib.ticker import FuncFormatter, NullLocator

        figure, axes = new_figure(5.6, 3.6)
        axes.plot(tried, losses, color=COLOURS[0], alpha=0.3, linewidth=1, label="loss of a step")
        axes.plot(tried, smoothed, color=COLOURS[0], label="smoothed")
        for (name, point), marker, colour in zip(marks.items(), MARKERS, COLOURS[1:], strict=False):
            axes.plot(*point, color=colour, marker=marker, linestyle="", label=f"{name}: {point[0]:.1e}")
        axes.axvline(suggested, color=QUIET, linestyle="--", linewidth=1, label=f"suggested: {suggested:.1e}")
        axes.set(xlabel="learning rate", ylabel="training loss", xscale="log")
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0e}"))
        axes.set_ylim(top=min(max(losses), 2 * max(smoothed[:10])) * 1.05)  # where it diverges is seen by then
        axes.grid()
        _legend(axes)
        save_figure(figure, path)

    return draw


def confusion(matrix: np.ndarray, names: Sequence[str], split: str, unit: str = "rows", part: str = "") -> Plot:
    """Confusion matrix (gold rows, predicted columns), shaded by the share of the gold class, with counts.

    Args:
        matrix: counts, shape (names, names); of many classes what `metrics.confused.core` leaves of them.
        unit: what is counted.
        part: which part of a larger matrix it is.
    """

    @with_style
    def draw(path: Path) -> None:
        few = len(names) <= 12
        shown = [_named(name, LONGEST_BESIDE_MATRIX) for name in names]
        beside = 0.07 * max(map(len, shown))  # inches of the longest
        side = (0.5 if few else CELL) * len(names) + 0.8
        figure, axes = new_figure(
            min(max(side + beside, 3.6), WIDTH), max(side + (beside if len(names) > 3 else 0), 3.2)
        )
        shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        slanted = {"rotation": 45 if few else 90, "ha": "right" if few else "center"} if len(names) > 3 else {}
        size = None if few else SMALL - 1
        axes.set_xticks(range(len(names)), shown, fontsize=size, **slanted)
        axes.set_yticks(range(len(names)), shown, fontsize=size)
        axes.tick_params(length=0)
        # of many cells the empty ones would hide the others
        for i, j in np.ndindex(*matrix.shape):
            if few or matrix[i, j]:
                colour = "white" if shares[i, j] > 0.5 else INK
                axes.text(j, i, f"{matrix[i, j]:,}", ha="center", va="center", color=colour, fontsize=size)
        axes.set_xticks(np.arange(len(names) + 1) - 0.5, minor=True)
        axes.set_yticks(np.arange(len(names) + 1) - 0.5, minor=True)
        axes.grid(which="minor")
        axes.tick_params(which="minor", length=0)
        axes.spines[:].set_visible(False)
        of = f"; {part}" if part else ""
        axes.set(xlabel="predicted", ylabel="label", title=f"{split}: {matrix.sum():,} {unit}{of}")
        save_figure(figure, path)

    return draw


def alignment(shares: np.ndarray, written: Sequence[str], read: Sequence[str], lines: Sequence[str]) -> Plot:
    """Which tokens of a text belong to each of another, as shades; of long texts the first.

    Args:
        shares: shape (written, read), each row a sum of 1.
        lines: what stands below.
    """

    @with_style
    def draw(path: Path) -> None:
        rows, columns = min(len(written), MOST_WRITTEN), min(len(read), MOST_READ)
        names = [[_named(name.strip() or name, LONGEST_TOKEN) for name in part] for part in (written, read)]
        beside, above = (
            TOKEN_INCHES * max(map(len, part[:most])) for part, most in zip(names, (rows, columns), strict=True)
        )
        figure, axes = new_figure(max(CELL * columns + beside + 0.5, 3.4), CELL * rows + above + 1.3)
        cells = axes.pcolormesh(shares[:rows, :columns], cmap="Blues", vmin=0, vmax=1, edgecolors=FAINT, linewidth=0.8)
        cells.set_antialiased(False)
        axes.set_aspect("equal")
        axes.invert_yaxis()
        axes.set_xticks(np.arange(columns) + 0.5, names[1][:columns], rotation=90, fontsize=SMALL)
        axes.set_yticks(np.arange(rows) + 0.5, names[0][:rows], fontsize=SMALL)
        axes.xaxis.tick_top()
        axes.xaxis.set_label_position("top")
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.set_xlabel("read", fontsize=SMALL, color=QUIET_TEXT)
        axes.set_ylabel("written", fontsize=SMALL, color=QUIET_TEXT)
        said = [
            *lines,
            *(
                f"shown are the first {most} of {len(part)} tokens that were {what}"
                for part, most, what in ((written, rows, "written"), (read, columns, "read"))
                if most < len(part)
            ),
        ]
        letters = int(figure.get_figwidth() * LETTERS)
        figure.supxlabel("\n".join(textwrap.fill(line, letters) for line in said), x=0.02, ha="left", fontsize=SMALL)
        save_figure(figure, path)

    return draw


def grouped_bars(names: Sequence[str], counts: Mapping[str, np.ndarray], unit: str) -> Plot:
    """How often each name occurs in each split, as shares so that splits of different size compare.

    A few names have a bar for each split; of more each has a line with a point for each split, the most frequent name
    of the first split first; where there are too many to be named, only their shares are drawn, in this order.

    Args:
        counts: by split, shape (names,).
        unit: what is counted, as in "share of rows".
    """

    @with_style
    def draw(path: Path) -> None:
        shares = {split: np.asarray(values) / max(np.sum(values), 1) for split, values in counts.items()}
        totals = {split: f"{split} ({np.sum(values):,})" for split, values in counts.items()}
        order = np.argsort(-next(iter(shares.values())), kind="stable")
        if len(names) > MAX_NAMED:
            figure, axes = new_figure()
            for k, (split, values) in enumerate(shares.items()):
                axes.plot(np.arange(1, len(names) + 1), np.sort(values)[::-1], label=totals[split], **_line(k))
            axes.set(xlabel=f"{len(names):,} names, in each split the most frequent first", ylabel=unit)
            axes.set_ylim(bottom=0)
            _percent(axes.yaxis)
            axes.grid()
        elif len(names) > BARS:
            height = 0.22 if len(names) <= FOLDED else 0.165
            figure, axes = new_figure(WIDTH, 1.0 + height * len(names))
            _draw_points(
                axes, [names[i] for i in order], {split: values[order] for split, values in shares.items()}, totals
            )
        else:
            figure, axes = new_figure(WIDTH, 1.0 + len(names) * (0.2 * len(counts) + 0.12))
            _draw_bars(axes, names, counts, shares, totals)
        if len(names) <= MAX_NAMED:
            axes.set(xlabel=unit)
            axes.set_xlim(left=0)
            _percent(axes.xaxis)
        _legend(axes, above=2.4 if FOLDED < len(names) <= MAX_NAMED else 0.2)
        save_figure(figure, path)

    return draw


def _draw_bars(
    axes: Any,
    names: Sequence[str],
    counts: Mapping[str, np.ndarray],
    shares: Mapping[str, np.ndarray],
    totals: Mapping[str, str],
) -> None:
    """A group of bars for each name, from above to below, and beside each bar its count where there is room."""
    width = 0.8 / len(counts)
    for k, (split, values) in enumerate(shares.items()):
        bars = axes.barh(np.arange(len(names)) + k * width, values, width, label=totals[split], color=COLOURS[k % 6])
        if len(names) * len(counts) <= COUNTED:
            axes.bar_label(bars, [f"{count:,}" for count in counts[split]], padding=2, fontsize=SMALL)
    axes.set_yticks(np.arange(len(names)) + 0.4 - width / 2, [_named(name) for name in names])
    axes.invert_yaxis()
    axes.grid(axis="x")
    axes.tick_params(axis="y", length=0)


def _draw_points(axes: Any, names: Sequence[str], shares: Mapping[str, np.ndarray], totals: Mapping[str, str]) -> None:
    """A line for each name, from above to below, with a point for each split."""
    rows = np.arange(len(names))
    axes.hlines(rows, 0, np.max(list(shares.values()), axis=0), color="#cccccc", linewidth=0.8, zorder=1)
    for k, (split, values) in enumerate(shares.items()):
        look = {"marker": MARKERS[k % len(MARKERS)], "color": COLOURS[k % 6], "markersize": 5 if k == 0 else 4}
        axes.plot(values, rows, linestyle="none", label=totals[split], zorder=3 - 0.1 * k, **look)
    axes.set_yticks(rows, [_named(name) for name in names], fontsize=8.5 if len(names) <= FOLDED else 7.5)
    axes.set_ylim(len(names) - 0.3, -0.7)
    axes.grid(axis="x")
    axes.tick_params(axis="y", length=0)
    # with many names the axis below is a page away
    axes.tick_params(axis="x", top=len(names) > FOLDED, labeltop=len(names) > FOLDED)


def _powers(axis: Any) -> None:
    """Numbers below a hundredth, as learning rates are, in one power of ten: 2e-4, 1.5e-4."""
    from matplotlib.ticker import FuncFormatter

    most = axis.get_view_interval()[1]
    if 0 < most < 0.01:
        power = int(np.floor(np.log10(most)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / 10**power:.3g}e{power}" if value else "0"))


def _percent(axis: Any) -> None:
    from matplotlib.ticker import FuncFormatter

    axis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.3g} %"))


def bin_edges(values: np.ndarray) -> np.ndarray:
    """Edges of the bins of a histogram; a bin holds as many whole numbers as each of the others."""
    low, high = values.min(), values.max()
    if not np.issubdtype(values.dtype, np.integer):
        return np.histogram_bin_edges(values, bins=BINS)
    width = -(-(high - low + 1) // BINS)
    return np.arange(low, high + width + 1, width) - 0.5


def histograms(
    values: Mapping[str, np.ndarray], xlabel: str, *, unit: str = "rows", threshold: tuple[str, float] | None = None
) -> Plot:
    """Distribution of a number in each split or group, as shares of its rows.

    Args:
        values: by name.
        unit: what has the number.
        threshold: name and place of a line.
    """

    @with_style
    def draw(path: Path) -> None:
        figure, axes = new_figure(5.6)
        edges = bin_edges(np.concatenate(list(values.values())))
        for k, (split, numbers) in enumerate(values.items()):
            shares = np.histogram(numbers, edges)[0] / max(len(numbers), 1)
            look = {"linestyle": DASHES[k % len(DASHES)], "linewidth": 1.8, "color": COLOURS[k % 6]}
            axes.stairs(shares, edges, label=f"{split} ({len(numbers):,})", **look)
        if threshold is not None:
            name, place = threshold
            axes.axvline(place, color=QUIET, linewidth=1, label=f"{name}: {place:.3g}")
        axes.set(xlabel=xlabel, ylabel=f"share of {unit} per bin")
        axes.set_ylim(bottom=0)
        _percent(axes.yaxis)
        axes.grid(axis="y")
        axes.locator_params(axis="x", nbins=8)
        _legend(axes)
        save_figure(figure, path)

    return draw


def scatter(gold: np.ndarray, predicted: np.ndarray, split: str) -> Plot:
    """Predicted over gold numbers, with the diagonal."""

    @with_style
    def draw(path: Path) -> None:
        figure, axes = new_figure(4.8, 4.6)
        size, alpha = (14, 0.5) if len(gold) <= 1_000 else (6, 0.25)
        axes.scatter(
            gold, predicted, s=size, alpha=alpha, color=COLOURS[0], linewidths=0, label=f"{split}: {len(gold):,} rows"
        )
        low, high = float(min(gold.min(), predicted.min())), float(max(gold.max(), predicted.max()))
        axes.plot([low, high], [low, high], color=QUIET, linewidth=1, linestyle="--", label="predicted = label")
        axes.set(xlabel="label", ylabel="predicted", aspect="equal")
        axes.grid()
        _legend(axes)
        save_figure(figure, path)

    return draw


def reliability(
    bins: Sequence[tuple[float, float, float, float, int]], scores: np.ndarray, split: str, error: float
) -> Plot:
    """Which share of answers is right over how sure the model is of them, with the diagonal, above the scores.

    Args:
        bins: mean score, share that is right, low and high end of its 95 % interval, and number of answers.
        scores: of all answers, from 0 to 1.
        error: the expected calibration error.
    """

    @with_style
    def draw(path: Path) -> None:
        from matplotlib import pyplot

        figure, (top, below) = pyplot.subplots(
            2, 1, figsize=(WIDTH, WIDTH), layout="constrained", sharex=True, height_ratios=(3, 1)
        )
        score, share, low, high, _ = (np.asarray(column, dtype=float) for column in zip(*bins, strict=True))
        top.plot([0, 1], [0, 1], color=QUIET, linewidth=1, linestyle="--", label="as sure as right")
        reach = np.maximum(np.stack([share - low, high - share]), 0)
        of_bins = {"color": COLOURS[0], "marker": "o", "capsize": 2, "elinewidth": 1, "linewidth": 0.8}
        top.errorbar(score, share, yerr=reach, label="answers of like score, 95 % interval", **of_bins)
        top.set(xlim=(0, 1), ylim=(0, 1), ylabel="share that is right")
        _legend(top)
        below.hist(scores, bins=np.linspace(0, 1, 21), color=COLOURS[0])
        below.set(xlabel=f"score; {split}: {len(scores):,} answers, calibration error {error:.3f}", ylabel="answers")
        save_figure(figure, path)

    return draw


def front(
    x: Sequence[float],
    y: Sequence[float],
    labels: Sequence[str],
    xlabel: str,
    ylabel: str,
    *,
    lower_is_better: bool = False,
) -> Plot:
    """What is kept over what is gained: a labelled point for each model, the first of them the reference, and a line
    through those that no other beats in both.

    Args:
        x: what is gained, more is better.
        y: what is kept, of which less is better with `lower_is_better`.
    """

    @with_style
    def draw(path: Path) -> None:
        figure, axes = new_figure(5.6, 3.6)
        axes.axhline(y[0], color=QUIET, linewidth=1, linestyle="--", label=f"{ylabel} of {labels[0]}")
        gained, kept = np.asarray(x), np.asarray(y)
        good = -kept if lower_is_better else kept
        beaten = [
            bool(((gained > a) & (good >= b) | (gained >= a) & (good > b)).any())
            for a, b in zip(gained, good, strict=True)
        ]
        order = [place for place in np.argsort(gained, kind="stable") if not beaten[place]]
        axes.plot(gained[order], kept[order], color=COLOURS[0])
        axes.plot(gained, kept, color=COLOURS[0], marker="o", linestyle="")
        axes.set(xlabel=xlabel, ylabel=ylabel)
        axes.margins(0.16, 0.16)
        axes.grid()
        _legend(axes)
        _name_points(figure, axes, labels, x, y)
        save_figure(figure, path)

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
        panels: lines by title; beside each other, two in a row.
    """

    @with_style
    def draw(path: Path) -> None:
        from matplotlib import pyplot

        columns = min(len(panels), 2)
        rows = -(-len(panels) // columns)
        most = max(len(lines) for lines in panels.values())
        values = [y for lines in panels.values() for line in lines for y in line.y]
        wide = max(values) > WIDE * min(values)
        figure, grid = pyplot.subplots(
            rows,
            columns,
            figsize=(WIDTH if columns > 1 else 5, (HEIGHT + 0.2 * most) * rows),
            layout="constrained",
            squeeze=False,
            sharey=True,
        )
        for axes in grid.flat[len(panels) :]:
            axes.set_visible(False)
        for axes, (title, lines) in zip(grid.flat, panels.items(), strict=False):
            for line in lines:
                _draw_line(axes, line)
            axes.set_title(title)
            axes.set(xlabel=xlabel)
            if wide:
                _log_axis(axes.yaxis)
            _log_axis(axes.xaxis, sorted({x for line in lines for x in line.x}))
            axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16))  # covers no line
            axes.grid()
        for axes in grid[:, 0]:
            axes.set_ylabel(ylabel)
        save_figure(figure, path)

    return draw


def _draw_line(axes: Any, line: Line) -> None:
    bars = [bar or (y, y) for y, bar in zip(line.y, line.intervals, strict=True)]
    reach = np.asarray([(max(y - low, 0), max(high - y, 0)) for y, (low, high) in zip(line.y, bars, strict=True)])
    axes.errorbar(
        line.x, line.y, yerr=reach.T, label=line.label, capsize=2, markersize=4.5, linewidth=1.4, **_look(line.style)
    )


def _line(style: int) -> dict[str, Any]:
    return {"color": COLOURS[style % len(COLOURS)], "linestyle": DASHES[style % len(DASHES)]}


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

    @with_style
    def draw(path: Path) -> None:
        figure, axes = new_figure(WIDTH, 4.2)
        front = sorted((left, low) for left, low, best in zip(x, y, on_front, strict=True) if best)
        axes.plot(*zip(*front, strict=True), "--", color=QUIET, linewidth=1, label="Pareto front", zorder=1)
        for i, (left, low, best) in enumerate(zip(x, y, on_front, strict=True)):
            look = {**_look(i), "linestyle": "none"}
            axes.plot([left], [low], markersize=7, markerfacecolor=None if best else "white", **look)
        if knee is not None:
            i = list(names).index(knee)
            ring = {"markersize": 15, "markerfacecolor": "none", "color": INK, "linestyle": "none"}
            axes.plot([x[i]], [y[i]], marker="o", label=f"knee: {knee}", **ring)
        axes.set(xlabel=xlabel, ylabel=ylabel)
        axes.margins(0.15, 0.15)
        if max(x) > WIDE * min(x):
            _log_axis(axes.xaxis)
        axes.grid()
        _legend(axes)
        _name_points(figure, axes, names, x, y)
        save_figure(figure, path)

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
                fontsize=SMALL,
                ha="left" if across > 0 else "right",
            )
            box = text.get_window_extent(renderer)
            inside = axes.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1
            if inside and not any(box.overlaps(other) for other in taken) and not any(box.contains(*s) for s in spots):
                break
            text.remove()
        else:
            text = axes.annotate(name, point, textcoords="offset points", xytext=(8, 5), fontsize=SMALL)
            box = text.get_window_extent(renderer)
        taken.append(box)
