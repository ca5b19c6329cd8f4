"""From seconds of calls to figures with intervals.

A turn holds the seconds of one or more passes over the inputs of a point, `calls` of them a pass. What is judged is the
typical time of a pass: for each place in the pass the median of its calls, summed over the places, so that a stall of
the machine in one call does not move it.

The same model in two processes differs by some per cent, more than within a process, so intervals are over launches:
t-intervals of logarithms, as times multiply.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

import numpy as np

from nlpkit.measurement.spec import Measurement, Point

Turns = Sequence[Sequence[float]]
Launches = Mapping[int, Measurement]
Verdict = Literal["faster", "slower", "no difference", "not certain"]

CONFIDENCE = 0.95
MARGIN = 1.05  # times by which two may differ and still be called equal
FAR_OUT = 3.0  # interquartile ranges outside the quartiles: Tukey 1977, Exploratory Data Analysis
FEWEST_LENGTHS = 3  # a line through two points has no residuals


@dataclass(frozen=True)
class Estimate:
    """A positive figure and its 95 % interval, which is None where there is only one launch."""

    value: float
    interval: tuple[float, float] | None

    def times(self, factor: float) -> Estimate:
        """In another unit."""
        inside = self.interval and (self.interval[0] * factor, self.interval[1] * factor)
        return Estimate(self.value * factor, inside)

    def inverse(self) -> Estimate:
        """Of a rate, given a time."""
        return Estimate(1 / self.value, self.interval and (1 / self.interval[1], 1 / self.interval[0]))


@dataclass(frozen=True)
class Spread:
    """Of the times of calls, in their unit; percentiles are interpolated linearly."""

    p50: float
    p90: float
    p95: float
    p99: float
    mean: float
    std: float
    min: float
    max: float


@dataclass(frozen=True)
class Growth:
    """value ~ length ** exponent, and the standard error of the exponent."""

    exponent: float
    error: float


def spread(seconds: Sequence[float]) -> Spread:
    """Percentiles, mean and standard deviation (0 for a single call) of at least one time."""
    times = np.asarray(seconds, dtype=float)
    p50, p90, p95, p99 = (float(value) for value in np.percentile(times, (50, 90, 95, 99)))
    std = float(times.std(ddof=1)) if times.size > 1 else 0.0
    return Spread(p50, p90, p95, p99, float(times.mean()), std, float(times.min()), float(times.max()))


def far_out(turns: Turns, calls: int) -> list[float]:
    """Calls outside Tukey's outer fences, each judged among those of its place in the pass."""
    times = np.concatenate([np.asarray(turn, dtype=float) for turn in turns]).reshape(-1, calls)
    low, high = np.percentile(times, (25, 75), axis=0)
    reach = FAR_OUT * (high - low)
    return sorted(times[(times < low - reach) | (times > high + reach)].tolist())


def pass_seconds(turns: Turns, calls: int) -> float:
    """Typical time of a pass in a launch."""
    # for the few calls of a turn this is much faster than numpy
    times = [seconds for turn in turns for seconds in turn]
    return sum(median(times[place::calls]) for place in range(calls))


def log_speed(reference: Measurement, subject: Measurement) -> float:
    """Logarithm of the reference's time over the subject's in a launch: above 0 where the subject is faster.

    The median over turns, which lie side by side in time.
    """
    pairs = zip(reference.turns, subject.turns, strict=False)
    logs = [
        math.log(pass_seconds([first], reference.calls) / pass_seconds([turn], subject.calls)) for first, turn in pairs
    ]
    return median(logs)


def log_speeds(reference: Launches, subject: Launches) -> list[float]:
    """`log_speed` of each launch in which both were measured."""
    return [
        log_speed(reference[launch], subject[launch])
        for launch in sorted(reference.keys() & subject.keys())
        if reference[launch].status == subject[launch].status == "ok"
    ]


def over_launches(logs: Sequence[float], planned: int | None = None) -> Estimate:
    """Geometric mean of at least one figure, given their logarithms, with its t-interval.

    Args:
        logs: launch by launch.
        planned: launches whose spread has decided how many more there were. Only these tell the width then (Stein
            1945): the spread of all would be too small too often, as more follow where it was large by chance.
    """
    mean = float(np.mean(logs))
    spread_by = logs[:planned]
    if len(spread_by) < 2:
        return Estimate(math.exp(mean), None)
    half = quantile(len(spread_by) - 1) * float(np.std(spread_by, ddof=1)) / math.sqrt(len(logs))
    return Estimate(math.exp(mean), (math.exp(mean - half), math.exp(mean + half)))


def change(new: Sequence[float], old: Sequence[float]) -> Estimate:
    """New over old, each the positive figures of the launches of a sweep of its own.

    The sweeps are independent: squared standard errors of the logarithms add; degrees of freedom as in Welch 1947.
    """
    logs = [np.log(np.asarray(values, dtype=float)) for values in (new, old)]
    mean = float(logs[0].mean() - logs[1].mean())
    if min(len(values) for values in logs) < 2:
        return Estimate(math.exp(mean), None)
    parts = [float(values.var(ddof=1)) / len(values) for values in logs]
    variance = sum(parts)
    if variance == 0:
        return Estimate(math.exp(mean), (math.exp(mean), math.exp(mean)))
    freedom = variance**2 / sum(part**2 / (len(values) - 1) for part, values in zip(parts, logs, strict=True))
    half = quantile(freedom) * math.sqrt(variance)
    return Estimate(math.exp(mean), (math.exp(mean - half), math.exp(mean + half)))


def quantile(freedom: float) -> float:
    """Of Student's t, for a two-sided interval."""
    from scipy.special import stdtrit  # scipy.stats takes three times as long to import

    return float(stdtrit(freedom, (1 + CONFIDENCE) / 2))


def verdict(speed: Estimate) -> Verdict | None:
    """What may be said of a speed against the reference; None without an interval."""
    if speed.interval is None:
        return None
    low, high = speed.interval
    if low <= 1 <= high:
        # that neither is shown to be the faster one does not show that they are equal
        return "no difference" if high <= MARGIN and low >= 1 / MARGIN else "not certain"
    return "faster" if low > 1 else "slower"


def by_launch(measurements: Sequence[Measurement]) -> dict[tuple[Point, str], dict[int, Measurement]]:
    """Measurements by point and subject, then launch; of two of the same launch the later."""
    launches_of: dict[tuple[Point, str], dict[int, Measurement]] = {}
    for measurement in measurements:
        launches_of.setdefault((measurement.point, measurement.subject), {})[measurement.launch] = measurement
    return launches_of


def launches_needed(measurements: Sequence[Measurement], percent: float, reference: str | None = None) -> int:
    """Launches until every speed against the reference is known to +-`percent`: Stein 1945, Ann. Math. Statist. 16.

    Args:
        measurements: of the launches so far.
        percent: half-width of the 95 % interval.
        reference: subject that the others are compared with; None: the one measured first.

    Returns:
        The most that a point of a subject needs; 2 where there was one launch, whose spread is unknown; 0 where there
        is nothing to compare.
    """
    needed, wanted = 0, math.log1p(percent / 100)
    launches_of = by_launch(measurements)
    for (point, subject), launches in launches_of.items():
        first = reference or measurements[0].subject
        logs = log_speeds(launches_of.get((point, first), {}), launches) if subject != first else []
        if len(logs) == 1:
            needed = max(needed, 2)
        elif logs:
            spread_of_logs = float(np.std(logs, ddof=1))
            needed = max(needed, 2, math.ceil((quantile(len(logs) - 1) * spread_of_logs / wanted) ** 2))
    return needed


def growth(lengths: Sequence[float], values: Sequence[float]) -> Growth | None:
    """Exponent by least squares of log value over log length, on the upper half of the lengths (at least three).

    What is there for short inputs too (the launch of kernels, weights read once) would make it too small.

    Args:
        lengths: ascending.
        values: positive.
    """
    if len(lengths) < FEWEST_LENGTHS:
        return None
    used = max(FEWEST_LENGTHS, math.ceil(len(lengths) / 2))
    x, y = np.log(np.asarray(lengths[-used:], dtype=float)), np.log(np.asarray(values[-used:], dtype=float))
    x, y = x - x.mean(), y - y.mean()
    square = float((x * x).sum())
    exponent = float((x * y).sum()) / square
    residuals = y - exponent * x
    return Growth(exponent, math.sqrt(float((residuals * residuals).sum()) / (used - 2) / square))


def crossing(lengths: Sequence[float], times: Sequence[float], others: Sequence[float]) -> float | None:
    """The length from which `times` stay below `others`, interpolated between lengths in log-log space.

    Args:
        lengths: ascending.

    Returns:
        None where they never do, or do from the first length.
    """
    gaps = [math.log(time / other) for time, other in zip(times, others, strict=True)]
    if not gaps or gaps[-1] >= 0:
        return None
    above = [i for i, gap in enumerate(gaps) if gap >= 0]
    if not above:
        return None
    i = above[-1]
    part = gaps[i] / (gaps[i] - gaps[i + 1])
    return math.exp(math.log(lengths[i]) + part * math.log(lengths[i + 1] / lengths[i]))


def pareto(costs: Sequence[float], values: Sequence[float]) -> list[int]:
    """Which points no other beats: at most its cost, at least its value, and better in one. By cost, ascending."""
    front: list[int] = []
    for i in sorted(range(len(costs)), key=lambda i: (costs[i], -values[i])):
        equal = front and (costs[i], values[i]) == (costs[front[-1]], values[front[-1]])
        if not front or values[i] > values[front[-1]] or equal:
            front.append(i)
    return front


def knee(costs: Sequence[float], values: Sequence[float]) -> int | None:
    """The point of a front that lies farthest above the straight line between its ends.

    Both axes are scaled to 0..1 (Satopaa et al. 2011, Kneedle).

    Args:
        costs: ascending.
        values: ascending.

    Returns:
        None where no point lies above that line, as with fewer than three points.
    """
    if len(costs) < 3 or costs[0] == costs[-1] or values[0] == values[-1]:
        return None
    above = [
        (value - values[0]) / (values[-1] - values[0]) - (cost - costs[0]) / (costs[-1] - costs[0])
        for cost, value in zip(costs, values, strict=True)
    ]
    best = int(np.argmax(above))
    return best if above[best] > 1e-9 else None
