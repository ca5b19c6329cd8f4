"""Every field of TrainingArguments is decided; what is passed with --trainer is checked before training."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from conftest import rows, write_csv
from transformers import TrainingArguments
from transformers.trainer_utils import SchedulerType

from nlpkit import trainer_fields
from nlpkit.errors import UserError
from nlpkit.options import RunOptions, choices
from nlpkit.recipes import finetune_cls
from nlpkit.training import arguments

TABLES = (trainer_fields.OPTIONS, trainer_fields.PASSED, trainer_fields.SETTLED, trainer_fields.REFUSED)
OURS = {theirs: ours for ours, theirs in arguments.SCHEDULES.items()}


@pytest.fixture
def configured(tiny_model: Path, tmp_path: Path) -> Any:
    write_csv(tmp_path / "data.csv", rows(24))

    def make(**values: Any) -> finetune_cls.Config:
        defaults = {"data": str(tmp_path / "data.csv"), "model": str(tiny_model), "epochs": 2, "batch_size": 4}
        defaults |= {"output": tmp_path / "run", "device": "cpu", "threads": 1}
        return finetune_cls.Config(**(defaults | values))

    return make


def test_every_field_is_in_one_table() -> None:
    """A release of transformers with a new field fails here: decide what becomes of it."""
    names = {field.name for field in dataclasses.fields(TrainingArguments) if field.init}
    assert not {name: where for name in names if len(where := [table for table in TABLES if name in table]) != 1}
    assert set(trainer_fields.SETTLED) >= trainer_fields.SETTLED_VALUES
    assert set(trainer_fields.OPTIONS.values()) - set(RunOptions.model_fields) == {"label_smoothing"}  # of finetune-cls


def test_every_schedule_of_transformers_is_taken(configured: Any) -> None:
    offered = choices(RunOptions.model_fields["schedule"].annotation)
    assert {OURS.get(kind.value, kind.value) for kind in SchedulerType} <= set(offered)
    assert configured(schedule="constant_with_warmup").schedule == "constant"
    assert configured(schedule="cosine-with-restarts").schedule == "cosine_with_restarts"


@pytest.mark.parametrize(
    ("schedule", "settings"),
    [
        ("cosine_with_restarts", {"num_cycles": 2}),
        ("cosine_with_min_lr", {"min_lr": "1e-6"}),
        ("reduce_lr_on_plateau", {"patience": 1}),
        ("greedy", {}),
    ],
)
def test_a_run_with_a_schedule_of_transformers(schedule: str, settings: dict[str, Any], configured: Any) -> None:
    config = configured(schedule=schedule, trainer={"lr_scheduler_kwargs": settings}, freeze="encoder")
    finetune_cls.run(config)
    assert json.loads((config.output / "nlpkit.json").read_text())["status"] == "complete"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"trainer": {"adam_beta1": "abc"}}, "--trainer adam_beta1=abc: input should be a valid number"),
        ({"trainer": {"adam_beta1": 1.5}}, "the optimizer adamw_torch"),
        ({"trainer": {"optim": "adamx"}}, "adamx"),
        ({"trainer": {"dataloader_num_workers": 1.5}}, "--trainer dataloader_num_workers=1.5"),
        ({"trainer": {"dataloader_drop_last": True}}, "every row is trained on and judged"),
        ({"trainer": {"label_names": ["y"]}}, "--trainer label_names: the task knows its labels"),
        ({"trainer": {"num_train_epochs": 3}}, "--trainer num_train_epochs: nlpkit sets this itself"),
        ({"schedule": "cosine_with_min_lr"}, "--schedule cosine_with_min_lr: "),
        ({"trainer": {"lr_scheduler_kwargs": {"cycles": 2}}}, "--schedule linear: "),
        ({"trainer": {"lr_scheduler_kwargs": "cycles"}}, "--trainer lr_scheduler_kwargs=cycles: write it"),
    ],
)
def test_what_training_would_refuse_is_told_at_a_dry_run(values: dict[str, Any], said: str, configured: Any) -> None:
    with pytest.raises(UserError) as error:
        finetune_cls.run(configured(dry_run=True, **values))
    assert said in error.value.message
    assert not configured().output.exists()


def test_values_reach_trainer_with_their_types(configured: Any) -> None:
    given = ["adam_beta2=98e-2", "logging_strategy=no", "run_name=2024", "lr_scheduler_kwargs={num_cycles: 1e0}"]
    args = finetune_cls.build(configured(schedule="cosine_with_restarts", trainer=given)).args
    assert (args.adam_beta2, args.logging_strategy.value, args.run_name) == (0.98, "no", "2024")
    assert args.lr_scheduler_kwargs == {"num_cycles": 1.0}


@pytest.mark.slow
def test_intervals_may_be_shares_of_all_steps(configured: Any) -> None:
    config = configured(eval_steps="0.5", logging_steps=0.1, epochs=3, freeze="encoder")
    finetune_cls.run(config)
    logged = [json.loads(line) for line in (config.output / "metrics.jsonl").read_text().splitlines()]
    steps = json.loads((config.output / "nlpkit.json").read_text())["steps"]
    assert steps == 3 * 6 == max(entry["step"] for entry in logged)
    assert [entry["step"] for entry in logged if "eval_loss" in entry] == [9, 18]
    assert [entry["step"] for entry in logged if "loss" in entry] == list(range(2, 19, 2))


@pytest.mark.parametrize("value", ["1.5", "0", "-0.1", "often", True])
def test_an_interval_that_is_none(value: Any) -> None:
    with pytest.raises(UserError, match="--eval-steps"):
        RunOptions(eval_steps=value)


def test_max_steps_of_minus_one_goes_by_epochs() -> None:
    assert RunOptions(max_steps="-1").max_steps is None
    with pytest.raises(UserError, match="--max-steps"):
        RunOptions(max_steps=-2)


def test_all_trackers_that_are_installed(configured: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    real = arguments.importlib.util.find_spec
    # of others transformers remembers for good what it is told here
    trackers = ("tensorboard", "wandb")
    monkeypatch.setattr(
        arguments.importlib.util, "find_spec", lambda name, *more: None if name in trackers else real(name, *more)
    )
    with pytest.raises(UserError, match="--report-to all: none of tensorboard, wandb is installed"):
        finetune_cls.build(configured(report_to="all"))
