"""What models with an encoder write: that of transformers' `generate`, in a batch as alone."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import CONFIG_MAPPING, AutoModelForSeq2SeqLM, GenerationConfig
from writers import byte_tokenizer

from nlpkit.generation import loop
from nlpkit.generation.settings import Settings

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


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return byte_tokenizer()


def make(family: str, tokenizer: Any) -> Any:
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


def batch_of(tokenizer: Any, texts: list[str]) -> dict[str, torch.Tensor]:
    tokenizer.padding_side = "right"
    return dict(tokenizer(texts, return_tensors="pt", padding=True))


def ends(tokenizer: Any) -> loop.Ends:
    return loop.Ends(frozenset([tokenizer.eos_token_id]), (), tokenizer.decode, 64)


@pytest.mark.parametrize("beams", [1, 3])
@pytest.mark.parametrize("family", FAMILIES)
def test_it_writes_what_transformers_writes(tokenizer: Any, family: str, beams: int) -> None:
    model = make(family, tokenizer)
    settings = Settings(max_new_tokens=8, beams=beams)
    way = loop.beams if beams > 1 else loop.write
    with torch.inference_mode():
        together = way(model, batch_of(tokenizer, TEXTS), settings, ends(tokenizer))
        for text, written in zip(TEXTS, together, strict=True):
            alone = batch_of(tokenizer, [text])
            asked = GenerationConfig.from_dict({**model.generation_config.to_dict(), "max_new_tokens": 8})
            asked.num_beams, asked.do_sample = beams, False
            wanted = model.generate(**alone, generation_config=asked)[0, 1:].tolist()
            if tokenizer.eos_token_id in wanted:
                wanted = wanted[: wanted.index(tokenizer.eos_token_id)]
            assert written.ids == wanted, (family, text)
            (single,) = way(model, alone, settings, ends(tokenizer))
            assert single.ids == written.ids


def test_draws_depend_on_the_text_and_the_seed_alone(tokenizer: Any) -> None:
    model = make("t5", tokenizer)
    settings = Settings(max_new_tokens=8, temperature=1.0, sequences=2)
    with torch.inference_mode():
        together = loop.write(model, batch_of(tokenizer, TEXTS), settings, ends(tokenizer))
        alone = [
            text
            for prompt in TEXTS
            for text in loop.write(model, batch_of(tokenizer, [prompt]), settings, ends(tokenizer))
        ]
    assert [text.ids for text in together] == [text.ids for text in alone]
    assert together[0].ids != together[1].ids


def test_the_token_of_a_language_comes_first(tokenizer: Any) -> None:
    model = make("mbart", tokenizer)
    with torch.inference_mode():
        (text,) = loop.write(
            model, batch_of(tokenizer, TEXTS[:1]), Settings(max_new_tokens=4, begin=50), ends(tokenizer)
        )
    assert text.ids[0] == 50
