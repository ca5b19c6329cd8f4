"""Zero-shot classification by an embedder: cosines with the sentences of labels, which are computed once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import RunOf, write_jsonl

from nlpkit.cli.app import main
from nlpkit.errors import UserError
from nlpkit.inference.predictor import TrainedModelOptions, open_predictor
from nlpkit.recipes import evaluate, predict, zero_shot
from nlpkit.tasks.sentence_embedding.task import SentenceEmbedding
from nlpkit.tasks.zero_shot.by_embedding import SCALE, ZeroShotByEmbedding

TEXTS = ["a good great film", "a bad film and a clerk", "the very bad day"]
LABELS = ["good", "bad", "film"]
CPU: dict[str, Any] = {"device": "cpu", "threads": 1}
TASK = "zero-shot-by-embedding"


def answers(folder: Path, **options: Any) -> list[dict[str, Any]]:
    return zero_shot.run(zero_shot.Config(model=str(folder), texts=TEXTS, **CPU, **options)).record["answers"]


def vectors(folder: Path, texts: list[str]) -> np.ndarray:
    """As the task of sentence embeddings gives them."""
    options = TrainedModelOptions(model=str(folder), task="sentence-embedding", **CPU)
    found = open_predictor(options, SentenceEmbedding).outputs({"text": texts})[:, 0]
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def test_scores_are_the_softmax_of_cosines(run_of: RunOf) -> None:
    found = answers(run_of("embedding"), labels=LABELS, template="it is {}", all_scores=True)
    texts = vectors(run_of("embedding"), TEXTS)
    said = vectors(run_of("embedding"), [f"it is {name}" for name in LABELS])
    logits = np.exp(SCALE * texts @ said.T)
    for answer, wanted in zip(found, logits / logits.sum(1, keepdims=True), strict=True):
        assert answer["prediction_scores"] == pytest.approx(dict(zip(LABELS, wanted, strict=True)), abs=1e-5)
        assert answer["prediction"] == LABELS[int(wanted.argmax())]


def test_the_sentences_of_labels_go_through_the_model_once(run_of: RunOf, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    run = SentenceEmbedding.run

    def counted(self: Any, model: Any, batch: Any, want: Any = ()) -> Any:
        seen.append(len(batch["input_ids"]))
        return run(self, model, batch, want)

    monkeypatch.setattr(SentenceEmbedding, "run", counted)
    options = TrainedModelOptions(model=str(run_of("zero-shot-embedding")), **CPU)
    predictor = open_predictor(options, ZeroShotByEmbedding)
    predictor.outputs({"text": TEXTS})
    predictor.outputs({"text": TEXTS})
    assert sum(seen) == 2 * len(TEXTS) + 2
    other = predictor.configured(predict.Config(model="m").with_group(ZeroShotByEmbedding.predict_options, TASK))
    other.outputs({"text": TEXTS})
    assert sum(seen) == 3 * len(TEXTS) + 2  # a request that names the same labels asks no more


def test_descriptions_stand_in_the_template_and_names_in_the_answers(run_of: RunOf, tmp_path: Path) -> None:
    described = [f"the very {name}" for name in LABELS]
    plain = answers(run_of("embedding"), labels=described, all_scores=True)
    tabbed, table = tmp_path / "labels.txt", tmp_path / "labels.csv"
    lines = [f"{name}\t{text}\n" for name, text in zip(LABELS, described, strict=True)]
    tabbed.write_text("label\tdescription\n" + "".join(lines))
    table.write_text("Description,label\n" + "".join(f"the very {name},{name}\n" for name in LABELS))
    for file in (tabbed, table):
        found = answers(run_of("embedding"), labels_file=file, all_scores=True)
        for answer, other in zip(found, plain, strict=True):
            assert list(answer["prediction_scores"]) == LABELS
            assert list(answer["prediction_scores"].values()) == list(other["prediction_scores"].values())


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("labels.csv", "good,bad\n", "has no column 'label'; its first line is 'good,bad'"),
        ("labels.csv", "label,description\n,what\n", "line 2 has no label"),
        ("labels.csv", "label,descripton\ngood,what\n", "has a column 'descripton', and descriptions are read from"),
        ("labels.txt", " \n\n", "labels.txt holds no label"),
        ("labels.json", '["good",\n"bad"]', "labels.json is read line by line, and its name ends in .json"),
        ("labels.txt", "good\ta\tb\n", "line 1 has more than one tab"),
        ("labels.txt", "good\tsame\nbad\tsame\n", "the labels 'good' and 'bad' mean the same: 'same'"),
        ("labels.txt", "good\tthe same\nbad\tThe  same\n", "the labels 'good' and 'bad' mean the same: 'the same'"),
        ("labels.csv", "label,description\ngood,one\nGOOD,two\n", "the labels 'good' and 'GOOD' differ in how"),
        ("labels.txt", "good\nbad\ngood\n", "the label 'good' is named twice"),
    ],
)
def test_a_file_of_labels_that_makes_no_sense(
    run_of: RunOf, tmp_path: Path, name: str, content: str, message: str
) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(UserError) as error:
        answers(run_of("embedding"), labels_file=tmp_path / name)
    assert message in error.value.message


def test_a_prompt_stands_before_texts_and_labels(run_of: RunOf) -> None:
    plain = answers(run_of("embedding"), labels=LABELS, template="it is {}", all_scores=True)
    prompted = answers(run_of("embedding"), labels=LABELS, template="it is {}", prompt="very ", all_scores=True)
    assert prompted != plain
    texts = vectors(run_of("embedding"), [f"very {text}" for text in TEXTS])
    said = vectors(run_of("embedding"), [f"very it is {name}" for name in LABELS])
    wanted = np.exp(SCALE * texts @ said.T)
    for answer, row in zip(prompted, wanted / wanted.sum(1, keepdims=True), strict=True):
        assert list(answer["prediction_scores"].values()) == pytest.approx(row.tolist(), abs=1e-5)
    with pytest.raises(UserError, match="--prompt says how vectors are made"):
        answers(run_of("zero-shot"), labels=LABELS, prompt="very ")


def test_labels_of_the_data_are_those_of_its_label_column(run_of: RunOf, tmp_path: Path) -> None:
    rows = [{"text": text, "label": label} for text, label in zip(TEXTS, ["good", "bad", "bad"], strict=True)]
    asked: dict[str, Any] = {"model": str(run_of("embedding")), "task": TASK, "save": False, **CPU}
    asked["data"] = str(write_jsonl(tmp_path / "rows.jsonl", rows))
    given = evaluate.run(evaluate.Config(labels=["bad", "good"], **asked))
    found = evaluate.run(evaluate.Config(**asked))
    assert found.metrics == given.metrics
    twice = [*rows, {"text": "a good day", "label": "Good"}]
    asked["data"] = str(write_jsonl(tmp_path / "twice.jsonl", twice))
    with pytest.raises(UserError, match=r"'Good' \(1 row\) and 'good' \(1 row\)"):
        evaluate.run(evaluate.Config(**asked))
    assert evaluate.run(evaluate.Config(labels=["bad", "good"], **asked)).record["rows"] == {"twice.jsonl": 4}
    numbers = [{**row, "label": len(row["label"])} for row in rows]
    asked["data"] = str(write_jsonl(tmp_path / "numbers.jsonl", numbers))
    with pytest.raises(UserError, match="holds no names of labels that a model could read"):
        evaluate.run(evaluate.Config(**asked))


def test_which_way_a_model_is_used_hangs_on_the_model(
    run_of: RunOf, trained: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    called = ["a good film", "--labels", "good,bad", "--device", "cpu"]
    for model, way in (
        (run_of("embedding"), "by embedding: cosines"),
        (tiny_model, "by embedding: cosines"),
        (run_of("zero-shot"), "by inference: the model is asked 2 times a text"),
    ):
        assert main(["zero-shot", str(model), *called]) == 0
        assert way in capsys.readouterr().out
    # the vectors of a classifier were trained for something else: they are compared where they are asked for
    assert main(["zero-shot", str(trained), *called]) == 2
    assert "zero-shot-by-embedding" in capsys.readouterr().err
    assert main(["zero-shot", str(trained), *called, "--by", "embedding"]) == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"labels": LABELS, "multi_label": True}, "--multi-label: an embedder tells which label is nearest"),
        ({"labels": LABELS, "shortlist": 2, "embedder": "m"}, "is asked by embedding, which compares all labels"),
        ({"labels": ["good", "bad " * 60]}, "the sentence for the label 'bad bad"),
        ({"labels": LABELS, "by": "embedding", "task": TASK}, "--by and --task both say how"),
        ({"labels": LABELS, "task": "fill-mask"}, "--task fill-mask is no way of zero-shot classification"),
        ({"labels": LABELS, "by": "nli"}, "is no model for it"),
    ],
)
def test_what_does_not_go_together(run_of: RunOf, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as error:
        answers(run_of("embedding"), **options)
    assert message in error.value.message


def test_the_template_with_the_clearest_answers_is_used(run_of: RunOf, tmp_path: Path) -> None:
    templates = ["it is {}", "{} film", "a very {} day"]
    (tmp_path / "templates.txt").write_text("\n".join(templates) + "\n")
    margins = []
    for template in templates:
        scores = [
            answer["prediction_scores"]
            for answer in answers(run_of("embedding"), labels=LABELS, template=template, all_scores=True)
        ]
        best = [sorted(each.values())[-2:] for each in scores]
        margins.append(float(np.mean([high - low for low, high in best])))
    config = zero_shot.Config(
        model=str(run_of("embedding")),
        texts=TEXTS,
        labels=LABELS,
        choose_template=str(tmp_path / "templates.txt"),
        **CPU,
    )
    report = zero_shot.run(config)
    assert [tried["margin"] for tried in report.record["templates"]] == pytest.approx(margins, abs=1e-5)
    best = templates[int(np.argmax(margins))]
    assert report.record["template"] == best == report.tables[0].rows[0][0]
    assert report.record["answers"] == answers(run_of("embedding"), labels=LABELS, template=best)


@pytest.mark.parametrize(
    ("content", "message"),
    [("it is {}\n", "holds 1 of the two templates or more"), ("it is {}\nit is\n", "line 2: 'it is'")],
)
def test_templates_that_cannot_be_chosen_among(run_of: RunOf, tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "templates.txt").write_text(content)
    with pytest.raises(UserError) as error:
        answers(run_of("embedding"), labels=LABELS, choose_template=str(tmp_path / "templates.txt"))
    assert message in error.value.message


def test_a_file_is_answered_with_the_template_that_its_rows_choose(run_of: RunOf, tmp_path: Path) -> None:
    data = write_jsonl(tmp_path / "rows.jsonl", [{"text": text} for text in [*TEXTS, ""]])
    out = tmp_path / "answers.jsonl"
    options: dict[str, Any] = {"labels": LABELS, "choose_template": "default", "max_errors": 1, **CPU}
    config = zero_shot.Config(model=str(run_of("embedding")), input=str(data), output=out, **options)
    report = zero_shot.run(config)
    assert report.tables[0].title == "templates, by 3 texts; the first is used"
    given = [json.loads(line)["prediction"] for line in out.read_text().splitlines()]
    wanted = answers(run_of("embedding"), labels=LABELS, template=report.record["template"])
    assert given == [*(answer["prediction"] for answer in wanted), None]
