"""How long a pre-training run lasts, by steps, tokens or minutes, and the learning rate that goes with it."""

from __future__ import annotations

import json
import math
import os
import signal
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pretraining_runs import (
    configured,
    logged,
    pretrain,
    record,
    same_weights,
    sources,
)

from nlpkit.errors import Interrupted
from nlpkit.pretraining.trainer import PretrainingTrainer
from nlpkit.recipes import pretrain_mlm
from nlpkit.training.schedules import Budget, factor

PEAK = 1e-3


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return {**sources(tmp_path_factory.mktemp("data"), 50), "learning_rate": PEAK, "logging_steps": 1}


def stable(t: float, steps: int, warmup: int) -> float:
    """Warm-up, then the peak, then a straight line to zero in the last tenth."""
    return min(t / warmup if warmup else 1.0, 1.0, (steps - t) / (steps / 10))


def test_warm_up_stable_decay(scratch: dict[str, Any], tmp_path: Path) -> None:
    run = pretrain(tmp_path / "run", **scratch, schedule="wsd", warmup=0.2, max_steps=20, eval_steps=20)
    rates = logged(run, "learning_rate")
    assert sorted(rates) == list(range(1, 21))
    for step, rate in rates.items():  # with which that step was made
        assert rate == pytest.approx(PEAK * stable(step - 1, 20, 4), abs=1e-9), step
    assert rates[20] == pytest.approx(PEAK / 2)


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("linear", lambda p: (1 - p) / 0.8),
        ("cosine", lambda p: 0.5 * (1 + math.cos(math.pi * (p - 0.2) / 0.8))),
        ("constant", lambda p: 1.0),
        ("wsd", lambda p: min(1.0, (1 - p) / 0.1)),
    ],
)
def test_factors_by_hand(schedule: str, expected: Callable[[float], float]) -> None:
    for percent in range(0, 101, 5):
        p = percent / 100
        assert factor(schedule, p, 0.2) == pytest.approx(p / 0.2 if p < 0.2 else expected(p), abs=1e-9), p
        assert 0 <= factor(schedule, p, 0.0) <= 1


def test_the_clock_stands_still_before_training() -> None:
    """Making the data ready may take long; with a small budget the first steps would be lost."""
    assert Budget(steps=100, minutes=1e-9).progress(0) == 0.0
    assert Budget(steps=100, minutes=1.0, before=30.0).progress(0) == 0.5


def test_the_budget_counts_whichever_limit_comes_first() -> None:
    budget = Budget(steps=100, minutes=1.0, before=30.0)
    budget.begin()
    assert 0.5 <= budget.progress(10) < 0.6  # half of the time
    assert budget.progress(80) == 0.8
    assert budget.progress(1000) == 1.0
    assert Budget(steps=100, before=1e9).progress(7) == 0.07


# --- how many steps ---


@pytest.mark.parametrize(
    ("options", "steps"),
    [
        ({"max_tokens": 16 * 8 * 5}, 5),
        ({"max_tokens": 16 * 8 * 5 + 1}, 6),
        ({"max_tokens": 16 * 8 * 5 + 1, "gradient_accumulation_steps": 2}, 3),
        ({"max_tokens": 1}, 1),
        ({"max_tokens": 16 * 8 * 5, "streaming": True}, 5),
        ({"max_tokens": 16 * 8 * 5, "epochs": 100}, 5),
        ({"max_tokens": 16 * 8 * 5, "max_steps": 7}, 5),
        ({"max_tokens": 16 * 8 * 5, "max_steps": 3}, 3),
    ],
)
def test_tokens_give_steps(options: dict[str, Any], steps: int, scratch: dict[str, Any], tmp_path: Path) -> None:
    assert pretrain_mlm.build(configured(tmp_path / "run", **scratch, **options)).steps == steps


def test_tokens_of_a_stream_are_those_of_its_lines(scratch: dict[str, Any], tmp_path: Path) -> None:
    """How long they are is known from those held out."""
    lines: dict[str, Any] = {"line_by_line": True, "max_tokens": 10_000, "max_length": 64}
    steps = [
        pretrain_mlm.build(configured(tmp_path / "run", **scratch, **lines, streaming=streaming)).steps
        for streaming in (False, True)
    ]
    assert steps[1] == pytest.approx(steps[0], rel=0.2)


def test_tokens_of_rows_of_unequal_length(scratch: dict[str, Any], tmp_path: Path) -> None:
    experiment = pretrain_mlm.build(
        configured(tmp_path / "run", **scratch, line_by_line=True, max_tokens=10_000, max_length=32)
    )
    mean = sum(len(experiment.train[i].ids) for i in range(len(experiment.train))) / len(experiment.train)
    assert experiment.steps == math.ceil(10_000 / (8 * mean))


def test_epochs_give_steps(scratch: dict[str, Any], tmp_path: Path) -> None:
    experiment = pretrain_mlm.build(
        configured(tmp_path / "run", **scratch, epochs=2, gradient_accumulation_steps=2, max_length=64)
    )
    assert experiment.steps == 2 * math.ceil(math.ceil(len(experiment.train) / 8) / 2)


# --- how many minutes: with a clock that goes on a second each step ---


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr("nlpkit.training.schedules.time", SimpleNamespace(monotonic=lambda: clock.now))
    original = PretrainingTrainer.training_step

    def step(self: Any, *arguments: Any) -> Any:
        clock.now += 1.0
        return original(self, *arguments)

    monkeypatch.setattr(PretrainingTrainer, "training_step", step)
    return clock


MINUTES = {"max_minutes": 0.5, "epochs": 1000}  # 30 steps


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"schedule": "linear", "warmup": 0}, lambda t: 1 - t / 30),
        ({"schedule": "wsd", "warmup": 0.2, "eval_steps": 30}, lambda t: stable(t, 30, 6)),
        (
            {"schedule": "cosine", "warmup": 5, "eval_steps": 30},
            lambda t: min(t / 5, 1) * 0.5 * (1 + math.cos(math.pi * t / 30)),
        ),
        ({"schedule": "linear", "warmup": 0, "streaming": True, "eval_steps": 30}, lambda t: 1 - t / 30),
    ],
)
def test_a_run_of_some_minutes_ends_with_its_schedule(
    options: dict[str, Any], expected: Callable[[int], float], scratch: dict[str, Any], tmp_path: Path, clock: Any
) -> None:
    run = pretrain(tmp_path / "run", **scratch, **MINUTES, **options)
    rates = logged(run, "learning_rate")
    assert sorted(rates) == list(range(1, 31))
    for step, rate in rates.items():
        assert rate == pytest.approx(PEAK * expected(step - 1), abs=1e-9), step
    found = record(run)
    assert found["status"] == "complete"
    assert found["steps"] == 30
    assert found["train_seconds"] == 30
    every = options.get("eval_steps", 3)  # ten times, evenly over the time
    assert sorted(logged(run, "eval_loss")) == list(range(every, 31, every))


def test_steps_that_come_first_end_a_run_of_minutes(scratch: dict[str, Any], tmp_path: Path, clock: Any) -> None:
    run = pretrain(tmp_path / "run", **scratch, max_minutes=0.5, max_steps=12, schedule="linear", warmup=0)
    assert record(run)["steps"] == 12
    for step, rate in logged(run, "learning_rate").items():
        assert rate == pytest.approx(PEAK * (1 - (step - 1) / 12), abs=1e-9)


@pytest.mark.slow
def test_a_resumed_run_counts_the_time_used_before(
    scratch: dict[str, Any], tmp_path: Path, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {**scratch, **MINUTES, "schedule": "linear", "eval_steps": 30}
    whole = pretrain(tmp_path / "whole", **options)
    run = tmp_path / "run"
    original = PretrainingTrainer.training_step
    with monkeypatch.context() as patch:

        def interrupted(self: Any, *arguments: Any) -> Any:
            if self.state.global_step == 12:
                os.kill(os.getpid(), signal.SIGINT)
            return original(self, *arguments)

        patch.setattr(PretrainingTrainer, "training_step", interrupted)
        with pytest.raises(Interrupted):
            pretrain(run, **options)
    clock.now += 10_000  # the night
    assert json.loads((run / "checkpoints/checkpoint-13/nlpkit_position.json").read_text())["seconds"] == 13
    pretrain(run, **options, resume=True)
    assert record(run)["steps"] == 30
    assert logged(run, "learning_rate") == logged(whole, "learning_rate")
    assert same_weights(run, whole)


@pytest.mark.slow
def test_real_minutes_end_a_run_at_its_lowest_learning_rate(scratch: dict[str, Any], tmp_path: Path) -> None:
    run = pretrain(tmp_path / "run", **scratch, max_minutes=0.02, epochs=100_000, warmup=0)
    found = record(run)
    assert found["status"] == "complete"
    rates = logged(run, "learning_rate")
    assert found["steps"] == max(rates)
    assert rates[max(rates)] == min(rates.values()) < max(rates.values())
