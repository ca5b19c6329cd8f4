"""Asking a process, and what is said when it cannot answer."""

from __future__ import annotations

import sys
import time

import pytest

from nlpkit.measurement.processes import Unmeasured, WorkerProcess


def worker(body: str) -> WorkerProcess:
    """A process that runs `body` for each request, called `request`."""
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    code = f"import json, os, signal, sys\nfor line in sys.stdin:\n    request = json.loads(line)\n{lines}\n"
    return WorkerProcess((sys.executable, "-c", code))


def test_a_request_has_its_answer() -> None:
    with worker("print(json.dumps({'ok': True, 'twice': 2 * request['n']}), flush=True)") as process:
        assert process.ask("double", n=3)["twice"] == 6
        assert process.ask("double", n=4)["twice"] == 8
        assert process.alive
    assert not process.alive


def test_an_error_keeps_the_process() -> None:
    answer = "print(json.dumps({'error': 'too long', 'message': request['op'], 'hint': 'shorter'}), flush=True)"
    with worker(answer) as process:
        with pytest.raises(Unmeasured) as caught:
            process.ask("prepare")
        assert (caught.value.status, caught.value.message, caught.value.hint) == ("too long", "prepare", "shorter")
        assert process.alive


def test_a_killed_process_is_out_of_memory() -> None:
    with worker("os.kill(os.getpid(), signal.SIGKILL)") as process:
        with pytest.raises(Unmeasured) as caught:
            process.ask("turn")
        assert caught.value.status == "out of memory"
        with pytest.raises(Unmeasured):  # and stays dead
            process.ask("turn")


def test_a_process_that_can_do_no_more_is_ended() -> None:
    answer = {"error": "failed", "message": "CUDA error", "ended": True}
    with worker(f"print(json.dumps({answer}), flush=True)") as process:
        with pytest.raises(Unmeasured, match="CUDA error"):
            process.ask("turn")
        assert not process.alive
        with pytest.raises(Unmeasured, match="was ended"):
            process.ask("probe")


def test_a_process_that_fails_says_its_last_line() -> None:
    with worker("raise ValueError('no such layer')") as process:
        with pytest.raises(Unmeasured, match="exit code 1: ValueError: no such layer") as caught:
            process.ask("open")
        assert caught.value.status == "failed"


def test_close_does_not_wait_for_an_answer() -> None:
    process = worker("import time; time.sleep(60)")
    assert process._process.stdin is not None
    process._process.stdin.write('{"op": "turn"}\n')
    process._process.stdin.flush()
    started = time.monotonic()
    process.close()
    assert time.monotonic() - started < 30 and not process.alive
