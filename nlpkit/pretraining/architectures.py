"""Encoders from scratch: an architecture, a size, a tokenizer -> a transformers config."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from nlpkit.errors import UserError
from nlpkit.options import Config, NotWith, option

if TYPE_CHECKING:
    from transformers import ElectraConfig, PreTrainedConfig

Architecture = Literal["bert", "roberta", "distilbert", "albert", "electra", "modernbert"]
Size = Literal["tiny", "mini", "small", "medium", "base"]

HEAD_SIZE = 64  # of every BERT (Devlin et al. 2019; Turc et al. 2019)


class Shape(NamedTuple):
    """Layers and hidden width."""

    layers: int
    hidden: int


# The grid of "Well-Read Students Learn Better" (Turc et al. 2019), and BERT base.
SIZES: dict[str, Shape] = {
    "tiny": Shape(2, 128),
    "mini": Shape(4, 256),
    "small": Shape(4, 512),
    "medium": Shape(8, 512),
    "base": Shape(12, 768),
}


FROM_SCRATCH = NotWith(("model",), why=": the shape of --model {model} is fixed")


class ArchitectureOptions(Config):
    """A new, untrained encoder."""

    arch: Architecture = option(
        "bert",
        "Architecture from scratch.",
        panel="Model",
        only_with=FROM_SCRATCH,
    )
    size: Size = option(
        "mini",
        "Layers/width: tiny 2/128, mini 4/256, small 4/512, medium 8/512, base 12/768.",
        panel="Model",
        only_with=FROM_SCRATCH,
    )
    layers: int | None = option(
        None, "Transformer layers.", panel="Model", only_with=FROM_SCRATCH, ge=1, shown_default="by --size"
    )
    hidden_size: int | None = option(
        None,
        "Width of the hidden states.",
        panel="Model",
        ge=8,
        shown_default="by --size",
        only_with=FROM_SCRATCH,
    )
    heads: int | None = option(
        None, "Attention heads.", panel="Model", only_with=FROM_SCRATCH, ge=1, shown_default="width / 64"
    )
    intermediate_size: int | None = option(
        None,
        "Width of the feed-forward layer.",
        panel="Model",
        only_with=FROM_SCRATCH,
        ge=8,
        shown_default="4 x width; ModernBERT 1.5 x",
    )
    embedding_size: int | None = option(
        None,
        "Width of the token embeddings (ALBERT, ELECTRA).",
        panel="Model",
        only_with=FROM_SCRATCH,
        ge=8,
        shown_default="128; ELECTRA base: the width",
    )
    max_positions: int | None = option(
        None,
        "Longest input of a model from scratch, in tokens.",
        panel="Model",
        only_with=FROM_SCRATCH,
        ge=8,
        shown_default="--max-length",
    )


def new_config(options: ArchitectureOptions, tokenizer: Any, max_length: int) -> PreTrainedConfig:
    """The config of an untrained encoder.

    Args:
        options: architecture and dimensions.
        tokenizer: gives vocabulary size and special ids.
        max_length: tokens of a training input; the model takes no longer ones unless `max_positions` says so, as
            positions that never occur stay random.

    Raises:
        UserError: the heads do not divide the width, or fewer positions than `max_length`.
    """
    from transformers import CONFIG_MAPPING

    shape = SIZES[options.size]
    layers, hidden = options.layers or shape.layers, options.hidden_size or shape.hidden
    heads = options.heads or max(hidden // HEAD_SIZE, 1)
    if hidden % heads:
        raise UserError(
            f"--hidden-size {hidden} is not a multiple of --heads {heads}", "Give heads that divide the width."
        )
    positions = options.max_positions or max_length
    if positions < max_length:
        raise UserError(f"--max-positions {positions} is below --max-length {max_length}")
    if options.embedding_size and options.arch not in ("albert", "electra"):
        raise UserError(f"--embedding-size: in {options.arch} the embeddings are as wide as the layers")
    names: Mapping[str, Any] = {
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "intermediate_size": options.intermediate_size or 4 * hidden,
        "max_position_embeddings": positions,
    }
    if options.arch == "roberta":  # positions are counted from behind the padding id
        names = {**names, "max_position_embeddings": positions + tokenizer.pad_token_id + 1, "type_vocab_size": 1}
    elif options.arch == "distilbert":
        names = {
            "dim": hidden,
            "n_layers": layers,
            "n_heads": heads,
            "hidden_dim": names["intermediate_size"],
            "max_position_embeddings": positions,
        }
    elif options.arch in ("albert", "electra"):  # the papers' choice (Lan et al. 2020; Clark et al. 2020)
        narrow = options.arch == "albert" or hidden < SIZES["base"].hidden
        names = {**names, "embedding_size": options.embedding_size or (min(128, hidden) if narrow else hidden)}
    elif options.arch == "modernbert":  # gated feed-forward: 1152 for a width of 768 (Warner et al. 2024)
        names = {**names, "intermediate_size": options.intermediate_size or hidden * 3 // 2}
    special = {
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
    }
    if options.arch == "modernbert":
        special |= {"cls_token_id": tokenizer.cls_token_id, "sep_token_id": tokenizer.sep_token_id}
    settings: dict[str, Any] = {"vocab_size": len(tokenizer), **names, **special}
    return CONFIG_MAPPING[options.arch](**settings)


def generator_config(discriminator: ElectraConfig, share: float) -> ElectraConfig:
    """The config of ELECTRA's generator: as deep as the discriminator, narrower (Clark et al. 2020, section 3.2).

    Args:
        discriminator: its config.
        share: of the discriminator's width, heads and feed-forward width.
    """
    config = copy.deepcopy(discriminator)
    config.num_attention_heads = max(round(discriminator.num_attention_heads * share), 1)
    width = round(discriminator.hidden_size * share)
    config.hidden_size = max(width // config.num_attention_heads, 1) * config.num_attention_heads
    config.intermediate_size = max(round(discriminator.intermediate_size * share), 1)
    return config


def encoders(model: Any) -> list[Any]:
    """The networks without heads that a model is made of: one, of ELECTRA in training two."""
    from transformers import PreTrainedModel

    if isinstance(model, PreTrainedModel) and model.base_model is model:
        return [model]
    return [encoder for part in model.children() for encoder in encoders(part)]


class TrainingFlops:
    """Floating-point operations of forward and backward.

    6 per weight and token (Kaplan et al. 2020), 12 x width per layer and pair of tokens for attention (Narayanan et al.
    2021), and the output layer only at the predicted positions. Attention counts where it has to be: within documents
    that are kept apart, and within the window of a local layer.

    Args:
        model: a PreTrainedModel with a language-modelling head.
    """

    def __init__(self, model: Any) -> None:
        from torch import nn

        tables = {id(module.weight) for module in model.modules() if isinstance(module, nn.Embedding)}
        matrices = {name: p.numel() for name, p in model.named_parameters() if id(p) not in tables and p.dim() > 1}
        output = model.get_output_embeddings()
        self.head = 0 if output is None else output.weight.numel()
        if output is not None and output.weight is not model.get_input_embeddings().weight:
            matrices = {name: n for name, n in matrices.items() if model.get_parameter(name) is not output.weight}
        # ALBERT's one layer is run through several times
        repeated = model.config.num_hidden_layers if model.config.model_type == "albert" else 1
        self.encoder = sum(n * (repeated if "layer_groups" in name else 1) for name, n in matrices.items())
        self.attention: Counter[str] = Counter()  # of a pair of tokens, by kind of layer
        for encoder in encoders(model):
            config = encoder.config
            for kind in getattr(config, "layer_types", None) or ["full_attention"] * config.num_hidden_layers:
                self.attention[kind] += 12 * config.hidden_size

    def __call__(self, tokens: int, length: int, predicted: int, attended: Mapping[str, int] | None = None) -> float:
        """Of a batch.

        Args:
            tokens: all positions of the batch.
            length: tokens of a row.
            predicted: positions that go through the vocabulary head.
            attended: pairs of tokens that attend to each other, by kind of layer; None where all of a row do.
        """
        pairs = sum(each * (attended[kind] if attended else tokens * length) for kind, each in self.attention.items())
        return float(6 * self.encoder * tokens + pairs + 6 * self.head * predicted)
