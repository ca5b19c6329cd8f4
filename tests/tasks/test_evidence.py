"""What a task's metrics hang on gives the same figures as the task's own score, whatever the task is."""

from __future__ import annotations

from typing import Any

import every_task
import numpy as np
import pytest
from conftest import RunOf
from datasets import Dataset

from nlpkit.metrics import intervals
from nlpkit.recipes import evaluate
from nlpkit.tasks import registry, rescored
from nlpkit.tasks.roles import Judged


@pytest.mark.parametrize("kind", every_task.kinds(Judged))
def test_evidence_is_of_the_metrics_that_are_scored(kind: str, run_of: RunOf, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each interval holds the metric that it stands beside, and equals that of rows scored one draw at a time."""
    folder = run_of(kind)
    found: dict[str, Any] = {}
    own_class = registry.task_class(every_task.KINDS[kind])
    evidence = own_class.evidence

    def kept(task: Judged, outputs: object, examples: Dataset) -> object:
        found["own"], found["score"] = evidence(task, outputs, examples), task.score(outputs, examples)
        found["main"] = task.main_metric
        found["slow"] = Judged.evidence(task, outputs, examples)
        return found["own"]

    monkeypatch.setattr(own_class, "evidence", kept)
    data = str(folder.parent / "data")
    config = evaluate.Config(model=str(folder), data=data, split="validation", save=False, device="cpu", threads=1)
    record = evaluate.run(config).record
    own, slow, scores = found["own"], found["slow"], found["score"]
    observed = own.observed()
    assert observed == pytest.approx({name: scores[name] for name in observed})
    counts = {name for name in scores if name.endswith(("_total", "_thresh"))} | {"masked", "tokens", "total"}
    assert set(scores) - set(observed) <= counts | {"ece", "brier", "nll"}
    rows = np.random.default_rng(3).integers(0, own.rows, own.rows)
    weights = [np.bincount(e.kinds[rows], minlength=e.kind_count)[None].astype(float) for e in (own, slow)]
    drawn, again = own.figures(weights[0]), slow.figures(weights[1])
    for name in observed:
        assert drawn[name] == pytest.approx(again[name], nan_ok=True), name
    # a model that gives every row the same label has the same recall_macro whatever is drawn, which is no certainty
    assert found["main"] in record["metric_intervals"]["validation"]
    for name, (low, high) in record["metric_intervals"]["validation"].items():
        assert low <= scores[name] <= high, name


def test_a_task_that_only_scores_has_intervals_of_few_rows() -> None:
    def score(outputs: np.ndarray, examples: Dataset) -> dict[str, float]:
        return {"mean": float(np.mean(outputs)), "rows": float(len(examples["label"]))}

    examples = Dataset.from_dict({"label": list(range(30))})
    outputs = np.random.default_rng(0).normal(size=30)
    evidence = rescored.evidence(score, outputs, examples)
    assert evidence is not None
    low, high = intervals.of(evidence)["mean"]
    assert low < outputs.mean() < high and high - low == pytest.approx(4 * outputs.std() / 30**0.5, rel=0.25)
    assert "rows" not in intervals.of(evidence)
    many = Dataset.from_dict({"label": [0] * (rescored.MOST_ROWS + 1)})
    assert rescored.evidence(score, np.zeros(len(many)), many) is None
