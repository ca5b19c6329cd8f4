"""Processes that answer shards: several at a time, one that dies, and what is left of a command that is interrupted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import forked
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import nlpkit_command, rows

from nlpkit.measurement import processes as measured
from nlpkit.sharding import models
from nlpkit.sharding.engines import Done, Event, Retried, here, processes
from nlpkit.sharding.listing import Shard
from nlpkit.sharding.worker import Answered, Failed, Work

NAMES = "abcdef"  # of shards, of which the first two are answered at once


@pytest.fixture(autouse=True)
def started(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The processes that were started, at once, as they have the libraries already."""
    found: list[Any] = []

    def popen(*arguments: Any, **options: Any) -> Any:
        found.append(forked.Popen(*arguments, **options))
        return found[-1]

    monkeypatch.setattr(measured, "subprocess", SimpleNamespace(Popen=popen, PIPE=subprocess.PIPE))
    return found


@pytest.fixture
def work(tmp_path: Path) -> Work:
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text("{}")
    options = {"model": str(model), "threads": 1}
    scratch = tmp_path / "scratch"
    answering = "shard_answers:answering"
    return Work(answering, options, models.fingerprint(str(model)), str(tmp_path / "out"), str(tmp_path), str(scratch))


def shards(folder: Path, *texts: str) -> list[Shard]:
    made = []
    for number, text in enumerate(texts):
        file = folder / f"{number}.txt"
        file.write_text(text)
        made.append(Shard(str(file), len(text), "", file.name))
    return made


def ends(events: Iterator[Event]) -> tuple[dict[str, Any], list[str]]:
    """What became of each shard, by its output, and which were tried again."""
    told = list(events)
    again = [event.shard.output for event in told if isinstance(event, Retried)]
    return {event.shard.output: event.outcome for event in told if isinstance(event, Done)}, again


def test_shards_are_answered_by_several_processes(work: Work, tmp_path: Path) -> None:
    outcomes, again = ends(processes.run(work, shards(tmp_path, *"abcd"), 2, retries=3))
    assert all(isinstance(outcome, Answered) for outcome in outcomes.values()) and not again
    assert [(tmp_path / "out" / f"{i}.txt").read_text() for i in range(4)] == list("ABCD")
    assert len({outcome.worker for outcome in outcomes.values()}) == 2
    assert not any((tmp_path / "scratch").iterdir())


def test_a_process_that_dies_is_begun_anew_and_its_shard_tried_again(work: Work, tmp_path: Path) -> None:
    given = shards(tmp_path, "a", "killed once", "killed each time", "wrong", "b")
    outcomes, again = ends(processes.run(work, given, 2, retries=2))
    assert sorted(again) == ["1.txt", "2.txt", "2.txt"]
    kinds = {name: type(outcome) for name, outcome in sorted(outcomes.items())}
    assert list(kinds.values()) == [Answered, Answered, Failed, Failed, Answered]
    assert "memory runs out" in outcomes["2.txt"].message and outcomes["3.txt"].message.endswith("cannot be read")
    assert (tmp_path / "out" / "1.txt").read_text() == "KILLED ONCE"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["0.txt", "1.txt", "4.txt"]


@pytest.mark.parametrize("several", [False, True])
def test_a_model_that_cannot_be_opened_ends_all(several: bool, work: Work, tmp_path: Path) -> None:
    given = shards(tmp_path, "a", "b")
    refused = Work(work.answering, {**work.options, "refused": True}, work.fingerprint, work.output, work.folder)
    event = next(iter(processes.run(refused, given, 2, 3) if several else here.run(refused, given, 3)))
    assert isinstance(event, Done) and isinstance(event.outcome, Failed)
    assert (event.outcome.final, event.outcome.usage, event.outcome.message) == (True, True, "no such model")


def test_another_model_of_the_same_name_is_refused(work: Work, tmp_path: Path) -> None:
    (Path(work.options["model"]) / "config.json").write_text('{"other": 1}')
    event = next(iter(here.run(work, shards(tmp_path, "a"), 0)))
    assert isinstance(event, Done) and isinstance(event.outcome, Failed) and event.outcome.final
    assert "another model" in event.outcome.message


def test_what_goes_wrong_for_a_while_is_tried_again_here(
    work: Work, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = shards(tmp_path, "a")
    blocked = tmp_path / "scratch"
    blocked.write_text("")  # where a folder should be
    monkeypatch.setattr(here.time, "sleep", lambda seconds: blocked.unlink() if blocked.is_file() else None)
    outcomes, again = ends(here.run(work, given, retries=3))
    assert again == ["0.txt"] and isinstance(outcomes["0.txt"], Answered)


def test_closing_ends_the_processes_at_once(work: Work, tmp_path: Path, started: list[Any]) -> None:
    events = processes.run(work, shards(tmp_path, "a", "slow", "slow"), 2, retries=0)
    next(events)
    begun = time.monotonic()
    events.close()
    assert time.monotonic() - begun < 20  # of the 60 seconds that a shard takes
    assert len(started) == 2 and all(process.poll() is not None for process in started)


def test_each_process_has_a_gpu_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes.machine, "has_nvidia_driver", lambda: True)
    monkeypatch.setattr(processes.machine, "gpus", lambda: [{}, {}])
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert [processes.gpu_of(lane, "auto")["CUDA_VISIBLE_DEVICES"] for lane in range(3)] == ["0", "1", "0"]
    assert processes.gpu_of(0, "cpu") == {}
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    assert processes.gpu_of(1, "cuda")["CUDA_VISIBLE_DEVICES"] == "5"


@pytest.mark.slow
@pytest.mark.parametrize(("number", "jobs"), [(signal.SIGTERM, 1), (signal.SIGKILL, 2)])
def test_a_command_that_is_ended_goes_on_where_it_was(number: int, jobs: int, trained: Path, tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    for name in NAMES:
        entries = [{"text": entry["text"]} for entry in rows(12 if name in "ab" else 1_000, seed=ord(name))]
        pq.write_table(pa.Table.from_pylist(entries), tmp_path / "s" / f"{name}.parquet")

    def command(output: str, *more: Any) -> list[str]:
        options = ["--input", "s/*.parquet", "--device", "cpu", "--threads", 1]
        return nlpkit_command("predict", trained, *options, "--output", output, *more)

    with forked.python() as program:
        begun = forked.with_workers(program, command("out", "--jobs", jobs))
        with forked.Popen(begun, cwd=tmp_path, stderr=subprocess.DEVNULL) as process:
            deadline = time.monotonic() + 120
            while not (tmp_path / "out" / "b.parquet").exists() and time.monotonic() < deadline:
                time.sleep(0.01)
            os.kill(process.pid, number)
    assert process.returncode == (130 if number == signal.SIGTERM else -signal.SIGKILL)
    hidden = [path.name for path in (tmp_path / "out").iterdir() if path.name.startswith(".")]
    assert number == signal.SIGKILL or not hidden
    entries = json.loads((tmp_path / "out/manifest.json").read_text())["shards"].values()
    statuses = [entry["status"] for entry in entries]
    assert len(statuses) == len(NAMES) and "waiting" in statuses

    record = json.loads(forked.run(command("out", "--json"), cwd=tmp_path, check=True).stdout)
    assert record["skipped"] == statuses.count("done") and not record["failed_shards"]
    forked.run(command("one"), cwd=tmp_path, check=True)
    for name in NAMES:
        assert (tmp_path / f"out/{name}.parquet").read_bytes() == (tmp_path / f"one/{name}.parquet").read_bytes()
    left = {path.name for path in (tmp_path / "out").iterdir()}
    assert left == {"manifest.json", *(f"{name}.parquet" for name in NAMES)}
