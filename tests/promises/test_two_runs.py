"""Two commands at one output: each writes all of its file, and a run folder has one run at a time."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import forked
import pytest
from conftest import RunOf, nlpkit_command

from nlpkit import reporting
from nlpkit.cli.app import main
from nlpkit.data.writers import writer
from nlpkit.errors import RunError, UserError
from nlpkit.runs import files, lock
from nlpkit.runs.folder import RunFolder, read_record

pytestmark = pytest.mark.slow

# --- files ---


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "parquet"])
def test_two_writers_of_one_file_each_write_all_of_it(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"answers.{suffix}"
    with writer(path) as first:
        first([{"text": "first", "n": 1}])
        with writer(path) as second:
            second([{"text": "second", "n": 2}])
        between = path.read_bytes()
        first([{"text": "first", "n": 3}])
    assert b"second" in between
    assert b"first" not in between
    assert b"second" not in path.read_bytes()
    assert path.read_bytes().count(b"first") >= 1
    assert [item.name for item in tmp_path.iterdir()] == [path.name]


def test_what_has_come_to_be_there_is_left(tmp_path: Path) -> None:
    path = tmp_path / "answers.csv"
    (tmp_path / "answers-2.csv").write_text("older\n")
    with pytest.raises(RunError) as error, writer(path, overwrite=False) as write:
        write([{"text": "mine"}])
        path.write_text("theirs\n")
    assert f"{path} has come to be there" in error.value.message
    assert error.value.hint is not None
    assert str(tmp_path / "answers-3.csv") in error.value.hint
    assert path.read_text() == "theirs\n"
    assert (tmp_path / "answers-2.csv").read_text() == "older\n"
    assert (tmp_path / "answers-3.csv").read_text() == "text\nmine\n"


def test_what_cannot_be_replaced_costs_no_answers(tmp_path: Path) -> None:
    path = tmp_path / "answers.csv"
    with pytest.raises(RunError) as error, writer(path) as write:
        write([{"text": "mine"}])
        path.mkdir()
    assert f"{path} cannot be replaced (" in error.value.message
    assert (tmp_path / "answers-2.csv").read_text() == "text\nmine\n"
    assert len(list(tmp_path.iterdir())) == 2


def test_a_folder_that_goes_meanwhile_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "answers"
    folder.mkdir()
    with pytest.raises(RunError, match="has gone while this command ran"), writer(folder / "answers.csv") as write:
        write([{"text": "mine"}])
        shutil.rmtree(folder)


def test_without_hard_links_nothing_is_overwritten_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*_: Any, **__: Any) -> None:
        raise OSError(files.NO_LINKS[0], "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    path = tmp_path / "answers.jsonl"
    for _ in range(2):
        with pytest.MonkeyPatch.context():
            try:
                with writer(path, overwrite=False) as write:
                    write([{"n": len(list(tmp_path.glob("answers*")))}])
            except RunError:
                pass
    assert path.read_text() == '{"n": 0}\n'
    assert (tmp_path / "answers-2.jsonl").read_text() == '{"n": 1}\n'


def test_a_partial_file_goes_with_its_failure_and_with_its_killed_process(tmp_path: Path) -> None:
    path = tmp_path / "answers.csv"
    with pytest.raises(ZeroDivisionError), writer(path) as write:
        write([{"n": 1 / 0}])
    assert list(tmp_path.iterdir()) == []
    code = (
        "import os, pathlib, signal\nfrom nlpkit.runs.files import whole\n"
        f"with whole(pathlib.Path({str(path)!r})) as partial:\n"
        "    os.utime(partial, (0, 0))\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    with files.whole(path) as living:
        os.utime(living, (0, 0))
        assert forked.run([sys.executable, "-c", code]).returncode == -signal.SIGKILL
        assert len(list(tmp_path.iterdir())) == 2
        with files.whole(path):
            pass
        assert living.exists()  # its process is at work
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "answers.csv"
    link.symlink_to(tmp_path / "elsewhere" / "answers.csv")
    with writer(link) as write:
        write([{"n": 1}])
    assert link.is_symlink()
    assert (tmp_path / "elsewhere" / "answers.csv").read_text() == "n\n1\n"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names here")
@pytest.mark.parametrize("how", ["itself", "link"])
def test_a_pipe_or_a_device_is_not_replaced_by_a_file(how: str, tmp_path: Path) -> None:
    pipe = path = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    if how == "link":
        path = tmp_path / "link.csv"
        path.symlink_to(pipe)
    for overwrite in (False, True):
        with pytest.raises(UserError, match="is a device or a pipe"):
            files.require_writable(path, overwrite=overwrite)
    assert pipe.is_fifo()


def test_a_link_to_nowhere_is_refused_before_the_work(tmp_path: Path) -> None:
    link = tmp_path / "answers.csv"
    link.symlink_to(tmp_path / "missing" / "answers.csv")
    with pytest.raises(UserError, match=f"there is no folder {tmp_path / 'missing'}"):
        files.require_writable(link, overwrite=False)
    (tmp_path / "missing").mkdir()
    files.require_writable(link, overwrite=False)


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_files_are_as_readable_as_the_umask_says(mask: int, tmp_path: Path) -> None:
    before = os.umask(mask)
    try:
        with writer(tmp_path / "answers.csv") as write:
            write([{"n": 1}])
        files.write_json(tmp_path / "record.json", {})
        (tmp_path / "model.safetensors").touch(0o600)
        files.follow_umask(tmp_path)
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o666 & ~mask}


def test_every_file_of_a_run_is_as_readable_as_the_others(trained: Path) -> None:
    assert {path.stat().st_mode & 0o777 for path in trained.rglob("*") if path.is_file()} == {0o644}


# --- folders ---


HOLD = "import pathlib, sys, time\nfrom nlpkit.runs import lock\nlock.take(pathlib.Path({!r}))\nprint(1, flush=True)\n"


@pytest.fixture
def busy(tmp_path: Path) -> Iterator[tuple[Path, subprocess.Popen[str]]]:
    """A folder of an unfinished run, and the process that is at work there."""
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "nlpkit.json").write_text('{"schema_version": 1, "status": "running", "command": "?", "config": {}}')
    process = holding(folder)
    try:
        yield folder, process
    finally:
        process.kill()
        process.wait()


def holding(folder: Path) -> subprocess.Popen[str]:
    code = HOLD.format(str(folder)) + "time.sleep(600)"
    process = forked.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=Path.cwd())
    assert process.stdout is not None
    assert process.stdout.readline() == "1\n"
    return process


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory, run_of: RunOf, tiny_model: Path) -> dict[str, list[str]]:
    """Of each command that writes a run folder, what it takes besides --output."""
    model = str(tiny_model)
    run, tags = run_of("classification"), run_of("token-classification")
    text = str(run_of("masked-lm").parent / "data")
    return {
        "train-tokenizer": ["--data", text],
        "train-vectors": [text],
        "pretrain-mlm": ["--data", text, "--model", str(run_of("masked-lm"))],
        "pretrain-clm": ["--data", text, "--model", str(run_of("causal-lm"))],
        "finetune-cls": ["--data", str(run.parent / "data"), "--model", model],
        "finetune-ner": ["--data", str(tags.parent / "data"), "--model", model],
        "finetune-qa": ["--data", "questions.json", "--model", model],
        "finetune-embed": ["--data", str(run_of("embedding").parent / "data"), "--model", model],
        "finetune-seq2seq": ["--data", str(run_of("text-to-text").parent / "data"), "--arch", "t5"],
        "distill": [str(run), "--student-layers", "1"],
        "prune": [str(run), "--sparsity", "0.5"],
        "tune": ["finetune-cls", "--data", str(run.parent / "data"), "--model", model, "--epochs", "1,2"],
        "quantize": [str(run), "--to", "bf16"],
        "compress": [str(run), "--max-size", "50kB", "--to", "none"],
        "benchmark": [str(run)],
        "loadtest": ["http://127.0.0.1:9", "--input", "rows.csv"],
    }


def test_no_command_is_let_into_a_folder_where_one_is_at_work(
    busy: tuple[Path, subprocess.Popen[str]], commands: dict[str, list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    folder, process = busy
    record = json.loads((folder / "nlpkit.json").read_text())
    for command, arguments in commands.items():
        (folder / "nlpkit.json").write_text(json.dumps({**record, "command": command}))
        before = {path: path.read_bytes() for path in folder.iterdir()}
        resumes = command not in ("quantize", "train-tokenizer", "train-vectors", "loadtest")
        for flag in ([], ["--overwrite"], *([["--resume"]] if resumes else [])):
            capsys.readouterr()
            assert main([command, *arguments, "--output", str(folder), *flag]) == 2, command
            errors = capsys.readouterr().err
            assert f"--output {folder} is in use: process {process.pid} on " in errors, (command, flag, errors)
            assert "Wait until it has ended or stop it; or give another --output." in errors
        assert {path: path.read_bytes() for path in folder.iterdir()} == before, command


def test_the_lock_of_a_killed_run_is_taken_over(busy: tuple[Path, subprocess.Popen[str]]) -> None:
    folder, process = busy
    process.kill()
    process.wait()
    with lock.given_back(), reporting.listening() as said:
        RunFolder(folder).require_usable(resume=True, overwrite=False)
        assert f"process {process.pid} on" in said.notes[0]
        assert "ended without finishing; this run takes its place" in said.notes[0]
    assert [path.name for path in folder.iterdir()] == ["nlpkit.json"]


@pytest.mark.parametrize("flags", [{}, {"overwrite": True}, {"resume": True}])
def test_a_run_that_was_killed_while_it_began_is_begun_anew(flags: dict[str, bool], tmp_path: Path) -> None:
    code = "import pathlib, os, signal\nfrom nlpkit.runs import files, folder\n"
    code += "files.os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)\n"
    code += f"run = folder.RunFolder(pathlib.Path({str(tmp_path / 'run')!r}))\n"
    code += "run.start({'command': '?'}, overwrite=False, resume=True)\n"
    assert forked.run([sys.executable, "-c", code], cwd=Path.cwd()).returncode == -signal.SIGKILL
    assert len(list((tmp_path / "run").iterdir())) == 2
    run = RunFolder(tmp_path / "run")
    asked = {"overwrite": False, "resume": False, **flags}
    with lock.given_back():
        run.require_usable(**asked)
        run.start({"command": "?"}, **asked)
        assert sorted(path.name for path in run.path.iterdir()) == [".lock", "nlpkit.json"]
    assert run.state() == "running"


def test_of_two_that_start_one_has_the_folder(tmp_path: Path) -> None:
    first, folder = RunFolder(tmp_path / "run"), tmp_path / "run"
    first.require_usable(resume=False, overwrite=False)
    folder.mkdir()
    process = holding(folder)
    try:
        for flags in ({}, {"overwrite": True}, {"resume": True}):
            with pytest.raises(UserError, match=f"is in use: process {process.pid}"):
                first.start({"command": "?"}, **{"overwrite": False, "resume": False, **flags})
    finally:
        process.kill()
        process.wait()
    with lock.given_back():
        first.start({"command": "?"}, overwrite=False, resume=False)
    assert (read_record(folder) or {})["status"] == "running"
    with pytest.raises(UserError, match="another run has just started there"), lock.given_back():
        first.start({"command": "?"}, overwrite=False, resume=False)


def test_a_lock_of_another_machine_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as there:
        there.setattr(lock.platform, "node", lambda: "elsewhere")
        there.setattr(lock, "_machine", lambda: "another")
        with lock.given_back():
            lock.take(tmp_path)
            left = (tmp_path / lock.LOCK).read_text()
    (tmp_path / lock.LOCK).write_text(left)
    with pytest.raises(UserError) as error:
        lock.take(tmp_path)
    assert f"is locked by process {os.getpid()} on elsewhere, since" in str(error.value)
    assert f"If that run is over, delete {tmp_path / lock.LOCK}" in str(error.value)
    (tmp_path / lock.LOCK).unlink()
    with lock.given_back():
        lock.take(tmp_path)


def test_a_link_to_nowhere_is_no_folder_of_a_run(tmp_path: Path) -> None:
    link = tmp_path / "run"
    link.symlink_to(tmp_path / "missing")
    with pytest.raises(UserError, match="which is not there"):
        RunFolder(link).require_usable(resume=False, overwrite=False)
    (tmp_path / "missing").mkdir()
    RunFolder(link).require_usable(resume=False, overwrite=False)


def test_without_locks_of_the_system_the_process_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "try_lock", lambda _: None)
    with lock.given_back():
        lock.take(tmp_path)
        left = json.loads((tmp_path / lock.LOCK).read_text())
    (tmp_path / lock.LOCK).write_text(json.dumps(left))
    with pytest.raises(UserError, match="is in use"):
        lock.take(tmp_path)
    # the number of a process that has ended is given to another one
    (tmp_path / lock.LOCK).write_text(json.dumps({**left, "born": left["born"] - 60}))
    with lock.given_back():
        lock.take(tmp_path)


def test_a_forked_process_neither_keeps_nor_gives_back_the_lock(tmp_path: Path) -> None:
    with lock.given_back():
        lock.take(tmp_path)
        if not (child := os.fork()):
            os._exit(len(lock._held))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert (tmp_path / lock.LOCK).exists()
        code = HOLD.format(str(tmp_path))
        other = forked.run([sys.executable, "-c", code], cwd=Path.cwd())
        assert "is in use" in other.stderr
    assert list(tmp_path.iterdir()) == []


def test_two_that_judge_a_model_are_both_in_its_record(trained: Path, reviews: Path, tmp_path: Path) -> None:
    run = shutil.copytree(trained, tmp_path / "run")
    before = len(json.loads((run / "nlpkit.json").read_text()).get("evaluations", []))  # of other tests' commands
    command = nlpkit_command("evaluate", run, "--data", reviews / "test.csv", "--quiet")
    both = [forked.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=Path.cwd()) for _ in range(2)]
    for process in both:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
    assert len(json.loads((run / "nlpkit.json").read_text())["evaluations"]) == before + 2


def test_a_record_that_cannot_be_added_to_costs_no_figures(
    trained: Path, reviews: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = shutil.copytree(trained, tmp_path / "run")
    before = (run / "nlpkit.json").read_bytes()

    def read_only(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied", str(run / lock.LOCK))

    monkeypatch.setattr(lock, "take", read_only)
    assert main(["evaluate", str(run), "--data", str(reviews / "test.csv")]) == 0
    said = capsys.readouterr()
    assert "accuracy" in said.out
    assert f"the figures are not added to {run / 'nlpkit.json'}: no permission to write" in said.err
    assert (run / "nlpkit.json").read_bytes() == before
