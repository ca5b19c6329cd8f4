"""What is said beside figures of few rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nlpkit.experiment import card, supervised
from nlpkit.measurement import before_after
from nlpkit.recipes import evaluate
from nlpkit.runs.few import FEW, few_rows
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
    assert said in (tmp_path / "README.md").read_text()
    task: Any = TextClassification
    assert said in before_after.lines({"split": "validation", "rows": 4, "sides": [{}]}, task)


def test_a_gate_passed_on_few_rows_says_so(trained: Path, tmp_path: Path) -> None:
    file = tmp_path / "new.csv"
    file.write_text("text,label\na fine film,positive\na dull film,negative\n")
    report = evaluate.run(evaluate.Config(model=str(trained), data=str(file), fail_under=["accuracy=0"], save=False))
    assert report.exit_code == 0
    assert "new.csv: the figures are of only 2 rows" in report.lines
