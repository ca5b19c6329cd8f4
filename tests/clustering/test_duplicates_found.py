"""Rows that repeat an earlier one: each has a twin that stays."""

from __future__ import annotations

import numpy as np

from nlpkit.clustering import duplicates


def on_circle(degrees: list[float]) -> np.ndarray:
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def test_each_row_is_like_the_row_that_stays_and_not_only_like_one_that_goes() -> None:
    texts = ["a", "b", "c", "d", " A ", "e"]
    units = on_circle([0, 10, 20, 90, 0, 91])  # 10 degrees are a cosine of .985, 20 of .940
    found = duplicates.found(units, texts, 0.97)
    assert found.of.tolist() == [0, 0, 2, 3, 0, 3]  # the third is like the second, which goes, and not like the first
    assert found.equal.tolist() == [True, False, True, True, True, False]
    assert found.repeated.tolist() == [1, 4, 5]
    np.testing.assert_allclose(found.cosine[[1, 4, 5]], [np.cos(np.radians(10)), 1, np.cos(np.radians(1))], atol=1e-5)
    assert [group.tolist() for group in found.groups()] == [[0, 1, 4], [3, 5]]


def test_a_row_joins_the_one_that_it_is_most_like() -> None:
    found = duplicates.found(on_circle([0, 20, 13]), ["a", "b", "c"], 0.97)
    assert found.of.tolist() == [0, 1, 1]
