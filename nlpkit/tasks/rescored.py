"""Draws of rows that are scored again, one by one: for metrics of which nothing is known but how they are computed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from nlpkit.tasks import outputs as model_outputs
from nlpkit.tasks.outputs import Outputs

if TYPE_CHECKING:
    from datasets import Dataset

    from nlpkit.metrics.evidence import Evidence

DRAWS = 200
MOST_ROWS = 2_000  # of which so many draws take seconds where a metric reads texts


def evidence(
    score: Callable[[Outputs, Dataset], Mapping[str, float]], outputs: Outputs, examples: Dataset
) -> Evidence | None:
    """What metrics hang on that `score` gives; None of more than `MOST_ROWS` rows.

    Args:
        score: of a task.
        outputs: merged, of at least one example.
    """
    from nlpkit.metrics.evidence import Evidence

    if not 0 < len(examples) <= MOST_ROWS:
        return None

    def figures(weights: np.ndarray) -> Mapping[str, np.ndarray]:
        scored = []
        for counts in weights.astype(int):
            rows = np.repeat(np.arange(len(examples)), counts)
            scored.append(score(model_outputs.selected(outputs, rows), examples.select(rows)))
        names = dict.fromkeys(name for values in scored for name in values)
        return {name: np.array([values.get(name, np.nan) for values in scored], dtype=np.float64) for name in names}

    return Evidence(np.arange(len(examples)), figures, draws=DRAWS)
