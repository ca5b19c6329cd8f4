"""What the client notes of services that stall, fail, break off, redirect, or say more than anybody wants to read."""

from __future__ import annotations

import itertools
import socket
from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from scripted_service import Reply, Request, Script, queue, scripted

from nlpkit.errors import UserError
from nlpkit.loadtesting import client, target
from nlpkit.loadtesting.client import Client, Requests
from nlpkit.loadtesting.options import LoadOptions

BODY = b'{"input": "a good film"}'


def sent(script: Script, moments: Iterable[float], **given: Any) -> tuple[Requests, list[Request], int]:
    """What came of requests that were due at these seconds, what the service got, and over how many connections."""
    with scripted(script) as service:
        options = LoadOptions(url=service.url, **given)
        with Client(target.find(options), "/predict", options) as sender:
            requests = sender.send(np.array(list(moments)), itertools.repeat(BODY))
    return requests, service.requests, service.connections


def outcomes(requests: Requests) -> Counter[str]:
    return Counter(requests.kinds[kind] for kind in requests.kind)


def test_a_stall_shows_in_each_request_that_it_holds_up() -> None:
    """The service answers at once, but nothing from 0.1 to 0.5 s after the first request. A client that waits for one
    answer before it asks again would see one long latency; here all that came in the meantime wait for the end."""
    delays: list[float] = []
    began: list[float] = []

    def stalls(request: Request) -> Reply:
        began.append(request.moment)
        since = request.moment - began[0]
        delays.append(0.5 - since if 0.1 <= since < 0.5 else 0.0)
        return Reply(delay=delays[-1])

    requests, got, _ = sent(stalls, np.arange(60) * 0.01)
    assert outcomes(requests) == {"answered": 60} and len(got) == 60
    held_up = np.sort(delays)[::-1] * 1e3
    assert (held_up > 100).sum() >= 10
    assert np.all(np.sort(requests.latency_ms)[::-1] >= held_up - 1)
    assert np.percentile(requests.latency_ms, 99) > 200


@pytest.mark.slow
def test_each_way_to_fail_has_a_name() -> None:
    replies = [
        Reply(),
        Reply(status=429),
        Reply(status=503),
        Reply(status=500),
        Reply(status=404),
        Reply(status=307, headers=(("Location", "/elsewhere"),)),
        Reply(close=True),
        Reply(delay=20),
        Reply(body=b"x" * 8_000_000),
    ]
    requests, got, _ = sent(lambda request: replies[request.number], np.arange(9) * 0.02, timeout_seconds=1.5)
    assert outcomes(requests) == {
        "answered": 2, "refused": 2, "HTTP 500": 1, "HTTP 404": 1, "redirect": 1, "connection closed": 1, "timeout": 1,
    }  # fmt: skip
    assert len(got) == 9, "a redirect is not followed, and nothing is sent twice"
    late = requests.latency_ms[requests.kinds.index("timeout") == requests.kind]
    assert late[0] >= 1499
    assert Counter(requests.status.tolist())[429] == 1


def test_what_waits_for_a_connection_counts_from_when_it_was_due() -> None:
    """Twelve requests at once over two connections that take 50 ms for each: the last begins when ten are done."""
    requests, _, connections = sent(lambda _: Reply(delay=0.05), [0.0] * 12, connections=2)
    assert connections == 2
    assert requests.waited.sum() == 10
    assert sorted(requests.latency_ms)[-1] >= 6 * 50
    assert np.median(requests.queued_ms) >= 100
    assert requests.late_ms.max() < 100


def test_connections_are_kept_and_the_key_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NLPKIT_API_KEY", "let-me-in")
    requests, got, connections = sent(queue(0.0), np.arange(20) * 0.01)
    assert outcomes(requests) == {"answered": 20}
    assert connections < 20
    assert {(request.path, request.body) for request in got} == {("/predict", BODY)}
    assert {request.headers["authorization"] for request in got} == {"Bearer let-me-in"}
    assert {request.headers["content-type"] for request in got} == {"application/json"}


def test_no_service_and_no_host_are_told() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        options = LoadOptions(url=f"http://127.0.0.1:{taken.getsockname()[1]}")
        with Client(target.find(options), "/", options) as sender:
            assert sender.ask(b"{}").kind == "no connection"
            assert outcomes(sender.send(np.zeros(3), itertools.repeat(BODY))) == {"no connection": 3}


def test_a_name_is_not_resolved_again() -> None:
    """What answers for the name later, or elsewhere, is not asked."""
    with scripted(queue(0.0)) as service:
        port = int(service.url.rpartition(":")[2])
        found = target.Target("http", "service.invalid", port, "", ["127.0.0.1"])
        options = LoadOptions(url=service.url)
        with Client(found, "/predict", options) as sender:
            assert sender.ask(BODY).status == 200
        assert service.requests[0].headers["host"] == f"service.invalid:{port}"


def test_more_connections_than_the_system_allows_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    resource = pytest.importorskip("resource")
    limits: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, 1024))
    monkeypatch.setattr(resource, "setrlimit", lambda _, limit: limits.append(limit))
    client.require_files(100)
    client.require_files(500)
    assert limits == [(564, 1024)]
    with pytest.raises(UserError, match="may have 1,024 open files\nGive at most 960"):
        client.require_files(2000)
