"""Models that read a text and write another, from scratch: an architecture, a size, a tokenizer -> a transformers
config; or an encoder and a decoder that are there, joined."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from nlpkit.errors import UserError
from nlpkit.models import fitting, opening
from nlpkit.options import Config, NotWith, option, option_like
from nlpkit.pretraining.architectures import FROM_SCRATCH, HEAD_SIZE, ArchitectureOptions
from nlpkit.tokenization import saving

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

EncoderDecoder = Literal["marian", "bart", "t5"]
EncoderDecoderSize = Literal["nano", "tiny", "mini", "small", "base"]

# AdamW: fairseq's transformer_iwslt_de_en; Muon: what learns Multi30k at a width of 128; narrower ones take more
RATES = {"adamw": (5e-4, 512), "muon": (5e-3, 128)}
MOST = 1e-2
DROPOUT = 0.3  # of fairseq's recipe for IWSLT'14, whose 160,000 pairs are few as well
BRIDGE = "enc_to_dec_proj"  # between widths that differ, in EncoderDecoderModel


NEW = (FROM_SCRATCH, NotWith(("encoder", "decoder"), why=": the shapes of --encoder and --decoder are fixed"))
ALONE = NotWith(("model",), why=" and --model: a run begins with one of them")


class EncoderDecoderShape(NamedTuple):
    """Layers of encoder and of decoder, width, attention heads and feed-forward width."""

    encoder_layers: int
    decoder_layers: int
    hidden: int
    heads: int
    feed_forward: int


# nano is the Transformer-Tiny of Multi30k (Wu et al. 2021, "Good for Misconceived Reasons"), tiny and mini have the
# shapes of t5-efficient-tiny and -mini (Tay et al. 2022), small is fairseq's transformer_iwslt_de_en, base that of
# Vaswani et al. (2017).
SIZES: dict[str, EncoderDecoderShape] = {
    "nano": EncoderDecoderShape(4, 4, 128, 4, 256),
    "tiny": EncoderDecoderShape(4, 4, 256, 4, 1024),
    "mini": EncoderDecoderShape(4, 4, 384, 8, 1536),
    "small": EncoderDecoderShape(6, 6, 512, 4, 1024),
    "base": EncoderDecoderShape(6, 6, 512, 8, 2048),
}


class EncoderDecoderOptions(Config):
    """A model that reads a text and writes another: a new, untrained one, or two that are there, joined."""

    arch: EncoderDecoder = option("bart", "Architecture from scratch.", panel="Model", only_with=NEW)
    size: EncoderDecoderSize = option(
        "nano", "Layers on each side/width: 4/128 to 6/512.", panel="Model", only_with=NEW
    )
    encoder: str | None = option(
        None,
        "Model that reads, joined with one that writes.",
        panel="Model",
        metavar="PATH|NAME",
        only_with=(ALONE, "decoder"),
    )
    decoder: str | None = option(
        None,
        "Model that writes (BERT, RoBERTa, GPT-2), of the same tokenizer as --encoder.",
        panel="Model",
        metavar="PATH|NAME",
        only_with=(ALONE, "encoder"),
    )
    encoder_layers: int | None = option_like(ArchitectureOptions, "layers", help="Layers that read.", only_with=NEW)
    decoder_layers: int | None = option_like(ArchitectureOptions, "layers", help="Layers that write.", only_with=NEW)
    hidden_size: int | None = option_like(ArchitectureOptions, "hidden_size", only_with=NEW)
    heads: int | None = option_like(ArchitectureOptions, "heads", shown_default="by --size; width / 64", only_with=NEW)
    intermediate_size: int | None = option_like(
        ArchitectureOptions, "intermediate_size", shown_default="by --size; 4 x width", only_with=NEW
    )
    max_positions: int | None = option_like(
        ArchitectureOptions,
        "max_positions",
        help="Longest text of a model from scratch, in tokens (not t5).",
        only_with=NEW,
    )


def shape_of(options: EncoderDecoderOptions) -> EncoderDecoderShape:
    """The shape that is asked for: that of --size, with what other options change in it.

    Raises:
        UserError: the heads do not divide the width.
    """
    size = SIZES[options.size]
    hidden = options.hidden_size or size.hidden
    usual = hidden == size.hidden
    shape = EncoderDecoderShape(
        options.encoder_layers or size.encoder_layers,
        options.decoder_layers or size.decoder_layers,
        hidden,
        options.heads or (size.heads if usual else max(hidden // HEAD_SIZE, 1)),
        options.intermediate_size or (size.feed_forward if usual else 4 * hidden),
    )
    if hidden % shape.heads:
        raise UserError(
            f"--hidden-size {hidden} is not a multiple of --heads {shape.heads}", "Give heads that divide the width."
        )
    return shape


def learning_rate(options: EncoderDecoderOptions, optimizer: Literal["adamw", "muon"]) -> float:
    """The peak learning rate of a model from scratch, in inverse proportion to the width (Yang et al. 2022), at most
    1e-2: 5e-4 for a width of 512 with AdamW (fairseq's recipe for IWSLT'14), 5e-3 for one of 128 with Muon."""
    rate, width = RATES[optimizer]
    return min(rate * width / (options.hidden_size or SIZES[options.size].hidden), MOST)


def new_config(options: EncoderDecoderOptions, tokenizer: Any, max_length: int) -> PreTrainedConfig:
    """The config of an untrained encoder-decoder, whose three tables of tokens are one.

    Marian's has sinusoidal positions and ReLU (Vaswani et al. 2017), BART's learned ones and GELU, T5's relative ones
    and ReLU (Raffel et al. 2020). Marian's and T5's decoder begins with padding, BART's with the end of a text, as the
    published ones do. The end of a text is never forced, so that outputs that are cut can be told from those that end.

    Args:
        options: architecture and dimensions.
        tokenizer: gives vocabulary size and special ids; it must have one for padding and one for the end of a text.
        max_length: tokens of the longest source or target; longer ones are taken only where `max_positions` says so
            (T5 takes any).

    Raises:
        UserError: the heads do not divide the width, or fewer positions than `max_length`.
    """
    from transformers import CONFIG_MAPPING

    shape = shape_of(options)
    special = {
        "pad_token_id": tokenizer.pad_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "bos_token_id": tokenizer.bos_token_id,
    }
    settings: dict[str, Any] = {"vocab_size": len(tokenizer), "d_model": shape.hidden, **special}
    if options.arch == "t5":
        if options.max_positions:
            raise UserError("--max-positions with --arch t5: its positions are relative, and it takes any text")
        settings |= {
            "num_layers": shape.encoder_layers,
            "num_decoder_layers": shape.decoder_layers,
            "num_heads": shape.heads,
            "d_kv": shape.hidden // shape.heads,
            "d_ff": shape.feed_forward,
            "dropout_rate": DROPOUT,
            "decoder_start_token_id": tokenizer.pad_token_id,
        }
        return CONFIG_MAPPING["t5"](**settings)
    positions = options.max_positions or max_length
    if positions < max_length:
        raise UserError(f"--max-positions {positions} is below the longest text, {max_length} tokens")
    marian = options.arch == "marian"
    settings |= {
        "encoder_layers": shape.encoder_layers,
        "decoder_layers": shape.decoder_layers,
        **dict.fromkeys(("encoder_attention_heads", "decoder_attention_heads"), shape.heads),
        **dict.fromkeys(("encoder_ffn_dim", "decoder_ffn_dim"), shape.feed_forward),
        "max_position_embeddings": positions,
        "activation_function": "relu" if marian else "gelu",
        "dropout": DROPOUT,
        # tokens as large as positions are, and logits of about 1 where training begins
        "scale_embedding": True,
        "init_std": shape.hidden**-0.5,
        "decoder_start_token_id": tokenizer.pad_token_id if marian else tokenizer.eos_token_id,
        "forced_eos_token_id": None,
    }
    return CONFIG_MAPPING[options.arch](**settings)


def new_model(config: PreTrainedConfig) -> Any:
    """An untrained model of a config, in training mode, which `AutoModelForSeq2SeqLM` opens once it is saved."""
    from transformers import AutoModelForSeq2SeqLM

    return AutoModelForSeq2SeqLM.from_config(config).train()


class Pair(NamedTuple):
    """An encoder and a decoder that can be joined, before their weights are opened.

    Attributes:
        encoder, decoder: folders or hub names.
        config: of both together.
        tokenizer: of both, which knows the token for the end of a text by that name.
    """

    encoder: str
    decoder: str
    config: PreTrainedConfig
    tokenizer: Any


def pair_of(encoder: str, decoder: str, *, trust_remote_code: bool = False) -> Pair:
    """Two models as one that reads with the first and writes with the second, or with the same one twice (Rothe et al.
    2020, "Leveraging Pre-trained Checkpoints for Sequence Generation Tasks").

    The decoder begins with the token that texts begin with, or else with that of their end, and never with padding,
    which nothing attends to.

    Args:
        encoder, decoder: folders or hub names.
        trust_remote_code: how both are opened.

    Raises:
        UserError: either cannot be opened, they have two tokenizers, or one without a token for the end of a text apart
            from padding, or the decoder cannot attend to another model.
    """
    import transformers

    trust: Any = {"trust_remote_code": trust_remote_code}
    reads, writes = opening.resolve(encoder, "--encoder"), opening.resolve(decoder, "--decoder")
    configs = [opening.load_config(name, **trust) for name in (reads, writes)]
    tokenizer, other = (opening.load_tokenizer(name, **trust) for name in (reads, writes))
    if saving.pipeline_of(tokenizer.backend_tokenizer) != saving.pipeline_of(other.backend_tokenizer):
        raise UserError(
            f"--encoder {encoder} and --decoder {decoder} have two tokenizers, of {len(tokenizer):,} and "
            f"{len(other):,} tokens, that cut texts in different ways",
            "Give two models of one tokenizer; the same model twice will do.",
        )
    tokenizer.eos_token = tokenizer.eos_token or tokenizer.sep_token
    begins = [tokenizer.bos_token_id, tokenizer.cls_token_id, tokenizer.eos_token_id]
    start = next((number for number in begins if number is not None), None)
    if tokenizer.eos_token is None or tokenizer.pad_token_id in (start, tokenizer.eos_token_id):
        raise UserError(
            f"the tokenizer of {encoder} has no token for the end of a text apart from padding",
            "Give models whose tokenizer has one, as those of `nlpkit pretrain-mlm`.",
        )
    writer: Any = transformers.MODEL_FOR_CAUSAL_LM_MAPPING.get(type(configs[1]), None)
    if writer is None or "encoder_hidden_states" not in inspect.signature(writer.forward).parameters:
        raise UserError(
            f"--decoder {decoder}: a {configs[1].model_type} cannot attend to what another model reads",
            "Give a BERT, RoBERTa, ELECTRA or GPT-2.",
        )
    config = transformers.EncoderDecoderConfig.from_encoder_decoder_configs(*configs)
    config.decoder_start_token_id = start
    config.pad_token_id, config.eos_token_id = tokenizer.pad_token_id, tokenizer.eos_token_id
    config.vocab_size = configs[1].vocab_size
    return Pair(reads, writes, config, tokenizer)


def joined(pair: Pair, *, allow_pickle: bool = False, trust_remote_code: bool = False) -> tuple[Any, list[str]]:
    """The two models of a pair as an EncoderDecoderModel in training mode, and the names of the weights that neither
    had: the decoder's attention to what is read, and what maps widths that differ.

    Args:
        allow_pickle, trust_remote_code: how both are opened.

    Raises:
        UserError: the weights of either cannot be opened, or its tokenizer is another one's.
    """
    import transformers

    how: Any = {"allow_pickle": allow_pickle, "trust_remote_code": trust_remote_code}
    reader, _ = opening.load_model(pair.encoder, "AutoModel", config=pair.config.encoder, **how)
    writer, new = opening.load_model(pair.decoder, "AutoModelForCausalLM", config=pair.config.decoder, **how)
    for part, name in ((reader, pair.encoder), (writer, pair.decoder)):
        fitting.require_vocabulary(part, pair.tokenizer, f"The tokenizer in {name} is not that of its model.")
    model = transformers.EncoderDecoderModel(config=pair.config, encoder=reader, decoder=writer)
    new = [f"decoder.{name}" for name in new]
    new += [name for name, _ in model.named_parameters() if name.startswith(BRIDGE)]
    for name in ("decoder_start_token_id", "pad_token_id", "eos_token_id"):
        setattr(model.generation_config, name, getattr(pair.config, name))
    return model.train(), new
