"""What a classical model learns from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nlpkit.options import RunOptions

if TYPE_CHECKING:
    from datasets import Dataset

    from nlpkit.hardware.devices import Device
    from nlpkit.tasks.roles import Trainable
    from nlpkit.word_vectors.table import WordVectors


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """Rows, and the run beside whose model the classical one stands.

    Attributes:
        task: of the rows; a network learns its loss.
        train: examples to learn from.
        validation: examples by which a network's weights are chosen, and on which answers are timed.
        config: of the run: its seed, how a step is computed, and the metric by which weights are chosen.
        device: of the run.
        vectors: of words, which those that are made of some begin with; None: nothing is known of words before.
        folder: where a network's checkpoints go while it trains.
    """

    task: Trainable
    train: Dataset
    validation: Dataset
    config: RunOptions
    device: Device
    folder: Path
    vectors: WordVectors | None = None
