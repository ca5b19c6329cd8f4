"""Outputs of a model, one entry a row: an array where all entries have one shape, else a list of arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from nlpkit.errors import UserError

if TYPE_CHECKING:
    from datasets import Dataset

    from nlpkit.tasks.base import Task

# One entry a row: np.ndarray with rows first where all entries have one shape, else list[np.ndarray] (ragged). Each
# task knows which of the two its outputs are.
Outputs: TypeAlias = Any


MOST = 2**28  # numbers of the outputs of a split: 1 GB, of which two more copies are made


def require_room(task: Task, examples: Mapping[str, Sequence[Any]] | Dataset, rows: int, split: str = "") -> None:
    """Refuse to judge what takes too much memory, before any of the work is done.

    Args:
        task: whose outputs grow with its labels.
        examples: of a split.
        rows: how many there are.
        split: its name; empty where there is but one.

    Raises:
        UserError: saying what helps.
    """
    numbers = task.numbers(examples)
    if numbers > MOST:
        lead = f"{split}: " if split else ""
        fewer = max(rows * MOST // numbers, 1)
        raise UserError(
            f"{lead}the scores of all labels for {rows:,} rows take {4 * numbers / 1e9:,.1f} GB; at most "
            f"{4 * MOST / 1e9:.1f} GB are held",
            f"Judge fewer rows: --max-eval-samples {fewer}; or give rare labels one name together.",
        )


def exact(value: float) -> float:
    """The shortest number that is this one in float32, with which models compute: nothing is rounded off."""
    return float(str(np.float32(value)))


def joined(parts: Sequence[Outputs]) -> Outputs:
    """Outputs of consecutive rows as one; there is at least one part."""
    if isinstance(parts[0], np.ndarray):
        return np.concatenate(parts)
    return [entry for part in parts for entry in part]


def in_order(outputs: Outputs, order: np.ndarray) -> Outputs:
    """Outputs whose entry i is of row `order[i]`, by row."""
    return selected(outputs, np.argsort(order))


def selected(outputs: Outputs, rows: np.ndarray) -> Outputs:
    """The outputs of these rows, in their order."""
    return outputs[rows] if isinstance(outputs, np.ndarray) else [outputs[i] for i in rows.tolist()]
