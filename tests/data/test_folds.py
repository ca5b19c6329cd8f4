"""Which rows are judged together: whole groups, like shares of each class, and never by a model that saw them."""

from __future__ import annotations

import numpy as np
import pytest

from nlpkit.data.folds import Rows
from nlpkit.errors import UserError


def rows(groups: list[int], strata: list[int] | None = None) -> Rows:
    return Rows(np.array(groups), None if strata is None else np.array(strata), lambda number: "rare")


def test_each_fold_has_its_share_of_each_class() -> None:
    fold = rows(list(range(100)), [0] * 80 + [1] * 20).drawn(5, seed=1)
    for number in range(5):
        assert (fold == number)[:80].sum() == 16
        assert (fold == number)[80:].sum() == 4


@pytest.mark.parametrize("strata", [None, [0, 1] * 30])
def test_rows_of_a_group_are_judged_in_one_fold(strata: list[int] | None) -> None:
    groups = [i // 3 for i in range(60)]
    cut = rows(groups, strata)
    fold = cut.drawn(4, seed=3)
    assert all(len({int(number) for number in fold[np.array(groups) == group]}) == 1 for group in range(20))
    assert np.bincount(fold).tolist() == [15, 15, 15, 15]
    assert cut.together == 60


def test_the_rows_that_choose_a_checkpoint_share_no_group_with_those_that_are_trained_on() -> None:
    groups = np.arange(90) // 2
    others = np.flatnonzero(np.arange(90) % 10 < 8)  # whole groups
    held = rows(groups.tolist(), [0, 1] * 45).held_out(others, 0.2, seed=5)
    assert set(held) < set(others)
    assert len(held) == pytest.approx(0.2 * len(others), abs=2)
    assert not set(groups[held]) & set(groups[np.setdiff1d(others, held)])


def test_too_many_folds_for_the_rarest_label_are_refused_with_its_name() -> None:
    with pytest.raises(UserError, match=r"--cv 5: 3 rows have the label 'rare'") as refused:
        rows(list(range(33)), [0] * 30 + [1] * 3).drawn(5, seed=1)
    assert "--cv 3 or less" in str(refused.value.hint)


def test_too_many_folds_for_the_groups_are_refused() -> None:
    with pytest.raises(UserError, match=r"--cv 5: there are 12 rows in 4 groups that stay together"):
        rows([i // 3 for i in range(12)]).drawn(5, seed=1)
    with pytest.raises(UserError, match=r"--cv 5: there are 4 rows, and"):
        rows(list(range(4))).drawn(5, seed=1)


def test_a_group_that_is_nearly_all_of_the_rows_is_refused() -> None:
    with pytest.raises(UserError, match="--cv 2: one of the groups"):
        rows([0] * 9 + [1]).drawn(2, seed=1)
