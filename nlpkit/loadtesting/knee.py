"""The knee: the highest rate that a service holds, found by doubling, then by halving what lies between."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from nlpkit.loadtesting.figures import Figures

FACTOR = 2.0  # from one rate to the next while the search goes up, or down
APART = 1.1  # times the highest rate that is held: where the search ends
LEAST_RATE = 0.5  # requests a second below which there is no service
MOST_LATE = 3  # rates without one that is held at which the client was late: lower ones would say no more

Measure = Callable[[float], Figures]


@dataclass
class Search:
    """What was tried, and what came of it.

    Attributes:
        steps: in the order in which they were measured; a rate that was tried twice has one entry, of both.
        knee: the highest rate that was held; None where none was.
        missed: the lowest rate above it that was not; None where there is none.
    """

    steps: list[Figures] = field(default_factory=list)
    knee: Figures | None = None
    missed: Figures | None = None

    @property
    def bound_by(self) -> Literal["service", "client", "max-rate"]:
        """What keeps the knee from being higher: with `client` the service may hold more than this client can send."""
        if self.missed is None:
            return "max-rate"
        return "client" if self.missed.verdict == "client" else "service"


def find(measure: Measure, start: float, most: float) -> Search:
    """Search from a rate on.

    The rate is doubled as long as it is held, or halved until one is; then the middle between the highest that is held
    and the lowest that is not is tried, by ratio, until they are `APART`.

    Args:
        measure: loads the service with a rate, and gives the figures.
        start: requests a second.
        most: no higher rate is tried.
    """
    search = Search()
    rate = min(start, most)
    while search.knee is None or search.missed is None:
        _try(search, measure, rate)
        if search.missed is None:
            if rate >= most:
                return search
            rate = min(rate * FACTOR, most)
        elif search.knee is None:
            rate /= FACTOR
            if rate < LEAST_RATE or sum(step.verdict == "client" for step in search.steps) >= MOST_LATE:
                return search
    while search.missed.rate > APART * search.knee.rate:
        _try(search, measure, rounded(math.sqrt(search.knee.rate * search.missed.rate)))
    return search


def rounded(rate: float) -> float:
    """A rate with three figures, which are enough for what differs by a tenth."""
    return float(f"{rate:.3g}")


def _try(search: Search, measure: Measure, rate: float) -> None:
    found = measure(rate)
    search.steps.append(found)
    if found.verdict == "held":
        search.knee = found
    else:
        search.missed = found
