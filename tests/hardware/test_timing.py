"""Calls are timed one by one, and warm-up ends when they have settled; on a clock that is made up."""

from __future__ import annotations

import gc
import statistics
from collections.abc import Callable, Sequence
from types import SimpleNamespace

import pytest

from nlpkit.hardware import timing


class Clock:
    """A clock that only calls advance, each by the next of these seconds, the last for ever."""

    def __init__(self, seconds: Sequence[float]) -> None:
        self.now = 0.0
        self.seconds = list(seconds)
        self.made = 0

    def perf_counter(self) -> float:
        return self.now

    def call(self) -> None:
        self.now += self.seconds[min(self.made, len(self.seconds) - 1)]
        self.made += 1


def clock_of(monkeypatch: pytest.MonkeyPatch, *seconds: float) -> Clock:
    clock = Clock(seconds)
    monkeypatch.setattr(timing, "time", SimpleNamespace(perf_counter=clock.perf_counter))
    return clock


def nothing() -> None:
    pass


def test_a_gpu_is_timed_by_its_own_events_once_it_is_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    now, queued = 0.0, 7.0  # milliseconds of the GPU

    class Event:
        def __init__(self, enable_timing: bool) -> None:
            assert enable_timing

        def record(self) -> None:
            self.at = now

        def synchronize(self) -> None:
            pass

        def elapsed_time(self, end: Event) -> float:
            return end.at - self.at

    def wait() -> None:
        nonlocal now, queued
        now, queued = now + queued, 0.0

    def call() -> None:
        nonlocal now
        now += queued + 5.0

    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "synchronize", wait)
    assert timing.stopwatch("cuda")(call) == 0.005


@pytest.mark.gpu
def test_the_clock_and_the_events_of_a_gpu_agree() -> None:
    import torch
    from transformers import BertConfig, BertModel

    model = BertModel(BertConfig(num_hidden_layers=6)).to("cuda", torch.bfloat16).eval()
    ids = torch.randint(100, 1_000, (32, 128), device="cuda")

    @torch.inference_mode()
    def call() -> None:
        model(input_ids=ids)

    synchronize, watch = timing.synchronizer("cuda"), timing.stopwatch("cuda")
    timing.warm([call], 2.0, synchronize)
    by_clock = statistics.median(timing.timed([call], 50, synchronize))
    by_events = statistics.median(watch(call) for _ in range(50))
    assert by_clock == pytest.approx(by_events, rel=0.05)


def test_each_call_of_each_pass_is_timed_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = clock_of(monkeypatch, 1, 2, 3, 4)
    assert timing.timed([clock.call, clock.call], 2, nothing) == [1, 2, 3, 4]


def test_waiting_for_the_device_belongs_to_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = clock_of(monkeypatch, 1)

    def device() -> None:
        clock.now += 10

    assert timing.timed([clock.call], 2, device) == [11, 11]


def test_garbage_is_left_alone_while_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bool] = []
    timing.timed([lambda: seen.append(gc.isenabled())], 2, nothing)
    assert seen == [False, False]
    assert gc.isenabled()

    def fail() -> None:
        raise MemoryError

    with pytest.raises(MemoryError):
        timing.timed([fail], 1, nothing)
    assert gc.isenabled()


def test_warm_up_ends_when_times_have_settled(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = clock_of(monkeypatch, 50, 4, 4, 4, 1)
    found = timing.warm([clock.call], 1000.0, nothing)
    # the first does not count; then 4 4 4 1 1 | 1 1 1 1 1 is the first pair of windows with medians that are far apart,
    # one later the one before is 4 4 1 1 1
    assert (found.calls, found.stable, found.pass_seconds) == (12, True, 1.0)
    assert found.seconds == 50 + 3 * 4 + 8


def test_warm_up_ends_with_its_time_where_nothing_settles(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = clock_of(monkeypatch, *(2.0**i for i in range(20)))
    found = timing.warm([clock.call], 100.0, nothing)
    assert not found.stable
    assert found.calls == 7  # 1, then 2 + 4 + ... + 64 seconds


def test_compiling_is_not_taken_off_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = clock_of(monkeypatch, 1000, 1)
    assert timing.warm([clock.call], 30.0, nothing).stable


def test_a_slow_call_is_made_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = clock_of(monkeypatch, 10)
    assert timing.warm([clock.call], 1.0, nothing) == timing.WarmUp(2, 20, True, 10)


def test_a_pass_of_many_calls_settles_sooner(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = clock_of(monkeypatch, 1)
    found = timing.warm([clock.call] * 8, 1000.0, nothing)
    assert (found.calls, found.pass_seconds) == (24, 8.0)


def test_sides_take_turns_and_who_goes_first_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = clock_of(monkeypatch, 1.0)
    order: list[str] = []

    def side(name: str) -> Callable[[], int]:
        def turn() -> int:
            clock.call()
            order.append(name)
            return len(order)

        return turn

    given = timing.by_turns([side("a"), side("b")], 0.0, 3)
    assert "".join(order) == "abbaab"
    assert given == [[1, 4, 5], [2, 3, 6]]  # what a side's turns gave stands at its place, whoever went first
    order.clear()
    timing.by_turns([side("a"), side("b")], 7.0, 1)
    assert len(order) == 8  # whole rounds, as long as there is time


def test_a_few_calls_stand_for_all() -> None:
    assert timing.some_of(8, 4) == [1, 3, 5, 7]
    assert timing.some_of(9, 4) == [1, 3, 5, 7]
    assert timing.some_of(3, 4) == [0, 1, 2]
    assert timing.some_of(5, 1) == [2]
