"""The process: from the address to the last answer."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import forked
import pytest
from conftest import RunOf, nlpkit_command
from serving import Client

from nlpkit.cli import app

pytestmark = pytest.mark.slow


@contextmanager
def started(*arguments: str, log: Path) -> Iterator[tuple[subprocess.Popen[str], Client]]:
    """A service in a process of its own, with its address."""
    long = ["--max-written-tokens", "1000000"]
    command = nlpkit_command("serve", *arguments, *long, "--port", "0", "--device", "cpu", "--threads", "1")
    with log.open("w") as errors:
        process = forked.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
        try:
            assert process.stdout is not None
            lines = []
            while (line := process.stdout.readline()) and not line.startswith("ready"):
                lines.append(line)
            assert line, ("".join(lines), log.read_text())
            yield process, Client(line.split()[-1], None)  # type: ignore[arg-type]
        finally:
            process.kill()
            process.wait()


def test_what_was_taken_is_answered_after_sigterm(run_of: RunOf, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with started(f"writer={run_of('causal-lm')}", log=log) as (process, client):
        got: dict[str, Any] = {}

        def ask() -> None:
            texts = [f"good film {i}" for i in range(60)]
            body = {"input": texts, "options": {"max_new_tokens": 400, "temperature": 1.0}}
            got["answer"] = client.post("/predict", body)

        thread = threading.Thread(target=ask)
        thread.start()
        while thread.is_alive() and b'nlpkit_waiting_seconds{model="writer"} 0.0' in client.get("/metrics").raw:
            time.sleep(0.005)
        assert thread.is_alive()
        process.send_signal(signal.SIGTERM)
        ready = client.get("/health/ready")
        late = client.post("/predict", {"input": "good film"})
        thread.join()
        assert got["answer"].status == 200
        assert (ready.status, ready.json["status"]) == (503, "draining")
        assert (late.status, late.error["type"], late.headers["retry-after"]) == (503, "draining", "30")
        assert process.wait(30) == 0
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    asked = [line for line in lines if line["event"] == "request"]
    assert [(line["status"], line.get("error")) for line in asked] == [(503, "draining"), (200, None)]
    assert "good film" not in log.read_text()


def test_the_time_to_drain_has_an_end(run_of: RunOf, tmp_path: Path) -> None:
    """What is not answered by then is not, and the process ends all the same."""
    with started(f"writer={run_of('causal-lm')}", "--drain-seconds", "0.1", log=tmp_path / "log") as (process, client):
        texts = [f"good film {i}" for i in range(1000)]
        body = {"input": texts, "options": {"max_new_tokens": 400, "temperature": 1.0}}
        asking = threading.Thread(target=ask_in_vain, args=(client, body))
        asking.start()
        while asking.is_alive() and b'nlpkit_waiting_seconds{model="writer"} 0.0' in client.get("/metrics").raw:
            time.sleep(0.005)
        assert asking.is_alive()
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        asking.join()


def ask_in_vain(client: Client, body: Any) -> None:
    with contextlib.suppress(OSError, http.client.HTTPException):
        client.post("/predict", body)


def test_a_port_in_use(run_of: RunOf, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert app.main(["serve", str(run_of("classification")), "--port", str(port)]) == 2
    said = capsys.readouterr().err
    assert f"--port {port}: Address already in use" in said
    assert f"--port {port + 1}" in said


@pytest.mark.parametrize(
    ("runs", "said"),
    [
        (["{run}", "{copy}"], "two models are named"),
        (["a=b=c"], "b=c"),
        (["no name=x"], "no name for a model"),
        (["/not/there"], "RUN /not/there: there is no such folder"),
    ],
)
def test_models_that_cannot_be_served(
    runs: list[str], said: str, run_of: RunOf, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = run_of("classification")
    copy = tmp_path / run.name
    shutil.copytree(run, copy)
    given = [name.format(run=run, copy=copy) for name in runs]
    assert app.main(["serve", *given, "--port", "0"]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert len(re.findall("^nlpkit: ", told, re.MULTILINE)) == 1


def test_a_run_of_an_unknown_task(run_of: RunOf, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    shutil.copytree(run_of("classification"), run)
    record = json.loads((run / "nlpkit.json").read_text())
    record["task"]["name"] = "mind-reading"
    (run / "nlpkit.json").write_text(json.dumps(record))
    assert app.main(["serve", str(run), "--port", "0"]) == 2
    assert "mind-reading" in capsys.readouterr().err


def test_a_client_that_goes_away(run_of: RunOf, tmp_path: Path) -> None:
    """While a text is written for it: the model does not go on with it, and answers the next."""
    log = tmp_path / "log"
    with started(f"writer={run_of('causal-lm')}", log=log) as (_, client):
        host, port = client.address.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as leaving:
            body = json.dumps({"input": "good film", "stream": True, "options": {"max_new_tokens": 100_000}}).encode()
            head = "POST /predict HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
            leaving.sendall(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
            leaving.settimeout(10)
            assert leaving.recv(1000).startswith(b"HTTP/1.1 200")
        with urllib.request.urlopen(f"{client.address}/health/live", timeout=5) as answer:
            assert answer.status == 200
        for _ in range(200):  # the time that the text would have taken counts as work until its end is noticed
            answer = client.post("/predict", {"input": "good film", "options": {"max_new_tokens": 2}})
            if answer.status != 429:
                break
            time.sleep(0.05)
        assert answer.status == 200
