"""A service in this process, and requests to it."""

from __future__ import annotations

import asyncio
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nlpkit.serving import lifecycle
from nlpkit.serving.options import ServiceOptions
from nlpkit.serving.service import Service


@dataclass
class Answered:
    """What came back."""

    status: int
    headers: dict[str, str]
    raw: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.raw)

    @property
    def error(self) -> Any:
        return self.json["error"]


@dataclass
class Client:
    """Asks a service."""

    address: str
    service: Service
    headers: dict[str, str] = field(default_factory=dict)

    def get(self, path: str, **headers: str) -> Answered:
        return self.send("GET", path, None, headers)

    def post(self, path: str, body: Any, **headers: str) -> Answered:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.send("POST", path, raw, {"content-type": "application/json", **headers})

    def send(self, method: str, path: str, raw: bytes | None, headers: dict[str, str]) -> Answered:
        sent = {name.replace("_", "-"): value for name, value in {**self.headers, **headers}.items()}
        request = urllib.request.Request(self.address + path, raw, sent, method=method)
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60) as answer:
                return Answered(answer.status, dict(answer.headers), answer.read())
        except urllib.error.HTTPError as error:
            return Answered(error.code, dict(error.headers), error.read())

    def answers(self, model: str, inputs: Any, **options: Any) -> Any:
        answer = self.post(f"/v1/models/{model}/predict", {"input": inputs, "options": options})
        assert answer.status == 200, answer.raw
        return answer.json["answers"]


@contextmanager
def serving(models: dict[str, Path | str], **options: Any) -> Iterator[Client]:
    """Serve models on a free port, in a thread, until the block ends."""
    options = {"device": "cpu", "threads": 1, "port": 0, **options}
    config = ServiceOptions(runs=[str(run) for run in models.values()], **options)
    begun, over = threading.Event(), threading.Event()
    clients: list[Client] = []
    failed: list[BaseException] = []

    def began(service: Service, address: str) -> bool:
        clients.append(Client(address, service))
        begun.set()
        over.wait()
        return False

    def run() -> None:
        try:
            lifecycle.serve(config, {name: str(run) for name, run in models.items()}, began)
        except BaseException as error:
            failed.append(error)
        finally:
            begun.set()

    thread = threading.Thread(target=run)
    thread.start()
    begun.wait()
    try:
        if failed:
            raise failed[0]
        yield clients[0]
    finally:
        over.set()
        thread.join()


def in_loop(service: Service, function: Any) -> Any:
    """What a function gives that is called in the event loop of a service."""
    loop = next(iter(service.batchers.values()))._loop

    async def call() -> Any:
        return function()

    return asyncio.run_coroutine_threadsafe(call(), loop).result(10)
