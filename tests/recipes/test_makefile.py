"""`make encoder` and `make compress`: chains of commands, each step only when its inputs changed."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import forked
import pytest
from conftest import sentence

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
STEPS = ["train-tokenizer", "pretrain-mlm", "finetune-cls"]

# Stands for nlpkit: notes how it was called, and writes the record as a run does, at its start and at its end.
STUB = """
import json, os, pathlib, sys, time
if "--output" not in sys.argv:
    sys.argv += ["--output", "."]
pathlib.Path("calls.jsonl").open("a").write(json.dumps(sys.argv[1:]) + "\\n")
record = pathlib.Path(sys.argv[sys.argv.index("--output") + 1], "nlpkit.json")
record.parent.mkdir(parents=True, exist_ok=True)
record.write_text(json.dumps({"status": "running"}, indent=2))
if os.environ.get("KILLED") == sys.argv[1]:
    sys.exit(1)
if os.environ.get("SLOW") == sys.argv[1]:
    time.sleep(60)
record.write_text(json.dumps({"status": "complete"}, indent=2))
"""

Make = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Run `make encoder` (or another goal) in an empty folder; `code` is the exit code that is expected."""
    rng = random.Random(0)
    lines = [sentence(rng, ("positive", "negative")[i % 2], 20) for i in range(200)]
    (tmp_path / "corpus.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    # a make around this one (`make test`) would hand down its flags
    quiet = {key: value for key, value in os.environ.items() if key not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}

    def run(
        *variables: str, goal: str = "encoder", code: int = 0, interrupt_at: str | None = None, **environment: str
    ) -> Any:
        # the environment of the tests is ready
        settings = ["READY=", "ENCODER=encoder", "COMPRESS=compress", *variables]
        started = subprocess.Popen(
            ["make", "--no-print-directory", "-f", str(ROOT / "Makefile"), goal, *settings],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**quiet, "NLPKIT_CACHE": str(tmp_path / "cache"), **environment},
            start_new_session=True,
        )
        if interrupt_at:
            while not (tmp_path / interrupt_at).exists() and started.poll() is None:
                time.sleep(0.05)
            os.killpg(started.pid, signal.SIGINT)  # as a terminal does
        out, err = started.communicate(timeout=300)
        assert (started.returncode != 0) == bool(code), f"{out}\n{err}"
        return subprocess.CompletedProcess(started.args, started.returncode, out, err)

    return run


@pytest.fixture
def python() -> Iterator[str]:
    with forked.python() as program:
        yield program


@pytest.fixture
def steps(make: Make, tmp_path: Path) -> Callable[..., list[list[str]]]:
    """Run make with the stub; returns the calls that it made."""
    (tmp_path / "stub.py").write_text(STUB)

    def run(*variables: str, **keywords: Any) -> list[list[str]]:
        calls = tmp_path / "calls.jsonl"
        calls.unlink(missing_ok=True)
        settings = {"NLPKIT": f"{sys.executable} stub.py", "CORPUS": "corpus.txt", "CLS_DATA": "reviews.csv"}
        settings |= dict(variable.split("=", 1) for variable in variables)
        make(*(f"{name}={value}" for name, value in settings.items()), **keywords)
        return [json.loads(line) for line in calls.read_text().splitlines()] if calls.exists() else []

    (tmp_path / "reviews.csv").write_text("text,label\n")
    return run


def test_each_step_reads_what_the_one_before_wrote(steps: Any) -> None:
    calls = steps()
    assert [call[0] for call in calls] == STEPS
    tokenizer, model, classifier = (" ".join(call) for call in calls)
    assert "--data corpus.txt --style bert --vocab-size 10000 --output encoder/tokenizer" in tokenizer
    assert "--data corpus.txt --tokenizer encoder/tokenizer --size mini" in model
    assert "--max-minutes 20" in model
    assert "--data reviews.csv --model encoder/model" in classifier


def test_a_second_call_does_nothing(steps: Any) -> None:
    steps()
    assert steps() == []


@pytest.mark.parametrize(("changed", "repeated"), [("corpus.txt", STEPS), ("reviews.csv", STEPS[2:])])
def test_a_changed_file_repeats_what_comes_of_it(changed: str, repeated: list[str], steps: Any, tmp_path: Path) -> None:
    steps()
    (tmp_path / changed).write_text("other text\n")
    calls = steps()
    assert [call[0] for call in calls] == repeated
    assert all("--overwrite" in call for call in calls)
    assert steps() == []


@pytest.mark.parametrize(
    ("setting", "repeated"),
    [("VOCABULARY=500", STEPS), ("ENCODER_MINUTES=5", STEPS[1:]), ("CLS_FLAGS=--epochs 1", STEPS[2:])],
)
def test_another_option_repeats_what_comes_of_it(setting: str, repeated: list[str], steps: Any) -> None:
    steps()
    assert [call[0] for call in steps(setting)] == repeated
    assert steps(setting) == []


def test_an_interrupted_step_goes_on(steps: Any) -> None:
    assert [call[0] for call in steps(code=2, KILLED="pretrain-mlm")] == STEPS[:2]
    calls = steps()
    assert [call[0] for call in calls] == STEPS[1:]
    assert "--resume" in calls[0]
    assert "--overwrite" in calls[1]


def test_ctrl_c_leaves_the_record(steps: Any, tmp_path: Path) -> None:
    record = tmp_path / "encoder" / "model" / "nlpkit.json"
    steps(code=2, interrupt_at="encoder/model/nlpkit.json", SLOW="pretrain-mlm")
    assert record.exists()
    assert "--resume" in steps()[0]


def test_an_interrupted_step_with_other_inputs_starts_over(steps: Any) -> None:
    steps(code=2, KILLED="pretrain-mlm")
    calls = steps("ENCODER_MINUTES=5")
    assert [call[0] for call in calls] == STEPS[1:]
    assert "--overwrite" in calls[0]


def test_says_which_text_is_missing(make: Make) -> None:
    assert "make encoder CORPUS=FILE" in make(code=2).stderr
    assert "there is no nowhere.txt" in make("CORPUS=corpus.txt nowhere.txt", code=2).stderr


def test_from_text_to_predictions(make: Make, python: str, tmp_path: Path, reviews: Path) -> None:
    """The real commands, shortened."""
    short = "--device cpu --threads 1 --max-steps 2 --batch-size 4"
    settings = [
        f"NLPKIT={python} -m nlpkit",
        "CORPUS=corpus.txt",
        f"CLS_DATA={reviews}",
        "VOCABULARY=300",
        f"PRETRAIN_FLAGS={short} --max-length 32",
        f"CLS_FLAGS={short}",
    ]
    make(*settings)
    records = {name: tmp_path / "encoder" / name / "nlpkit.json" for name in ("tokenizer", "model", "classifier")}
    assert {json.loads(path.read_text())["status"] for path in records.values()} == {"complete"}
    written = {name: path.stat().st_mtime_ns for name, path in records.items()}
    again = make(*settings)
    assert again.stdout.splitlines() == [
        "encoder/classifier is up to date; try: nlpkit predict encoder/classifier TEXT"
    ]
    assert {name: path.stat().st_mtime_ns for name, path in records.items()} == written


# --- make compress ---

CHAIN = ["finetune-cls", "distill", "prune", "quantize", "benchmark"]


def test_compress_makes_each_run_from_the_one_before(steps: Any) -> None:
    calls = steps(goal="compress")
    assert [call[0] for call in calls] == CHAIN
    teacher, student, pruned, small, table = (" ".join(call) for call in calls)
    assert "--data reviews.csv" in teacher
    assert "distill compress/teacher --student-layers 3" in student
    assert "prune compress/student --what vocabulary,ffn" in pruned
    assert "quantize compress/pruned" in small
    assert table.startswith("benchmark compress/teacher compress/student compress/pruned compress/int8")


def test_compress_repeats_what_changed_and_measures_again(steps: Any) -> None:
    steps(goal="compress")
    assert [call[0] for call in steps(goal="compress")] == CHAIN[4:]
    assert [call[0] for call in steps("PRUNE_FLAGS=--what ffn --sparsity 0.2", goal="compress")] == CHAIN[2:]


def test_compress_goes_on_after_an_interruption(steps: Any) -> None:
    steps(goal="compress", code=2, KILLED="distill")
    calls = steps(goal="compress")
    assert [call[0] for call in calls] == CHAIN[1:]
    assert "--resume" in calls[0] and "--resume" not in calls[1]


def test_compress_from_a_run_of_ones_own(steps: Any, tmp_path: Path) -> None:
    own = tmp_path / "mine"
    own.mkdir()
    (own / "nlpkit.json").write_text(json.dumps({"status": "complete"}, indent=2))
    calls = steps("TEACHER=mine", goal="compress")
    assert [call[0] for call in calls] == CHAIN[1:]
    assert calls[0][1] == "mine"


# --- make gpu-check ---


def test_gpu_check_passes_on_what_it_is_given(make: Make) -> None:
    assert "gpu_check.py --json gpu-check.json \n" in make("-n", goal="gpu-check").stdout.replace("  ", " ")
    said = make("-n", "GPU_DATA=rows", "ONLY=waits", "JSON=h200.json", goal="gpu-check").stdout
    assert "gpu_check.py --json h200.json --data rows --only waits" in said


# --- make install GPU=1 ---


@pytest.mark.parametrize("built", ["for CPUs", "for CUDA"])
def test_a_torch_for_cpus_does_not_stay_on_a_gpu_machine(built: str, make: Make, tmp_path: Path) -> None:
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    succeeds = built == "for CPUs"
    python.write_text(f'#!/bin/sh\n[ "$1" = -c ] && exit {int(not succeeds)}\necho "$@" >> calls\n')
    python.chmod(0o755)
    for name in ("constraints.txt", "pyproject.toml"):
        (tmp_path / name).write_text("torch==2.13.0\nother==1\n")
    said = make("READY=.venv/.ready", "GPU=1", goal="install").stdout
    calls = (tmp_path / "calls").read_text().splitlines()
    assert [("--force-reinstall --no-deps torch" in call) for call in calls] == [True, False][not succeeds :]
    assert all("--constraint .venv/constraints-gpu.txt" in call for call in calls)
    assert ("built for CPUs: replaced" in said) == succeeds
