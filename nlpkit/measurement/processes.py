"""The processes that models are measured in, seen from the one that asks them: a JSON object a line, both ways."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any, Self

from nlpkit.measurement.spec import Status

WORKER = "nlpkit.measurement.worker"  # the module whose `main` is run
NOTHING: Mapping[str, str] = {}


class Unmeasured(Exception):
    """A process could not do what it was asked.

    Attributes:
        status: what a result says instead of a figure, `user` where the user asked for what cannot be.
        message, hint: more of that, for people.
    """

    def __init__(self, status: Status | str, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.hint = status, message, hint


class WorkerProcess:
    """A fresh process that opens one model and does what it is asked, until it is closed.

    Args:
        command: to run; it reads requests from its standard input and answers on its standard output. None: `WORKER`.
        environment: variables that it has besides those of this process.
    """

    def __init__(self, command: Sequence[str] | None = None, environment: Mapping[str, str] = NOTHING) -> None:
        self._errors = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115 (lives as long)
        # a session of its own: Ctrl-C is for the one that asks, which then closes it
        self._process = subprocess.Popen(
            command or command_of(WORKER),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env={**os.environ, **environment},
            text=True,
            encoding="utf-8",
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def ask(self, op: str, /, **values: Any) -> dict[str, Any]:
        """Send a request and wait for its answer.

        Raises:
            Unmeasured: it could not be done, or the process has died.
        """
        assert self._process.stdin is not None and self._process.stdout is not None
        if self._process.stdin.closed:
            raise Unmeasured("failed", "the process was ended")
        try:
            self._process.stdin.write(json.dumps({"op": op, **values}) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line.endswith("\n"):
            raise self._died()
        answer = json.loads(line)
        if answer.pop("ended", False):
            self.close()
        if "error" in answer:
            raise Unmeasured(answer["error"], answer["message"], answer.get("hint"))
        return answer

    def _died(self) -> Unmeasured:
        code = self._process.wait()
        self._errors.seek(0)
        log = [line for line in self._errors.read().splitlines() if line.strip()]
        if code == -signal.SIGKILL:
            return Unmeasured("out of memory", "the system ended the process, as it does when memory runs out")
        what = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        return Unmeasured("failed", f"the process ended with {what}" + (f": {log[-1]}" if log else ""))

    @property
    def alive(self) -> bool:
        """Whether it can be asked."""
        return self._process.poll() is None

    def close(self) -> None:
        """End the process, whatever it is doing."""
        if self.alive:
            try:
                os.killpg(self._process.pid, signal.SIGKILL)
            except ProcessLookupError:  # it has just ended, or has not got a group of its own yet
                self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._errors):
            with contextlib.suppress(BrokenPipeError):  # what was still to be written has no reader
                pipe.close()  # type: ignore[union-attr]


def command_of(module: str) -> list[str]:
    """The command that runs `main` of a module, in this Python."""
    # modules are found where this process finds them: with `-m` a datasets.py in the user's folder would go first
    return [sys.executable, "-c", f"import sys; sys.path[:] = {sys.path!r}; from {module} import main; main()"]
