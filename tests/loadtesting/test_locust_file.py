from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from scripted_service import Reply, Request, scripted

from nlpkit.errors import UserError
from nlpkit.loadtesting import locust_file, target
from nlpkit.loadtesting.options import TargetOptions


def test_the_file_is_written_once_and_without_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NLPKIT_API_KEY", "not-for-files")
    path = tmp_path / "load.py"
    service = target.find(TargetOptions(url="http://127.0.0.1:8000"))
    locust_file.require(path, overwrite=False)
    locust_file.write(path, service, '/v1/models/"""/predict', [b'{"a": 1}', b'{"a": 2}'], overwrite=False)
    compile(path.read_text(), str(path), "exec")
    assert [json.loads(line) for line in (tmp_path / "load.jsonl").read_text().splitlines()] == [{"a": 1}, {"a": 2}]
    assert not any("not-for-files" in each.read_text() for each in tmp_path.iterdir())
    with pytest.raises(UserError, match=r"--locust .*load\.py exists"):
        locust_file.require(path, overwrite=False)
    locust_file.require(path, overwrite=True)
    with pytest.raises(UserError, match=r"End its name in \.py"):
        locust_file.require(tmp_path / "load.txt", overwrite=False)


@pytest.mark.slow
def test_locust_runs_it_and_counts_from_when_requests_were_due(tmp_path: Path) -> None:
    """Without nlpkit: a user sends a request a second, and what a stall of 1.5 s holds up is late."""
    pytest.importorskip("gevent", reason="the extra loadtest is not installed")

    def answer(request: Request) -> Reply:
        if request.number == 0:
            return Reply(delay=1.6)
        return Reply(status=429) if request.number == 2 else Reply()

    with scripted(answer) as service:
        path = tmp_path / "load.py"
        found = target.find(TargetOptions(url=service.url))
        locust_file.write(path, found, "/predict", [b'{"input": "a"}', b'{"input": "b"}'], overwrite=False)
        command = [sys.executable, "-m", "locust", "-f", str(path), "--headless", "--users", "1", "--run-time", "4s"]
        done = subprocess.run(
            [*command, "--csv", str(tmp_path / "of"), "--only-summary", "--stop-timeout", "2"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": "", "NLPKIT_API_KEY": "let-me-in"},
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert done.returncode == 1, done.stderr  # Locust's way to tell that a request failed
    assert Counter(request.body for request in service.requests).keys() == {b'{"input": "a"}', b'{"input": "b"}'}
    assert {request.headers["authorization"] for request in service.requests} == {"Bearer let-me-in"}
    with (tmp_path / "of_stats.csv").open() as file:
        figures = next(row for row in csv.DictReader(file) if row["Name"] == "/predict")
    count = int(figures["Request Count"])
    assert 3 <= len(service.requests) - 1 <= count or count == len(service.requests) >= 3, (
        "but for one that was cut off"
    )
    assert int(figures["Failure Count"]) == 1
    with (tmp_path / "of_failures.csv").open() as file:
        assert [row["Error"] for row in csv.DictReader(file)] == ["CatchResponseError('refused (429)')"]
    # the first took 1.6 s, and the second was due 0.6 s before that was over
    assert float(figures["Average Response Time"]) * count > 2000
