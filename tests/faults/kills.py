"""Commands killed (kill -9) or interrupted at random moments, and run again: results must be the same, bit for bit.

What trains goes on with --resume, twice killed now and then; what does not begins again with --overwrite. After a kill
no folder and no file may look finished that is not; an interrupted command ends with 130 and one message.

    make kills N=200 SEED=1
    make kills N=200 SEED=1 SIGNAL=INT
    make kills N=10 SIGNAL=TERM ONLY="index topics"
"""

from __future__ import annotations

import argparse
import collections
import itertools
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent / "helpers"), str(HERE.parent.parent)]

import commands  # noqa: E402  (found through the line above)
import forked  # noqa: E402

START = 0.1  # seconds until a process is one of nlpkit's
EARLY = 0.15  # share of the moments that lie before there is an output
SELDOM = 4  # what trains nothing is killed in every fourth round
TWICE = 0.25  # share of the kills after which the second process is killed, too
STAGES = ("before its folder", "before a checkpoint", "behind a checkpoint", "finished")


def start(case: commands.Case, output: Path, *more: str) -> subprocess.Popen[str]:
    """`nlpkit COMMAND`, in a process that has the libraries already."""
    command = [sys.executable, "-m", "nlpkit", *case.command(output, *more)]
    cache = {"NLPKIT_CACHE": str(output.parent / "cache")}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    return forked.Popen(command, text=True, cwd=HERE.parent.parent, env={**os.environ, **cache}, **quiet)


def finished(case: commands.Case, output: Path, *more: str) -> dict[str, bytes]:
    """Run to the end; the files that are compared.

    Raises:
        AssertionError: the command failed.
    """
    process = start(case, output, *more)
    _, errors = process.communicate(timeout=600)
    assert process.returncode == 0, f"{' '.join(case.command(output, *more))}: exit {process.returncode}\n{errors}"
    result = case.result(output)
    assert result, f"{output}: nothing was written"
    return result


def prepare(case: commands.Case, output: Path) -> None:
    """Make the output that a command changes."""
    if case.before:
        finished(commands.Case(list(case.before), case.compared, index=case.index), output)


def watched(case: commands.Case, output: Path) -> tuple[dict[str, bytes], float, float]:
    """Run to the end; the files that are compared, and after how many seconds there was an output and all was done."""
    prepare(case, output)
    clock = time.monotonic()
    process = start(case, output)
    begins = None
    while process.poll() is None:
        if begins is None and output.exists():
            begins = time.monotonic() - clock
        time.sleep(0.01)
    seconds = time.monotonic() - clock
    assert process.stderr is not None
    assert process.returncode == 0, process.stderr.read()
    process.communicate()
    # what is written at the end has no other moments
    return case.result(output), seconds / 2 if case.output or begins is None else begins, seconds


def stage(case: commands.Case, output: Path) -> str:
    """How far a killed command had come.

    Raises:
        AssertionError: what it has left looks finished and is not.
    """
    if case.whole(output):
        return STAGES[3]
    if case.output:
        return STAGES[0]
    if case.index:
        return STAGES[2] if (output / ".unfinished" / "kept.json").exists() else STAGES[1]
    if not (output / "nlpkit.json").exists():
        assert not case.result(output), "there are results without a record"
        return STAGES[0]
    return STAGES[2] if list(output.glob("checkpoints/*/trainer_state.json")) else STAGES[1]


def end(process: subprocess.Popen[str], seconds: float, number: signal.Signals) -> bool:
    """Let it work for so long, then send it a signal; whether that was the end of it.

    Raises:
        AssertionError: it was not interrupted as it should be.
    """
    sent = False
    try:
        _, errors = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(number)
        sent = True
        _, errors = process.communicate(timeout=60)
    if number == signal.SIGKILL:
        return process.returncode == -signal.SIGKILL
    assert process.returncode == (130 if sent and process.returncode else 0), f"exit {process.returncode}: {errors}"
    assert "Traceback" not in errors and "Exception ignored" not in errors, errors
    assert errors.count("nlpkit: ") == (process.returncode != 0), errors
    return process.returncode != 0


def try_one(
    case: commands.Case, output: Path, expected: dict[str, bytes], moments: list[float], number: signal.Signals
) -> list[str]:
    """Send a signal after each of the moments (seconds), then run to the end; the stages in which it came.

    Raises:
        AssertionError: the result is another one, or what was left looks finished.
    """
    met = []
    prepare(case, output)
    for seconds in moments:
        if end(start(case, output, *case.more(output)), seconds, number):
            met.append(stage(case, output))
            interrupted = number != signal.SIGKILL and not case.output and output.exists()
            left = [path.name for path in output.glob(".*") if not (case.index and path.name == ".unfinished")]
            assert not (interrupted and left), f"left behind: {left}"
    result = finished(case, output, *([case.again] if case.again else []))
    assert result.keys() == expected.keys(), f"{sorted(result)} instead of {sorted(expected)}"
    other = [name for name in result if result[name] != expected[name]]
    assert not other, f"{other} differ from the run that was left alone"
    return met


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=200, help="kills")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--signal", choices=("KILL", "INT", "TERM"), default="KILL")
    parser.add_argument("--only", choices=commands.REPEATABLE, action="append", help="this command (repeatable)")
    options = parser.parse_args()
    os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    rng, number = random.Random(options.seed), signal.Signals[f"SIG{options.signal}"]
    begun, kills, failures = time.monotonic(), 0, 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wanted = options.only or commands.REPEATABLE
        cases = commands.make(folder, lambda name: name in wanted)
        met: dict[str, collections.Counter[str]] = {name: collections.Counter() for name in cases}
        expected, begins, seconds = {}, {}, {}
        rounds = itertools.count()
        forked.run([sys.executable, "-c", "pass"])  # what comes first would wait for the libraries
        for name, case in cases.items():
            (folder / name).mkdir()
            expected[name], begins[name], seconds[name] = watched(case, folder / name / f"whole{case.output}")
            said = f"left alone, {seconds[name]:.1f} s; {begins[name]:.1f} s until there is an output"
            print(f"{name}: {said}", flush=True)
        while kills < options.n:
            often = next(rounds) % SELDOM
            for name, case in cases.items():
                if often and name in commands.WRITES and len(cases) > 1:
                    continue
                place = folder / name / f"{kills}"
                place.mkdir()
                spans = [(START, begins[name]), (begins[name], seconds[name])]
                count = 1 + (rng.random() < TWICE)
                moments = [rng.uniform(*spans[rng.random() >= EARLY]) for _ in range(count)]
                try:
                    stages = try_one(case, place / f"run{case.output}", expected[name], moments, number)
                    met[name].update(stages)
                    kills += len(stages)
                except AssertionError as error:
                    failures += 1
                    print(f"{name}, {options.signal} after {moments} s: {error}", flush=True)
                shutil.rmtree(place)
                if kills >= options.n:
                    break
    width = max(map(len, met))
    print(f"{'ended':<{width}}", *STAGES, sep="  ")
    for name, counts in met.items():
        print(f"{name:<{width}}", *(f"{counts[stage]:>{len(stage)}}" for stage in STAGES), sep="  ")
    print(
        f"{kills} times SIG{options.signal}, seed {options.seed}: {failures} failures, {time.monotonic() - begun:.0f} s"
    )
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
