"""Attention as a heat map with its tokens, and a grid of the maps of every layer and head."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from nlpkit.explaining.attention.seen import Stack, Tokens
from nlpkit.runs import plots
from nlpkit.runs.plot_style import FAINT, QUIET_TEXT, SMALL

MOST_TOKENS = 60  # of a side that can be read in a picture
LONGEST_TOKEN = 16  # characters
CELL = 0.21  # inches
TOKEN_INCHES = 0.075  # of a character
BAR = 1.2  # inches of the bar of shades beside the map
NARROWEST = 4.2  # inches, in which a title fits
THUMBNAIL = 0.55  # inches of a map of the grid
SHADES = "Blues"


def drawing(stack: Stack, layer: int, head: int | None) -> plots.Plot:
    """The picture of one head; without one, of the mean of all heads of the layer, above the grid of every head.

    Args:
        stack: what is drawn.
        layer, head: from 0.
    """
    shares = shown(stack, layer, head)
    what = f"layer {layer + 1}, " + (f"mean of {len(stack.attentions[layer])} heads" if head is None else "")
    what += "" if head is None else f"head {head + 1}"
    what += f"; {stack.name} attention" if stack.name else ""

    @plots.with_style
    def draw(path: Path) -> None:
        rows, columns = (min(len(side), MOST_TOKENS) for side in (stack.rows, stack.columns))
        names = [_named(side, most) for side, most in ((stack.rows, rows), (stack.columns, columns))]
        beside, above = (TOKEN_INCHES * max(map(len, part)) for part in names)
        width = max(CELL * columns + beside + BAR, NARROWEST)
        height = CELL * rows + above + 1.0
        if head is not None:
            figure, axes = plots.new_figure(width, height)
        else:
            figure, axes, grid = _with_grid(stack, width, height)
            _draw_grid(grid, stack)
        _draw_map(axes, shares[:rows, :columns], *names)
        left_out = [
            f"{most} of {len(side)} {which}"
            for side, most, which in ((stack.rows, rows, "rows"), (stack.columns, columns, "columns"))
            if most < len(side)
        ]
        axes.set_title(what + (f"\nthe first {' and '.join(left_out)}" if left_out else ""), loc="left")
        plots.save_figure(figure, path)

    return draw


def shown(stack: Stack, layer: int, head: int | None) -> np.ndarray:
    """The attention that is drawn, shape (rows, columns): of a head, or the mean of all heads of the layer."""
    attention = stack.attentions[layer]
    return attention.mean(axis=0) if head is None else attention[head]


def _named(side: Tokens, most: int) -> list[str]:
    return [text if len(text) <= LONGEST_TOKEN else f"{text[: LONGEST_TOKEN - 1]}…" for text in side.texts[:most]]


def _with_grid(stack: Stack, width: float, height: float) -> tuple[Any, Any, Any]:
    """A figure with axes for the map, and below them a grid of axes with a row for each layer."""
    from matplotlib import pyplot

    layers, heads = len(stack.attentions), max(map(len, stack.attentions))
    wide, tall = max(width, THUMBNAIL * heads + 0.6), THUMBNAIL * layers + 0.5
    figure = pyplot.figure(figsize=(wide, height + tall), layout="constrained")
    parts: Any = figure.subfigures(2, 1, height_ratios=(height, tall))
    above, below = parts
    return figure, above.subplots(), below.subplots(layers, heads, squeeze=False)


def _draw_map(axes: Any, shares: np.ndarray, rows: list[str], columns: list[str]) -> None:
    cells = axes.pcolormesh(
        shares, cmap=SHADES, vmin=0, vmax=max(float(shares.max()), 1e-9), edgecolors=FAINT, linewidth=0.8
    )
    cells.set_antialiased(False)
    axes.set_aspect("equal")
    axes.invert_yaxis()
    axes.set_xticks(np.arange(len(columns)) + 0.5, columns, rotation=90, fontsize=SMALL)
    axes.set_yticks(np.arange(len(rows)) + 0.5, rows, fontsize=SMALL)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    bar = axes.figure.colorbar(cells, ax=axes, shrink=0.6, pad=0.02)
    bar.outline.set_visible(False)
    bar.set_label("attention, from row to column", fontsize=SMALL, color=QUIET_TEXT)


def _draw_grid(grid: Any, stack: Stack) -> None:
    """Every head, by the root of its attention and each with its own darkest shade: it is about where they look."""
    for layer, (row, attention) in enumerate(zip(grid, stack.attentions, strict=True)):
        for head, axes in enumerate(row):
            axes.set_xticks([])
            axes.set_yticks([])
            axes.spines[:].set_visible(False)
            if head < len(attention):
                axes.imshow(np.sqrt(attention[head]), cmap=SHADES, vmin=0, aspect="auto", interpolation="nearest")
            if layer == 0:
                axes.set_title(str(head + 1), fontsize=SMALL, color=QUIET_TEXT)
            if head == 0:
                axes.set_ylabel(str(layer + 1), rotation=0, va="center", ha="right", fontsize=SMALL, color=QUIET_TEXT)
