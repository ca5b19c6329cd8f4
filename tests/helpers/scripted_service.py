"""A small HTTP server on this machine that does what a script says: waits, refuses, fails, breaks off, redirects."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

MODELS = {
    "object": "list",
    "data": [
        {
            "id": "sst2",
            "object": "model",
            "owned_by": "nlpkit",
            "task": "text-classification",
            "form": {"inputs": [{"name": "text"}], "routes": ["predict"]},
        }
    ],
}


@dataclass(frozen=True)
class Request:
    """What came in; `moment` in seconds from when the service began, `number` among all that came by POST."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    moment: float
    number: int


@dataclass(frozen=True)
class Reply:
    """What goes out: after `delay` seconds, and nothing at all where `close` breaks off instead."""

    delay: float = 0.0
    status: int = 200
    body: bytes = b'{"answers": []}'
    headers: tuple[tuple[str, str], ...] = ()
    close: bool = False


Script = Callable[[Request], Reply]


@dataclass
class Service:
    """A service that runs.

    Attributes:
        url: its address.
        requests: that came by POST, in order.
        connections: that were opened.
    """

    script: Script
    models: dict[str, object] | None
    starts: float = 0.0
    url: str = ""
    requests: list[Request] = field(default_factory=list)
    connections: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while await self._answer(reader, writer):
                pass
        writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        method, path, _ = head[0].split(" ")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        request = Request(method, path, headers, body, time.perf_counter() - self.began, len(self.requests))
        if method == "GET":
            reply = self._looked_up(path, request.moment)
        else:
            self.requests.append(request)
            reply = self.script(request)
        if reply.delay:
            await asyncio.sleep(reply.delay)
        if reply.close:
            return False
        lines = [f"HTTP/1.1 {reply.status} X", f"Content-Length: {len(reply.body)}", "Content-Type: application/json"]
        lines += [f"{name}: {value}" for name, value in reply.headers]
        writer.write("\r\n".join([*lines, "", ""]).encode() + reply.body)
        await writer.drain()
        return True

    def _looked_up(self, path: str, moment: float) -> Reply:
        ready = moment >= self.starts
        if self.models is not None and path == "/v1/models":
            return Reply(body=json.dumps(self.models if ready else {"object": "list", "data": []}).encode())
        if self.models is not None and path == "/health/ready" and not ready:
            return Reply(status=503, body=b'{"status": "starting", "reason": "the models are being opened"}')
        return Reply(status=404)

    async def run(self, ready: threading.Event) -> None:
        self.began = time.perf_counter()
        server = await asyncio.start_server(self.serve, "127.0.0.1", 0, backlog=1024)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        ready.set()
        async with server:
            await server.serve_forever()


@contextlib.contextmanager
def scripted(script: Script, models: dict[str, object] | None = MODELS, starts: float = 0.0) -> Iterator[Service]:
    """A service in a thread of its own.

    Args:
        script: what it answers to a POST; called in the order in which requests come.
        models: what it answers to `GET /v1/models`; None: 404, as other services do.
        starts: seconds in which it has no model yet.
    """
    service, ready, loop = Service(script, models, starts), threading.Event(), asyncio.new_event_loop()

    def work() -> None:
        asyncio.set_event_loop(loop)
        with contextlib.suppress(asyncio.CancelledError):
            loop.run_until_complete(main)
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()

    main = loop.create_task(service.run(ready))
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    ready.wait()
    try:
        yield service
    finally:
        loop.call_soon_threadsafe(main.cancel)
        thread.join(5)


def queue(seconds: float, patience: float = float("inf")) -> Script:
    """A service that takes so many seconds for each request, one after the other, and refuses those that would wait
    for more than `patience`."""
    busy_until = 0.0

    def answer(request: Request) -> Reply:
        nonlocal busy_until
        wait = max(busy_until - request.moment, 0.0)
        if wait > patience:
            return Reply(
                status=429, body=b'{"error": {"message": "the queue is full"}}', headers=(("Retry-After", "1"),)
            )
        busy_until = max(busy_until, request.moment) + seconds
        return Reply(delay=busy_until - request.moment)

    return answer
