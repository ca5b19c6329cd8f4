"""HTTP/1.1 by httptools, with a bound on how large headers are and how slowly they come."""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from collections.abc import Iterator
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from nlpkit.serving.metrics import NO_MODEL
from nlpkit.serving.refusals import Refusal

if TYPE_CHECKING:
    from nlpkit.serving.service import Service

HEADER_BYTES = 32_768  # of a request line and its headers
HEADER_SECONDS = 10.0  # in which these must have come
TOO_LARGE = Refusal("headers_too_large", f"the headers are larger than {HEADER_BYTES // 1024} kB")
NO_HTTP = Refusal("invalid_http", "this is no request of HTTP/1.1")


class GuardedProtocol(HttpToolsProtocol):
    """A connection whose requests must bring their headers whole, soon and short.

    Attributes:
        service: which counts and logs what is not even a request; of a class of its own, see `guarding`.
    """

    service: Service

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._header_bytes = 0
        self._in_body = False
        self._late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._wait_for_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if not self._in_body:
            self._header_bytes += len(data)
            if self._header_bytes > HEADER_BYTES and self._headers_alone(data):
                self._refuse(TOO_LARGE)
                return
        super().data_received(data)

    def send_400_response(self, msg: str) -> None:
        self._refuse(NO_HTTP)

    def _refuse(self, refusal: Refusal) -> None:
        """Answer what no route sees, and close the connection: where the next request would begin is not known."""
        made, status = uuid.uuid4().hex, HTTPStatus(refusal.status)
        body = json.dumps(refusal.body(made)).encode()
        head = (
            f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: application/json\r\nx-request-id: {made}\r\n"
            f"connection: close\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()
        self.service.metrics.requests.labels(NO_MODEL, NO_MODEL, str(refusal.status)).inc()
        self.service.metrics.errors.labels(NO_MODEL, refusal.kind).inc()
        self.service.log.write("request", id=made, status=refusal.status, error=refusal.kind)

    def _headers_alone(self, data: bytes) -> bool:
        """Whether the headers do not end within the bound: a body may come with them in one piece."""
        end = data.find(b"\r\n\r\n")
        return end < 0 or self._header_bytes - len(data) + end > HEADER_BYTES

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._wait_for_headers()

    def on_headers_complete(self) -> None:
        self._stop_waiting()
        self._in_body = True
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._in_body, self._header_bytes = False, 0

    def _wait_for_headers(self) -> None:
        self._stop_waiting()
        self._late = self.loop.call_later(HEADER_SECONDS, self._give_up)

    def _stop_waiting(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _give_up(self) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.close()


def guarding(service: Service) -> type[GuardedProtocol]:
    """The protocol of a service; uvicorn makes one of each connection."""

    class Guarding(GuardedProtocol):
        pass

    Guarding.service = service
    return Guarding


class Server(uvicorn.Server):
    """Uvicorn's server, whose signals are those of the lifecycle: it would close the door before all are answered."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """None."""
        yield
