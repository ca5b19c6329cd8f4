"""What is said beside figures of few rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nlpkit.experiment import card, supervised
from nlpkit.measurement import before_after
from nlpkit.recipes import evaluate
from nlpkit.reporting import Estimate
from nlpkit.runs.few import FEW, few_rows, few_steps, with_figures
from nlpkit.runs.folder import read_record
from nlpkit.tasks.text_classification.task import TextClassification


def test_few_rows_are_told() -> None:
    assert few_rows({"validation": 1, "test": 8, "new.csv": FEW, "empty": 0}) == [
        "validation: the figures are of only 1 row",
        "test: the figures are of only 8 rows",
    ]


def test_a_run_its_card_and_a_price_say_so(trained: Path, tmp_path: Path) -> None:
    record = {**(read_record(trained) or {}), "judged": {"train": 3, "validation": 4, "test": 32}}
    said = "validation: the figures are of only 4 rows"
    lines = supervised.report(record, trained, TextClassification).lines
    assert [line for line in lines if "only" in line] == [said]  # of train nothing: it judges no model
    card.write(tmp_path / "README.md", record, ())
    assert f"{said[0].upper()}{said[1:]}." in (tmp_path / "README.md").read_text()
    task: Any = TextClassification
    assert said in before_after.lines({"split": "validation", "rows": 4, "sides": [{}]}, task)


def test_a_train_split_without_figures_has_no_row() -> None:
    metrics = {"train": {"loss": 1.0}, "validation": {"f1": 0.5}, "test": {}}
    assert with_figures(metrics, ["f1"]) == ["validation", "test"]
    assert with_figures(metrics, ["f1", "loss"]) == ["train", "validation", "test"]


def test_a_gate_passed_on_few_rows_says_so(trained: Path, tmp_path: Path) -> None:
    file = tmp_path / "new.csv"
    file.write_text("text,label\na fine film,positive\na dull film,negative\n")
    report = evaluate.run(evaluate.Config(model=str(trained), data=str(file), fail_under=["accuracy=0"], save=False))
    assert report.exit_code == 0
    assert "new.csv: the figures are of only 2 rows" in report.lines


def finished(**changes: Any) -> dict[str, Any]:
    """The record of a run with a baseline that is better on 40 rows of validation."""
    baseline = {
        "name": "TF-IDF",
        "metrics": {"validation": {"accuracy": 0.9}},
        "metric_intervals": {"validation": {"accuracy": [0.77, 0.96]}},
        "differences": {"validation": {"metric": "accuracy", "value": -0.2, "p": 0.008, "better": "baseline"}},
    }
    return {
        "metrics": {"validation": {"accuracy": 0.7}},
        "metric_intervals": {"validation": {"accuracy": [0.5457, 0.8193]}},
        "interval_level": 0.95,
        "interval_units": {"validation": {"rows": 40}},
        "main_metric": "accuracy",
        "table_metrics": ["accuracy"],
        "judged": {"validation": 40},
        "parents": {"model": {"name": "tiny"}},
        "baseline": baseline,
        "steps": 40,
        "best_step": 10,
        "checkpoints_judged": 4,
        "train_seconds": 1.0,
        **changes,
    }


def test_a_table_shows_intervals_and_as_many_decimals_as_they_make_sense_of(tmp_path: Path) -> None:
    report = supervised.report(finished(), tmp_path, TextClassification)
    assert [str(row[-1]) for row in report.tables[0].rows] == ["0.70 (0.55 to 0.82)", "0.90 (0.77 to 0.96)"]
    assert "in brackets: 95 % confidence intervals (40 rows of validation); another seed may differ by more" in (
        report.lines
    )
    one = supervised.report(finished(interval_units={"validation": {"rows": 1}}), tmp_path, TextClassification)
    assert [line for line in one.lines if "(1 row of validation)" in line]
    old = supervised.report(finished(metric_intervals=None, baseline=None), tmp_path, TextClassification)
    assert old.tables[0].rows[0][-1] == 0.7 and not [line for line in old.lines if "95 %" in line]
    assert [str(Estimate(*figure)) for figure in ((0.91234, 0.9104, 0.9142), (61.2, 52.5, 69.9), (0.5, 0.5, 0.5))] == [
        "0.9123 (0.9104 to 0.9142)",
        "61 (52 to 70)",
        "0.5000 (0.5000 to 0.5000)",
    ]


def test_a_run_that_was_hardly_trained_says_so() -> None:
    nothing = finished(metrics={"validation": {"f1": 0.0}}, main_metric="f1", steps=16)
    assert few_steps(nothing, ()) == [
        "f1 on validation is 0 after 16 steps: train for longer (--epochs), in smaller batches (--batch-size), or at a "
        "higher --learning-rate"
    ]
    assert few_steps({**nothing, "main_metric": "rmse", "metrics": {"validation": {"rmse": 0.0}}}, ("rmse",)) == []
    rising = finished(best_step=40)
    assert few_steps(rising, ()) == ["only 40 steps, and the last was the best: more --epochs may help"]
    assert few_steps(finished(best_step=10), ()) == []
    assert few_steps({**rising, "steps": 400, "best_step": 400}, ()) == []


def test_a_run_that_is_no_better_than_its_baseline_says_so(tmp_path: Path) -> None:
    def said(**changes: Any) -> list[str]:
        return [
            line for line in supervised.report(finished(**changes), tmp_path, TextClassification).lines if "TF" in line
        ]

    better = finished()["baseline"]
    (line,) = said()
    assert line.startswith("TF-IDF is better (accuracy 0.7 against 0.9 on validation, p = 0.008): use it")
    undecided = {"validation": {"metric": "accuracy", "value": 0.01, "p": 0.6, "better": None}}
    (line,) = said(baseline={**better, "differences": undecided})
    assert line.startswith("no clear difference from TF-IDF") and "which is cheaper" in line
    (line,) = said(rows_per_second=90.0, baseline={**better, "differences": undecided, "rows_per_second": 80.0})
    assert line.startswith("no clear difference from TF-IDF") and "cheaper" not in line
    assert (
        said(baseline={**better, "differences": {"validation": {**undecided["validation"], "better": "model"}}}) == []
    )
    assert said(baseline={name: value for name, value in better.items() if name != "differences"}) == []


def test_where_validation_has_chosen_and_there_is_no_other_split_it_says_so(tmp_path: Path) -> None:
    def said(**changes: Any) -> bool:
        lines = supervised.report(finished(**changes), tmp_path, TextClassification).lines
        return any("validation chose among 4 checkpoints" in line for line in lines)

    assert said()
    tested = {split: {"accuracy": 0.7} for split in ("validation", "test")}
    assert not said(metrics=tested, judged=dict.fromkeys(tested, 40), baseline=None)
    assert not said(checkpoints_judged=1)
