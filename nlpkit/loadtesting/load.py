"""A service under load: waited for, asked one request after the other, loaded step by step."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nlpkit import reporting
from nlpkit.errors import RunError, UserError
from nlpkit.loadtesting import arrivals, figures, knee
from nlpkit.loadtesting.arrivals import Schedule, Window
from nlpkit.loadtesting.bodies import Served, models_of
from nlpkit.loadtesting.client import ANSWERED, CLOSED, NO_CONNECTION, TIMEOUT, Answer, Client, Requests
from nlpkit.loadtesting.figures import Figures
from nlpkit.loadtesting.options import LoadOptions, ScheduleOptions
from nlpkit.reporting import duration

PATIENCE = 0.2  # seconds between two looks at a service that is not ready
ALONE_SECONDS = 2.0  # of requests one after the other, at most
ALONE_REQUESTS = 500
UNAVAILABLE = 503
SAID = 300  # characters of what a service says that are repeated


@dataclass(frozen=True)
class Alone:
    """One request after the other: what the service takes for each when it has nothing else to do.

    Attributes:
        requests: how many.
        p50_ms, p99_ms: of their latencies.
    """

    requests: int
    p50_ms: float
    p99_ms: float

    def record(self) -> dict[str, Any]:
        """As JSON values."""
        return {"requests": self.requests, "p50_ms": round(self.p50_ms, 3), "p99_ms": round(self.p99_ms, 3)}


@dataclass
class Load:
    """Loads a service, and keeps what became of each request.

    Attributes:
        client: that sends.
        bodies: what it sends, without end.
        options: how requests arrive, and what an answer may take.
        generator: of arrivals.
        sent: the requests of each schedule with the windows that count, in order.
    """

    client: Client
    bodies: Iterator[bytes]
    options: ScheduleOptions
    generator: np.random.Generator
    sent: list[tuple[Requests, Sequence[Window]]] = field(default_factory=list)

    def alone(self) -> Alone:
        """Ask one request after the other.

        Raises:
            RunError: one is not answered.
        """
        latencies: list[float] = []
        end = time.monotonic() + min(ALONE_SECONDS, self.options.seconds)
        while len(latencies) < ALONE_REQUESTS and (time.monotonic() < end or not latencies):
            answer = self.client.ask(next(self.bodies))
            if answer.kind != ANSWERED:
                raise RunError(f"asked one request after the other, the service gave none an answer: {said(answer)}")
            latencies.append(answer.latency_ms)
        return Alone(len(latencies), *map(float, np.percentile(latencies, (50, 99))))

    def under(self, schedule: Schedule) -> list[Figures]:
        """The figures of each window of a schedule."""
        requests = self._send(schedule)
        return [figures.of([(requests, window)], self.options.p99_ms) for window in schedule.windows]

    def at(self, rate: float) -> Figures:
        """The figures of a rate.

        One that is missed by no more than chance may do is loaded once more, and the two are taken together; where
        this client was late, the second counts alone.
        """
        schedule = arrivals.constant(rate, self.options)
        (window,) = schedule.windows
        parts = [(self._send(schedule), window)]
        found = figures.of(parts, self.options.p99_ms)
        if found.verdict == "client" or found.doubtful(self.options.p99_ms):
            self._settle(found)
            before = [] if found.verdict == "client" else parts
            parts = [*before, (self._send(schedule), window)]
            found = figures.of(parts, self.options.p99_ms)
        if found.verdict != "held":
            self._settle(found)
        return found

    def search(self, alone: Alone) -> knee.Search:
        """Find the knee; the search begins at --start-rate, else at half of what one request after the other gives."""
        start = self.options.start_rate or knee.rounded(max(500 / alone.p50_ms, knee.LEAST_RATE))
        for rate in (start, self.options.max_rate):
            arrivals.require_bounded(arrivals.constant(min(rate, self.options.max_rate), self.options))

        def measure(rate: float) -> Figures:
            found = self.at(rate)
            reporting.current().note(told(found, self.options.p99_ms))
            return found

        return knee.find(measure, start, self.options.max_rate)

    def _send(self, schedule: Schedule) -> Requests:
        moments = schedule.moments(self.options.arrivals, self.generator)
        names = ", ".join(dict.fromkeys(window.name for window in schedule.windows[:1]))
        with reporting.current().progress(f"load {names}", len(moments), "requests") as bar:
            requests = self.client.send(moments, self.bodies, bar.advance)
        self.sent.append((requests, schedule.windows))
        return requests

    def _settle(self, found: Figures) -> None:
        """Wait until the service answers as one that has nothing else to do: the next rate is not to meet what is left
        of this one."""
        end = time.monotonic() + self.options.timeout_seconds
        while time.monotonic() < end:
            answer = self.client.ask(next(self.bodies))
            if answer.kind == ANSWERED and answer.latency_ms <= self.options.p99_ms:
                return
            time.sleep(PATIENCE)
        reporting.current().warn(
            f"the service has not recovered {duration(self.options.timeout_seconds)} after {found.name}: what follows "
            "is of a service that was not idle before"
        )


def served_by(client: Client, options: LoadOptions) -> list[Served] | None:
    """The models of a service of nlpkit, once it answers; None where it is another service.

    Raises:
        UserError: there is no service within --wait-seconds, or it refuses the key.
    """
    # while its models open a service of nlpkit has none to name
    ready = _patiently(lambda: client.look_up("/health/ready"), client, options)
    if ready.kind in (NO_CONNECTION, CLOSED, TIMEOUT) or ready.status == UNAVAILABLE:
        raise _absent(ready, client, options)
    answer = client.look_up("/v1/models")
    _refuse_key(answer)
    return models_of(answer.json()) if answer.kind == ANSWERED else None


def require_answer(client: Client, body: bytes, options: LoadOptions) -> Answer:
    """The answer to the first request, once the service is ready.

    Raises:
        UserError: it is not within --wait-seconds, or does not take the request.
    """
    answer = _patiently(lambda: client.ask(body), client, options)
    if answer.kind == ANSWERED:
        return answer
    if answer.kind in (NO_CONNECTION, CLOSED, TIMEOUT) or answer.status == UNAVAILABLE:
        raise _absent(answer, client, options)
    _refuse_key(answer)
    shown = body[:SAID].decode(errors="replace")
    raise UserError(f"{client.path}: the service does not take the first request: {said(answer)}", f"Sent was {shown}")


def said(answer: Answer) -> str:
    """What came of a request, with the reason that the service gives."""
    document = answer.json()
    reason: Any = answer.body.decode(errors="replace")
    if isinstance(document, dict):
        reason = document.get("reason", document.get("status", reason))
        error = document.get("error", document.get("detail", reason))
        reason = error.get("message", error) if isinstance(error, dict) else error
    text = " ".join(str(reason).split())
    shown = f"{text[:SAID]}…" if len(text) > SAID else text
    where = f"HTTP {answer.status}" if answer.status else answer.kind
    return f"{where}: {shown}" if shown else where


def told(found: Figures, p99_ms: float) -> str:
    """A step in a line."""
    why = {
        "held": "held",
        "slow": f"not held: p99 above {p99_ms:g} ms",
        "refused": f"not held: {found.refused:,} of {found.requests:,} refused",
        "errors": f"not held: {', '.join(f'{count:,} {kind}' for kind, count in found.errors.items())}",
        "client": f"no figure of the service: this client was late by {found.late_p99_ms:.1f} ms (p99)",
        "nothing": "nothing was due",
    }[found.verdict]
    p99 = "" if found.p99_ms is None else f"p99 {found.p99_ms:,.1f} ms, "
    return f"{found.name}: {p99}{why}"


def _patiently(ask: Any, client: Client, options: LoadOptions) -> Answer:
    """The answer of a service, which is asked again for --wait-seconds as long as it is not there or not ready."""
    end = time.monotonic() + options.wait_seconds
    told_of = False
    while True:
        answer: Answer = ask()
        ready = answer.kind not in (NO_CONNECTION, CLOSED) and answer.status != UNAVAILABLE
        if ready or time.monotonic() >= end:
            return answer
        if not told_of:
            reporting.current().note(f"waiting for {client.target.origin}: {said(answer)}")
            told_of = True
        time.sleep(PATIENCE)


def _absent(answer: Answer, client: Client, options: LoadOptions) -> UserError:
    waited = duration(options.timeout_seconds if answer.kind == TIMEOUT else options.wait_seconds)
    longer = "--timeout-seconds" if answer.kind == TIMEOUT else "--wait-seconds"
    return UserError(
        f"{client.target.origin}: no answer within {waited}: {said(answer)}",
        f"Is the service running, and ready? {longer} waits longer.",
    )


def _refuse_key(answer: Answer) -> None:
    if answer.status in (401, 403):
        raise UserError(
            f"the service wants a key: {said(answer)}",
            "Put it into the variable NLPKIT_API_KEY, or into a file: --api-key-file FILE.",
        )
