"""A static student begins as a table of the teacher's token vectors, made as model2vec makes one."""

from __future__ import annotations

import numpy as np
import pytest

from nlpkit.distillation import static
from nlpkit.errors import UserError


def test_components_keep_distances_and_are_around_the_mean() -> None:
    vectors = np.array([[3.0, 1, 0], [1, 1, 0], [2, 3, 0], [2, -1, 0]])

    made = static.narrowed(vectors, 2)

    # the second direction varies most, 2 and -2 around its mean; the third not at all
    assert np.abs(made[:, 0]) == pytest.approx([0, 0, 2, 2], abs=1e-6)
    assert np.abs(made[:, 1]) == pytest.approx([1, 1, 0, 0], abs=1e-6)


def test_more_dimensions_than_the_teacher_has_are_refused() -> None:
    with pytest.raises(UserError, match="--dims 4: the teacher's vectors have 3 dimensions"):
        static.narrowed(np.zeros((9, 3)), 4)


def test_a_token_counts_less_the_more_frequent_it_is() -> None:
    probabilities = np.array([0.5, 0.0001, 0.0])

    made = static.weighted(np.ones((3, 2), np.float32), probabilities, silent=[2])

    assert made == pytest.approx(np.array([[1e-4 / 0.5001] * 2, [0.5] * 2, [0, 0]]))  # a / (a + p) with a = 1e-4


def test_frequencies_are_counted_or_follow_from_the_rank() -> None:
    assert static.seen(np.array([0, 0, 2]), 3) == pytest.approx([3 / 6, 1 / 6, 2 / 6])
    assert static.zipf(2) == pytest.approx([3 / 5, 2 / 5])  # 1/2 and 1/3


def test_turning_a_table_changes_no_cosine_and_reaches_vectors_that_a_turn_can_reach() -> None:
    rng = np.random.default_rng(0)
    table = rng.normal(size=(6, 3)).astype(np.float32)
    texts = [np.array(ids) for ids in ([0, 1], [2], [3, 4, 5], [1, 5])]
    means = np.stack([table[ids].mean(0) for ids in texts])
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    wanted = means / np.linalg.norm(means, axis=1, keepdims=True) @ turn

    made = static.turned(table, texts, wanted)

    assert made == pytest.approx(table @ turn, abs=1e-5)
    assert made @ made.T == pytest.approx(table @ table.T, abs=1e-5)
