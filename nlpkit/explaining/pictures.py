"""How far methods agree, as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from nlpkit.runs.plot_style import INK, SMALL
from nlpkit.runs.plots import Plot, new_figure, save_figure, with_style

CELL = 0.55  # inches


def agreement(methods: Sequence[str], found: Mapping[tuple[str, str], tuple[float, float]]) -> Plot:
    """Spearman's correlation of any two methods as a matrix, red where they put words into opposite orders.

    Args:
        methods: their names, in order.
        found: as `Judging.agreement` gives it.
    """

    @with_style
    def draw(path: Path) -> None:
        matrix = np.eye(len(methods))
        for (one, other), (order, _) in found.items():
            i, j = methods.index(one), methods.index(other)
            matrix[i, j] = matrix[j, i] = order
        side = CELL * len(methods) + 2.2
        figure, axes = new_figure(side, side - 0.3)
        axes.imshow(matrix, cmap="RdBu", vmin=-1, vmax=1)
        axes.set_xticks(range(len(methods)), methods, rotation=45, ha="right", fontsize=SMALL)
        axes.set_yticks(range(len(methods)), methods, fontsize=SMALL)
        axes.tick_params(length=0)
        for i, j in np.ndindex(*matrix.shape):
            colour = "white" if abs(matrix[i, j]) > 0.6 else INK
            axes.text(j, i, f"{matrix[i, j]:.2f}", ha="center", va="center", color=colour, fontsize=SMALL)
        axes.spines[:].set_visible(False)
        axes.set_title("how far methods agree: Spearman's correlation, mean over texts", fontsize=SMALL)
        save_figure(figure, path)

    return draw
