"""When which share is pruned."""

from __future__ import annotations

import pytest

from nlpkit.pruning.trainer import MOVEMENT_BEGINS, MOVEMENT_ENDS, Schedule


def test_one_round_prunes_at_the_start() -> None:
    assert [Schedule(0.5).at(progress) for progress in (0.0, 0.5, 1.0)] == [0.5, 0.5, 0.5]


def test_cubic_rounds_are_those_of_zhu_and_gupta() -> None:
    """s (1 - (1 - k / 4)^3): most goes at the beginning."""
    schedule = Schedule(0.8, "cubic", 4)
    starts = [schedule.at(k / 4) for k in range(4)]
    assert starts == pytest.approx([0.8 * (1 - 0.75**3), 0.8 * (1 - 0.5**3), 0.8 * (1 - 0.25**3), 0.8])
    assert schedule.at(0.24) == starts[0] and schedule.at(0.74) == starts[2] and schedule.at(1.0) == starts[3]


def test_linear_rounds() -> None:
    assert [Schedule(0.8, "linear", 4).at(k / 4) for k in range(4)] == pytest.approx([0.2, 0.4, 0.6, 0.8])


def test_the_last_round_is_the_target_for_any_number_of_rounds() -> None:
    for rounds in range(1, 60):
        schedule = Schedule(0.7, "cubic", rounds)
        # at a step of a run of 10 steps a round, as the budget counts it
        assert schedule.at((rounds - 1) * 10 / (rounds * 10)) == 0.7
        assert rounds == 1 or schedule.at(((rounds - 1) * 10 - 1) / (rounds * 10)) < 0.7


def test_movement_prunes_all_along_between_warm_up_and_cool_down() -> None:
    schedule = Schedule(0.9, "cubic", None)
    middle = (MOVEMENT_BEGINS + MOVEMENT_ENDS) / 2
    assert schedule.at(0.0) == schedule.at(MOVEMENT_BEGINS) == 0.0
    assert schedule.at(middle) == pytest.approx(0.9 * (1 - 0.5**3))
    assert schedule.at(MOVEMENT_ENDS) == schedule.at(1.0) == 0.9
