"""The decoder: what is written so far sees itself, then what the encoder read (Vaswani et al. 2017, figure 1)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from torch import Tensor, nn

from nlpkit.learn.pieces.encoder import Norm
from nlpkit.learn.pieces.feed_forward import Activation, FeedForward, relu
from nlpkit.learn.pieces.masks import causal
from nlpkit.learn.pieces.multi_head import MultiHeadAttention
from nlpkit.learn.pieces.norms import LayerNorm


@dataclass(frozen=True)
class Decoded:
    """What a stack has made.

    Attributes:
        states: see `Encoded.states`.
        weights: of the attention of each layer to what is written, shape (texts, heads, written, written).
        cross_weights: of that to what was read, shape (texts, heads, written, read).
    """

    states: list[Tensor]
    weights: list[Tensor]
    cross_weights: list[Tensor]

    @property
    def last(self) -> Tensor:
        """The states above the last layer."""
        return self.states[-1]


class DecoderLayer(nn.Module):
    """Three parts, each added to the states and normed as in `EncoderLayer`: attention to what is written, with a
    causal mask; attention to what was read, whose queries are the decoder's and whose keys and values the encoder's;
    feed-forward.

    Args:
        width, heads, inner, activation, norm, norm_first, dropout: see `EncoderLayer`.
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
        self.cross_attention = MultiHeadAttention(width, heads, dropout=dropout)
        self.feed_forward: nn.Module = FeedForward(width, inner, activation)
        self.attention_norm, self.cross_norm, self.feed_forward_norm = norm(width), norm(width), norm(width)
        self.norm_first = norm_first
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, states: Tensor, read: Tensor, *, visible: Tensor | None = None, visible_read: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """One step up.

        Args:
            states: of what is written, shape (texts, written, width).
            read: states of the encoder, shape (texts, read, width).
            visible: of the first attention beside the causal mask.
            visible_read: which tokens of the encoder are no padding.

        Returns:
            The new states, the weights of the first attention, and those of the second.
        """
        before = causal(states.shape[-2]).to(states.device)
        visible = before if visible is None else before & visible
        inner = self.attention_norm(states) if self.norm_first else states
        seen, weights = self.attention(inner, visible=visible)
        states = states + self.dropout(seen)
        states = states if self.norm_first else self.attention_norm(states)

        inner = self.cross_norm(states) if self.norm_first else states
        seen, cross_weights = self.cross_attention(inner, read, visible=visible_read)
        states = states + self.dropout(seen)
        states = states if self.norm_first else self.cross_norm(states)

        inner = self.feed_forward_norm(states) if self.norm_first else states
        states = states + self.dropout(self.feed_forward(inner))
        return states if self.norm_first else self.feed_forward_norm(states), weights, cross_weights


class Decoder(nn.Module):
    """Layers one above the other.

    Args:
        layers: the lowest first.
        last_norm: behind the last layer; pre-norm needs one.
    """

    def __init__(self, layers: Iterable[DecoderLayer], last_norm: nn.Module | None = None) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.last_norm = last_norm

    def forward(
        self, states: Tensor, read: Tensor, *, visible: Tensor | None = None, visible_read: Tensor | None = None
    ) -> Decoded:
        """Vectors of what is written through all layers; see `DecoderLayer`."""
        made, seen, seen_read = [states], [], []
        for layer in self.layers:
            states, weights, cross_weights = layer(states, read, visible=visible, visible_read=visible_read)
            made.append(states)
            seen.append(weights)
            seen_read.append(cross_weights)
        if self.last_norm is not None:
            made[-1] = self.last_norm(states)
        return Decoded(made, seen, seen_read)
