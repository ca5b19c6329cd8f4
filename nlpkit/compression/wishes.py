"""What a user wants of a smaller model, and what a model lacks of it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

from nlpkit.reporting import counted
from nlpkit.runs.folder import human_bytes

UNITS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}
_SIZE = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([a-z]*)\s*", re.IGNORECASE)


def bytes_of(text: str) -> int:
    """The number of bytes that a text such as `10MB` names; units of 1,000 (kB, MB, GB) or 1,024 (KiB, MiB, GiB).

    Raises:
        ValueError: it names none.
    """
    match = _SIZE.fullmatch(text)
    if match is None or match[2].lower() not in UNITS or not float(match[1]):
        raise ValueError("write a size, as 10MB, 800kB or 12MiB")
    return int(float(match[1]) * UNITS[match[2].lower()])


@dataclass(frozen=True)
class Figures:
    """What is measured of a model, or expected.

    Attributes:
        size: bytes of its weights on disk, with its graph.
        seconds: of one call at the user's batch and length.
        speedup: times as fast as the model that was begun with, in such calls.
        drop: points of the main metric lost against that model; None where it is not known.
    """

    size: int
    seconds: float
    speedup: float
    drop: float | None = None


@dataclass(frozen=True)
class Wishes:
    """Limits, None where there is none.

    Attributes:
        size: most bytes.
        seconds: most seconds of a call at `rows` rows of `length` tokens.
        speedup: at least so many times as fast as the model that was begun with.
        drop: at most so many points of the main metric lost.
        rows, length: of a call; length None: as the rows of the data.
    """

    size: int | None = None
    seconds: float | None = None
    speedup: float | None = None
    drop: float | None = None
    rows: int = 1
    length: int | None = None

    @property
    def of_shape(self) -> bool:
        """Whether something is wished for that the shape of a model decides, whatever it has learnt."""
        return self.size is not None or self.seconds is not None or self.speedup is not None

    def room(self, figures: Figures) -> float:
        """How many times a model could grow and slow down within the limits on its shape; below 1 where it is beyond
        one, infinite where there is none."""
        return min(self._room(figures), default=math.inf)

    def beyond(self, figures: Figures) -> float:
        """How far a model is beyond the limits on its shape: the sum of the logarithms of how many times; 0 within."""
        return sum(max(-math.log(each), 0.0) for each in self._room(figures))

    def _room(self, figures: Figures) -> Iterator[float]:
        """The same for each limit."""
        if self.size is not None:
            yield self.size / figures.size
        if self.seconds is not None:
            yield self.seconds / figures.seconds
        if self.speedup is not None:
            yield figures.speedup / self.speedup

    def against(self, expected: Figures, measured: Figures) -> Wishes:
        """Limits for what is expected that hold for what is measured, where both differ as they do here."""
        return replace(
            self,
            size=self.size and int(self.size * min(expected.size / measured.size, 1.0)),
            seconds=self.seconds and self.seconds * min(expected.seconds / measured.seconds, 1.0),
            speedup=self.speedup and self.speedup * max(expected.speedup / measured.speedup, 1.0),
        )

    def missed(self, figures: Figures, slack: float = 0.0) -> list[str]:
        """What a model lacks, a line for each limit that it is beyond.

        Args:
            slack: share by which a time may be beyond its limit: two measurements of one model differ by some.
        """
        lines = []
        if self.size is not None and figures.size > self.size:
            lines.append(f"{human_bytes(figures.size)}, wished for {human_bytes(self.size)}")
        if self.seconds is not None and figures.seconds > self.seconds * (1 + slack):
            lines.append(f"{1e3 * figures.seconds:.3g} ms, wished for {1e3 * self.seconds:.3g} ms")
        if self.speedup is not None and figures.speedup * (1 + slack) < self.speedup:
            lines.append(f"{figures.speedup:.1f} times as fast, wished for {self.speedup:g}")
        if self.drop is not None and figures.drop is not None and figures.drop > self.drop:
            lines.append(f"{figures.drop:.2f} points lost, wished for at most {self.drop:g}")
        return lines

    def record(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)

    def described(self) -> str:
        """The limits in words."""
        parts: list[str] = []
        if self.size is not None:
            parts.append(f"at most {human_bytes(self.size)}")
        if self.seconds is not None:
            parts.append(f"at most {1e3 * self.seconds:g} ms {self.call}")
        if self.speedup is not None:
            parts.append(f"at least {self.speedup:g} times as fast {self.call}")
        if self.drop is not None:
            parts.append(f"at most {self.drop:g} points lost")
        return ", ".join(parts)

    @property
    def call(self) -> str:
        """What latency is of, in words."""
        rows = "one by one" if self.rows == 1 else f"with {counted(self.rows, 'row', 'rows')} at once"
        return rows if self.length is None else f"{rows}, {counted(self.length, 'token', 'tokens')} each"
