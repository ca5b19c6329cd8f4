"""When requests are due: schedules of rates, and the moments that follow from them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from nlpkit.errors import UserError
from nlpkit.loadtesting.options import ScheduleOptions, rates_of

MOST_REQUESTS = 5_000_000  # of a schedule: some 60 bytes of memory each, and the text of each task that waits
RAMP_WINDOWS = 10  # parts of a ramp that have figures of their own
BURST_SHARE = 0.2  # of the seconds, in the middle


@dataclass(frozen=True)
class Piece:
    """Seconds in which the rate goes evenly from one value to another.

    Attributes:
        seconds: how long.
        start, end: requests a second.
    """

    seconds: float
    start: float
    end: float

    @property
    def expected(self) -> float:
        """Requests that are due in it."""
        return self.seconds * (self.start + self.end) / 2

    def moments(self, counts: np.ndarray) -> np.ndarray:
        """When so many requests were due, in seconds from the start of the piece; float64 of the same shape."""
        # the count after t is start * t + (end - start) * t^2 / (2 * seconds), solved without a difference of likes
        root = np.sqrt(self.start**2 + 2 * (self.end - self.start) * counts / self.seconds)
        return 2 * counts / (self.start + root)


@dataclass(frozen=True)
class Window:
    """A part of a schedule that has figures of its own.

    Attributes:
        name: for tables, as in `100/s`.
        rate: requests a second that are planned, on average.
        start, end: seconds from the start of the schedule.
    """

    name: str
    rate: float
    start: float
    end: float


@dataclass(frozen=True)
class Schedule:
    """What is sent in one go.

    Attributes:
        pieces: one behind the other; the first is the warm-up, where there is one.
        windows: what counts.
    """

    pieces: Sequence[Piece]
    windows: Sequence[Window]

    @property
    def seconds(self) -> float:
        """From the first moment to the last, the warm-up included."""
        return sum(piece.seconds for piece in self.pieces)

    def moments(self, arrivals: Literal["poisson", "even"], generator: np.random.Generator) -> np.ndarray:
        """When requests are due, in seconds from the start, ascending float64.

        Args:
            arrivals: by chance (a Poisson process) or at equal distances.
            generator: of the chance.
        """
        expected = sum(piece.expected for piece in self.pieces)
        if arrivals == "even":
            counts = np.arange(round(expected), dtype=np.float64)
        else:
            # exponential distances of mean 1, a few more than are likely to be needed
            drawn = generator.exponential(size=int(expected + 8 * np.sqrt(expected) + 16))
            counts = np.cumsum(drawn)
            counts = counts[counts < expected]
        return np.concatenate(list(self._placed(counts)))

    def _placed(self, counts: np.ndarray) -> Iterator[np.ndarray]:
        before = seconds = 0.0
        for piece in self.pieces:
            inside = counts[(counts >= before) & (counts < before + piece.expected)]
            yield seconds + piece.moments(inside - before)
            before += piece.expected
            seconds += piece.seconds


def constant(rate: float, options: ScheduleOptions) -> Schedule:
    """One rate for --seconds, behind the warm-up at the same rate."""
    warmup, seconds = options.warmup_seconds, options.seconds
    return Schedule([Piece(warmup + seconds, rate, rate)], [Window(per_second(rate), rate, warmup, warmup + seconds)])


def fixed(options: ScheduleOptions) -> list[Schedule]:
    """The schedules of --rate, --ramp or --burst; none where the knee is to be found.

    Raises:
        UserError: more requests than are kept in memory.
    """
    made = [constant(rate, options) for rate in options.rate]
    warmup, seconds = options.warmup_seconds, options.seconds
    if options.ramp is not None:
        first, last = rates_of(options.ramp)
        made.append(
            Schedule([Piece(warmup, first, first), Piece(seconds, first, last)], _of_ramp(first, last, warmup, seconds))
        )
    if options.burst is not None:
        base, top = rates_of(options.burst)
        burst = BURST_SHARE * seconds
        around = (seconds - burst) / 2
        pieces = [Piece(warmup + around, base, base), Piece(burst, top, top), Piece(around, base, base)]
        ends = [warmup, warmup + around, warmup + around + burst, warmup + seconds]
        names = [f"before: {per_second(base)}", f"burst: {per_second(top)}", f"after: {per_second(base)}"]
        windows = [
            Window(name, rate, start, end)
            for name, rate, start, end in zip(names, (base, top, base), ends, ends[1:], strict=False)
        ]
        made.append(Schedule(pieces, windows))
    for schedule in made:
        require_bounded(schedule)
    return made


def require_bounded(schedule: Schedule) -> None:
    """Refuse a schedule that would fill the memory.

    Raises:
        UserError: it has more than `MOST_REQUESTS`.
    """
    expected = sum(piece.expected for piece in schedule.pieces)
    if expected > MOST_REQUESTS:
        raise UserError(
            f"{round(expected):,} requests in one go: at most {MOST_REQUESTS:,} are kept in memory",
            "Give a lower rate or fewer --seconds.",
        )


def per_second(rate: float) -> str:
    """A rate as tables have it: `1,234/s`, `2.5/s`."""
    return f"{rate:,.0f}/s" if rate >= 100 or rate == round(rate) else f"{rate:.3g}/s"


def _of_ramp(first: float, last: float, warmup: float, seconds: float) -> list[Window]:
    edges = np.linspace(0, 1, RAMP_WINDOWS + 1)
    windows = []
    for start, end in itertools.pairwise(edges.tolist()):
        low, high = (first + (last - first) * share for share in (start, end))
        name = f"{low:,.0f} to {per_second(high)}"
        windows.append(Window(name, (low + high) / 2, warmup + seconds * start, warmup + seconds * end))
    return windows
