"""Attention: which tokens the new state of a token is made of (Vaswani et al. 2017, https://arxiv.org/abs/1706.03762)."""

from __future__ import annotations

import torch
from torch import Tensor


def scaled_dot_product(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    *,
    visible: Tensor | None = None,
    bias: Tensor | None = None,
    scale: float | None = None,
) -> tuple[Tensor, Tensor]:
    """softmax(Q Kᵀ / √d + B) V, the first formula of the paper; B is where positions come in, if they come in here.

    Args:
        query: what each token looks for, shape (..., queries, d).
        key: what each token offers, shape (..., keys, d).
        value: what is taken from it, shape (..., keys, width).
        visible: which keys a query may see, true or false, broadcast to (..., queries, keys); None: all.
        bias: added to the scores, broadcast to (..., queries, keys); None: nothing.
        scale: what the scores are multiplied by; None: 1 / √d, without which the softmax of a long vector is nearly 0
            or 1, and its gradient nearly nothing.

    Returns:
        The mean of the values with the weights, shape (..., queries, width), and the weights, shape
        (..., queries, keys), each row a sum of 1. Of a query that sees nothing all weights are equal.
    """
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    scores = query @ key.transpose(-2, -1) * scale
    if bias is not None:
        scores = scores + bias
    if visible is not None:
        scores = scores.masked_fill(~visible, torch.finfo(scores.dtype).min)
    weights = scores.softmax(dim=-1)
    return weights @ value, weights
