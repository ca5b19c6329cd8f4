"""Models that write, from scratch: an architecture, a size, a tokenizer -> a transformers config."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from nlpkit.errors import UserError
from nlpkit.options import Config, option, option_like
from nlpkit.pretraining.architectures import FROM_SCRATCH, HEAD_SIZE, ArchitectureOptions

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

Decoder = Literal["gpt2", "llama", "qwen3", "nanochat"]
DecoderSize = Literal["nano", "tiny", "mini", "small", "base"]

RATE, RATE_WIDTH, MOST = 6e-4, 768, 3e-3  # of GPT-3's smallest (Brown et al. 2020); narrower ones take more
GATED_STEP = 32  # widths of gated feed-forward layers are a multiple of it


class DecoderShape(NamedTuple):
    """Layers, hidden width and attention heads."""

    layers: int
    hidden: int
    heads: int


# nano and mini are nanoGPT's for one laptop and for one GPU (its README, Shakespeare by characters), base is GPT-2
# (Radford et al. 2019); those between are steps.
SIZES: dict[str, DecoderShape] = {
    "nano": DecoderShape(4, 128, 4),
    "tiny": DecoderShape(4, 256, 4),
    "mini": DecoderShape(6, 384, 6),
    "small": DecoderShape(8, 512, 8),
    "base": DecoderShape(12, 768, 12),
}


class DecoderOptions(Config):
    """A new, untrained model that writes."""

    arch: Decoder = option(
        "gpt2",
        "Architecture from scratch.",
        panel="Model",
        only_with=FROM_SCRATCH,
    )
    size: DecoderSize = option(
        "tiny",
        "Layers/width: 4/128 to 12/768.",
        panel="Model",
        only_with=FROM_SCRATCH,
    )
    layers: int | None = option_like(ArchitectureOptions, "layers")
    hidden_size: int | None = option_like(ArchitectureOptions, "hidden_size")
    heads: int | None = option_like(ArchitectureOptions, "heads", shown_default="by --size; width / 64")
    intermediate_size: int | None = option_like(
        ArchitectureOptions, "intermediate_size", shown_default="4 x width; llama and qwen3 8/3 x width"
    )
    max_positions: int | None = option_like(ArchitectureOptions, "max_positions")


def learning_rate(options: DecoderOptions) -> float:
    """The peak learning rate of a model from scratch: 6e-4 for a width of 768 (Brown et al. 2020), in inverse
    proportion to the width (Yang et al. 2022), at most 3e-3."""
    return min(RATE * RATE_WIDTH / (options.hidden_size or SIZES[options.size].hidden), MOST)


def new_config(options: DecoderOptions, tokenizer: Any, max_length: int) -> PreTrainedConfig:
    """The config of an untrained model that writes.

    Dropout is 0, as what is trained from scratch sees most texts a few times at most (nanoGPT); --dropout sets it.

    Args:
        options: architecture and dimensions.
        tokenizer: gives vocabulary size and special ids.
        max_length: tokens of a training input; the model takes no longer ones unless `max_positions` says so.

    Raises:
        UserError: the heads do not divide the width, or fewer positions than `max_length`.
    """
    from transformers import CONFIG_MAPPING

    shape = SIZES[options.size]
    layers, hidden = options.layers or shape.layers, options.hidden_size or shape.hidden
    heads = options.heads or (shape.heads if hidden == shape.hidden else max(hidden // HEAD_SIZE, 1))
    if hidden % heads:
        raise UserError(
            f"--hidden-size {hidden} is not a multiple of --heads {heads}", "Give heads that divide the width."
        )
    if options.arch != "gpt2" and hidden // heads % 2:
        raise UserError(
            f"--heads {heads}: heads of {hidden // heads} numbers cannot be rotated ({options.arch})",
            "Give a width that is an even multiple of the heads.",
        )
    positions = options.max_positions or max_length
    if positions < max_length:
        raise UserError(f"--max-positions {positions} is below --max-length {max_length}")
    special = {
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
    }
    settings: dict[str, Any] = {"vocab_size": len(tokenizer), **special}
    if options.arch == "gpt2":
        settings |= {"n_embd": hidden, "n_layer": layers, "n_head": heads, "n_positions": positions}
        settings |= {"n_inner": options.intermediate_size}
        settings |= dict.fromkeys(("resid_pdrop", "embd_pdrop", "attn_pdrop"), 0.0)
        return CONFIG_MAPPING["gpt2"](**settings)
    gated = options.arch in ("llama", "qwen3")
    usual = -(-(8 * hidden // 3) // GATED_STEP) * GATED_STEP if gated else 4 * hidden
    settings |= {
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": heads,
        "intermediate_size": options.intermediate_size or usual,
        "max_position_embeddings": positions,
    }
    if gated:  # the small models of both families share the table with the head
        settings |= {"head_dim": hidden // heads, "tie_word_embeddings": True}
    return CONFIG_MAPPING[options.arch](**settings)
