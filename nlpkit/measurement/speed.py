"""How fast models answer on this machine: one row at a time, and in batches."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nlpkit.hardware import timing
from nlpkit.tasks import features

if TYPE_CHECKING:
    import torch

    from nlpkit.inference.predictor import Predictor

ROWS = 256  # examples that are measured on
SECONDS = 6.0  # of measuring a side
SINGLES = 32  # single rows a side answers before it is the next one's turn
MIN_ROUNDS = 3
BATCH_SIZE = 32


@dataclass(frozen=True)
class Speed:
    """Measured speed of a model alone: its tokens are ready, its logits are not yet turned into answers.

    Attributes:
        p50_ms: median latency of one model input at a time, in milliseconds.
        p95_ms: its 95th percentile over inputs of all lengths.
        rows_per_second: examples in batches of `batch_size` model inputs of like length; median of the rounds.
    """

    p50_ms: float
    p95_ms: float
    rows_per_second: float
    batch_size: int = BATCH_SIZE


@dataclass(frozen=True)
class _Batch:
    """Model inputs, and the same on the device."""

    rows: list[dict[str, Any]]
    tensors: dict[str, torch.Tensor]


@dataclass
class _Side:
    predictor: Predictor
    singles: list[_Batch]
    batches: list[_Batch]
    examples: int
    latencies: list[float]
    rates: list[float]
    next_single: int = 0


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
        batch_size: model inputs a batch.
        seconds: of measuring, a side; at least three rounds are made.

    Returns:
        A speed for each side.
    """
    ready = [_prepared(side, examples, batch_size) for side in sides]
    for side in ready:  # kernels are chosen and memory is taken at the first sight of a shape
        for batch in [*side.batches, *side.singles]:
            _timed(side, batch)
    stop = time.perf_counter() + seconds * len(ready)
    rounds = 0
    while rounds < MIN_ROUNDS or time.perf_counter() < stop:
        # who goes first changes, as the one behind a slow side meets a warmer chip
        for side in ready[rounds % len(ready) :] + ready[: rounds % len(ready)]:
            for _ in range(SINGLES):
                batch = side.singles[side.next_single % len(side.singles)]
                side.latencies.append(_timed(side, batch))
                side.next_single += 1
            side.rates.append(side.examples / sum(_timed(side, batch) for batch in side.batches))
        rounds += 1
    return [
        Speed(
            p50_ms=float(np.percentile(side.latencies, 50)) * 1e3,
            p95_ms=float(np.percentile(side.latencies, 95)) * 1e3,
            rows_per_second=float(np.median(side.rates)),
            batch_size=batch_size,
        )
        for side in ready
    ]


def _prepared(predictor: Predictor, examples: Mapping[str, Sequence[Any]], batch_size: int) -> _Side:
    rows = features.inputs(predictor.task, predictor.tokenizer, examples)
    singles, batches = (
        [_Batch(some, predictor.batch(some)) for some in parts]
        for parts in ([[row] for row in rows], of_like_length(rows, batch_size))
    )
    count = len(next(iter(examples.values())))
    return _Side(predictor, singles, batches, count, [], [])


def of_like_length(rows: Sequence[dict[str, Any]], batch_size: int) -> list[list[dict[str, Any]]]:
    """Model inputs in batches, the longest in the first."""
    ordered = sorted(rows, key=lambda row: -len(row["input_ids"]))
    return [ordered[start : start + batch_size] for start in range(0, len(ordered), batch_size)]


def _timed(side: _Side, batch: _Batch) -> float:
    """Seconds of one forward pass, to its end on the device."""
    synchronize = timing.synchronizer(side.predictor.device.name)
    with side.predictor.masked(batch.rows):
        synchronize()
        start = time.perf_counter()
        side.predictor.run(batch.tensors)
        synchronize()
        return time.perf_counter() - start
