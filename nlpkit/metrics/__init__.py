"""Metrics as `evaluate` classes that need no network."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import evaluate


def computed(metric: type[evaluate.Metric], **columns: Any) -> dict[str, float]:
    """What a metric says of rows that are in memory.

    Args:
        metric: a class of this package.
        columns: as its `_compute` names them.
    """
    # evaluate makes a folder for each metric, by default in the home folder, also for one that writes no file
    with tempfile.TemporaryDirectory() as place:
        scores: dict[str, float] = metric(keep_in_memory=True, cache_dir=place).compute(**columns)
    return scores
