"""A speed that was asked for: what is planned is timed, and planned anew until it has it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nlpkit import reporting
from nlpkit.errors import UserError
from nlpkit.models.structures import LayerCut, Structure
from nlpkit.pruning import reached

WHOLE = 1_000  # neurons of the one layer


class Widths:
    """Plans a layer of so many neurons by a table in which time is all in its neurons."""

    def __init__(self, step: int = 1, least: int = 50) -> None:
        self.step, self.least = step, least

    def plan(self, *, target_speedup: float) -> Structure:
        width = int(WHOLE / target_speedup) // self.step * self.step
        if width < self.least:
            raise UserError("not so far")
        return Structure((LayerCut(0, (0,), tuple(range(width))),), 1, 1, WHOLE)

    def speedup(self, structure: Structure) -> float:
        return WHOLE / len(structure.layers[0].neurons)


def clock(fixed: float) -> Callable[[Structure], float]:
    """Times a structure: beside what its neurons take, a model takes so many neurons' time for the rest."""
    return lambda structure: (WHOLE + fixed) / (len(structure.layers[0].neurons) + fixed)


def test_a_structure_that_falls_short_is_planned_anew() -> None:
    tries = reached.reach(Widths(), 1.8, clock(300))
    first, last = tries[0], tries[-1]
    assert first.predicted == pytest.approx(1.8, rel=0.01) and first.timed < 1.6
    assert 1.8 * 0.98 <= last.timed <= 1.8 * 1.05
    assert last.timed == clock(300)(last.structure) and len(tries) <= reached.TRIES
    # where the table is right the first one is taken
    assert len(reached.reach(Widths(), 1.8, clock(0))) == 1


def test_coarse_sizes_are_taken_where_they_are_fast_enough() -> None:
    (*_, last) = reached.reach(Widths(step=250), 1.8, clock(100))
    assert len(last.structure.layers[0].neurons) == 500  # 750 neurons are too slow


def test_the_fastest_is_taken_where_none_is_fast_enough_and_that_is_said() -> None:
    with reporting.listening() as said:
        tries = reached.reach(Widths(least=400), 2.0, clock(400))
    assert tries[-1].timed == max(made.timed for made in tries) < 2
    assert f"the fastest structure that was found is {tries[-1].timed:.2f} times as fast" in said.warnings[0]
    with pytest.raises(UserError, match="not so far"):
        reached.reach(Widths(least=400), 3.0, clock(0))
