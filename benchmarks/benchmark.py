"""Whether `nlpkit benchmark` can be trusted: models whose answer is known, measured by the command itself.

linear    encoders of 2, 4, ... 12 equal layers: latency must be a straight line over the layers
wait      an encoder that waits 5 or 10 ms in each call against the same one that does not: 5 ms more for 5 ms
memory    encoders that take 50, 200 and 800 MB more while they run: that much more peak memory
same      a model against itself, 20 times: neither faster nor slower in at least 19
overhead  the calls of the command against a bare timed loop over the same calls, by turns in one process

Example: python benchmarks/benchmark.py --checks linear,wait,memory,same,overhead
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import planted
import sides

LAYERS = (2, 4, 6, 8, 10, 12)
WAITS_MS = (0, 5, 10)
PLANTED_MB = (50, 200, 800)
OVERHEAD_LENGTHS, OVERHEAD_ROUNDS = (8, 128), 100


def benchmark(place: Path, *arguments: Any) -> dict[str, Any]:
    """The JSON document of `nlpkit benchmark ...`."""
    command = [sys.executable, "-m", "nlpkit", "benchmark", *map(str, arguments), "--trust-remote-code", "--json"]
    # no more launches than were asked for, however wide the intervals
    command += ["--output", str(place / "benchmark"), "--overwrite", "--quiet", "--interval", "1000"]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "HF_HUB_OFFLINE": "1"})
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed with exit code {done.returncode}\n{done.stderr[-3000:]}")
    return json.loads(done.stdout)


def figures(document: dict[str, Any], name: str) -> list[Any]:
    """A figure of each model at the only point."""
    (point,) = document["points"]
    return [result[name] for result in point["results"]]


def linear(place: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Least squares of the median latency over the number of layers."""
    folders = [planted.save(place / f"{layers}-layers", layers=layers, width=256) for layers in LAYERS]
    sizes = ("--sequence-lengths", 128, "--batch-sizes", 1, "--seconds", options.seconds)
    latencies = figures(benchmark(place, *folders, *sizes, "--threads", options.threads), "p50_ms")
    slope, start = statistics.linear_regression(LAYERS, latencies)
    share = statistics.correlation(LAYERS, latencies) ** 2
    largest = max(abs(ms / (start + slope * k) - 1) for k, ms in zip(LAYERS, latencies, strict=True))
    print(f"linear: {slope:.2f} ms a layer + {start:.2f} ms; R2 {share:.4f}, farthest from the line {largest:.1%}")
    return {"layers": LAYERS, "ms": latencies, "slope": slope, "start": start, "r2": share, "largest": largest}


def wait(place: Path, options: argparse.Namespace) -> dict[str, Any]:
    """What the waiting models take more; the step from no wait at all holds what the model loses by it, too."""
    folders = [planted.save(place / f"waits-{ms:g}", wait_ms=ms) for ms in WAITS_MS]
    sizes = ("--sequence-lengths", 32, "--batch-sizes", 1, "--seconds", options.seconds)
    latencies = figures(benchmark(place, *folders, *sizes, "--threads", options.threads), "p50_ms")
    steps = [more - less for less, more in itertools.pairwise(latencies)]
    for less, more, step in zip(WAITS_MS, WAITS_MS[1:], steps, strict=False):
        print(f"wait: {step:.2f} ms more from {less} to {more} ms planted")
    return {"planted_ms": WAITS_MS, "ms": latencies, "steps_ms": steps}


def memory(place: Path, options: argparse.Namespace) -> dict[str, Any]:
    """What the models that take memory take more at their peak."""
    folders = [planted.save(place / f"takes-{mb}", allocate_mb=mb) for mb in (0, *PLANTED_MB)]
    sizes = ("--sequence-lengths", 32, "--batch-sizes", 1, "--seconds", 0.1, "--launches", 3)
    first, *others = figures(benchmark(place, *folders, *sizes, "--threads", options.threads), "working_bytes")
    found = [(bytes_ - first) / 1e6 for bytes_ in others]
    for planted_mb, found_mb in zip(PLANTED_MB, found, strict=True):
        print(f"memory: {found_mb:.1f} MB more, {planted_mb} planted ({found_mb / planted_mb - 1:+.1%})")
    return {"planted_mb": PLANTED_MB, "found_mb": found}


def same(place: Path, options: argparse.Namespace) -> dict[str, Any]:
    """How often a model differs from itself."""
    folder = planted.save(place / "same", layers=6, width=256)
    sizes = ("--sequence-lengths", 64, "--batch-sizes", 1, "--seconds", options.seconds)
    verdicts, speeds = [], []
    for _ in range(options.runs):
        document = benchmark(place, f"one={folder}", f"two={folder}", *sizes, "--threads", options.threads)
        verdicts.append(figures(document, "verdict")[1])
        speeds.append((figures(document, "speed")[1], *figures(document, "speed_interval")[1]))
        print("same: {:.3f} ({:.3f} to {:.3f}), {}".format(*speeds[-1], verdicts[-1]), flush=True)
    equal = sum(verdict in ("no difference", "not certain") for verdict in verdicts)
    print(f"same: neither faster nor slower in {equal} of {len(verdicts)} runs")
    return {"neither": equal, "runs": len(verdicts), "speeds": speeds}


def overhead(place: Path, options: argparse.Namespace) -> dict[str, Any]:
    """What the command reports for a model, over a bare loop of the same calls: by turns, in one process."""
    import torch

    from nlpkit.measurement import workloads
    from nlpkit.measurement.spec import Subject
    from nlpkit.measurement.worker import Worker
    from nlpkit.recipes import benchmark as recipe

    folder, found = str(planted.save(place / "model", layers=1)), {}
    config = recipe.Config(models=[folder], threads=options.threads, trust_remote_code=True, device="cpu")
    worker = Worker()

    def ask(op: str, **values: Any) -> dict[str, Any]:
        answer = worker.answer({"op": op, **values})
        if "error" in answer:
            sys.exit(answer["message"])
        return answer

    ask("open", subject=Subject("model", folder).to_json(), config=config.record())
    net = worker.model.net
    for length in OVERHEAD_LENGTHS:
        ask("prepare", point={"mode": "inference", "batch_size": 1, "length": length})
        passes = max(round(0.05 / ask("warm", seconds=1.0)["pass_seconds"]), 1)
        batch = workloads.random_batch(worker.model, 1, length, config.seed)
        ratios = []
        for number in range(OVERHEAD_ROUNDS):
            times = {}
            for side in ("bare", "nlpkit") if number % 2 else ("nlpkit", "bare"):
                if side == "nlpkit":
                    times[side] = statistics.median(ask("turn", passes=passes)["seconds"])
                    continue
                seconds = []
                with torch.inference_mode():
                    for _ in range(passes):
                        start = time.perf_counter()
                        net(**batch)
                        seconds.append(time.perf_counter() - start)
                times[side] = statistics.median(seconds)
            ratios.append(times["nlpkit"] / times["bare"])
        middle = statistics.median(ratios)
        error = 1.25 * statistics.stdev(ratios) / len(ratios) ** 0.5  # of a median
        print(f"overhead: {middle - 1:+.1%} (standard error {error:.1%}), calls of {times['bare'] * 1e3:.2f} ms")
        found[length] = {"ratio": middle, "error": error, "ms": times["bare"] * 1e3}
    return found


CHECKS: dict[str, Callable[[Path, argparse.Namespace], dict[str, Any]]] = {
    "linear": linear,
    "wait": wait,
    "memory": memory,
    "same": same,
    "overhead": overhead,
}


def main() -> None:
    """Run the checks that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checks", default=",".join(CHECKS), help="comma-separated")
    parser.add_argument("--runs", type=int, default=20, help="of the model against itself")
    parser.add_argument("--seconds", type=float, default=1.0, help="of measuring a model in a launch")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--output", type=Path, help="write everything as JSON")
    options = parser.parse_args()
    found: dict[str, Any] = {"environment": sides.environment("torch", "transformers", "nlpkit")}
    for name in sides.chosen(parser, options.checks, dict.fromkeys(CHECKS, "")):
        started = time.monotonic()
        with tempfile.TemporaryDirectory() as place:
            found[name] = CHECKS[name](Path(place), options)
        found[name]["seconds"] = round(time.monotonic() - started)
    if options.output:
        sides.write_json(options.output, found)


if __name__ == "__main__":
    main()
