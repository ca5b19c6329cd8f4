"""A way is kept for being clearly better than the usual one, not for the smallest of many figures."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import log_softmax

from nlpkit.errors import UserError
from nlpkit.fewshot import candidates, choosing
from nlpkit.fewshot.choosing import Judged


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
