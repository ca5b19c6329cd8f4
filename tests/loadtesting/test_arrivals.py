from __future__ import annotations

import numpy as np
import pytest

from nlpkit.errors import UserError
from nlpkit.loadtesting import arrivals
from nlpkit.loadtesting.options import LoadOptions, ScheduleOptions


def options(**given: object) -> ScheduleOptions:
    return LoadOptions(url="http://127.0.0.1:9", **given)


def test_even_arrivals_of_a_rate_are_equally_far_apart_and_the_warm_up_stands_before_them() -> None:
    schedule = arrivals.constant(20, options(seconds=2, warmup_seconds=0.5))
    moments = schedule.moments("even", np.random.default_rng(0))
    assert moments == pytest.approx(np.arange(50) / 20)
    assert [(w.name, w.start, w.end) for w in schedule.windows] == [("20/s", 0.5, 2.5)]


def test_a_ramp_rises_evenly() -> None:
    """From 10 to 30 a second within 4 s: 10 t + 2.5 t^2 requests are due by t, 80 in all, and 30 in the first half."""
    (schedule,) = arrivals.fixed(options(ramp="10:30", seconds=4, warmup_seconds=0))
    moments = schedule.moments("even", np.random.default_rng(0))
    assert len(moments) == 80
    assert 10 * moments + 2.5 * moments**2 == pytest.approx(np.arange(80))
    assert (moments < 2).sum() == 30
    assert [window.name for window in schedule.windows][::9] == ["10 to 12/s", "28 to 30/s"]
    falling = arrivals.Piece(4, 30, 10).moments(np.array([0.0, 50.0, 80.0]))
    assert falling == pytest.approx([0, 2, 4])


def test_a_burst_takes_the_middle_fifth_and_has_figures_before_and_after() -> None:
    (schedule,) = arrivals.fixed(options(burst="10:100", seconds=10, warmup_seconds=1))
    moments = schedule.moments("even", np.random.default_rng(0))
    counts = [int(((moments >= w.start) & (moments < w.end)).sum()) for w in schedule.windows]
    assert [(w.start, w.end) for w in schedule.windows] == [(1, 5), (5, 7), (7, 11)]
    assert counts == pytest.approx([40, 200, 40], abs=1)


def test_arrivals_by_chance_are_those_of_a_poisson_process_and_repeat_with_their_seed() -> None:
    schedule = arrivals.constant(1000, options(seconds=60, warmup_seconds=0))
    moments = schedule.moments("poisson", np.random.default_rng(3))
    assert moments == pytest.approx(schedule.moments("poisson", np.random.default_rng(3)))
    assert np.all(np.diff(moments) >= 0) and moments[-1] < 60
    gaps, counts = np.diff(moments), np.bincount(moments.astype(int))
    assert len(moments) == pytest.approx(60_000, abs=1_000)  # four standard deviations
    assert gaps.std() / gaps.mean() == pytest.approx(1, abs=0.03)
    assert counts.var() / counts.mean() == pytest.approx(1, abs=0.75)


def test_more_requests_than_memory_is_for_are_refused() -> None:
    with pytest.raises(UserError, match="360,000,000 requests in one go: at most 5,000,000"):
        arrivals.fixed(options(rate="100000", seconds=3600, warmup_seconds=0))


@pytest.mark.parametrize("text", ["10", "10:", "a:b", "0:10", "10:inf", "1:2:3", "-1:5"])
def test_two_rates_are_two_numbers_above_zero(text: str) -> None:
    with pytest.raises(UserError, match="--ramp"):
        options(ramp=text)


def test_schedules_exclude_one_another() -> None:
    with pytest.raises(UserError, match="--ramp: there is another schedule"):
        options(rate="10", ramp="10:20").refuse_unread()
    with pytest.raises(UserError, match="--beyond: a fixed schedule looks for no knee"):
        options(rate="10", beyond=2).refuse_unread()
    with pytest.raises(UserError, match="above 1"):
        options(beyond=0.5)
