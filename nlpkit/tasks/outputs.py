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
    """Outputs of consecutive rows as one; there is at least one part.

    Of arrays whose rows have some entries more in one part than in another, as an example has several texts, those that
    are missing become NaN.
    """
    if isinstance(parts[0], np.ndarray):
        most = max(part.shape[1:2] for part in parts)
        return np.concatenate([part if part.shape[1:2] == most else _filled(part, most[0]) for part in parts])
    return [entry for part in parts for entry in part]


def _filled(part: np.ndarray, entries: int) -> np.ndarray:
    made = np.full((len(part), entries, *part.shape[2:]), np.nan, part.dtype)
    made[:, : part.shape[1]] = part
    return made


def in_order(outputs: Outputs, order: np.ndarray) -> Outputs:
    """Outputs whose entry i is of row `order[i]`, by row."""
    return selected(outputs, np.argsort(order))


def selected(outputs: Outputs, rows: np.ndarray) -> Outputs:
    """The outputs of these rows, in their order."""
    return outputs[rows] if isinstance(outputs, np.ndarray) else [outputs[i] for i in rows.tolist()]
