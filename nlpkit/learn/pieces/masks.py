"""Masks: which tokens a token may see. They hold true where it may; two of them are joined by `&`."""

from __future__ import annotations

import torch
from torch import Tensor


def causal(length: int) -> Tensor:
    """Each token sees itself and what stands before it (Vaswani et al. 2017, section 3.2.3): key ≤ query.

    So a model that is to say the next token can learn from all tokens of a text at once.

    Returns:
        Shape (length, length), by query and key.
    """
    return torch.ones(length, length, dtype=torch.bool).tril()


def padding(tokens: Tensor) -> Tensor:
    """No token sees the padding that makes the texts of a batch equally long.

    Args:
        tokens: 1 where a token stands and 0 where padding does, shape (texts, length), as tokenizers give it.

    Returns:
        Shape (texts, 1, 1, length): the same for each head and query.
    """
    return tokens.bool()[:, None, None, :]
