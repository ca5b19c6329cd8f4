"""Zero-shot classification: the figures of the stock pipeline, labels from flags and files, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import RunOf, write_jsonl

from nlpkit.cli.app import main
from nlpkit.errors import UserError
from nlpkit.recipes import distill, evaluate, predict, zero_shot

TEXTS = ["a good great film", "a bad film and a clerk", "the very bad day"]
LABELS = ["good", "bad", "film"]
CPU: dict[str, Any] = {"device": "cpu", "threads": 1}


@pytest.fixture(scope="module")
def nli(run_of: RunOf, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random model for inference as Transformers saves it, without a record."""
    folder = tmp_path_factory.mktemp("nli")
    for file in run_of("zero-shot").iterdir():
        if file.name != "nlpkit.json":
            (folder / file.name).write_bytes(file.read_bytes())
    return folder


def answers(folder: Path, **options: Any) -> list[dict[str, Any]]:
    return zero_shot.run(zero_shot.Config(model=str(folder), texts=TEXTS, **CPU, **options)).record["answers"]


@pytest.mark.parametrize("multi_label", [False, True])
def test_scores_are_those_of_the_stock_pipeline(nli: Path, multi_label: bool) -> None:
    from transformers import pipeline

    stock = pipeline("zero-shot-classification", model=str(nli), device=-1)
    wanted = stock(TEXTS, candidate_labels=LABELS, hypothesis_template="this day is {}.", multi_label=multi_label)
    found = answers(nli, labels=LABELS, template="this day is {}.", multi_label=multi_label, all_scores=True)
    for answer, other in zip(found, wanted, strict=True):
        assert answer["prediction_scores"] == pytest.approx(
            dict(zip(other["labels"], other["scores"], strict=True)), abs=1e-5
        )
        if not multi_label:
            assert answer["prediction"] == other["labels"][0]


def test_labels_of_a_file_and_a_threshold(nli: Path, tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("good\n\nbad\nfilm\n", encoding="utf-8")
    found = answers(nli, labels_file=tmp_path / "labels.txt", multi_label=True, threshold=0.3, all_scores=True)
    assert found == answers(nli, labels=LABELS, multi_label=True, threshold=0.3, all_scores=True)
    for answer in found:
        assert answer["prediction"] == [name for name, score in answer["prediction_scores"].items() if score >= 0.3]


def test_each_text_and_label_is_one_input_and_a_cut_text_is_counted_once(nli: Path) -> None:
    long = " ".join(["good bad film"] * 40)
    config = zero_shot.Config(model=str(nli), texts=[long, TEXTS[0]], labels=LABELS, **CPU)
    first, second = zero_shot.run(config).record["answers"]
    assert first["prediction_cut"] > 60 and "prediction_cut" not in second
    alone = answers(nli, labels=LABELS)[0]
    assert (second["prediction"], second["prediction_score"]) == (
        alone["prediction"],
        pytest.approx(alone["prediction_score"], abs=1e-6),
    )


def test_evaluate_scores_the_answers_and_predict_takes_the_task(nli: Path, tmp_path: Path) -> None:
    rows = [{"text": text, "label": label} for text, label in zip(TEXTS, ["good", "bad", "bad"], strict=True)]
    data = write_jsonl(tmp_path / "rows.jsonl", rows)
    task = "zero-shot-classification"
    asked: dict[str, Any] = {"model": str(nli), "task": task, "labels": ["good", "bad"], **CPU}
    given = predict.run(predict.Config(texts=TEXTS, **asked)).record["answers"]
    right = sum(answer["prediction"] == row["label"] for answer, row in zip(given, rows, strict=True))
    record = evaluate.run(evaluate.Config(data=str(data), **asked)).record
    (metrics,) = record["metrics"].values()
    assert metrics["accuracy"] == pytest.approx(right / 3)


def test_the_labels_of_a_record_hold_until_others_are_named(run_of: RunOf) -> None:
    folder = run_of("zero-shot")
    config = predict.Config(model=str(folder), texts=TEXTS, all_scores=True, **CPU)
    assert set(predict.run(config).record["answers"][0]["prediction_scores"]) == {"negative", "positive"}
    assert set(answers(folder, labels=LABELS, all_scores=True)[0]["prediction_scores"]) == set(LABELS)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "zero-shot classification chooses among labels, and 0 are named"),
        ({"labels": ["good"]}, "zero-shot classification chooses among labels, and 1 is named"),
        ({"labels": ["good", "bad", "good"]}, "the label 'good' is named twice"),
        ({"labels": ["good", ""]}, "--labels good,: a label is empty"),
        ({"labels_file": "none.txt"}, "--labels-file: cannot read none.txt: No such file or directory"),
    ],
)
def test_labels_that_make_no_sense(nli: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as error:
        answers(nli, **options)
    assert error.value.message == message


def test_a_label_of_a_file_may_hold_commas_but_a_file_of_other_bytes_is_refused(nli: Path, tmp_path: Path) -> None:
    names = tmp_path / "labels.txt"
    names.write_bytes("good, or very good\r\ntrès\u2028bad\r\n".encode("utf-8-sig"))
    found = answers(nli, labels_file=names, all_scores=True)[0]["prediction_scores"]
    assert set(found) == {"good, or very good", "très\u2028bad"}
    names.write_bytes("très\nbad\n".encode("latin-1"))
    with pytest.raises(UserError, match="is not UTF-8"):
        answers(nli, labels_file=names)


def test_a_label_that_leaves_no_room_for_a_text_is_named(nli: Path) -> None:
    long = " ".join(["good bad film"] * 30)
    with pytest.raises(UserError, match=r"the sentence for the label 'good bad film .* leaves no room for a text"):
        answers(nli, labels=["good", long])


def test_one_label_alone_can_be_given_and_cannot_be_judged(nli: Path, tmp_path: Path) -> None:
    (answer, *_) = answers(nli, labels=["good"], multi_label=True, threshold=0.01)
    assert answer["prediction"] == ["good"]
    data = write_jsonl(tmp_path / "rows.jsonl", [{"text": text, "label": "good"} for text in TEXTS])
    asked: dict[str, Any] = {"task": "zero-shot-classification", "labels": ["good"], "multi_label": True, **CPU}
    with pytest.raises(UserError, match="and 1 is named"):
        evaluate.run(evaluate.Config(model=str(nli), data=str(data), **asked))


def test_a_template_has_one_place_for_the_label(nli: Path) -> None:
    with pytest.raises(UserError, match=r"write \{\} once"):
        zero_shot.Config(model=str(nli), texts=TEXTS, labels=LABELS, template="it is good")


def test_other_models_and_other_commands_are_refused(
    trained: Path, nli: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["zero-shot", str(trained), "a text", "--labels", "a,b"]) == 2
    assert "is no model for it" in capsys.readouterr().err
    with pytest.raises(UserError, match="`nlpkit distill` needs a task that can learn from a teacher"):
        distill.run(distill.Config(teacher=str(nli), task="zero-shot-classification", data="sample:feedback"))


def test_json_of_the_command(nli: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["zero-shot", str(nli), TEXTS[0], "--labels", "good,bad", "--json", "--device", "cpu"]) == 0
    (answer,) = json.loads(capsys.readouterr().out)["answers"]
    assert answer["prediction"] in ("good", "bad") and 0.5 <= answer["prediction_score"] <= 1
