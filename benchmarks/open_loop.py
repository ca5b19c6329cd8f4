"""A client that costs little of the two cores which it shares with the service that it loads.

`nlpkit loadtest` has the figures and the search for the knee, which `serve.py` uses; its client is one for any address
and any answer. This one knows that requests are whole before it starts and that answers come over loopback, so that a
request costs it a tenth of a millisecond and less: each connection is a protocol of asyncio that writes bytes which
were made beforehand, and reads no more of an answer than its status. Latency counts from when a request was due.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import httptools
import numpy as np
import uvloop

from nlpkit.loadtesting.client import ANSWERED, CLOSED, REFUSED, TIMEOUT, Answer, Requests, kind_of

LEAD_SECONDS = 0.02  # before the first request
TIMEOUT_SECONDS = 10.0  # after the last was due, for all that are not answered
READY = 32  # connections that are open before the first request
TICK_SECONDS = 0.001  # of the timers of the loop: a shorter one would be no wait, and take a core from the service

Done = Callable[[str, int], None]  # what became of a request, and the status of HTTP


class Connection(asyncio.Protocol):
    """A connection that is kept alive, with one request at a time."""

    def __init__(self) -> None:
        self.done: Done | None = None
        self.closed = False

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.parser = httptools.HttpResponseParser(self)

    def send(self, request: bytes, done: Done) -> None:
        """Send a request; `done` is called once."""
        self.done = done
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_message_complete(self) -> None:
        if not self.parser.should_keep_alive():
            self.closed = True
            self.transport.close()
        status = self.parser.get_status_code()
        self._finish(kind_of(status), status)

    def connection_lost(self, error: Exception | None) -> None:
        self.closed = True
        self._finish(CLOSED, 0)

    def _finish(self, kind: str, status: int) -> None:
        done, self.done = self.done, None
        if done is not None:
            done(kind, status)


class Client:
    """Connections to one address, the one that was used last first; `loadtesting.load.Load` takes it for its client.

    Args:
        port: on loopback.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self.free: list[Connection] = []
        self._runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)

    def send(self, moments: np.ndarray, requests: Iterator[bytes], advance: object = None) -> Requests:
        """Send each request when it is due, whatever became of those before, and wait for all answers.

        Args:
            moments: seconds from the start, ascending.
            requests: whole ones, as many as moments or more.
            advance: nothing is told while it goes on.
        """
        return self._runner.run(self._send(moments, requests))

    def ask(self, request: bytes) -> Answer:
        """One request, and nothing else at the time."""
        turns = self.ask_in_turn(iter([request]), 1, most=1)
        return Answer(turns.kinds[0], 0, b"", float(turns.latency_ms[0]))

    def ask_in_turn(
        self, requests: Iterator[bytes], users: int, *, seconds: float = math.inf, most: float = math.inf
    ) -> Turns:
        """So many users ask, each the next request as soon as the last is answered.

        Args:
            requests: whole ones, as many as are asked for.
            users: connections.
            seconds: after which no more is asked.
            most: requests, after which no more is asked.
        """
        return self._runner.run(self._ask_in_turn(requests, users, seconds, most))

    def close(self) -> None:
        """Close all connections."""
        for connection in self.free:
            connection.transport.close()
        self.free.clear()
        self._runner.close()

    async def open(self, count: int = READY) -> None:
        """Have so many connections free."""
        await asyncio.sleep(0.01)  # to be told which the service has closed meanwhile
        self.free = [connection for connection in self.free if not connection.closed]
        while len(self.free) < count:
            self.free.append(await self.connected())

    async def connected(self) -> Connection:
        """A new connection."""
        _, connection = await asyncio.get_running_loop().create_connection(Connection, "127.0.0.1", self.port)
        return connection

    def taken(self) -> Connection | None:
        """A free connection; None where there is none."""
        while self.free:
            connection = self.free.pop()
            if not connection.closed:
                return connection
        return None

    # --- when requests are due ---

    async def _send(self, moments: np.ndarray, requests: Iterator[bytes]) -> Requests:
        await self.open()
        count = len(moments)
        # lists, as an entry of an array takes longer to write
        self.late, self.queued, self.ended = [0.0] * count, [0.0] * count, [0.0] * count
        self.status, self.kind, self.waited = [0] * count, [0] * count, [False] * count
        self.kinds = {ANSWERED: 0, REFUSED: 1}
        self.left, self.all_done = count, asyncio.Event()
        opening: set[asyncio.Task[None]] = set()
        gc.collect()
        gc.freeze()
        worked, began = time.process_time(), time.perf_counter()
        start = began + LEAD_SECONDS
        for place, due in enumerate((start + moments).tolist()):
            request = next(requests)
            while (wait := due - time.perf_counter()) > 0:
                await asyncio.sleep(max(wait, TICK_SECONDS))
            connection = self.taken()
            now = time.perf_counter()
            self.late[place] = self.queued[place] = now - due
            if connection is not None:
                self._begin(connection, request, place)
            else:
                self.waited[place] = True
                task = asyncio.ensure_future(self._begin_anew(request, place, due))
                opening.add(task)
                task.add_done_callback(opening.discard)
        try:
            await asyncio.wait_for(self.all_done.wait(), TIMEOUT_SECONDS)
        except TimeoutError:
            for place, ended in enumerate(self.ended):
                if not ended:
                    self._note(place, TIMEOUT, 0)
        cpu = (time.process_time() - worked) / (time.perf_counter() - began)
        gc.unfreeze()
        return Requests(
            due=moments,
            late_ms=np.array(self.late) * 1e3,
            queued_ms=np.array(self.queued) * 1e3,
            latency_ms=(np.array(self.ended) - start - moments) * 1e3,
            status=np.array(self.status, np.int16),
            kind=np.array(self.kind, np.int16),
            kinds=tuple(self.kinds),
            waited=np.array(self.waited),
            cpu=cpu,
        )

    def _begin(self, connection: Connection, request: bytes, place: int) -> None:
        def done(kind: str, status: int) -> None:
            self._note(place, kind, status)
            if not connection.closed:
                self.free.append(connection)

        connection.send(request, done)

    async def _begin_anew(self, request: bytes, place: int, due: float) -> None:
        try:
            connection = await self.connected()
        except OSError:
            self._note(place, CLOSED, 0)
            return
        self.queued[place] = time.perf_counter() - due
        self._begin(connection, request, place)

    def _note(self, place: int, kind: str, status: int) -> None:
        if self.ended[place]:
            return  # it was given up before
        self.ended[place] = time.perf_counter()
        self.kind[place] = self.kinds.setdefault(kind, len(self.kinds))
        self.status[place] = status
        self.left -= 1
        if not self.left:
            self.all_done.set()

    # --- users who wait for an answer before they ask again ---

    async def _ask_in_turn(self, requests: Iterator[bytes], users: int, seconds: float, most: float) -> Turns:
        await self.open(users)
        latencies: list[float] = []
        kinds: list[str] = []
        ending, left = asyncio.Event(), users
        worked, began = time.process_time(), time.perf_counter()
        numbers = itertools.count(1)

        def ask(connection: Connection) -> None:
            nonlocal left
            start = time.perf_counter()

            def done(kind: str, _: int) -> None:
                latencies.append(time.perf_counter() - start)
                kinds.append(kind)
                ask(connection)

            if start - began < seconds and next(numbers) <= most and not connection.closed:
                connection.send(next(requests), done)
                return
            self.free.append(connection)
            left -= 1
            if not left:
                ending.set()

        for connection in [self.free.pop() for _ in range(users)]:
            ask(connection)
        await ending.wait()
        passed = time.perf_counter() - began
        return Turns(np.array(latencies) * 1e3, kinds, passed, (time.process_time() - worked) / passed)


@dataclass(frozen=True)
class Turns:
    """What users saw who asked in turn.

    Attributes:
        latency_ms: of each request, in the order of the answers.
        kinds: what became of each.
        seconds: in all.
        cpu: share of a core that the client used.
    """

    latency_ms: np.ndarray
    kinds: list[str]
    seconds: float
    cpu: float

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.kinds.count(ANSWERED) / self.seconds


def whole_request(path: str, body: bytes) -> bytes:
    """The bytes of a request to a service on loopback."""
    return b"POST %s HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (
        path.encode(),
        len(body),
        body,
    )


def without_end(requests: Sequence[bytes], seed: int) -> Iterator[bytes]:
    """Requests in random order, each pass over all of them in another."""
    generator = np.random.default_rng(seed)
    while True:
        for place in generator.permutation(len(requests)).tolist():
            yield requests[place]
