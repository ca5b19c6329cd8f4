"""How like texts are by their vectors: tables, a heat map, and pairs of two files line by line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from nlpkit.metrics.similarity import of_pairs
from nlpkit.runs.files import whole, writing
from nlpkit.runs.plot_style import AS_WRITTEN, COLOURS, DPI, FAINT, QUIET, SMALL, STYLE, WIDTH

BINS = 40
EXTREMES = 5  # pairs that are shown of either end
DRAWN = 40  # pairs in the picture of two dimensions
KEPT = 1_000  # pairs whose vectors are kept for it
ANNOTATED = 12  # texts up to which a heat map has numbers
LABEL = 28  # characters of a text beside a picture
DISTANCES = ("euclidean", "manhattan")  # measures of which less is more alike; they are given as negative numbers


def matrix(vectors: np.ndarray, how: str) -> np.ndarray:
    """How like each is to each, shape (rows, rows).

    Args:
        vectors: shape (rows, width).
        how: the measure, see `metrics.similarity.of_pairs`.
    """
    return np.stack([of_pairs(np.broadcast_to(row, vectors.shape), vectors, how) for row in vectors])


def named(how: str) -> str:
    """What a measure is called at the top of a table."""
    return f"negative {how} distance" if how in DISTANCES else f"{how} similarity"


def shortened(text: str, most: int) -> str:
    """The beginning of a text."""
    text = " ".join(text.split())
    return text if len(text) <= most else f"{text[: most - 3].rstrip()}..."


@dataclass
class Pairs:
    """Figures of pairs of texts that are given some at a time; memory grows by two numbers a pair.

    Args:
        how: the measure.
        seed: of the order in which partners are exchanged.

    Attributes:
        values: of each pair.
        shuffled: of as many pairs whose partners were exchanged at random, as a yardstick.
        kept: the first texts and vectors of both sides, for a picture.
    """

    how: str
    seed: int = 0
    values: list[np.ndarray] = field(default_factory=list)
    shuffled: list[np.ndarray] = field(default_factory=list)
    kept: list[tuple[str, str, np.ndarray, np.ndarray]] = field(default_factory=list)
    ends: list[tuple[float, int, str, str]] = field(default_factory=list)

    def add(
        self, lines: Sequence[int], texts: Sequence[tuple[str, str]], first: np.ndarray, second: np.ndarray
    ) -> None:
        """Take some more pairs.

        Args:
            lines: where they stand.
            texts: of both sides.
            first, second: their vectors, shape (pairs, width).
        """
        values = of_pairs(first, second, self.how)
        self.values.append(values)
        generator = np.random.default_rng([self.seed, len(self.values)])
        if len(values) > 1:
            # Each goes to the place of the next in a random order, so that none keeps its own partner.
            order = generator.permutation(len(values))
            self.shuffled.append(of_pairs(first[order], second[np.roll(order, 1)], self.how))
        for i in range(min(KEPT - len(self.kept), len(values))):
            self.kept.append((*texts[i], first[i], second[i]))
        found = [(float(value), line, *pair) for value, line, pair in zip(values, lines, texts, strict=True)]
        ordered = sorted([*self.ends, *found])
        self.ends = ordered if len(ordered) <= 2 * EXTREMES else [*ordered[:EXTREMES], *ordered[-EXTREMES:]]

    def figures(self) -> dict[str, Any]:
        """Number of pairs, mean, standard deviation and quartiles, and the same of exchanged partners."""
        values = np.concatenate(self.values)
        found: dict[str, Any] = {"pairs": len(values), **_spread(values)}
        if self.shuffled:
            others = np.concatenate(self.shuffled)
            found["shuffled"] = _spread(others)
            # As of the area under the ROC curve: of a pair and an exchanged one, how often the pair is more alike.
            found["above_shuffled"] = float(np.searchsorted(np.sort(others), values).mean() / len(others))
        return found

    def closest(self) -> list[tuple[float, int, str, str]]:
        """The pairs that are most alike: value, line and texts."""
        return self.ends[::-1][:EXTREMES]

    def farthest(self) -> list[tuple[float, int, str, str]]:
        """The pairs that are least alike: value, line and texts."""
        return self.ends[:EXTREMES]

    def histogram(self, bins: int = 10) -> list[tuple[float, float, int, int]]:
        """Bounds of a range of similarities, pairs in it, and exchanged pairs in it."""
        values = np.concatenate(self.values)
        others = np.concatenate(self.shuffled) if self.shuffled else values[:0]
        edges = np.histogram_bin_edges(np.concatenate([values, others]), bins)
        counts, shuffled = (np.histogram(some, edges)[0].tolist() for some in (values, others))
        return list(zip(edges[:-1].tolist(), edges[1:].tolist(), counts, shuffled, strict=True))


def _spread(values: np.ndarray) -> dict[str, float]:
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75]).tolist()
    return {
        "mean": float(values.mean(dtype=np.float64)),
        "std": float(values.std(dtype=np.float64)),
        "lower_quartile": low,
        "median": middle,
        "upper_quartile": high,
    }


# --- pictures ---


def draw_matrix(path: Path, values: np.ndarray, texts: Sequence[str], how: str, *, overwrite: bool) -> None:
    """Write a heat map of how like each text is to each.

    Args:
        path: of the picture.
        values: shape (texts, texts).
        texts: in their order.
        how: the measure.
        overwrite: replace what is there.
    """
    import matplotlib
    from matplotlib import pyplot

    matplotlib.use("agg")
    count = len(texts)
    side = min(max(3.0 + 0.42 * count, 4.2), 12.0)
    labels = [shortened(text, LABEL) for text in texts]
    with pyplot.rc_context(STYLE), pyplot.rc_context(AS_WRITTEN):
        figure, axes = pyplot.subplots(figsize=(side + 1.4, side))
        image = axes.imshow(values, cmap="Blues")
        step = max(count // 40, 1)
        places = list(range(0, count, step))
        axes.set_xticks(places, [labels[i] for i in places], rotation=50, ha="right", rotation_mode="anchor")
        axes.set_yticks(places, [labels[i] for i in places])
        axes.tick_params(length=0)
        for spine in axes.spines.values():
            spine.set_visible(False)
        if count <= ANNOTATED:
            low, high = float(np.nanmin(values)), float(np.nanmax(values))
            for row in range(count):
                for column in range(count):
                    dark = values[row, column] > low + 0.6 * (high - low)
                    axes.text(
                        column,
                        row,
                        f"{values[row, column]:.2f}",
                        ha="center",
                        va="center",
                        fontsize=SMALL,
                        color="white" if dark else "black",
                    )
        bar = figure.colorbar(image, ax=axes, fraction=0.046, pad=0.03)
        bar.outline.set_visible(False)
        axes.set_title(named(how))
        _save(figure, path, overwrite=overwrite)


def draw_pairs(path: Path, pairs: Pairs, names: tuple[str, str], *, overwrite: bool) -> None:
    """Write two pictures in one: how like pairs are, beside pairs whose partners were exchanged; and some of them on
    the plane that shows most of their vectors (PCA), joined by lines.

    Args:
        path: of the picture.
        pairs: that were compared.
        names: of the two sides.
        overwrite: replace what is there.
    """
    import matplotlib
    from matplotlib import pyplot
    from sklearn.decomposition import PCA

    matplotlib.use("agg")
    values = np.concatenate(pairs.values)
    others = np.concatenate(pairs.shuffled) if pairs.shuffled else values[:0]
    with pyplot.rc_context(STYLE), pyplot.rc_context(AS_WRITTEN):
        figure, (upper, lower) = pyplot.subplots(2, 1, figsize=(WIDTH, 8.4), height_ratios=(1, 1.9))
        edges = np.histogram_bin_edges(np.concatenate([values, others]), BINS)
        upper.hist(values, edges, color=COLOURS[0], alpha=0.75, label=f"pairs: mean {values.mean():.3f}")
        if len(others):
            upper.hist(others, edges, color=QUIET, alpha=0.55, label=f"partners exchanged: mean {others.mean():.3f}")
        upper.set_xlabel(named(pairs.how))
        upper.set_ylabel("pairs")
        upper.grid(axis="y", color=FAINT)
        upper.legend()
        chosen = [pairs.kept[i] for i in np.linspace(0, len(pairs.kept) - 1, min(DRAWN, len(pairs.kept))).astype(int)]
        both = np.stack([side for _, _, first, second in chosen for side in (first, second)])
        if len(both) >= 3 and both.shape[1] >= 2:
            plane = PCA(2, random_state=0).fit(both)
            places = plane.transform(both).reshape(-1, 2, 2)
            for start, end in places:
                lower.plot([start[0], end[0]], [start[1], end[1]], color=QUIET, linewidth=0.8, alpha=0.7, zorder=1)
            for side, name in enumerate(names):
                lower.scatter(*places[:, side].T, s=18, color=COLOURS[side], label=name, zorder=2)
            # The longest line says most; a name at every point would hide all of them.
            far = np.argsort(-np.linalg.norm(places[:, 0] - places[:, 1], axis=1))[:4]
            middle = places[..., 0].mean()
            for i in far.tolist():
                for side in (0, 1):
                    right = places[i, side, 0] > middle  # whose text goes to the left, and stays in the picture
                    lower.annotate(
                        shortened(chosen[i][side], LABEL),
                        places[i, side],
                        xytext=(-5 if right else 5, 3),
                        ha="right" if right else "left",
                        textcoords="offset points",
                        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.7, "pad": 0.5},
                        fontsize=SMALL,
                    )
            share = plane.explained_variance_ratio_.sum()
            lower.set_title(f"{len(chosen)} of the pairs, on the plane that shows {share:.0%} of the variance (PCA)")
            lower.legend()
            lower.set_xticks([])
            lower.set_yticks([])
        else:
            lower.set_visible(False)
        figure.tight_layout()
        _save(figure, path, overwrite=overwrite)


def _save(figure: Any, path: Path, *, overwrite: bool) -> None:
    from matplotlib import pyplot

    with writing(path), whole(path, overwrite=overwrite) as partial:
        figure.savefig(partial, format="png", dpi=DPI, bbox_inches="tight")
    pyplot.close(figure)
