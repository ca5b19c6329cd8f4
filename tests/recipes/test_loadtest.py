"""`nlpkit loadtest` against services that do what a script says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from conftest import rows, write_csv
from scripted_service import Reply, Request, Script, queue, scripted

from nlpkit.cli.app import main
from nlpkit.errors import RunError, UserError
from nlpkit.recipes import loadtest
from nlpkit.reporting import Report

QUICK: dict[str, Any] = {"seconds": 0.5, "warmup_seconds": 0.05, "wait_seconds": 0}


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    return write_csv(tmp_path / "texts.csv", rows(40))


def loaded(script: Script, texts: Path, **given: Any) -> Report:
    with scripted(script) as service:
        return loadtest.run(loadtest.Config(url=service.url, input=str(texts), **{**QUICK, **given}))


@pytest.mark.slow
def test_the_knee_is_near_what_the_service_can_do_and_beyond_it_refusals_are_counted(
    texts: Path, tmp_path: Path
) -> None:
    """One request takes 10 ms, so 100 a second are the most; who would wait for more than 300 ms is refused.
    Half a second of more than that fits into the wait."""
    output = tmp_path / "run"
    report = loaded(queue(0.01, 0.3), texts, p99_ms=600, start_rate=60, arrivals="even", beyond=8, output=output)
    record = json.loads(json.dumps(report.record))
    assert 12 <= record["knee"]["rate"] <= 260  # half, where the machine does much else
    assert record["missed"]["verdict"] in ("refused", "slow", "client")
    beyond = record["beyond"]
    assert beyond["rate"] == pytest.approx(8 * record["knee"]["rate"], rel=0.01)
    assert beyond["refused_rate"] > 0.1 or beyond["rate"] < 160
    assert record["metrics"]["beyond"]["goodput_share"] == pytest.approx(beyond["goodput"] / record["knee"]["goodput"])
    assert {path.name for path in output.iterdir()} == {"nlpkit.json", "figures.csv", "requests.parquet", "plots"}
    assert {path.name for path in (output / "plots").iterdir()} == {"latency.png", "goodput.png", "over_time.png"}
    sent = pq.read_table(output / "requests.parquet").to_pylist()
    last = [row for row in sent if row["schedule"] == sent[-1]["schedule"] and row["counted"]]
    assert len(last) == beyond["requests"]
    assert sum(row["outcome"] == "refused" for row in last) == beyond["refused"]
    assert f"knee: {record['knee']['name']}, p99" in "\n".join(report.lines)
    with pytest.raises(UserError, match="holds a finished run"):
        loadtest.run(loadtest.Config(url="http://127.0.0.1:9", input=str(texts), output=output))


@pytest.mark.slow
def test_fixed_rates_are_gates_and_one_document(texts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with scripted(lambda request: Reply(delay=0.2 if request.number % 10 == 0 else 0.0)) as service:
        command = ["loadtest", service.url, "--input", str(texts), "--rate", "50,100", "--json"]
        command += ["--seconds", "0.5", "--warmup-seconds", "0"]
        assert main([*command, "--fail-over", "p50_ms=150"]) == 0
        record = json.loads(capsys.readouterr().out)
        assert main([*command, "--fail-over", "p99_ms=150", "--fail-over", "error_rate=0"]) == 1
        failed = json.loads(capsys.readouterr().out)
    assert [window["name"] for window in record["windows"]] == ["50/s", "100/s"]
    assert all(window["p99_ms"] >= 195 and window["goodput"] < window["answered"] for window in record["windows"])
    assert record["failures"] == []
    assert [line.split(":")[1] for line in failed["failures"]] == [" 50/s p99_ms", " 100/s p99_ms"]


def test_bodies_are_those_of_the_service(texts: Path) -> None:
    with scripted(queue(0.0)) as service:
        ours = loadtest.Config(url=service.url, input=str(texts), rate=[50], **QUICK)
        loadtest.run(ours)
        got = [(request.path, json.loads(request.body)) for request in service.requests]
    assert {path for path, _ in got} == {"/v1/models/sst2/predict"}
    assert {body["input"] for _, body in got} <= {row["text"] for row in rows(40)}
    with scripted(queue(0.0), models=None) as service:
        template = '{"inputs": "{{ text }}", "truncate": true}'
        theirs = loadtest.Config(url=f"{service.url}/embed", body=template, input=str(texts), rate=[50], **QUICK)
        assert loadtest.run(theirs).record["model"] is None
        assert {request.path for request in service.requests} == {"/embed"}
        assert json.loads(service.requests[0].body)["truncate"] is True
        with pytest.raises(UserError, match="no service of nlpkit"):
            loadtest.run(loadtest.Config(url=service.url, input=str(texts), **QUICK))


def refuses(request: Request) -> Reply:
    return Reply(status=422, body=b'{"error": {"message": "input: a text\\u001b is needed"}}')


def test_what_the_service_says_to_the_first_request_is_passed_on(
    texts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with scripted(refuses) as service:
        command = ["loadtest", service.url, "--input", str(texts), "--wait-seconds", "0"]
        assert main(command) == 2
        assert "does not take the first request: HTTP 422: input: a text\\x1b is needed" in capsys.readouterr().err
    with pytest.raises(UserError, match=r"no answer within 0\.0 s: HTTP 503: loading"):
        loaded(lambda _: Reply(status=503, body=b'{"error": {"message": "loading"}}'), texts)
    with pytest.raises(UserError, match=r"the service wants a key: HTTP 401\n.*NLPKIT_API_KEY"):
        loaded(lambda _: Reply(status=401, body=b""), texts)


def test_a_service_that_is_not_ready_is_waited_for(texts: Path) -> None:
    """Its models are opened for a while, and then it refuses some requests more."""
    with scripted(lambda request: Reply(status=503 if request.number < 2 else 200), starts=0.3) as service:
        config = loadtest.Config(url=service.url, input=str(texts), rate=[50], **QUICK)
        with pytest.raises(UserError, match=r"no answer within 0\.0 s: HTTP 503: the models are being opened"):
            loadtest.run(config)
        report = loadtest.run(config.changed(wait_seconds=10))
    assert report.exit_code == 0
    assert report.record["windows"][0]["refused"] == 0


def test_a_service_that_breaks_has_no_knee(texts: Path) -> None:
    with pytest.raises(RunError, match="the service gave none an answer: connection closed"):
        loaded(lambda request: Reply(close=request.number > 0), texts)
    report = loaded(lambda request: Reply(status=500 if request.number else 200), texts, rate=[50])
    assert (report.exit_code, report.failure) == (1, "no request was answered")
    assert report.record["windows"][0]["errors"].keys() == {"HTTP 500"}


@pytest.mark.slow
def test_every_picture_is_drawn(texts: Path, tmp_path: Path, drawing: Any) -> None:
    output = tmp_path / "ramp"
    with drawing():
        loaded(queue(0.01, 0.05), texts, ramp="20:200", output=output, fail_over={"p99_ms": 1e6})
    assert {path.name for path in (output / "plots").iterdir()} == {"latency.png", "goodput.png", "over_time.png"}
    assert all(path.stat().st_size > 5_000 for path in (output / "plots").iterdir())


def test_a_locust_file_takes_the_place_of_the_load(texts: Path, tmp_path: Path) -> None:
    with scripted(queue(0.0)) as service:
        path = tmp_path / "load.py"
        config = loadtest.Config(url=service.url, input=str(texts), locust=path, wait_seconds=0)
        report = loadtest.run(config)
        assert service.requests == [] and report.record["path"] == "/v1/models/sst2/predict"
    assert len(path.with_suffix(".jsonl").read_text().splitlines()) == 40
    with pytest.raises(UserError, match="--rate: --locust writes a file and sends nothing"):
        loadtest.run(config.changed(rate=[5]))


def test_it_works_where_a_loop_runs_already(texts: Path) -> None:
    """As in a notebook."""
    import asyncio

    async def cell() -> Report:
        return loaded(queue(0.0), texts, rate=[50])

    assert asyncio.run(cell()).exit_code == 0


@pytest.mark.slow
def test_what_http_costs_over_the_model_in_this_process(texts: Path, trained: Path) -> None:
    with scripted(lambda _: Reply(delay=0.05)) as service:
        config = loadtest.Config(url=service.url, input=str(texts), rate=[20], in_process=str(trained), **QUICK)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("nlpkit.loadtesting.in_process.TURNS", 1)
            report = loadtest.run(config)
        found = report.record["in_process"]
        assert (found["run"], found["texts"]) == (str(trained), 20)
        assert found["service_p50_ms"] >= 50 and found["process_p50_ms"] < found["service_p50_ms"]
        assert 0 < found["p50_ms"] <= found["service_p50_ms"]
        asked = {json.loads(request.body)["input"] for request in service.requests[:22]}
        assert len(asked) > 15, "the texts differ"
        theirs = config.changed(body='{"inputs": "{{ text }}"}')
        with pytest.raises(UserError, match="--in-process: /v1/models/sst2/predict is no /predict of nlpkit"):
            loadtest.run(theirs)
