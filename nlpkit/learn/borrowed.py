"""Whole stacks of the pieces with the weights of a model: they are the model's own, and nothing is copied."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from transformers import PreTrainedConfig

from nlpkit.errors import UserError
from nlpkit.learn.pieces.decoder import Decoder, DecoderLayer
from nlpkit.learn.pieces.embeddings import Embeddings
from nlpkit.learn.pieces.encoder import Encoder, EncoderLayer
from nlpkit.learn.pieces.feed_forward import Activation, FeedForward, gelu, gelu_tanh, relu, silu
from nlpkit.learn.pieces.multi_head import MultiHeadAttention
from nlpkit.learn.pieces.norms import LayerNorm
from nlpkit.learn.pieces.positions import LearnedPositions
from nlpkit.models import fitting
from nlpkit.models.anatomy import Layer, anatomy

ACTIVATIONS: dict[str, Activation] = {
    "relu": relu,
    "gelu": gelu,
    "gelu_new": gelu_tanh,
    "gelu_pytorch_tanh": gelu_tanh,
    "silu": silu,
    "swish": silu,
}


class Norms(NamedTuple):
    """Paths of the norms of a layer, from the layer."""

    attention: str
    feed_forward: str


_BERT = Norms("attention.output.LayerNorm", "output.LayerNorm")
ENCODERS: dict[str, Norms] = {
    **dict.fromkeys(("bert", "roberta", "xlm-roberta", "camembert", "electra"), _BERT),
    "distilbert": Norms("sa_layer_norm", "output_layer_norm"),
}
"""Encoders whose layers are post-norm, with absolute positions, by model type."""

DECODERS: dict[str, bool] = {"bart": False, "marian": False, "mbart": True, "pegasus": True, "m2m_100": True}
"""Whether the layers of a decoder are pre-norm, by model type."""


class BertEmbeddings(nn.Module):
    """LayerNorm(E[token] + P[position] + T[0]): what BERT and its kin begin with; ELECTRA widens it.

    Args:
        model: of `ENCODERS`.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        theirs = model.embeddings
        with torch.device("meta"):
            positions = LearnedPositions(1, 1)
            self.vectors = Embeddings(1, 1, positions)
            self.norm = LayerNorm(1)
        # RoBERTa counts positions from behind the padding id on
        rows = theirs.position_embeddings.weight[fitting.first_position(model) :]
        positions.table = nn.Embedding.from_pretrained(rows)
        self.vectors.table = theirs.word_embeddings
        types = getattr(theirs, "token_type_embeddings", None)  # DistilBERT has none
        self.first_type = 0 if types is None else types.weight[0]
        self.project = getattr(model, "embeddings_project", nn.Identity())
        _take_norm(self.norm, theirs.LayerNorm)

    def forward(self, ids: Tensor) -> Tensor:
        """Ids of shape (texts, length), padded on the right, to vectors of shape (texts, length, width)."""
        vectors: Tensor = self.project(self.norm(self.vectors(ids) + self.first_type))
        return vectors


def encoder_of(model: Any, name: str) -> tuple[BertEmbeddings, Encoder]:
    """The embeddings and the layers of an encoder, in pieces.

    Args:
        model: of transformers, without a head.
        name: for the message.

    Raises:
        UserError: its architecture is none of `ENCODERS`.
    """
    norms = ENCODERS[_known(model, ENCODERS, "encoder", name)]
    parts = anatomy(model)
    layers = [_encoder_layer(model, layer, parts.heads_of(layer), norms) for layer in parts.layers]
    return BertEmbeddings(model).eval(), Encoder(layers).eval()


def decoder_of(model: Any, name: str) -> Decoder:
    """The layers of the decoder of a model that reads and writes, in pieces.

    Args:
        model: of transformers, whole.
        name: for the message.

    Raises:
        UserError: its architecture is none of `DECODERS`.
    """
    norm_first = DECODERS[_known(model, DECODERS, "decoder", name)]
    theirs = model.get_decoder()
    layers = [_decoder_layer(model.config, layer, norm_first) for layer in theirs.layers]
    last = None
    if norm_first:
        with torch.device("meta"):
            last = LayerNorm(1)
        _take_norm(last, theirs.layer_norm)
    return Decoder(layers, last).eval()


def _known(model: Any, kinds: Mapping[str, Any], part: str, name: str) -> str:
    kind = str(model.config.model_type)
    if kind not in kinds:
        raise UserError(
            f"{name}: the {part} of the architecture {kind} is not put together from the pieces here",
            f"Those of {', '.join(kinds)} are; the topic attention reads more.",
        )
    return kind


def _encoder_layer(model: Any, theirs: Layer, heads: int, norms: Norms) -> EncoderLayer:
    config = model.config
    name = getattr(config, "hidden_act", None) or config.activation
    with torch.device("meta"):
        ours = EncoderLayer(heads, heads, 1)
    _take_attention(ours.attention, (theirs.query, theirs.key, theirs.value, theirs.attention_output))
    ours.feed_forward = _feed_forward(theirs.up, theirs.down, name)
    _take_norm(ours.attention_norm, theirs.module.get_submodule(norms.attention))
    _take_norm(ours.feed_forward_norm, theirs.module.get_submodule(norms.feed_forward))
    return ours


def _decoder_layer(config: PreTrainedConfig, theirs: Any, norm_first: bool) -> DecoderLayer:
    heads = config.decoder_attention_heads
    with torch.device("meta"):
        ours = DecoderLayer(heads, heads, 1, norm_first=norm_first)
    for mine, one in ((ours.attention, theirs.self_attn), (ours.cross_attention, theirs.encoder_attn)):
        _take_attention(mine, (one.q_proj, one.k_proj, one.v_proj, one.out_proj))
    ours.feed_forward = _feed_forward(theirs.fc1, theirs.fc2, config.activation_function)
    _take_norm(ours.attention_norm, theirs.self_attn_layer_norm)
    _take_norm(ours.cross_norm, theirs.encoder_attn_layer_norm)
    _take_norm(ours.feed_forward_norm, theirs.final_layer_norm)
    return ours


def _take_attention(ours: MultiHeadAttention, theirs: tuple[Any, Any, Any, Any]) -> None:
    ours.query, ours.key, ours.value, ours.output = theirs


def _feed_forward(up: Any, down: Any, activation: str) -> FeedForward:
    """The piece around two matrices of a model.

    Raises:
        UserError: there is no piece for the activation.
    """
    if activation not in ACTIVATIONS:
        raise UserError(f"there is no piece for the activation {activation}", f"There are {', '.join(ACTIVATIONS)}.")
    with torch.device("meta"):
        ours = FeedForward(1, 1, ACTIVATIONS[activation])
    ours.up, ours.down = up, down
    return ours


def _take_norm(ours: Any, theirs: Any) -> None:
    ours.weight, ours.bias, ours.epsilon = theirs.weight, theirs.bias, theirs.eps
