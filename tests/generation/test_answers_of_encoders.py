"""What models with an encoder write: that of transformers' `generate`, in a batch as alone."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from encoder_decoders import FAMILIES, TEXTS, ends, make, read
from transformers import GenerationConfig
from writers import byte_tokenizer

from nlpkit.generation import loop
from nlpkit.generation.settings import Settings


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return byte_tokenizer()


@pytest.mark.parametrize("beams", [1, 3])
@pytest.mark.parametrize("family", FAMILIES)
def test_it_writes_what_transformers_writes(tokenizer: Any, family: str, beams: int) -> None:
    model = make(family, tokenizer)
    settings = Settings(max_new_tokens=8, beams=beams)
    way = loop.beams if beams > 1 else loop.write
    with torch.inference_mode():
        together = way(model, read(tokenizer, TEXTS), settings, ends(tokenizer))
        for text, written in zip(TEXTS, together, strict=True):
            alone = read(tokenizer, [text])
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
        together = loop.write(model, read(tokenizer, TEXTS), settings, ends(tokenizer))
        alone = [
            text for prompt in TEXTS for text in loop.write(model, read(tokenizer, [prompt]), settings, ends(tokenizer))
        ]
    assert [text.ids for text in together] == [text.ids for text in alone]
    assert together[0].ids != together[1].ids


def test_the_token_of_a_language_comes_first(tokenizer: Any) -> None:
    model = make("mbart", tokenizer)
    with torch.inference_mode():
        (text,) = loop.write(model, read(tokenizer, TEXTS[:1]), Settings(max_new_tokens=4, begin=50), ends(tokenizer))
    assert text.ids[0] == 50
