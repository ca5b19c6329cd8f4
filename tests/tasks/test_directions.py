"""In which direction a metric is better: the best checkpoint, gates and comparisons go by it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nlpkit.metrics import classification
from nlpkit.tasks.text_classification.task import TextClassification

GOLD = {
    "single-label": np.array([0, 1, 0, 1, 1, 0, 1, 1]),
    "multi-label": np.array([[0, 1], [1, 0], [1, 1], [0, 1], [1, 0], [0, 1]]),
    "regression": np.array([0.1, 0.5, 0.2, 0.9, 0.4]),
}


@pytest.mark.parametrize("problem", GOLD)
def test_right_answers_are_better_than_wrong_ones_by_every_metric(problem: str) -> None:
    task: Any = object.__new__(TextClassification)  # what a metric's direction hangs on is its name
    gold = GOLD[problem]
    wrong = 1 - gold

    def scores(answers: np.ndarray) -> dict[str, float]:
        logits = answers[:, None] if problem == "regression" else 4.0 * answers - 2
        if problem == "single-label":
            logits = np.eye(2)[answers] * 4
        return classification.compute(problem, answers, gold, logits)

    good, bad = scores(gold), scores(wrong)
    assert len(good) > 3
    for name, value in good.items():
        sign = 1 if task.higher_is_better(name) else -1
        assert sign * value > sign * bad[name], name
