"""A pre-training run that is killed or interrupted goes on with --resume and ends as if nothing had happened."""

from __future__ import annotations

import json
import re
import subprocess
import time
from pathlib import Path
from typing import Any

import forked
import pytest
from conftest import nlpkit_command
from pretraining_runs import (
    assert_same_result,
    documents,
    lines,
    pretrain,
    record,
    signal_after,
    sources,
    write_corpus,
)

from nlpkit.cli.app import main
from nlpkit.errors import Interrupted, UserError
from nlpkit.pretraining import streaming
from nlpkit.recipes import pretrain_mlm

pytestmark = pytest.mark.slow

STEPS = 36


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Dropout, several passes over the corpus, log lines and evaluations that do not fall together."""
    return {
        **sources(tmp_path_factory.mktemp("data"), 60),
        "layers": 2,
        "hidden_size": 32,
        "max_length": 16,
        "batch_size": 8,
        "max_steps": STEPS,
        "eval_steps": 12,
        "logging_steps": 3,
        "learning_rate": 2e-3,
        "device": "cpu",
        "threads": 1,
    }


KINDS: dict[str, dict[str, Any]] = {
    "packed": {},
    "streaming": {"streaming": True},
    "rtd": {"arch": "electra", "objective": "rtd", "heads": 4},
    "lines": {"line_by_line": True, "gradient_accumulation_steps": 2, "streaming": True},
    "pairs": {"objective": "mlm+nsp", "whole_word_masking": True},
}


@pytest.fixture(scope="module")
def references(options: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Each kind without interruption, made when it is asked for."""
    folder = tmp_path_factory.mktemp("references")

    class Made(dict[str, Path]):
        def __missing__(self, kind: str) -> Path:
            self[kind] = pretrain(folder / kind, **options, **KINDS[kind])
            return self[kind]

    return Made()


def flags(options: dict[str, Any]) -> list[str]:
    return [
        part
        for name, value in options.items()
        for part in ([f"--{name.replace('_', '-')}"] + ([] if value is True else [str(value)]))
    ]


def interrupted(run: Path, step: int, **options: Any) -> None:
    with pytest.MonkeyPatch.context() as patch:
        signal_after(step, patch)
        with pytest.raises(Interrupted) as stop:
            pretrain(run, **options)
    assert stop.value.exit_code == 130
    assert stop.value.message == f"interrupted at step {step} of {options['max_steps']}; the state is saved"
    assert stop.value.hint == f"Go on with: nlpkit pretrain-mlm --output {run} --resume"


@pytest.fixture(scope="module")
def killed(options: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Runs in processes of their own, side by side, killed behind step 18."""
    folder = tmp_path_factory.mktemp("killed")
    runs = {kind: folder / kind for kind in ("packed", "streaming")}
    processes = {
        kind: forked.Popen(
            nlpkit_command("pretrain-mlm", *flags({**options, **KINDS[kind]}), "--output", run),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for kind, run in runs.items()
    }
    waiting = set(runs)
    try:
        deadline = time.monotonic() + 240
        while waiting:
            for kind in sorted(waiting):
                if any(line["step"] >= 18 for line in lines(runs[kind])):
                    processes[kind].kill()
                    waiting.remove(kind)
                else:
                    assert processes[kind].poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.005)
    finally:
        for process in processes.values():
            process.kill()
            process.wait()
    return runs


@pytest.mark.parametrize("kind", ["packed", "streaming"])
def test_kill_9(kind: str, killed: dict[str, Path], references: Any, capsys: pytest.CaptureFixture[str]) -> None:
    reference, run = references[kind], killed[kind]
    losses = [line["loss"] for line in lines(reference) if "loss" in line]
    assert len(set(losses)) == STEPS // 3  # worth comparing
    assert losses[-1] < losses[0]
    assert record(run)["status"] == "running"
    assert not (run / "model.safetensors").exists()
    capsys.readouterr()
    assert main(["pretrain-mlm", "--output", str(run), "--resume"]) == 0
    assert re.search("resuming from step (12|24)", capsys.readouterr().out)
    assert_same_result(run, reference)


# between a line of the log and the next, at an evaluation, at the end of a pass, one before the last
@pytest.mark.parametrize(
    ("kind", "steps"),
    [("packed", [4, 24, 35]), ("streaming", [1, 17]), ("rtd", [20]), ("lines", [16]), ("pairs", [7])],
)
def test_interrupted(kind: str, steps: list[int], options: dict[str, Any], references: Any, tmp_path: Path) -> None:
    """Again and again."""
    run = tmp_path / "run"
    for number, step in enumerate(steps):
        interrupted(run, step, **options, **KINDS[kind], resume=number > 0)
    pretrain(run, **options, **KINDS[kind], resume=True)
    assert_same_result(run, references[kind])


def test_streams_are_resumed_across_windows(
    options: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With windows of a few steps; the corpus is read from the first text that is needed."""
    monkeypatch.setattr(streaming.StreamedRows.__init__, "__kwdefaults__", {"window": 400})
    # the reader gives a thousand lines at a time, here ten steps
    corpus = write_corpus(tmp_path / "text.txt", documents(500))
    short = {**options, **KINDS["streaming"], "data": str(corpus), "batch_size": 64, "max_steps": 24, "eval_steps": 6}
    whole = pretrain(tmp_path / "whole", **short)
    run = tmp_path / "run"
    interrupted(run, 17, **short)
    position = json.loads((run / "checkpoints/checkpoint-17/nlpkit_position.json").read_text())["stream"]
    assert position["rows"] == 17 * 64
    assert position["window"]["text"] == 1000
    assert 0 < position["window"]["row"] < 17 * 64
    pretrain(run, **short, resume=True)
    assert_same_result(run, whole)


def test_a_complete_run_says_so(references: Any, capsys: pytest.CaptureFixture[str]) -> None:
    run = references["packed"]
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    assert main(["pretrain-mlm", "--output", str(run), "--resume"]) == 0
    said = capsys.readouterr().out
    assert f"{run} is complete: nothing to resume" in said
    assert "validation" in said
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before


def test_a_run_of_another_command_is_not_resumed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "nlpkit.json").write_text('{"schema_version": 1, "command": "train-tokenizer", "status": "complete"}')
    assert main(["pretrain-mlm", "--output", str(tmp_path), "--resume"]) == 2
    assert f"--resume: {tmp_path} is a run of `nlpkit train-tokenizer`" in capsys.readouterr().err


def test_a_run_cannot_both_go_on_and_start_over(references: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pretrain-mlm", "--output", str(references["packed"]), "--resume", "--overwrite"]) == 2
    assert "--overwrite replaces it" in capsys.readouterr().err
    assert record(references["packed"])["status"] == "complete"


def test_a_finished_run_is_not_written_over(
    options: dict[str, Any], references: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["pretrain-mlm", *flags(options), "--output", str(references["packed"])]) == 2
    assert "holds a finished run" in capsys.readouterr().err


def test_exit_code_of_an_interruption(
    options: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        signal_after(5, patch)
        assert main(["pretrain-mlm", *flags(options), "--output", str(tmp_path / "run")]) == 130
    errors = capsys.readouterr().err
    assert f"interrupted at step 5 of {STEPS}; the state is saved" in errors
    assert f"Go on with: nlpkit pretrain-mlm --output {tmp_path / 'run'} --resume" in errors
    assert record(tmp_path / "run")["status"] == "running"
    with pytest.raises(UserError, match="holds an interrupted run"):
        pretrain_mlm.run(pretrain_mlm.Config(**options, output=tmp_path / "run"))
