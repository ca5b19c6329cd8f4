"""A way is kept for being clearly better than the usual one, not for the smallest of many figures."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from datasets import Dataset
from scipy.special import log_softmax

from nlpkit.errors import UserError
from nlpkit.fewshot import candidates, choosing
from nlpkit.fewshot.choosing import Judged
from nlpkit.reporting import Reporter


def judged(candidate: candidates.Candidate, losses: np.ndarray) -> Judged:
    return Judged(candidate, np.zeros((len(losses), 2)), {}, losses, 1.0)


def test_another_way_needs_to_be_better_by_more_than_a_standard_error() -> None:
    noise = np.random.default_rng(0).normal(size=16)
    usual = judged(candidates.Frozen(4), np.full(16, 1.0))
    lucky = judged(candidates.Frozen(16), 1.0 - 0.01 - (noise - noise.mean()))
    better = judged(candidates.FineTuned(), 0.5 - 0.1 * noise)
    unsaved = judged(candidates.Nearest(), np.zeros(16))
    none = choosing.left_out(candidates.Contrastive(4), "there was no time")
    assert choosing.best([lucky, usual, unsaved, none])[0] is usual
    assert choosing.best([lucky, usual, better, unsaved, none])[0] is better
    assert choosing.best([judged(candidates.Frozen(), np.ones(16)), unsaved])[0].candidate.name == "frozen encoder"


class Told(candidates.FineTuned):
    """A way that says what it is told to, whatever the rows."""

    def __init__(self, logits: np.ndarray) -> None:
        self.says, self.fitted = logits, 0

    def fit(self, bench: Any, rows: np.ndarray) -> None:
        self.fitted += 1

    def logits(self, bench: Any, rows: np.ndarray) -> np.ndarray:
        return self.says[rows]


class Rows:
    """A bench whose rows are their own features; `right` are the labels."""

    def __init__(self, right: np.ndarray) -> None:
        self.size, self.task, self.right = int(right.max()) + 1, self, right

    def strata(self, examples: Any) -> np.ndarray:
        return self.right

    def merge(self, logits: np.ndarray, windows: Any) -> np.ndarray:
        return logits.copy()

    def score(self, outputs: np.ndarray, examples: Any) -> dict[str, float]:
        return {"accuracy": float((outputs.argmax(axis=1) == self.right).mean())}


def test_a_way_goes_no_further_than_it_is_ahead() -> None:
    right = np.tile([0, 1], 6)
    sure, wrong = np.eye(2)[right], np.eye(2)[1 - right]
    half = np.where(np.arange(12)[:, None] < 4, sure, wrong)  # right in the first fold alone
    parts = [np.arange(i, i + 4) for i in (0, 4, 8)]
    folds = [choosing.Fold(np.setdiff1d(np.arange(12), part), part) for part in parts]
    bench: Any = Rows(right)

    def judge(logits: np.ndarray, rival: Judged | None = None) -> tuple[Judged, int]:
        way, rows = Told(logits), Dataset.from_dict({"i": range(12)})
        with Reporter().progress("compare", 3, "folds") as bar:
            return choosing.judged(bench, way, folds, np.arange(12), rows, bar, rival), way.fitted

    middling, times = judge(0.1 * sure + 0.3 * wrong * (np.arange(12) % 3 == 0)[:, None])
    assert times == 3 and middling.outputs is not None and middling.trained == 3
    for logits, after in ((wrong, 1), (half, 2), (sure, 3)):
        found, times = judge(logits, middling)
        assert times == after == found.trained
        assert (found.outputs is None) == (after < 3) == (f"after fold {after} of 3" in found.why)


def test_losses_are_those_of_the_right_labels_however_sure_the_answers_are() -> None:
    drawn = np.random.default_rng(0)
    labels = drawn.integers(3, size=40)
    logits = np.eye(3)[labels] + drawn.normal(size=(40, 3))
    losses = choosing.losses_of(logits, labels)
    at_each = [-log_softmax(logits * sharper, axis=1)[np.arange(40), labels] for sharper in choosing.SHARPNESS]
    np.testing.assert_allclose(losses, min(at_each, key=lambda each: each.mean()))
    # sharper by a step of the grid, or blunter, and the loss stays as it was
    step = choosing.SHARPNESS[1] / choosing.SHARPNESS[0]
    np.testing.assert_allclose(choosing.losses_of(logits * step**2, labels), losses)
    np.testing.assert_allclose(choosing.losses_of(logits / step, labels), losses)


def test_labels_with_too_few_rows_are_named() -> None:
    choosing.require_two(np.array([0, 0, 1, 1]), ["a", "b"])
    with pytest.raises(UserError, match="'b', 'c' have fewer than two rows"):
        choosing.require_two(np.array([0, 0, 1]), ["a", "b", "c"])
