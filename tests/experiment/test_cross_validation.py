"""`--cv`: every row is judged once, by a model that never saw it; the final model is that of the run without it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import every_task
import interrupted_parts
import numpy as np
import pytest
from conftest import Run, rows, write_csv

from nlpkit import reporting
from nlpkit.errors import Interrupted, UserError
from nlpkit.experiment import folds, spreads
from nlpkit.recipes import finetune_cls, report
from nlpkit.tasks.roles import Trainable

TRAINABLE = every_task.kinds(Trainable)
SMALL = {**every_task.TRAINING, "max_steps": 2}


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def config(data: Path, model: Path, output: Path, **more: Any) -> finetune_cls.Config:
    return finetune_cls.Config(**{**SMALL, "data": str(data), "model": str(model), "output": output, **more})


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_csv(tmp_path_factory.mktemp("small") / "small.csv", rows(60))


@pytest.fixture(scope="module")
def validated(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path, small: Path) -> Path:
    """A finished run with three folds and a baseline."""
    output = tmp_path_factory.mktemp("validated") / "run"
    finetune_cls.run(config(small, tiny_model, output, cv=3, baseline=True))
    return output


@pytest.mark.slow
@pytest.mark.parametrize("kind", TRAINABLE)
def test_every_task_judges_each_row_once(kind: str, tmp_path: Path, tiny_model: Path) -> None:
    recipe, options = every_task.training(kind, tmp_path, tiny_model)
    told = recipe.run(recipe.Config(**{**options, "max_steps": 1}, cv=2))
    cv, judged = told.record["cv"], lines(tmp_path / "run" / spreads.FILE)
    count = sum(told.record["rows"].values())
    assert cv["rows"] == len({line["row"] for line in judged}) == len(judged) == count
    assert sum(each["rows"] for each in cv["each"]) == count
    assert told.record["main_metric"] in cv["pooled"]
    assert all("gold" in line and "prediction" in line for line in judged)
    assert told.tables[-1].header[0] == "fold"
    assert not (tmp_path / "run" / "checkpoints" / folds.FOLDER).exists()


def test_the_figures_are_those_of_the_judged_rows(validated: Path) -> None:
    cv = json.loads((validated / "nlpkit.json").read_text())["cv"]
    judged = lines(validated / spreads.FILE)
    right = np.array([line["gold"] == line["prediction"] for line in judged])
    fold = np.array([line["fold"] for line in judged])
    assert cv["pooled"]["accuracy"] == pytest.approx(right.mean())
    each = [right[fold == number].mean() for number in (1, 2, 3)]
    assert [entry["metrics"]["accuracy"] for entry in cv["each"]] == pytest.approx(each)
    assert cv["mean"]["accuracy"] == pytest.approx(np.mean(each))
    assert cv["sd"]["accuracy"] == pytest.approx(np.std(each, ddof=1))
    low, high = cv["pooled_intervals"]["accuracy"]
    assert low < right.mean() < high
    base = cv["baseline"]
    assert base["difference"]["value"] == pytest.approx(cv["pooled"]["accuracy"] - base["pooled"]["accuracy"])
    assert len(base["each"]) == 3


def test_the_page_of_the_run_has_the_folds(validated: Path, tmp_path: Path) -> None:
    report.run(report.Config(run=validated, output=tmp_path / "run.html"))
    page = (tmp_path / "run.html").read_text(encoding="utf-8")
    assert "Cross-validation, 3 folds" in page
    assert "each of 60 rows was judged once" in page


def test_the_final_model_is_that_of_the_run_without_folds(
    validated: Path, tmp_path: Path, tiny_model: Path, small: Path
) -> None:
    finetune_cls.run(config(small, tiny_model, tmp_path / "plain"))
    name = "model.safetensors"
    assert (validated / name).read_bytes() == (tmp_path / "plain" / name).read_bytes()


@pytest.mark.slow
def test_an_interrupted_run_goes_on_and_trains_no_fold_again(
    validated: Path, tmp_path: Path, tiny_model: Path, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = interrupted_parts.interrupt(monkeypatch, "run", "1", "2")
    with pytest.raises(Interrupted) as stopped:
        finetune_cls.run(config(small, tiny_model, tmp_path / "run", cv=3, baseline=True))
    assert str(tmp_path / "run") + " --resume" in str(stopped.value.hint)
    assert (tmp_path / "run" / "checkpoints" / folds.FOLDER / "1" / folds.OUTPUTS).exists()
    assert not list((tmp_path / "run" / "checkpoints" / folds.FOLDER).rglob("*.safetensors"))
    finetune_cls.run(finetune_cls.Config(output=tmp_path / "run", resume=True))
    assert begun == ["run", "1", "2", "run", "2", "3"]

    def figures(run: Path) -> Any:
        cv = json.loads((run / "nlpkit.json").read_text())["cv"]
        for each in cv["each"]:
            del each["train_seconds"]
        return cv

    assert figures(tmp_path / "run") == figures(validated)
    assert (tmp_path / "run" / spreads.FILE).read_text() == (validated / spreads.FILE).read_text()


@pytest.mark.slow
def test_a_fold_that_was_trained_otherwise_is_told(
    tmp_path: Path, tiny_model: Path, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        interrupted_parts.interrupt(patch, "run", "1", "2")
        finetune_cls.run(config(small, tiny_model, tmp_path / "run", cv=2))
    with reporting.listening() as heard:
        finetune_cls.run(finetune_cls.Config(output=tmp_path / "run", resume=True, learning_rate=1e-4))
    assert any("fold 1/2: this was trained with --learning-rate 0.005" in warning for warning in heard.warnings)


def test_a_fold_of_other_rows_is_not_gone_on_with(
    tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = write_csv(tmp_path / "data.csv", rows(40))
    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        interrupted_parts.interrupt(patch, "run", "1", "2")
        finetune_cls.run(config(data, tiny_model, tmp_path / "run", cv=2))
    write_csv(data, rows(40, seed=8))
    with pytest.raises(UserError, match="was judged on other rows"):
        finetune_cls.run(finetune_cls.Config(output=tmp_path / "run", resume=True))


def test_equal_texts_are_judged_in_one_fold(tmp_path: Path, tiny_model: Path) -> None:
    made = rows(20)
    data = write_csv(tmp_path / "data.csv", [*made, *made, *made])
    experiment = finetune_cls.finetune.prepare(
        config(data, tiny_model, tmp_path / "run", cv=4), "finetune-cls", finetune_cls.TextClassification
    )
    cut = experiment.cut
    assert cut is not None
    fold_of: dict[str, set[int]] = {}
    for text, number in zip(cut.examples["text"], cut.number.tolist(), strict=True):
        fold_of.setdefault(text.lower(), set()).add(number)
    assert all(len(numbers) == 1 for numbers in fold_of.values())
    for part in cut.parts:
        texts = [set(cut.examples.select(indices)["text"]) for indices in vars(part).values()]
        assert not texts[0] & texts[1]
        assert not (texts[0] | texts[1]) & texts[2]


def test_rows_of_one_author_are_judged_in_one_fold(tmp_path: Path, tiny_model: Path) -> None:
    made = [{**row, "author": f"a{i // 4}"} for i, row in enumerate(rows(48))]
    experiment = finetune_cls.finetune.prepare(
        config(write_csv(tmp_path / "d.csv", made), tiny_model, tmp_path / "run", cv=3, group_column="author"),
        "finetune-cls",
        finetune_cls.TextClassification,
    )
    assert experiment.cut is not None
    author_of = {f"{tmp_path / 'd.csv'} line {i}": row["author"] for i, row in enumerate(made, start=2)}
    authors = [author_of[where] for where in experiment.cut.examples["where"]]
    for part in experiment.cut.parts:
        sides = [{authors[i] for i in indices} for indices in vars(part).values()]
        assert not sides[0] & sides[1]
        assert not (sides[0] | sides[1]) & sides[2]


def test_rows_that_the_model_was_trained_on_before_are_told(validated: Path, small: Path, tmp_path: Path) -> None:
    """No fold is new to a model that begins with weights which learnt these rows."""

    def told(data: Path = small, **more: Any) -> list[str]:
        with reporting.listening() as heard:
            finetune_cls.run(config(data, validated, tmp_path / "run", dry_run=True, **more))
        return [warning for warning in heard.warnings if "was trained on" in warning]

    (train,) = told(cv=3)
    assert train.startswith("train: 54 of 54 rows are among those that")
    assert train.endswith("--cv judges them too")
    assert told() == []
    (validation,) = told(shuffle_seed=7)
    assert validation.startswith("validation: ")
    others = [{**row, "text": f"{row['text']} indeed"} for row in rows(60)]
    assert told(write_csv(tmp_path / "others.csv", others), cv=3) == []
    record = {"cv": {"rows": 60}, "findings": [{"check": spreads.SEEN_BEFORE}]}
    assert "began with one which had seen some of them" in spreads.folds_mean(record)


@pytest.mark.parametrize("more", [{"cv": 2}, {"seeds": [1, 2]}])
def test_several_processes_are_refused(
    more: dict[str, Any], tmp_path: Path, tiny_model: Path, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nlpkit.process.world_size", lambda: 2)
    with pytest.raises(UserError, match="trains in one process"):
        finetune_cls.run(config(small, tiny_model, tmp_path / "run", **more))
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_dry_run_shows_the_folds_and_writes_nothing(nlpkit: Run, tmp_path: Path, tiny_model: Path) -> None:
    data = write_csv(tmp_path / "data.csv", rows(60))
    shown = nlpkit("finetune-cls", "--data", data, "--model", tiny_model, "--cv", 3, "--dry-run", "--output", "run")
    assert "trainings 4: one for each fold" in " ".join(shown.stdout.split())
    assert "fold 3" in shown.stdout
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_script_gets_one_document_and_people_the_table(nlpkit: Run, tmp_path: Path, tiny_model: Path) -> None:
    data = write_csv(tmp_path / "data.csv", rows(40))
    arguments = ("finetune-cls", "--data", data, "--model", tiny_model, "--cv", 2, "--max-steps", 1, "--device", "cpu")
    told = nlpkit(*arguments, "--output", "run", "--json")
    assert json.loads(told.stdout)["cv"]["folds"] == 2
    assert "fold 2/2: accuracy" in told.stderr
    again = nlpkit("finetune-cls", "--output", "run", "--resume")
    assert "cross-validation, 2 folds" in again.stdout
    assert "each of 40 rows was judged once" in " ".join(again.stdout.split())
