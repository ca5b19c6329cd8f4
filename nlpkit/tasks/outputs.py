"""Outputs of a model, one entry per row: an array where all entries have one shape, else a list of arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

# One entry per row: np.ndarray with rows first where all entries have one shape, else list[np.ndarray] (ragged). Each
# task knows which of the two its outputs are.
Outputs: TypeAlias = Any


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
