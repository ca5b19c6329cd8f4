"""`make gpu-check`: without a GPU all of its steps run at tiny sizes, and what goes wrong is named."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time
import warnings
from pathlib import Path
from subprocess import PIPE
from types import SimpleNamespace
from typing import Any

import forked
import gpu_check
import gpu_watch
import pytest
import torch
from conftest import make_tokenizer, rows, write_csv

from nlpkit import interrupts, machine

pytestmark = pytest.mark.slow

BENCHMARKS = Path(gpu_check.__file__).parent
# drawing takes longer than such runs
CALL = f"""
import runpy, sys
sys.path[:0] = {[str(BENCHMARKS), str(BENCHMARKS.parent)]!r}
from nlpkit.runs import plots
plots.draw_in_style = lambda draw, path: path.touch()
runpy.run_path({gpu_check.__file__!r}, run_name="__main__")
"""


def check(folder: Path, *arguments: Any) -> tuple[subprocess.CompletedProcess[str], dict[str, Any]]:
    """Run the script; what it said, and its JSON."""
    done = forked.run([sys.executable, "-c", CALL, "--device", "cpu", "--json", "out.json", *arguments], cwd=folder)
    return done, json.loads((folder / "out.json").read_text())


def test_every_step_runs_at_tiny_sizes(tmp_path: Path) -> None:
    done, found = check(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert list(found["steps"]) == list(gpu_check.SECONDS)
    for name, step in found["steps"].items():
        assert step["status"] == "done" and step["figures"], name
        for figure in step["figures"].values():
            value = figure["value"]
            assert figure["reason"] if value is None else isinstance(value, str) or math.isfinite(value)
    assert found["note"] == gpu_check.TINY
    assert found["machine"]["environment"]["versions"]["torch"] == torch.__version__
    named = {(step, figure) for step, made in found["steps"].items() for figure in made["figures"]}
    assert {(step, figure) for step, figure, *_ in gpu_check.AIMS} <= named
    # sizes say nothing of how fast a GPU is, but all of whether a run is repeated exactly
    met = {(aim["step"], aim["figure"]): aim["met"] for aim in found["aims"]}
    assert met["determinism", "different results"] is True and met["finetune-32", "ratio"] is None
    assert found["steps"]["out-of-memory"]["figures"]["tries"]["value"] == 2
    assert gpu_check.TINY in done.stdout and "finetune-256" in done.stdout


def test_a_step_that_fails_is_named_and_the_others_go_on(tmp_path: Path) -> None:
    given = tmp_path / "given"
    given.mkdir()
    for split, count in (("train", 40), ("validation", 16)):
        write_csv(given / f"{split}.csv", [{"text": row["text"], "stars": ""} for row in rows(count)])
    done, found = check(tmp_path, "--data", given, "--only", "finetune-32,determinism")
    assert done.returncode == 1
    failed, other = found["steps"]["finetune-32"], found["steps"]["determinism"]
    assert (
        failed["status"] == "failed" and "UserError" in failed["error"] and "nlpkit.errors.UserError:" in failed["said"]
    )
    assert other["status"] == "done"
    assert "not done: finetune-32" in done.stderr and "finetune-32     FAILED: UserError" in done.stdout


def test_a_step_beyond_its_time_leaves_what_it_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(spec: dict[str, Any]) -> int:
        gpu_check.Figures(Path(spec["answer"])).put("process", os.getpid())
        time.sleep(60)
        return 0

    monkeypatch.setattr(gpu_check, "work", slow)
    found = gpu_check.Steps(tmp_path, fresh=False).run({"step": "waits"}, 0.5)
    assert found["status"] == "failed" and found["error"] == "cut after 0 s"
    with pytest.raises(ProcessLookupError):
        os.kill(found["figures"]["process"]["value"], 0)


def test_the_window_holds_the_rows_and_tokens_of_an_epoch(tiny_model: Path, tmp_path: Path) -> None:
    from datasets import Dataset
    from transformers import AutoModelForSequenceClassification, Trainer, TrainingArguments

    lengths = [3, 9, 5, 7, 4, 6, 8]
    made = {"input_ids": [[2] * n for n in lengths], "attention_mask": [[1] * n for n in lengths], "labels": [0] * 7}
    arguments = TrainingArguments(
        output_dir=str(tmp_path),
        per_device_train_batch_size=4,
        num_train_epochs=3,
        use_cpu=True,
        report_to="none",
        disable_tqdm=True,
    )
    tokenizer, model = make_tokenizer(), AutoModelForSequenceClassification.from_pretrained(tiny_model)
    trainer = Trainer(model, arguments, train_dataset=Dataset.from_dict(made), processing_class=tokenizer)
    watch = gpu_watch.Watch(trainer, epoch=1)
    trainer.train()
    assert len(watch.batches) == 2 and watch.rows == 7 and watch.tokens == sum(lengths)
    assert 0 < watch.wait_share < 1 and watch.seconds > 0
    # 6 operations a weight and token, and attention's 12 x layers x width x positions
    weights = sum(p.numel() for n, p in model.named_parameters() if "embeddings." not in n and p.dim() > 1)
    of_a_token = [6 * weights + 12 * 2 * 32 * (size // rows) for rows, size, *_ in watch.batches]
    tokens = [int(mask.sum()) for _, _, mask, _ in watch.batches]
    assert watch.flops(model) == sum(a * b for a, b in zip(of_a_token, tokens, strict=True))


def test_an_interrupt_ends_the_step_and_keeps_what_there_is(tmp_path: Path) -> None:
    arguments = ["--device", "cpu", "--json", "out.json", "--only", "waits,determinism"]
    out = tmp_path / "out.json"
    # as `timeout` ends it: the process of the step, in a session of its own, hears nothing of that
    with forked.Popen([sys.executable, "-c", CALL, *arguments], cwd=tmp_path, stdout=PIPE, stderr=PIPE) as process:
        while process.poll() is None and not (out.exists() and "inputs" in json.loads(out.read_text())["steps"]):
            time.sleep(0.02)
        process.terminate()
        _, said = process.communicate(timeout=60)
    found = json.loads(out.read_text())["steps"]
    assert process.returncode == 130 and b"interrupted; what was measured stands in out.json" in said
    assert found["inputs"]["status"] == "done" and found["waits"]["error"] == "interrupted"
    assert found["determinism"] == {"status": "not run", "seconds": 0.0, "figures": {}, "error": "interrupted"}


class Event:
    """torch.cuda.Event, on a clock that the test moves."""

    now = 0.0

    def __init__(self, enable_timing: bool) -> None:
        assert enable_timing

    def record(self) -> None:
        self.at = Event.now

    def elapsed_time(self, later: Event) -> float:
        return (later.at - self.at) * 1e3


def test_on_a_gpu_its_own_clock_tells_of_data_and_torch_of_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    batch = {"input_ids": torch.ones(4, 8), "labels": torch.ones(4)}

    def fetch(*_: Any) -> Any:
        Event.now += 0.25
        return [batch], None

    def step(*_: Any) -> None:
        Event.now += 0.75
        warnings.warn("called a synchronizing CUDA operation (Triggered internally)", stacklevel=1)
        warnings.warn("Synchronization debug mode is a prototype feature", stacklevel=1)

    trainer = SimpleNamespace(
        args=SimpleNamespace(device=torch.device("cuda", 0)),
        get_batch_samples=fetch,
        training_step=step,
        add_callback=lambda callback: None,
    )
    modes: list[Any] = []
    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "set_sync_debug_mode", modes.append)
    monkeypatch.setattr(gpu_watch.time, "perf_counter", lambda: Event.now)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda: 7)
    for name in ("synchronize", "reset_peak_memory_stats"):
        monkeypatch.setattr(torch.cuda, name, lambda: None)
    watch = gpu_watch.Watch(trainer, steps=(1, 3), count_waits=True)
    control = SimpleNamespace()
    for number in range(1, 6):
        trainer.get_batch_samples()
        trainer.training_step(None, batch)
        watch.on_step_end(None, SimpleNamespace(global_step=number), control)
    assert watch.seconds == 2.0 and watch.rows == 8 and watch.tokens == 64 and watch.peak == 7
    assert watch.wait_share == pytest.approx(0.25)
    assert sum(watch.waits.values()) == 2 and all("test_gpu_check.py:" in place for place in watch.waits)
    assert modes == ["warn", "default"] and control.should_save is control.should_evaluate is False


@pytest.mark.gpu
def test_a_gpu_is_found_from_a_forked_process_and_measured(tmp_path: Path) -> None:
    code = CALL.replace("import runpy, sys", "import runpy, sys, os; os.environ.pop('CUDA_VISIBLE_DEVICES', None)")
    arguments = ["--json", "out.json", "--only", "waits,pretrain-128"]
    done = forked.run([sys.executable, "-c", code, *arguments], cwd=tmp_path)
    found = json.loads((tmp_path / "out.json").read_text())
    assert done.returncode == 0, done.stdout + done.stderr
    assert found["device"] == "cuda" and "starts from nothing" not in done.stdout
    assert found["steps"]["machine"]["figures"]["matmul fp32"]["value"] > 0
    figures = found["steps"]["pretrain-128"]["figures"]
    for name in ("MFU", "peak memory", "kernels a step", "attention"):
        assert figures[f"documents apart: {name}"]["value"], name
    # a vocabulary head, and about as many kernels as the plan's estimate goes by
    assert 800 < figures["not apart: kernels a step"]["value"] < 3_000
    assert all(aim["met"] for aim in found["aims"] if aim["step"] == "waits")


def test_what_is_no_number_is_told_with_its_reason(tmp_path: Path) -> None:
    figures = gpu_check.Figures(tmp_path / "answer.json")
    figures.put("loss", float("nan"))
    figures.put("peak", None, "GB", "there is no GPU")
    found = json.loads((tmp_path / "answer.json").read_text())["figures"]
    assert found["loss"] == {"value": None, "unit": "", "reason": "measured as nan"}
    assert found["peak"] == {"value": None, "unit": "GB", "reason": "there is no GPU"}


def test_aims_are_judged_where_there_is_a_figure() -> None:
    figures = {"ratio": {"value": 1.99}, "waiting for data": {"value": 3.0}}
    found = gpu_check.judged({"finetune-32": {"figures": figures}}, tiny=False)
    met = {(aim["step"], aim["figure"]): aim["met"] for aim in found}
    assert met["finetune-32", "ratio"] is False and met["finetune-32", "waiting for data"] is True
    assert met["finetune-256", "ratio"] is None


def test_a_figure_just_below_a_thousand_is_written_like_one_above() -> None:
    assert [gpu_check.shown(value) for value in (999.4, 999.7, 1_000.2, 2)] == ["999", "1,000", "1,000", "2"]


DONE = {"status": "done", "seconds": 0.1, "figures": {}, "device": "cpu"}


@pytest.mark.parametrize(("left", "code"), [("0", 1), ("", 0)])
def test_a_gpu_that_torch_does_not_see_is_a_failure(
    left: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(machine, "gpus", lambda: [{"name": "NVIDIA H200"}])
    monkeypatch.setattr(interrupts, "heeded", list)
    monkeypatch.setattr(gpu_check.Steps, "run", lambda *_: {**DONE})
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", left)  # where none is left, the CPU is what was asked for
    options = SimpleNamespace(fresh=True, device="auto", data=None, only=["machine", "inputs"], minutes=1)
    options.json = tmp_path / "out.json"
    assert gpu_check.checked(options, tmp_path, time.monotonic()) == code
    found = json.loads(options.json.read_text())
    if code:
        assert found["steps"]["machine"]["status"] == "failed" and found["note"] is None
        assert "lists NVIDIA H200, torch sees no GPU: it is built" in found["steps"]["machine"]["error"]
        assert found["steps"]["inputs"]["error"] == "machine failed"
        assert "NVIDIA H200" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["--only", "finetune-64"], ["--data", "nowhere"], ["--json", "nowhere/it.json"]])
def test_what_there_is_not_is_refused(arguments: list[str], tmp_path: Path) -> None:
    done = forked.run([sys.executable, "-c", CALL, *arguments], cwd=tmp_path)
    assert done.returncode == 2 and arguments[1] in done.stderr
