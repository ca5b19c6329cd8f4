"""What a student learns of an embedder: the vector of each text, by itself.

The loss is half the squared distance of two vectors; of vectors of length 1 that is 1 - cosine, or a mean squared error
times a constant. Labels are of pairs, and are no part of it: with a text in hand a teacher says more than a score.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

OFF = 0.1  # how far the target of `off_by_a_little` is from a vector, as a share of its length


def principal(vectors: np.ndarray, width: int) -> np.ndarray:
    """What makes vectors narrower so that their products change least, shape (their width, `width`).

    These are the principal axes of the vectors as they are: none of them is moved to their mean, as cosines are taken
    from the origin. Vectors that are to be wider are filled up with zeros, which changes no product.

    Args:
        vectors: shape (rows, width of the teacher).
        width: of the student.
    """
    own = vectors.shape[1]
    if width >= own:
        return np.eye(own, width, dtype=np.float32)
    vectors = vectors.astype(np.float64)
    _, axes = np.linalg.eigh(vectors.T @ vectors)  # in ascending order
    return np.ascontiguousarray(axes[:, ::-1][:, :width], np.float32)


def fit(vectors: np.ndarray, axes: np.ndarray) -> str:
    """What is left of vectors that are learnt on `axes`, in words.

    Args:
        vectors: shape (rows, width of the teacher).
        axes: of `principal`, shape (width of the teacher, width of the student).
    """
    own, width = axes.shape
    if own < width:
        how = "zeros fill them up, which changes no product of two"
    else:
        left = np.square(vectors @ axes).sum() / max(np.square(vectors).sum(), np.finfo(np.float32).tiny)
        how = f"they are learnt on their {width} principal axes, which hold {left:.1%} of their squared lengths"
    return f"the vectors have {own} numbers, and those of the model {width}: {how}"


def narrowed(vectors: torch.Tensor, axes: np.ndarray, *, normalize: bool) -> torch.Tensor:
    """Vectors on the axes of `principal`, of length 1 where they are to be."""
    import torch

    made = vectors @ torch.from_numpy(axes).to(vectors)
    return torch.nn.functional.normalize(made, dim=-1) if normalize else made


def distance(student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    """Half the squared distance of each vector from that which is to be learnt, shape (rows,)."""
    return (student.float() - teacher.float()).square().sum(-1) / 2


def off_by_a_little(vectors: torch.Tensor, seed: int) -> torch.Tensor:
    """Vectors with a little added in a random direction.

    What a part of a model is worth is measured by the distance from the vectors that the whole gives: at these it has
    no slope, from which gradients could tell what depends on the part; beside them it has.
    """
    import torch

    noise = torch.randn(vectors.shape, generator=torch.Generator().manual_seed(seed)).to(vectors)
    return vectors + OFF * vectors.norm(dim=-1, keepdim=True) * torch.nn.functional.normalize(noise, dim=-1)
