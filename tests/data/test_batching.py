from __future__ import annotations

import numpy as np
import pytest
from torch.utils.data import BatchSampler

from nlpkit.data.batching import LengthBatchSampler, SharedBatches


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
