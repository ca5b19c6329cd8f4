"""The table that distill, prune and quantize end with."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from datasets import Dataset

from nlpkit import reporting
from nlpkit.measurement import before_after, speed
from nlpkit.pruning import sweep_report
from nlpkit.tasks.masked_lm.task import MaskedLanguageModeling
from nlpkit.tasks.question_answering.task import QuestionAnswering
from nlpkit.tasks.text_classification.task import TextClassification


def side(name: str, value: float, size: int, p50: float, rate: float, metric: str = "accuracy") -> dict[str, Any]:
    return {
        "name": name,
        "metrics": {metric: value},
        "points_lost": 0.0,
        "parameters": 10,
        "bytes": size,
        "p50_ms": p50,
        "p95_ms": p50,
        "rows_per_second": rate,
        "batch_size": 32,
    }


def test_gain_in_words() -> None:
    task: Any = SimpleNamespace(main_metric="accuracy", higher_is_better=lambda _: True)
    before, after = side("a", 0.9, 100, 4.0, 50.0), side("b", 0.882, 25, 2.0, 150.0) | {"points_lost": 1.8}
    assert before_after.gain(before, after, task) == (
        "4.0 times smaller, 2.0 times faster one by one and 3.0 in batches, for 1.80 points of accuracy (98.0% kept)"
    )
    assert "at the same accuracy" in before_after.gain(before, before, task)
    assert "with accuracy 1.80 points better" in before_after.gain(after, before, task)


def test_how_sure_a_change_is_stands_behind_it() -> None:
    task: Any = SimpleNamespace(main_metric="accuracy", higher_is_better=lambda _: True, point=0.01)
    first, second = side("a", 0.9, 100, 4.0, 50.0), side("b", 0.88, 25, 2.0, 150.0)
    told = {"value": -0.02, "interval": [-0.035, -0.005], "p": 0.01, "test": "paired bootstrap"}

    def line(**difference: Any) -> str:
        changed = second | ({"difference": {**told, **difference}} if difference else {})
        return before_after.lines({"split": "test", "rows": 900, "device": ["cpu"], "sides": [first, changed]}, task)[0]

    assert line(p=0.01).endswith("; 95 % confidence interval of the change: -3.50 to -0.50 points")
    assert line(p=0.3).endswith("; no clear difference on these rows (p = 0.3)")
    assert line(p=1.0, interval=None) == line()  # of older records nothing is known


SESSION = {"date": "2026-01-02T03:04:05+0000", "device": ["cpu", "cpu"]}


@pytest.mark.parametrize(
    ("task", "metric", "before", "after", "lost"),
    [
        (TextClassification, "accuracy", 0.91, 0.90, 1.0),  # a point is a hundredth
        (TextClassification, "rmse", 0.50, 0.52, 2.0),  # more is worse
        (QuestionAnswering, "f1", 64.1, 63.1, 1.0),  # counted in percent
        (MaskedLanguageModeling, "perplexity", 6.0, 7.5, 1.5),
    ],
)
def test_points_lost(task: Any, metric: str, before: float, after: float, lost: float) -> None:
    point = task.point.fget(None) if isinstance(task.point, property) else task.point
    self = SimpleNamespace(
        main_metric=metric, point=point, higher_is_better=lambda name: name not in task.lower_is_better
    )
    assert task.points_lost(self, {metric: before}, {metric: after}) == pytest.approx(lost)
    assert task.points_lost(self, {metric: after}, {metric: before}) == pytest.approx(-lost)


def test_out_of_memory_while_the_speed_is_measured_costs_the_speed_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    examples = Dataset.from_dict({"text": ["a film"]})

    def fails(error: Exception) -> None:
        def measure(*_: Any, **__: Any) -> None:
            raise error

        monkeypatch.setattr(speed, "measure", measure)

    fails(torch.OutOfMemoryError("CUDA out of memory"))
    with reporting.listening() as said:
        assert before_after._speeds([], examples, 1.0, 64) is None
    assert said.warnings[0].startswith("the speed was not measured: out of memory with 64 rows at once")
    untimed = [{name: value for name, value in side("a", 0.9, 100, 4.0, 50.0).items() if name != "p50_ms"}] * 2
    points = [
        {"sparsity": 0.2, "price": {"split": "test", "main_metric": "accuracy", "sides": sides}}
        for sides in ([side("a", 0.9, 100, 4.0, 50.0)] * 2, untimed)
    ]
    assert sweep_report.table(points).header == ["sparsity", "accuracy", "points lost", "bytes"]
    fails(ValueError("a bug"))
    with pytest.raises(ValueError, match="a bug"):
        before_after._speeds([], examples, 1.0, 64)


def test_lineage_grows_from_run_to_run() -> None:
    one = {"sides": [side("teacher", 0.9, 100, 4, 50), side("student", 0.88, 50, 2, 100)]} | SESSION
    two = {"sides": [side("student", 0.88, 50, 5, 100), side("int8", 0.87, 12, 1, 200)]} | SESSION
    first = before_after.lineage({"command": "finetune-cls"}, one, "distill")
    second = before_after.lineage({"command": "distill", "lineage": first}, two, "quantize")
    assert [entry["command"] for entry in second] == ["finetune-cls", "distill", "quantize"]
    assert [entry["name"] for entry in second] == ["teacher", "student", "int8"]
    assert before_after.lineage(None, one, "distill")[0]["command"] is None


def test_speeds_of_several_sessions_are_told_apart() -> None:
    """What was measured on another day stands beside its date, and ratios are of one session."""
    from nlpkit.experiment import card

    one = {"sides": [side("teacher", 0.9, 100, 4, 50), side("student", 0.88, 50, 2, 100)]} | SESSION
    first = before_after.lineage({"command": "finetune-cls"}, one, "distill")

    def lineage(steps: list[dict[str, Any]]) -> list[str]:
        return card._lineage({"lineage": steps, "main_metric": "accuracy"})

    assert "measured" not in lineage(first)[0]
    later = {"date": "2026-02-03T04:05:06+0000", "device": ["cpu", "cpu, ONNX Runtime"]}
    two = {"sides": [side("student", 0.88, 50, 5, 40), side("int8", 0.87, 12, 1, 200)]} | later
    header, _, *rows, _, remark = lineage(before_after.lineage({"lineage": first}, two, "quantize"))
    assert "times as fast as the one above | measured |" in header
    assert rows[1].endswith("| 2.00 one by one, 2.00 in batches | 2026-01-02T03:04, cpu |")
    assert rows[2].endswith("| 5.00 one by one, 5.00 in batches | 2026-02-03T04:05, cpu, ONNX Runtime |")
    assert "different sessions do not compare" in remark
    old = [{name: value for name, value in entry.items() if name not in ("session", "faster")} for entry in first]
    assert lineage(old)[2].endswith("|  | not known when |")
