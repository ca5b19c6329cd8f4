"""Figures and intervals against hand computation and the references in scipy."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from made_up import WOBBLE, launches, lengths_sweep, measurement, rows_sweep
from scipy import stats

from nlpkit.measurement import statistics
from nlpkit.measurement.spec import Measurement, Point
from nlpkit.measurement.statistics import Estimate


def test_spread_of_call_times():
    found = statistics.spread([1.0, 2.0, 3.0, 4.0, 5.0])
    assert (found.p50, found.min, found.max, found.mean) == (3, 1, 5, 3)
    assert found.p90 == pytest.approx(4.6)
    assert found.p99 == pytest.approx(4.96)
    assert found.std == pytest.approx(math.sqrt(2.5))
    assert statistics.spread([2.0]).std == 0


def test_calls_are_far_out_of_those_of_their_own_place():
    # quartiles of 1, 2, ..., 9: 3 and 7, fences at -9 and 19; the second call of a pass takes ten times as long
    short = [float(value) for value in range(1, 9)]
    turns = [[value for one in [*short, 18.9] for value in (one, 10 * one)]]
    assert statistics.far_out(turns, 2) == []
    turns = [[value for one in [*short, 30.0] for value in (one, 10 * one)]]
    assert statistics.far_out(turns, 2) == [30, 300]


def test_typical_time_of_a_pass_ignores_a_stall():
    assert statistics.pass_seconds([[1.0, 5.0, 1.0, 5.0], [900.0, 5.0]], 2) == 6


def test_speed_is_paired_turn_by_turn():
    # the machine gets slower with every turn, for both
    reference = measurement("big", 1.0, turns=[[2.0], [4.0], [40.0]])
    subject = measurement("small", 1.0, turns=[[1.0], [2.0], [20.0]])
    assert statistics.log_speed(reference, subject) == pytest.approx(math.log(2))
    assert statistics.log_speed(subject, reference) == pytest.approx(-math.log(2))


def test_width_is_told_by_the_launches_that_were_planned():
    logs = [0.1, 0.2, 0.3, 0.2, 0.2, 0.2, 0.2]
    found = statistics.over_launches(logs, planned=3)
    # standard deviation of the first three 0.1, quantile with two degrees of freedom 4.303, seven launches
    half = 4.3027 * 0.1 / math.sqrt(7)
    assert found.value == pytest.approx(math.exp(0.2))
    assert found.interval == pytest.approx((math.exp(0.2 - half), math.exp(0.2 + half)), rel=1e-4)
    assert statistics.over_launches(logs[:3], planned=5) == statistics.over_launches(logs[:3])


def test_interval_over_launches_is_students():
    logs = [0.1, 0.2, 0.4]
    found = statistics.over_launches(logs)
    low, high = stats.t.interval(0.95, 2, loc=np.mean(logs), scale=stats.sem(logs))
    assert found.value == pytest.approx(math.exp(0.7 / 3))
    assert found.interval == pytest.approx((math.exp(low), math.exp(high)))
    assert statistics.over_launches([0.1]).interval is None


def test_change_between_sweeps_is_welchs():
    new, old = [1.0, 1.1, 1.05], [2.0, 2.4, 1.9, 2.2]
    found = statistics.change(new, old)
    expected = stats.ttest_ind(np.log(new), np.log(old), equal_var=False).confidence_interval(0.95)
    assert found.interval == pytest.approx((math.exp(expected.low), math.exp(expected.high)))
    assert statistics.change([1.0], old).interval is None
    assert statistics.change([3.0, 3.0], [2.0, 2.0]) == Estimate(pytest.approx(1.5), pytest.approx((1.5, 1.5)))


@pytest.mark.parametrize(
    ("interval", "said"),
    [
        ((0.96, 1.04), "no difference"),
        ((1.0, 1.05), "no difference"),
        ((1.0, 1.06), "not certain"),
        ((0.94, 1.0), "not certain"),
        ((0.008, 2900.0), "not certain"),
        ((1.01, 2), "faster"),
        ((0.5, 0.99), "slower"),
    ],
)
def test_verdict(interval: tuple[float, float], said: str):
    assert statistics.verdict(Estimate(1.0, interval)) == said


def test_no_verdict_of_a_single_launch():
    assert statistics.verdict(Estimate(1.3, None)) is None


def test_equal_models_come_out_as_faster_or_slower_in_5_of_100_sweeps():
    rng = random.Random(1)
    verdicts = []
    for _ in range(400):
        wobbles = [[math.exp(rng.gauss(0, 0.03)) for _ in range(5)] for _ in range(2)]
        first, second = (
            {m.launch: m for m in launches(name, 0.01, wobble)} for name, wobble in zip("ab", wobbles, strict=True)
        )
        verdicts.append(statistics.verdict(statistics.over_launches(statistics.log_speeds(first, second))))
    # 380 expected, standard deviation 4.4
    assert 365 <= sum(verdict in ("no difference", "not certain") for verdict in verdicts) <= 395


def test_launches_needed_follow_stein():
    measured = launches("a", 0.010, (1.0,) * 5) + launches("b", 0.010, WOBBLE)
    s = float(np.std(np.log(WOBBLE), ddof=1))
    t = stats.t.ppf(0.975, 4)
    for percent in (5.0, 1.0, 0.5):
        expected = max(2, math.ceil((t * s / math.log(1 + percent / 100)) ** 2))
        assert statistics.launches_needed(measured, percent) == expected
    assert statistics.launches_needed(measured, 0.5) > 5
    assert statistics.launches_needed(measured, 1.0, reference="b") == statistics.launches_needed(measured, 1.0)


def test_launches_needed_of_one_launch_and_of_one_model():
    one = [found for found in rows_sweep() if found.launch == 0]
    assert statistics.launches_needed(one, 5) == 2
    assert statistics.launches_needed(launches("a", 0.01, WOBBLE), 5) == 0


def test_launches_needed_looks_past_what_could_not_be_measured():
    lost = [Measurement(i, Point("inference", 1, 64), "b", "out of memory") for i in range(2)]
    assert statistics.launches_needed([*launches("a", 0.01, WOBBLE, length=64), *lost], 5) == 0
    assert statistics.launches_needed(lengths_sweep(), 5) == 2


def test_the_later_of_two_measurements_of_a_launch_counts():
    before, after = measurement("a", 0.1), measurement("a", 0.2)
    assert statistics.by_launch([before, after]) == {(before.point, "a"): {0: after}}


def test_growth_exponent_is_that_of_the_upper_half():
    lengths = [32, 64, 128, 256, 512, 1024]
    # a constant floor below, the square above
    found = statistics.growth(lengths, [1.0, 1.0, 1.0, 4.0, 16.0, 64.0])
    assert found is not None
    assert (found.exponent, found.error) == (pytest.approx(2), pytest.approx(0, abs=1e-9))
    assert statistics.growth([1, 2], [1.0, 2.0]) is None


def test_growth_error_is_that_of_the_regression():
    lengths, values = [128, 256, 512], [1.0, 2.2, 3.9]
    found = statistics.growth(lengths, values)
    expected = stats.linregress(np.log(lengths), np.log(values))
    assert found is not None
    assert (found.exponent, found.error) == (pytest.approx(expected.slope), pytest.approx(expected.stderr))


def test_crossing_is_where_one_stays_below():
    lengths = [100, 200, 400, 800]
    linear, square = [4.0, 8.0, 16.0, 32.0], [1.0, 4.0, 16.0, 64.0]
    assert statistics.crossing(lengths, linear, square) == pytest.approx(400)
    assert statistics.crossing(lengths, square, linear) is None
    assert statistics.crossing([100, 400], [4.0, 16.0], [1.0, 64.0]) == pytest.approx(200)
    assert statistics.crossing(lengths, [1.0] * 4, [2.0] * 4) is None  # below from the first
    assert statistics.crossing([], [], []) is None


def test_pareto_front_leaves_out_what_another_beats():
    costs, values = [5.0, 1.0, 3.0, 4.0, 1.0], [0.9, 0.5, 0.8, 0.7, 0.4]
    assert statistics.pareto(costs, values) == [1, 2, 0]
    assert statistics.pareto([1.0, 1.0], [0.5, 0.5]) == [0, 1]


def test_knee_is_farthest_above_the_line():
    assert statistics.knee([1.0, 2.0, 10.0], [0.5, 0.9, 1.0]) == 1
    assert statistics.knee([1.0, 2.0, 6.0, 10.0], [0.5, 0.6, 0.95, 1.0]) == 2
    assert statistics.knee([1.0, 9.0, 10.0], [0.5, 0.6, 1.0]) is None  # below it
    assert statistics.knee([1.0, 2.0], [0.5, 0.9]) is None
