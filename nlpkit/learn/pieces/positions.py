"""Positions: attention is the same for any order of the tokens, so the order is told in one of these ways."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


def sinusoidal(length: int, width: int) -> Tensor:
    """PE(p, 2i) = sin(p / 10000^(2i / width)), PE(p, 2i + 1) = cos(the same) (Vaswani et al. 2017, section 3.5).

    Waves from 2π to 10000 · 2π tokens long, added to the token vectors. Nothing is learned, and there is a row for any
    position; the row of p + k is that of p turned by an angle that hangs on k alone.

    Args:
        length: positions.
        width: of the token vectors; even.

    Returns:
        Shape (length, width).
    """
    angles = rotary_angles(length, width)
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(-2)


class LearnedPositions(nn.Module):
    """A vector for each position, learned like those of the tokens (Gehring et al. 2017, https://arxiv.org/abs/1705.03122;
    BERT, GPT-2). There is none beyond the longest text of the training.

    Args:
        most: positions there are.
        width: of the token vectors.
    """

    def __init__(self, most: int, width: int) -> None:
        super().__init__()
        self.table = nn.Embedding(most, width)

    def forward(self, length: int) -> Tensor:
        """Shape (length, width), to be added to the token vectors."""
        return self.table.weight[:length]


def rotary_angles(length: int, size: int, base: float = 10_000.0) -> Tensor:
    """p · base^(-2i / size): how far the i-th pair of numbers is turned at position p (Su et al. 2021, RoFormer,
    https://arxiv.org/abs/2104.09864).

    Args:
        length: positions.
        size: of a head; even.
        base: 10,000 in the paper and in Llama 2; larger where texts are long (Llama 3: 500,000).

    Returns:
        Radians, shape (length, size / 2).
    """
    frequency = base ** (-torch.arange(0, size, 2, dtype=torch.float64) / size)
    return (torch.arange(length, dtype=torch.float64)[:, None] * frequency).to(torch.get_default_dtype())


def rotate(states: Tensor, angles: Tensor) -> Tensor:
    """Each pair (a, b) becomes (a cos φ - b sin φ, b cos φ + a sin φ): queries and keys are turned, never values.

    Turned by p and by q, their dot product hangs on p - q alone: the position comes in as a distance, in each layer.
    The pairs are i and i + size / 2, as in Llama; in the paper 2i and 2i + 1, another order of the same weights.

    Args:
        states: queries or keys, shape (..., length, size).
        angles: shape (length, size / 2).
    """
    first, second = states.chunk(2, dim=-1)
    cos, sin = angles.cos(), angles.sin()
    return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1)


def distances(queries: int, keys: int) -> Tensor:
    """Position of the key minus that of the query, shape (queries, keys)."""
    return torch.arange(keys)[None, :] - torch.arange(queries)[:, None]


def t5_buckets(distance: Tensor, buckets: int = 32, furthest: int = 128, *, both_ways: bool = True) -> Tensor:
    """A number for each distance, near ones each their own, far ones in steps that grow (Raffel et al. 2020, T5,
    https://arxiv.org/abs/1910.10683, section 2.1).

    Half of the numbers are for distances that are told exactly; the others divide the logarithm up to `furthest`, and
    the last is of all that is further.

    Args:
        distance: of `distances`.
        buckets: numbers there are; T5 has 32.
        furthest: distance from which on all have the last number; T5 has 128.
        both_ways: half of the numbers are for keys behind the query, as in an encoder; else these count as distance 0.
    """
    offset = torch.zeros_like(distance)
    if both_ways:
        buckets //= 2
        offset = (distance > 0) * buckets
        distance = distance.abs()
    else:
        distance = (-distance).clamp(min=0)
    exact = buckets // 2
    share = (distance.clamp(min=1).float() / exact).log() / math.log(furthest / exact)
    far = (exact + (share * (buckets - exact)).long()).clamp(max=buckets - 1)
    return offset + torch.where(distance < exact, distance, far)


class RelativeBias(nn.Module):
    """A number for each head and bucket of distances, added to the scores (T5); all layers of a stack share it.

    Args:
        heads: of the attention.
        buckets, furthest, both_ways: see `t5_buckets`.
    """

    def __init__(self, heads: int, buckets: int = 32, furthest: int = 128, *, both_ways: bool = True) -> None:
        super().__init__()
        self.table = nn.Embedding(buckets, heads)
        self.buckets, self.furthest, self.both_ways = buckets, furthest, both_ways

    def forward(self, queries: int, keys: int) -> Tensor:
        """Shape (heads, queries, keys)."""
        buckets = t5_buckets(distances(queries, keys), self.buckets, self.furthest, both_ways=self.both_ways)
        return self.table(buckets.to(self.table.weight.device)).permute(2, 0, 1)


class RelativeKeys(nn.Module):
    """qᵢ · a(j - i) / √d, added to the scores: a learned vector for each distance (Shaw et al. 2018,
    https://arxiv.org/abs/1803.02155, formula 5); distances beyond the ends count as the ends.

    Args:
        size: of a head.
        before, after: the furthest distances to keys before and behind the query.
    """

    def __init__(self, size: int, before: int = 16, after: int = 16) -> None:
        super().__init__()
        self.before, self.after = before, after
        self.table = nn.Embedding(before + after + 1, size)

    def forward(self, query: Tensor, keys: int) -> Tensor:
        """The bias of queries of shape (..., queries, size), shape (..., queries, keys)."""
        near = distances(query.shape[-2], keys).clamp(-self.before, self.after) + self.before
        vectors = self.table(near.to(self.table.weight.device))
        return torch.einsum("...qd,qkd->...qk", query, vectors) * query.shape[-1] ** -0.5
