from __future__ import annotations

import itertools
import random
from typing import Any

import numpy as np
import pytest
from conftest import WORDS
from qa_models import TOKENIZERS

from nlpkit.tasks.question_answering import windows

KINDS = list(TOKENIZERS)


def texts(count: int, low: int, high: int, seed: int) -> list[str]:
    rng = random.Random(seed)
    return [" ".join(rng.choices(WORDS, k=rng.randint(low, high))) for _ in range(count)]


def stock(tokenizer: Any, questions: list[str], contexts: list[str], max_length: int, stride: int) -> Any:
    """As the question answering example of Transformers calls it."""
    right = tokenizer.padding_side == "right"
    return tokenizer(
        questions if right else contexts,
        contexts if right else questions,
        truncation="only_second" if right else "only_first",
        max_length=max_length,
        stride=stride,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
    )


def stock_labels(tokenizer: Any, encoded: Any, row: int, answer: tuple[int, int]) -> tuple[int, int]:
    """The tokens of an answer, found by walking along the offsets."""
    context = 1 if tokenizer.padding_side == "right" else 0
    cls = encoded["input_ids"][row].index(tokenizer.cls_token_id)
    owner, offsets = encoded.sequence_ids(row), encoded["offset_mapping"][row]
    mine = [i for i, of in enumerate(owner) if of == context]
    if answer[0] < 0 or offsets[mine[0]][0] > answer[0] or offsets[mine[-1]][1] < answer[1]:
        return cls, cls
    first = max(i for i in mine if offsets[i][0] <= answer[0])
    return first, min(i for i in mine if offsets[i][1] >= answer[1])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("max_length", "stride"), [(64, 16), (40, 8), (40, 0)])
def test_windows_are_those_of_the_tokenizer(kind: str, max_length: int, stride: int) -> None:
    tokenizer = TOKENIZERS[kind]()
    questions, contexts = texts(30, 1, 5, 0), texts(10, 1, 60, 1) * 3
    rng = random.Random(2)
    answers = []
    for context in contexts:
        words = context.split(" ")
        first = rng.randrange(len(words))
        last = min(len(words), first + rng.randint(1, 3))
        start = len(" ".join([*words[:first], ""]))
        answers.append((start, start + len(" ".join(words[first:last]))) if rng.random() < 0.8 else (-1, -1))
    made = windows.build(tokenizer, questions, contexts, answers, max_length=max_length, stride=stride)
    encoded = stock(tokenizer, questions, contexts, max_length, stride)
    assert [row.tolist() for row in made["input_ids"]] == encoded["input_ids"]
    assert made["example"] == encoded["overflow_to_sample_mapping"]
    if "token_type_ids" in encoded:
        assert [row.tolist() for row in made["token_type_ids"]] == encoded["token_type_ids"]
    assert ("token_type_ids" in made) == ("token_type_ids" in encoded)
    held = 0
    for row, (first, end) in enumerate(made["passage"]):
        owner = encoded.sequence_ids(row)
        context = 1 if tokenizer.padding_side == "right" else 0
        assert [i for i, of in enumerate(owner) if of == context] == list(range(first, end))
        assert made["input_ids"][row][made["cls"][row]] == tokenizer.cls_token_id
        text = contexts[made["example"][row]]
        for (start, stop), (low, high) in zip(
            made["offsets"][row].reshape(-1, 2), encoded["offset_mapping"][row][first:end], strict=True
        ):
            assert text[start:stop] == text[low:high].strip()
        answer = answers[made["example"][row]]
        labels = tuple(made["labels"][row].tolist())
        assert labels == stock_labels(tokenizer, encoded, row, answer)
        if labels[0] != made["cls"][row]:
            held += 1
            places = made["offsets"][row].reshape(-1, 2)
            assert (places[labels[0] - first, 0], places[labels[1] - first, 1]) == answer
    assert held > 15


@pytest.mark.parametrize("kind", KINDS)
def test_every_token_is_in_a_window_and_neighbours_share_the_stride(kind: str) -> None:
    tokenizer = TOKENIZERS[kind]()
    (context,) = texts(1, 100, 100, 5)
    made = windows.build(tokenizer, ["was the"], [context], None, max_length=40, stride=10)
    assert "labels" not in made
    starts = [row.reshape(-1, 2)[:, 0].tolist() for row in made["offsets"]]
    for before, after in itertools.pairwise(starts):
        assert before[-10:] == after[:10]
    assert len(made["input_ids"]) > 2
    assert {len(row) for row in made["input_ids"][:-1]} == {40}


def test_a_stride_that_leaves_no_step_is_cut() -> None:
    tokenizer = TOKENIZERS["bert"]()
    (context,) = texts(1, 100, 100, 5)
    made = windows.build(tokenizer, ["was the"], [context], None, max_length=25, stride=128)
    assert 4 < len(made["input_ids"]) < 20
    assert windows.overlap(128, 20) == 15
    assert windows.overlap(8, 20) == 8


def test_a_question_is_never_cut() -> None:
    tokenizer = TOKENIZERS["bert"]()
    question, context = " ".join(["train"] * 20), " ".join(["film"] * 30)
    made = windows.build(tokenizer, [question], [context], None, max_length=32, stride=4)
    train = tokenizer.convert_tokens_to_ids("train")
    assert all((row == train).sum() == 20 for row in made["input_ids"])
    with pytest.raises(windows.QuestionTooLong, match="has 20 tokens, which leaves no room for its context in 30"):
        windows.build(tokenizer, ["good", question], [context] * 2, None, max_length=30, stride=4)
    short = windows.build(tokenizer, [question], ["film film"], None, max_length=25, stride=4)
    assert len(short["input_ids"]) == 1  # what there is of the context fits


def test_no_limit_and_a_context_of_no_tokens() -> None:
    tokenizer = TOKENIZERS["roberta"]()
    made = windows.build(tokenizer, ["was"] * 2, [texts(1, 300, 300, 0)[0], ""], None, max_length=None, stride=128)
    assert len(made["input_ids"]) == 2
    assert made["passage"][1][0] == made["passage"][1][1]
    assert made["offsets"][1].tolist() == []


def test_an_answer_without_tokens_is_no_target() -> None:
    tokenizer = TOKENIZERS["bert"]()
    context = "the train \u200b was late"  # BERT drops the zero-width space
    made = windows.build(tokenizer, ["who"] * 2, [context] * 2, [(10, 11), windows.UNKNOWN], max_length=64, stride=8)
    assert [row.tolist() for row in made["labels"]] == [[-100, -100]] * 2


@pytest.mark.parametrize(
    ("text", "span", "kept"),
    [
        ("the  train ", (3, 11), "train"),
        ("the train", (4, 9), "train"),
        ("a\u00a0train\u2003late", (1, 8), "train"),  # blanks that are not ASCII
        ("cafe\u0301 bar", (0, 4), "cafe\u0301"),  # a combining accent stays with its letter
        ("cafe\u0301 bar", (4, 9), "e\u0301 bar"),
        ("n\u0303a", (0, 1), "n\u0303"),
        ("\u0928\u0940\u0932", (0, 1), "\u0928\u0940"),  # a vowel sign
        ("👩\u200d🔬 works", (0, 1), "👩\u200d"),
        ("x 👍 y", (1, 3), "👍"),
    ],
)
def test_spans_snap_to_whole_characters(text: str, span: tuple[int, int], kept: str) -> None:
    starts, ends = windows.snapped(text, np.array([span[0]]), np.array([span[1]]))
    assert text[starts[0] : ends[0]] == kept


def test_blanks_alone_are_no_span() -> None:
    starts, ends = windows.snapped("a \n b", np.array([1]), np.array([4]))
    assert starts[0] > ends[0]


@pytest.mark.parametrize("side", ["right", "left"])
def test_a_batch_that_is_widened_is_one_beside_a_longer_row(side: str) -> None:
    """As where another of several processes has that row: labels and places move with the padding."""
    from types import SimpleNamespace

    from nlpkit.data.collating import PaddingCollator
    from nlpkit.data.ignored import IGNORED

    tokenizer: Any = SimpleNamespace(pad_token_id=7, padding_side=side, pad_token_type_id=1)
    collate = windows.Collator(PaddingCollator(tokenizer))

    def feature(length: int, labels: tuple[int, int]) -> dict[str, Any]:
        ids = {"input_ids": np.arange(10, 10 + length), "token_type_ids": np.zeros(length, np.int64)}
        return {**ids, "passage": np.array([1, length]), "cls": 0, "labels": np.array(labels)}

    short = [feature(4, (2, 3)), feature(3, (IGNORED, IGNORED))]
    beside = collate([*short, feature(9, (1, 1))])
    widened = windows.widened(collate(short), 9, tokenizer)
    assert widened.keys() == beside.keys()
    for name, values in beside.items():
        assert widened[name].tolist() == values[:2].tolist(), name
    assert windows.widened(collate(short), 4, tokenizer)["input_ids"].shape == (2, 4)
