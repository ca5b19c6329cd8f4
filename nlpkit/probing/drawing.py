"""Pictures of probes: what each layer knows, what that is worth, and which layers a mix reads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nlpkit.runs import plots
from nlpkit.runs.plot_style import COLOURS, INK, QUIET, SMALL
from nlpkit.runs.plots import Plot

if TYPE_CHECKING:
    from nlpkit.probing.layers import Found

CELL = 0.3  # inches of a row of the heat map
COLUMN = 1.25  # inches of a column
BESIDE = 3  # panels in a row
DARK = 0.6  # of a colour scale from where on its text is white
LONGEST = 16  # letters of a name


def named(layer: int) -> str:
    """A layer on an axis."""
    return "embeddings" if layer == 0 else str(layer)


def heat_map(found: Sequence[Found], title: str) -> Plot:
    """Layers by properties: the accuracy in each cell, its colour between the least and the most of the property."""

    @plots.with_style
    def draw(path: Path) -> None:
        layers = [one.layer for one in found[0].layers]
        values = np.array([[at.probe.figures.accuracy for at in one.layers] for one in found]).T
        low, high = values.min(axis=0), values.max(axis=0)
        shades = np.divide(values - low, high - low, out=np.zeros_like(values), where=high > low)
        width, height = 1.9 + COLUMN * len(found), 1.1 + CELL * (len(layers) + 1)
        figure, axes = plots.new_figure(max(width, 3.6), height)
        axes.imshow(shades, cmap="Blues", vmin=0, vmax=1.15, aspect="auto", origin="lower")
        for (row, column), value in np.ndenumerate(values):
            best = value == high[column]
            axes.text(
                column, row, f"{value:.3f}", ha="center", va="center", fontsize=SMALL,
                color="white" if shades[row, column] > DARK else INK, weight="bold" if best else "normal",
            )  # fmt: skip
        heads = [f"{_short(one.task.name)}\n({_alone(one):.3f})" for one in found]
        axes.set_xticks(range(len(found)), heads)
        axes.set_yticks(range(len(layers)), [named(layer) for layer in layers])
        axes.set(ylabel="layer", title=title)
        axes.set_xlabel("accuracy on validation; in brackets without the model", fontsize=SMALL)
        axes.tick_params(length=0)
        for spine in axes.spines.values():
            spine.set_visible(False)
        plots.save_figure(figure, path)

    return draw


def profiles(found: Sequence[Found]) -> Plot:
    """A panel for each property: the accuracy by layer, of the model, the control task and an untrained model."""

    @plots.with_style
    def draw(path: Path) -> None:
        figure, grid = _panels(len(found), 2.6)
        for one, axes in zip(found, grid, strict=False):
            layers = [at.layer for at in one.layers]
            lines = {
                "model": [at.probe.figures.accuracy for at in one.layers],
                "untrained": [at.untrained.figures.accuracy for at in one.layers if at.untrained],
                "control task": [at.control.figures.accuracy for at in one.layers if at.control],
            }
            for k, (name, values) in enumerate(lines.items()):
                if values:
                    axes.plot(layers, values, color=COLOURS[k], marker="os^"[k], markersize=4, label=name)
            axes.axhline(one.alone.accuracy, color=INK, linewidth=1, linestyle="--", label="words alone")
            axes.axhline(one.majority.accuracy, color=QUIET, linewidth=1, linestyle=":", label="most frequent")
            _finish(axes, one, "accuracy")
        _share_legend(figure, grid)
        plots.save_figure(figure, path)

    return draw


def weights(found: Sequence[Found]) -> Plot:
    """A panel for each property: the weight of each layer in the mix of all, and their center of gravity."""

    @plots.with_style
    def draw(path: Path) -> None:
        figure, grid = _panels(len(found), 2.2)
        for one, axes in zip(found, grid, strict=False):
            assert one.mix is not None
            axes.bar([at.layer for at in one.layers], one.mix.weights, color=COLOURS[0], width=0.7)
            axes.axvline(one.mix.center, color=COLOURS[1], linewidth=1.4)
            _finish(axes, one, "weight in the mix", f": center {one.mix.center:.2f}")
        plots.save_figure(figure, path)

    return draw


def _alone(one: Found) -> float:
    return max(one.alone.accuracy, one.majority.accuracy)


def _short(name: str) -> str:
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"


def _panels(count: int, height: float) -> tuple[Any, list[Any]]:
    """Panels side by side, as many of them as are used."""
    from matplotlib import pyplot

    columns = 2 if count == 4 else min(count, BESIDE)
    rows = -(-count // columns)
    figure, grid = pyplot.subplots(
        rows, columns, figsize=(max(2.7 * columns, 4.2), height * rows + 0.4), layout="constrained", squeeze=False
    )
    for axes in grid.flat[count:]:
        axes.set_visible(False)
    return figure, list(grid.flat)


def _finish(axes: Any, one: Found, ylabel: str, more: str = "") -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_title(f"{_short(one.task.name)}{more}")
    axes.set(xlabel="layer", ylabel=ylabel)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(axis="y")


def _share_legend(figure: Any, grid: Sequence[Any]) -> None:
    """One legend for all panels, above them."""
    known: dict[str, Any] = {}
    for axes in grid:
        handles, names = axes.get_legend_handles_labels()
        known |= dict(zip(names, handles, strict=True))
    figure.legend(list(known.values()), list(known), loc="outside upper center", ncols=3 if len(grid) > 1 else 2)
