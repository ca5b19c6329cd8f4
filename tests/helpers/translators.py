"""Tiny random models of the families that turn a text into another, with tokenizers as theirs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from conftest import WORDS
from writers import byte_tokenizer, make_writer

PAIRED: dict[str, Any] = {
    "d_model": 32,
    **dict.fromkeys(("encoder_layers", "decoder_layers"), 2),
    **dict.fromkeys(("encoder_attention_heads", "decoder_attention_heads"), 2),
    **dict.fromkeys(("encoder_ffn_dim", "decoder_ffn_dim"), 64),
}
SHAPES: dict[str, dict[str, Any]] = {
    "t5": {"d_model": 32, "d_kv": 16, "d_ff": 64, "num_layers": 2, "num_heads": 2},
    "mt5": {"d_model": 32, "d_kv": 16, "d_ff": 64, "num_layers": 2, "num_heads": 2},
    **{name: {**PAIRED, "max_position_embeddings": 64} for name in ("bart", "mbart", "m2m_100", "marian", "pegasus")},
    "led": {
        **PAIRED,
        **dict.fromkeys(("max_encoder_position_embeddings", "max_decoder_position_embeddings"), 64),
        "attention_window": 16,
    },
}
MULTILINGUAL = {"mbart": "mbart", "mbart50": "mbart", "nllb": "m2m_100"}  # tokenizers -> the family of their models


def random_model(family: str, tokenizer: Any, start: int, **settings: Any) -> Any:
    """A model whose next tokens are far enough apart to be told, and that does not write one again and again."""
    import torch
    from transformers import CONFIG_MAPPING, AutoModelForSeq2SeqLM

    ids = {"pad_token_id": tokenizer.pad_token_id, "eos_token_id": tokenizer.eos_token_id, "bos_token_id": None}
    config = CONFIG_MAPPING[family](
        **{**SHAPES[family], **ids, "decoder_start_token_id": start, "forced_eos_token_id": None, **settings},
        vocab_size=len(tokenizer),
    )
    torch.manual_seed(1)
    model = AutoModelForSeq2SeqLM.from_config(config)
    for name, weight in model.named_parameters():
        if weight.dim() > 1 and weight.requires_grad and "embed_positions" not in name:
            torch.nn.init.normal_(weight, std=0.3)
    return model.eval()


def make_family(folder: Path, family: str) -> Path:
    """A random model of a family, with a tokenizer of bytes that ends texts as the family does."""
    from tokenizers import processors

    tokenizer = byte_tokenizer()
    end = (tokenizer.eos_token, tokenizer.eos_token_id)
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single=f"$A {end[0]}", special_tokens=[end]
    )
    random_model(family, tokenizer, tokenizer.pad_token_id).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def language_tokenizer(kind: str) -> Any:
    """A tokenizer of characters and words that marks texts with their language.

    Args:
        kind: one of `MULTILINGUAL`.
    """
    from transformers import MBart50Tokenizer, MBartTokenizer, NllbTokenizer

    words = sorted({"▁", *(f"▁{word}" for word in WORDS), *"abcdefghijklmnopqrstuvwxyz,."})
    if kind == "nllb":
        special = ["<s>", "<pad>", "</s>", "<unk>"]
        return NllbTokenizer(
            vocab={token: i for i, token in enumerate([*special, *words])}, merges=[], src_lang="eng_Latn"
        )
    vocab = [("<unk>", 0.0), ("<s>", 0.0), ("</s>", 0.0), *((word, -float(len(words) - len(word))) for word in words)]
    return (MBartTokenizer if kind == "mbart" else MBart50Tokenizer)(vocab=vocab)


def make_multilingual(folder: Path, kind: str) -> Path:
    """A random model with such a tokenizer, whose folder says nothing of the language that is written."""
    tokenizer = language_tokenizer(kind)
    random_model(MULTILINGUAL[kind], tokenizer, tokenizer.eos_token_id).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def make_pair(folder: Path, decoder: str = "bert") -> tuple[Path, Path]:
    """A random BERT and what is to write beside it, of one tokenizer, in folders of their own."""
    from transformers import BertConfig, BertForMaskedLM

    tokenizer = byte_tokenizer()
    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    ids = {"pad_token_id": tokenizer.pad_token_id, "vocab_size": len(tokenizer), "max_position_embeddings": 64}
    BertForMaskedLM(BertConfig(**shape, **ids, initializer_range=0.3)).save_pretrained(folder / "bert")
    tokenizer.save_pretrained(folder / "bert")
    return folder / "bert", folder / "bert" if decoder == "bert" else make_writer(folder / decoder, decoder)
