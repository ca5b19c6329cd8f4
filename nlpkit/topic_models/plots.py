"""Pictures of topics: their tree, and how they come and go."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nlpkit.clustering.drawing import colour_of
from nlpkit.runs import plots
from nlpkit.runs.plot_style import INK, QUIET, SMALL
from nlpkit.topic_models.times import Over

LINES = 8  # topics that have a line over time
NAME = 40  # letters of a name


def _short(name: str) -> str:
    return name if len(name) <= NAME else f"{name[: NAME - 1]}…"


def tree(links: np.ndarray, names: Sequence[str]) -> plots.Plot:
    """Which topics join at which distance of their centres."""

    @plots.with_style
    def draw(path: Any) -> None:
        from scipy.cluster.hierarchy import dendrogram

        figure, axes = plots.new_figure(7.0, 0.8 + 0.22 * len(names))
        dendrogram(
            links,
            labels=[_short(name) for name in names],
            orientation="right",
            ax=axes,
            color_threshold=0,
            above_threshold_color=QUIET,
            leaf_font_size=SMALL,
        )
        axes.set(xlabel="cosine distance")
        axes.spines[:].set_visible(False)
        axes.tick_params(axis="y", length=0, colors=INK)
        plots.save_figure(figure, path)

    return draw


def over_time(over: Over, names: Sequence[str]) -> plots.Plot:
    """The share of the texts of each part of time that the largest topics have."""

    @plots.with_style
    def draw(path: Any) -> None:
        figure, axes = plots.new_figure(7.0, 3.6)
        totals = over.counts.sum(axis=1)
        totals = np.where(totals > 0, totals, np.nan)  # of a part without texts there is no share: the line breaks
        x = np.arange(len(over.parts))
        for number in np.argsort(-over.counts.sum(axis=0), kind="stable")[:LINES].tolist():
            shares = 100 * over.counts[:, number] / totals
            axes.plot(x, shares, color=colour_of(number), marker="o", markersize=3, label=_short(names[number]))
        step = max(len(x) // 10, 1)
        axes.set_xticks(x[::step], list(over.parts)[::step])
        axes.set(ylabel=f"% of the texts with a topic, by {over.unit}")
        axes.set_ylim(bottom=0)
        axes.grid()
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=2)
        plots.save_figure(figure, path)

    return draw
