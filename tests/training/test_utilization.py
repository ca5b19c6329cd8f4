"""What of a GPU a step can use: against figures computed by hand, and in the plan of one."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from nlpkit.experiment import finetune, pretrain, supervised
from nlpkit.hardware.devices import Device
from nlpkit.options import TrainingOptions
from nlpkit.recipes import finetune_cls, pretrain_mlm
from nlpkit.tasks.text_classification.task import TextClassification
from nlpkit.training import utilization
from nlpkit.training.utilization import Step

H200 = Device("cuda", "bf16", "cuda (NVIDIA H200), bf16")
BASE = SimpleNamespace(config=SimpleNamespace(num_hidden_layers=12))


@pytest.fixture(autouse=True)
def rate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(utilization, "matmul_rate", lambda device: 800e12)
    monkeypatch.setattr(utilization.toolchain, "missing_to_compile", lambda device: None)


def step(flops: float, **options: Any) -> Step:
    return utilization.estimated(TrainingOptions(**options), H200, BASE, flops)


def said(flops: float, *, steps: int = 100_000, rows: int | None = 1_000_000, **options: Any) -> str:
    return utilization.described(TrainingOptions(**options), step(flops, **options), steps, rows)


def test_a_step_that_is_bound_by_launches() -> None:
    # 12 layers of 115 kernels, 60 beside them, 15 of the update, 7 us each: 10.185 ms; 2.4 TFLOP at 480 TFLOP/s: 5 ms
    found = step(2.4e12)
    assert found.kernels == 1_455
    assert found.seconds == pytest.approx(10.185e-3)
    assert found.share == pytest.approx(3 / 10.185)  # 3 ms at 800 TFLOP/s
    wanted = "; about 29 % of this GPU's peak at 32 rows: --batch-size 128 or --compile would use more"
    assert said(2.4e12) == wanted


def test_a_step_that_is_bound_by_its_arithmetic_is_not_spoken_of() -> None:
    assert step(9.6e12).share == pytest.approx(0.6)
    assert step(9.6e12).seconds == pytest.approx(20e-3)
    assert said(9.6e12) == ""


def test_float32_has_fewer_kernels_and_a_cpu_none_that_count() -> None:
    options = TrainingOptions()
    assert utilization.estimated(options, Device("cuda", "fp32", ""), BASE, 1.0).kernels == 12 * 72 + 50 + 15
    cpu = utilization.estimated(options, Device("cpu", "fp32", ""), BASE, 480e12)
    assert (cpu.kernels, cpu.seconds) == (0, pytest.approx(1.0))
    assert utilization.described(options, cpu, 100, 100) == ""


def test_a_compiled_step_and_one_of_a_model_without_layers_are_not_estimated() -> None:
    assert said(1e12, compile=True) == ""
    unknown = SimpleNamespace(config=SimpleNamespace())
    assert utilization.estimated(TrainingOptions(), H200, unknown, 1e12).kernels == 0


@pytest.mark.parametrize(
    ("options", "rows", "steps", "wanted"),
    [
        ({}, 1_000_000, 100, "--batch-size 128 would use more"),  # too short a run to compile for
        ({}, 3_000, 100_000, "--batch-size 128 or --compile would use more"),  # 93 steps an epoch, then 23
        ({}, 2_000, 100_000, "--batch-size 64 or --compile would use more"),  # 62 steps, then 31
        ({}, 500, 40, "its kernels take longer to launch than to run"),  # 15 steps an epoch as it is
        ({"max_minutes": 1.0}, 1_000_000, 10**9, "--batch-size 128 would use more"),
        ({}, None, 100, "--batch-size 128 would use more"),
    ],
)
def test_what_is_advised(options: dict[str, Any], rows: int | None, steps: int, wanted: str) -> None:
    assert said(2.4e12, rows=rows, steps=steps, **options) == f"; about 29 % of this GPU's peak at 32 rows: {wanted}"


def test_what_the_machine_cannot_compile_is_not_advised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(utilization.toolchain, "missing_to_compile", lambda device: "the package triton")
    assert said(2.4e12).endswith(": --batch-size 128 would use more")


def test_accumulated_batches_are_joined_first_as_that_leaves_the_steps_as_they_are() -> None:
    # two batches of 2.4 TFLOP: 20.265 ms of launches, 10 ms of arithmetic
    found = said(4.8e12, steps=10, gradient_accumulation_steps=2)
    assert found.endswith(": --batch-size 64 --gradient-accumulation-steps 1 would use more")


def test_a_batch_is_named_that_is_eight_times_as_large_at_most() -> None:
    assert said(2.4e10, steps=10).endswith(": --batch-size 256 would use more")


def test_less_than_one_per_cent() -> None:
    assert said(2.4e9).startswith("; less than 1 % of this GPU's peak at 32 rows: ")


# --- in the plan ---


def test_fine_tuning_says_it_in_its_plan(tiny_model: Path, reviews: Path, tmp_path: Path) -> None:
    options = {"data": str(reviews), "model": str(tiny_model), "output": tmp_path / "run", "device": "cpu"}
    config = finetune_cls.Config(**options, max_steps=1_000, batch_size=32)
    experiment = finetune.prepare(config, finetune_cls.COMMAND, TextClassification)
    on_cpu = dict(supervised.plan(experiment))
    assert ";" not in on_cpu["device"]
    experiment.device = H200
    plan = dict(supervised.plan(experiment))
    ways = "its kernels take longer to launch than to run"  # 3 steps an epoch, 2.1 s in all
    assert plan["device"] == f"{H200.described}; less than 1 % of this GPU's peak at 32 rows: {ways}"
    # of 2 x 115 + 75 kernels each; by its arithmetic alone, nothing
    assert plan["steps"] == "1,000 of 32 rows, about 2.1 s of training"
    assert on_cpu["steps"] == "1,000 of 32 rows, about 0.0 s of training"
    experiment.config = config.changed(max_minutes=0.02)
    limited = "at most 0.02 minutes of training (--max-minutes; all take about 2.1 s)"
    assert dict(supervised.plan(experiment))["steps"] == f"1,000 of 32 rows, {limited}"


def test_pre_training_says_it_in_its_plan(tiny_model: Path, tmp_path: Path) -> None:
    (tmp_path / "corpus.txt").write_text("a good film\nmy warm room was bright\n" * 400, encoding="utf-8")
    config = pretrain_mlm.Config(
        data=[str(tmp_path / "corpus.txt")],
        tokenizer=str(tiny_model),
        size="tiny",
        max_length=16,
        batch_size=8,
        gradient_accumulation_steps=4,
        device="cpu",
        output=tmp_path / "run",
    )
    experiment = pretrain_mlm.build(config)
    experiment.device = H200
    ways = "--batch-size 32 --gradient-accumulation-steps 1 would use more"
    said = f"{H200.described}; less than 1 % of this GPU's peak at 8 rows: {ways}"
    assert dict(pretrain.plan(experiment))["device"] == said
