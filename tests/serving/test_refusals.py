"""What a service does not answer: each with its status, its place and what to do."""

from __future__ import annotations

import http.client
import io
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import RunOf
from serving import Client, serving

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def client(run_of: RunOf) -> Iterator[Client]:
    models = {"reviews": run_of("classification"), "qa": run_of("question-answering")}
    limits = {"max_inputs": 8, "max_input_tokens": 200, "max_body_mb": 0.05, "body_seconds": 0.5}
    with serving(models, **limits) as client:
        yield client


PREDICT = "/v1/models/reviews/predict"
TOO_DEEP = b'{"input": ' + b"[" * 20_000 + b"]" * 20_000 + b"}"


@pytest.mark.parametrize(
    ("body", "status", "kind", "said"),
    [
        (b'{"input": ', 400, "invalid_json", "line 1, column"),
        (b"\xff", 400, "invalid_json", "no JSON"),
        (TOO_DEEP, 400, "invalid_json", "deep"),
        (b'{"input": NaN}', 400, "invalid_json", "NaN"),
        (b'{"input": "a", "options": {"min_score": 1e999}}', 422, "invalid_options", "min_score"),
        ([], 422, "invalid_input", "the body is a list; give an object"),
        ({}, 422, "invalid_input", "lacks input"),
        ({"input": 3}, 422, "invalid_input", "input is a number; give a text, an object, or a list of these"),
        ({"input": None}, 422, "invalid_input", "input is null; give a text"),
        ({"input": "a", "options": [3]}, 422, "invalid_input", "options is a list; give an object"),
        ({"input": "a", "inptu": 1}, 422, "invalid_input", "inptu"),
        ({"input": ["good", 3]}, 422, "invalid_input", "input[1] is a number"),
        ({"input": ["good", None]}, 422, "invalid_input", "input[1] is null"),
        ({"input": ["good", ""]}, 422, "invalid_input", "input[1]"),
        ({"input": "\ud800"}, 422, "invalid_input", "surrogate"),
        (
            {"input": "a", "options": {"abstain_label": "\ud800"}},
            422,
            "invalid_input",
            "options.abstain_label holds",
        ),
        (
            {"input": "a", "options": {"min_score": True}},
            422,
            "invalid_options",
            "min_score is true or false; give a",
        ),
        ({"input": "a", "options": {"min_score": "0.5"}}, 422, "invalid_options", "min_score is a text; give a number"),
        ({"input": "a", "options": {"all_scores": "true"}}, 422, "invalid_options", 'false, true, "columns"'),
        ({"input": {"text": "good", "more": "x"}}, 422, "invalid_input", "'more'"),
        ({"input": {"text": 3}}, 422, "invalid_input", "input[0].text is a number"),
        ({"input": "good", "options": {"top_k": 3}}, 422, "invalid_options", "all_scores"),
        ({"input": "good", "options": {"text_column": "a"}}, 422, "invalid_options", "text_column"),
        ({"input": "good", "options": {"min_score": 3}}, 422, "invalid_options", "min_score"),
        ({"input": "good", "options": {"abstain_label": "x"}}, 422, "invalid_options", "min_score"),
        ({"input": "good", "stream": True}, 422, "wrong_task", "at once"),
        ({"input": ["good"] * 9}, 413, "too_large", "max-inputs"),
        ({"input": [f"good film {i} " * 8 for i in range(8)]}, 413, "too_large", "max-input-tokens"),
        ({"input": "good " * 20_000}, 413, "too_large", "max-body-mb"),
    ],
)
def test_a_wrong_request_is_told_what_is_wrong_and_where(
    client: Client, body: Any, status: int, kind: str, said: str
) -> None:
    answer = client.post(PREDICT, body)
    assert (answer.status, answer.error["type"]) == (status, kind)
    assert said in answer.error["message"]
    assert answer.error["request_id"] == answer.headers["x-request-id"]
    assert client.post(PREDICT, {"input": "good"}).status == 200  # nobody else suffers


def test_all_wrong_places_are_named(client: Client) -> None:
    answer = client.post(PREDICT, {"input": ["", "good", 3]})
    assert [place["loc"] for place in answer.error["where"]] == [["input", 0], ["input", 2]]
    answer = client.post("/v1/models/qa/predict", {"input": [{"question": "who?"}, "who?"]})
    assert "lacks context" in answer.error["where"][0]["message"]
    assert "question, context" in answer.error["where"][1]["message"]


@pytest.mark.parametrize(
    ("method", "path", "status", "said"),
    [
        ("GET", "/nothing", 404, "/docs"),
        ("GET", PREDICT, 405, "takes POST, not GET"),
        ("PUT", "/", 405, "takes GET, HEAD, POST, not PUT"),
        ("POST", "/predict", 404, "reviews, qa"),
        ("POST", "/v1/models/review/predict", 404, "did you mean reviews"),
    ],
)
def test_a_wrong_address(client: Client, method: str, path: str, status: int, said: str) -> None:
    raw = b'{"input": "good"}' if method == "POST" else None
    answer = client.send(method, path, raw, {"content-type": "application/json"})
    assert answer.status == status
    assert said in answer.error["message"]
    if status == 405:
        assert f"takes {answer.headers['allow']}, not" in said


@pytest.mark.parametrize("path", ["/health/live", "/health/ready", "/"])
def test_the_head_alone(client: Client, path: str) -> None:
    head, whole = client.send("HEAD", path, None, {}), client.get(path)
    assert (head.status, head.raw) == (200, b"")
    assert head.headers["content-length"] == str(len(whole.raw))


@pytest.mark.parametrize(
    ("headers", "kind"),
    [
        ({"content-type": "text/plain"}, "not_json"),
        ({"content-type": "application/json; charset=latin-1"}, "not_json"),
        ({"content-type": 'application/json; charset="UTF-8"', "content-encoding": "gzip"}, "encoded"),
    ],
)
def test_a_body_that_is_said_to_be_something_else(client: Client, headers: dict[str, str], kind: str) -> None:
    answer = client.send("POST", PREDICT, b'{"input": "good"}', headers)
    assert (answer.status, answer.error["type"]) == (415, kind)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("evil.example:8000", 421),
        ("127.evil.example", 421),
        ("localhost.evil.example:8000", 421),
        ("localhost:8000", 200),
        ("127.0.0.2", 200),
        ("[::1]:8000", 200),
    ],
)
def test_another_name_that_leads_here(client: Client, host: str, status: int) -> None:
    assert client.get("/v1/models", host=host).status == status


def test_an_id_of_the_client_is_kept_where_it_is_a_plain_one(client: Client) -> None:
    assert client.get("/v1/models", x_request_id="abc-1").headers["x-request-id"] == "abc-1"
    assert client.get("/v1/models", x_request_id="a b\tc").headers["x-request-id"] != "a b\tc"


def test_a_busy_model_holds_up_nothing_but_itself(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it computes, probes are answered, and what may not wait any longer is refused with when to come again."""
    batcher, go, began = client.service.batchers["reviews"], threading.Event(), threading.Event()
    answer = batcher._answer

    def slow(*given: Any) -> None:
        began.set()
        go.wait(20)
        answer(*given)

    monkeypatch.setattr(batcher, "_answer", slow)
    waiting = [threading.Thread(target=client.post, args=(PREDICT, {"input": f"good {i}"})) for i in range(2)]
    waiting[0].start()
    assert began.wait(10)
    waiting[1].start()
    while not batcher._queue:
        time.sleep(0.001)
    monkeypatch.setattr(batcher, "_rate", 1.0)
    try:
        assert client.get("/health/ready").status == 200
        refused = client.post(PREDICT, {"input": "good film"})
        assert (refused.status, refused.error["type"]) == (429, "overloaded")
        assert int(refused.headers["retry-after"]) >= 1
        question = {"question": "who is it", "context": "it is a good film"}
        assert client.post("/v1/models/qa/predict", {"input": question}).status == 200
    finally:
        go.set()
        for thread in waiting:
            thread.join()
    assert client.post(PREDICT, {"input": "good film"}).status == 200


def test_a_broken_model_is_told_of_and_takes_no_other_with_it(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    batcher = client.service.batchers["reviews"]
    monkeypatch.setattr(batcher, "failing", "reviews: out of memory")
    ready = client.get("/health/ready")
    assert (ready.status, ready.json) == (503, {"status": "failing", "reason": "reviews: out of memory"})
    refused = client.post(PREDICT, {"input": "good film"})
    assert (refused.status, refused.error["type"]) == (503, "failing")
    question = {"question": "who is it", "context": "it is a good film"}
    assert client.post("/v1/models/qa/predict", {"input": question}).status == 200
    assert client.get("/health/live").status == 200


def connection(client: Client) -> socket.socket:
    host, port = client.address.removeprefix("http://").split(":")
    made = socket.create_connection((host, int(port)), timeout=10)
    made.settimeout(10)
    return made


def test_a_refused_request_keeps_its_connection_if_its_body_is_there(client: Client) -> None:
    body = b'{"input": "good film"}'
    head = f"POST {PREDICT} HTTP/1.1\r\nhost: elsewhere\r\ncontent-type: application/json\r\n".encode()
    with connection(client) as kept:
        for _ in range(2):
            kept.sendall(head + b"content-length: %d\r\n\r\n%s" % (len(body), body))
            answer = http.client.HTTPResponse(kept)
            answer.begin()
            assert (answer.status, answer.getheader("connection")) == (421, None)
            answer.read()
        kept.sendall(head + b"content-length: 2000\r\n\r\n" + body)  # the rest would have to be waited for
        answer = http.client.HTTPResponse(kept)
        answer.begin()
        assert (answer.status, answer.getheader("connection")) == (421, "close")


def test_a_body_that_nothing_reads_ends_its_connection_unless_it_is_there(client: Client) -> None:
    with connection(client) as kept:
        for body, connection_header in ((b"{}", None), (b"{}" + b" " * 2000, "close")):
            head = f"GET /health/live HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(body)}\r\n\r\n"
            kept.sendall(head.encode() + body[:2])
            answer = http.client.HTTPResponse(kept)
            answer.begin()
            assert (answer.status, answer.getheader("connection")) == (200, connection_header)
            answer.read()


def test_a_body_that_does_not_come(client: Client) -> None:
    with connection(client) as slow:
        head = f"POST {PREDICT} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        slow.sendall(f'{head}content-length: 30\r\n\r\n{{"input"'.encode())
        answer = http.client.HTTPResponse(slow)
        answer.begin()
        assert (answer.status, json.load(answer)["error"]["type"]) == (408, "slow_body")
        assert slow.recv(1) == b""  # closed
    assert client.get("/health/ready").status == 200


def test_a_body_in_chunks_is_bounded_too(client: Client) -> None:
    with connection(client) as sender:
        head = f"POST {PREDICT} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        sender.sendall(f"{head}transfer-encoding: chunked\r\n\r\n".encode())
        sender.sendall(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
        answer = http.client.HTTPResponse(sender)
        answer.begin()
        assert answer.status == 413


def test_headers_without_end(client: Client) -> None:
    with connection(client) as sender:
        sender.sendall(b"GET / HTTP/1.1\r\nhost: localhost\r\n" + b"x-a: " + b"y" * 40_000)
        answer = http.client.HTTPResponse(sender)
        answer.begin()
        error = json.load(answer)["error"]
        assert (answer.status, error["type"]) == (431, "headers_too_large")
        assert answer.getheader("x-request-id") == error["request_id"]


def test_what_is_no_http(client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    log = io.StringIO()
    monkeypatch.setattr(client.service.log, "_stream", log)
    with connection(client) as sender:
        sender.sendall(b"\x16\x03\x01\x02\x00hello there\r\n\r\n")
        answer = http.client.HTTPResponse(sender)
        answer.begin()
        error = json.load(answer)["error"]
    assert (answer.status, error["type"]) == (400, "invalid_http")
    assert client.get("/health/ready").status == 200
    (line,) = map(json.loads, log.getvalue().splitlines())
    assert (line["error"], line["id"]) == ("invalid_http", answer.getheader("x-request-id"))
    assert not caplog.records  # no line in another form


def test_keys(run_of: RunOf, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text("first\nsecond\n")
    with serving({"reviews": run_of("classification")}, api_key_file=keys) as client:
        assert client.get("/health/ready").status == 200
        assert client.get("/metrics").status == 401
        assert client.post("/predict", {"input": "good"}).error["type"] == "unauthorized"
        assert client.post("/predict", {"input": "good"}, authorization="Bearer firs").status == 401
        assert client.post("/predict", {"input": "good"}, authorization="Bearer second").status == 200
        assert client.post("/predict", {"input": "good"}, x_api_key="first", host="other.example").status == 200
