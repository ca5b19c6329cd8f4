"""Texts that are longer than those of training: read as far as the model can, and what is cut is counted and told."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest
from conftest import WORDS, rows, write_csv
from hearing import Heard

from nlpkit.errors import UserError
from nlpkit.experiment import finetune, supervised
from nlpkit.inference.predictor import Predictor, open_predictor
from nlpkit.recipes import distill, evaluate, finetune_cls, predict, prune, quantize
from nlpkit.tasks import features
from nlpkit.tasks.text_classification.task import TextClassification

LIMIT = 64  # tokens that the tiny model takes
WHERE: dict[str, Any] = {"device": "cpu", "threads": 1}


def words(count: int, seed: int = 0) -> str:
    return " ".join(random.Random(seed).choices(WORDS, k=count))


@pytest.fixture(scope="module")
def long_rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data whose validation has two texts beyond what the model takes, of 102 and 72 tokens, and one that just fits."""
    folder = tmp_path_factory.mktemp("long")
    made = rows(56, seed=9)
    write_csv(folder / "train.csv", made[:40])
    for row, count in zip(made[40:], (100, 70, LIMIT - 2), strict=False):
        row["text"] = words(count, count)
    write_csv(folder / "validation.csv", made[40:])
    return folder


def restored(trained: Path, folder: Path, *, asked: int | None, length: int, old: bool) -> Path:
    """The run as if it had learned with texts of `length` tokens, because that was asked for or not."""
    shutil.copytree(trained, folder)
    record = json.loads((folder / "nlpkit.json").read_text())
    record["config"]["max_length"] = asked
    if old:  # a record from before the length of training was told apart
        record["task"]["max_length"] = length
        del record["task"]["training_length"]
    else:
        record["task"]["training_length"] = None if asked else length
        record["task"]["max_length"] = asked or LIMIT
    (folder / "nlpkit.json").write_text(json.dumps(record))
    return folder


def predictor_of(folder: Path, **values: Any) -> Predictor:
    return open_predictor(predict.Config(model=str(folder), texts=["-"], **WHERE, **values))


@pytest.mark.parametrize("old", [False, True])
def test_answers_read_beyond_the_texts_of_training_but_not_beyond_what_was_asked(
    trained: Path, tmp_path: Path, old: bool
) -> None:
    chosen = predictor_of(restored(trained, tmp_path / "chosen", asked=None, length=16, old=old))
    asked = predictor_of(restored(trained, tmp_path / "asked", asked=16, length=16, old=old))
    assert (chosen.task.max_length, asked.task.max_length) == (LIMIT, 16)
    text = {"text": [words(60)]}
    assert chosen.outputs(text) != pytest.approx(asked.outputs(text), abs=1e-4)
    assert (chosen.cut.texts, asked.cut.texts, asked.cut.longest) == (0, 1, 62)


@pytest.mark.parametrize("asked", [None, 16])
def test_a_model_that_an_older_version_made_of_another_reads_as_that_one(
    trained: Path, tmp_path: Path, asked: int | None
) -> None:
    origin = restored(trained, tmp_path / "origin", asked=asked, length=16, old=True)
    made = restored(trained, tmp_path / "made", asked=None, length=16, old=True)
    record = json.loads((made / "nlpkit.json").read_text())
    record |= {"command": "quantize", "parents": {"model": {"given": str(origin)}}}
    (made / "nlpkit.json").write_text(json.dumps(record))
    assert predictor_of(made).task.max_length == (asked or LIMIT)
    shutil.rmtree(origin)  # nobody knows: as it was
    assert predictor_of(made).task.max_length == 16


def test_predict_counts_and_names_what_it_cuts(trained: Path, tmp_path: Path, heard: Heard) -> None:
    long = [{"text": "good film"}, {"text": words(100)}, {"text": words(LIMIT - 2)}, {"text": words(80, 1)}]
    source = write_csv(tmp_path / "in.csv", long)
    predict.run(predict.Config(model=str(trained), input=str(source), output=tmp_path / "out.csv", **WHERE))
    (said,) = heard.warnings
    assert said.startswith("input: 2 of 4 texts are longer than 64 tokens and were cut there, the longest has 102; ")
    assert "the model takes no more; see --long-text windows of training\n" in said  # and no --max-length would help
    assert said.splitlines()[1:] == ["    line 3", "    line 5"]
    heard.warnings.clear()
    report = predict.run(predict.Config(model=str(trained), texts=["good film", words(100)], **WHERE))
    assert [answer.get("prediction_cut") for answer in report.record["answers"]] == [None, 102 - LIMIT]
    assert heard.warnings[0].splitlines()[1:] == ["    text 2"]


def test_rows_of_a_document_are_named_as_rows(trained: Path, tmp_path: Path, heard: Heard) -> None:
    made = [*rows(3, seed=5), {"text": words(LIMIT)}]
    path = tmp_path / "in.json"
    path.write_text(json.dumps(made), encoding="utf-8")
    predict.run(predict.Config(model=str(trained), input=str(path), output=tmp_path / "out.jsonl"))
    assert heard.warnings[-1].endswith("\n    row 4")


def test_a_length_beyond_the_model_is_refused(trained: Path) -> None:
    with pytest.raises(UserError, match="--max-length 65: the model takes at most 64 tokens"):
        predictor_of(trained, max_length=65)


def test_a_model_that_reads_windows_cuts_nothing(trained: Path) -> None:
    made = predictor_of(trained)
    made.task = made.task.with_(long_text="windows")
    made.outputs({"text": [words(100)]})
    assert made.cut.texts == 0


def test_pairs_are_counted_by_both_texts(run_of: Any) -> None:
    made = predictor_of(run_of("pairs"))
    made.outputs({"text": [words(30), words(40), "good"], "text_pair": [words(31), words(40), "film"]})
    assert (made.cut.texts, made.cut.rows, made.cut.longest) == (1, 3, 83)
    assert made.lost == {1: 83 - LIMIT}


@pytest.mark.parametrize(
    ("limit", "settable", "said"),
    [
        (64, True, "; the model takes no more; see --long-text windows of training"),
        (16, True, "; see --max-length (up to 64) or --long-text windows of training"),
        (16, False, "; see --long-text windows of training"),
    ],
)
def test_only_what_helps_is_advised(trained: Path, limit: int, settable: bool, said: str) -> None:
    task = predictor_of(trained).task
    assert features.remedy(task, limit, settable=settable) == said
    assert "windows" not in features.remedy(task.with_(pair="text_pair"), limit, settable=settable)


CUT = "validation: 2 of 16 texts are longer than 64 tokens and were cut there, the longest has 102"


@pytest.mark.slow
def test_every_operation_tells_what_it_cuts(trained: Path, long_rows: Path, tmp_path: Path, heard: Heard) -> None:
    data: dict[str, Any] = {"data": str(long_rows), **WHERE}
    training = {**data, "max_steps": 1, "batch_size": 16}
    evaluate.run(evaluate.Config(model=str(trained), save=False, **data))
    assert [said for said in heard.warnings if CUT in said]
    made = finetune.prepare(
        finetune_cls.Config(model=str(trained), output=tmp_path / "finetuned", **training),
        "finetune-cls",
        TextClassification,
    )
    assert [finding.count for finding in made.findings if finding.check == "truncation"] == [2]
    for recipe, config in {
        quantize: quantize.Config(model=str(trained), to="bf16", output=tmp_path / "bf16", measure_seconds=0, **data),
        distill: distill.Config(teacher=str(trained), student_layers="1", output=tmp_path / "small", **training),
        prune: prune.Config(model=str(trained), sparsity=0.5, output=tmp_path / "pruned", **training),
    }.items():
        heard.warnings.clear()
        recipe.run(config) if recipe is quantize else recipe.build(config)  # type: ignore[attr-defined]
        assert len([said for said in heard.warnings if CUT in said]) == 1, recipe.__name__


def test_the_length_chosen_for_training_limits_its_rows_alone(trained: Path, long_rows: Path, tmp_path: Path) -> None:
    made = finetune.prepare(
        finetune_cls.Config(data=str(long_rows), model=str(trained), output=tmp_path / "run", max_steps=1, **WHERE),
        "finetune-cls",
        TextClassification,
    )
    made.task = made.task.with_(training_length=16)
    ready = supervised.tokenized(made.task, made.tokenizer, made.examples)
    assert (max(ready["train"].lengths), max(ready["validation"].lengths)) == (16, LIMIT)
