"""What is right among the answers from a score on."""

from __future__ import annotations

import numpy as np
import pytest

from nlpkit.metrics import selective


def test_points_cover_equal_scores_together() -> None:
    scores, right = np.array([0.9, 0.5, 0.9, 0.7]), np.array([True, False, False, True])
    assert selective.points(scores, right) == [
        (0.9, 0.5, 2, 0.5),
        (0.7, 0.75, 3, pytest.approx(2 / 3)),
        (0.5, 1.0, 4, 0.5),
    ]


def test_a_share_of_right_answers_is_reached_with_the_most_answers() -> None:
    scores = np.linspace(0.99, 0.5, 200)
    right = np.ones(200, dtype=bool)
    right[100::2] = False  # among the surest 100 none is wrong, behind them every second one
    reached = selective.reaching(scores, right)
    assert 0.75 not in reached
    point = reached[0.95]
    kept = scores >= point.least
    assert (kept.sum(), right[kept].mean()) == (point.rows, point.right)
    assert point.right >= 0.95
    assert right[scores >= scores[point.rows + 1]].mean() < 0.95
    assert selective.reaching(scores, np.ones(200, dtype=bool)) == {}  # all of them reach it without a lowest score


def test_the_table_goes_from_all_answers_to_few() -> None:
    table = selective.table(np.linspace(0, 1, 200), np.arange(200) % 2 == 0)
    assert [point.rows for point in table] == [200, 190, 180, 160, 140, 120, 100, 60]
    assert [point.rows for point in selective.table(np.linspace(0, 1, 40), np.ones(40))] == [40, 38, 36, 32]
