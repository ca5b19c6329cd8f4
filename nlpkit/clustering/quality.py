"""Whether groups are there at all: how apart they are, whether they come again, how they agree with labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nlpkit.clustering import methods

if TYPE_CHECKING:
    from nlpkit.reporting import Progress

SAMPLE = 2_000  # rows on which the silhouette is taken: it compares each with each
TRIED_ON = 5_000  # rows on which numbers of groups are tried
REPEATED_ON = 5_000  # rows from which the draws of `stability` are made
DRAWS = 5
SHARE = 0.8  # of the rows in a draw
MOST_TRIED = 40  # groups


def silhouette(units: np.ndarray, labels: np.ndarray, seed: int) -> float | None:
    """How much nearer rows are to their own group than to the next (Rousseeuw 1987), from -1 to 1, by cosine distance.

    Outliers are left out; of more than `SAMPLE` rows a sample counts.

    Returns:
        None where fewer than two groups are left.
    """
    from sklearn.metrics import silhouette_score

    there = np.flatnonzero(labels >= 0)
    some = there[methods.drawn(len(there), SAMPLE, seed)]
    groups = len(np.unique(labels[some]))
    if not 2 <= groups < len(some):
        return None
    return float(silhouette_score(units[some], labels[some], metric="cosine"))


@dataclass(frozen=True)
class Tried:
    """A number of groups that was tried with k-means.

    Attributes:
        k: how many.
        inertia: sum of squared distances to the centres.
        silhouette: see there.
    """

    k: int
    inertia: float
    silhouette: float


def numbers_to_try(rows: int) -> list[int]:
    """Numbers of groups for so many different rows: each up to 10, then with growing steps up to `MOST_TRIED`."""
    most = min(MOST_TRIED, rows - 1)
    return [k for k in (*range(2, 11), *range(12, 21, 2), *range(24, MOST_TRIED + 1, 4)) if k <= most]


def tried(units: np.ndarray, seed: int, bar: Progress | None = None) -> list[Tried]:
    """Try numbers of groups on a sample of at most `TRIED_ON` rows, all different."""
    from sklearn.cluster import KMeans

    some = units[methods.drawn(len(units), TRIED_ON, seed)]
    some = np.unique(some, axis=0)
    out = []
    for k in numbers_to_try(len(some)):
        found = KMeans(k, n_init=2, random_state=seed).fit(some)
        value = silhouette(some, found.labels_, seed)
        out.append(Tried(k, float(found.inertia_), -1.0 if value is None else value))
        if bar is not None:
            bar.advance(1)
    return out


def stability(
    fit: Callable[[np.ndarray, int], np.ndarray],
    labels: np.ndarray,
    seed: int,
    bar: Progress | None = None,
) -> list[float]:
    """Whether the same groups are found again: the adjusted Rand index of `DRAWS` further runs with the result.

    Each run has another seed and another draw of 80 % of the rows, so that methods without a start that is drawn are
    put to the test too; outliers count as a group.

    Args:
        fit: gives labels of rows, by their places, with a seed.
        labels: of all rows.
        bar: counts runs.
    """
    from sklearn.metrics import adjusted_rand_score

    rows = methods.drawn(len(labels), REPEATED_ON, seed)
    values = []
    for i in range(1, DRAWS + 1):
        draw = np.random.default_rng([seed, i])
        some = np.sort(draw.choice(rows, max(int(SHARE * len(rows)), 2), replace=False))
        values.append(float(adjusted_rand_score(labels[some], fit(some, seed + i))))
        if bar is not None:
            bar.advance(1)
    return values


def agreement(labels: np.ndarray, gold: Sequence[str | None]) -> dict[str, Any] | None:
    """How groups agree with labels of the rows, which may have any names.

    Outliers are a group of their own; rows without a label are left out.

    Returns:
        `nmi` (arithmetic mean), `ari`, `v_measure`, `homogeneity`, `completeness`, `purity`, `rows`, the `labels` and
        `clusters` of the `table` of counts, shape (labels, clusters). None where no row has a label.
    """
    from sklearn import metrics

    there = [i for i, name in enumerate(gold) if name is not None]
    if not there:
        return None
    names = sorted({str(gold[i]) for i in there})
    number = {name: i for i, name in enumerate(names)}
    truth = np.asarray([number[str(gold[i])] for i in there])
    found = labels[there]
    groups = np.unique(found)
    groups = np.concatenate([groups[groups >= 0], groups[groups < 0]])
    table = np.zeros((len(names), len(groups)), np.int64)
    place = {int(label): i for i, label in enumerate(groups)}
    np.add.at(table, (truth, np.asarray([place[int(label)] for label in found])), 1)
    homogeneity, completeness, measure = metrics.homogeneity_completeness_v_measure(truth, found)
    return {
        "rows": len(there),
        "without_label": len(gold) - len(there),
        "nmi": float(metrics.normalized_mutual_info_score(truth, found)),
        "ari": float(metrics.adjusted_rand_score(truth, found)),
        "v_measure": float(measure),
        "homogeneity": float(homogeneity),
        "completeness": float(completeness),
        "purity": float(table.max(axis=0).sum() / len(there)),
        "labels": names,
        "clusters": groups.tolist(),
        "table": table.tolist(),
    }
