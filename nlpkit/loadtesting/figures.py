"""What the requests of a window say of a service: percentiles of all latencies, what was answered, refused, lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

import numpy as np

from nlpkit.loadtesting.arrivals import Window
from nlpkit.loadtesting.client import ANSWERED, REFUSED, Requests

PERCENTILES = (50, 90, 95, 99)
TAIL = 0.99
DECIMALS = 6
LEVEL = 0.95  # of the interval of the 99th percentile
LATE_SHARE = 0.1  # of --p99-ms: a client that is later than that at its own 99th percentile spoils the figure
LEAST_LATE_MS = 2.0  # the timers of a loop are exact to a millisecond

Verdict = Literal["held", "slow", "refused", "errors", "client", "nothing"]


@dataclass(frozen=True)
class Figures:
    """Figures of one window; those of latency are of what was answered, in ms from when each request was due.

    Attributes:
        name: of the window.
        rate: requests a second that were planned.
        seconds: of the window.
        requests: that were due in it.
        offered, answered, goodput: a second; goodput is what was answered within --p99-ms.
        mean_ms, p50_ms, p90_ms, p95_ms, p99_ms, max_ms: None where nothing was answered.
        p99_low_ms, p99_high_ms: the interval of the 99th percentile; None where there are too few answers for an end.
        refused: how many (429, 503).
        refused_rate: their share of the requests.
        refusal_p50_ms, refusal_p99_ms: how long a refusal took; None where there was none.
        errors: how many by kind, refusals not among them.
        error_rate: their share of the requests.
        statuses: how many by status of HTTP.
        late_p99_ms, late_max_ms: how late this client began requests.
        waited: requests for which no connection was free.
        client_cpu: share of a core that the client used.
        verdict: whether the service held the rate, or what stood against it.
    """

    name: str
    rate: float
    seconds: float
    requests: int
    offered: float
    answered: float
    goodput: float
    mean_ms: float | None
    p50_ms: float | None
    p90_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    max_ms: float | None
    p99_low_ms: float | None
    p99_high_ms: float | None
    refused: int
    refused_rate: float
    refusal_p50_ms: float | None
    refusal_p99_ms: float | None
    errors: dict[str, int]
    error_rate: float
    statuses: dict[str, int]
    late_p99_ms: float
    late_max_ms: float
    waited: int
    client_cpu: float
    verdict: Verdict

    def record(self) -> dict[str, Any]:
        """As JSON values."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: round(value, DECIMALS) if isinstance(value, float) else value for name, value in values.items()}

    def doubtful(self, p99_ms: float) -> bool:
        """Whether the service was too slow by no more than chance may do, and the rate is worth a second look."""
        return self.verdict == "slow" and (self.p99_low_ms is None or self.p99_low_ms <= p99_ms)


def of(parts: Sequence[tuple[Requests, Window]], p99_ms: float) -> Figures:
    """The figures of a window; of several of the same kind together, where a rate was tried more than once.

    Args:
        parts: requests of a schedule, and which of them count.
        p99_ms: bound of the 99th percentile, and what an answer may take to be of use.
    """
    window = parts[0][1]
    inside = [(requests, _inside(requests, part)) for requests, part in parts]
    latency, late, refusals = (
        np.concatenate(arrays)
        for arrays in zip(
            *(
                (
                    requests.latency_ms[there & (requests.kind == requests.kinds.index(ANSWERED))],
                    requests.late_ms[there],
                    requests.latency_ms[there & (requests.kind == requests.kinds.index(REFUSED))],
                )
                for requests, there in inside
            ),
            strict=True,
        )
    )
    count, seconds = len(late), sum(part.end - part.start for _, part in parts)
    errors, statuses = Counter[str](), Counter[str]()
    for requests, there in inside:
        for kind, times in zip(*np.unique(requests.kind[there], return_counts=True), strict=True):
            errors[requests.kinds[kind]] += int(times)
        for status, times in zip(*np.unique(requests.status[there], return_counts=True), strict=True):
            statuses[str(status)] += int(times)
    answered, refused = errors.pop(ANSWERED, 0), errors.pop(REFUSED, 0)
    percentiles = dict(zip(PERCENTILES, np.percentile(latency, PERCENTILES), strict=True)) if answered else {}
    low, high = quantile_interval(latency, TAIL)
    late_p99 = float(np.percentile(late, 99)) if count else 0.0
    figures = Figures(
        name=window.name,
        rate=window.rate,
        seconds=seconds,
        requests=count,
        offered=count / seconds,
        answered=answered / seconds,
        goodput=int((latency <= p99_ms).sum()) / seconds,
        mean_ms=float(latency.mean()) if answered else None,
        **{f"p{share}_ms": float(percentiles[share]) if answered else None for share in PERCENTILES},
        max_ms=float(latency.max()) if answered else None,
        p99_low_ms=low,
        p99_high_ms=high,
        refused=refused,
        refused_rate=refused / count if count else 0.0,
        refusal_p50_ms=float(np.median(refusals)) if refused else None,
        refusal_p99_ms=float(np.percentile(refusals, 99)) if refused else None,
        errors=dict(sorted(errors.items())),
        error_rate=errors.total() / count if count else 0.0,
        statuses=dict(sorted(statuses.items())),
        late_p99_ms=late_p99,
        late_max_ms=float(late.max()) if count else 0.0,
        waited=sum(int(requests.waited[there].sum()) for requests, there in inside),
        client_cpu=float(np.mean([requests.cpu for requests, _ in parts])),
        verdict="held",
    )
    return replace(figures, verdict=_verdict(figures, p99_ms))


def quantile_interval(values: np.ndarray, share: float) -> tuple[float | None, float | None]:
    """The interval of a quantile by the order of the values, whatever their distribution.

    How many of n values lie below the quantile is binomial; the ends are the values of such ranks that this count
    lies between them at `LEVEL`. It takes values for independent: those of one queue are alike, and its real interval
    is somewhat wider.

    Args:
        values: any order, shape (values,).
        share: of values below the quantile, 0.99 for the 99th percentile.

    Returns:
        Its ends; None for one that lies beyond the values: the 99th percentile has no upper end below 368 of them.
    """
    from scipy import stats

    count = len(values)
    if not count:
        return None, None
    ordered = np.sort(values)
    below = stats.binom(count, share)
    low, high = int(below.ppf((1 - LEVEL) / 2)), int(below.ppf((1 + LEVEL) / 2)) + 1  # ranks from 1
    return float(ordered[low - 1]) if low else None, float(ordered[high - 1]) if high <= count else None


def late_limit_ms(p99_ms: float) -> float:
    """How late this client may be at the 99th percentile for figures to be those of the service."""
    return max(LATE_SHARE * p99_ms, LEAST_LATE_MS)


def _inside(requests: Requests, window: Window) -> np.ndarray:
    return (requests.due >= window.start) & (requests.due < window.end)


def _verdict(figures: Figures, p99_ms: float) -> Verdict:
    if not figures.requests:
        return "nothing"
    if figures.errors:
        return "errors"
    # what a late client adds to latencies is in them: they hold all the more
    if not figures.refused and figures.p99_ms is not None and figures.p99_ms <= p99_ms:
        return "held"
    if figures.late_p99_ms > late_limit_ms(p99_ms):  # what was held up goes out at once, and so more is refused
        return "client"
    return "refused" if figures.refused else "slow"
