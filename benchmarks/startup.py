"""Start-up of nlpkit beside importing what it needs, in pairs.

1. `nlpkit --help` over `python -c "import typer, rich"`: a ratio.
2. `nlpkit finetune-cls` from its start to its first training batch, less the time that importing the same modules
   takes: a difference in seconds. The modules are those that the run itself had loaded by then.
3. With `--exported RUN`, an exported run: `nlpkit predict` for one text, by torch and transformers over without them,
   in seconds of the CPU and by the clock: ratios. The first is a copy without nlpkit_runtime.json.

Example: python benchmarks/startup.py --rounds 5
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import sides

# Runs the command and leaves at the first training step; argv: where to write the loaded modules, then the command.
TO_FIRST_BATCH = """
import json, os, pathlib, sys
from nlpkit.training.trainer import NlpkitTrainer
def stop(*arguments, **keywords):
    pathlib.Path(sys.argv[1]).write_text(json.dumps(list(sys.modules)))
    os._exit(0)
NlpkitTrainer.training_step = stop
from nlpkit.cli.app import main
sys.exit(main(sys.argv[2:]) or 1)
"""
# Imports the modules of the list in argv[1]; some are made at run time and cannot be imported.
IMPORTS = """
import contextlib, importlib, json, pathlib, sys
for name in json.loads(pathlib.Path(sys.argv[1]).read_text()):
    if name != "__main__" and not name.startswith("nlpkit"):
        with contextlib.suppress(Exception):
            importlib.import_module(name)
"""


def seconds(command: list[str]) -> float:
    """Wall time of a process that must succeed."""
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "HF_HUB_OFFLINE": "1"})
    taken = time.perf_counter() - start
    if done.returncode:
        sys.exit(f"{' '.join(command)[:200]} failed with exit code {done.returncode}\n{done.stderr[-2000:]}")
    return taken


def help_against_imports(rounds: int) -> dict[str, list[float]]:
    """Seconds of `nlpkit --help` and of importing typer and rich, in turns."""
    script = Path(sys.executable).with_name("nlpkit")
    ours = [str(script), "--help"] if script.exists() else [sys.executable, "-m", "nlpkit", "--help"]
    theirs = [sys.executable, "-c", "import typer, rich"]
    seconds(ours), seconds(theirs)  # byte code and disk cache
    taken: dict[str, list[float]] = {"help": [], "imports": []}
    for _, name in sides.in_turns(list(taken), rounds):
        taken[name].append(seconds(ours if name == "help" else theirs))
    return taken


def first_batch_against_imports(rounds: int, data: str, model: str) -> dict[str, list[float]]:
    """Seconds to the first training batch and of importing the modules loaded by then, in turns."""
    taken: dict[str, list[float]] = {"first batch": [], "imports": []}
    with tempfile.TemporaryDirectory() as folder:
        modules = str(Path(folder) / "modules.json")
        run = ["finetune-cls", "--data", data, "--model", model, "--output", str(Path(folder) / "run"), "--overwrite"]
        ours = [sys.executable, "-c", TO_FIRST_BATCH, modules, *run]
        theirs = [sys.executable, "-c", IMPORTS, modules]
        seconds(ours), seconds(theirs)
        for _, name in sides.in_turns(list(taken), rounds):
            taken[name].append(seconds(ours if name == "first batch" else theirs))
    return taken


def exported_with_and_without(rounds: int, run: str) -> dict[str, list[float]]:
    """Seconds of the CPU, and by the clock, of one answer of an exported run, in turns."""
    taken: dict[str, list[float]] = {f"{side} {kind}": [] for side in ("with", "without") for kind in ("CPU", "clock")}
    with tempfile.TemporaryDirectory() as folder:
        full = shutil.copytree(run, Path(folder) / "run")
        (full / "nlpkit_runtime.json").unlink()
        places = {"with": str(full), "without": run}

        def ask(side: str) -> tuple[float, float]:
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            text = ["a film that one remembers", "--device", "cpu", "--threads", "1"]
            clock = seconds([sys.executable, "-m", "nlpkit", "predict", places[side], *text])
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, clock

        for side in places:  # byte code and disk cache
            ask(side)
        for _, side in sides.in_turns(list(places), rounds):
            for kind, found in zip(("CPU", "clock"), ask(side), strict=True):
                taken[f"{side} {kind}"].append(found)
    return taken


def main() -> None:
    """Run the comparisons."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="pairs of the long comparison; the short one has twice")
    parser.add_argument("--data", default="sample:feedback", help="as for nlpkit (default: %(default)s)")
    parser.add_argument("--model", default="minilm", help="as for nlpkit (default: %(default)s)")
    parser.add_argument("--exported", metavar="RUN", help="an exported run: this comparison alone")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write everything that was measured")
    options = parser.parse_args()
    found = sides.environment()
    if options.exported:
        taken = exported_with_and_without(options.rounds, options.exported)
        for kind in ("CPU", "clock"):
            some, none = taken[f"with {kind}"], taken[f"without {kind}"]
            print(
                f"{kind}: with torch {sides.spread(some)} s, without {sides.spread(none)} s, ratio "
                f"{sides.spread([a / b for a, b in zip(some, none, strict=True)])}"
            )
        if options.json:
            sides.write_json(options.json, {"environment": found, "exported": taken})
        return
    short = help_against_imports(2 * options.rounds)
    print(f"nlpkit --help           {sides.spread(short['help'])} s")
    print(f"import typer, rich      {sides.spread(short['imports'])} s")
    ratio = [a / b for a, b in zip(short["help"], short["imports"], strict=True)]
    print(f"ratio                   {sides.spread(ratio)}, aim 1.50 at most")

    long = first_batch_against_imports(options.rounds, options.data, options.model)
    print(f"to the first batch      {sides.spread(long['first batch'])} s")
    print(f"importing its modules   {sides.spread(long['imports'])} s")
    difference = [a - b for a, b in zip(long["first batch"], long["imports"], strict=True)]
    print(f"difference              {sides.spread(difference)} s, aim 1.00 at most")
    if options.json:
        sides.write_json(options.json, {"environment": found, "help": short, "first_batch": long})


if __name__ == "__main__":
    main()
