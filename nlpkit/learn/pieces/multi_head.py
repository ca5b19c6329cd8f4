"""Multi-head attention: several attentions beside each other, each in a part of the width (Vaswani et al. 2017)."""

from __future__ import annotations

from torch import Tensor, nn

from nlpkit.learn.pieces.attention import scaled_dot_product
from nlpkit.learn.pieces.positions import rotate


def split_heads(states: Tensor, heads: int) -> Tensor:
    """(..., length, width) to (..., heads, length, width / heads): a head is a slice of the width, and no weights."""
    return states.unflatten(-1, (heads, -1)).transpose(-3, -2)


def join_heads(states: Tensor) -> Tensor:
    """(..., heads, length, size) to (..., length, heads × size)."""
    return states.transpose(-3, -2).flatten(-2)


class MultiHeadAttention(nn.Module):
    """Concat(head₁, ..., headₕ) Wᴼ, where headᵢ = Attention(Q Wᵢꟴ, K Wᵢᴷ, V Wᵢⱽ) (section 3.2.2 of the paper).

    Args:
        width: of the states; a multiple of `heads`.
        heads: attentions beside each other, each of width / heads.
        bias: whether something is added to each projection, as in BERT and not in T5 and Llama.
        dropout: share of the weights that are set to 0 in training.
    """

    def __init__(self, width: int, heads: int, *, bias: bool = True, dropout: float = 0.0) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width, bias=bias)
        self.key = nn.Linear(width, width, bias=bias)
        self.value = nn.Linear(width, width, bias=bias)
        self.output = nn.Linear(width, width, bias=bias)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        states: Tensor,
        others: Tensor | None = None,
        *,
        visible: Tensor | None = None,
        bias: Tensor | None = None,
        angles: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Each of the states looks at the others.

        Args:
            states: shape (texts, queries, width).
            others: shape (texts, keys, width), in a decoder those of the encoder; None: the states themselves.
            visible, bias: see `scaled_dot_product`; the weights have the shape (texts, heads, queries, keys).
            angles: of `rotary_angles`, by which queries and keys are turned; None: they are not.

        Returns:
            The new states, shape (texts, queries, width), and the weights.
        """
        others = states if others is None else others
        query = split_heads(self.query(states), self.heads)
        key = split_heads(self.key(others), self.heads)
        value = split_heads(self.value(others), self.heads)
        if angles is not None:
            query, key = rotate(query, angles), rotate(key, angles)
        _, weights = scaled_dot_product(query, key, value, visible=visible, bias=bias)
        return self.output(join_heads(self.dropout(weights) @ value)), weights
