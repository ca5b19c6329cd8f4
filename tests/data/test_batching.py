from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from conftest import make_tokenizer
from torch.utils.data import BatchSampler

from nlpkit.data.batching import LengthBatchSampler, PaddingCollator, SharedBatches


def lengths_of(count: int, seed: int = 0) -> np.ndarray:
    """Long-tailed lengths, as sentences have them."""
    return np.clip(np.random.default_rng(seed).lognormal(3, 0.8, count).astype(int), 3, 256)


def padding_share(lengths: np.ndarray, order: np.ndarray, batch: int) -> float:
    batches = [lengths[order[i : i + batch]] for i in range(0, len(order), batch)]
    computed = sum(len(rows) * rows.max() for rows in batches)
    return 1 - lengths.sum() / computed


@pytest.mark.parametrize("grouped", [True, False])
@pytest.mark.parametrize("count", [1, 7, 32, 33, 500])
def test_each_row_comes_exactly_once(count: int, grouped: bool) -> None:
    sampler = LengthBatchSampler(lengths_of(count), 32, seed=1, grouped=grouped)
    assert len(sampler) == count
    for epoch in range(3):
        sampler.set_epoch(epoch)
        assert sorted(sampler) == list(range(count))


@pytest.mark.parametrize("grouped", [True, False])
def test_the_order_is_a_pure_function_of_seed_and_epoch(grouped: bool) -> None:
    lengths = lengths_of(300)
    first = LengthBatchSampler(lengths, 16, seed=5, grouped=grouped)
    second = LengthBatchSampler(lengths, 16, seed=5, grouped=grouped)
    list(first), list(first)  # what was drawn before leaves no trace
    for epoch in (3, 0):
        assert first.order(epoch).tolist() == second.order(epoch).tolist()
    assert first.order(0).tolist() != first.order(1).tolist()
    assert first.order(0).tolist() != LengthBatchSampler(lengths, 16, seed=6, grouped=grouped).order(0).tolist()


def test_set_epoch_chooses_the_order() -> None:
    sampler = LengthBatchSampler(lengths_of(100), 8, seed=0)
    sampler.set_epoch(4)
    assert list(sampler) == sampler.order(4).tolist()


def test_batches_are_near_one_length() -> None:
    lengths = lengths_of(2_000)
    grouped = padding_share(lengths, LengthBatchSampler(lengths, 32, seed=0).order(0), 32)
    random = padding_share(lengths, LengthBatchSampler(lengths, 32, seed=0, grouped=False).order(0), 32)
    assert random > 0.6
    assert grouped < random / 4


def test_batches_come_in_random_order_and_mix_from_epoch_to_epoch() -> None:
    lengths = lengths_of(960)
    sampler = LengthBatchSampler(lengths, 32, seed=0)
    means = lengths[sampler.order(0)].reshape(-1, 32).mean(axis=1)
    assert abs(np.corrcoef(np.arange(len(means)), means)[0, 1]) < 0.5
    company = [{frozenset(batch) for batch in sampler.order(epoch).reshape(-1, 32).tolist()} for epoch in (0, 1)]
    assert len(company[0] & company[1]) <= 2  # the very shortest rows have nobody else to go with


def test_the_longest_batch_is_first_and_the_partial_one_last() -> None:
    lengths = lengths_of(1_000)  # 31 batches of 32 and 8 rows
    sampler = LengthBatchSampler(lengths, 32, seed=0)
    remainders = []
    for epoch in range(10):
        order = sampler.order(epoch)
        whole = lengths[order[:992]].reshape(31, 32)
        assert whole[0].max() == whole.max()
        rest = lengths[order[992:]]
        # eight rows of like length too, not the leftovers of the sorting
        assert rest.max() <= 1.6 * rest.min() + 1 or rest.max() == lengths.max()
        remainders.append(rest.mean())
    assert np.std(remainders) > 1  # from a different place each epoch


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


@pytest.mark.parametrize(("count", "repeated"), [(24, 0), (45, 0), (27, 0), (26, 1), (25, 2), (4, 0), (1, 2)])
def test_several_processes_divide_the_last_rows(count: int, repeated: int) -> None:
    """Three with batches of 4: each has as many batches, and no row comes twice unless one would have none."""
    from accelerate.data_loader import BatchSamplerShard

    order = list(range(count))
    shared = SharedBatches(BatchSampler(order, 4, False), 3)
    shards = [BatchSamplerShard(shared, 3, rank) for rank in range(3)]
    batches = [list(shard) for shard in shards]
    assert len({len(own) for own in batches}) == 1 and len(batches[0]) == len(shards[0])
    assert all(batch for own in batches for batch in own)
    rounds = [row for turn in zip(*batches, strict=True) for batch in turn for row in batch]
    assert rounds[:count] == order
    assert len(rounds) - count == repeated == shared.repeated()
