"""Batches of labelled rows: none of their labels stands alone."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from nlpkit.data.label_batches import LabelBatchSampler

LABELS = np.array([0] * 41 + [1] * 27 + [2] * 12 + [3] * 5 + [4])
LENGTHS = np.full(len(LABELS), 8)


@pytest.mark.parametrize("batch", [8, 9, 16])
def test_each_label_of_a_batch_has_two_rows(batch: int) -> None:
    sampler = LabelBatchSampler(LENGTHS, LABELS, batch, seed=1)
    order = np.array(list(sampler))
    assert sorted(order) == list(range(len(LABELS)))
    full = len(order) // batch * batch
    batches = [LABELS[order[start : start + batch]] for start in range(0, full, batch)]
    alone = sum(count == 1 for labels in batches for count in Counter(labels.tolist()).values())
    assert alone <= sum(count % 2 for count in Counter(LABELS).values())
    assert batch % 2 or alone <= 1  # only what is left over, where the last whole batch reaches it


def test_the_order_hangs_on_seed_and_epoch_alone() -> None:
    first, again = (LabelBatchSampler(LENGTHS, LABELS, 8, seed=1) for _ in range(2))
    again.set_epoch(3)
    assert list(again) != list(first)
    first.set_epoch(3)
    assert list(again) == list(first)
    assert list(LabelBatchSampler(LENGTHS, LABELS, 8, seed=2)) != list(LabelBatchSampler(LENGTHS, LABELS, 8, seed=1))
