"""Writing token by token: what transformers' `generate` writes, and the same in a batch as alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from transformers import GenerationConfig
from writers import FAMILIES, PROMPTS, batch_of, byte_tokenizer, ends, make_model

from nlpkit.generation import loop
from nlpkit.generation.drawing import key_of, noise
from nlpkit.generation.settings import Settings
from nlpkit.generation.words import continuation


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return byte_tokenizer()


def write(model: Any, tokenizer: Any, prompts: Sequence[str], settings: Settings, **more: Any) -> list[loop.Text]:
    way = loop.beams if settings.beams > 1 else loop.write
    with torch.inference_mode():
        return way(model, batch_of(tokenizer, prompts), settings, ends(tokenizer, **more))


@pytest.mark.parametrize("family", FAMILIES)
def test_it_writes_what_transformers_writes(tokenizer: Any, family: str) -> None:
    model = make_model(family)
    for penalties in ({}, {"repetition_penalty": 1.3}, {"no_repeat_ngram": 2}):
        texts = write(model, tokenizer, PROMPTS, Settings(max_new_tokens=12, **penalties))
        for prompt, text in zip(PROMPTS, texts, strict=True):
            alone = batch_of(tokenizer, [prompt])
            theirs = {"no_repeat_ngram_size": penalties["no_repeat_ngram"]} if "no_repeat_ngram" in penalties else {}
            theirs |= {name: value for name, value in penalties.items() if name == "repetition_penalty"}
            config = GenerationConfig(
                max_new_tokens=12, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id, **theirs
            )
            wanted = model.generate(**alone, generation_config=config)[0, alone["input_ids"].shape[1] :].tolist()
            if tokenizer.eos_token_id in wanted:
                wanted = wanted[: wanted.index(tokenizer.eos_token_id)]
            assert text.ids == wanted, (family, penalties, prompt)


@pytest.mark.parametrize(
    "settings",
    [
        Settings(max_new_tokens=10),
        Settings(max_new_tokens=10, temperature=1.0, sequences=2),
        Settings(max_new_tokens=10, temperature=0.8, top_k=20, top_p=0.9, repetition_penalty=1.2),
        Settings(max_new_tokens=10, beams=3, sequences=2),
        Settings(max_new_tokens=40, beams=2),  # more than the longest prompt leaves room for
    ],
)
def test_a_batch_writes_what_each_prompt_alone_gives(tokenizer: Any, settings: Settings) -> None:
    model = make_model()
    together = write(model, tokenizer, PROMPTS, settings)
    alone = [text for prompt in PROMPTS for text in write(model, tokenizer, [prompt], settings)]
    assert [text.ids for text in together] == [text.ids for text in alone]
    assert len(together) == settings.sequences * len(PROMPTS)
    np.testing.assert_allclose(
        [sum(text.chances) for text in together], [sum(text.chances) for text in alone], rtol=1e-4
    )


def test_chances_are_those_of_the_model(tokenizer: Any) -> None:
    model = make_model()
    (text,) = write(model, tokenizer, PROMPTS[:1], Settings(max_new_tokens=6, temperature=1.0, top_k=5))
    prompt = tokenizer(PROMPTS[0])["input_ids"]
    with torch.inference_mode():
        likely = model(torch.tensor([[*prompt, *text.ids]])).logits[0].log_softmax(-1)
    wanted = [float(likely[len(prompt) - 1 + i, token]) for i, token in enumerate(text.ids)]
    np.testing.assert_allclose(text.chances, wanted, atol=1e-4)


def test_draws_follow_the_distribution() -> None:
    """Of 4,000 texts, each token comes as often as its probability says, within four standard errors."""
    logits = np.log(np.array([0.5, 0.3, 0.15, 0.05]))
    keys = [key_of([7], number, 42) for number in range(4_000)]
    counts = np.bincount((logits + noise(keys, 0, 4)).argmax(1), minlength=4) / len(keys)
    for found, wanted in zip(counts, (0.5, 0.3, 0.15, 0.05), strict=True):
        assert abs(found - wanted) < 4 * math.sqrt(wanted * (1 - wanted) / len(keys))


def test_a_seed_gives_a_text_and_another_one_another(tokenizer: Any) -> None:
    model = make_model()
    first, again, other = (
        write(model, tokenizer, PROMPTS[:1], Settings(max_new_tokens=10, temperature=1.0, seed=seed))[0].ids
        for seed in (1, 1, 2)
    )
    assert first == again != other


def test_a_text_ends_where_it_is_told_to(tokenizer: Any) -> None:
    model = make_model()
    (whole,) = write(model, tokenizer, PROMPTS[:1], Settings(max_new_tokens=20))
    said = continuation(tokenizer, whole.ids)
    stop = said[5:7]
    (text,) = write(model, tokenizer, PROMPTS[:1], Settings(max_new_tokens=20, stop=(stop,)), stop=(stop,))
    assert text.ended
    assert text.characters == said.index(stop)
    assert continuation(tokenizer, text.ids)[: text.characters] == said[: said.index(stop)]
    assert not whole.ended and len(whole.ids) == 20


def test_no_text_goes_beyond_what_the_model_takes(tokenizer: Any) -> None:
    model = make_model()
    lengths = [len(tokenizer(prompt)["input_ids"]) for prompt in PROMPTS]
    texts = write(model, tokenizer, PROMPTS, Settings(max_new_tokens=60), most=30)
    assert [length + len(text.ids) for length, text in zip(lengths, texts, strict=True)] == [
        max(length, 30) for length in lengths
    ]


def test_runners_up_are_the_likeliest(tokenizer: Any) -> None:
    model = make_model()
    with torch.inference_mode():
        (text,) = loop.write(
            model, batch_of(tokenizer, PROMPTS[:1]), Settings(max_new_tokens=3), ends(tokenizer), runners_up=3
        )
    for token, chance, others in zip(text.ids, text.chances, text.others, strict=True):
        assert others[0] == (token, pytest.approx(chance))  # greedy: the likeliest is what was written
        assert [chance for _, chance in others] == sorted((chance for _, chance in others), reverse=True)


def test_each_token_is_told_as_it_comes(tokenizer: Any) -> None:
    heard: list[tuple[int, int]] = []
    model = make_model()
    with torch.inference_mode():
        loop.write(
            model,
            batch_of(tokenizer, PROMPTS[:2]),
            Settings(max_new_tokens=3),
            ends(tokenizer),
            on_token=lambda number, text: heard.append((number, len(text.ids))),
        )
    assert heard == [(0, 1), (1, 1), (0, 2), (1, 2), (0, 3), (1, 3)]


def test_what_is_written_behind_rows_leaves_them_as_they_are(tokenizer: Any) -> None:
    model = make_model()
    batch = batch_of(tokenizer, PROMPTS)
    with torch.inference_mode():
        begun = loop.begun(model, batch["input_ids"], batch["attention_mask"])
        first = begun.logits().argmax(-1)
        ways = []
        for _ in range(2):
            steps = begun.again()
            steps.add(first)
            ways.append(steps.logits())
    assert ways[0].equal(ways[1])
    assert begun.cache.get_seq_length() == batch["input_ids"].shape[1]
