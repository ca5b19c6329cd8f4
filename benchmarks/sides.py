"""What the comparisons here share: sides that take turns in fresh processes, ratios within a round, the machine.

A script is its own child: for each run, `start` calls it again with `--child FILE`, and `answer` leaves the result of
that side beside the file. So memory, threads and imports do not leak from one run to the next.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

SPEC, RESULT = "spec.json", "result.json"
IDLE = 0.5  # load average above which a warning is due
Runs = dict[str, list[dict[str, Any]]]  # side -> its results, one a round


class Stopwatch:
    """Seconds by name; on a GPU each block waits for what it has started."""

    def __init__(self, device: str = "cpu") -> None:
        self.seconds: dict[str, float] = {}
        self.device = device

    def now(self) -> float:
        """The time when everything that was started is done."""
        if self.device != "cpu":
            from nlpkit.hardware import timing

            timing.synchronizer(self.device)()
        return time.perf_counter()

    @contextlib.contextmanager
    def measure(self, name: str) -> Iterator[None]:
        """Add the block's wall time to `name`."""
        start = self.now()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + self.now() - start

    def wrap(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """`function`, measured."""

        @functools.wraps(function)  # the learning rate schedule looks for its mark on `optimizer.step`
        def measured(*arguments: Any, **keywords: Any) -> Any:
            with self.measure(name):
                return function(*arguments, **keywords)

        return measured


def epoch_clock(watch: Stopwatch) -> Any:
    """A callback that measures the epochs of a Trainer as `train`: evaluation and checkpoints come after them."""
    from transformers import TrainerCallback

    class Clock(TrainerCallback):
        def on_epoch_begin(self, *_: Any, **__: Any) -> None:
            self.start = watch.now()

        def on_epoch_end(self, *_: Any, **__: Any) -> None:
            watch.seconds["train"] = watch.seconds.get("train", 0.0) + watch.now() - self.start

    return Clock()


# --- one run ---


def start(script: str, spec: Mapping[str, Any], *, python: str | Path = sys.executable) -> dict[str, Any]:
    """Run one side in a fresh process and wait for its result.

    Args:
        script: the caller's `__file__`.
        spec: what the child is told as JSON, with its `side`; it works in an empty folder, so paths are absolute.
        python: of another environment.
    """
    with tempfile.TemporaryDirectory() as place:
        Path(place, SPEC).write_text(json.dumps(spec), encoding="utf-8")
        done = subprocess.run(
            [str(python), str(Path(script).resolve()), "--child", SPEC],
            cwd=place,
            capture_output=True,
            text=True,
            env={
                "CUDA_VISIBLE_DEVICES": "0",  # of several GPUs the stock Trainer would take all, as DataParallel
                **os.environ,
                "HF_HUB_OFFLINE": "1",
                "WANDB_MODE": "disabled",
                "NLPKIT_CACHE": place,
            },
        )
        result = Path(place, RESULT)
        if done.returncode or not result.exists():
            said = f"{done.stdout[-1000:]}{done.stderr[-3000:]}"
            sys.exit(f"side {spec['side']} failed with exit code {done.returncode}\n{said}")
        return json.loads(result.read_text(encoding="utf-8"))


def answer(spec: Path, run: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """In the child: run the side of a spec and leave its result for the parent."""
    result = run(json.loads(spec.read_text(encoding="utf-8")))
    Path(RESULT).write_text(json.dumps(result), encoding="utf-8")


def in_turns(sides: Sequence[str], rounds: int) -> Iterator[tuple[int, str]]:
    """(round, side), every other round backwards, so that a slow drift of the machine hits all sides alike."""
    for number in range(rounds):
        for side in sides if number % 2 == 0 else sides[::-1]:
            yield number, side


# --- all of them ---


def chosen(parser: Any, asked: str, sides: Mapping[str, str]) -> list[str]:
    """The sides of a comma-separated list; the parser ends the program where there is no such side."""
    named = asked.split(",")
    if unknown := set(named) - set(sides):
        parser.error(f"--sides: there is no side {', '.join(sorted(unknown))}")
    return named


def ratios(results: Runs, rate: str = "rate") -> dict[str, list[float]]:
    """Rate of side a over each other side's, round by round; none without side a."""
    return {
        side: [mine[rate] / other[rate] for mine, other in zip(results["a"], runs, strict=True)]
        for side, runs in results.items()
        if side != "a" and "a" in results
    }


def spread(values: Sequence[float], digits: int = 2) -> str:
    """Median, with smallest and largest."""
    middle, low, high = statistics.median(values), min(values), max(values)
    return f"{middle:,.{digits}f} ({low:,.{digits}f} to {high:,.{digits}f})"


def environment(*packages: str) -> dict[str, Any]:
    """What a timing depends on, printed; with versions of packages that no result names."""
    cpu = platform.processor()
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        cpu = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    load = round(os.getloadavg()[0], 2)
    found = {
        "cpu": cpu,
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in packages},
        "load_average": load,
    }
    print(", ".join(f"{name.replace('_', ' ')} {value}" for name, value in found.items()))
    if load > IDLE:
        print("warning: other processes are running; with few cores one of them spoils the figures", file=sys.stderr)
    return found


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Write everything that was measured."""
    path.write_text(json.dumps(document, indent=2, default=str) + "\n", encoding="utf-8")
