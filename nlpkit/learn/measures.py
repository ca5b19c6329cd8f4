"""Figures of attention weights."""

from __future__ import annotations

import torch
from torch import Tensor


def entropy(weights: Tensor) -> Tensor:
    """How many tokens a query looks at, in bits: 0 where it looks at one, log₂ n where it looks at n alike.

    Args:
        weights: shape (..., keys), each row a sum of 1.

    Returns:
        Shape (...).
    """
    return torch.special.entr(weights).sum(dim=-1) / torch.tensor(2.0, dtype=weights.dtype).log()


def by_head(values: Tensor, there: Tensor) -> Tensor:
    """The mean over the queries of all texts that are no padding.

    Args:
        values: shape (texts, heads, queries).
        there: shape (texts, queries).

    Returns:
        Shape (heads,).
    """
    return values.transpose(0, 1)[:, there].mean(dim=-1)
