"""Random models that write, of an encoder and a decoder or of a decoder alone, that run in a millisecond."""

from __future__ import annotations

import copy
from typing import Any

from nlpkit.models import stacks

BART: dict[str, Any] = {
    "d_model": 32,
    "encoder_layers": 3,
    "decoder_layers": 3,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 48,
    "decoder_ffn_dim": 48,
    "max_position_embeddings": 40,
    "decoder_start_token_id": 2,
    "eos_token_id": 2,
    "forced_eos_token_id": None,
}
T5: dict[str, Any] = {
    "d_model": 32,
    "d_kv": 16,
    "d_ff": 48,
    "num_layers": 3,
    "num_decoder_layers": 3,
    "num_heads": 2,
    "decoder_start_token_id": 0,
    "eos_token_id": 2,
}
LLAMA: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "intermediate_size": 48,
    "max_position_embeddings": 40,
    "eos_token_id": 2,
}
SHAPES: dict[str, dict[str, Any]] = {
    **dict.fromkeys(("t5", "mt5", "umt5"), T5),
    **dict.fromkeys(("bart", "mbart", "marian", "pegasus", "m2m_100"), BART),
    "led": {
        **BART,
        "attention_window": [4, 8, 16],
        "max_encoder_position_embeddings": 40,
        "max_decoder_position_embeddings": 40,
    },
    **dict.fromkeys(("llama", "mistral", "nanochat", "gpt_neox", "qwen2", "qwen3"), LLAMA),
    "gpt2": {"n_embd": 32, "n_layer": 3, "n_head": 2, "n_positions": 40, "eos_token_id": 2},
    "bloom": {"hidden_size": 32, "n_layer": 3, "n_head": 2, "eos_token_id": 2},
    "opt": {**LLAMA, "ffn_dim": 48, "word_embed_proj_dim": 32},
}


def writer(model_type: str, **overrides: Any) -> Any:
    """A random model whose layers differ, with three on each side."""
    import torch
    import transformers

    torch.manual_seed(0)
    settings = {"vocab_size": 60, "pad_token_id": 1, "bos_token_id": 3, **overrides}
    if model_type == stacks.PAIR:
        half = transformers.BertConfig(
            hidden_size=32, num_hidden_layers=3, num_attention_heads=2, intermediate_size=48, **settings
        )
        config = transformers.EncoderDecoderConfig.from_encoder_decoder_configs(half, copy.deepcopy(half))
        config.decoder_start_token_id, config.pad_token_id, config.eos_token_id = 3, 1, 2
        model: Any = transformers.EncoderDecoderModel(config)
    else:
        config = transformers.AutoConfig.for_model(model_type, **{**SHAPES[model_type], **settings})
        kind = transformers.AutoModelForSeq2SeqLM if config.is_encoder_decoder else transformers.AutoModelForCausalLM
        model = kind.from_config(config)
    with torch.no_grad():
        for parameter in (one for one in model.parameters() if one.requires_grad):  # Marian computes its positions
            parameter.add_(torch.randn_like(parameter) * 0.2)
    return model.eval()
