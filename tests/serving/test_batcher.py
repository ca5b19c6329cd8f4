"""What waits for a model, and what goes through it together: with a model that is told when to go on."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from nlpkit.serving import batcher as batching
from nlpkit.serving.batcher import Batcher, Pending
from nlpkit.serving.refusals import Refusal
from nlpkit.serving.served import ServedModel, Unit


class Predictor:
    """Answers a unit with the number of its tokens; a model that waits for `go` and notes what it is given together."""

    batch_size = 4

    def __init__(self) -> None:
        self.task = self
        self.writes = False
        self.go = threading.Semaphore(0)
        self.began = threading.Semaphore(0)
        self.batches: list[list[int]] = []
        self.fails: Callable[[list[int]], bool] = lambda lengths: False

    def entries(self, made: Mapping[str, Sequence[Any]]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        lengths = list(made["length"])
        self.batches.append(lengths)
        self.began.release()
        self.go.acquire()
        if self.fails(lengths):
            raise ValueError("it does not fit")
        for i in np.argsort(lengths)[::-1]:
            yield np.array([i]), np.array([[lengths[i]]])

    def merge(self, outputs: np.ndarray, made: Any) -> np.ndarray:
        return outputs.sum(0, keepdims=True)

    def decode(self, outputs: np.ndarray, inputs: Any) -> Iterator[dict[str, Any]]:
        return ({"prediction": int(value)} for value in outputs[:, 0])

    def free(self, times: int = 1) -> None:
        for _ in range(times):
            self.go.release()


class Model(ServedModel):
    """One that opens nothing."""

    name = "model"

    def __init__(self) -> None:
        self.predictor = Predictor()
        self.task = self.predictor.task
        self.tried = 0

    def try_example(self) -> None:
        self.tried += 1


class Variant:
    def __init__(self, model: Model, key: str = "") -> None:
        self.predictor, self.key = model.predictor, key


def unit(length: int, name: str = "", rows: int = 1, key: str = "") -> Unit:
    return Unit((key, name or str(length)), {}, {"length": [length] * rows}, length * rows, length * rows, 0, 0)


def ask(batcher: Batcher, variant: Any, units: list[Unit]) -> Pending:
    pending, places = batcher.ask(variant, [one.key for one in units])
    batcher.queue(pending, places, [units[i] for i in places])
    return pending


def with_batcher(
    test: Callable[[Model, Batcher, Any], Coroutine[Any, Any, None]], *, callers: int = 1, **settings: Any
) -> None:
    """Run a test in an event loop, with a queue of its own."""

    async def run() -> None:
        model = Model()
        model.callers = callers
        batcher = Batcher(model, **settings)  # type: ignore[arg-type]
        try:
            async with asyncio.timeout(20):
                await test(model, batcher, Variant(model))
        finally:
            batcher.close()
            model.predictor.free(100)

    asyncio.run(run())


async def begun(model: Model) -> None:
    await asyncio.to_thread(model.predictor.began.acquire)


def predictions(answers: list[dict[str, Any]]) -> list[int]:
    return [answer["prediction"] for answer in answers]


def test_a_model_with_two_callers_computes_two_requests_at_once_and_they_share_what_waits() -> None:
    async def test(model: Model, batcher: Batcher, variant: Any) -> None:
        first = ask(batcher, variant, [unit(3)])
        await begun(model)
        second = ask(batcher, variant, [unit(4)])
        await begun(model)  # although nothing has come back of the first
        many = ask(batcher, variant, [unit(length) for length in (10, 11, 12, 13)])
        rate, batcher._rate = batcher._rate, 1.0
        assert batcher.waiting_seconds == pytest.approx((46 + 3 + 4) / 2, abs=5)
        batcher._rate = rate
        model.predictor.free(100)
        assert predictions(await first.future) == [3]
        assert predictions(await second.future) == [4]
        assert predictions(await many.future) == [10, 11, 12, 13]
        # the one that is free first takes half of what waits, and leaves the rest to the other
        assert max(len(batch) for batch in model.predictor.batches) == 2

    with_batcher(test, callers=2)


@pytest.mark.skipif(sys.platform != "linux", reason="priorities are of processes elsewhere")
def test_the_event_loop_goes_before_the_threads_of_models() -> None:
    async def test(model: Model, batcher: Batcher, variant: Any) -> None:
        ask(batcher, variant, [unit(3)])
        await begun(model)
        behind = [thread.native_id for thread in threading.enumerate() if thread.name == "model model"]
        assert behind
        assert all(os.getpriority(os.PRIO_PROCESS, one or 0) > os.getpriority(os.PRIO_PROCESS, 0) for one in behind)

    with_batcher(test)


def test_an_idle_model_begins_at_once_and_what_came_meanwhile_goes_together() -> None:
    async def test(model: Model, batcher: Batcher, variant: Any) -> None:
        first = ask(batcher, variant, [unit(3)])
        await begun(model)
        others = [ask(batcher, variant, [unit(length)]) for length in (5, 9, 4)]
        model.predictor.free(2)
        assert predictions(await first.future) == [3]
        assert [predictions(await other.future) for other in others] == [[5], [9], [4]]
        assert model.predictor.batches == [[3], [5, 9, 4]]

    with_batcher(test)


def test_a_large_request_does_not_starve_a_small_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "REMEMBERED", 1)

    async def test(model: Model, batcher: Batcher, variant: Any) -> None:
        batcher._rate = 100 / batching.TAKEN_SECONDS  # a hundred tokens go together
        large = ask(batcher, variant, [unit(50, f"large {i}") for i in range(6)])
        await begun(model)
        small = ask(batcher, variant, [unit(20, "small")])
        model.predictor.free(2)
        assert predictions(await small.future) == [20]
        assert not large.future.done()
        assert 20 in model.predictor.batches[1]
        model.predictor.free(9)
        assert predictions(await large.future) == [50] * 6

    with_batcher(test)


def test_equal_inputs_that_wait_are_computed_once() -> None:
    async def test(model: Model, batcher: Batcher, variant: Any) -> None:
        first = ask(batcher, variant, [unit(3)])
        await begun(model)
        twice = ask(batcher, variant, [unit(7), unit(8), unit(7), unit(3)])
        again = ask(batcher, variant, [unit(8)])
        model.predictor.free(3)
        assert predictions(await twice.future) == [7, 8, 7, 3]
        assert predictions(await again.future) == [8]
        assert predictions(await first.future) == [3]
        assert model.predictor.batches == [[3], [7, 8]]
        later = ask(batcher, variant, [unit(8)])  # nothing is kept
        assert predictions(await later.future) == [8]
        assert len(model.predictor.batches) == 3

    with_batcher(test)


def test_a_cache_keeps_as_many_answers_as_it_may() -> None:
    async def test(model: Model, batcher: Batcher, variant: Any) -> None:
        model.predictor.free(9)
        for length in (1, 2, 3, 2, 1):
            assert predictions(await ask(batcher, variant, [unit(length)]).future) == [length]
        assert model.predictor.batches == [[1], [2], [3], [1]]

    with_batcher(test, cache=2)


def test_what_nobody_waits_for_is_not_computed() -> None:
    async def test(model: Model, batcher: Batcher, variant: Any) -> None:
        first = ask(batcher, variant, [unit(3)])
        await begun(model)
        gone = ask(batcher, variant, [unit(5), unit(6)])
        stays = ask(batcher, variant, [unit(6), unit(7)])  # 6 is asked for by the one that goes
        gone.cancel()
        model.predictor.free(5)
        assert predictions(await stays.future) == [6, 7]
        await first.future
        assert sorted(length for batch in model.predictor.batches[1:] for length in batch) == [6, 7]
        assert batcher._waiting_work == 0

    with_batcher(test)


def test_ways_of_asking_are_not_mixed() -> None:
    async def test(model: Model, batcher: Batcher, variant: Any) -> None:
        other = Variant(model, "other")
        first = ask(batcher, variant, [unit(3)])
        await begun(model)
        pending = [ask(batcher, variant if i % 2 else other, [unit(i + 10, key=str(i % 2))]) for i in range(4)]
        model.predictor.free(5)
        for i, one in enumerate(pending):
            assert predictions(await one.future) == [i + 10]
        await first.future
        assert model.predictor.batches[1:] == [[10, 12], [11, 13]]

    with_batcher(test)


def test_rows_of_a_unit_come_back_together() -> None:
    async def test(model: Model, batcher: Batcher, variant: Any) -> None:
        model.predictor.free()
        assert predictions(await ask(batcher, variant, [unit(4, rows=3), unit(9)]).future) == [12, 9]

    with_batcher(test)


def test_one_that_fails_takes_no_other_with_it() -> None:
    async def test(model: Model, batcher: Batcher, variant: Any) -> None:
        model.predictor.fails = lambda lengths: 13 in lengths
        first = ask(batcher, variant, [unit(3)])
        await begun(model)
        bad, good = ask(batcher, variant, [unit(13)]), ask(batcher, variant, [unit(5)])
        model.predictor.free(9)
        assert predictions(await good.future) == [5]
        with pytest.raises(Refusal, match="does not fit"):
            await bad.future
        await first.future
        assert not batcher.failing

    with_batcher(test)


def test_a_model_that_always_fails_counts_as_broken_until_it_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "RETRY_SECONDS", 0.01)

    async def test(model: Model, batcher: Batcher, variant: Any) -> None:
        model.predictor.fails = lambda lengths: True
        model.predictor.free(batching.FAILURES)

        def refuse() -> None:
            model.tried += 1
            raise ValueError("still not")

        model.try_example, answers = refuse, model.try_example  # type: ignore[method-assign]
        for i in range(batching.FAILURES):
            assert not batcher.failing
            with pytest.raises(Refusal):
                await ask(batcher, variant, [unit(i + 1)]).future
        while not model.tried:
            await asyncio.sleep(0.01)
        assert "model" in batcher.failing
        model.try_example = answers  # type: ignore[method-assign]
        while batcher.failing:
            await asyncio.sleep(0.01)

    with_batcher(test)


def test_waiting_seconds_are_those_of_the_work_that_waits() -> None:
    async def test(model: Model, batcher: Batcher, variant: Any) -> None:
        batcher._rate = 1000.0
        first = ask(batcher, variant, [unit(10)])
        await begun(model)
        second = ask(batcher, variant, [unit(500)])
        assert 0.5 <= batcher.waiting_seconds <= 0.51
        model.predictor.free(2)
        await first.future
        await second.future
        await asyncio.sleep(0.01)
        assert batcher.waiting_seconds == 0

    with_batcher(test)
