"""Many files: a process for each, as a loop of a shell does it, beside one command that answers all of them.

Sides, each a command line of its own from start to end, by turns:

loop: `nlpkit predict` once for each shard.
one: `nlpkit predict --shards`, one process with all cores.
jobs: the same with --jobs.
ray: the same with --engine ray, which begins a cluster on this machine.

Each is run with few and with many rows a shard, with the same number of shards. From both follow what a side takes
before its first row, its rows per second after that, and from how many rows on a side is faster than `one`. Printed are
medians over rounds, with smallest and largest, of seconds by the clock and of the CPU; the latter, which other
processes disturb less, are not known of ray, whose processes belong to nobody. Where each side has one thread
(`-- --threads 1`), that the answers of all are the same, byte for byte, is checked.

Example: python benchmarks/shards.py ROWS.parquet --model runs/sst2-int8 --rounds 3
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import sides
from startup import seconds

NLPKIT = [sys.executable, "-m", "nlpkit"]


def made(options: argparse.Namespace, folder: Path, rows: int) -> Path:
    """A folder of shards with so many rows each, the texts of the data again and again."""
    place = folder / str(rows)
    place.mkdir()
    texts = itertools.cycle(pq.read_table(options.data, columns=[options.text_column])[options.text_column].to_pylist())
    for number in range(options.shards):
        table = pa.table({"text": list(itertools.islice(texts, rows))})
        pq.write_table(table, place / f"{number:03d}.parquet")
    return place


def commands(options: argparse.Namespace, shards: Path, output: Path) -> dict[str, list[list[str]]]:
    """The command lines of each side, which are run one after the other."""
    start = [*NLPKIT, "predict", options.model, "--device", "cpu", "--quiet", *options.more]
    many = [*start, "--input", str(shards), "--output", str(output), "--shards"]
    files = sorted(shards.glob("*.parquet"))
    return {
        "loop": [[*start, "--input", str(file), "--output", str(output / file.name)] for file in files],
        "one": [many],
        "jobs": [[*many, "--jobs", str(options.jobs)]],
        "ray": [[*many, "--engine", "ray", "--jobs", str(options.actors)]],
    }


def main() -> None:
    """Run the sides and print what they take."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="parquet file with a column of texts")
    parser.add_argument("--model", required=True)
    parser.add_argument("--text-column", default="text")
    parser.add_argument("--shards", type=int, default=4)
    parser.add_argument("--rows", default="200,2000", help="of a shard: few, many")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--actors", type=int, default=1)
    parser.add_argument("--sides", default="loop,one,jobs,ray")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("more", nargs="*", help="options of predict, behind --: -- --batch-size 64")
    options = parser.parse_args()
    sides.environment("ray")
    names, sizes = options.sides.split(","), [int(rows) for rows in options.rows.split(",")]
    taken: dict[tuple[str, int], list[float]] = {(name, rows): [] for name in names for rows in sizes}
    used: dict[tuple[str, int], list[float]] = {(name, rows): [] for name in names for rows in sizes}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        places = {rows: made(options, folder, rows) for rows in sizes}
        for number, name in sides.in_turns(names, options.rounds):
            for rows in sizes:
                output = folder / f"{name}-{rows}-{number}"
                output.mkdir()
                before = cpu_seconds()
                taken[name, rows].append(sum(map(seconds, commands(options, places[rows], output)[name])))
                used[name, rows].append(cpu_seconds() - before)
        if "--threads" in options.more:
            require_same([folder / f"{name}-{rows}-0" for name in names for rows in sizes[:1]])
    told = {}
    for name in names:
        short, long = (statistics.median(taken[name, rows]) for rows in sizes)
        rate = options.shards * (sizes[1] - sizes[0]) / max(long - short, 1e-9)
        told[name] = (short - options.shards * sizes[0] / rate, rate)
        ratios = [ours / theirs for ours, theirs in zip(taken["one", sizes[1]], taken[name, sizes[1]], strict=True)]
        few, many = (sides.spread(taken[name, rows], 1) for rows in sizes)
        print(f"{name}: {options.shards} shards of {sizes[1]:,} rows in {many} s, of {sizes[0]:,} in {few} s")
        print(f"  {sides.spread(ratios)} times as fast as one, with the more rows")
        if name != "ray":
            many, few = (sides.spread(used[name, rows], 1) for rows in sizes[::-1])
            print(f"  {many} and {few} s of the CPU")
        print(f"  {told[name][0]:,.1f} s before the first row, {rate:,.0f} rows/s after it")
    for name in names:
        (begins, rate), (one_begins, one_rate) = told[name], told["one"]
        if rate > one_rate:
            even = max((begins - one_begins) / (1 / one_rate - 1 / rate), 0)
            print(f"{name} is faster than one from {even:,.0f} rows on")
        elif name != "one":
            print(f"{name} is not faster than one, however many rows")
    print(json.dumps({f"{name} {rows}": values for (name, rows), values in taken.items()}))


def cpu_seconds() -> float:
    """What processes that were begun here, and those that they began, have used of the CPU."""
    times = os.times()
    return times.children_user + times.children_system


def require_same(folders: list[Path]) -> None:
    """Stop where the files of two sides differ."""
    for folder in folders[1:]:
        for file in folder.glob("*.parquet"):
            if file.read_bytes() != (folders[0] / file.name).read_bytes():
                raise SystemExit(f"{folder.name} and {folders[0].name} have other answers in {file.name}")
    print("the answers of all sides are the same, byte for byte")


if __name__ == "__main__":
    main()
