"""The client: it sends each request when it is due, whatever became of those before, and notes what comes of it.

Latency counts from the moment a request was due. A client that waits for an answer before it sends the next request
sends fewer while a service stalls, and its figures do not show the stall (coordinated omission). How late the client
itself was is noted too, as a figure of a client that is busy says nothing of the service.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import gc
import json
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self, TypeVar

import aiohttp
import numpy as np
from aiohttp.abc import AbstractResolver, ResolveResult

from nlpkit.errors import UserError
from nlpkit.loadtesting.options import ScheduleOptions
from nlpkit.loadtesting.target import Target

ANSWERED, REFUSED = "answered", "refused"
TIMEOUT, CLOSED, NO_CONNECTION, REDIRECT, BROKEN = (
    "timeout", "connection closed", "no connection", "redirect", "broken answer",
)  # fmt: skip
OVERLOADED = (429, 503)  # a service that refuses says so
KEPT_ALIVE = 4.0  # seconds of an idle connection: uvicorn closes one after 5, and the two would meet at times
LEAD = 0.02  # seconds from the decision to send until the first request is due
YIELDS = 32  # requests that are begun in one go by a client that is late, before it looks at answers
POLL = 0.25  # seconds between two words on the progress
MOST_READ = 2**20  # bytes of an answer that is looked at
LEFT_FILES = 64  # open files of this process besides connections

T = TypeVar("T")


@dataclass(frozen=True)
class Requests:
    """What became of the requests of a schedule; arrays of shape (requests,), in the order in which they were due.

    Attributes:
        due: seconds from the start of the schedule.
        late_ms: from then until this client began it.
        queued_ms: from then until it had a connection, so at least `late_ms`.
        latency_ms: from when it was due until its answer was read, or until it failed.
        status: of HTTP, 0 where there was none.
        kind: place in `kinds`.
        kinds: `ANSWERED`, `REFUSED`, and the errors that occurred.
        waited: whether all connections were taken when it was begun.
        cpu: share of a core that this process used.
    """

    due: np.ndarray
    late_ms: np.ndarray
    queued_ms: np.ndarray
    latency_ms: np.ndarray
    status: np.ndarray
    kind: np.ndarray
    kinds: Sequence[str]
    waited: np.ndarray
    cpu: float


@dataclass(frozen=True)
class Answer:
    """What came of one request that was sent alone.

    Attributes:
        kind: see `Requests`.
        status: of HTTP, 0 where there was none.
        body: the first `MOST_READ` bytes.
        latency_ms: until all of it was read.
    """

    kind: str
    status: int
    body: bytes
    latency_ms: float

    def json(self) -> Any:
        """The body as JSON; None where it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


class _Resolved(AbstractResolver):
    """Gives the addresses that were resolved before: no answer of a name server sends the load elsewhere later."""

    def __init__(self, target: Target) -> None:
        self.target = target

    async def resolve(self, host: str, port: int = 0, family: Any = 0) -> list[ResolveResult]:
        import socket

        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in self.target.addresses
        ]

    async def close(self) -> None:
        pass


class Client:
    """Sends requests from a thread of its own, so that it works where a loop runs already, as in a notebook.

    Args:
        target: the service.
        path: that is asked.
        options: how many connections, and until when an answer counts.
    """

    def __init__(self, target: Target, path: str, options: ScheduleOptions) -> None:
        self.target, self.path, self.options = target, path, options
        require_files(options.connections)
        self._loop = asyncio.new_event_loop()  # that of uvloop wakes up to a millisecond early
        self._thread = threading.Thread(target=self._loop.run_forever, name="load", daemon=True)
        self._session: aiohttp.ClientSession

    def __enter__(self) -> Self:
        self._thread.start()
        self._run(self._open())
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def ask(self, body: bytes) -> Answer:
        """One request, and nothing else at the time."""
        return self._run(self._ask("POST", self.path, body))

    def look_up(self, path: str) -> Answer:
        """What the service gives for a path (GET)."""
        return self._run(self._ask("GET", path, None))

    def send(
        self, moments: np.ndarray, bodies: Iterator[bytes], advance: Callable[[int], None] = lambda _: None
    ) -> Requests:
        """Send requests when they are due, and wait until each has its answer or has failed.

        Args:
            moments: see `Schedule.moments`.
            bodies: of the requests, as many or more.
            advance: is told how many more were begun.
        """
        sending = _Sending(self, moments, bodies)
        with _quiet_memory():
            self._run(sending.run(), lambda: advance(sending.newly_begun()))
        advance(sending.newly_begun())
        return sending.requests()

    def headers(self, body: bytes | None) -> dict[str, str]:
        """What is sent besides what every client sends."""
        key = {"Authorization": f"Bearer {self.target.key}"} if self.target.key else {}
        return {**key, **({"Content-Type": "application/json"} if body is not None else {})}

    async def _open(self) -> None:
        # connections are bounded before they are asked for, so that the wait for one is known
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=KEPT_ALIVE, resolver=_Resolved(self.target))
        self._session = aiohttp.ClientSession(
            connector=connector, cookie_jar=aiohttp.DummyCookieJar(), timeout=aiohttp.ClientTimeout(total=None)
        )

    async def _close(self) -> None:
        await self._session.close()

    async def _ask(self, method: str, path: str, body: bytes | None) -> Answer:
        start = time.perf_counter()
        read = bytearray()

        def passed() -> float:
            return (time.perf_counter() - start) * 1e3

        status = 0
        try:
            async with asyncio.timeout(self.options.timeout_seconds):
                async with self.request(method, self.target.at(path), body) as response:
                    status = response.status
                    while chunk := await response.content.readany():
                        read += chunk[: MOST_READ - len(read)]
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            return Answer(failure(error), status, bytes(read), passed())
        return Answer(kind_of(status), status, bytes(read), passed())

    def request(self, method: str, url: str, body: bytes | None) -> Any:
        """A request that is sent when it is entered; redirects are answers as any other, and not followed."""
        return self._session.request(method, url, data=body, headers=self.headers(body), allow_redirects=False)

    def _run(self, work: Coroutine[Any, Any, T], look: Callable[[], object] = lambda: None) -> T:
        """The result of what is done in the thread; an interrupt of this one ends it."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            while True:
                done, _ = concurrent.futures.wait([future], POLL)
                look()
                if done:
                    return future.result()
        except BaseException:
            future.cancel()
            raise


class _Sending:
    """The requests of one schedule under way."""

    def __init__(self, client: Client, moments: np.ndarray, bodies: Iterator[bytes]) -> None:
        self.client, self.moments, self.bodies = client, moments, bodies
        count = len(moments)
        self.begun = np.zeros(count)
        self.connected = np.full(count, np.nan)
        self.done = np.zeros(count)
        self.status = np.zeros(count, np.int16)
        self.kind = np.zeros(count, np.int16)
        self.waited = np.zeros(count, bool)
        self.kinds: dict[str, int] = {ANSWERED: 0, REFUSED: 1}
        self.cpu = 0.0
        self._count = self._told = 0

    def newly_begun(self) -> int:
        """How many were begun since this was asked last."""
        new, self._told = self._count - self._told, self._count
        return new

    async def run(self) -> None:
        """Begin each when it is due; ends when all have ended."""
        worked, began = time.process_time(), time.perf_counter()
        under_way: set[asyncio.Task[None]] = set()
        try:
            await self._begin_all(under_way)
            while under_way:
                await asyncio.wait(set(under_way))
        finally:
            for task in under_way:
                task.cancel()
        self.cpu = (time.process_time() - worked) / (time.perf_counter() - began)

    async def _begin_all(self, under_way: set[asyncio.Task[None]]) -> None:
        free = asyncio.Semaphore(self.client.options.connections)
        self.start = time.perf_counter() + LEAD
        for place, due in enumerate((self.start + self.moments).tolist()):
            body = next(self.bodies)
            if (wait := due - time.perf_counter()) > 0:
                await asyncio.sleep(wait)
            elif place % YIELDS == 0:
                await asyncio.sleep(0)
            task = asyncio.create_task(self._one(place, due, body, free))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
            self._count += 1

    async def _one(self, place: int, due: float, body: bytes, free: asyncio.Semaphore) -> None:
        self.begun[place] = now = time.perf_counter()
        try:
            async with asyncio.timeout(due + self.client.options.timeout_seconds - now):
                self.waited[place] = free.locked()
                async with free:
                    self.connected[place] = time.perf_counter()
                    kind = await self._answer(place, body)
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            kind = failure(error)
        self.done[place] = time.perf_counter()
        self.kind[place] = self.kinds.setdefault(kind, len(self.kinds))

    async def _answer(self, place: int, body: bytes) -> str:
        async with self.client.request("POST", self.client.target.at(self.client.path), body) as response:
            self.status[place] = response.status
            while await response.content.readany():  # an answer of any size takes no memory
                pass
            return kind_of(response.status)

    def requests(self) -> Requests:
        """What became of them."""
        due = self.start + self.moments
        never = np.isnan(self.connected)
        return Requests(
            due=self.moments,
            late_ms=(self.begun - due) * 1e3,
            queued_ms=(np.where(never, self.done, self.connected) - due) * 1e3,
            latency_ms=(self.done - due) * 1e3,
            status=self.status,
            kind=self.kind,
            kinds=tuple(self.kinds),
            waited=self.waited,
            cpu=self.cpu,
        )


def kind_of(status: int) -> str:
    """What a status of HTTP is counted as."""
    if 200 <= status < 300:
        return ANSWERED
    if status in OVERLOADED:
        return REFUSED
    return REDIRECT if 300 <= status < 400 else f"HTTP {status}"


def failure(error: BaseException) -> str:
    """What a request without a whole answer is counted as."""
    if isinstance(error, TimeoutError):
        return TIMEOUT
    if isinstance(error, aiohttp.ClientConnectorError):
        return NO_CONNECTION
    if isinstance(error, aiohttp.ClientPayloadError | aiohttp.ClientConnectionError | OSError):
        return CLOSED
    return BROKEN


def require_files(connections: int) -> None:
    """Let this process have as many connections as it may need.

    Raises:
        UserError: the system allows fewer open files.
    """
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    needed = connections + LEFT_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise UserError(
            f"--connections {connections}: this process may have {hard:,} open files",
            f"Give at most {max(hard - LEFT_FILES, 1):,}, or raise the limit (ulimit -n).",
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


@contextlib.contextmanager
def _quiet_memory() -> Iterator[None]:
    """Let the search for garbage pass over all that is there already: it stops this process for milliseconds."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
