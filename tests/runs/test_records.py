"""Records of runs: of older versions they open, of newer ones they do not, and a field of another type is named."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nlpkit.cli.app import main
from nlpkit.errors import UserError
from nlpkit.recipes import evaluate, predict
from nlpkit.runs import records
from nlpkit.runs.folder import read_record

LATER = ("held_out", "judged", "metric_notes", "evaluations", "lineage", "price")
LATER += ("metric_intervals", "interval_level", "interval_units", "checkpoints_judged")


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    """A copy, to be spoilt."""
    return shutil.copytree(trained, tmp_path / "run", ignore=shutil.ignore_patterns("plots"))


def edit(run: Path, change: Callable[[dict[str, Any]], Any]) -> Path:
    path = run / "nlpkit.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    change(record)
    path.write_text(json.dumps(record), encoding="utf-8")
    return path


def as_the_first_version(record: dict[str, Any]) -> None:
    """What was written before it kept how rows are held out, the trained length, and how many rows were judged."""
    for name in LATER:
        record.pop(name, None)
    for name in ("label_names", "training_length"):
        del record["task"][name]
    del record["task"]["columns"]["labels"]
    del record["parents"]["model"]["commit"]
    record["config"]["input_format"] = record["config"].pop("format")
    for name in ("hold_out", "label_names", "quoting"):
        del record["config"][name]


def answers(run: Path) -> Any:
    config = predict.Config(model=str(run), texts=["a lovely film", "a rude clerk"], device="cpu", threads=1)
    return predict.run(config).record


def test_a_run_of_the_first_version_is_used_as_any_other(run: Path, trained: Path, capsys: Any) -> None:
    edit(run, as_the_first_version)
    mine, theirs = answers(run), answers(trained)
    assert [row["prediction"] for row in mine["answers"]] == [row["prediction"] for row in theirs["answers"]]
    judged = evaluate.run(evaluate.Config(model=str(run), device="cpu", threads=1, save=False)).record
    assert judged["rows"] == {"validation": 32, "test": 32} or judged["rows"] == {"test": 32}
    assert main(["finetune-cls", "--output", str(run), "--resume"]) == 0
    said = capsys.readouterr()
    assert "is complete: nothing to resume" in said.out + said.err and "train         96" in said.out
    assert main(["finetune-cls", "--config", str(run / "nlpkit.json"), "--dry-run", "--output", str(run) + "2"]) == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("details", {"test": 5}),
        ("details", {"test": {"confused": {"classes": 77, "mistakes": 3, "pairs": [{"label": "a"}]}}}),
        ("metric_intervals", {"test": {"accuracy": [0.5]}}),
        ("interval_units", {"test": 32}),
    ],
)
def test_figures_that_are_told_are_of_the_type_that_tables_take(name: str, value: Any, run: Path, capsys: Any) -> None:
    edit(run, lambda record: record.update({name: value}))
    assert main(["finetune-cls", "--output", str(run), "--resume"]) == 2
    assert f"nlpkit.json: {name}.test" in capsys.readouterr().err


def test_how_rows_are_held_out_is_that_of_then(run: Path) -> None:
    edit(run, as_the_first_version)
    record = read_record(run)
    assert record is not None and record["config"]["hold_out"] == "rows"
    assert record["judged"] == {"train": 96, "validation": 32, "test": 32}


@pytest.mark.parametrize("name", ["best_step", "train_samples_per_second", "wall_seconds", "baseline", "findings"])
def test_a_finished_run_is_told_without_what_its_record_lacks(name: str, run: Path, capsys: Any) -> None:
    edit(run, lambda record: record.pop(name))
    assert main(["finetune-cls", "--output", str(run), "--resume"]) == 0
    said = capsys.readouterr()
    assert "is complete: nothing to resume" in said.err + said.out and " s of training" in said.out


@pytest.mark.parametrize("command", ["predict", "evaluate", "--resume", "--config"])
def test_a_newer_version_is_refused(command: str, run: Path, capsys: Any) -> None:
    path = edit(run, lambda record: record.update(schema_version=records.SCHEMA_VERSION + 1))
    arguments = {
        "predict": ["predict", str(run), "a film"],
        "evaluate": ["evaluate", str(run)],
        "--resume": ["finetune-cls", "--resume", "--output", str(run)],
        "--config": ["finetune-cls", "--dry-run", "--config", str(path)],
    }
    assert main(arguments[command]) == 2
    error = capsys.readouterr().err
    assert f"{path} was written by a newer nlpkit" in error and "Upgrade nlpkit" in error


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("status", "done", "status \"done\": input should be 'running' or 'complete'"),
        ("command", "x; rm -rf ~", 'command "x; rm -rf ~"'),
        ("config", [], "config: expected an object, found a list"),
        ("parents.model.given", 5, "parents.model.given: expected a text, found 5"),
        ("parents.data.files", {"train": "x"}, 'parents.data.files.train: expected a list, found "x"'),
        ("metrics", {"validation": {"f1": "high"}}, "metrics.validation.f1: expected a number"),
        ("judged", {"validation": -1}, "judged.validation -1"),
        ("rows", {"train": 1e30}, "rows.train"),
        ("versions", "1", "versions: expected an object"),
        ("pruning", {"zeros": {"a": [1]}}, "pruning.zeros.a a list: list should have at least 2 items"),
        ("evaluations", {}, "evaluations: expected a list, found an object"),
        ("task.max_length", 0, "task.max_length 0: input should be greater than or equal to 1"),
        ("task.max_length", True, "task.max_length: expected a whole number, found true"),
        ("task.threshold", None, "task.threshold: expected a number, found null"),
        ("task.labels", ["a", "a"], "labels holds 'a' twice"),
        ("task.columns.text", None, "task.columns.text: expected a text, found null"),
        ("task.problem", "regression", "the model's config.json"),
        ("task.labels", ["positive", "negative"], "differ: 0: 'positive' and 'negative'; 1: "),
        ("task.name", "text-clasification", "Did you mean 'text-classification'?"),
    ],
)
def test_a_field_of_another_type_is_named(field: str, value: Any, said: str, run: Path, capsys: Any) -> None:
    def change(record: dict[str, Any]) -> None:
        *above, last = field.split(".")
        for name in above:
            record = record[name]
        record[last] = value

    path = edit(run, change)
    assert main(["predict", str(run), "a film", "--device", "cpu"]) == 2
    error = capsys.readouterr().err
    assert str(path) in error and said in error, error
    assert "KeyError" not in error and "Traceback" not in error


@pytest.mark.parametrize(("field", "value"), [("epochs", "many"), ("seed", -1), ("batch_size", None), ("data", "")])
def test_an_option_of_a_record_is_named_with_its_file(field: str, value: Any, run: Path, capsys: Any) -> None:
    path = edit(run, lambda record: (record["config"].update({field: value}), record.update(status="running")))
    for arguments in (["--config", str(path), "--dry-run"], ["--output", str(run), "--resume"]):
        assert main(["finetune-cls", *arguments]) == 2
        assert f"{path}: --{field.replace('_', '-')}" in capsys.readouterr().err
    # what is given on the command line is not the file's mistake
    assert main(["finetune-cls", "--config", str(path), "--epochs", "x", "--seed", "1", "--dry-run"]) == 2
    assert f"{path}: --epochs" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "does not tell"),
        (b"\xff\xfe{}", "is not valid JSON"),
        (b'{"command": "finetune-cls", "command": "distill"}', '"command" is given twice'),
        (b'{"a":' * 9_000, "it is nested too deep"),
        (b"[]", "is not the record of a run, but a list"),
        (b"\0" * 99, "is not valid JSON"),
        (b"null\n", "holds nothing but null"),
        (b"{}", "holds nothing but {}"),
        (b'{"task": {"labels": ["\\ud800"]}}', r"is not valid JSON: it holds half of a character, '.ud800'"),
    ],
)
def test_a_file_that_is_no_record(content: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "nlpkit.json"
    path.write_bytes(content)
    if not content:
        assert records.read(path) == {}  # of a run that has claimed its folder, and not written yet
        return
    with pytest.raises(UserError, match=said):
        records.read(path)


def test_a_folder_a_loop_or_a_pipe_in_the_place_of_a_record(run: Path, capsys: Any) -> None:
    path = run / "nlpkit.json"
    path.unlink()
    path.symlink_to("nlpkit.json")
    assert main(["predict", str(run), "a film", "--device", "cpu"]) == 2
    assert f"{path} cannot be read: Too many levels of symbolic links" in capsys.readouterr().err
    path.unlink()
    path.mkdir()
    assert main(["predict", str(run), "a film", "--device", "cpu"]) == 2
    assert f"{path} cannot be read: Is a directory" in capsys.readouterr().err
    path.rmdir()
    os.mkfifo(path)
    assert main(["predict", str(run), "a film", "--device", "cpu"]) == 2
    assert f"{path} is a pipe, not a file" in capsys.readouterr().err


def test_a_damaged_record_is_replaced_when_asked(tmp_path: Path) -> None:
    from nlpkit.runs.folder import RunFolder

    (tmp_path / "nlpkit.json").write_text("{")
    with pytest.raises(UserError, match="--overwrite"):
        RunFolder(tmp_path).require_usable(resume=False, overwrite=False)
    RunFolder(tmp_path).require_usable(resume=False, overwrite=True)
    RunFolder(tmp_path).start({"command": "prune"}, overwrite=True, resume=False)
    assert (read_record(tmp_path) or {})["command"] == "prune"


def test_a_finished_record_that_lacks_its_result(run: Path, capsys: Any) -> None:
    path = edit(run, lambda record: (record.pop("metrics"), record.pop("main_metric")))
    assert main(["finetune-cls", "--output", str(run), "--resume"]) == 2
    assert f"{path}: the record of a finished run lacks metrics, main_metric" in capsys.readouterr().err


def test_a_finished_run_whose_weights_are_cut_is_not_finished(run: Path, capsys: Any) -> None:
    weights = run / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    assert main(["finetune-cls", "--output", str(run), "--resume"]) == 2
    assert f"the run is complete, but {weights} cannot be read" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("file", "field", "value", "said"),
    [
        ("tokenizer_config.json", "cls_token", "", "has an empty cls_token (tokenizer_config.json)"),
        ("tokenizer_config.json", "unk_token", 5, "tokenizer_config.json: TypeError"),
        ("tokenizer.json", "post_processor", {"type": "x"}, ": tokenizer.json: "),
        ("config.json", "hidden_size", "wide", ": config.json: "),
        ("config.json", "hidden_dropout_prob", float("nan"), "config.json: hidden_dropout_prob: nan"),
        ("config.json", "id2label", {"1": "positive", "2": "negative"}, "config.json: id2label"),
        ("config.json", "vocab_size", None, ": config.json: "),
    ],
)
def test_a_field_of_what_transformers_wrote(
    file: str, field: str, value: Any, said: str, run: Path, capsys: Any
) -> None:
    document = json.loads((run / file).read_text(encoding="utf-8"))
    (run / file).write_text(json.dumps({**document, field: value}), encoding="utf-8")
    assert main(["predict", str(run), "a film", "--device", "cpu"]) == 2
    error = capsys.readouterr().err
    assert said in error and "Traceback" not in error, error


def test_layers_that_a_config_leaves_out_are_told(run: Path, trained: Path, capsys: Any) -> None:
    document = json.loads((run / "config.json").read_text(encoding="utf-8"))
    (run / "config.json").write_text(json.dumps({**document, "num_hidden_layers": 1}), encoding="utf-8")
    assert main(["predict", str(run), "a film", "--device", "cpu"]) == 0
    assert "its config.json tells of fewer layers than its weights have: 16 tensors" in capsys.readouterr().err
    assert main(["predict", str(trained), "a film", "--device", "cpu"]) == 0
    assert "fewer layers" not in capsys.readouterr().err


def test_a_key_given_twice_in_a_recipe(tmp_path: Path, capsys: Any) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("data: a.csv\nepochs: 3\nepochs: 5\n")
    assert main(["finetune-cls", "--config", str(recipe)]) == 2
    assert f"{recipe}, line 3, column 1: not valid YAML: 'epochs' is given twice" in capsys.readouterr().err


def test_what_is_required_is_in_the_record_of_a_run_that_goes_on(tmp_path: Path) -> None:
    """`nlpkit prune --output RUN --resume`, as the hint of an unfinished run has it."""
    from nlpkit.recipes import distill, prune

    record = {"schema_version": 1, "status": "running", "config": {"model": "runs/a", "teacher": "runs/b"}}
    (tmp_path / "nlpkit.json").write_text(json.dumps(record))
    going_on = {"output": str(tmp_path), "resume": True}
    assert prune.Config.from_sources(going_on).model == "runs/a"
    assert distill.Config.from_sources(going_on).teacher == "runs/b"
    assert prune.Config.from_sources({**going_on, "model": "runs/c"}).model == "runs/c"
    with pytest.raises(UserError, match="MODEL is required"):
        prune.Config.from_sources({"output": str(tmp_path)})
