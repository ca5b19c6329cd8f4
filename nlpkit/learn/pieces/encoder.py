"""The encoder: layers of attention and feed-forward one above the other (Vaswani et al. 2017, figure 1 on the left)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from torch import Tensor, nn

from nlpkit.learn.pieces.feed_forward import Activation, FeedForward, relu
from nlpkit.learn.pieces.multi_head import MultiHeadAttention
from nlpkit.learn.pieces.norms import LayerNorm

Norm = Callable[[int], nn.Module]


@dataclass(frozen=True)
class Encoded:
    """What a stack has made.

    Attributes:
        states: what came in, then what each layer gave, the last behind the norm at the end, where there is one; shape
            (texts, length, width) each.
        weights: of the attention of each layer, shape (texts, heads, length, length).
    """

    states: list[Tensor]
    weights: list[Tensor]

    @property
    def last(self) -> Tensor:
        """The states above the last layer."""
        return self.states[-1]


class EncoderLayer(nn.Module):
    """x' = Norm(x + Attention(x)), then Norm(x' + FFN(x')): post-norm, as in the paper and BERT.

    Pre-norm is x' = x + Attention(Norm(x)), then x' + FFN(Norm(x')): the sum itself is never normed, so that gradients
    reach the lowest layer unchanged, and deep stacks train without a warm-up (Xiong et al. 2020,
    https://arxiv.org/abs/2002.04745).

    Args:
        width: of the states.
        heads: of the attention.
        inner: neurons of the feed-forward network.
        activation: of the same.
        norm: makes a norm of a width.
        norm_first: pre-norm.
        dropout: share of what is set to 0 in training, of the attention's weights and of what each part adds.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        inner: int,
        *,
        activation: Activation = relu,
        norm: Norm = LayerNorm,
        norm_first: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.attention = MultiHeadAttention(width, heads, dropout=dropout)
        self.feed_forward: nn.Module = FeedForward(width, inner, activation)
        self.attention_norm, self.feed_forward_norm = norm(width), norm(width)
        self.norm_first = norm_first
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        states: Tensor,
        *,
        visible: Tensor | None = None,
        bias: Tensor | None = None,
        angles: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """States of shape (texts, length, width) to the same, and the attention's weights; see `MultiHeadAttention`."""
        if self.norm_first:
            seen, weights = self.attention(self.attention_norm(states), visible=visible, bias=bias, angles=angles)
            states = states + self.dropout(seen)
            return states + self.dropout(self.feed_forward(self.feed_forward_norm(states))), weights
        seen, weights = self.attention(states, visible=visible, bias=bias, angles=angles)
        states = self.attention_norm(states + self.dropout(seen))
        return self.feed_forward_norm(states + self.dropout(self.feed_forward(states))), weights


class Encoder(nn.Module):
    """Layers one above the other.

    Args:
        layers: the lowest first.
        last_norm: behind the last layer; pre-norm needs one, as nothing has normed the sum.
    """

    def __init__(self, layers: Iterable[EncoderLayer], last_norm: nn.Module | None = None) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.last_norm = last_norm

    def forward(
        self,
        states: Tensor,
        *,
        visible: Tensor | None = None,
        bias: Tensor | None = None,
        angles: Tensor | None = None,
    ) -> Encoded:
        """Token vectors of shape (texts, length, width) through all layers; see `MultiHeadAttention`."""
        made, seen = [states], []
        for layer in self.layers:
            states, weights = layer(states, visible=visible, bias=bias, angles=angles)
            made.append(states)
            seen.append(weights)
        if self.last_norm is not None:
            made[-1] = self.last_norm(states)
        return Encoded(made, seen)
