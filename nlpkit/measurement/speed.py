"""How fast models answer on this machine: one row at a time, and in batches."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from nlpkit.hardware import timing
from nlpkit.measurement import statistics
from nlpkit.tasks.roles import Judged

if TYPE_CHECKING:
    from nlpkit.inference.predictor import Predictor
    from nlpkit.measurement.workloads import Workload

ROWS = 256  # examples that are measured on
SECONDS = 6.0  # of measuring a side
SINGLES = 32  # single rows a side answers before it is the next one's turn
MIN_ROUNDS = 3
BATCH_SIZE = 32
RATIO_BATCHES = 4  # of the rows, by which `ratio` compares two models


@dataclass(frozen=True)
class Speed:
    """Measured speed of a model alone: its tokens are ready, its logits are not yet turned into answers; of one that is
    judged by what it writes, until that is written.

    Attributes:
        p50_ms: median latency of one model input at a time, in milliseconds.
        p95_ms: its 95th percentile over inputs of all lengths.
        rows_per_second: examples in batches of `batch_size` model inputs of like length; median of the rounds.
    """

    p50_ms: float
    p95_ms: float
    rows_per_second: float
    batch_size: int = BATCH_SIZE


@dataclass
class _Side:
    """What a side does in its turns, on the device: `singles` of one model input each, `batches` of several."""

    singles: Workload
    batches: Workload
    synchronize: timing.Call
    next_single: int = 0

    def warm_up(self) -> None:
        """Make every call once: kernels are chosen and memory is taken at the first sight of a shape."""
        for workload in (self.batches, self.singles):
            timing.timed(workload.calls, 1, self.synchronize)

    def turn(self) -> tuple[list[float], float]:
        """Seconds of each of the next single inputs, and of all batches together."""
        count = len(self.singles.calls)
        calls = [self.singles.calls[(self.next_single + i) % count] for i in range(SINGLES)]
        self.next_single += SINGLES
        return timing.timed(calls, 1, self.synchronize), sum(timing.timed(self.batches.calls, 1, self.synchronize))


def sample(examples: Mapping[str, Sequence[Any]], rows: int = ROWS, seed: int = 0) -> dict[str, list[Any]]:
    """At most `rows` examples (columns of equal length) drawn at random: the lengths of a split, in few rows."""
    count = len(next(iter(examples.values())))
    chosen = np.sort(np.random.default_rng(seed).permutation(count)[:rows]).tolist()
    return {name: [column[i] for i in chosen] for name, column in examples.items()}


def measure(
    sides: Sequence[Predictor],
    examples: Mapping[str, Sequence[Any]],
    *,
    batch_size: int = BATCH_SIZE,
    seconds: float = SECONDS,
) -> list[Speed]:
    """Let several models answer the same rows by turns, so that what else the machine does hits all alike.

    Args:
        sides: models, each with its own tokenizer; of one task.
        examples: columns of equal length, at least one row; see `sample`.
        batch_size: model inputs per batch.
        seconds: of measuring, a side; at least three rounds are made.

    Returns:
        A speed for each side.
    """
    ready = [_prepared(side, examples, batch_size) for side in sides]
    for side in ready:
        side.warm_up()
    rounds = timing.by_turns([side.turn for side in ready], seconds * len(ready), MIN_ROUNDS)
    return [_speed(made, side.batches.samples, batch_size) for made, side in zip(rounds, ready, strict=True)]


def in_batches(predictor: Predictor, examples: Mapping[str, Sequence[Any]], batch_size: int = BATCH_SIZE) -> Workload:
    """The calls with which a model answers rows in batches of like length, the longest first, as `measure` has them."""
    from nlpkit.measurement import workloads
    from nlpkit.measurement.loading import Model

    model = Model.of(predictor)
    batches = workloads.batches_of(model, workloads.inputs_of(model, examples), batch_size)
    return workloads.inference(model, batches, len(next(iter(examples.values()))), served=True)


def ratio(first: Workload, second: Workload, device: str, *, seconds: float = SECONDS) -> float:
    """How many times as fast the second of two models answers the same rows.

    A few batches of each, which stand for all, are timed by turns, and of each the least time of all rounds counts:
    whatever else the machine does only adds to it.

    Args:
        first, second: of the same rows, each in the tokens of its own model.
        device: where they are, as torch names it.
        seconds: of timing, both together; at least three rounds are made.
    """
    watch = timing.stopwatch(device)
    runs = {
        (side, place): workload.calls[place]
        for side, workload in enumerate((first, second))
        for place in timing.some_of(len(workload.calls), RATIO_BATCHES)
    }
    taken = timing.turns_of(runs, seconds, MIN_ROUNDS, watch)
    before, after = (
        np.mean([min(turns) for (own, _), turns in taken.items() if own == side]) * len(workload.calls)
        for side, workload in enumerate((first, second))
    )
    return float(before / after)


def _speed(rounds: Sequence[tuple[list[float], float]], samples: int, batch_size: int) -> Speed:
    """The figures of a side, given what its turns gave."""
    latencies = statistics.spread([seconds for singles, _ in rounds for seconds in singles])
    return Speed(
        p50_ms=1e3 * latencies.p50,
        p95_ms=1e3 * latencies.p95,
        rows_per_second=float(np.median([samples / seconds for _, seconds in rounds])),
        batch_size=batch_size,
    )


def _prepared(predictor: Predictor, examples: Mapping[str, Sequence[Any]], batch_size: int) -> _Side:
    from nlpkit.measurement import workloads
    from nlpkit.measurement.loading import Model

    model = Model.of(predictor)
    rows = workloads.inputs_of(model, examples)
    count = len(next(iter(examples.values())))
    # single inputs keep the order of the rows, which is that of no length
    singles = [batch for row in rows for batch in workloads.batches_of(model, [row], 1)]
    batches = workloads.batches_of(model, rows, batch_size)
    ask: Callable[..., Workload] = partial(workloads.inference, served=True)
    if isinstance(predictor.task, Judged) and predictor.task.judged_by_writing:
        ask = workloads.answering
    return _Side(
        ask(model, singles, count),
        ask(model, batches, count),
        timing.synchronizer(model.device.name),
    )
