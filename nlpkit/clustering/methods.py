"""Ways to find groups in vectors of length 1: each takes them and gives a label for each row, -1 for outliers."""

from __future__ import annotations

import heapq
from typing import Literal, get_args

import numpy as np

from nlpkit.clustering import neighbours

Method = Literal["kmeans", "hdbscan", "agglomerative", "community"]
METHODS: tuple[Method, ...] = get_args(Method)
SEEDED = ("kmeans", "agglomerative")  # whose groups hang on the draw of a start, or of a sample
OF_K = ("kmeans", "agglomerative")  # that are told how many groups there are
MANY = 20_000  # rows from which k-means begins once instead of four times
WHOLE = 5_000  # rows up to which all pairs are in memory: of more a sample is grouped, and the others join its groups


def kmeans(units: np.ndarray, k: int, seed: int) -> np.ndarray:
    """k-means with the starts of k-means++ (Arthur and Vassilvitskii 2007), the best of four; of one from `MANY` rows.

    Args:
        units: shape (rows, width).
        k: how many groups, at most as many as rows that differ.
        seed: of the starts.
    """
    from sklearn.cluster import KMeans

    found = KMeans(k, n_init=4 if len(units) < MANY else 1, random_state=seed).fit(units)
    return by_size(found.labels_)


def agglomerative(units: np.ndarray, k: int, seed: int) -> np.ndarray:
    """The tree of Ward (1963), cut into k groups.

    Of more than `WHOLE` rows a sample is grouped, and each other row joins the group with the nearest centre.
    """
    from sklearn.cluster import AgglomerativeClustering

    sample = drawn(len(units), WHOLE, seed)
    labels = AgglomerativeClustering(k, linkage="ward").fit_predict(units[sample])
    if len(sample) == len(units):
        return by_size(labels)
    centres = neighbours.centres_of(units[sample], labels, k)
    every = neighbours.nearest(units, centres, 1)[0][:, 0]
    every[sample] = labels
    return by_size(every)


def hdbscan(points: np.ndarray, min_size: int, *, fine: bool = False) -> np.ndarray:
    """Dense places, however many there are (Campello, Moulavi and Sander 2013); rows between them are outliers.

    Args:
        points: shape (rows, dimensions): in more than a few dimensions nothing is dense, so these are few.
        min_size: rows of the smallest group.
        fine: whether the densest places are taken (the leaves of the tree of densities), and not the most lasting ones,
            of which one may hold most rows.
    """
    from sklearn.cluster import HDBSCAN

    samples = min(min_size, max(len(points) - 1, 1))
    selection = "leaf" if fine else "eom"
    model = HDBSCAN(
        min_cluster_size=max(min_size, 2),
        min_samples=min(samples, 10),
        cluster_selection_method=selection,
        copy=True,
    )
    found = model.fit(points).labels_
    # Of rows at one point the tree of densities makes several groups where they are many: they follow the first.
    _, where, whose = np.unique(points, axis=0, return_index=True, return_inverse=True)
    return by_size(found[where][whose])


def community(units: np.ndarray, threshold: float, min_size: int) -> np.ndarray:
    """Texts around a text that all are like it: the largest such set first, and of what is left the next.

    Every member has a cosine of `threshold` or more with the one in the middle.

    Args:
        units: shape (rows, width).
        min_size: rows of the smallest group.
    """
    first, second, _ = neighbours.pairs_above(units, threshold)
    rows = len(units)
    own = np.arange(rows, dtype=np.int32)
    sources = np.concatenate([first, second, own])
    targets = np.concatenate([second, first, own])
    order = np.lexsort((targets, sources))
    targets = targets[order]
    bounds = np.searchsorted(sources[order], np.arange(rows + 1))
    labels = np.full(rows, -1, np.int64)
    sizes = np.diff(bounds)
    queue = [(-int(size), row) for row, size in enumerate(sizes.tolist()) if size >= min_size]
    heapq.heapify(queue)
    groups = 0
    while queue:
        size, row = heapq.heappop(queue)
        members = targets[bounds[row] : bounds[row + 1]]
        members = members[labels[members] < 0]
        if labels[row] >= 0 or len(members) < min_size:
            continue
        if len(members) < -size:  # others have taken some: it is met again where it belongs now
            heapq.heappush(queue, (-len(members), row))
            continue
        labels[members] = groups
        groups += 1
    return by_size(labels)


def by_size(labels: np.ndarray) -> np.ndarray:
    """The same groups with numbers by size, the largest 0; of equally large ones by their first row. int64."""
    names, firsts, counts = np.unique(labels, return_index=True, return_counts=True)
    real = names >= 0
    names, firsts, counts = names[real], firsts[real], counts[real]
    order = np.lexsort((firsts, -counts))
    number = {int(names[old]): new for new, old in enumerate(order.tolist())}
    return np.asarray([number.get(int(label), -1) for label in labels], np.int64)


def drawn(rows: int, most: int, seed: int) -> np.ndarray:
    """Places of at most so many rows, in order; all where there are no more."""
    if rows <= most:
        return np.arange(rows)
    return np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))
