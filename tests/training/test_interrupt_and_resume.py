"""A run that is killed goes on with --resume and ends as if nothing had happened, bit for bit."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import forked
import pytest
from conftest import make_model, nlpkit_command, rows, write_csv

from nlpkit.cli.app import main
from nlpkit.errors import Interrupted
from nlpkit.recipes import finetune_cls
from nlpkit.training.callbacks import MetricsFileCallback, SignalCallback

pytestmark = pytest.mark.slow

EPOCH = 24  # steps: 190 rows in batches of 8, the last one smaller


@pytest.fixture(scope="module")
def setting(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Options of a run with dropout, like-length batches, several epochs and a best one among them."""
    folder = tmp_path_factory.mktemp("slow")
    made = rows(270, seed=3)
    write_csv(folder / "train.csv", made[:190])
    write_csv(folder / "validation.csv", made[190:230])
    write_csv(folder / "test.csv", made[230:])
    model = make_model(folder / "model", hidden_size=64, num_hidden_layers=3, intermediate_size=128)
    return {
        "data": str(folder),
        "model": str(model),
        "epochs": 3,
        "batch_size": 8,
        "learning_rate": 5e-4,
        "best_metric": "mcc",
        "logging_steps": 1,
        "device": "cpu",
        "threads": 1,
    }


@pytest.fixture(scope="module")
def reference(setting: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same run without interruption."""
    return train(setting, tmp_path_factory.mktemp("runs") / "reference")


def train(options: dict[str, Any], output: Path, **changes: Any) -> Path:
    finetune_cls.run(finetune_cls.Config(**{**options, "output": output, **changes}))
    return output


def flags(options: dict[str, Any]) -> list[str]:
    return [part for name, value in options.items() for part in (f"--{name.replace('_', '-')}", str(value))]


def lines(run: Path) -> list[dict[str, Any]]:
    text = (run / "metrics.jsonl").read_text(encoding="utf-8") if (run / "metrics.jsonl").exists() else ""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def course(run: Path) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl without what a clock puts there."""
    clock = ("runtime", "per_second", "train_loss", "total_flos")
    return [{k: v for k, v in line.items() if not any(word in k for word in clock)} for line in lines(run)]


def assert_same_result(run: Path, reference: Path) -> None:
    """Weights, metrics, the course of training, the choice of the best epoch and the mistakes are the same."""
    mine, theirs = (json.loads((folder / "nlpkit.json").read_text()) for folder in (run, reference))
    assert mine["status"] == theirs["status"] == "complete"
    for part in ("metrics", "details", "best_step", "steps", "config", "rows"):
        assert mine[part] == theirs[part], part
    assert course(run) == course(reference)
    for name in ("model.safetensors", "errors.jsonl", "config.json", "tokenizer.json"):
        assert (run / name).read_bytes() == (reference / name).read_bytes(), name
    assert sorted(path.name for path in run.iterdir()) == sorted(path.name for path in reference.iterdir())


def start(options: dict[str, Any], output: Path) -> subprocess.Popen[str]:
    return forked.Popen(
        nlpkit_command("finetune-cls", *flags(options), "--output", output),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=output.parent,
        env={**os.environ, "NLPKIT_CACHE": str(output.parent / "cache")},
    )


def interrupt(options: dict[str, Any], output: Path, when: Callable[[], bool], number: int) -> tuple[int, str]:
    """Start the run in a process of its own, send it a signal as soon as `when` holds; its exit code and stderr."""
    process = start(options, output)
    try:
        deadline = time.monotonic() + 120
        while not when():
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.001)
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    return process.returncode, errors


def resume(run: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """Go on with nothing but --output and --resume; what it said."""
    capsys.readouterr()
    code = main(["finetune-cls", "--output", str(run), "--resume"])
    said = capsys.readouterr()
    assert code == 0, said.err
    return said.out


def test_reference_is_worth_comparing(reference: Path) -> None:
    record = json.loads((reference / "nlpkit.json").read_text())
    assert record["steps"] == 3 * EPOCH
    losses = [line["loss"] for line in lines(reference) if "loss" in line]
    assert len(set(losses)) == 3 * EPOCH  # one line a step, none a repetition
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("moment", ["mid-epoch", "while-saving"])
def test_kill_9(
    moment: str, setting: dict[str, Any], reference: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / moment
    when = {
        # behind the first checkpoint, in the second epoch
        "mid-epoch": lambda: any(line["step"] >= EPOCH + 9 for line in lines(run)),
        # the checkpoint of the second epoch is begun and not complete
        "while-saving": lambda: (run / f"checkpoints/checkpoint-{2 * EPOCH}").exists(),
    }[moment]
    code, _ = interrupt(setting, run, when, signal.SIGKILL)
    assert code == -signal.SIGKILL
    assert json.loads((run / "nlpkit.json").read_text())["status"] == "running"
    assert not (run / "model.safetensors").exists()
    said = resume(run, capsys)
    step = {"mid-epoch": (EPOCH,), "while-saving": (EPOCH, 2 * EPOCH)}[moment]
    assert any(f"resuming from step {n}" in said for n in step), said
    assert_same_result(run, reference)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal(
    number: int, setting: dict[str, Any], reference: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    target = EPOCH // 2 if number == signal.SIGINT else EPOCH + 7
    code, errors = interrupt(setting, run, lambda: any(line["step"] >= target for line in lines(run)), number)
    assert code == 130
    step = lines(run)[-1]["step"]
    assert target <= step < 3 * EPOCH
    assert f"interrupted at step {step} of {3 * EPOCH}; the state is saved" in errors
    assert f"Go on with: nlpkit finetune-cls --output {run} --resume" in errors
    assert "Traceback" not in errors
    assert (run / f"checkpoints/checkpoint-{step}/trainer_state.json").exists()
    said = resume(run, capsys)
    assert f"resuming from step {step}" in said
    assert_same_result(run, reference)


def test_sigterm_before_training_leaves_nothing(setting: dict[str, Any], tmp_path: Path) -> None:
    run = tmp_path / "run"
    process = start(setting, run)
    assert process.stdout is not None
    process.stdout.readline()  # the first word about the data: imports are done, training is not begun
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted" in errors
    assert "Traceback" not in errors


# --- the same, step by step, inside this process ---


def signal_at(step: int, monkeypatch: pytest.MonkeyPatch, event: str = "on_log") -> None:
    """Let the process get a SIGINT right after the log line of a step, or in another event."""
    original = getattr(MetricsFileCallback, event)
    sent: list[int] = []

    def and_signal(self: Any, args: Any, state: Any, control: Any, **keywords: Any) -> None:
        original(self, args, state, control, **keywords)
        if state.global_step == step and not sent:
            sent.append(step)
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(MetricsFileCallback, event, and_signal)


def interrupted(options: dict[str, Any], run: Path, step: int, **changes: Any) -> None:
    with pytest.MonkeyPatch.context() as patch:
        signal_at(step, patch)
        with pytest.raises(Interrupted) as stop:
            train(options, run, **changes)
    assert stop.value.exit_code == 130


@pytest.fixture(scope="module")
def small(setting: dict[str, Any], tiny_model: Path) -> dict[str, Any]:
    """Evaluation by steps that do not divide an epoch, accumulated gradients: 12 steps an epoch."""
    return {
        **setting,
        "model": str(tiny_model),
        "learning_rate": 3e-3,
        "eval_steps": 5,
        "gradient_accumulation_steps": 2,
        "early_stopping": 3,
        "best_metric": "loss",
    }


@pytest.fixture(scope="module")
def small_reference(small: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(small, tmp_path_factory.mktemp("runs") / "small")


# the first step, around an evaluation, around the end of an epoch (12), the last two
@pytest.mark.parametrize("step", [1, 5, 12, 13, 35, 36])
def test_interrupted_at_any_step(step: int, small: dict[str, Any], small_reference: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    interrupted(small, run, step)
    train(small, run, resume=True)
    assert_same_result(run, small_reference)


def test_interrupted_again_and_again(small: dict[str, Any], small_reference: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    interrupted(small, run, 3)
    for step in (7, 8, 12, 20, 33):
        interrupted(small, run, step, resume=True)
    train(small, run, resume=True)
    assert_same_result(run, small_reference)
    last = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])
    record = json.loads((run / "nlpkit.json").read_text())
    assert record["train_seconds"] > last["train_runtime"]  # which is of the last session alone
    assert record["epochs"] == 3.0


class Killed(BaseException):
    """Ends a run where nothing catches it, as kill -9 does."""


def die(*_: Any, **__: Any) -> None:
    raise Killed


@pytest.mark.parametrize(
    "place", ["experiment.supervised._outputs", "experiment.card.write", "runs.folder.RunFolder.finish"]
)
def test_killed_behind_the_last_step(place: str, small: dict[str, Any], small_reference: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(f"nlpkit.{place}", die)
        with pytest.raises(Killed):
            train(small, run)
    assert not (run / "model.safetensors").exists()
    train(small, run, resume=True)
    assert_same_result(run, small_reference)


def test_checkpoint_by_time_at_the_end_of_an_epoch(
    setting: dict[str, Any], tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A checkpoint that --checkpoint-minutes asks for must not stand between an epoch and its evaluation."""
    options = {**setting, "model": str(tiny_model), "epochs": 2, "checkpoint_minutes": 1e-9}
    whole = train(options, tmp_path / "whole")
    run = tmp_path / "run"

    from nlpkit.training.trainer import NlpkitTrainer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(NlpkitTrainer, "_validation_metrics", die)  # in the evaluation of the first epoch
        with pytest.raises(Killed):
            train(options, run)
    train(options, run, resume=True)
    assert_same_result(run, whole)


class TestEarlyStopping:
    """Patience is counted across an interruption, and a stop is not undone by one."""

    @pytest.fixture(scope="class")
    def options(self, setting: dict[str, Any], tiny_model: Path) -> dict[str, Any]:
        # a learning rate of next to nothing: no evaluation is better than the first
        return {
            **setting,
            "model": str(tiny_model),
            "learning_rate": 1e-12,
            "best_metric": "accuracy",
            "early_stopping": 2,
            "epochs": 6,
        }

    @pytest.fixture(scope="class")
    def stopped(self, options: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
        run = train(options, tmp_path_factory.mktemp("runs") / "stopped")
        record = json.loads((run / "nlpkit.json").read_text())
        assert (record["steps"], record["best_step"]) == (3 * EPOCH, EPOCH)
        return run

    @pytest.mark.parametrize("step", [EPOCH + 1, 2 * EPOCH, 3 * EPOCH - 1, 3 * EPOCH])
    def test_interrupted(self, step: int, options: dict[str, Any], stopped: Path, tmp_path: Path) -> None:
        run = tmp_path / "run"
        interrupted(options, run, step)
        train(options, run, resume=True)
        assert_same_result(run, stopped)


def test_second_signal_leaves_at_once(
    small: dict[str, Any], small_reference: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    with pytest.MonkeyPatch.context() as patch:
        signal_at(7, patch)
        original = SignalCallback._catch

        def twice(self: SignalCallback, number: int, frame: Any) -> None:
            original(self, number, frame)
            original(self, number, frame)

        patch.setattr(SignalCallback, "_catch", twice)
        assert main(["finetune-cls", *flags(small), "--output", str(run)]) == 130
    assert "interrupted" in capsys.readouterr().err
    assert lines(run)[-1]["step"] == 7
    train(small, run, resume=True)
    assert_same_result(run, small_reference)


# --- what --resume takes ---


def test_resume_of_a_complete_run_says_so(small_reference: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.stat().st_mtime_ns for path in small_reference.rglob("*")}
    said = resume(small_reference, capsys)
    assert f"{small_reference} is complete: nothing to resume" in said
    assert "validation" in said  # the result table is shown again
    assert {path: path.stat().st_mtime_ns for path in small_reference.rglob("*")} == before


def test_resume_where_nothing_is_starts(
    small: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "new"
    options = {**small, "epochs": 1}
    assert main(["finetune-cls", *flags(options), "--output", str(run), "--resume"]) == 0
    assert f"--resume: there is no run in {run} yet; starting one" in capsys.readouterr().out
    assert (run / "model.safetensors").exists()


def test_resume_needs_output(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["finetune-cls", "--resume"]) == 2
    assert "--resume needs the --output folder" in capsys.readouterr().err


def test_resume_leaves_a_foreign_folder_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    assert main(["finetune-cls", "--resume", "--output", str(tmp_path)]) == 2
    assert f"--resume: {tmp_path} is not an nlpkit run" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_moved_run_folder_is_resumed(small: dict[str, Any], small_reference: Path, tmp_path: Path) -> None:
    interrupted(small, tmp_path / "before", 17)
    run = (tmp_path / "before").rename(tmp_path / "after")
    train(small, run, resume=True)
    assert_same_result(run, small_reference)


def test_resumed_elsewhere_is_told(small: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    interrupted(small, run, 35)
    record = json.loads((run / "nlpkit.json").read_text())
    (run / "nlpkit.json").write_text(json.dumps({**record, "device": "cuda (Tesla T4), fp16"}))
    assert main(["finetune-cls", "--output", str(run), "--resume", "--device", "cpu"]) == 0
    assert "the run began with cuda (Tesla T4), fp16 and goes on with cpu, fp32: " in capsys.readouterr().err


@pytest.mark.parametrize("changed", ["train.csv", "validation.csv"])
def test_data_that_changed_since_are_refused(
    changed: str, small: dict[str, Any], small_reference: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = shutil.copytree(small["data"], tmp_path / "data")
    run = tmp_path / "run"
    interrupted({**small, "data": str(data)}, run, 17)
    before = (data / changed).read_bytes()
    (data / changed).write_bytes(before + before.splitlines(keepends=True)[-1])
    assert main(["finetune-cls", "--output", str(run), "--resume"]) == 2
    assert f"--resume: the data are not as they were when the run began: {data / changed}" in capsys.readouterr().err
    assert list((run / "checkpoints").glob("checkpoint-17"))
    # the same rows elsewhere are the same
    (data / changed).write_bytes(before)
    moved = data.rename(tmp_path / "moved")
    train({**small, "data": str(moved)}, run, resume=True)
    assert (run / "model.safetensors").read_bytes() == (small_reference / "model.safetensors").read_bytes()


# --- damaged checkpoints ---


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.pt", "trainer_state.json"])
def test_damaged_newest_checkpoint(
    name: str, small: dict[str, Any], small_reference: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    interrupted(small, run, 17)
    file = run / "checkpoints" / "checkpoint-17" / name
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    assert main(["finetune-cls", "--output", str(run), "--resume"]) == 0
    said = capsys.readouterr()
    assert "checkpoint-17 is damaged" in said.err
    assert name in said.err
    assert "resuming from step 15" in said.out
    assert "the run began with" not in said.err
    assert_same_result(run, small_reference)


def test_damaged_best_checkpoint_is_noticed_before_training(
    small: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    # no later evaluation is better than the first: the best and the last checkpoint are two
    interrupted({**small, "learning_rate": 1e-12, "best_metric": "accuracy"}, run, 13)
    assert sorted(path.name for path in (run / "checkpoints").iterdir()) == ["checkpoint-13", "checkpoint-5"]
    file = run / "checkpoints" / "checkpoint-5" / "model.safetensors"
    file.write_bytes(b"")
    assert main(["finetune-cls", "--output", str(run), "--resume"]) == 2
    errors = capsys.readouterr().err
    assert "checkpoint-13 is damaged (in the best, checkpoint-5: model.safetensors cannot be read)" in errors
    assert f"every checkpoint in {run / 'checkpoints'} is damaged" in errors


def test_all_checkpoints_damaged(small: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    interrupted(small, run, 17)
    for file in run.glob("checkpoints/*/optimizer.pt"):
        file.write_bytes(file.read_bytes()[:100])
    assert main(["finetune-cls", "--output", str(run), "--resume"]) == 2
    errors = capsys.readouterr().err
    assert f"every checkpoint in {run / 'checkpoints'} is damaged" in errors
    assert "Start over with --overwrite." in errors
    assert lines(run)[-1]["step"] == 17  # nothing was touched


@pytest.mark.parametrize("begun", [False, True])
def test_killed_in_the_first_save_starts_from_the_beginning(
    begun: bool, small: dict[str, Any], small_reference: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    interrupted(small, run, 3)
    state = run / "checkpoints" / "checkpoint-3" / "trainer_state.json"
    state.unlink()
    if begun:  # opened, and killed before the write
        state.touch()
    said = resume(run, capsys)
    assert "resuming from the start: there is no checkpoint yet" in said
    assert_same_result(run, small_reference)
