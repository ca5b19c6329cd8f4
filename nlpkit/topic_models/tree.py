"""Which topics are near each other: a tree of their centres, and fewer topics by cutting it."""

from __future__ import annotations

import numpy as np


def linked(centres: np.ndarray) -> np.ndarray:
    """Average linkage of centres by cosine distance, as scipy has it: shape (topics - 1, 4); empty for one topic."""
    from scipy.cluster.hierarchy import linkage
    from scipy.spatial.distance import pdist

    if len(centres) < 2:
        return np.empty((0, 4))
    distances = np.clip(pdist(centres.astype(np.float64), "cosine"), 0, 2)
    return np.asarray(linkage(distances, "average"))


def merged(labels: np.ndarray, centres: np.ndarray, count: int) -> np.ndarray:
    """Labels with so many topics at most: those that join first in the tree are one.

    Args:
        labels: topic of each row from 0, below 0 for none.
        centres: of the topics.
        count: topics that are left.

    Returns:
        Numbers without gaps, in no order.
    """
    from scipy.cluster.hierarchy import fcluster

    if count >= len(centres):
        return labels
    new = fcluster(linked(centres), count, "maxclust") - 1
    return np.where(labels >= 0, new[labels], labels)
