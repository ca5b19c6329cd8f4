"""Spoilt inputs, thousands of them: each must be used, or refused with one message.

An input is made from the seed and its number alone. It is run in this process; success, and a `UserError` (exit code
2), are right. Any other exception, more than 10 s of processor time, and more than 2 GB of memory are failures: they
are listed by place with a command that repeats one, and what failed is kept in --failures.

    make fuzz N=2000 SEED=1
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent / "helpers"), str(HERE.parent.parent)]

import kinds  # noqa: E402  (found through the line above)

SECONDS = 10.0  # of processor time an input may take
SILENCE = 90.0  # seconds of wall time after which a worker is taken to hang
MEMORY = 2 * 2**30  # bytes that this process may take at its peak, the libraries included


class Failure(NamedTuple):
    """What went wrong with an input.

    Attributes:
        what: the exception.
        where: the innermost line of nlpkit that it passed.
        command: for the shell, in the folder with the input.
        trace: of the exception.
    """

    number: int
    kind: str
    what: str
    where: str
    command: str
    trace: str


class Hang(BaseException):
    """Too much time was spent on an input."""


def run_one(seed: int, number: int, run: Path, folder: Path) -> Failure | None:
    """Make an input in an empty folder and run it; what was wrong, None if nothing.

    Args:
        run: folder of a finished classifier, see `kinds.beside`.
    """
    from nlpkit.errors import UserError

    rng = random.Random(f"{seed}:{number}")
    name = rng.choices(list(kinds.KINDS), [kind.weight for kind in kinds.KINDS.values()])[0]
    command, call = kinds.KINDS[name].make(rng, folder, run)
    try:
        with _limited():
            report = call()
        if report is not None:  # as --json prints it
            json.dumps(report.record, ensure_ascii=False, allow_nan=False).encode()
        return None
    except UserError as error:
        said = str(error)
        if said and "Traceback" not in said and "object at 0x" not in said:
            return None
        return Failure(number, name, f"the message is no message: {said[:200]}", _place(error), command, said)
    except (Exception, Hang) as error:
        what = f"{type(error).__name__}: {error}".splitlines()[0][:300]
        return Failure(number, name, what, _place(error), command, traceback.format_exc())
    except BaseException as error:  # a panic of the tokenizers library
        if isinstance(error, KeyboardInterrupt):
            raise
        return Failure(number, name, f"{type(error).__name__}: {error}"[:300], _place(error), command, "")


class _limited:
    """Raises `Hang` in the block when it has used too much processor time."""

    def __enter__(self) -> None:
        signal.signal(signal.SIGPROF, self._stop)
        signal.setitimer(signal.ITIMER_PROF, SECONDS)

    def __exit__(self, *_: Any) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)

    def _stop(self, *_: Any) -> None:
        raise Hang(f"more than {SECONDS:.0f} s")


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "/nlpkit/" in frame.filename] or list(frames)
    return f"{ours[-1].filename.rpartition('/nlpkit/')[2]}:{ours[-1].lineno} {ours[-1].name}" if ours else "?"


def prepare(folder: Path) -> Path:
    """A finished classifier to spoil, and to predict with."""
    import every_task
    from conftest import make_model

    return kinds.beside(every_task.make_run("classification", folder / "made", make_model(folder / "model")))


# --- many of them, in processes that may die ---


def _work(seed: int, numbers: Iterator[int], run: Path, failures: Path, say: Any) -> None:
    import transformers  # noqa: F401  (its import counts for no input)

    from nlpkit import process

    process.apply(verbose=False)
    for number in numbers:
        say({"begin": number})
        with tempfile.TemporaryDirectory() as folder:
            found = run_one(seed, number, run, Path(folder))
            if resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 > MEMORY and found is None:
                found = Failure(number, "?", "more than 2 GB", "?", "?", "")
            if found:
                _keep(found, Path(folder), failures / f"{seed}-{number}")
        say({"end": number, "failure": found})
        if found and found.what == "more than 2 GB":
            return  # the peak of this process tells nothing of the next input


def _keep(failure: Failure, folder: Path, to: Path) -> None:
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(folder, to)
    (to / "command.txt").write_text(f"{failure.command.replace(str(folder), '.')}\n", encoding="utf-8")
    (to / "trace.txt").write_text(failure.trace, encoding="utf-8", errors="backslashreplace")


class Worker(threading.Thread):
    """Sees to the numbers of one process, and starts another in its place when it dies or hangs."""

    def __init__(self, options: argparse.Namespace, numbers: list[int], run: Path) -> None:
        super().__init__()
        self.options, self.numbers, self.made = options, numbers, run
        self.failures: list[Failure] = []
        self.done = 0

    def run(self) -> None:
        while self.numbers:
            begun = self._process()
            if begun is not None:  # it ended within an input
                self.numbers = self.numbers[self.numbers.index(begun) + 1 :]
                self.failures.append(Failure(begun, "?", self.ended, "?", "?", ""))

    def _process(self) -> int | None:
        listen, speak = os.pipe()
        arguments = [sys.executable, str(Path(__file__)), "--worker", str(speak), "--run", str(self.made)]
        arguments += ["--seed", str(self.options.seed), "--failures", str(self.options.failures)]
        inner = subprocess.Popen(
            arguments, pass_fds=[speak], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        os.close(speak)
        assert inner.stdin is not None
        inner.stdin.write(json.dumps(self.numbers).encode())
        inner.stdin.close()
        begun, self.ended = None, ""
        heard = [time.monotonic()]
        threading.Thread(target=self._watch, args=(inner, heard), daemon=True).start()
        with os.fdopen(listen) as lines:
            for line in lines:
                heard[0] = time.monotonic()
                message = json.loads(line)
                if "begin" in message:
                    begun = message["begin"]
                    continue
                begun, number = None, message["end"]
                self.done += 1
                self.numbers = self.numbers[self.numbers.index(number) + 1 :]
                if message["failure"]:
                    self.failures.append(Failure(*message["failure"]))
        code = inner.wait()
        self.ended = self.ended or f"the process ended with {code}"
        if begun is None and self.numbers and not self.done:
            raise SystemExit(f"no worker can be started (it ended with {code})")
        return begun

    def _watch(self, inner: Any, heard: list[float]) -> None:
        while inner.poll() is None:
            if time.monotonic() - heard[0] > SILENCE:
                self.ended = f"no end within {SILENCE:.0f} s"
                inner.kill()
            time.sleep(1)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=2_000, help="inputs")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, help="repeat the input of this number, and keep it in --failures")
    parser.add_argument("--failures", type=Path, default=Path("fuzz-failures"), help="folder for what failed")
    parser.add_argument("--workers", type=int, default=min(len(os.sched_getaffinity(0)), 8))
    parser.add_argument("--run", type=Path, help="a finished classifier; made when none is given")
    parser.add_argument("--worker", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    os.environ |= {
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }
    if options.worker is not None:
        numbers = json.loads(sys.stdin.read())
        with os.fdopen(options.worker, "w", buffering=1) as out:
            _work(options.seed, numbers, options.run, options.failures, lambda m: print(json.dumps(m), file=out))
        return 0
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        run = options.run or prepare(Path(folder))
        if options.only is not None:
            return _repeat(options, run)
        workers = [Worker(options, list(range(k, options.n, options.workers)), run) for k in range(options.workers)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    failures = [failure for worker in workers for failure in worker.failures]
    _show(failures, options)
    print(f"{options.n:,} inputs, seed {options.seed}: {len(failures):,} failures, {time.monotonic() - start:.0f} s")
    return 1 if failures else 0


def _show(failures: list[Failure], options: argparse.Namespace) -> None:
    by_place = collections.defaultdict(list)
    for failure in failures:
        by_place[failure.where, failure.what.partition(":")[0]].append(failure)
    for (where, _), found in sorted(by_place.items(), key=lambda item: -len(item[1])):
        first = min(found, key=lambda failure: failure.number)
        print(f"{len(found)} x {where}: {first.what}")
        print(f"    make fuzz SEED={options.seed} ONLY={first.number}    {first.command}")


def _repeat(options: argparse.Namespace, run: Path) -> int:
    folder = options.failures / f"{options.seed}-{options.only}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    failure = run_one(options.seed, options.only, run, folder)
    print(f"{failure.command}\n{failure.trace}" if failure else "nothing wrong")
    print(f"the input is in {folder}")
    return 1 if failure else 0


if __name__ == "__main__":
    sys.exit(main())
