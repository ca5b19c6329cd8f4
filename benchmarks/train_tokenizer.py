"""Training speed of `nlpkit train-tokenizer` beside the trainer of the tokenizers library on the same files.

Both sides train the same pipeline with the same trainer: nlpkit reads the files itself, checks their encoding, splits
them into documents and hands over texts; the library is given the names of the files. Each run is a process of its own;
the sides take turns, and ratios are taken within a round. Imports are left out, as they are the same.

Example: python benchmarks/train_tokenizer.py --data corpus.txt --rounds 5
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import json
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

SIDES = {"a": "nlpkit", "b": "tokenizers, Tokenizer.train(files)"}


def train(side: str, kind: str, vocab_size: int, files: list[str]) -> dict[str, Any]:
    """One side, in its own process."""
    from nlpkit.data.corpus import Corpus
    from nlpkit.options import CorpusOptions
    from nlpkit.tokenization import training
    from nlpkit.tokenization.pipelines import Pipeline, PipelineOptions

    pipeline = Pipeline.of(PipelineOptions(kind=kind, vocab_size=vocab_size))
    backend, trainer = pipeline.untrained(), pipeline.trainer()
    start, before = time.perf_counter(), time.process_time()
    if side == "a":
        # nothing is held out, so that both sides train on the same text
        corpus, joined = Corpus(CorpusOptions(data=files)), pipeline.line_ends_are_blanks
        reading = training.Reading(corpus, training.HoldOut(0.0, 0), "", joined=joined)
        training.train(backend, trainer, reading)
    else:
        backend.train(files, trainer)
    seconds, cpu = time.perf_counter() - start, time.process_time() - before
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return {"seconds": seconds, "cpu_seconds": cpu, "vocabulary": backend.get_vocab_size(), "peak_bytes": peak}


def run(side: str, kind: str, vocab_size: int, files: list[str]) -> dict[str, Any]:
    """One side in a fresh process."""
    spec = json.dumps([side, kind, vocab_size, files])
    done = subprocess.run([sys.executable, __file__, "--child", spec], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"side {side} failed with exit code {done.returncode}\n{done.stderr[-3000:]}")
    return json.loads(done.stdout)


def unpacked(files: list[Path], folder: Path) -> list[str]:
    """Plain text files: the library reads no others."""
    plain = []
    for number, path in enumerate(files):
        if path.suffix == ".gz":
            target = folder / f"{number}.txt"
            with gzip.open(path) as packed, target.open("wb") as out:
                shutil.copyfileobj(packed, out)
            plain.append(str(target))
        else:
            plain.append(str(path.resolve()))
    return plain


def environment() -> dict[str, Any]:
    """What a timing depends on."""
    from importlib import metadata

    cpu = platform.processor()
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        cpu = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "cpu": cpu,
        "cores": cores,
        "python": platform.python_version(),
        "tokenizers": metadata.version("tokenizers"),
        "load average": os.getloadavg()[0],
    }


def spread(values: list[float]) -> str:
    """Median, with smallest and largest."""
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def main() -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, nargs="+", help="plain text files (.gz are unpacked first)")
    parser.add_argument("--kinds", default="wordpiece,byte-bpe", help="of tokenizers (default: %(default)s)")
    parser.add_argument("--vocab-size", type=int, default=30_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, metavar="OUT", help="write everything that was measured")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(train(*json.loads(options.child))))
        return
    if not options.data:
        parser.error("--data is needed")

    found = environment()
    print(", ".join(f"{name} {value}" for name, value in found.items()))
    if found["load average"] > 0.5:
        print("warning: other processes are running; with few cores one of them spoils the figures", file=sys.stderr)
    results: dict[str, dict[str, list[dict[str, Any]]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        files = unpacked(options.data, Path(folder))
        size = sum(Path(file).stat().st_size for file in files)
        print(f"{len(files)} files, {size / 1e6:.1f} MB, {options.vocab_size:,} tokens, {options.rounds} rounds")
        for kind in options.kinds.split(","):
            runs: dict[str, list[dict[str, Any]]] = {side: [] for side in SIDES}
            run("b", kind, 300, files[:1])  # byte code and disk cache
            for number in range(options.rounds):
                for side in SIDES if number % 2 == 0 else reversed(SIDES):
                    runs[side].append(run(side, kind, options.vocab_size, files))
            results[kind] = runs
            for side, what in SIDES.items():
                taken = [one["seconds"] for one in runs[side]]
                rate = size / 1e6 / statistics.median(taken)
                peak = max(one["peak_bytes"] for one in runs[side]) / 1e6
                print(f"{kind:<10} ({side}) {what:<36} {spread(taken)} s, {rate:5.1f} MB/s, peak memory {peak:.0f} MB")
            pairs = list(zip(runs["a"], runs["b"], strict=True))
            wall = [b["seconds"] / a["seconds"] for a, b in pairs]
            cpu = [b["cpu_seconds"] / a["cpu_seconds"] for a, b in pairs]
            print(f"{kind:<10} a / b  {spread(wall)} in text per second, aim 0.90 at least")
            print(f"{kind:<10} a / b  {spread(cpu)} in text per second of processor time, whatever else was running")
    if options.json:
        options.json.write_text(json.dumps({"environment": found, "results": results}, indent=2) + "\n")


if __name__ == "__main__":
    main()
