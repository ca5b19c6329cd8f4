"""Words in space: the three directions in which their vectors differ most (principal components)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nlpkit.metrics.similarity import unit
from nlpkit.runs import plots
from nlpkit.runs.plot_style import COLOURS, FAINT, QUIET_TEXT, SMALL
from nlpkit.word_vectors.evaluation import Analogies
from nlpkit.word_vectors.table import WordVectors

SECTIONS, PAIRS = 3, 4  # of analogies, that are drawn
FIRST, FREQUENT = 100, 30  # the most frequent words say little; of those behind them so many are drawn
FEWEST = 4  # words that span a space

Groups = Mapping[str, Sequence[tuple[str, ...]]]
"""What is drawn in one colour, by name: words that a line joins."""


def of_words(vectors: WordVectors, words: Sequence[str]) -> tuple[Groups, list[str]]:
    """Words of the user's, and those among them that have no vector."""
    known = [word for word in dict.fromkeys(words) if vectors.vector(word) is not None]
    return {"": [(word,) for word in known]}, [word for word in dict.fromkeys(words) if word not in known]


def of_analogies(vectors: WordVectors, analogies: Sequence[Analogies]) -> Groups:
    """The most frequent pairs of the sections of which most pairs are known."""
    found: dict[str, list[tuple[int, tuple[str, str]]]] = {}
    for file in analogies:
        for title, questions in file.sections.items():
            for pair in dict.fromkeys(pair for a, b, c, d in questions for pair in ((a, b), (c, d))):
                places = [place for word in pair if (place := vectors.index(word)) is not None]
                if len(places) == len(pair):
                    found.setdefault(title, []).append((max(places), pair))
    largest = sorted(found, key=lambda title: -len(found[title]))[:SECTIONS]
    return {title: [pair for _, pair in sorted(found[title])[:PAIRS]] for title in largest}


def of_frequent(vectors: WordVectors) -> Groups:
    """Frequent words, without the most frequent of all."""
    first = FIRST if len(vectors) > FIRST + FREQUENT else 0
    return {"": [(word,) for word in vectors.words[first : first + FREQUENT]]}


def plot(vectors: WordVectors, groups: Groups) -> plots.Plot | None:
    """A picture of words, whose vectors are scaled to length 1; None where they are too few.

    Args:
        groups: words that have vectors.
    """
    named = [word for joined in groups.values() for words in joined for word in words]
    if len(set(named)) < FEWEST or vectors.width < 3:
        return None
    rows = unit(np.stack([vector for word in named if (vector := vectors.vector(word)) is not None]))
    middle = rows - rows.mean(axis=0)
    _, spread, directions = np.linalg.svd(middle, full_matrices=False)
    points = middle @ directions[:3].T
    shares = 100 * spread[:3] ** 2 / (spread**2).sum()

    @plots.with_style
    def draw(path: Path) -> None:
        from matplotlib import pyplot

        figure = pyplot.figure(figsize=(7.0, 6.2), layout="constrained")
        axes: Any = figure.add_subplot(projection="3d")
        floor = points[:, 2].min() - 0.05 * np.ptp(points[:, 2])
        place = 0
        for number, (title, joined) in enumerate(groups.items()):
            colour = COLOURS[number % len(COLOURS)]
            for words in joined:
                x, y, z = points[place : place + len(words)].T
                axes.plot(x, y, z, color=colour, linewidth=0.9, alpha=0.7)
                for word, *spot in zip(words, x, y, z, strict=True):
                    axes.plot([spot[0]] * 2, [spot[1]] * 2, [floor, spot[2]], color=FAINT, linewidth=0.8, zorder=0)
                    axes.text(*spot, f" {word}", fontsize=SMALL, color=colour)
                place += len(words)
            several = points[place - sum(map(len, joined)) : place]
            axes.scatter(*several.T, s=14, color=colour, depthshade=True, label=title or None)
        axes.set_zlim(bottom=floor)
        axes.grid(visible=False)  # its lines would be taken for those that words stand on
        labels = [f"component {i + 1}: {share:.0f} % of the variance" for i, share in enumerate(shares)]
        axes.set(xlabel=labels[0], ylabel=labels[1], zlabel=labels[2])
        for axis in (axes.xaxis, axes.yaxis, axes.zaxis):
            axis.set_tick_params(labelsize=SMALL - 1, colors=QUIET_TEXT)
            axis.set_pane_color("white")
            axis.pane.set_edgecolor(FAINT)
        if len(groups) > 1 or next(iter(groups)):
            figure.legend(loc="outside lower center", ncols=3)
        plots.save_figure(figure, path)

    return draw
