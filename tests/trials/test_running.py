"""Runs of other commands in processes of their own: found finished, gone on with, ended early, failed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import forked
import pytest

from nlpkit.runs.folder import read_record
from nlpkit.trials import running
from nlpkit.trials.running import Trial

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("forked_trials")]


@pytest.fixture
def options(reviews: Path, tiny_model: Path) -> dict[str, Any]:
    small = {"max_train_samples": 32, "batch_size": 4, "learning_rate": 1e-3, "threads": 1, "device": "cpu"}
    return {"data": str(reviews), "model": str(tiny_model), "epochs": 2, **small}


def test_a_finished_trial_is_not_run_again_but_for_other_options(tmp_path: Path, options: dict[str, Any]) -> None:
    first = running.run(Trial("finetune-cls", options, tmp_path / "a"))
    again = running.run(Trial("finetune-cls", options, tmp_path / "a"))
    other = running.run(Trial("finetune-cls", {**options, "epochs": 1}, tmp_path / "a"))
    assert first.error is None and first.record is not None and first.seconds > 0
    assert again.record == first.record and again.seconds == 0
    assert other.record is not None and other.record["config"]["epochs"] == 1
    assert other.record == read_record(tmp_path / "a")


def test_a_trial_that_is_ended_early_is_gone_on_with(tmp_path: Path, options: dict[str, Any]) -> None:
    trial = Trial("finetune-cls", {**options, "epochs": 30, "logging_steps": 1}, tmp_path / "a")
    seen: list[int] = []

    def watch(entries: running.Entries) -> bool:
        seen.append(len(entries))
        return any("eval_loss" in entry for entry in entries)

    ended = running.run(trial, watch)
    assert ended.ended_early and ended.record is None and seen
    stopped = running.entries_of(trial.folder / "metrics.jsonl")
    assert stopped and stopped[-1]["epoch"] < 30
    whole = running.run(trial)
    assert whole.record is not None
    assert running.entries_of(trial.folder / "metrics.jsonl")[: len(stopped) // 2] == stopped[: len(stopped) // 2]


def test_a_failure_comes_with_the_message_of_the_command(tmp_path: Path, options: dict[str, Any]) -> None:
    outcome = running.run(Trial("finetune-cls", {**options, "learning_rates": 1}, tmp_path / "a"))
    assert outcome.record is None and "learning_rates" in (outcome.error or "")
    with pytest.raises(running.RunError, match="learning_rates"):
        outcome.finished("this one")


def test_a_process_ends_with_the_one_that_it_works_for() -> None:
    code = "import time; from nlpkit.trials.lifeline import hold; hold(); time.sleep(60)"
    process = forked.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE)
    process.stdin.close()
    assert process.wait(30) == -15
