"""What answers shards: a model that is opened once, here, in a process of its own, or as an actor of a cluster.

As a process it reads a request a line from standard input and answers each with a line on standard output, JSON both
ways, until the input ends.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import secrets
import shutil
import signal
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from nlpkit import process, reporting
from nlpkit.data import inputs
from nlpkit.errors import NlpkitError, UserError, first_line
from nlpkit.reporting import Report
from nlpkit.runs.files import is_disk_full
from nlpkit.sharding import models, stores
from nlpkit.sharding.listing import Shard

Answer = Callable[[str, Path], Report]
"""Answers the rows of a file into another one; its report is that of the command for the one file."""
Answering = Callable[[Mapping[str, Any]], Answer]
"""Opens the model that options name. It is found by its name in other processes: a function of a module."""


@dataclass(frozen=True)
class Work:
    """All that another process or machine needs to answer shards.

    Attributes:
        answering: module and name of an `Answering`, as `module:name`.
        options: of the command, as JSON values, without where the answers go.
        fingerprint: of the model that is meant.
        output: the folder of the answers.
        folder: that relative paths begin in.
        scratch: a folder for files that are not finished; "" for one of the worker's own choice.
    """

    answering: str
    options: Mapping[str, Any]
    fingerprint: str
    output: str
    folder: str
    scratch: str = ""


class Heard(NamedTuple):
    """What was said while a model was opened."""

    notes: Sequence[str] = ()
    warnings: Sequence[str] = ()


NOTHING = Heard()


@dataclass(frozen=True)
class Answered:
    """A shard that is done; see `manifest.Entry`.

    Attributes:
        notes, warnings: what was said of it.
        opening: what was said when the worker opened its model, in the first of its outcomes.
    """

    rows: int
    failed: int
    seconds: float
    sha256: str
    output_bytes: int
    files: list[str]
    device: str
    worker: str
    columns: list[str]
    read_columns: list[str]
    warnings: list[str]
    notes: list[str] = field(default_factory=list)
    opening: Heard = NOTHING

    def record(self) -> dict[str, Any]:
        """What the manifest keeps."""
        return {name: value for name, value in asdict(self).items() if name not in ("notes", "opening")}


@dataclass(frozen=True)
class Failed:
    """A shard, or a model, that something is wrong with.

    Attributes:
        message, hint: for people.
        again: whether another try may go well: what is wrong with the rows or the options stays so.
        final: whether no other shard would do any better: the options are wrong, or the disk is full.
        usage: whether it is the user's to put right before anything is done.
    """

    message: str
    hint: str | None = None
    again: bool = False
    final: bool = False
    usage: bool = False


Outcome = Answered | Failed


def as_json(outcome: Outcome) -> dict[str, Any]:
    """An outcome as JSON values."""
    return {"kind": type(outcome).__name__, **asdict(outcome)}


def from_json(values: Mapping[str, Any]) -> Outcome:
    """An outcome of what `as_json` made."""
    kept = {name: value for name, value in values.items() if name != "kind"}
    if values["kind"] == Failed.__name__:
        return Failed(**kept)
    return Answered(**{**kept, "opening": Heard(*values["opening"])})


class Worker:
    """A model that is open.

    Args:
        work: what it is opened for.

    Raises:
        UserError: it cannot be opened, or is not the one that is meant.
    """

    def __init__(self, work: Work) -> None:
        module, _, name = work.answering.partition(":")
        answering: Answering = getattr(importlib.import_module(module), name)
        with reporting.silent(), reporting.listening() as heard:
            self._answer = answering(work.options)
        self._opening = Heard(heard.notes, heard.warnings)
        found = models.fingerprint(work.options["model"], work.options.get("model_revision"))
        if found != work.fingerprint:
            raise UserError(
                f"{work.options['model']} on {socket.gethostname()} is another model than where the command began",
                "Copy the same folder to each machine, or name one that all of them see.",
            )
        self.target = stores.target(work.output)
        self.scratch = Path(work.scratch) if work.scratch else self.target.scratch()

    def answer(self, shard: Shard) -> Outcome:
        """Answer the rows of a shard; what goes wrong is an outcome, too."""
        mine = self.scratch / f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        try:
            mine.mkdir(parents=True)
            return self._answered(shard, mine)
        except Exception as error:
            return failed(error)
        finally:
            shutil.rmtree(mine, ignore_errors=True)

    def _answered(self, shard: Shard, mine: Path) -> Answered:
        output = mine / Path(shard.output).name
        start = time.monotonic()
        with (
            stores.fetched(shard.place) as file,
            inputs.standing_for(file, shard.place),
            reporting.silent(),
            reporting.listening() as heard,
        ):
            report = self._answer(str(file), output)
        with output.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        size = output.stat().st_size
        folder = Path(shard.output).parent
        # what describes the output first: where the output is, all of it is
        beside = sorted(path for path in mine.iterdir() if path.is_file() and path != output)
        for path in [*beside, output]:
            self.target.put(path, str(folder / path.name))
        record = report.record
        opening, self._opening = self._opening, NOTHING
        return Answered(
            rows=record["rows"],
            failed=record["failed"],
            seconds=round(time.monotonic() - start, 3),
            sha256=digest,
            output_bytes=size,
            files=[shard.output, *(str(folder / path.name) for path in beside)],
            device=record["device"],
            worker=f"{socket.gethostname()}:{os.getpid()}",
            columns=record["columns"],
            read_columns=record["read_columns"],
            warnings=heard.warnings,
            notes=heard.notes,
            opening=opening,
        )


def failed(error: Exception) -> Failed:
    """What an error means for a shard."""
    if is_disk_full(error) or "disk is full" in str(error):
        hint = error.hint if isinstance(error, NlpkitError) else None
        return Failed(first_line(error), hint, final=True)
    if isinstance(error, UserError):
        return Failed(error.message, error.hint)
    if isinstance(error, NlpkitError):
        return Failed(error.message, error.hint, again=True)
    return Failed(f"{type(error).__name__}: {first_line(error)}", again=True)


def begun(work: Work) -> Worker | Failed:
    """A worker, or why there is none."""
    try:
        return Worker(work)
    except UserError as error:
        return Failed(error.message, error.hint, final=True, usage=True)
    except Exception as error:
        found = failed(error)
        return Failed(found.message, found.hint, final=True)


def main() -> None:
    """Answer requests until there are no more: the first opens the model, the others name shards."""
    process.apply(verbose=False)
    requests, answers = process.own_streams()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one that asks, who ends this process
    process.offer_to_be_killed()
    worker: Worker | Failed | None = None
    for request in map(json.loads, requests):
        if worker is None:
            worker = begun(Work(**request["work"]))
            answer = as_json(worker) if isinstance(worker, Failed) else {}
        else:
            assert isinstance(worker, Worker)
            answer = as_json(worker.answer(Shard(**request["shard"])))
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
