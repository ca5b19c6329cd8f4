"""Timing calls: until they have settled, and how long each of them takes."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

Call = Callable[[], object]
SETTLED = 0.05  # by how much two windows of passes may differ
WINDOW = 5  # calls of a window, at least

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True)
class WarmUp:
    """Calls that were made before measuring.

    Attributes:
        calls: how many.
        seconds: all of it.
        stable: whether their times had settled.
        pass_seconds: a pass, by the last of them.
    """

    calls: int
    seconds: float
    stable: bool
    pass_seconds: float


def synchronizer(device: str) -> Call:
    """What waits until a device (as torch names it) has done what it was given."""
    import torch

    kind = torch.device(device).type
    return {"cuda": torch.cuda.synchronize, "mps": torch.mps.synchronize}.get(kind, lambda: None)


def stopwatch(device: str) -> Callable[[Call], float]:
    """What times a call in seconds, to its end on a device (as torch names it).

    On CUDA it goes by the GPU's own events, in which waiting for it has no part; where torch has one thread of a CPU,
    by the time that this process had, in which what other processes took has none; elsewhere by the clock. What was
    queued before is waited for first.
    """
    import torch

    synchronize = synchronizer(device)
    alone = torch.device(device).type == "cpu" and torch.get_num_threads() == 1
    clock = time.process_time if alone else time.perf_counter

    def by_clock(call: Call) -> float:
        synchronize()
        start = clock()
        call()
        synchronize()
        return clock() - start

    def by_events(call: Call) -> float:
        synchronize()
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        call()
        end.record()
        end.synchronize()
        return start.elapsed_time(end) / 1e3

    return by_events if device.partition(":")[0] == "cuda" else by_clock


def timed(calls: Sequence[Call], passes: int, synchronize: Call) -> list[float]:
    """Seconds of each call, in order; garbage is not collected meanwhile.

    Args:
        calls: a pass.
        passes: how often they are gone through.
        synchronize: waits for the device.
    """
    clock = time.perf_counter
    seconds: list[float] = []
    note = seconds.append
    collects = gc.isenabled()
    gc.disable()
    try:
        synchronize()
        for _ in range(passes):
            for call in calls:
                start = clock()
                call()
                synchronize()
                note(clock() - start)
    finally:
        if collects:
            gc.enable()
    return seconds


def by_turns(turns: Sequence[Callable[[], T]], seconds: float, rounds: int) -> list[list[T]]:
    """Let several sides take turns, so that what else the machine does hits all of them alike.

    Who goes first changes from round to round, as the one behind a slow side meets a warmer chip.

    Args:
        turns: of each side: makes one turn and gives what was measured in it.
        seconds: for all sides together.
        rounds: how many are made at least, in each of which every side has a turn.

    Returns:
        What the turns of each side gave, in the order of `turns`.
    """
    given: list[list[T]] = [[] for _ in turns]
    order = list(range(len(turns)))
    stop = time.perf_counter() + seconds
    made = 0
    while made < rounds or time.perf_counter() < stop:
        first = made % len(turns)
        for side in order[first:] + order[:first]:
            given[side].append(turns[side]())
        made += 1
    return given


def some_of(count: int, most: int) -> list[int]:
    """At most `most` of `count` places, the middle of equal parts: of calls by length those that stand for all."""
    parts = min(count, most)
    return [(2 * part + 1) * count // (2 * parts) for part in range(parts)]


def turns_of(
    runs: Mapping[K, Call], seconds: float, rounds: int, watch: Callable[[Call], float]
) -> dict[K, list[float]]:
    """Seconds of each call in each round, all called by turns, after one call of each that is not counted.

    Args:
        runs: by names.
        seconds: see `by_turns`.
        rounds: likewise.
        watch: see `stopwatch`.
    """
    for run in runs.values():
        run()
    return dict(zip(runs, by_turns([partial(watch, run) for run in runs.values()], seconds, rounds), strict=True))


def warm(calls: Sequence[Call], seconds: float, synchronize: Call) -> WarmUp:
    """Go through the calls until the passes take the same time: the median of a window of them is within 5 % of that of
    the window before. A window is one pass, or as many as make 5 calls.

    Args:
        calls: a pass.
        seconds: after which it ends, settled or not; two passes are made at least. The first, in which a compiler works
            and memory is touched for the first time, is not counted.
        synchronize: waits for the device.
    """
    window = -(-WINDOW // len(calls))
    start = time.perf_counter()
    passes = [sum(timed(calls, 1, synchronize))]
    stop = time.perf_counter() + seconds
    while True:
        passes.append(sum(timed(calls, 1, synchronize)))
        settled = len(passes) > 2 * window and _settled(passes[1:], window)
        if settled or time.perf_counter() >= stop:
            break
    if not settled:  # too slow for whole windows: what there is
        settled = _settled(passes, max(min(window, len(passes) // 2), 1))
    spent = time.perf_counter() - start
    return WarmUp(len(passes) * len(calls), spent, settled, statistics.median(passes[1:][-max(window, 2) :]))


def _settled(passes: Sequence[float], window: int) -> bool:
    last, before = (statistics.median(part) for part in (passes[-window:], passes[-2 * window : -window]))
    return abs(last - before) <= SETTLED * before
