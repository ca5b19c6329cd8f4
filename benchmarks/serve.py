"""`nlpkit serve` beside the services that people write themselves, and beside LitServe, on the same model and texts.

    python benchmarks/serve.py RUN INT8 --texts SST2/validation.parquet --litserve-python /tmp/lit/bin/python

RUN is a text classifier in torch, INT8 the same one as `nlpkit quantize` made it. Each service is a process of its own
on loopback; README.md beside this script says what is measured.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import open_loop
import pandas
import psutil
import sides
from open_loop import Client

from nlpkit.loadtesting import arrivals
from nlpkit.loadtesting.figures import Figures
from nlpkit.loadtesting.load import Load
from nlpkit.loadtesting.options import ScheduleOptions

SIDES = {
    "a": "nlpkit serve, int8",
    "b": "nlpkit serve, torch",
    "c": "FastAPI, a pipeline per request",
    "d": "the same, async def",
    "e": "FastAPI, int8 in ONNX Runtime per request",
    "f": "LitServe, the pipeline in batches",
    "g": "LitServe, int8 in batches",
}
PARTS = ("knee", "idle", "beyond", "table", "startup", "memory", "calls")
TEXTS = 500
BOUND_MS = 50.0
WARMUP = 300  # requests of 8 users before anything counts
ALONE = 500  # requests one after the other
USERS = 10  # of the textbook's table
BEYOND = 3.0  # times the knee
MEMORY = (1_000, 10_000, 100_000)
TOGETHER = 16  # texts that a thread of the model takes
LONG = 40  # sentences that a long text has at most
PATIENCE = 120.0  # seconds for a service to start
HERE = Path(__file__).resolve().parent


class Service:
    """A service in a process of its own.

    Args:
        command: that starts it.
        port: of it.
        place: folder for its output.

    Attributes:
        started: seconds from the start of the process to the first answer.
    """

    def __init__(self, command: Sequence[str], port: int, place: Path, request: bytes) -> None:
        self.port, self._log = port, place / f"{port}.log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, cwd=place, process_group=0,
                env={**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(HERE.parent)},
            )  # fmt: skip
        start = time.perf_counter()
        while not _answers(port, request):
            if self.process.poll() is not None or time.perf_counter() - start > PATIENCE:
                self.close()
                sys.exit(f"{' '.join(command)} does not answer\n{self._log.read_text(errors='replace')[-3000:]}")
            time.sleep(0.01)
        self.started = time.perf_counter() - start

    def processes(self) -> list[psutil.Process]:
        """Its process and the children of that."""
        first = psutil.Process(self.process.pid)
        return [first, *first.children(recursive=True)]

    def cpu_seconds(self) -> float:
        """That it has used so far."""
        return sum(sum(process.cpu_times()[:2]) for process in self.processes())

    def megabytes(self) -> float:
        """Its resident memory."""
        return sum(process.memory_info().rss for process in self.processes()) / 1e6

    def close(self) -> None:
        """End it and its children."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(10)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@dataclass(frozen=True)
class Bench:
    """What all parts share.

    Attributes:
        options: of the command line.
        texts: that are asked about.
        place: folder for output.
    """

    options: argparse.Namespace
    texts: Sequence[str]
    place: Path

    def requests(self, side: str, texts: Sequence[str] | None = None, seed: int = 0) -> Iterator[bytes]:
        """Requests about texts, in random order without end."""
        key = "input" if side in "ab" else "text"
        bodies = [json.dumps({key: text}).encode() for text in texts or self.texts]
        return open_loop.without_end([open_loop.whole_request("/predict", body) for body in bodies], seed)

    def command(self, side: str, port: int, *arguments: str) -> list[str]:
        """What starts a side."""
        torch, int8 = map(str, (self.options.run.resolve(), self.options.int8.resolve()))
        ours = [sys.executable, "-m", "nlpkit", "serve"]
        plain = [sys.executable, str(HERE / "services.py")]
        batched = [str(self.options.litserve_python), str(HERE / "litserve_service.py")]
        given = {
            "a": [*ours, int8, "--port", str(port)],
            "b": [*ours, torch, "--port", str(port)],
            "c": [*plain, "pipeline", torch, str(port)],
            "d": [*plain, "pipeline-async", torch, str(port)],
            "e": [*plain, "onnx", int8, str(port)],
            "f": [*batched, "pipeline", torch, str(port)],
            "g": [*batched, "onnx", int8, str(port)],
        }
        return [*given[side], *arguments]

    @contextlib.contextmanager
    def started(self, side: str, *arguments: str) -> Iterator[tuple[Service, Client]]:
        """A service that has answered `WARMUP` requests, and a client of it."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        service = Service(self.command(side, port, *arguments), port, self.place, next(self.requests(side)))
        client = Client(port)
        try:
            client.ask_in_turn(self.requests(side), 8, most=WARMUP)
            yield service, client
        finally:
            client.close()
            service.close()

    def load(self, side: str, client: Client, start_rate: float | None, seed: int) -> Load:
        """`nlpkit loadtest` with this client."""
        config = ScheduleOptions(
            seconds=self.options.seconds, p99_ms=BOUND_MS,
            start_rate=start_rate, warmup_seconds=0.5,
        )  # fmt: skip
        return Load(client, self.requests(side, seed=seed), config, np.random.default_rng(seed))  # type: ignore[arg-type]


def _answers(port: int, request: bytes) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 5) as connection:
            connection.sendall(request)
            return connection.recv(64).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


# --- 1. the highest rate ---


def knee(bench: Bench) -> dict[str, Any]:
    """The highest rate of each side with a 99th percentile of at most `BOUND_MS` and no errors."""
    print(f"\nknee: p99 of at most {BOUND_MS:g} ms, no errors, Poisson arrivals")
    found: dict[str, list[dict[str, Any]]] = {side: [] for side in bench.options.sides}
    for number, side in sides.in_turns(bench.options.sides, bench.options.rounds):
        with bench.started(side) as (service, client):
            full = client.ask_in_turn(bench.requests(side), 16, seconds=bench.options.seconds / 2)
            load = bench.load(side, client, 0.7 * full.rate, number)
            before, asked = service.cpu_seconds(), len(load.sent)
            search = load.search(load.alone())
            requests = sum(len(one.due) for one, _ in load.sent[asked:])
            cpu = 1e3 * (service.cpu_seconds() - before) / requests
        best = search.knee
        rate = best.rate if best is not None else 0.0
        found[side].append(
            {"rate": rate, "full": full.rate, "cpu_ms": cpu, "steps": [s.record() for s in search.steps]}
        )
        late, share = (best.late_p99_ms, best.client_cpu) if best is not None else (0.0, 0.0)
        print(
            f"  round {number + 1}, {SIDES[side]}: {rate:,.0f}/s; all that 16 users get {full.rate:,.0f}/s; "
            f"{cpu:.2f} ms of the CPU a request; the client late by {late:.1f} ms (p99), {100 * share:.0f} % of a core"
        )
    for side, runs in found.items():
        print(f"  {side} {SIDES[side]:<44} {sides.spread([run['rate'] for run in runs], 0)}/s")
    if "a" in found:
        for side, runs in found.items():
            pairs = list(zip(found["a"], runs, strict=True))
            if side != "a" and all(other["rate"] for _, other in pairs):
                print(f"  a over {side} {sides.spread([mine['rate'] / other['rate'] for mine, other in pairs])}")
    return found


# --- 2. one request on an idle server ---


def in_process(spec: Mapping[str, Any]) -> dict[str, Any]:
    """In a process of its own: `Predictor.answers`, a text a call."""
    from nlpkit.inference.predictor import TrainedModelOptions, open_predictor

    predictor = open_predictor(TrainedModelOptions(model=spec["run"]))
    reader = predictor.task.reader()
    (column,) = reader.input_columns
    rows = [{column: text} for text in spec["texts"]]
    taken = []
    for row in rows[:100] + rows:
        start = time.perf_counter()
        predictor.answers([row])
        taken.append(1e3 * (time.perf_counter() - start))
    return {"latency_ms": taken[100:]}


def idle(bench: Bench) -> dict[str, Any]:
    """One request after the other, beside a call of the model without a service."""
    print("\nidle: one request after the other, beside Predictor.answers in a process of its own")
    found: dict[str, list[dict[str, float]]] = {}
    for side, run in (("a", bench.options.int8), ("b", bench.options.run)):
        if side not in bench.options.sides:
            continue
        found[side] = []
        for number in range(bench.options.rounds):
            texts = [bench.texts[i] for i in np.random.default_rng(number).integers(len(bench.texts), size=ALONE)]
            spec = {"side": side, "run": str(run.resolve()), "texts": texts}
            pair: dict[str, np.ndarray] = {}
            for what in ("call", "request") if number % 2 == 0 else ("request", "call"):
                if what == "call":
                    pair[what] = np.array(sides.start(__file__, spec)["latency_ms"])
                    continue
                with bench.started(side) as (_, client):
                    bodies = (json.dumps({"input": text}).encode() for text in texts)
                    asked = (open_loop.whole_request("/predict", body) for body in bodies)
                    pair[what] = client.ask_in_turn(asked, 1, most=ALONE).latency_ms
            found[side].append(
                {
                    f"{what}_{name}": float(np.percentile(values, share))
                    for what, values in pair.items()
                    for name, share in (("p50", 50), ("p99", 99))
                }
            )
        print(f"  {SIDES[side]}, ms")
        for name in ("p50", "p99"):
            calls, requests = ([run[f"{what}_{name}"] for run in found[side]] for what in ("call", "request"))
            more = [request - call for call, request in zip(calls, requests, strict=True)]
            told = {"call": calls, "request": requests, "difference": more}
            print(f"    {name}: " + ", ".join(f"{what} {sides.spread(values)}" for what, values in told.items()))
    return found


# --- 7. how the model is called ---


def called(spec: Mapping[str, Any]) -> dict[str, Any]:
    """In a process of its own: texts a second of the thread, or threads, that a service has for a model."""
    from concurrent.futures import ThreadPoolExecutor

    from nlpkit.serving.options import ServiceOptions
    from nlpkit.serving.served import CPU_PADDING, ServedModel

    model = ServedModel.open("model", spec["run"], ServiceOptions(runs=[spec["run"]]), 4096)
    variant = model.variant({})
    units = model.prepared(variant, *model.keys(variant, spec["texts"]))
    takes = [units[start : start + TOGETHER] for start in range(0, len(units), TOGETHER)]
    cores = len(os.sched_getaffinity(0))
    ways: dict[str, tuple[int, int | None, int]] = {
        "all cores, one padded batch": (1, None, TOGETHER),
        "all cores, little padding": (1, CPU_PADDING, TOGETHER),
        "all cores, a text a call": (1, None, 1),
    }
    if spec["side"] == "a":
        ways |= {
            "a core each, one padded batch": (cores, None, TOGETHER),
            "a core each, little padding": (cores, CPU_PADDING, TOGETHER),
            "a core each, a text a call": (cores, None, 1),
        }
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _, name in sides.in_turns(list(ways), spec["rounds"] + 1):  # the first is for warming up
        callers, variant.predictor.batch_padding, variant.predictor.batch_size = ways[name]
        if spec["side"] == "a":
            model.predictor.model.compute_with(1 if callers > 1 else cores)
            list(model.computed(variant, takes[0]))
        with ThreadPoolExecutor(callers) as threads:
            start = time.perf_counter()
            list(threads.map(lambda take: list(model.computed(variant, take)), takes))
            found[name].append(len(units) / (time.perf_counter() - start))
    return {name: rates[1:] for name, rates in found.items()}


def calls(bench: Bench) -> dict[str, Any]:
    """Texts a second by how a model is called, without a service."""
    print(f"\ncalls: texts a second, {TOGETHER} that wait, by how the model is called")
    found = {}
    for side, run in (("a", bench.options.int8), ("b", bench.options.run)):
        if side not in bench.options.sides:
            continue
        spec = {"side": side, "run": str(run.resolve()), "texts": list(bench.texts), "rounds": bench.options.rounds}
        found[side] = sides.start(__file__, spec)
        for name, rates in found[side].items():
            print(f"  {SIDES[side]}, {name:<32} {sides.spread(rates, 0)}/s")
    return found


# --- 3. beyond the knee ---


def beyond(bench: Bench, knees: Mapping[str, Any] | None) -> dict[str, Any]:
    """`BEYOND` times the knee, with a queue that is short enough for answers in time."""
    queue = bench.options.max_queue_seconds
    print(f"\nbeyond: {BEYOND:g} times the knee, --max-queue-seconds {queue:g}")
    found: list[dict[str, Any]] = []
    for number in range(bench.options.rounds):
        with bench.started("a", "--max-queue-seconds", str(queue)) as (_, client):
            rate = knees["a"][number]["rate"] if knees and "a" in knees else 0.0
            if not rate:
                search = bench.load("a", client, None, number).search(bench.load("a", client, None, number).alone())
                rate = search.knee.rate if search.knee is not None else 0.0
            load = bench.load("a", client, None, number)
            (held,) = load.under(arrivals.constant(rate, load.options))
            (over,) = load.under(arrivals.constant(BEYOND * rate, load.options))
        found.append({"knee": held.record(), "beyond": over.record(), "share": over.goodput / held.goodput})
        print(f"  round {number + 1}: {_goodput(held)}; {_goodput(over)}")
    print(f"  goodput beyond over that at the knee {sides.spread([run['share'] for run in found])}, aim 0.95 at least")
    refusals = [(run["beyond"]["refusal_p50_ms"] or 0.0, run["beyond"]["refusal_p99_ms"] or 0.0) for run in found]
    for place, name in enumerate(("p50", "p99")):
        print(f"  refusals {name} {sides.spread([pair[place] for pair in refusals])} ms, aim 5 at most")
    return {"rounds": found}


def _goodput(figures: Figures) -> str:
    client = f"the client late by {figures.late_p99_ms:.1f} ms, {100 * figures.client_cpu:.0f} % of a core"
    refused = f"{100 * figures.refused_rate:.0f} % refused"
    return f"{figures.rate:,.0f}/s give {figures.goodput:,.0f}/s in time, {refused} ({client})"


# --- 4. the table of the textbook ---


def table(bench: Bench) -> dict[str, Any]:
    """Requests a second and mean response time of users who ask without a pause."""
    print(f"\ntable: {USERS} users without a pause, requests a second and mean response time")
    rows: dict[str, tuple[str, str]] = {"plain service": ("c", sys.executable)}
    if bench.options.clean_python is not None:
        rows["the same in a clean environment"] = ("c", str(bench.options.clean_python))
    else:
        print("  without a row for a clean environment: --clean-python names its python")
    rows["optimised backend: nlpkit serve, int8"] = ("a", sys.executable)
    found: dict[str, list[dict[str, float]]] = {name: [] for name in rows}
    for _, name in sides.in_turns(list(rows), bench.options.rounds):
        side, python = rows[name]
        with _another(bench, python).started(side) as (_, client):
            turns = client.ask_in_turn(bench.requests(side), USERS, seconds=bench.options.seconds)
        found[name].append({"rate": turns.rate, "mean_ms": float(turns.latency_ms.mean())})
    for name, runs in found.items():
        rate, mean = (sides.spread([run[what] for run in runs], 1) for what in ("rate", "mean_ms"))
        print(f"  {name:<40} {rate}/s, {mean} ms")
    return found


def _another(bench: Bench, python: str) -> Bench:
    """The same with the services of another environment."""
    if python == sys.executable:
        return bench

    class Elsewhere(Bench):
        def command(self, side: str, port: int, *arguments: str) -> list[str]:
            return [python, *super().command(side, port, *arguments)[1:]]

    return Elsewhere(bench.options, bench.texts, bench.place)


# --- 5. start-up, 6. memory ---


def startup(bench: Bench) -> dict[str, Any]:
    """Seconds from the start of the process to the first answer."""
    print("\nstartup: seconds from the start of the process to the first answer")
    found: dict[str, list[float]] = {side: [] for side in bench.options.sides}
    for _, side in sides.in_turns(bench.options.sides, bench.options.rounds):
        with bench.started(side) as (service, _):
            found[side].append(service.started)
    for side, seconds in found.items():
        print(f"  {side} {SIDES[side]:<44} {sides.spread(seconds)}")
    return found


def memory(bench: Bench) -> dict[str, Any]:
    """Resident memory over many requests of mixed lengths."""
    generator = np.random.default_rng(0)
    sizes = generator.geometric(0.3, TEXTS).clip(1, LONG)
    texts = [" ".join(generator.choice(bench.texts, size)) for size in sizes]
    most = [count for count in MEMORY if count <= bench.options.memory_requests]
    print(f"\nmemory: MB resident after so many requests, 16 users, texts of up to {max(map(len, texts)):,} characters")
    found = {}
    for side in [side for side in "ab" if side in bench.options.sides]:
        with bench.started(side) as (service, client):
            requests = bench.requests(side, texts)
            found[side] = {"start": service.megabytes()}
            for before, count in zip([0, *most], most, strict=False):
                client.ask_in_turn(requests, 16, most=count - before)
                found[side][f"{count:,}"] = service.megabytes()
        print(f"  {SIDES[side]}: " + ", ".join(f"{name} {value:,.0f}" for name, value in found[side].items()))
    return found


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("run", type=Path, help="a text classifier of finetune-cls")
    made.add_argument("int8", type=Path, help="the same one, of quantize")
    made.add_argument("--texts", type=Path, required=True, help="a file with a column text")
    made.add_argument("--parts", default=",".join(PARTS), help="what is measured (default: %(default)s)")
    made.add_argument("--sides", default=",".join(SIDES), help="of the knee and of the start-up (default: all)")
    made.add_argument("--rounds", type=int, default=3)
    made.add_argument("--seconds", type=float, default=8.0, help="at each rate (default: %(default)s)")
    made.add_argument("--max-queue-seconds", type=float, default=0.02, help="of part beyond (default: %(default)s)")
    made.add_argument("--memory-requests", type=int, default=MEMORY[-1])
    made.add_argument("--litserve-python", type=Path, help="of an environment with litserve")
    made.add_argument("--clean-python", type=Path, help="of an environment for the plain service alone")
    made.add_argument("--quick", action="store_true", help="one round, 3 seconds at each rate, 1,000 requests")
    made.add_argument("--json", type=Path, metavar="OUT", help="write everything that was measured")
    made.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    return made


def main() -> None:
    """Measure the parts that are asked for."""
    if sys.argv[1:2] == ["--child"]:
        sides.answer(Path(sys.argv[2]), lambda spec: (called if "rounds" in spec else in_process)(spec))
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the services end with it
    command = parser()
    options = command.parse_args()
    options.sides = sides.chosen(command, options.sides, SIDES)
    if unknown := set(options.parts.split(",")) - set(PARTS):
        command.error(f"--parts: there is no part {', '.join(sorted(unknown))}")
    if options.quick:
        options.rounds, options.seconds, options.memory_requests = 1, 3.0, MEMORY[0]
    if options.litserve_python is None:
        options.sides = [side for side in options.sides if not SIDES[side].startswith("LitServe")]
        print("without LitServe: --litserve-python names the python of an environment that has it (README.md)")
    read = pandas.read_parquet if options.texts.suffix == ".parquet" else pandas.read_csv
    rows = read(options.texts)["text"].tolist()
    texts = [rows[i] for i in np.random.default_rng(0).permutation(len(rows))[:TEXTS]]
    found: dict[str, Any] = {"environment": sides.environment("torch", "transformers", "onnxruntime", "fastapi")}
    words = np.array([len(text.split()) for text in texts])
    print(f"{len(texts)} texts of {words.min()} to {words.max()} words, median {np.median(words):.0f}")
    with tempfile.TemporaryDirectory() as place:
        bench = Bench(options, texts, Path(place))
        parts: dict[str, Callable[[], Any]] = {
            "knee": functools.partial(knee, bench),
            "idle": functools.partial(idle, bench),
            "beyond": lambda: beyond(bench, found.get("knee")),
            "table": functools.partial(table, bench),
            "startup": functools.partial(startup, bench),
            "memory": functools.partial(memory, bench),
            "calls": functools.partial(calls, bench),
        }
        for part in PARTS:
            if part in options.parts.split(","):
                found[part] = parts[part]()
    print(f"\nload average at the end {os.getloadavg()[0]:.2f}")
    if options.json:
        sides.write_json(options.json, found)


if __name__ == "__main__":
    main()
