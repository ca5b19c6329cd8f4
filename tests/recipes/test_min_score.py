"""predict and evaluate with --min-score: answers that the model is not sure enough of are not given, and counted."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import RunOf

from nlpkit.errors import UserError
from nlpkit.recipes import evaluate, predict
from nlpkit.reporting import Report
from nlpkit.tasks.abstaining import ABSTAINED, Abstaining
from nlpkit.tasks.token_classification.task import TokenClassification

CPU: dict[str, Any] = {"device": "cpu", "threads": 1}
DATA = {"token-classification": "validation.conll", "question-answering": "validation.json"}


def answered(run: Path, output: Path, **options: Any) -> tuple[Report, list[dict[str, Any]]]:
    kind = run.parent.name
    data = run.parent / "data" / DATA.get(kind, "validation.jsonl")
    report = predict.run(predict.Config(model=str(run), input=str(data), output=output, **CPU, **options))
    rows = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    return report, rows


def test_rows_below_it_keep_their_score_and_have_no_answer(trained: Path, reviews: Path, tmp_path: Path) -> None:
    def rows_with(name: str, **options: Any) -> tuple[Report, list[dict[str, str]]]:
        path = tmp_path / name
        config = predict.Config(model=str(trained), input=str(reviews / "test.csv"), output=path, **CPU, **options)
        report = predict.run(config)
        with path.open(encoding="utf-8", newline="") as file:
            return report, list(csv.DictReader(file))

    _, whole = rows_with("whole.csv")
    scores = sorted(float(row["prediction_score"]) for row in whole)
    least = scores[10]
    report, some = rows_with("some.csv", min_score=least)
    for before, row in zip(whole, some, strict=True):
        sure = float(before["prediction_score"]) >= least
        assert row == (before if sure else {**before, "prediction": ""})
    below = sum(score < least for score in scores)
    assert 0 < below < 32
    assert report.record["rows_below_min_score"] == below
    assert report.record["failed"] == 0
    expected = f"{below} of 32 rows ({below / 32:.1%}) below --min-score {least:g} have no answer"
    assert report.lines[-1] == expected
    report, named = rows_with("named.csv", min_score=least, abstain_label="person")
    assert [row["prediction"] or "person" for row in some] == [row["prediction"] for row in named]
    assert report.lines[-1].endswith("have person for an answer")


@pytest.mark.parametrize("kind", ["classification", "pairs", "question-answering", "zero-shot"])
def test_every_task_with_one_answer_leaves_it_out(kind: str, run_of: RunOf, tmp_path: Path) -> None:
    report, rows = answered(run_of(kind), tmp_path / "answers.jsonl", min_score=1)
    assert report.record["rows_below_min_score"] == len(rows) == report.record["rows"]
    assert all(row["prediction"] is None and row["prediction_error"] is None for row in rows)
    assert all(0 < row["prediction_score"] < 1 for row in rows)


def test_of_several_labels_those_below_it_are_left_out(run_of: RunOf, tmp_path: Path) -> None:
    run = shutil.copytree(run_of("multi-label"), tmp_path / "multi-label" / "run")
    shutil.copytree(run_of("multi-label").parent / "data", run.parent / "data")
    record = json.loads((run / "nlpkit.json").read_text(encoding="utf-8"))
    record["task"]["threshold"] = 0.01  # it has learnt too little to give any label with 0.5
    (run / "nlpkit.json").write_text(json.dumps(record), encoding="utf-8")
    _, whole = answered(run, tmp_path / "whole.jsonl", all_scores=True)
    scores = sorted(row["prediction_scores"][name] for row in whole for name in row["prediction"])
    least, total = scores[len(scores) // 3], len(scores)
    below = sum(score < least for score in scores)
    assert 0 < below < total
    report, rows = answered(run, tmp_path / "some.jsonl", min_score=least, all_scores=True)
    for before, row in zip(whole, rows, strict=True):
        sure = [name for name in before["prediction"] if before["prediction_scores"][name] >= least]
        assert row == {**before, "prediction": sure}
    assert (report.record["labels_below_min_score"], report.record["labels"]) == (below, total)
    assert f"{below} of {total} labels ({below / total:.1%}) below --min-score" in report.lines[-1]


def test_of_entities_those_below_it_are_left_out() -> None:
    outputs = [np.log(np.array([[0.1, 0.9, 0.0], [0.9, 0.1, 0.0], [0.3, 0.7, 0.0]]) + 1e-9)]
    inputs = [{"text": "Ann saw Bob", "starts": [0, 4, 8], "ends": [3, 7, 11]}]
    task = TokenClassification(["O", "B-PER", "I-PER"], "bio")
    (answer,) = task.decode(outputs, inputs)
    assert [entity["text"] for entity in answer["prediction"]] == ["Ann", "Bob"]
    (sure,) = task.with_(abstaining=Abstaining(0.8)).decode(outputs, inputs)
    assert sure == {**answer, "prediction": answer["prediction"][:1], ABSTAINED: 1}


def test_entities_are_counted(run_of: RunOf, tmp_path: Path) -> None:
    report, rows = answered(run_of("token-classification"), tmp_path / "some.jsonl", min_score=1)
    assert {"entities", "entities_below_min_score"} <= report.record.keys()
    assert all(row["prediction"] == [] for row in rows)


def test_typed_texts_say_so(trained: Path) -> None:
    report = predict.run(predict.Config(model=str(trained), texts=["a lovely film"], min_score=1, **CPU))
    assert report.record["answers"][0]["prediction"] is None
    assert report.tables[0].rows[0][1] == "(not sure enough)"
    assert report.lines == ["1 of 1 rows (100.0%) below --min-score 1 have no answer"]


@pytest.mark.parametrize(
    ("kind", "options", "said"),
    [
        ("regression", {"min_score": 0.5}, "gives a number, which has no score"),
        ("multi-label", {"min_score": 0.5, "abstain_label": "?"}, "left out one by one"),
        ("classification", {"min_score": 0.5, "abstain_label": "positive"}, "it is a label of the model"),
        ("classification", {"abstain_label": "?"}, "--abstain-label is for --min-score or --min-margin"),
        ("regression", {"min_margin": 0.5}, "--min-margin: this model gives a number"),
        ("multi-label", {"min_margin": 0.5}, "none is next to another"),
        (
            "token-classification",
            {"min_margin": 0.5},
            "(?s)not for token-classification.*--task text-classification",
        ),
        ("embedding", {"min_score": 0.5}, "not for sentence-embedding"),
    ],
)
def test_what_has_no_score_or_no_place_for_none_is_refused(
    kind: str, options: dict[str, Any], said: str, run_of: RunOf
) -> None:
    with pytest.raises(UserError, match=said):
        predict.run(predict.Config(model=str(run_of(kind)), texts=["a film"], **CPU, **options))


def test_evaluate_measures_what_is_answered(trained: Path) -> None:
    def judged(**options: Any) -> Report:
        return evaluate.run(evaluate.Config(model=str(trained), split="test", save=False, **CPU, **options))

    whole = judged(min_score=0).record
    table = whole["details"]["test"]["coverage"]["table"]
    assert whole["metrics"]["test"] == {**judged().record["metrics"]["test"], "coverage": 1.0}
    point = table[-1]
    report = judged(min_score=point["min_score"], fail_under={"coverage": 0.99})
    metrics = report.record["metrics"]["test"]
    assert report.record["rows"] == {"test": point["rows"]}
    assert (metrics["coverage"], metrics["accuracy"]) == (point["coverage"], pytest.approx(point["right"]))
    assert metrics["coverage"] < 0.99
    assert report.exit_code == 1
    assert [row[2] for row in report.tables[1].rows] == [entry["rows"] for entry in table]
    assert f"{point['rows']} of 32 rows" in " ".join(report.lines)
    with pytest.raises(UserError, match="no answer of test has it, the highest score is"):
        judged(min_score=1)


def test_evaluate_measures_what_is_answered_of_questions_and_of_several_labels(run_of: RunOf, tmp_path: Path) -> None:
    config = evaluate.Config(model=str(run_of("question-answering")), min_score=0, save=False, **CPU)
    assert evaluate.run(config).record["details"]["validation"]["coverage"]["table"]
    with pytest.raises(UserError, match="no one score per row"):
        evaluate.run(evaluate.Config(model=str(run_of("multi-label")), min_score=0.5, save=False, **CPU))


@pytest.mark.parametrize("kind", ["classification", "zero-shot"])
def test_answers_that_are_near_another_one_are_left_out(kind: str, run_of: RunOf, tmp_path: Path) -> None:
    _, whole = answered(run_of(kind), tmp_path / "whole.jsonl", all_scores=True)
    best = [sorted(row["prediction_scores"].values())[-2:] for row in whole]
    margins = sorted(second - first for first, second in best)
    least = float(np.mean(margins[len(margins) // 2 - 1 :][:2]))
    score = sorted(row["prediction_score"] for row in whole)[len(whole) // 4]
    report, some = answered(run_of(kind), tmp_path / "some.jsonl", min_margin=least, abstain_label="person")
    for before, row, (first, second) in zip(whole, some, best, strict=True):
        assert row["prediction_margin"] == pytest.approx(second - first, abs=1e-6)
        assert row["prediction"] == (before["prediction"] if row["prediction_margin"] >= least else "person")
    below = sum(margin < least for margin in margins)
    assert 0 < below < len(whole)
    assert report.record["rows_below_min_margin"] == report.record["rows_abstained"] == below
    assert report.lines[-1].endswith(f"below --min-margin {least:g} have person for an answer")
    report, both = answered(run_of(kind), tmp_path / "both.jsonl", min_margin=least, min_score=score)
    left = [row for row in both if row["prediction"] is None]
    assert [row["prediction_score"] < score or row["prediction_margin"] < least for row in both] == [
        row in left for row in both
    ]
    assert report.record["rows_abstained"] == len(left)
    assert f"{report.record['rows_below_min_score']} are below --min-score" in report.lines[-1]


@pytest.mark.parametrize("kind", ["classification", "zero-shot"])
def test_evaluate_measures_what_is_clear(kind: str, run_of: RunOf) -> None:
    data = run_of(kind).parent / "data" / "validation.jsonl"
    asked: dict[str, Any] = {"model": str(run_of(kind)), "data": str(data), "save": False, **CPU}
    whole = evaluate.run(evaluate.Config(min_margin=0, **asked)).record
    (details,) = whole["details"].values()
    point = details["coverage"]["margin_table"][-1]
    assert "table" not in details["coverage"]
    report = evaluate.run(evaluate.Config(min_margin=point["min_margin"], min_score=0, **asked))
    (metrics,) = report.record["metrics"].values()
    assert (metrics["coverage"], metrics["accuracy"]) == (point["coverage"], pytest.approx(point["right"]))
    assert (report.record["min_margin"], report.record["min_score"]) == (point["min_margin"], 0)
    assert [table.title.split(", ")[1] for table in report.tables[1:3]] == ["by --min-score", "by --min-margin"]
    assert f"a margin of {point['min_margin']:g} or more" in " ".join(report.lines)
    with pytest.raises(UserError, match=r"--min-margin 1: no answer of .* the highest margin is"):
        evaluate.run(evaluate.Config(min_margin=1, **asked))


def test_a_score_that_is_told_can_be_typed() -> None:
    """Rounded up it would leave out the answer that has it, and fewer would be given than is said."""
    from nlpkit.recipes.evaluate import _coverage_lines

    told = {"min_score": 0.0, "rows": 100, "answered": 100, "reached": {"0.9": {"min_score": 0.70058, "coverage": 0.6}}}
    assert "0.9 by --min-score 0.7005 (coverage 60.0%)" in _coverage_lines("test", {"coverage": told})[1]
