"""A training command over several seeds: mean and spread of each metric.

Everything behind `--` is the command; it runs once a seed, one run after another, each in a process of its own.

Example: python benchmarks/seeds.py --seeds 1,2,3 -- finetune-ner --data CONLL2000 --column chunk --epochs 3
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any


def run(command: list[str], *flags: str) -> dict[str, Any]:
    """The JSON record of one run; its folder is deleted."""
    with tempfile.TemporaryDirectory() as folder:
        output = [*flags, "--output", str(Path(folder) / "run"), "--json"]
        done = subprocess.run(
            [sys.executable, "-m", "nlpkit", *command, *output], stdout=subprocess.PIPE, text=True, check=False
        )
    if done.returncode:
        sys.exit(done.returncode)  # what went wrong is on standard error
    record: dict[str, Any] = json.loads(done.stdout)
    return record


def row(name: str, values: list[float]) -> str:
    """Mean, smallest and largest."""
    return f"  {name:<28}{statistics.mean(values):>10.4f}  ({min(values):.4f} to {max(values):.4f})"


def main() -> None:
    """Run the command for each seed and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default="1,2,3", help="comma-separated (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the records of all runs")
    parser.add_argument("command", nargs="+", help="-- finetune-cls --data ...")
    options = parser.parse_args()
    seeds = [int(seed) for seed in options.seeds.split(",")]
    print(f"nlpkit {' '.join(options.command)}")
    print(
        f"seeds {options.seeds}, {os.cpu_count()} cores, {platform.machine()}, load {os.getloadavg()[0]:.1f}",
        flush=True,
    )
    records = []
    for seed in seeds:
        record = run(options.command, "--seed", str(seed))
        records.append(record)
        metric = record["main_metric"]
        found = {split: values[metric] for split, values in record["metrics"].items() if metric in values}
        said = ", ".join(f"{split} {value:.4f}" for split, value in found.items())
        print(f"seed {seed}: {metric}: {said}; {record['train_seconds']:.0f} s of training", flush=True)
    for split in records[0]["metrics"]:
        if split == "train":
            continue
        print(f"{split}, mean (smallest to largest) of {len(records)} seeds")
        for metric in records[0]["metrics"][split]:
            print(row(metric, [record["metrics"][split][metric] for record in records]))
        for metric, value in ((records[0].get("baseline") or {}).get("metrics", {}).get(split, {})).items():
            print(f"  {records[0]['baseline']['name'] + ': ' + metric:<28}{value:>10.4f}")
    print(f"device {records[0]['device']}; " + ", ".join(f"{k} {v}" for k, v in records[0]["versions"].items()))
    if options.json:
        options.json.write_text(json.dumps(records, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
