"""Rows of a step are drawn as it comes: labels in turn, two rows and more of each, whatever the number of rows."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from nlpkit.fewshot import tuning


@pytest.mark.parametrize(("labels", "rows"), [(2, 8), (6, 8), (77, 8), (3, 1)])
def test_each_step_has_rows_of_like_labels_and_all_labels_have_their_turn(labels: int, rows: int) -> None:
    numbers = np.repeat(np.arange(labels), rows)
    at_once = min(labels, tuning.ROWS // 2)
    drawn = list(itertools.islice(tuning.draws(numbers, np.random.default_rng(0)), 3 * labels))
    seen: list[int] = []
    for step in drawn:
        assert len(step) == tuning.ROWS
        counts = np.bincount(numbers[step], minlength=labels)
        assert (counts > 0).sum() == at_once and counts[counts > 0].min() >= 2
        seen += np.flatnonzero(counts).tolist()
    turns = np.bincount(seen, minlength=labels)
    assert turns.max() - turns.min() <= 2


def test_the_contrastive_loss_by_hand() -> None:
    states = torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.0, 2.0], [5.0, 0.0]])
    labels = torch.tensor([0, 0, 1, 2])
    s = tuning.SHARPNESS
    cosines = {(0, 1): 0.6, (0, 2): 0.0, (0, 3): 1.0, (1, 2): 0.8, (1, 3): 0.6}
    first = -s * cosines[0, 1] + np.log(sum(np.exp(s * cosines[0, j]) for j in (1, 2, 3)))
    second = -s * cosines[0, 1] + np.log(np.exp(s * 0.6) + np.exp(s * 0.8) + np.exp(s * 0.6))
    # the rows with labels 1 and 2 have no partner, and count for nothing
    assert float(tuning.alike(states, labels)) == pytest.approx((first + second) / 2, rel=1e-5)
    assert float(tuning.alike(states, torch.tensor([0, 1, 2, 3]))) == 0
