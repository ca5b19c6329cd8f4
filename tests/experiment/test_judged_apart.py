"""What a smaller model costs is told on rows that chose nothing: a test split, or half of validation."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from conftest import rows, write_csv

from nlpkit import reporting
from nlpkit.cli.app import main
from nlpkit.data import splits
from nlpkit.errors import UserError
from nlpkit.experiment.inherited_data import (
    ComparedDataOptions,
    TrainedDataOptions,
    inherit_data,
    open_splits,
    own_splits,
    tell_trained_on,
)
from nlpkit.inference.predictor import open_trained
from nlpkit.models import opening
from nlpkit.options import OpeningOptions, SourceOptions
from nlpkit.recipes import check_data, distill, evaluate, finetune_cls, prune
from nlpkit.runs import records, standing
from nlpkit.runs.folder import read_record
from nlpkit.tasks import registry

FIXED: dict[str, Any] = {"device": "cpu", "threads": 1}


def prepared(folder: Path, seed: int = 3, *, training: bool = True, **options: Any) -> tuple[Any, list[str]]:
    """The data of a folder, or a file, with their splits, and what was noted."""
    kind = registry.task_class("text-classification")
    config = check_data.Config(task="text-classification", data=str(folder), **options).for_task(kind)
    with reporting.listening() as heard:
        loaded = splits.load(config, kind)
        splits.prepare(loaded, kind.from_data(loaded.splits, config).reader(), config, seed, training=training)
    return loaded, heard.notes


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """train.csv (48 rows) and validation.csv (240 rows, of which 40 repeat the text of another one)."""
    folder = tmp_path_factory.mktemp("data")
    made = rows(248)
    write_csv(folder / "train.csv", made[:48])
    write_csv(folder / "validation.csv", [*made[48:], *({**row, "text": row["text"].upper()} for row in made[48:88])])
    return folder


def texts(loaded: Any, split: str) -> list[str]:
    return [str(text).lower() for text in loaded.splits[split]["text"][:]]


def test_halves_of_validation_share_no_text_and_are_the_same_for_every_seed(data: Path) -> None:
    loaded, notes = prepared(data, test_share="half")
    chosen, judged = texts(loaded, "validation"), texts(loaded, "test")
    assert len(chosen) + len(judged) == 240 and 115 <= len(judged) <= 125
    assert not set(chosen) & set(judged)
    assert Counter(loaded.splits["test"]["label"][:]) == {"positive": len(judged) // 2, "negative": len(judged) // 2}
    assert len(texts(loaded, "train")) == 48
    assert any(note.startswith(f"test: {len(judged)} rows, half of validation") for note in notes)
    again, _ = prepared(data, seed=4, test_share="half", shuffle_seed=9, max_eval_samples=50)
    assert set(texts(again, "test")) < set(judged)
    assert len(texts(again, "test")) == len(texts(again, "validation")) == 50


def test_too_few_rows_to_be_halved_choose_and_judge(tmp_path: Path) -> None:
    write_csv(tmp_path / "train.csv", rows(20))
    write_csv(tmp_path / "validation.csv", rows(199))
    loaded, notes = prepared(tmp_path, test_share="half")
    assert set(loaded.splits) == {"train", "validation"}
    assert loaded.source.drawn == {}
    assert [note for note in notes if "too few to be halved" in note]


def test_a_share_of_train_is_held_out_before_validation_is(tmp_path: Path) -> None:
    write_csv(tmp_path / "train.csv", [*rows(100), *rows(100)])
    loaded, notes = prepared(tmp_path, test_share=0.2)
    parts = {split: texts(loaded, split) for split in ("train", "validation", "test")}
    assert [len(parts[split]) for split in parts] == [144, 16, 40]
    assert not set(parts["test"]) & {*parts["train"], *parts["validation"]}
    assert Counter(loaded.splits["test"]["label"][:]) == {"positive": 20, "negative": 20}
    assert any(note.startswith("test: 40 rows held out of train") for note in notes)
    other, _ = prepared(tmp_path, test_share=0.2, validation_share=0.5)
    assert texts(other, "test") == parts["test"]  # whatever is validated on


def test_a_test_split_judges_unless_its_labels_are_kept_back(data: Path, tmp_path: Path) -> None:
    for split in ("train", "validation"):
        (tmp_path / f"{split}.csv").write_text((data / f"{split}.csv").read_text())
    write_csv(tmp_path / "test.csv", rows(30))
    loaded, notes = prepared(tmp_path, test_share="half")
    assert len(loaded.splits["test"]) == 30 and len(loaded.splits["validation"]) == 240
    loaded, notes = prepared(tmp_path, test_share=0.1)
    assert len(loaded.splits["train"]) == 48 and any("the split that there is" in note for note in notes)
    write_csv(tmp_path / "test.csv", [{**row, "label": -1} for row in rows(30)])
    loaded, notes = prepared(tmp_path, test_share="half")
    assert len(loaded.splits["test"]) + len(loaded.splits["validation"]) == 240


@pytest.mark.parametrize("name", ["new", "test"])
def test_where_nothing_is_trained_half_of_the_only_split_chooses(name: str, data: Path, tmp_path: Path) -> None:
    file = tmp_path / f"{name}.csv"
    file.write_text((data / "validation.csv").read_text())
    loaded, notes = prepared(tmp_path, training=False, test_share="half")
    assert sum(len(rows) for rows in loaded.splits.values()) == 240 and set(loaded.splits) == {"validation", "test"}
    assert any(f", half of {name if name == 'test' else 'new.csv'} (" in note for note in notes)


@pytest.mark.slow
def test_all_that_comes_of_a_model_is_judged_on_the_same_rows(
    data: Path, tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base, student, pruned = (tmp_path / name for name in ("base", "student", "pruned"))
    steps = {**FIXED, "max_steps": 2, "eval_steps": 1}
    finetune_cls.run(finetune_cls.Config(model=str(tiny_model), data=str(data), output=base, **steps))
    options = {**steps, "measure_seconds": 0.0}
    told = distill.run(distill.Config(teacher=str(base), student_layers="1", output=student, seed=7, **options))
    assert any(table.title.startswith("before and after (test (half of validation), ") for table in told.tables)
    assert any(line.startswith("test: the checkpoint of base was chosen by these rows") for line in told.lines)
    report = prune.run(prune.Config(model=str(student), sparsity=0.3, output=pruned, seed=8, **options))
    assert not any("by these rows" in line or "these rows have" in line for line in report.lines)
    judged = []
    for folder in (student, pruned):
        record = read_record(folder) or {}
        assert record["parents"]["data"]["drawn"] == {"test": "validation"}
        assert record["rows"]["test"] + record["rows"]["validation"] == 240
        assert record["price"]["split"] == "test" and record["price"]["rows"] == record["rows"]["test"]
        task = registry.task_of_model(opening.load_config(str(folder)), record["task"], str(folder))
        loaded, _ = own_splits(SourceOptions(), record, str(folder), task)
        judged.append(texts(loaded, "test"))
    assert judged[0] == judged[1]
    found = evaluate.run(evaluate.Config(model=str(pruned), **FIXED)).record["metrics"]
    assert found["test"]["accuracy"] == pytest.approx(record["metrics"]["test"]["accuracy"])
    assert (
        "| test | " in (pruned / "README.md").read_text() and "half of validation" in (pruned / "README.md").read_text()
    )
    # the same command again, from its record
    again = tmp_path / "again"
    assert main(["prune", "--config", str(pruned / "nlpkit.json"), "--output", str(again), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == record["rows"]


def test_rows_that_a_teacher_was_trained_on_are_told_where_they_judge(trained: Path, reviews: Path) -> None:
    teacher = open_trained(str(trained), OpeningOptions())
    for data, count in (({"data": str(reviews / "train.csv")}, 1), ({"data": str(reviews)}, 0)):
        config = ComparedDataOptions(**data).for_task(type(teacher.task))
        reader, loaded, _, _ = open_splits(config, teacher.task, seed=1)
        with reporting.listening() as heard:
            tell_trained_on(config, teacher.record, "runs/films", teacher.task, reader, loaded)
        assert len(heard.warnings) == count
        assert all("10 of 10 rows are among those that runs/films was trained on" in said for said in heard.warnings)


def test_a_run_keeps_the_test_rows_that_it_was_trained_without() -> None:
    known = {"config": {"data": "films", "seed": 1, "shuffle_seed": None, "test_share": 0.1}}
    assert inherit_data(ComparedDataOptions(), known, "runs/films").test_share == 0.1
    assert inherit_data(TrainedDataOptions(), known, "runs/films").test_share == 0.1
    with pytest.raises(UserError, match=r"--test-share half: runs/films held 0.1 of train out"):
        inherit_data(ComparedDataOptions(test_share="half"), known, "runs/films")
    whole = {"config": {**known["config"], "test_share": 0.0}}
    assert inherit_data(ComparedDataOptions(), whole, "runs/films").test_share == "half"
    assert inherit_data(ComparedDataOptions(test_share=0), whole, "runs/films").test_share == 0
    with pytest.raises(UserError, match=r"--test-share 0.2: runs/films was trained on all of train"):
        inherit_data(ComparedDataOptions(test_share=0.2), whole, "runs/films")


def test_a_record_without_the_option_is_of_a_run_that_judged_on_all_of_validation(tmp_path: Path) -> None:
    path = tmp_path / "nlpkit.json"
    path.write_text(json.dumps({"schema_version": 1, "command": "distill", "config": {"shuffle_seed": 1}}))
    assert (records.read(path) or {})["config"]["test_share"] == 0


@pytest.mark.parametrize("value", ["1", "-0.1", "third", "yes"])
def test_what_is_no_share_is_refused(value: str) -> None:
    with pytest.raises(UserError, match=r"--test-share .*share of train from 0 up to 1, or half"):
        finetune_cls.Config(data="films", test_share=value)


def test_models_are_compared_on_the_rows_that_one_of_them_kept_apart() -> None:
    files = {"validation": [{"path": "v.csv", "sha256": "aa", "bytes": 1}]}
    base = {"metrics": {"validation": {}}, "parents": {"data": {"files": files}}}
    halved = {"files": files, "drawn": {"test": "validation"}}
    int8 = {"metrics": {"validation": {}, "test": {}}, "parents": {"data": halved}}
    assert standing.fairest({"base": base, "int8": int8}) == "int8"
    tested = {**base, "metrics": {"test": {}}}
    assert standing.fairest({"base": tested, "int8": int8}) == "base"
    other = {**base, "parents": {"data": {"files": {"train": [{"path": "t.csv", "sha256": "bb", "bytes": 1}]}}}}
    assert standing.fairest({"base": other, "int8": int8}) == "base"
    assert standing.fairest({"hub/model": {}, "int8": int8}) == "hub/model"


def test_a_price_on_rows_that_have_chosen_says_which_way_it_is_wrong() -> None:
    files = {"validation": [{"path": "v.csv", "sha256": "aa", "bytes": 1}]}
    trained = {"steps": 9, "checkpoints_judged": 3, "parents": {"data": {"files": files}}}
    halved = {"files": files, "drawn": {"test": "validation"}}
    assert standing.Standing.of("test", halved, trained, chose=True) == standing.Standing("validation", False, True)
    kept = {**trained, "parents": {"data": halved}}
    assert standing.Standing.of("test", halved, kept, chose=True) == standing.Standing("validation")
    assert standing.Standing.of("test", {"files": files}, trained, chose=True) == standing.Standing()
    assert standing.Standing.of("validation", {"files": files}, None, chose=True) == standing.Standing(chose=True)
    once = {**trained, "checkpoints_judged": 1}
    assert standing.Standing.of("test", halved, once, chose=True) == standing.Standing("validation")
    sides = [{"name": "base"}]
    assert "too low" in standing.lines({"split": "validation", "chose": True, "sides": sides})[0]
    assert "too high" in standing.lines({"split": "test", "chose_before": True, "sides": sides})[0]
    assert standing.lines({"split": "test", "sides": sides}) == []  # of an older nlpkit
