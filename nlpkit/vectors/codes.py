"""Vectors in fewer bits, and what is lost by it.

int8 has one symmetric scale for all dimensions, so that products of codes are, but for a factor, products of vectors:
codes of a range per dimension are not comparable with each other that way, and lost 6 % of nDCG on Cranfield where one
scale lost nothing. Binary keeps the sign of each number, packed into bytes, the first dimension in the highest bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from nlpkit.metrics.similarity import unit
from nlpkit.vectors.made import Dtype

STEPS = 127  # of an int8 code on either side of zero
SAMPLE = 1_000  # rows on which the loss is measured
NEAREST = 10

STORED: dict[str, np.dtype[Any]] = {
    "fp32": np.dtype("<f4"),
    "fp16": np.dtype("<f2"),
    "int8": np.dtype("i1"),
    "binary": np.dtype("u1"),
}


def stored_width(width: int, dtype: Dtype) -> int:
    """Numbers that a vector takes in a file: bytes, of binary."""
    return -(-width // 8) if dtype == "binary" else width


def scale_of(largest: float) -> float:
    """The step of int8 codes for numbers up to this size."""
    return largest / STEPS if largest > 0 else 1 / STEPS


def encode(vectors: np.ndarray, dtype: Dtype, scale: float | None = None) -> np.ndarray:
    """Vectors as they are stored; a row of NaN, which has no code, is zero in int8 and binary.

    Args:
        vectors: float32, shape (rows, width).
        dtype: how they are stored.
        scale: of int8, see `scale_of`.

    Returns:
        Shape (rows, `stored_width`).
    """
    if dtype in ("fp32", "fp16"):
        return vectors.astype(STORED[dtype], copy=False)
    if dtype == "binary":
        return np.packbits(vectors > 0, axis=1)
    if scale is None:
        raise ValueError("int8 needs a scale")
    codes = np.rint(np.nan_to_num(vectors, nan=0.0) / np.float32(scale))
    return np.clip(codes, -STEPS, STEPS).astype(np.int8)


def decode(stored: np.ndarray, dtype: Dtype, width: int, scale: float | None = None) -> np.ndarray:
    """What codes stand for, as float32 of shape (rows, width): of binary 1 and -1."""
    if dtype == "binary":
        return np.unpackbits(stored, axis=1, count=width).astype(np.float32) * 2 - 1
    floats = stored.astype(np.float32)
    return floats * np.float32(scale) if dtype == "int8" else floats


@dataclass(frozen=True)
class Loss:
    """What smaller codes change, against the vectors in float32.

    Attributes:
        correlation: rank correlation of the cosines of all pairs of rows.
        overlap: share of the 10 nearest rows of each that are among its 10 nearest still.
        rows: on which it was measured, all different.
    """

    correlation: float
    overlap: float
    rows: int

    def __str__(self) -> str:
        return (
            f"{self.overlap:.1%} of the {NEAREST} nearest are the same, rank correlation of cosines "
            f"{self.correlation:.4f} (on {self.rows:,} rows that differ)"
        )


def sample(rows: int) -> np.ndarray:
    """Positions of the rows on which the loss is measured: all, or some at equal distances."""
    return np.unique(np.linspace(0, rows - 1, min(rows, SAMPLE)).astype(np.int64)) if rows else np.empty(0, np.int64)


def loss(vectors: np.ndarray, dtype: Dtype, scale: float | None = None) -> Loss | None:
    """What is lost where these vectors are stored so; None of fewer than 12, which have no 10 nearest to choose.

    Equal vectors count once: which of them are the nearest is chance, whatever the codes are.

    Args:
        vectors: float32, shape (rows, width), without rows of NaN.
    """
    from scipy.stats import spearmanr

    vectors = vectors[np.sort(np.unique(vectors, axis=0, return_index=True)[1])]
    rows = len(vectors)
    if rows < NEAREST + 2:
        return None
    there = decode(encode(vectors, dtype, scale), dtype, vectors.shape[1], scale)
    whole, coded = _cosines(vectors), _cosines(there)
    upper = np.triu_indices(rows, 1)
    correlation = float(spearmanr(whole[upper], coded[upper]).statistic)
    for cosines in (whole, coded):
        np.fill_diagonal(cosines, -np.inf)
    near, still = (np.argpartition(-cosines, NEAREST, axis=1)[:, :NEAREST] for cosines in (whole, coded))
    same = sum(len(np.intersect1d(a, b)) for a, b in zip(near, still, strict=True))
    return Loss(correlation, same / (rows * NEAREST), rows)


def _cosines(vectors: np.ndarray) -> np.ndarray:
    scaled = unit(vectors)
    return scaled @ scaled.T
