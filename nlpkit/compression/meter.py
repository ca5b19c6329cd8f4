"""How large and how fast models are, beside the one that was begun with, in calls as the user has them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nlpkit.compression.wishes import Figures
from nlpkit.hardware import timing
from nlpkit.measurement import before_after, speed, statistics, workloads
from nlpkit.measurement.loading import Model

if TYPE_CHECKING:
    from nlpkit.inference.predictor import Predictor

CALLS = 32  # of one model, before it is the other's turn
PLANNED = 16  # calls by which shapes are told apart
SEEDS = 8  # batches of random tokens, where all have one length


class Meter:
    """Times models by turns with the one that was begun with.

    Args:
        reference: the model that was begun with, open.
        examples: rows whose lengths calls have; see `speed.sample`.
        rows, length: of a call; length None: as the examples.
        seconds: of measuring a side.
    """

    def __init__(
        self,
        reference: Predictor,
        examples: Mapping[str, Sequence[Any]],
        *,
        rows: int = 1,
        length: int | None = None,
        seconds: float = speed.SECONDS,
    ) -> None:
        self.reference, self.rows, self.length, self.seconds = reference, rows, length, seconds
        self.examples = speed.sample(examples)

    def figures(self, predictor: Predictor, folder: Path) -> Figures:
        """Of a model; what it has lost is not known here.

        Args:
            predictor: the model, open.
            folder: of its files.
        """
        turns = [self._turn(side) for side in (self.reference, predictor)]
        rounds = timing.by_turns(turns, 2 * self.seconds, speed.MIN_ROUNDS)
        before, after = (statistics.spread([taken for made in side for taken in made]).p50 for side in rounds)
        return Figures(before_after.weight_bytes(folder), after, before / after)

    def _turn(self, predictor: Predictor) -> partial[list[float]]:
        """Seconds of the next calls of a side."""
        model = Model.of(predictor)
        batches = batches_of(model, self.examples, self.rows, self.length)
        calls = workloads.inference(model, batches, len(batches), served=True).calls
        synchronize = timing.synchronizer(model.device.name)
        timing.timed(calls, 1, synchronize)  # kernels are chosen and memory is taken at the first sight of a shape
        place: Iterator[timing.Call] = itertools.cycle(calls)
        return partial(_timed, place, synchronize)


def batches_of(
    model: Model, examples: Mapping[str, Sequence[Any]], rows: int, length: int | None
) -> list[dict[str, Any]]:
    """Calls as the user has them: so many rows each, of the lengths of the examples or all of one length."""
    if length is not None:
        return [workloads.random_batch(model, rows, length, seed) for seed in range(SEEDS)]
    inputs = workloads.inputs_of(model, examples)
    if rows > 1:
        return workloads.batches_of(model, inputs, rows)
    return [batch for row in inputs for batch in workloads.batches_of(model, [row], 1)]


def planned(predictor: Predictor, examples: Mapping[str, Sequence[Any]], rows: int, length: int | None) -> list[Any]:
    """The calls by which shapes are told apart before any is trained: few, as many shapes make them."""
    sample = speed.sample(examples, PLANNED * rows)
    return batches_of(Model.of(predictor), sample, rows, length)


def _timed(place: Iterator[timing.Call], synchronize: timing.Call) -> list[float]:
    return timing.timed([next(place) for _ in range(CALLS)], 1, synchronize)
