"""`make gpu-check`: without a GPU all of its steps run at tiny sizes, and what goes wrong is named."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import forked
import gpu_check
import gpu_watch
import pytest
import torch
from conftest import make_tokenizer, rows, write_csv

BENCHMARKS = Path(gpu_check.__file__).parent
# drawing takes longer than such runs
CALL = f"""
import runpy, sys
sys.path[:0] = {[str(BENCHMARKS), str(BENCHMARKS.parent)]!r}
from nlpkit.runs import plots
plots._save = lambda figure, path: path.touch()
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
    assert failed["status"] == "failed" and "UserError" in failed["error"] and "Traceback" in failed["said"]
    assert other["status"] == "done"
    assert "not done: finetune-32" in done.stderr and "finetune-32     FAILED: UserError" in done.stdout


def test_a_step_beyond_its_time_leaves_what_it_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(spec: dict[str, Any]) -> int:
        gpu_check.Figures(Path(spec["answer"])).put("first", 1.5, "s")
        time.sleep(60)
        return 0

    monkeypatch.setattr(gpu_check, "work", slow)
    found = gpu_check.Steps(tmp_path, fresh=False).run({"step": "waits"}, 0.5)
    assert found["status"] == "failed" and found["error"] == "cut after 0 s"
    assert found["figures"] == {"first": {"value": 1.5, "unit": "s"}}


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


@pytest.mark.parametrize("arguments", [["--only", "finetune-64"], ["--data", "nowhere"]])
def test_what_there_is_not_is_refused(arguments: list[str], tmp_path: Path) -> None:
    done = forked.run([sys.executable, "-c", CALL, *arguments], cwd=tmp_path)
    assert done.returncode == 2 and arguments[1] in done.stderr
