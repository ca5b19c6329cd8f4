"""What tasks compute of tensors and of arrays is the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy import special

from nlpkit.tasks import arrays
from nlpkit.tasks.question_answering import spans


def drawn(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(scale=3, size=shape).astype(np.float32)


def both(function: Any, *values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What it gives for arrays, and for tensors."""
    return function(*values), arrays.on_cpu(function(*map(torch.from_numpy, values)))


@pytest.mark.parametrize("count", [1, 5, 40])
def test_the_highest_values_and_their_places(count: int) -> None:
    values = drawn(3, 2, 40)
    of_arrays = arrays.highest(values, count)
    of_tensors = arrays.highest(torch.from_numpy(values), count)
    for ours, theirs in zip(of_arrays, of_tensors, strict=True):
        assert ours.tolist() == theirs.tolist()


def test_of_equal_values_the_first_are_the_highest() -> None:
    values = np.array([[1.0, 3.0, 3.0, 2.0, 3.0, 2.0], [-np.inf, -np.inf, 0.0, -np.inf, -np.inf, -np.inf]])
    assert arrays.highest(values, 2)[1].tolist() == [[1, 2], [2, 0]]
    assert arrays.highest(values, 4)[1].tolist() == [[1, 2, 4, 3], [2, 0, 1, 3]]


def test_entries_at_places() -> None:
    values, places = drawn(2, 7, 3), np.array([[0, 6], [2, 2]])
    ours, theirs = both(arrays.at, values, places)
    assert ours.tolist() == theirs.tolist() == values[np.arange(2)[:, None], places].tolist()


def test_probabilities_are_those_of_scipy() -> None:
    logits = np.concatenate([drawn(50, 4).astype(np.float64), [[-800.0, 0.0, 800.0, 1e-9]]])
    assert arrays.softmax(logits).tolist() == special.softmax(logits, axis=1).tolist()
    assert arrays.sigmoid(logits) == pytest.approx(special.expit(logits), rel=1e-15, abs=0)


def test_in_float64_probabilities_and_lengths_round_alike() -> None:
    logits = drawn(4, 3, 500)
    for function in (arrays.softmax, arrays.normalized):
        ours, theirs = both(lambda values, function=function: arrays.float32(function(arrays.widest(values))), logits)
        assert ours.tolist() == theirs.tolist()


@pytest.mark.parametrize("longest", [1, 4, 30])
@pytest.mark.parametrize("count", [1, 20])
def test_the_best_spans_of_arrays_are_those_of_tensors(count: int, longest: int) -> None:
    """Also where padding goes to the left, and where a passage has fewer spans than are kept."""
    logits = drawn(4, 12, 2, seed=count + longest)
    passage, cls = np.array([[3, 12], [1, 2], [2, 2], [5, 9]]), np.array([0, 0, 0, 4])
    ours = spans.best_spans(logits, passage, cls, count=count, longest=longest)
    tensors = [torch.from_numpy(values) for values in (logits, passage, cls)]
    theirs = spans.best_spans(*tensors, count=count, longest=longest)
    assert ours.keys() == theirs.keys()
    assert spans.as_array(ours, count=count).tolist() == spans.as_array(theirs, count=count).tolist()
