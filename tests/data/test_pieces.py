"""Texts of any length in tokens: the same as of the whole text, in the memory of a piece."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from conftest import WORDS, make_tokenizer
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from nlpkit.data import pieces, words
from nlpkit.data.labels import Labels
from nlpkit.tasks.text_classification.task import TextClassification


def text_of(count: int, seed: int = 0) -> str:
    rng = random.Random(seed)
    return "".join(rng.choice(WORDS) + rng.choice([" ", " ", " ", "  ", "\n", ", ", ". ", "-"]) for _ in range(count))


def made(kind: str) -> Any:
    """A tokenizer that gives blanks a token, gives them to the word behind, or drops them."""
    if kind == "wordpiece":
        return make_tokenizer()
    inner = Tokenizer(models.BPE())
    first: Any = {"byte-level": pre_tokenizers.ByteLevel(), "metaspace": pre_tokenizers.Metaspace()}[kind]
    inner.pre_tokenizer = first
    trainer = trainers.BpeTrainer(vocab_size=150, initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    inner.train_from_iterator([text_of(300)], trainer)
    return PreTrainedTokenizerFast(tokenizer_object=inner)


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "PIECE", 400)
    monkeypatch.setattr(pieces, "TOGETHER", 1_000)


@pytest.mark.parametrize("kind", ["wordpiece", "byte-level", "metaspace"])
def test_a_text_in_pieces_has_the_tokens_of_the_whole(kind: str) -> None:
    tokenizer = made(kind)
    texts = ["good", text_of(600), "", text_of(100, 1), text_of(20, 2), "bad"]
    found = list(pieces.tokenized(tokenizer, texts))
    whole = tokenizer(texts, add_special_tokens=False, return_offsets_mapping=True)
    assert [tokens.ids.tolist() for tokens in found] == whole["input_ids"]
    assert [list(map(tuple, tokens.offsets.tolist())) for tokens in found] == whole["offset_mapping"]
    assert pieces.counts(tokenizer, texts) == [len(ids) for ids in whole["input_ids"]]


def test_no_more_than_a_piece_is_tokenized_at_a_time() -> None:
    tokenizer = make_tokenizer()
    longest = 0

    class Watched:
        is_fast = True

        def __call__(self, texts: list[str], **named: Any) -> Any:
            nonlocal longest
            longest = max(longest, sum(map(len, texts)))
            return tokenizer(texts, **named)

    texts = [text_of(5_000), *[text_of(30, i) for i in range(100)]]
    assert sum(len(tokens.ids) for tokens in pieces.tokenized(Watched(), texts)) > 5_000
    assert longest <= pieces.TOGETHER


def test_a_word_longer_than_a_piece_is_cut() -> None:
    assert [len(part) for part in pieces.cut_up(make_tokenizer(), "x" * 1_000)] == [400, 400, 200]


@pytest.mark.parametrize("long_text", ["truncate", "head-tail", "windows"])
@pytest.mark.parametrize("length", [16, 300])
def test_features_of_a_long_text_are_those_of_the_whole(
    long_text: str, length: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer = make_tokenizer()
    task = TextClassification(Labels("single-label", ["a", "b"]), max_length=length, long_text=long_text)
    examples = {"text": ["good", text_of(1_000), text_of(3, 1), text_of(700, 2)], "label": [0, 1, 0, 1]}
    found = task.features(tokenizer, examples)
    monkeypatch.setattr(pieces, "PIECE", 10**6)
    assert found == task.features(tokenizer, examples)


def test_pairs_of_long_texts_are_cut_as_the_tokenizer_cuts_them(monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer = make_tokenizer()
    task = TextClassification(Labels("single-label", ["a", "b"]), pair="text_pair", max_length=40)
    texts = [text_of(1_000), "good", text_of(3, 1)]
    examples = {"text": texts, "text_pair": [text_of(700, 2), text_of(900, 3), "bad"]}
    found = task.features(tokenizer, examples)
    monkeypatch.setattr(pieces, "PIECE", 10**6)
    assert found == task.features(tokenizer, examples)


def test_words_of_a_long_text_have_their_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    text = text_of(800)
    places = words.split(text)
    starts, ends = ([place[i] for place in places] for i in (0, 1))
    (found,) = words.tokenized(make_tokenizer(), [text], [starts], [ends])
    monkeypatch.setattr(pieces, "PIECE", 10**6)
    (whole,) = words.tokenized(make_tokenizer(), [text], [starts], [ends])
    assert np.array_equal(found.ids, whole.ids) and np.array_equal(found.words, whole.words)
