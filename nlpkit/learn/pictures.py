"""Pictures of matrices, lines and waves, drawn when they are saved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nlpkit.runs import plots
from nlpkit.runs.plot_style import COLOURS, HEIGHT, QUIET_TEXT, SMALL, WIDTH

MOST_DRAWN = 40  # tokens of a text: more cannot be told apart
LONGEST_TOKEN = 12  # characters of one on an axis
PANEL = 1.65  # inches of a matrix beside others
IN_A_ROW = 4
ROW = 0.2  # inches of a row with a name
LETTER = 0.07  # inches of a letter of a name


@dataclass(frozen=True)
class Heat:
    """A matrix with what its rows and columns are.

    Attributes:
        values: shape (rows, columns); what is no number is left white.
        rows, columns: names, or empty for numbers.
        row_title, column_title: what the names are.
    """

    values: np.ndarray
    rows: Sequence[str] = ()
    columns: Sequence[str] = ()
    row_title: str = ""
    column_title: str = ""


def tokens_named(tokens: Sequence[str]) -> list[str]:
    """Tokens as an axis has room for them."""
    return [token if len(token) <= LONGEST_TOKEN else f"{token[: LONGEST_TOKEN - 1]}…" for token in tokens]


def grid(
    panels: Sequence[tuple[str, Heat | None]],
    said: str,
    *,
    columns: int = IN_A_ROW,
    lowest: float = 0,
    highest: float = 1,
) -> plots.Plot:
    """Matrices beside each other in one scale; those of one shape share the names at their sides.

    Args:
        panels: each with its title; None leaves its place free.
        said: what the colours are.
        columns: panels in a row.
        lowest, highest: of the colours; below 0 they go both ways from white.
    """

    @plots.with_style
    def draw(path: Path) -> None:
        from matplotlib import pyplot

        heats = [heat for _, heat in panels if heat is not None]
        wide = min(len(panels), columns)
        rows = -(-len(panels) // wide)
        beside, below = (
            LETTER * max((len(name) for heat in heats for name in names(heat)), default=2)
            for names in (lambda heat: heat.rows, lambda heat: heat.columns)
        )
        width = min(max(PANEL * wide + beside, 4.0), WIDTH * 1.6)
        side = (width - beside - 0.4) / wide
        figure, axes = pyplot.subplots(
            rows,
            wide,
            figsize=(width, rows * (max(_height(heat, side) for heat in heats) + 0.3) + below + 0.7),
            layout="constrained",
            squeeze=False,
        )
        shown: Any = None
        for number, place in enumerate(axes.flat):
            title, heat = panels[number] if number < len(panels) else ("", None)
            if heat is None:
                place.set_visible(False)
                continue
            shown = place.imshow(
                heat.values,
                cmap="RdBu_r" if lowest < 0 else "Blues",
                vmin=lowest,
                vmax=highest,
                aspect="auto",
                interpolation="nearest",
            )
            under = number + wide
            first, last = number % wide == 0, under >= len(panels) or panels[under][1] is None
            place.set_title(title, fontsize=SMALL)
            _name(place.yaxis, heat.rows if first else (), len(heat.rows) > 0)
            _name(place.xaxis, heat.columns if last else (), len(heat.columns) > 0)
            place.set_ylabel(heat.row_title if first else "", fontsize=SMALL, color=QUIET_TEXT)
            place.set_xlabel(heat.column_title if last else "", fontsize=SMALL, color=QUIET_TEXT)
        bar = figure.colorbar(shown, ax=axes, location="top", shrink=0.5, aspect=40)
        bar.set_label(said, fontsize=SMALL)
        bar.ax.tick_params(labelsize=SMALL)
        plots.save_figure(figure, path)

    return draw


def _height(heat: Heat, side: float) -> float:
    """Inches of a matrix that is so many wide: its cells are square, but for named rows, which need a line each and no
    more than that."""
    rows, columns = heat.values.shape
    square = side * min(rows / columns, 1.6)
    return min(max(square, min(ROW * rows, 1.0)), max(ROW * rows, 1.0)) if heat.rows else square


def _name(axis: Any, names: Sequence[str], named: bool) -> None:
    """Names on an axis; nothing where another panel has them, numbers where there are none."""
    axis.set_tick_params(length=0, labelsize=SMALL - 1)
    if names:
        axis.set_ticks(range(len(names)), names, rotation=90 if axis.axis_name == "x" else 0)
    elif named:
        axis.set_ticks([])


def lines(
    drawn: Mapping[str, tuple[Sequence[float], Sequence[float]]], xlabel: str, ylabel: str, *, marked: bool = False
) -> plots.Plot:
    """Lines by name, each its x and its y.

    Args:
        marked: whether each point has a mark.
    """

    @plots.with_style
    def draw(path: Path) -> None:
        from matplotlib import pyplot

        figure, axes = pyplot.subplots(figsize=(WIDTH, HEIGHT), layout="constrained")
        for number, (name, (x, y)) in enumerate(drawn.items()):
            axes.plot(
                x,
                y,
                label=name,
                color=COLOURS[number % len(COLOURS)],
                linestyle=plots.DASHES[number // len(COLOURS) % len(plots.DASHES)],
                marker="o" if marked else None,
            )
        axes.set(xlabel=xlabel, ylabel=ylabel)
        axes.grid()
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
        plots.save_figure(figure, path)

    return draw
