"""How much of a run is used up, in steps or in time, and the learning rate that goes with it."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

TIMED = ("linear", "cosine", "constant", "wsd")  # those that `factor` knows
WSD_DECAY = 0.1  # share of the steps in which warm-up-stable-decay goes down (Hu et al. 2024, MiniCPM)


@dataclass
class Budget:
    """The limits of a run and what it has used of them.

    Attributes:
        steps: optimizer steps.
        minutes: wall time of training, None without a limit.
        before: seconds that were used before this process, in a resumed run.
        start: of the clock; None before `begin`, as making the data ready is no part of training.
        counted: of several processes: a step, the seconds that were used then, and those of a step since.
    """

    steps: int
    minutes: float | None = None
    before: float = 0.0
    start: float | None = None
    counted: tuple[int, float, float] | None = None

    def begin(self) -> None:
        """Start the clock."""
        self.start = time.monotonic()

    def seconds(self) -> float:
        """Wall time of training so far."""
        return self.before + (0.0 if self.start is None else time.monotonic() - self.start)

    def count_from(self, step: int, seconds: float) -> None:
        """Let `progress` go by what several processes agree on; by their own clocks learning rates would differ.

        Args:
            step: that has just ended.
            seconds: of training that were used until then.
        """
        then, before, each = self.counted or (step, seconds, 0.0)
        if step > then:
            each = (seconds - before) / (step - then)
        self.counted = step, seconds, each

    def progress(self, step: int) -> float:
        """Share that is used up, of whichever limit comes first; 0 to 1."""
        share = step / max(self.steps, 1)
        if self.minutes is not None:
            share = max(share, self._used(step) / (60 * self.minutes))
        return min(share, 1.0)

    def _used(self, step: int) -> float:
        if self.counted is None:
            return self.seconds()
        then, seconds, each = self.counted
        return seconds + (step - then) * each


def factor(schedule: str, progress: float, warmup: float) -> float:
    """The learning rate relative to its peak.

    Args:
        schedule: one of `TIMED`.
        progress: share of the run that is over.
        warmup: share of the run in which the rate rises from 0.
    """
    if progress < warmup:
        return progress / warmup
    rest = (progress - warmup) / max(1 - warmup, 1e-9)
    if schedule == "linear":
        return 1 - rest
    if schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * rest))
    if schedule == "wsd":
        return min((1 - progress) / WSD_DECAY, 1.0)
    return 1.0
