"""Pictures of what heads do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nlpkit.probing.heads.observed import Head
from nlpkit.probing.heads.patterns import Patterns
from nlpkit.probing.heads.relations import Best
from nlpkit.probing.heads.shares import Part
from nlpkit.runs import plots
from nlpkit.runs.plot_style import COLOURS, HEIGHT, INK, QUIET, QUIET_TEXT, SMALL, WIDTH

CELL = 0.42  # inches of a head in a heat map that has its numbers
ROW = 0.26  # inches of a relation
BELOW = "#b8b8b8"  # heads that find nothing
ACROSS = 3  # panels beside each other
PANEL = 2.2  # inches of the height of one
LARGEST = 6  # relations that are drawn together


def table_of(heads: Sequence[Head], values: np.ndarray) -> np.ndarray:
    """Values of heads by layer and number, shape (layers, heads of the widest layer); NaN where there is no head."""
    table = np.full((max(head.layer for head in heads), max(head.number for head in heads)), np.nan)
    for head, value in zip(heads, values, strict=True):
        table[head.layer - 1, head.number - 1] = value
    return table


def heat_map(heads: Sequence[Head], best: Best) -> plots.Plot:
    """How often each head finds a relation, with the best fixed guess as the middle of the colours."""

    @plots.with_style
    def draw(path: Path) -> None:
        table = table_of(heads, best.shares)
        rows, columns = table.shape
        figure, axes = plots.new_figure(max(CELL * columns + 1.2, 4.0), CELL * rows + 1.1)
        image = _image(axes, table, best.baseline_on_all)
        for layer, number in np.ndindex(rows, columns):
            if np.isfinite(value := table[layer, number]):
                red, green, blue, _ = image.cmap(image.norm(value))
                dark = 0.3 * red + 0.6 * green + 0.1 * blue < 0.5
                colour = "white" if dark else INK
                axes.text(number, layer, f"{100 * value:.0f}", ha="center", va="center", color=colour, fontsize=SMALL)
        axes.set_xticks(range(columns), range(1, columns + 1))
        axes.set_yticks(range(rows), range(1, rows + 1))
        title = f"{best.relation}: % of {best.chosen_on + best.words:,} words found; "
        axes.set(xlabel="head", ylabel="layer", title=title + f"best fixed guess {100 * best.baseline_on_all:.0f} %")
        plots.save_figure(figure, path)

    return draw


def heat_maps(heads: Sequence[Head], found: Sequence[Best]) -> plots.Plot:
    """The relations in which heads gain most over the best fixed guess, a small heat map each."""

    @plots.with_style
    def draw(path: Path) -> None:
        some = sorted(found, key=lambda best: -best.gain.value)[:LARGEST]
        tables = [table_of(heads, best.shares) for best in some]
        rows, columns = tables[0].shape
        figure, panels = _panels(len(some), WIDTH / ACROSS * rows / columns + 0.3)
        for axes, best, table in zip(panels, some, tables, strict=True):
            _image(axes, table, best.baseline_on_all)
            axes.set_xticks([0, table.shape[1] - 1], [1, table.shape[1]])
            axes.set_yticks([0, table.shape[0] - 1], [1, table.shape[0]])
            axes.set_title(f"{best.relation}: {best.on_all:.2f} against {best.baseline_on_all:.2f}", fontsize=SMALL)
        figure.supxlabel("head", fontsize=SMALL)
        figure.supylabel("layer", fontsize=SMALL)
        plots.save_figure(figure, path)

    return draw


def _image(axes: Any, table: np.ndarray, middle: float) -> Any:
    """White is what the best fixed guess finds, blue is more, grey less."""
    from matplotlib.colors import LinearSegmentedColormap, TwoSlopeNorm

    colours = LinearSegmentedColormap.from_list("around", [BELOW, "white", COLOURS[0]])
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    norm = TwoSlopeNorm(min(max(middle, 0.01), 0.99), vmin=0, vmax=1)
    return axes.imshow(table, cmap=colours, norm=norm, aspect="equal")


def _panels(count: int, height: float) -> tuple[Any, list[Any]]:
    from matplotlib import pyplot

    across = min(count, ACROSS)
    down = -(-count // across)
    figure, panels = pyplot.subplots(
        down, across, figsize=(WIDTH, height * down + 0.3), layout="constrained", squeeze=False
    )
    flat = list(panels.flat)
    for axes in flat[count:]:
        axes.set_visible(False)
    return figure, flat[:count]


def against_distance(found: Sequence[Best]) -> plots.Plot:
    """The best head of each relation beside the best fixed guess, with intervals, by the gain."""

    @plots.with_style
    def draw(path: Path) -> None:
        some = sorted(found, key=lambda best: best.gain.value)
        figure, axes = plots.new_figure(WIDTH, ROW * len(some) + 1.0)
        for y, best in enumerate(some):
            axes.plot([best.baseline.value, best.found.value], [y, y], color=QUIET, linewidth=0.8, zorder=1)
        for name, parts, colour, shift in (
            ("best fixed guess", [best.baseline for best in some], COLOURS[1], -0.12),
            ("best head", [best.found for best in some], COLOURS[0], 0.12),
        ):
            _with_intervals(axes, parts, np.arange(len(some)) + shift, colour, name)
        axes.set_yticks(range(len(some)), [f"{best.relation}  {best.head}" for best in some])
        axes.set(xlim=(0, 1), xlabel="share of words found, on texts that heads and guesses were not chosen on")
        axes.set_ylim(-0.6, len(some) - 0.4)
        axes.grid(axis="x")
        axes.legend(loc="lower right")
        plots.save_figure(figure, path)

    return draw


def _with_intervals(axes: Any, parts: Sequence[Part], at: np.ndarray, colour: str, name: str) -> None:
    values = np.array([part.value for part in parts])
    reach = np.array([[part.value - part.low for part in parts], [part.high - part.value for part in parts]])
    axes.errorbar(
        values, at, xerr=np.maximum(reach, 0), fmt="o", color=colour, ecolor=colour, elinewidth=0.9, label=name
    )


def by_layer(patterns: Patterns) -> plots.Plot:
    """What heads look at, a panel for each pattern and a dot for each head, by layer."""

    @plots.with_style
    def draw(path: Path) -> None:
        layers = [head.layer for head in patterns.heads]
        drawn = [(f"to {name}", values, patterns.even[name]) for name, values in patterns.shares.items()]
        drawn.append(("entropy in nats", patterns.entropy, patterns.even_entropy))
        figure, panels = _panels(len(drawn), PANEL)
        for axes, (name, values, even) in zip(panels, drawn, strict=True):
            axes.axhline(even, color=QUIET, linestyle="--", linewidth=0.9)
            axes.scatter(layers, values, s=14, color=COLOURS[0], alpha=0.7, linewidths=0)
            axes.set_title(name)
            axes.set_ylim(0, None if name == "entropy in nats" else 1)
            axes.set_xticks(sorted(set(layers)))
            axes.tick_params(labelsize=SMALL)
            axes.grid(axis="y")
        figure.supxlabel("layer; a dot is a head, the dashed line one that looks at all tokens alike", fontsize=SMALL)
        plots.save_figure(figure, path)

    return draw


def parsers(names: Sequence[str], parts: Sequence[Part]) -> plots.Plot:
    """Which share of the heads each way to find them finds, with intervals."""

    @plots.with_style
    def draw(path: Path) -> None:
        figure, axes = plots.new_figure(WIDTH, min(0.36 * len(names) + 0.9, HEIGHT))
        at = np.arange(len(names))[::-1]
        axes.barh(at, [part.value for part in parts], color=COLOURS[0], height=0.55)
        reach = [[part.value - part.low for part in parts], [part.high - part.value for part in parts]]
        axes.errorbar([part.value for part in parts], at, xerr=reach, fmt="none", ecolor=INK, elinewidth=0.9)
        for y, part in zip(at, parts, strict=True):
            axes.text(part.high + 0.01, y, f"{100 * part.value:.1f}", va="center", fontsize=SMALL, color=QUIET_TEXT)
        axes.set_yticks(at, names)
        axes.set(xlim=(0, 1), xlabel="share of the words whose head is found (UAS without punctuation)")
        plots.save_figure(figure, path)

    return draw
