"""Which labels are confused most: all mistakes are counted, and none is lost in a smaller matrix."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from nlpkit.experiment import card
from nlpkit.metrics import confused
from nlpkit.runs.folder import read_record


def many(count: int = 30) -> tuple[list[str], np.ndarray]:
    """Ten rows of each label; `a` is taken for `b` five times, `c` for `d` three times, all others are right."""
    names = [*"abcd", *(f"label {i}" for i in range(count - 4))]
    matrix = 10 * np.eye(count, dtype=int)
    for true, predicted, rows in ((0, 1, 5), (2, 3, 3), (7, 8, 1)):
        matrix[true, predicted] += rows
        matrix[true, true] -= rows
    return names, matrix


def test_pairs_are_in_order_with_their_share_of_the_label() -> None:
    found = confused.pairs(*many())
    assert (found["classes"], found["mistakes"]) == (30, 9)
    assert found["pairs"][0] == {"label": "a", "prediction": "b", "count": 5, "share": 0.5}
    assert [pair["count"] for pair in found["pairs"]] == [5, 3, 1]


def test_the_terminal_shows_pairs_of_many_labels_only() -> None:
    names, matrix = many()
    (table,) = confused.tables("test", {"confused": confused.pairs(names, matrix)})
    assert table.title == "test, most confused of 30 labels (9 mistakes)"
    assert table.rows[0] == ["a", "b", 5, "50%"]
    assert confused.tables("test", {"confused": confused.pairs(names[:4], matrix[:4, :4])}) == []
    assert confused.tables("test", {"confused": confused.pairs(names, 10 * np.eye(30, dtype=int))}) == []
    assert confused.tables("test", {}) == []  # of older records, and of tasks without classes


def test_a_smaller_matrix_holds_all_rows_and_the_confused_side_by_side() -> None:
    names, matrix = many()
    shown, small, part = confused.core(names, matrix, most=6)
    assert small.sum() == matrix.sum() and small.shape == (7, 7)
    assert shown[-1] == "(24 others)" and part == "the 6 of 30 with most mistakes"
    places = {name: place for place, name in enumerate(shown)}
    assert abs(places["a"] - places["b"]) == abs(places["c"] - places["d"]) == 1
    assert small[places["a"], places["b"]] == 5
    assert confused.core(names, matrix, most=30)[0] == names


def test_the_card_names_all_pairs_that_are_kept(trained: Path, tmp_path: Path) -> None:
    record = read_record(trained) or {}
    names, matrix = many()
    details = {"test": {"confused": confused.pairs(["a|b", *names[1:]], matrix)}}
    card.write(tmp_path / "README.md", {**record, "details": details}, ())
    text = (tmp_path / "README.md").read_text()
    assert "\nTest, most confused of 30 labels (9 mistakes):\n" in text
    assert "\n| a\\|b | b | 5 | 50% |\n| c | d | 3 | 30% |\n| label 3 | label 4 | 1 | 10% |\n" in text
