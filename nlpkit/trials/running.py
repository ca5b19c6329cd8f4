"""One run of a command in a process of its own: begun, gone on with, ended early, or found finished.

A process of its own gives the memory of a run back, however the run ends, and what it does to the libraries goes with
it. Nothing is shared but the folder: the run writes there what it would write for a person who had typed the command.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import PIPE, Popen, TimeoutExpired
from types import MappingProxyType
from typing import Any, NamedTuple

import yaml

from nlpkit import interrupts
from nlpkit.errors import NlpkitError, RunError, UserError, first_line
from nlpkit.runs.files import whole
from nlpkit.runs.folder import METRICS, RunFolder, read_record

POLL = 0.2  # seconds between two looks at a run
PATIENCE = 60.0  # seconds that a run which is to end has for saving its state
LOG_LINES = 3  # of the log that a failure without a message repeats

Entries = Sequence[Mapping[str, Any]]
# a module of the user's called as one of ours must not go first, as it would with `-m`; the command line's program is
# above this floor, so it is named in the text of the child alone
CHILD = (
    "import sys; sys.path[:] = {path!r}; from nlpkit.trials.lifeline import hold; hold(); "
    "from nlpkit.__main__ import main; sys.exit(main())"
)


@dataclass(frozen=True)
class Trial:
    """A command with its options, and where its run goes.

    Attributes:
        command: name of the command, as it is typed.
        options: by the names of the command's options, without `output`, `resume` and `overwrite`; JSON values.
        folder: of the run. Beside it stand `NAME.yaml`, the options as `--config` takes them, and `NAME.log`, what the
            run said.
        resumes: whether the command can go on with a run that was interrupted; another one begins again.
        environment: variables that its process has besides those of this one.
    """

    command: str
    options: Mapping[str, Any]
    folder: Path
    resumes: bool = True
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def config_file(self) -> Path:
        """Where the options stand."""
        return self.folder.parent / f"{self.folder.name}.yaml"

    @property
    def log_file(self) -> Path:
        """Where what the run says stands."""
        return self.folder.parent / f"{self.folder.name}.log"

    @property
    def config_text(self) -> str:
        """The options as a file for `--config`."""
        return yaml.safe_dump(dict(self.options), sort_keys=True, allow_unicode=True)


@dataclass(frozen=True)
class Outcome:
    """What became of a trial.

    Attributes:
        record: nlpkit.json of the finished run; None where it did not finish.
        error: why it did not, None where it did or was ended early.
        hint: what to do about it.
        seconds: that its process took this time; 0.0 where the run was there already.
        ended_early: whether `watch` ended it.
        refused: whether it failed by a mistake of the user's, before anything was begun.
    """

    record: Mapping[str, Any] | None
    error: str | None = None
    hint: str | None = None
    seconds: float = 0.0
    ended_early: bool = False
    refused: bool = False

    def finished(self, what: str) -> Mapping[str, Any]:
        """The record of a run that must have finished.

        Args:
            what: the trial, for the message.

        Raises:
            RunError: it did not.
        """
        if self.record is None:
            raise RunError(f"{what} failed: {self.error or 'it was ended early'}", self.hint)
        return self.record


def finished_before(trial: Trial) -> Mapping[str, Any] | None:
    """The record of the run that is there for the very same options, complete; None where there is none."""
    try:
        same = trial.config_file.read_text(encoding="utf-8") == trial.config_text
        record = read_record(trial.folder) if same else None
    except (OSError, UserError):
        return None
    complete = record is not None and record.get("status") == "complete" and record.get("command") == trial.command
    return record if complete else None


def run(trial: Trial, watch: Callable[[Entries], bool] | None = None) -> Outcome:
    """Run a command in a process of its own, to its end; this one may be interrupted, and ends the other first.

    A run that is complete for the same options is not repeated; one that was interrupted is gone on with, where the
    command can; one of other options is replaced.

    Args:
        watch: is given the lines of the run's metrics.jsonl whenever there are more; True ends the run.

    Raises:
        KeyboardInterrupt: this process was interrupted; the run has saved what it could.
    """
    if (record := finished_before(trial)) is not None:
        return Outcome(record)
    arguments = [trial.command, "--config", str(trial.config_file), "--output", str(trial.folder), "--json"]
    arguments += _how_to_begin(trial)
    trial.folder.parent.mkdir(parents=True, exist_ok=True)
    with whole(trial.config_file) as partial:
        partial.write_text(trial.config_text, encoding="utf-8")
    ended = _process(arguments, trial.log_file, trial.environment, trial.folder / METRICS, watch)
    if ended.early:
        return Outcome(None, seconds=ended.seconds, ended_early=True)
    if ended.code == 0:
        return Outcome(_record(trial), seconds=ended.seconds)
    error, hint = _why(ended, trial.log_file)
    return Outcome(None, error, hint, ended.seconds, refused=ended.code == UserError.exit_code)


def answer(command: str, options: Mapping[str, Any], place: Path) -> Mapping[str, Any]:
    """Run a command that writes no run folder in a process of its own, to its end.

    Args:
        options: by their names; JSON values.
        place: beside it stand `NAME.yaml` and `NAME.log`, as of a trial.

    Returns:
        What it says with --json.

    Raises:
        UserError: what the command says is wrong.
        RunError: it failed.
        KeyboardInterrupt: this process was interrupted.
    """
    asked = Trial(command, options, place)
    asked.config_file.write_text(asked.config_text, encoding="utf-8")
    ended = _process([command, "--config", str(asked.config_file), "--json"], asked.log_file)
    if ended.code == 0:
        said: Mapping[str, Any] = json.loads(ended.said)
        return said
    error, hint = _why(ended, asked.log_file)
    raise (UserError if ended.code == UserError.exit_code else RunError)(error, hint)


class _Ended(NamedTuple):
    """A process that has ended: its exit code and answer, how long it took, and whether `watch` ended it."""

    code: int
    said: str
    seconds: float
    early: bool


def _process(
    arguments: Sequence[str],
    log_file: Path,
    environment: Mapping[str, str] = MappingProxyType({}),
    metrics: Path | None = None,
    watch: Callable[[Entries], bool] | None = None,
) -> _Ended:
    """Run `nlpkit` in a process of its own, to its end or until `watch` ends it."""
    started = time.monotonic()
    with tempfile.TemporaryFile("w+", encoding="utf-8") as answer, log_file.open("w", encoding="utf-8") as log:
        process = Popen(
            [sys.executable, "-c", CHILD.format(path=sys.path), *arguments],
            stdin=PIPE,  # see `lifeline`
            stdout=answer,
            stderr=log,
            env={**os.environ, **environment},
            start_new_session=True,  # Ctrl-C is for this process, which then ends the other
        )
        assert process.stdin is not None
        try:
            early = _followed(process, metrics, watch)
        finally:
            process.stdin.close()
            _end(process)
        answer.seek(0)
        return _Ended(process.returncode, answer.read(), time.monotonic() - started, early)


def _how_to_begin(trial: Trial) -> list[str]:
    """Flags for what is in the folder already."""
    try:
        state = RunFolder(trial.folder).state()
        same = trial.config_file.read_text(encoding="utf-8") == trial.config_text
    except (OSError, NlpkitError):
        return ["--overwrite"]
    if state == "free":
        return []
    return ["--resume"] if state == "running" and same and trial.resumes else ["--overwrite"]


def _record(trial: Trial) -> Mapping[str, Any] | None:
    record = read_record(trial.folder)
    return record if record is not None and record.get("status") == "complete" else None


def _followed(process: Popen[bytes], metrics: Path | None, watch: Callable[[Entries], bool] | None) -> bool:
    """Wait for a process; True when `watch` wants it to end."""
    seen = 0
    while True:
        interrupts.check()
        try:
            process.wait(POLL)
            return False
        except TimeoutExpired:
            pass
        if watch is not None and metrics is not None:
            entries = entries_of(metrics)
            if len(entries) > seen:
                seen = len(entries)
                if watch(entries):
                    return True


def entries_of(metrics: Path) -> list[dict[str, Any]]:
    """The lines of a metrics.jsonl that are whole; the last one may be under way."""
    try:
        text = metrics.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    entries = []
    for line in text.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict):
            entries.append(entry)
    return entries


def _end(process: Popen[bytes]) -> None:
    """Let a process that has lost its lifeline save its state, and kill one that takes too long."""
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(PATIENCE)
    except TimeoutExpired:
        process.kill()
        process.wait()


def _why(ended: _Ended, log_file: Path) -> tuple[str, str | None]:
    """The message and the hint of a run that failed."""
    try:
        error = json.loads(ended.said)["error"]
        return str(error["message"]), error.get("hint")
    except (ValueError, KeyError, TypeError):
        pass
    if ended.code == -9:
        return "the system ended the process, as it does when memory runs out", f"What it said: {log_file}"
    log = [line for line in log_file.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    last = " ".join(log[-LOG_LINES:]) or f"exit code {ended.code}"
    return first_line(RunError(last)), f"What it said: {log_file}"
