"""The models of the experiments: bytes to scores of the next byte, by the pieces or by a recurrent network of torch."""

from __future__ import annotations

import functools
import itertools

import torch
from torch import Tensor, nn

from nlpkit.learn.experiments.text import BYTES
from nlpkit.learn.experiments.variants import Setting
from nlpkit.learn.pieces.embeddings import Embeddings
from nlpkit.learn.pieces.encoder import Encoder, EncoderLayer
from nlpkit.learn.pieces.feed_forward import gelu, leaky_relu, relu
from nlpkit.learn.pieces.masks import causal
from nlpkit.learn.pieces.norms import BatchNorm, LayerNorm
from nlpkit.learn.pieces.positions import LearnedPositions, RelativeBias, rotary_angles

ACTIVATIONS = {"relu": relu, "gelu": gelu, "leaky_relu": leaky_relu}
NORMS = {"layer": LayerNorm, "batch": BatchNorm}
INNER = 4  # times the width: of the feed-forward network


class TransformerOfBytes(nn.Module):
    """Layers of the pieces under a causal mask, without dropout, between a table of bytes and a linear layer.

    Args:
        setting: its shape.
        trained: bytes of a window in training. Distances beyond are one to a relative bias, that of the furthest.
        longest: of a window at all, for which learned positions have vectors.
    """

    def __init__(self, setting: Setting, trained: int, longest: int) -> None:
        super().__init__()
        positions: dict[str, LearnedPositions | str] = {
            "sinusoidal": "sinusoidal",
            "learned": LearnedPositions(longest, setting.width),
        }
        self.embeddings = Embeddings(BYTES, setting.width, positions.get(setting.positions))
        norm = NORMS[setting.norm]
        layer = functools.partial(
            EncoderLayer,
            setting.width,
            setting.heads,
            INNER * setting.width,
            activation=ACTIVATIONS[setting.activation],
            norm=norm,
            norm_first=setting.norm_first,
        )
        self.layers = Encoder(
            [layer() for _ in range(setting.layers)], norm(setting.width) if setting.norm_first else None
        )
        self.head_size = setting.width // setting.heads if setting.positions == "rotary" else None
        self.relative = (
            RelativeBias(setting.heads, furthest=trained, both_ways=False) if setting.positions == "relative" else None
        )
        self.output = nn.Linear(setting.width, BYTES)

    def forward(self, ids: Tensor) -> Tensor:
        """Bytes of shape (texts, length) to logits of shape (texts, length, 256)."""
        length, device = ids.shape[1], ids.device
        encoded = self.layers(
            self.embeddings(ids),
            visible=causal(length).to(device),
            bias=self.relative(length, length) if self.relative is not None else None,
            angles=rotary_angles(length, self.head_size).to(device) if self.head_size else None,
        )
        return self.output(encoded.last)


class RecurrentOfBytes(nn.Module):
    """An LSTM or GRU of torch between the same table and linear layer as those of the Transformer.

    Args:
        setting: its shape.
        hidden: numbers of its state.
    """

    def __init__(self, setting: Setting, hidden: int) -> None:
        super().__init__()
        kind = {"lstm": nn.LSTM, "gru": nn.GRU}[setting.kind]
        self.table = nn.Embedding(BYTES, setting.width)
        self.layers = kind(setting.width, hidden, setting.layers, batch_first=True)
        self.down = nn.Linear(hidden, setting.width)
        self.output = nn.Linear(setting.width, BYTES)

    def forward(self, ids: Tensor) -> Tensor:
        """Bytes of shape (texts, length) to logits of shape (texts, length, 256)."""
        states, _ = self.layers(self.table(ids))
        return self.output(self.down(states))


def build(setting: Setting, trained: int, longest: int) -> nn.Module:
    """The model of a setting, with weights that torch's generator draws.

    A recurrent one has the largest state with which it has no more parameters than the Transformer of the same setting.
    """
    if setting.kind == "transformer":
        return TransformerOfBytes(setting, trained, longest)
    with torch.device("meta"):
        most = parameters(TransformerOfBytes(setting, trained, longest))
        hidden = next(size for size in itertools.count(1) if parameters(RecurrentOfBytes(setting, size + 1)) > most)
    return RecurrentOfBytes(setting, hidden)


def parameters(model: nn.Module) -> int:
    """How many numbers are learned."""
    return sum(weight.numel() for weight in model.parameters())
