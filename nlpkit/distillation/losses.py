"""What a student learns from its teacher, each loss apart: pure functions of tensors.

Losses on logits give a value an entry (a row, a token, a position), losses on the inside of the encoder a value a row,
a mean over its valid tokens: padding never counts, and a batch that is worked on in parts has the loss of the whole.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F


def hidden_mse(student: torch.Tensor, teacher: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Mean squared difference of hidden states (TinyBERT, Jiao et al. 2020, equations 8 and 9).

    Args:
        student, teacher: shape (rows, tokens, width); a student of another width has been projected.
        mask: 1 for tokens, 0 for padding; shape (rows, tokens).

    Returns:
        Shape (rows,).
    """
    return _over_tokens((student.float() - teacher.float()).square().mean(-1), mask)


def cosine(student: torch.Tensor, teacher: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """1 - cosine of the hidden states of each token (DistilBERT, Sanh et al. 2019, section 3).

    Args:
        student, teacher, mask: as for `hidden_mse`.

    Returns:
        0 to 2, shape (rows,).
    """
    return _over_tokens(1 - F.cosine_similarity(student.float(), teacher.float(), dim=-1), mask)


def attention_mse(
    student: tuple[torch.Tensor, torch.Tensor],
    teacher: tuple[torch.Tensor, torch.Tensor],
    heads: int,
    mask: torch.Tensor,
) -> torch.Tensor:
    """Mean squared difference of attention scores before their softmax (TinyBERT, equation 7 and the text below it).

    A bias that an architecture adds to the scores for positions (MPNet) is not part of them.

    Args:
        student, teacher: queries and keys of a layer, each of shape (rows, tokens, width); the widths may differ.
        heads: of either.
        mask: shape (rows, tokens).

    Returns:
        A mean over heads and pairs of valid tokens, shape (rows,).
    """
    difference = _products(*student, heads) - _products(*teacher, heads)
    return _over_pairs(difference.square().mean(1), mask)


def self_attention_relations(
    student: torch.Tensor, teacher: torch.Tensor, heads: int, mask: torch.Tensor
) -> torch.Tensor:
    """KL(teacher || student) of how the tokens of a row relate (MiniLMv2, Wang et al. 2021, equations 5 to 7).

    The relation of queries, keys or values is the softmax of their scaled products with themselves; that of values is
    the value relation of MiniLM (Wang et al. 2020, section 3.2). As only products are compared, widths may differ.

    Args:
        student, teacher: queries, or keys, or values of a layer; shape (rows, tokens, width).
        heads: relation heads, into which either width is split; it must divide both.
        mask: shape (rows, tokens).

    Returns:
        In nats, a mean over heads and valid tokens, shape (rows,).
    """
    valid = mask.bool()[:, None, None, :]
    lowest = torch.finfo(torch.float32).min
    ours = _products(student, student, heads).masked_fill(~valid, lowest)
    theirs = _products(teacher, teacher, heads).masked_fill(~valid, lowest)
    wanted = F.log_softmax(theirs, dim=-1)
    divergence = (wanted.exp() * (wanted - F.log_softmax(ours, dim=-1))).sum(-1)
    return _over_tokens(divergence.mean(1), mask)


def _products(first: torch.Tensor, second: torch.Tensor, heads: int) -> torch.Tensor:
    """Scaled dot products within each head, shape (rows, heads, tokens, tokens)."""
    size = first.shape[-1] // heads
    left, right = (part.float().unflatten(-1, (heads, size)).transpose(1, 2) for part in (first, second))
    return left @ right.transpose(-1, -2) / math.sqrt(size)


def _over_tokens(values: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Mean over the valid tokens of each row; values and mask of shape (rows, tokens)."""
    mask = mask.to(values.dtype)
    return (values * mask).sum(-1) / mask.sum(-1)


def _over_pairs(values: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Mean over the pairs of valid tokens of each row; values of shape (rows, tokens, tokens)."""
    mask = mask.to(values.dtype)
    return torch.einsum("rij,ri,rj->r", values, mask, mask) / mask.sum(-1).square()
