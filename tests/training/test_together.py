"""How often several processes agree: about once a second, at the same steps, and at each where a step takes longer."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest

from nlpkit import process
from nlpkit.errors import RunError
from nlpkit.training import together
from nlpkit.training.schedules import Budget


@pytest.fixture
def several(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Two processes, of which the other says the same; the clock, in seconds."""
    now = [0.0]
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(together.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(together, "largest", lambda mine: [float(number) for number in mine])
    return now


def asked(seconds: Sequence[float], now: list[float]) -> list[int]:
    """At which steps is asked, where the next steps take so long."""
    agreement = together.Agreement()
    agreement.begin(0)
    agreement.at(0, [])
    steps = []
    for step, each in enumerate(seconds, start=1):
        now[0] += each
        if agreement.at(step, []) is not None:
            steps.append(step)
    return steps


def test_short_steps_are_asked_about_once_a_second(several: list[float]) -> None:
    found = asked([0.05] * 400, several)
    assert found[:4] == [2, 6, 14, 30]  # it takes a few to see how long a step is
    assert {after - before for before, after in itertools.pairwise(found[4:])} <= {19, 20}


def test_steps_of_a_second_and_more_are_asked_about_one_by_one(several: list[float]) -> None:
    assert asked([3.0] * 10, several)[1:] == [3, 4, 5, 6, 7, 8, 9, 10]


def test_a_step_that_becomes_longer_is_noticed(several: list[float]) -> None:
    found = asked([0.001] * 500 + [1.0] * 200, several)
    assert max(after - before for before, after in itertools.pairwise(found)) == together.MOST
    assert found[-50:] == list(range(651, 701))


def test_a_signal_counts_once_it_is_agreed_on(several: list[float]) -> None:
    agreement = together.Agreement()
    agreement.leaving = lambda: True
    agreement.begin(0)
    assert agreement.at(0, [1.0, 2.0]) == [1.0, 2.0]
    assert agreement.to_leave()
    later = together.Agreement()
    later.leaving = lambda: True
    assert not later.to_leave()


def test_alone_every_step_is_asked_about(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "1")
    agreement = together.Agreement()
    assert all(agreement.at(step, [7.0]) == [7.0] for step in range(50))


def test_progress_goes_by_what_was_agreed_on() -> None:
    budget = Budget(steps=10_000, minutes=1.0)
    budget.count_from(0, 3.0)
    budget.count_from(10, 6.0)
    assert budget.progress(10) == pytest.approx(0.1)
    assert budget.progress(20) == pytest.approx(0.15)  # a step takes 0.3 s
    budget.count_from(20, 12.0)
    assert budget.progress(20) == pytest.approx(0.2)
    assert budget.progress(10**6) == 1.0


def test_a_caller_in_python_is_told_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    process.speak_last(RunError("rank 1 of 2 failed: out of memory", "Lower --batch-size."))
    assert capsys.readouterr().err == "nlpkit: rank 1 of 2 failed: out of memory\nLower --batch-size.\n"
