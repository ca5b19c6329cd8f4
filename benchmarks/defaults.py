"""What a fine-tuning does by default beside what tuning finds, by rows of train.

Everything behind `--` is the command without learning rate, epochs and batch size. For each number of rows it runs as
it is ("default"), as most tutorials have it ("tutorials": 5e-5, 3 epochs, batches of 32), and with other rates and
epochs around the default; of these and the default the one that is best on validation is "tuned". All are judged on the
test split, which chooses nothing: where the data has none, give --test-share.

Example: python benchmarks/defaults.py --rows 100,500 -- finetune-cls --data TREC --label-column label --test-share 0.15
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from pathlib import Path
from typing import Any

import seeds

USUAL = {"learning_rate": 5e-5, "epochs": 3, "batch_size": 32}
# learning rate and epochs, as factors of the default's
AROUND = ((1 / 3, 1.0), (1 / 2, 2.0), (1.0, 0.5), (1.0, 2.0), (5 / 3, 1.0))


def run(command: list[str], rows: int, options: dict[str, float]) -> dict[str, Any]:
    """The JSON record of one run, which has judged a test split."""
    flags = [part for name, value in options.items() for part in (f"--{name.replace('_', '-')}", f"{value:g}")]
    record = seeds.run(command, "--max-train-samples", str(rows), "--quiet", *flags)
    if "test" not in record["metrics"]:
        sys.exit("there is no test split to judge on: add --test-share 0.15 or --test-file FILE")
    return record


def figures(record: dict[str, Any]) -> tuple[float, float]:
    """The main metric on validation and on test."""
    metric = record["main_metric"]
    return record["metrics"]["validation"][metric], record["metrics"]["test"][metric]


def table_row(rows: int, what: str, record: dict[str, Any]) -> str:
    """One run as a row of a table."""
    config, (validation, test) = record["config"], figures(record)
    settings = f"{config['learning_rate']:.2g} | {config['epochs']:g} | {config['batch_size']} | {record['steps']}"
    seconds = record["train_seconds"]
    return f"| {rows:,} | {what} | {settings} | {validation:.3f} | {test:.3f} | {seconds:.0f} s |"


def main() -> None:
    """Run the command as described and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", default="100,500,1000", help="rows of train, comma-separated (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the records of all runs")
    parser.add_argument("command", nargs="+", help="-- finetune-cls --data ...")
    options = parser.parse_args()
    print(f"nlpkit {' '.join(options.command)}")
    print(f"{os.cpu_count()} cores, {platform.machine()}, load {os.getloadavg()[0]:.1f}\n", flush=True)
    print("| rows | | rate | epochs | batch | steps | validation | test | training |")
    print("|---:|---|---:|---:|---:|---:|---:|---:|---:|", flush=True)
    records = []
    for rows in map(int, options.rows.split(",")):
        tried = {"tutorials": run(options.command, rows, USUAL), "default": run(options.command, rows, {})}
        for what, record in tried.items():
            print(table_row(rows, what, record), flush=True)
        default = tried["default"]["config"]
        for rate, epochs in AROUND:
            changed = {"learning_rate": rate * default["learning_rate"], "epochs": epochs * default["epochs"]}
            record = run(options.command, rows, changed | {"batch_size": default["batch_size"]})
            tried[f"rate x {rate:.2g}, epochs x {epochs:g}"] = record
            print(table_row(rows, f"rate x {rate:.2g}, epochs x {epochs:g}", record), flush=True)
        best = max((what for what in tried if what != "tutorials"), key=lambda what: figures(tried[what])[0])
        print(table_row(rows, f"tuned: {best}", tried[best]), flush=True)
        records += [{"rows": rows, "what": what, **record} for what, record in tried.items()]
    one = records[0]
    print(f"\n{one['main_metric']}; test {one['judged']['test']:,} rows; {one['device']}")
    print(", ".join(f"{name} {version}" for name, version in one["versions"].items()))
    if options.json:
        options.json.write_text(json.dumps(records, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
