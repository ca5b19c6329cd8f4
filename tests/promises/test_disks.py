"""Full disks: one message with what to do, nothing that looks finished, and nothing lost that was saved before.

`make faults` meets every write of every command with a full disk; this is a sample.
"""

from __future__ import annotations

import errno
import itertools
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nlpkit.cli.app import main
from nlpkit.data.writers import writer
from nlpkit.errors import RunError
from nlpkit.runs import files, lock
from nlpkit.runs.folder import RunFolder

sys.path.append(str(Path(__file__).parent.parent / "faults"))

import commands
import disk

pytestmark = pytest.mark.slow


def full(*_: Any, **__: Any) -> Any:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture(scope="module")
def small_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    try:
        with disk.disk(tmp_path_factory.mktemp("disk") / "disk") as place:
            yield place
    except PermissionError as error:
        pytest.skip(f"only root makes a small disk: {error}")


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, commands.Case]:
    return commands.make(tmp_path_factory.mktemp("made") / "made", ("finetune-cls", "predict").__contains__)


def test_answers_on_a_full_disk(cases: dict[str, commands.Case], small_disk: Path) -> None:
    ends, wrong = disk.sweep(cases["predict"], small_disk, iter([0, 4_096, 2**20]))
    assert wrong == []
    assert ends == {"full": 1, "whole": 1} or ends == {"full": 2, "whole": 1}


def test_training_on_a_full_disk(cases: dict[str, commands.Case], small_disk: Path) -> None:
    """Before its folder, at its record, at the first checkpoint, at the second, and at the result."""
    ends, wrong = disk.sweep(cases["finetune-cls"], small_disk, iter([0, 8_192, 200_000, 500_000, 2**24]))
    assert wrong == []
    assert ends["whole"] == 1
    assert ends["full"] >= 3


def test_a_run_that_could_not_begin_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("folder.write_json", "lock._write"):
        with monkeypatch.context() as patch:
            patch.setattr(f"nlpkit.runs.{name}", full)
            with lock.given_back(), pytest.raises(RunError) as error:
                RunFolder(tmp_path / "run").start({"command": "?"}, overwrite=False, resume=False)
        assert f"the disk is full: {tmp_path / 'run'} could not be written completely (" in error.value.message
        assert "MB free on /" in error.value.message
        assert error.value.hint == "Free some space, or give an --output on another disk."
        assert list(tmp_path.iterdir()) == []


def test_a_result_whose_record_does_not_fit_is_not_put_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = RunFolder(tmp_path / "run")
    with lock.given_back():
        run.start({"command": "?"}, overwrite=False, resume=False)
        with pytest.raises(RunError, match="--overwrite begins again"), run.staging() as staged:
            (staged / "model.safetensors").touch()
            monkeypatch.setattr("nlpkit.runs.folder.write_json", full)
            run.finish({}, staged, keep_checkpoints=False)
    assert [path.name for path in run.path.iterdir()] == ["nlpkit.json"]
    assert run.state() == "running"


def test_the_advice_is_what_can_be_done(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    assert "give an --output on another disk" in run.way_on()
    (tmp_path / "nlpkit.json").touch()
    assert "--overwrite begins again" in run.way_on()
    (tmp_path / "checkpoints" / "checkpoint-3").mkdir(parents=True)
    assert "--overwrite begins again" in run.way_on()  # half a checkpoint is none
    (tmp_path / "checkpoints" / "checkpoint-3" / "trainer_state.json").touch()
    assert "--resume goes on from the last checkpoint" in run.way_on()


def test_metrics_of_a_run_survive_a_disk_that_fills_up_at_resume(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "metrics.jsonl").write_text('{"step": 1, "loss": 2}\n{"step": 9, "loss": 1}\n')
    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(RunError, match="the disk is full"):
        RunFolder(tmp_path).rewind_metrics(1)
    assert (tmp_path / "metrics.jsonl").read_bytes().count(b"\n") == 2


def test_a_full_disk_for_temporary_files_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = tmp_path / "text.txt"
    text.write_text("a good film\na bad shop\n" * 50)
    monkeypatch.setattr(tempfile, "TemporaryDirectory", full)
    assert main(["train-tokenizer", "--data", str(text), "--output", str(tmp_path / "run")]) == 1
    said = capsys.readouterr().err
    assert f"nlpkit: the disk is full: {tempfile.gettempdir()} could not be written" in said
    assert "TMPDIR moves temporary files" in said
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_answers_that_do_not_fit_leave_what_was_there(
    suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"answers.{suffix}"
    path.write_text("older")
    with pytest.raises(RunError) as error, writer(path) as write:
        for number in itertools.count():
            write([{"n": number}])
            if number == 3:
                full()
    assert str(path) in error.value.message
    assert error.value.hint == files.OTHER_DISK
    assert [item.read_text() for item in tmp_path.iterdir()] == ["older"]
