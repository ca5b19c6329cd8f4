"""`nlpkit runs`: which folders it finds, what it says of each, and in which order."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import RunOf

from nlpkit.errors import UserError
from nlpkit.overview import found, listing
from nlpkit.recipes import runs
from nlpkit.runs import lock


def made(folder: Path, **record: Any) -> Path:
    """A run folder with a record of these fields, of a finished fine-tuning by default, and 1,000 bytes beside it."""
    folder.mkdir(parents=True)
    usual: dict[str, Any] = {
        "schema_version": 1,
        "status": "complete",
        "command": "finetune-cls",
        "config": {"data": "in/reviews.csv"},
        "task": {"name": "text-classification"},
        "main_metric": "accuracy",
        "finished": "2026-01-02T03:04:05+0000",
    }
    (folder / "nlpkit.json").write_text(json.dumps(usual | record), encoding="utf-8")
    (folder / "model.safetensors").write_bytes(bytes(1_000))
    return folder


def listed(folder: Path, **options: Any) -> dict[str, Any]:
    return runs.run(runs.Config(folder=folder, **options)).record


def names(record: dict[str, Any]) -> list[str]:
    return [Path(each["run"]).name for each in record["runs"]]


def test_a_record_that_leads_nowhere_does_not_hide_the_others(tmp_path: Path) -> None:
    made(tmp_path / "a")
    for name, target in (("itself", "nlpkit.json"), ("gone", "/nowhere/nlpkit.json")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "nlpkit.json").symlink_to(target)
    record = listed(tmp_path, sort="name")
    assert [each["status"] for each in record["runs"]] == ["complete", "damaged", "damaged"]


def test_a_folder_that_is_removed_meanwhile_still_has_a_date(tmp_path: Path) -> None:
    made(tmp_path / "a", finished=None)
    (seen,) = found.search(tmp_path).runs
    (tmp_path / "a" / "nlpkit.json").unlink()
    assert listing.entry(seen, seen.date)["age_seconds"] == 0


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    made(tmp_path / "a")
    with pytest.raises(UserError, match="is a file"):
        found.search(tmp_path / "a" / "nlpkit.json")


def test_runs_are_found_below_and_not_behind_links(tmp_path: Path) -> None:
    here = tmp_path / "runs"
    made(here / "a")
    made(here / "b" / "inner")
    made(here / "a" / "sparsity-0.5")
    made(here / "a" / "checkpoints" / "checkpoint-1")
    made(tmp_path / "elsewhere" / "run")
    (here / "link").symlink_to(tmp_path / "elsewhere")
    (here / "up").symlink_to(here)
    made(here.joinpath(*"12345") / "deep")
    record = listed(here, sort="name")
    assert names(record) == ["a", "sparsity-0.5", "inner"]
    assert record["not_looked_into"]["deeper"] == 1
    # what belongs to a run within another is counted once
    sizes = {Path(each["run"]).name: each["bytes"] for each in record["runs"]}
    assert 2_000 < sizes["a"] < 3_000 and 1_000 < sizes["inner"] < 2_000


def test_a_run_tells_its_figures_with_their_intervals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "300")  # a narrow terminal leaves columns out
    made(
        tmp_path / "a",
        metrics={"validation": {"accuracy": 0.5, "f1": 0.4}, "test": {"accuracy": 0.75, "f1": 0.7}},
        metric_intervals={"test": {"accuracy": [0.7, 0.8]}},
        parameters=22_700_000,
        train_seconds=65.0,
    )
    report = runs.run(runs.Config(folder=tmp_path, output=tmp_path / "out.csv"))
    (each,) = report.record["runs"]
    assert each["metrics"] == {"validation": 0.5, "test": 0.75} and each["intervals"] == {"test": [0.7, 0.8]}
    (shown,) = report.tables[0].rows
    assert {"0.75 (0.70 to 0.80)", "0.5000", "22.70 M", "1:05 min", "reviews.csv"} <= set(map(str, shown))
    (row,) = csv.DictReader((tmp_path / "out.csv").open(encoding="utf-8"))
    assert (row["test"], row["test_low"], row["test_high"], row["data"]) == ("0.75", "0.7", "0.8", "reviews.csv")


def test_status_is_seen_from_the_record_and_the_lock(tmp_path: Path) -> None:
    made(tmp_path / "done")
    made(tmp_path / "working", status="running")
    made(tmp_path / "stopped", status="running")
    made(tmp_path / "tokenizer", status="running", command="train-tokenizer")
    made(tmp_path / "failed", status="running", failure="the disk is full")
    (made(tmp_path / "broken") / "nlpkit.json").write_text("{", encoding="utf-8")
    (made(tmp_path / "begun") / "nlpkit.json").write_text("", encoding="utf-8")
    holder = subprocess.Popen(
        [sys.executable, "-c", f"from nlpkit.runs import lock; from pathlib import Path; "
         f"lock.take(Path({str(tmp_path / 'working')!r})); print(flush=True); input()"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert holder.stdout is not None
        holder.stdout.readline()
        seen = {Path(each["run"]).name: each for each in listed(tmp_path)["runs"]}
    finally:
        holder.communicate(b"\n")
    assert {name: each["status"] for name, each in seen.items()} == {
        "done": "complete",
        "working": "running",
        "stopped": "interrupted",
        "tokenizer": "interrupted",
        "failed": "failed",
        "broken": "damaged",
        "begun": "interrupted",
    }
    assert str(holder.pid) in seen["working"]["note"]
    assert seen["stopped"]["note"] == f"nlpkit finetune-cls --output {tmp_path / 'stopped'} --resume"
    assert seen["tokenizer"]["note"].endswith("--overwrite")  # which cannot be resumed
    assert seen["failed"]["note"].startswith("the disk is full; nlpkit finetune-cls --output ")
    assert "not valid JSON" in seen["broken"]["note"]
    assert names(listed(tmp_path, status="damaged")) == ["broken"]


def test_looking_takes_no_lock(tmp_path: Path) -> None:
    made(tmp_path / "run", status="running")
    (tmp_path / "run" / ".lock").touch()
    assert lock.at_work(tmp_path / "run") is None
    lock.take(tmp_path / "run")
    assert lock.at_work(tmp_path / "run") == "this process"
    lock.give_back(tmp_path / "run")


def test_a_metric_ranks_the_runs_of_a_task_by_what_is_better(tmp_path: Path) -> None:
    losses = {"good": 1.0, "bad": 2.0}
    for name, value in losses.items():
        made(
            tmp_path / f"{name}-loss", task={"name": "fill-mask"}, main_metric="loss", metrics={"test": {"loss": value}}
        )
        made(tmp_path / f"{name}-accuracy", metrics={"test": {"accuracy": 1 / value}})
    made(tmp_path / "only-validated", metrics={"validation": {"accuracy": 0.99}})
    made(tmp_path / "none", metrics=None)
    order = ["good-loss", "bad-loss", "good-accuracy", "bad-accuracy", "only-validated", "none"]
    assert names(listed(tmp_path, sort="metric")) == order


def test_what_is_not_listed_is_counted(tmp_path: Path) -> None:
    made(tmp_path / "a")
    made(tmp_path / "b", task={"name": "fill-mask"})
    report = runs.run(runs.Config(folder=tmp_path, task="fill-mask"))
    assert names(report.record) == ["b"] and report.record["left_out"] == 1
    assert any("1 run is not listed" in line for line in report.lines)
    with pytest.raises(UserError, match="no run here is of this task") as wrong:
        listed(tmp_path, task="text-clasification")
    assert "text-classification" in str(wrong.value.hint)
    with pytest.raises(UserError, match="there is no folder"):
        listed(tmp_path / "nothing")


def test_folders_that_are_closed_are_named(tmp_path: Path) -> None:
    made(tmp_path / "a")
    closed = tmp_path / "closed"
    closed.mkdir()

    def refuse(place: Any) -> Any:
        if Path(place) == closed:
            raise PermissionError(13, "Permission denied", str(place))
        return scandir(place)

    scandir = os.scandir
    with pytest.MonkeyPatch.context() as patch:  # root may read what is closed to others
        patch.setattr(found.os, "scandir", refuse)
        record = listed(tmp_path)
    assert names(record) == ["a"] and record["not_looked_into"]["closed"] == [str(closed)]


def test_the_folders_of_other_commands_are_rows_too(tmp_path: Path) -> None:
    made(tmp_path / "tok", command="train-tokenizer", task=None, main_metric=None,
         config={"data": ["in/a.txt", "in/b.txt"]}, metrics={"train": {"tokens_per_word": 1.1}})  # fmt: skip
    made(tmp_path / "bench", command="benchmark", task=None, metrics=None)
    made(tmp_path / "sweep", command="prune", task=None, metrics=None, front=[], main_metric=None)
    made(tmp_path / "encoder", command="pretrain-mlm", task=None, config={"objective": "mlm"})
    seen = {Path(each["run"]).name: each for each in listed(tmp_path)["runs"]}
    assert seen["tok"]["data"] == "a.txt + 1" and seen["tok"]["main_metric"] == "tokens_per_word"
    assert seen["encoder"]["task"] == "mlm"
    assert {each["status"] for name, each in seen.items() if name != "sweep"} == {"complete"}


def test_age_is_said_in_one_unit() -> None:
    assert [listing.age(seconds) for seconds in (0.2, 59, 3_599, 7_200, 200_000)] == [
        "now",
        "59 s",
        "59 min",
        "2 h",
        "2 d",
    ]


def test_it_lists_what_every_task_leaves_and_imports_no_framework(run_of: RunOf) -> None:
    folder = run_of("classification")
    code = (
        "import sys; from nlpkit.recipes import runs; from pathlib import Path; "
        f"assert runs.run(runs.Config(folder=Path({str(folder)!r}))).record['runs']; "
        "assert not {'torch', 'transformers'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_a_narrow_window_leaves_columns_out_and_says_which(tmp_path: Path) -> None:
    made(tmp_path / "a", metrics={"validation": {"accuracy": 0.5}, "test": {"accuracy": 0.25}}, parameters=1_000)
    made(tmp_path / "b", command="prune", metrics={"test": {"accuracy": 0.75}}, train_seconds=1.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "50")
        report = runs.run(runs.Config(folder=tmp_path))
    (table,) = report.tables
    assert all(sum(2 + len(str(cell or "")) for cell in row) <= 50 for row in table.rows)
    assert "test" in table.header and "run" in table.header and "parameters" not in table.header
    assert any("no room for time, parameters" in line for line in report.lines)
    assert "parameters" in runs.run(runs.Config(folder=tmp_path)).tables[0].header
