"""Pictures of groups: a map, the curves by which their number is chosen, and what labels they hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nlpkit.clustering.quality import Tried
from nlpkit.runs import plots
from nlpkit.runs.plot_style import COLOURS, FAINT, INK, QUIET, SMALL
from nlpkit.runs.plots import Plot

NAMED = 30  # groups whose names stand in the picture
SHOWN = 30  # groups and labels of a table of both
NAME = 34  # letters of a name
# Beyond the six colours that the colour-blind tell apart there are shades of them, and names stand in the picture.
SHADES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#004a75", "#8f3f00", "#006b4e", "#8a4f70")
OUTLIERS = "#b8b8b8"


def colour_of(group: int) -> str:
    """The colour of a group; of outliers grey."""
    return OUTLIERS if group < 0 else SHADES[group % len(SHADES)]


def map_of(points: np.ndarray, labels: np.ndarray, names: Sequence[str], title: str) -> Plot:
    """Rows as points, coloured by group, with the names of the largest groups in their midst.

    Args:
        points: shape (rows, 2).
        labels: the group of each, -1 for none.
        names: of the groups.
        title: what the picture is of.
    """

    @plots.with_style
    def draw(path: Any) -> None:
        figure, axes = plots.new_figure(8.6, 6.6)
        size = float(np.clip(40_000 / max(len(points), 1), 1.0, 14.0))
        order = np.argsort(labels >= 0, kind="stable")  # outliers lie below
        colours = np.asarray([colour_of(int(label)) for label in labels])
        axes.scatter(*points[order].T, s=size, c=colours[order], linewidths=0, alpha=0.75, rasterized=True)
        _write_names(figure, axes, points, labels, names)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_title(title)
        for spine in axes.spines.values():
            spine.set_color(FAINT)
        plots.save_figure(figure, path)

    return draw


def _write_names(figure: Any, axes: Any, points: np.ndarray, labels: np.ndarray, names: Sequence[str]) -> None:
    """The names of the largest groups in their midst; one that would lie on another is left out."""
    figure.canvas.draw()
    renderer = figure.canvas.get_renderer()
    taken: list[Any] = []
    for group in range(min(len(names), NAMED)):
        here = points[labels == group]
        middle = np.median(here, axis=0)
        box = {"boxstyle": "round,pad=0.2", "facecolor": "white", "edgecolor": colour_of(group), "alpha": 0.85}
        text = axes.annotate(
            _short(names[group]), middle, ha="center", va="center", fontsize=SMALL - 1.5, color=INK, bbox=box
        )
        extent = text.get_window_extent(renderer)
        if any(extent.overlaps(other) for other in taken):
            text.remove()
        else:
            taken.append(extent)


def numbers_tried(tried: Sequence[Tried], chosen: int) -> Plot:
    """Inertia (the elbow curve) and silhouette over the number of groups, with the one that was chosen."""

    @plots.with_style
    def draw(path: Any) -> None:
        figure, axes = plots.new_figure(6.4, 3.4)
        k = [one.k for one in tried]
        axes.plot(k, [one.inertia for one in tried], color=COLOURS[0], marker="o", markersize=3)
        axes.set(xlabel="clusters", ylabel="inertia")
        axes.yaxis.label.set_color(COLOURS[0])
        other = axes.twinx()
        other.plot(k, [one.silhouette for one in tried], color=COLOURS[1], marker="s", markersize=3)
        other.set_ylabel("silhouette", color=COLOURS[1])
        other.spines["right"].set_visible(True)
        axes.axvline(chosen, color=QUIET, linewidth=1, linestyle="--")
        axes.set_title(f"{chosen} clusters have the highest silhouette")
        plots.save_figure(figure, path)

    return draw


def labels_by_cluster(agreement: Mapping[str, Any], names: Sequence[str]) -> Plot:
    """How the rows of each label are spread over the clusters, the largest of both."""
    table = np.asarray(agreement["table"])
    labels = np.argsort(-table.sum(axis=1), kind="stable")[:SHOWN]
    clusters = np.argsort(-table.sum(axis=0), kind="stable")[:SHOWN]
    # Labels stand where most of their rows are, so that a good match lies on a diagonal.
    labels = labels[np.argsort(table[np.ix_(labels, clusters)].argmax(axis=1), kind="stable")]
    part = table[np.ix_(labels, clusters)]
    shares = part / np.maximum(table[labels].sum(axis=1, keepdims=True), 1)

    @plots.with_style
    def draw(path: Any) -> None:
        across = [
            _short("outliers" if agreement["clusters"][i] < 0 else names[agreement["clusters"][i]]) for i in clusters
        ]
        down = [_short(agreement["labels"][i]) for i in labels]
        figure, axes = plots.new_figure(2.6 + 0.3 * len(across), 2.6 + 0.24 * len(down))
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
        axes.set_xticks(range(len(across)), across, rotation=55, ha="right", rotation_mode="anchor", fontsize=SMALL - 1)
        axes.set_yticks(range(len(down)), down, fontsize=SMALL - 1)
        axes.tick_params(length=0)
        for i, j in np.ndindex(*part.shape):
            if part[i, j]:
                colour = "white" if shares[i, j] > 0.5 else INK
                axes.text(j, i, f"{part[i, j]:,}", ha="center", va="center", color=colour, fontsize=SMALL - 2)
        axes.spines[:].set_visible(False)
        axes.set(xlabel="cluster", ylabel="label")
        plots.save_figure(figure, path)

    return draw


def _short(name: str) -> str:
    return name if len(name) <= NAME else f"{name[: NAME - 1]}…"
