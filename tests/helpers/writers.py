"""Tiny random models that write, of several families, with a byte-level tokenizer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conftest import WORDS

if TYPE_CHECKING:
    import torch

    from nlpkit.generation import loop

PROMPTS = ["the film was", "a", "the soup was cold and the clerk was rude, the room"]
END, PAD = "<|endoftext|>", "<|padding|>"
SHAPE: dict[str, Any] = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
FAMILIES: dict[str, dict[str, Any]] = {
    "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 64},
    "llama": {**SHAPE, "intermediate_size": 64, "max_position_embeddings": 64},
    "qwen3": {**SHAPE, "intermediate_size": 64, "head_dim": 16, "num_key_value_heads": 2},
    "nanochat": {**SHAPE, "intermediate_size": 64, "max_position_embeddings": 64},
    "gpt_neox": {**SHAPE, "intermediate_size": 64, "max_position_embeddings": 64},
    "bloom": {"hidden_size": 32, "n_layer": 2, "n_head": 2},
    "opt": {**SHAPE, "ffn_dim": 64, "word_embed_proj_dim": 32, "max_position_embeddings": 64},
}


def byte_tokenizer() -> Any:
    """One token for each byte and some words, as GPT-2 has them."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import GPT2Tokenizer

    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=[PAD, END],
        show_progress=False,
    )
    inner.train_from_iterator([" ".join(WORDS)] * 4, trainer)
    return GPT2Tokenizer(
        tokenizer_object=inner, bos_token=END, eos_token=END, unk_token=END, pad_token=PAD, model_max_length=64
    )


def make_model(family: str = "gpt2", **overrides: Any) -> Any:
    """A random model whose next tokens are far enough apart to be told: its weights are large."""
    import torch
    from transformers import CONFIG_MAPPING, AutoModelForCausalLM

    tokenizer = byte_tokenizer()
    torch.manual_seed(3)
    special = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    settings = {
        **FAMILIES[family],
        **special,
        "pad_token_id": tokenizer.pad_token_id,
        "vocab_size": len(tokenizer),
        "initializer_range": 0.3,
        **overrides,
    }
    return AutoModelForCausalLM.from_config(CONFIG_MAPPING[family](**settings)).eval()


def make_writer(folder: Path, family: str = "gpt2", **overrides: Any) -> Path:
    """The model with its tokenizer, as Transformers saves them."""
    make_model(family, **overrides).save_pretrained(folder)
    byte_tokenizer().save_pretrained(folder)
    return folder


def batch_of(tokenizer: Any, prompts: Sequence[str]) -> dict[str, torch.Tensor]:
    """Prompts as a model that goes on with them reads them: padded on the left."""
    tokenizer.padding_side = "left"
    return dict(tokenizer(list(prompts), return_tensors="pt", padding=True))


def ends(tokenizer: Any, stop: Sequence[str] = (), most: int | None = 64) -> loop.Ends:
    """Where texts end: at the tokenizer's token for it, at a stop text, or where the model takes no more."""
    from nlpkit.generation import loop
    from nlpkit.generation.words import continuation

    return loop.Ends(frozenset([tokenizer.eos_token_id]), stop, lambda ids: continuation(tokenizer, ids), most)
