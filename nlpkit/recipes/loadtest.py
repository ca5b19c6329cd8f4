"""Find how many requests a second a service holds, and what it does beyond. Prints figures;
--output writes them, plots and every request.

Requests are sent when they are due, whether or not earlier ones are answered, and latency counts from then: a stall
shows in all requests that it holds up. The highest rate with a p99 of at most --p99-ms, and no request refused or
failed, is the knee; then the service is loaded with 3 times as much. --rate, --ramp and --burst are fixed schedules.
Any service that answers JSON can be asked: name its path, and a request in --body.

Examples: nlpkit loadtest http://127.0.0.1:8000 --input questions.csv
nlpkit loadtest http://127.0.0.1:8000 --input texts.txt --rate 100 --fail-over p99_ms=50
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from nlpkit import reporting
from nlpkit.errors import UserError
from nlpkit.loadtesting import arrivals, bodies, gates, knee, locust_file, pictures, target, told, written
from nlpkit.loadtesting.arrivals import Schedule
from nlpkit.loadtesting.bodies import Asked
from nlpkit.loadtesting.client import Client
from nlpkit.loadtesting.figures import Figures
from nlpkit.loadtesting.load import Load, require_answer, served_by
from nlpkit.loadtesting.options import LoadOptions
from nlpkit.measurement import environment
from nlpkit.reporting import Report, counted
from nlpkit.runs import lock
from nlpkit.runs.folder import RunFolder, versions
from nlpkit.runs.plots import Plot

if TYPE_CHECKING:
    from nlpkit.loadtesting.in_process import Overhead

COMMAND = "loadtest"
ESSENTIAL: tuple[str, ...] = ("url", "input", "body", "p99_ms", "rate", "seconds", "output", "fail_over")


class Config(LoadOptions):
    """Options of `nlpkit loadtest`."""


@lock.given_back()
def run(config: Config) -> Report:
    """Load the service; returns the table of rates, the knee, what comes beyond, and which gates failed.

    Raises:
        UserError: there is no such service or it is not this machine's, the requests cannot be made, or it does not
            take them.
        RunError: it stops to answer before it is loaded.
    """
    config.refuse_unread()
    schedules = arrivals.fixed(config)
    checked = gates.of(config, searches=not schedules)
    if config.locust is not None:
        locust_file.require(config.locust, overwrite=config.overwrite)
    folder = None
    if config.output is not None:
        folder = RunFolder(config.output)
        folder.require_usable(resume=None, overwrite=config.overwrite)
    service = target.find(config)
    rows = bodies.read(config)
    columns = list(dict.fromkeys(name for row in rows for name in row))
    generator = np.random.default_rng(config.seed)
    with Client(service, service.path, config) as client:
        # a path and a template of the user's say all; else the service is asked what it takes
        served = None if config.body is not None and service.path else served_by(client, config)
        asked = bodies.asked_of(served, service.path, config, columns)
        sent = bodies.made(asked, rows)
        if config.locust is not None:
            return _locust(config, service, asked, sent)
        client.path = asked.path
        load = Load(client, bodies.in_turn(sent, config.order, generator), config, generator)
        reporting.current().plan("plan", _plan(config, asked, sent, folder))
        require_answer(client, sent[0], config)
        overhead = None if config.in_process is None else _overhead(load, asked, config.in_process)
        tested = _fixed(load, schedules) if schedules else _searched(load, config)
    if overhead is not None:
        record = {**tested.record, "in_process": overhead.record()}
        tested = replace(tested, lines=[*tested.lines, overhead.line()], record=record)
    return _report(config, asked, tested, load, folder, checked)


@dataclass(frozen=True)
class Tested:
    """What a service was put through.

    Attributes:
        steps: a row of the table each, in its order.
        metrics: by window, or of `knee` and `beyond`.
        lines: what is said of it.
        record: what only some load tests have.
        marks: see `told.table`.
        failure: why it is none; empty where it is one.
    """

    steps: Sequence[Figures]
    metrics: Mapping[str, Mapping[str, Any]]
    lines: Sequence[str]
    record: Mapping[str, Any]
    marks: Mapping[int, str]
    failure: str = ""


def _overhead(load: Load, asked: Asked, run: str) -> Overhead:
    """What HTTP costs over asking the model in this process.

    Raises:
        UserError: the service is not asked for answers in the form of nlpkit.
    """
    from nlpkit.loadtesting import in_process

    if asked.path.rpartition("/")[2] != "predict" or "input" not in asked.template:
        raise UserError(f"--in-process: {asked.path} is no /predict of nlpkit", "Leave it out.")
    return in_process.compare(load.client, load.bodies, run)


def _searched(load: Load, config: Config) -> Tested:
    """Find the knee, and load the service with --beyond times as much."""
    alone = load.alone()
    found = load.search(alone)
    beyond = None
    if found.knee is not None and config.beyond:
        rate = knee.rounded(config.beyond * found.knee.rate)
        (beyond,) = load.under(arrivals.constant(rate, config))
    steps = sorted(found.steps, key=lambda step: step.rate)
    marks = {place: "knee" for place, step in enumerate(steps) if step is found.knee}
    of_knee: dict[str, Any] = {"knee": None}
    metrics = {"knee": of_knee}
    if found.knee is not None:
        of_knee |= {"knee": found.knee.rate, **_metrics(found.knee)}
        if beyond is not None:
            share = beyond.goodput / found.knee.goodput if found.knee.goodput else 0.0
            metrics["beyond"] = {**_metrics(beyond), "goodput_share": share}
    record = {
        "alone": alone.record(),
        "knee": found.knee and found.knee.record(),
        "missed": found.missed and found.missed.record(),
        "bound_by": found.bound_by,
        "beyond": beyond and beyond.record(),
    }
    rows = [*steps, *([beyond] if beyond else [])]
    if beyond is not None:
        marks[len(steps)] = f"{config.beyond:g} times the knee"
    lines = told.of_search(found, beyond, alone, config.p99_ms)
    return Tested(rows, metrics, lines, record, marks, "" if found.knee else "no rate is held")


def _fixed(load: Load, schedules: Sequence[Schedule]) -> Tested:
    """Load the service as --rate, --ramp or --burst say."""
    steps = [step for schedule in schedules for step in load.under(schedule)]
    answered = any(step.answered for step in steps)
    metrics = {step.name: _metrics(step) for step in steps}
    return Tested(steps, metrics, [], {}, {}, "" if answered else "no request was answered")


def _metrics(step: Figures) -> dict[str, Any]:
    record = step.record()
    return {name: record[name] for name in gates.OF_WINDOW}


def _plan(config: Config, asked: Asked, sent: Sequence[bytes], folder: RunFolder | None) -> list[tuple[str, str]]:
    """What is about to be sent, where to, and how."""
    length = sum(map(len, sent)) / len(sent)
    fixed = [
        *([f"{', '.join(map(arrivals.per_second, config.rate))}"] if config.rate else []),
        *([f"from {config.ramp.replace(':', ' to ')} requests a second"] if config.ramp else []),
        *([f"{config.burst.replace(':', ' requests a second, in the middle ')}"] if config.burst else []),
    ]
    how = fixed[0] if fixed else f"the highest with p99 <= {config.p99_ms:g} ms and no request refused or failed"
    client = f"at most {config.connections:,} connections, {config.timeout_seconds:g} s for an answer"
    return [
        ("service", f"{config.url}, {asked.path}{f' ({asked.model})' if asked.model else ''}"),
        ("requests", f"{counted(len(sent), 'text', 'texts')} in turn ({config.order}), {length:,.0f} bytes on average"),
        ("rate", f"{how}; {config.seconds:g} s each behind {config.warmup_seconds:g} s, arrivals {config.arrivals}"),
        ("client", client),
        *([("output", str(folder.path))] if folder else []),
    ]


def _locust(config: Config, service: target.Target, asked: Asked, sent: Sequence[bytes]) -> Report:
    assert config.locust is not None
    locust_file.write(config.locust, service, asked.path, sent, overwrite=config.overwrite)
    beside = config.locust.with_suffix(locust_file.BODIES)
    record = {"command": COMMAND, "url": config.url, "path": asked.path, "locust": str(config.locust)}
    lines = [f"{config.locust}, with {counted(len(sent), 'request', 'requests')} in {beside}; nothing was sent"]
    run = f"locust -f {reporting.typed(config.locust)} --headless --users 100 --spawn-rate 100 --run-time 60s"
    return Report({**record, "output": str(config.locust)}, [], lines, next_command=run)


def _report(
    config: Config, asked: Asked, tested: Tested, load: Load, folder: RunFolder | None, checked: Sequence[gates.Gate]
) -> Report:
    """What is said of a load test, and written where a folder is named."""
    failures = gates.failures(checked, tested.metrics)
    record = {
        "command": COMMAND,
        "config": config.record(),
        "url": config.url,
        "path": asked.path,
        "model": asked.model,
        "p99_ms": config.p99_ms,
        "metrics": tested.metrics,
        "windows": [step.record() for step in tested.steps],
        **tested.record,
    }
    lines = [*tested.lines, *told.doubts(tested.steps, config.p99_ms, config.connections)]
    if folder is not None:
        _write(folder, record, tested, load, config)
        lines.append(f"written to {folder.path}: {written.FIGURES}, {written.REQUESTS}, plots/")
    record |= {"output": str(folder.path) if folder else None, "failures": failures}
    failure = "; ".join([*([tested.failure] if tested.failure else []), *failures])
    table = told.table(tested.steps, config.p99_ms, tested.marks)
    return Report(record, [table], [*lines, *failures], exit_code=1 if failure else 0, failure=failure)


def _write(folder: RunFolder, record: Mapping[str, Any], tested: Tested, load: Load, config: Config) -> None:
    record = {**record, "versions": versions(), "environment": environment.describe(torch=False)}
    drawings: dict[str, Plot] = {}
    if len({step.rate for step in tested.steps}) > 2:
        found = next((tested.steps[place] for place, mark in tested.marks.items() if mark == "knee"), None)
        drawings["latency"] = pictures.latency(tested.steps, config.p99_ms, found)
        drawings["goodput"] = pictures.goodput(tested.steps, config.p99_ms, found)
    requests, windows = load.sent[-1]
    if config.ramp or config.burst or len(config.rate) == 1 or tested.record.get("beyond"):
        start, end = windows[0].start, windows[-1].end
        drawings["over_time"] = pictures.over_time(requests, start, end, config.p99_ms)
    folder.start({"command": COMMAND, "config": config.record()}, overwrite=config.overwrite, resume=False)
    with folder.staging() as staged:
        written.write_figures(tested.steps, staged)
        written.write_requests(load.sent, staged)
        written.draw(drawings, staged)
        folder.finish(record, staged, keep_checkpoints=False)
