"""Zero-shot classification by inference: the figures of the stock pipeline, labels from flags and files, what an
embedder chooses, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pretended
import pytest
import torch
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
        (
            {"labels": ["good", "bad", "Good "]},
            "the labels 'good' and 'Good' differ in how they are written alone, and mean the same",
        ),
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
    assert "is no model for it (its labels are negative, positive, and none is entailment" in (capsys.readouterr().err)
    with pytest.raises(UserError, match="`nlpkit distill` needs a task that can learn from a teacher"):
        distill.run(distill.Config(teacher=str(nli), task="zero-shot-classification", data="sample:feedback"))


def test_json_of_the_command(nli: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["zero-shot", str(nli), TEXTS[0], "--labels", "good,bad", "--json", "--device", "cpu"]) == 0
    (answer,) = json.loads(capsys.readouterr().out)["answers"]
    assert answer["prediction"] in ("good", "bad") and 0.5 <= answer["prediction_score"] <= 1


def test_an_output_that_is_the_opposite_of_entailment_serves_as_contradiction() -> None:
    from transformers import BertConfig

    from nlpkit.tasks.zero_shot.task import ZeroShotClassification

    two = BertConfig(id2label={0: "entailment", 1: "not_entailment"}, architectures=["BertForSequenceClassification"])
    task = ZeroShotClassification.from_model(two, None)
    assert (task.entailment, task.contradiction) == (0, 1)
    turned = BertConfig(id2label={0: "NOT ENTAILMENT", 1: "Entailment"}, architectures=two.architectures)
    assert ZeroShotClassification.from_model(turned, None).entailment == 1


def test_a_run_that_was_trained_on_pairs_answers_for_single_texts(run_of: RunOf, tmp_path: Path) -> None:
    """Its rows of training have other columns than those that are judged: nothing is said of rows that are in both."""
    run = shutil.copytree(run_of("pairs"), tmp_path / "run")
    names = {"id2label": {"0": "contradiction", "1": "entailment"}, "label2id": {"contradiction": 0, "entailment": 1}}
    config = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps({**config, **names}))
    record = json.loads((run / "nlpkit.json").read_text())
    record["task"]["labels"] = ["contradiction", "entailment"]
    (run / "nlpkit.json").write_text(json.dumps(record))
    data = write_jsonl(tmp_path / "rows.jsonl", [{"text": text, "label": "good"} for text in TEXTS])
    asked: dict[str, Any] = {"task": "zero-shot-classification", "labels": ["good", "bad"], "data": str(data), **CPU}
    report = evaluate.run(evaluate.Config(model=str(run), save=False, **asked))
    assert next(iter(report.record["rows"].values())) == 3


def test_a_cascade_asks_about_the_nearest_labels_alone(nli: Path, run_of: RunOf) -> None:
    embedder, labels = str(run_of("embedding")), ["good", "bad", "film", "clerk", "day"]
    near = answers(run_of("embedding"), by="embedding", labels=labels, all_scores=True)
    whole = answers(nli, labels=labels, all_scores=True)
    some = answers(nli, labels=labels, all_scores=True, shortlist=2, embedder=embedder)
    for chosen, every, answer in zip(near, whole, some, strict=True):
        scores = chosen["prediction_scores"]
        two = sorted(scores, key=lambda name: -scores[name])[:2]
        asked = {name: every["prediction_scores"][name] for name in two}
        total = sum(asked.values())
        wanted = {name: asked.get(name, 0.0) / total for name in labels}
        assert answer["prediction_scores"] == pytest.approx(wanted, abs=1e-5)


def test_the_embedder_of_a_cascade_is_opened_once_and_runs_where_the_model_does(
    nli: Path, run_of: RunOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nlpkit.models import opening
    from nlpkit.tasks.zero_shot.shortlist import Shortlist

    opened: list[str] = []
    moved: list[str] = []
    load = opening.load_model

    def counted(place: str, *arguments: Any, **options: Any) -> Any:
        opened.append(place)
        return load(place, *arguments, **options)

    def move(model: torch.nn.Module, device: str) -> torch.nn.Module:
        moved.append(device)
        return model

    monkeypatch.setattr(opening, "load_model", counted)
    embedder = str(run_of("embedding"))
    labels = ["good", "bad", "film", "clerk"]
    answers(nli, labels=labels, shortlist=2, embedder=embedder, choose_template="default")
    assert opened.count(embedder) == 1
    monkeypatch.setattr(torch.nn.Module, "to", move)
    with pretended.cuda():
        config = zero_shot.Config(model=str(nli), device="cuda")
        Shortlist(embedder, 2, config, config)._open()
    assert moved == ["cuda"]


def test_evaluate_says_how_many_right_labels_a_shortlist_holds(nli: Path, run_of: RunOf, tmp_path: Path) -> None:
    labels = ["good", "bad", "film", "clerk"]
    near = answers(run_of("embedding"), by="embedding", labels=labels, all_scores=True)
    scores = [answer["prediction_scores"] for answer in near]
    two = [sorted(each, key=lambda name: -each[name])[:2] for each in scores]
    gold = [two[0][0], next(name for name in labels if name not in two[1]), two[2][1]]
    data = write_jsonl(tmp_path / "rows.jsonl", [{"text": a, "label": b} for a, b in zip(TEXTS, gold, strict=True)])
    asked: dict[str, Any] = {"task": "zero-shot-classification", "labels": labels, "data": str(data), **CPU}
    report = evaluate.run(
        evaluate.Config(model=str(nli), shortlist=2, embedder=str(run_of("embedding")), save=False, **asked)
    )
    (metrics,) = report.metrics.values()
    assert metrics["shortlist_recall"] == pytest.approx(2 / 3)
    assert metrics["nll"] < 16  # of the label that is not asked about as of one that a model lacks, and not 10,000
    assert "shortlist_recall" in " ".join(report.tables[0].header)
    assert "shortlist_recall" not in next(iter(evaluate.run(evaluate.Config(model=str(nli), **asked)).metrics.values()))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shortlist": 3}, "--shortlist 3: there are 3 labels, of which it would leave none out"),
        ({"by": "cascade", "embedder": None}, "--by cascade: no model is named that chooses labels"),
        ({"by": "nli", "shortlist": 2}, "--shortlist is for --by cascade, not for --by nli"),
    ],
)
def test_a_cascade_that_makes_no_sense(nli: Path, run_of: RunOf, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as error:
        answers(nli, labels=LABELS, **{"embedder": str(run_of("embedding")), **options})
    assert error.value.message == message


def test_a_shortlist_and_its_embedder_go_together(nli: Path) -> None:
    with pytest.raises(UserError, match="--shortlist is for --embedder"):
        answers(nli, labels=LABELS, shortlist=2)
