"""Features to batches: padding, labels, and the same as arrays and as tensors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from conftest import make_tokenizer

from nlpkit.data.collating import PaddingCollator


def features(tokenizer: Any, texts: list[str], pair: bool = False) -> list[dict[str, Any]]:
    encoded = tokenizer(texts, texts[::-1] if pair else None, return_attention_mask=False)
    names = ("input_ids", "token_type_ids") if pair else ("input_ids",)
    return [{name: encoded[name][i] for name in names} for i in range(len(texts))]


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("pair", [True, False])
def test_collator_pads_as_the_tokenizer_does(side: str, pair: bool) -> None:
    tokenizer = make_tokenizer()
    tokenizer.padding_side = side
    rows = features(tokenizer, ["good", "the train was late and cold", "a film"], pair)
    batch = PaddingCollator(tokenizer)(rows)
    expected = tokenizer.pad(rows, return_tensors="pt", return_attention_mask=True)
    assert set(batch) == set(expected)
    for name, tensor in expected.items():
        assert batch[name].dtype == tensor.dtype
        assert batch[name].tolist() == tensor.tolist(), name


def test_collator_stacks_labels_of_every_kind() -> None:
    import torch

    rows = features(make_tokenizer(), ["good", "bad soup"])
    for labels, kind in (([1, 0], torch.int64), ([[1.0, 0.0], [0.0, 1.0]], torch.float32)):
        number = np.int64 if kind == torch.int64 else np.float32
        typed = [{**row, "labels": np.asarray(value, dtype=number)} for row, value in zip(rows, labels, strict=True)]
        batch = PaddingCollator(make_tokenizer())(typed)
        assert batch["labels"].tolist() == labels
        assert batch["labels"].dtype == kind


@pytest.mark.parametrize("side", ["left", "right"])
def test_collator_pads_labels_of_tokens_where_it_pads_tokens(side: str) -> None:
    tokenizer = make_tokenizer()
    tokenizer.padding_side = side
    rows = features(tokenizer, ["good", "the train was late and cold", "a film"])
    for row in rows:
        row["labels"] = [-100, *range(1, len(row["input_ids"]) - 1), -100]
    batch = PaddingCollator(tokenizer, token_labels=True)(rows)
    assert batch["labels"].shape == batch["input_ids"].shape
    assert (batch["labels"][batch["attention_mask"] == 0] == -100).all()
    for row, labels, mask in zip(rows, batch["labels"], batch["attention_mask"], strict=True):
        assert labels[mask == 1].tolist() == row["labels"]


def test_label_vectors_are_not_taken_for_labels_of_tokens() -> None:
    rows = features(make_tokenizer(), ["good", "bad"])  # three tokens each, and three labels
    for row, vector in zip(rows, ([1.0, 0.0, 1.0], [0.0, 1.0, 0.0]), strict=True):
        row["labels"] = vector
    assert PaddingCollator(make_tokenizer())(rows)["labels"].tolist() == [[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]]


def test_tensors_and_arrays_are_the_same_memory() -> None:
    collate = PaddingCollator(make_tokenizer())
    rows = features(make_tokenizer(), ["good", "the train was late and cold"], pair=True)
    arrays, tensors = collate.arrays(rows), collate(rows)
    assert arrays.keys() == tensors.keys()
    assert all(arrays[name].tolist() == tensors[name].tolist() for name in arrays)
    assert {array.dtype for array in arrays.values()} == {np.dtype(np.int64)}
