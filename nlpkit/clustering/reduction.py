"""Vectors in fewer dimensions: for a map, and for densities, which only a few dimensions have."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Literal

import numpy as np

from nlpkit.clustering import neighbours
from nlpkit.clustering.methods import drawn
from nlpkit.errors import UserError

How = Literal["pca", "tsne", "umap"]
PLACED = 5_000  # rows that t-SNE and UMAP place themselves: of more a sample, and the others beside their nearest there
BESIDE = 5  # rows of the sample that another stands between
BEFORE = 50  # dimensions that PCA leaves for t-SNE, as van der Maaten and Hinton (2008) have it
PERPLEXITY = 30.0
NEIGHBOURS = 15


def require(how: str) -> None:
    """Refuse UMAP where it is not installed, before any work.

    Raises:
        UserError: it is not.
    """
    if how == "umap" and find_spec("umap") is None:
        raise UserError("--map umap: umap-learn is not installed", "pip install umap-learn, or use --map tsne.")


def pca(vectors: np.ndarray, dimensions: int, seed: int) -> np.ndarray:
    """The directions of most variance, float32 of shape (rows, dimensions); zeros where there are fewer."""
    from sklearn.decomposition import PCA

    count = min(dimensions, *vectors.shape)
    found = PCA(count, svd_solver="randomized" if min(vectors.shape) > 2 * count else "full", random_state=seed)
    points = found.fit_transform(vectors.astype(np.float32))
    # The sign of a direction is arbitrary: with the largest entry of each positive a map is always the same.
    signs = np.sign(found.components_[np.arange(count), np.abs(found.components_).argmax(axis=1)])
    out = np.zeros((len(vectors), dimensions), np.float32)
    out[:, :count] = points * np.where(signs == 0, 1, signs)
    return out


def placed_once(units: np.ndarray, first: np.ndarray, dimensions: int, how: How, seed: int) -> tuple[np.ndarray, int]:
    """`reduced`, with rows of one text at one point: they are placed once.

    Args:
        units: vectors of length 1, shape (rows, width).
        first: for each row what the rows of its text share, shape (rows,).
        dimensions, how, seed: see `reduced`.

    Returns:
        Points, and how many rows were placed by the method itself, of equal ones the first; all where that is all.
    """
    _, where, whose = np.unique(first, return_index=True, return_inverse=True)
    points, placed = reduced(units[where], dimensions, how, seed)
    return points[whose], len(units) if placed == len(where) else placed


def reduced(units: np.ndarray, dimensions: int, how: How, seed: int) -> tuple[np.ndarray, int]:
    """Points of rows, and how many of them were placed by the method itself.

    t-SNE and UMAP place up to `PLACED` rows; the others stand between the rows of that sample that are nearest to them.

    Args:
        units: vectors of length 1, shape (rows, width).
        dimensions: of the points.
        how: which method.
        seed: of the sample and of the method.

    Returns:
        float32 of shape (rows, dimensions).
    """
    if how == "pca" or len(units) < 4:
        return pca(units, dimensions, seed), len(units)
    sample = drawn(len(units), PLACED, seed)
    some = units[sample]
    points = _tsne(some, dimensions, seed) if how == "tsne" else _umap(some, dimensions, seed)
    if len(sample) == len(units):
        return points, len(units)
    others = np.setdiff1d(np.arange(len(units)), sample)
    near, cosines = neighbours.nearest(units[others], some, BESIDE)
    # Weights fall with the distance: a row stands close to the one that it is most like.
    weights = np.exp((cosines - cosines[:, :1]) / 0.05)
    weights /= weights.sum(axis=1, keepdims=True)
    out = np.empty((len(units), dimensions), np.float32)
    out[sample] = points
    out[others] = np.einsum("rn,rnd->rd", weights, points[near])
    return out, len(sample)


def _tsne(units: np.ndarray, dimensions: int, seed: int) -> np.ndarray:
    from sklearn.manifold import TSNE

    before = pca(units, min(BEFORE, *units.shape), seed)
    start = before[:, :dimensions] / max(float(before[:, 0].std()), 1e-12) * 1e-4
    perplexity = min(PERPLEXITY, max((len(units) - 1) / 3, 1.0))
    method = "barnes_hut" if dimensions < 4 else "exact"
    found = TSNE(dimensions, perplexity=perplexity, init=start, random_state=seed, method=method)
    return np.asarray(found.fit_transform(before), np.float32)


def _umap(units: np.ndarray, dimensions: int, seed: int) -> np.ndarray:
    import umap  # type: ignore[import-not-found, unused-ignore]

    near = min(NEIGHBOURS, len(units) - 1)
    found = umap.UMAP(n_components=dimensions, n_neighbors=near, min_dist=0.0, metric="cosine", random_state=seed)
    return np.asarray(found.fit_transform(units), np.float32)
