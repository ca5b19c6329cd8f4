"""What every request passes before a route sees it: its id, its key, its size, and whether there is room for it."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import re
import time
import uuid
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from nlpkit.serving.metrics import NO_MODEL
from nlpkit.serving.refusals import Refusal
from nlpkit.serving.service import is_loopback

if TYPE_CHECKING:
    from nlpkit.serving.service import Service

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_PLAIN = re.compile(rb"[A-Za-z0-9._-]{1,128}")
OPEN = ("/health/", "/docs", "/page/")  # ways that need no key where they are read; "/" is another
# What a browser may do with an answer: nothing but show it.
SAFE = {b"x-content-type-options": b"nosniff", b"cache-control": b"no-store"}


FAILED = Refusal("internal", "the service failed; its log tells why, by this request_id")


class Doors:
    """The outermost part of the application: every answer and refusal goes out here, is counted and logged.

    Args:
        app: with the routes.
        service: what it serves.
    """

    def __init__(self, app: App, service: Service) -> None:
        self.app, self.service = app, service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "websocket":  # there are none
                await send({"type": "websocket.close", "code": 1000})
                return
            await self.app(scope, receive, send)
            return
        visit = Visit(self.service, scope, receive, send)
        try:
            self._admit(visit)
            # the server itself sends no body where it was asked for the head alone
            asked = {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope
            await self.app(asked, visit.receive, visit.send)
        except Refusal as refusal:
            await visit.refuse(refusal)
        except asyncio.CancelledError:
            visit.failed = "gone"
            raise
        except Exception as error:
            self.service.log.write("error", id=visit.id, error=f"{type(error).__name__}: {error}"[:500])
            await visit.refuse(FAILED)
        finally:
            visit.close()

    def _admit(self, visit: Visit) -> None:
        """Refuse what needs no look at the body: at a time of too much work that must be cheap.

        Raises:
            Refusal: the request is not let in.
        """
        service, path = self.service, visit.scope["path"]
        working = visit.scope["method"] == "POST"
        if service.only_local and not _is_local(visit.headers.get(b"host", b"")):
            raise Refusal("wrong_host", "the service is for this machine: ask for localhost (or start it with --host)")
        is_open = not working and (path == "/" or path.startswith(OPEN))
        if service.keys and not is_open and not _holds(visit.headers, service.keys):
            raise Refusal("unauthorized", "send a key of this service: Authorization: Bearer KEY")
        if not working:
            return
        if service.status in ("starting", "draining"):
            raise Refusal(service.status, service.reason, retry_after=service.retry_after)
        service.require_room()
        most = service.limits.max_body_mb * 1e6
        length = visit.headers.get(b"content-length", b"0")
        if length.isdigit() and int(length) > most:
            raise _too_large(int(length), most)
        visit.admitted = True
        service.open_requests += 1


class Visit:
    """One request on its way through.

    Attributes:
        id: of the request: the client's own, where it is a plain one.
        model, route: what it was about, as far as a route has said.
        failed: the kind of the refusal; empty where there was none.
        start, began: when it came, by `time.perf_counter` and by the clock.
        noted: what the log is told besides.
        admitted: whether it counts among the requests that the service has to answer.
    """

    def __init__(self, service: Service, scope: Scope, receive: Receive, send: Send) -> None:
        self.service, self.scope = service, scope
        self._receive, self._send = receive, send
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        given = self.headers.get(b"x-request-id", b"")
        self.id = given.decode() if _PLAIN.fullmatch(given) else uuid.uuid4().hex
        self.model, self.route, self.status, self.failed = NO_MODEL, scope["method"], 0, ""
        self.noted: dict[str, Any] = {}
        self.admitted = False
        self.start, self.began = time.perf_counter(), time.time()
        self._read = 0
        self._arrived = False
        scope["visit"] = self

    async def receive(self) -> MutableMapping[str, Any]:
        """The next part of the body, which must come in time and not be too large."""
        if self._arrived:
            return await self._receive()
        left = self.start + self.service.limits.body_seconds - time.perf_counter()
        try:
            async with asyncio.timeout(max(left, 0.001)):
                message = await self._receive()
        except TimeoutError:
            raise Refusal("slow_body", f"the body did not arrive in {self.service.limits.body_seconds:g} s") from None
        if message["type"] == "http.request":
            self._read += len(message.get("body", b""))
            if self._read > self.service.limits.max_body_mb * 1e6:
                raise _too_large(self._read, self.service.limits.max_body_mb * 1e6)
            self._arrived = not message.get("more_body", False)
        return message

    async def send(self, message: MutableMapping[str, Any]) -> None:
        """Pass an answer on, with the headers that all have."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            given = dict(message["headers"])
            added = {name: value for name, value in SAFE.items() if name not in given}
            taken = (
                f"total;dur={1000 * (time.perf_counter() - self.start):.2f}"  # milliseconds, for the page and proxies
            )
            own = [(b"x-request-id", self.id.encode()), (b"server-timing", taken.encode())]
            if self._unread:
                await self._take_body()
            if self._unread:
                own.append((b"connection", b"close"))  # what is left of the body would be taken for the next request
            message["headers"] = [*message["headers"], *own, *added.items()]
        await self._send(message)

    async def refuse(self, refusal: Refusal) -> None:
        """Answer with a refusal, where nothing was answered yet."""
        self.failed = refusal.kind
        if self.status or refusal.kind == "gone":
            return
        await self.response_to(refusal)(self.scope, self._receive, self.send)

    @property
    def _unread(self) -> bool:
        """Whether there is a body that was not read to its end."""
        return not self._arrived and (
            b"transfer-encoding" in self.headers or self.headers.get(b"content-length", b"0") != b"0"
        )

    async def _take_body(self) -> None:
        """Take in a body that is there already, so that its connection stays: a new one costs more than a refusal."""
        if b"expect" in self.headers:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0):  # ends at the first wait
                message: MutableMapping[str, Any] = {"type": "http.request", "more_body": True}
                while message["type"] == "http.request" and message.get("more_body", False):
                    message = await self._receive()
                self._arrived = message["type"] == "http.request"

    def response_to(self, refusal: Refusal) -> Response:
        """The answer to a request that a route refuses."""
        self.failed = refusal.kind
        body = json.dumps(refusal.body(self.id))
        return Response(body, refusal.status, refusal.headers, "application/json")

    def close(self) -> None:
        """Count and log the request."""
        seconds = time.perf_counter() - self.start
        self.service.open_requests -= self.admitted
        metrics, status = self.service.metrics, self.status or 499
        metrics.requests.labels(self.model, self.route, str(status)).inc()
        metrics.seconds.labels(self.model, self.route).observe(seconds)
        if self.failed:
            metrics.errors.labels(self.model, self.failed).inc()
        if self.failed in ("overloaded", "draining", "starting", "failing"):
            metrics.refused.labels(self.failed).inc()
        if self.scope["path"].startswith("/health/") or (status < 400 and self.scope["method"] in ("GET", "HEAD")):
            return  # they are counted, and would drown the rest
        self.service.log.write(
            "request",
            id=self.id,
            method=self.scope["method"],
            path=self.scope["path"],
            status=status,
            ms=round(1000 * seconds, 2),
            model=None if self.model == NO_MODEL else self.model,
            error=self.failed or None,
            **self.noted,
        )


def _too_large(size: int, most: float) -> Refusal:
    return Refusal("too_large", f"the body has {size / 1e6:,.1f} MB, and may have {most / 1e6:g} (--max-body-mb)")


def _is_local(host: bytes) -> bool:
    """Whether a Host header names this machine: another name that leads here is a page of somebody else's, by whose
    script a browser asks."""
    name = host.decode("latin-1")
    name = (name if name.endswith("]") else name.rsplit(":", 1)[0]).strip("[]")
    return not name or is_loopback(name)


def _holds(headers: MutableMapping[bytes, bytes], keys: Sequence[bytes]) -> bool:
    """Whether one of the keys was sent; how much of it is right takes no longer to be found wrong."""
    given = headers.get(b"authorization", b"").removeprefix(b"Bearer ").strip() or headers.get(b"x-api-key", b"")
    found = False
    for key in keys:
        found |= hmac.compare_digest(given, key)
    return found
