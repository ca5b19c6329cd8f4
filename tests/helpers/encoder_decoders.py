"""Tiny random models with an encoder and a decoder, of several families."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from nlpkit.generation import loop

WIDE = {"d_model": 32, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 2}
BART = {**WIDE, "decoder_attention_heads": 2, "encoder_ffn_dim": 64, "decoder_ffn_dim": 64, "init_std": 0.3}
FAMILIES: dict[str, dict[str, Any]] = {
    "t5": {"d_model": 32, "d_kv": 16, "d_ff": 64, "num_layers": 2, "num_heads": 2, "initializer_factor": 3.0},
    "bart": {**BART, "max_position_embeddings": 64},
    "mbart": {**BART, "max_position_embeddings": 64},
    "marian": {**BART, "max_position_embeddings": 64},
    "pegasus": {**BART, "max_position_embeddings": 64},
}
TEXTS = ["the film was good", "a", "the soup was cold and the clerk was rude, the room was late"]


def make(family: str, tokenizer: Any) -> Any:
    """A model whose next tokens are far enough apart to be told, with what its family asks for when it writes."""
    import torch
    from transformers import CONFIG_MAPPING, AutoModelForSeq2SeqLM

    ids = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    torch.manual_seed(5)
    config = CONFIG_MAPPING[family](
        **FAMILIES[family], **ids, vocab_size=len(tokenizer), decoder_start_token_id=tokenizer.pad_token_id
    )
    model = AutoModelForSeq2SeqLM.from_config(config).eval()
    if family in ("bart", "mbart"):
        model.generation_config.forced_bos_token_id = 40
    if family == "marian":
        model.generation_config.bad_words_ids = [[tokenizer.pad_token_id]]
        model.generation_config.forced_eos_token_id = tokenizer.eos_token_id
    return model


def read(tokenizer: Any, texts: list[str]) -> dict[str, torch.Tensor]:
    """Texts as an encoder reads them: padded on the right."""
    tokenizer.padding_side = "right"
    return dict(tokenizer(texts, return_tensors="pt", padding=True))


def ends(tokenizer: Any) -> loop.Ends:
    """Where texts end: at the tokenizer's token for it, or after 64 tokens."""
    from nlpkit.generation import loop

    return loop.Ends(frozenset([tokenizer.eos_token_id]), (), tokenizer.decode, 64)
