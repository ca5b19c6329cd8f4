from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from nlpkit.loadtesting import figures, knee
from nlpkit.loadtesting.arrivals import Window
from nlpkit.loadtesting.client import ANSWERED, REFUSED, Requests
from nlpkit.loadtesting.figures import Figures, Verdict


def made(latencies: list[float], kinds: list[str] | None = None, late_ms: float = 0.0, start: float = 0.0) -> Requests:
    count = len(latencies)
    names = [ANSWERED, REFUSED, *sorted({*(kinds or [])} - {ANSWERED, REFUSED})]
    return Requests(
        due=start + np.arange(count) / count,
        late_ms=np.full(count, late_ms),
        queued_ms=np.full(count, late_ms),
        latency_ms=np.array(latencies),
        status=np.array([200 if kind == ANSWERED else 429 for kind in kinds or [ANSWERED] * count], np.int16),
        kind=np.array([names.index(kind) for kind in kinds or [ANSWERED] * count], np.int16),
        kinds=tuple(names),
        waited=np.zeros(count, bool),
        cpu=0.1,
    )


WINDOW = Window("1,000/s", 1000, 0, 1)


def test_figures_are_those_of_all_latencies() -> None:
    latencies = np.random.default_rng(0).permutation(np.arange(1.0, 1001.0)).tolist()
    found = figures.of([(made(latencies), WINDOW)], p99_ms=500)
    assert (found.p50_ms, found.p90_ms, found.p95_ms, found.p99_ms) == pytest.approx((500.5, 900.1, 950.05, 990.01))
    assert (found.mean_ms, found.max_ms, found.answered, found.goodput) == (500.5, 1000, 1000, 500)
    # of 1,000 values 10 lie above the percentile on average, 18 or more in 1.4 % of all cases (17: 2.7 %), fewer than 4
    # in 1.0 % (5: 2.9 %)
    assert (found.p99_low_ms, found.p99_high_ms) == (983, 997)
    assert found.verdict == "slow"
    assert not found.doubtful(500)
    assert found.doubtful(985)


def test_the_interval_of_the_tail_holds_it_as_often_as_it_says() -> None:
    generator = np.random.default_rng(1)
    true, inside, trials = -np.log(0.01), 0, 400
    for _ in range(trials):
        low, high = figures.quantile_interval(generator.exponential(size=2000), 0.99)
        assert low is not None and high is not None
        inside += low <= true <= high
    assert inside / trials == pytest.approx(0.955, abs=0.035)
    assert figures.quantile_interval(np.arange(368.0), 0.99)[1] is not None
    assert figures.quantile_interval(np.arange(367.0), 0.99)[1] is None
    assert figures.quantile_interval(np.array([]), 0.99) == (None, None)


def test_refusals_and_errors_are_counted_apart_and_only_what_was_due_in_the_window() -> None:
    kinds = [ANSWERED] * 6 + [REFUSED] * 2 + ["timeout", "HTTP 500"]
    requests = made([10.0] * 6 + [1.0, 3.0, 99.0, 99.0], kinds)
    found = figures.of([(requests, WINDOW)], 50)
    assert (found.requests, found.answered, found.refused, found.refused_rate) == (10, 6, 2, 0.2)
    assert (found.refusal_p50_ms, found.p99_ms) == (2, 10)
    assert (found.errors, found.error_rate, found.verdict) == ({"HTTP 500": 1, "timeout": 1}, 0.2, "errors")
    assert found.statuses == {"200": 6, "429": 4}
    half = figures.of([(requests, Window("", 10, 0.5, 0.8))], 50)
    assert (half.requests, half.refused, half.verdict) == (3, 2, "refused")
    assert half.answered == pytest.approx(1 / 0.3)
    assert figures.of([(requests, Window("", 10, 5, 6))], 50).verdict == "nothing"
    assert figures.of([(requests, Window("", 10, 0.6, 0.8))], 50).p99_ms is None


def test_two_goes_at_a_rate_are_taken_together() -> None:
    found = figures.of([(made([10.0] * 100), WINDOW), (made([30.0] * 100), WINDOW)], 50)
    assert (found.requests, found.seconds, found.mean_ms, found.answered) == (200, 2, 20, 100)


def test_a_late_client_is_blamed_for_what_is_slow_and_not_for_what_is_held() -> None:
    assert figures.of([(made([80.0] * 100, late_ms=30), WINDOW)], 50).verdict == "client"
    assert figures.of([(made([80.0] * 100, late_ms=4), WINDOW)], 50).verdict == "slow"
    refused = [ANSWERED] * 99 + [REFUSED]
    assert figures.of([(made([10.0] * 100, refused, late_ms=30), WINDOW)], 50).verdict == "client"
    assert figures.of([(made([10.0] * 100, refused, late_ms=4), WINDOW)], 50).verdict == "refused"
    assert figures.of([(made([40.0] * 100, late_ms=30), WINDOW)], 50).verdict == "held"


def a_service_that_holds(capacity: float, above: Verdict = "slow") -> knee.Measure:
    base = figures.of([(made([1.0] * 10), WINDOW)], 50)

    def measure(rate: float) -> Figures:
        return dataclasses.replace(base, rate=rate, verdict="held" if rate <= capacity else above)

    return measure


@pytest.mark.parametrize("start", [1, 90, 5000])
def test_the_knee_is_within_a_tenth_of_what_a_service_holds(start: float) -> None:
    found = knee.find(a_service_that_holds(370), start, 10_000)
    assert found.knee is not None and found.missed is not None
    assert found.knee.rate <= 370 < found.missed.rate <= 1.1 * found.knee.rate
    assert found.bound_by == "service"
    assert len(found.steps) < 16


def test_where_the_search_ends_otherwise_is_told() -> None:
    unbounded = knee.find(a_service_that_holds(1e9), 100, 1000)
    assert unbounded.knee is not None
    assert (unbounded.knee.rate, unbounded.missed, unbounded.bound_by) == (1000, None, "max-rate")
    none = knee.find(a_service_that_holds(0), 100, 1000)
    assert none.knee is None
    assert min(step.rate for step in none.steps) >= knee.LEAST_RATE
    client = knee.find(a_service_that_holds(300, "client"), 100, 1000)
    assert client.bound_by == "client" and client.knee is not None
    busy = knee.find(a_service_that_holds(0, "client"), 100, 1000)
    assert (busy.knee, busy.bound_by, len(busy.steps)) == (None, "client", 3)
