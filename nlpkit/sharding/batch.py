"""Many files answered by one command: the shards are found, those that are not done are given to an engine, and what
becomes of each is told and kept in the manifest."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic_core import to_jsonable_python

from nlpkit import machine, reporting
from nlpkit.data import memory
from nlpkit.data.inputs import Reading
from nlpkit.errors import RunError, UserError
from nlpkit.hardware import devices
from nlpkit.options import ReadingOptions
from nlpkit.reporting import Report, counted
from nlpkit.runs.files import lock_alone
from nlpkit.sharding import models, stores
from nlpkit.sharding.engines import Event, Retried, here, processes
from nlpkit.sharding.listing import SHOWN, Shard, is_several, listed
from nlpkit.sharding.manifest import NAME, Entry, Manifest
from nlpkit.sharding.options import ShardedOptions, ShardOptions
from nlpkit.sharding.stores import Local, Target
from nlpkit.sharding.worker import Answered, Failed, Heard, Work
from nlpkit.tasks.options import AnsweredFileOptions

LOCK = ".lock"
# options that say where and how fast, and not what is answered
ELSEWHERE = frozenset(
    {*ShardOptions.model_fields, "input", "output", "overwrite", "resume", "texts"} - {"output_format"}
)
NOT_WHAT = ELSEWHERE | {"max_errors", "model", "threads"}
"""The same, and what else a second start may give differently: the model is told by its content, and by another number
of threads sums end in another last digit, which the page of shards says."""


@dataclass(frozen=True)
class Command:
    """What a command that answers one file tells of itself.

    Attributes:
        name: as it is typed.
        answering: an `Answering` of its module.
        suffix_for: the format of a shard -> the suffix of the file of its answers.
        rows_lacking: what rows have none of, for which there is an error in their place.
    """

    name: str
    answering: Callable[[Mapping[str, Any]], Any]
    suffix_for: Callable[[str | None], str]
    rows_lacking: str


def is_asked_for(config: ShardedOptions) -> bool:
    """Whether a command line means many files: it says so, or names several to read and a folder to write."""
    if config.shards or config.jobs is not None or config.engine is not None:
        return True
    if config.input is None or config.output is None or config.input == "-" or config.texts:
        return False
    return is_several(config.input) and _is_folder(config.output)


def _is_folder(output: Path) -> bool:
    return stores.remote(output) is not None or stores.here(output).is_dir() or not output.suffix


def run(config: ShardedOptions, command: Command) -> Report:
    """Answer the shards of --input.

    Args:
        config: options of the command, `ShardOptions` among them.
        command: that answers one file.

    Raises:
        UserError: something about the options, the shards or the folder is wrong; nothing was answered.
        RunError: the disk is full, or no process could open the model.
    """
    place = _required_folder(config)
    config = config.changed(shards=True)
    config.refuse_unread()
    target = stores.target(place)
    reading = Reading.of(ReadingOptions.of(config))
    shards = listed(str(config.input), target, reading, command.suffix_for)
    _require_one_process(config, target)
    fingerprint = models.fingerprint(config.model, config.model_revision)
    with _alone(target):
        model = {"given": config.model, "fingerprint": fingerprint}
        options = {name: value for name, value in config.record().items() if name not in NOT_WHAT}
        manifest = Manifest.begun(target, command.name, model, options, overwrite=config.overwrite)
        left, done = manifest.sorted_out(shards)
        work = Work(
            answering=f"{command.answering.__module__}:{command.answering.__qualname__}",
            options=_handed_on(config),
            fingerprint=fingerprint,
            output=_shared(target),
            folder=str(Path.cwd()),
        )
        batch = _Batch(config, command, manifest, target)
        batch.plan(shards, left, done)
        try:
            if left:
                target.clear()  # what a killed command has left
                manifest.save()
                batch.answer(work, left)
        finally:
            target.clear()  # first: an interrupt is raised once more where a file has got its name
            manifest.save()
        return batch.report(shards, left, done)


class _Batch:
    """A command at work on shards.

    Args:
        config: its options.
        command: see `run`.
        manifest: of the folder of the answers.
        target: that folder.
    """

    def __init__(self, config: ShardedOptions, command: Command, manifest: Manifest, target: Target) -> None:
        self.config, self.command, self.manifest, self.target = config, command, manifest, target
        self.jobs: int = config.jobs or 1
        self.seconds = 0.0
        self._notes = set[str]()
        self._warned = Counter[str]()

    @property
    def engine(self) -> str:
        """What runs the workers, for people."""
        if self.config.engine == "ray":
            return "ray"
        return "this process" if self.jobs == 1 else counted(self.jobs, "process", "processes")

    def plan(self, shards: Sequence[Shard], left: Sequence[Shard], done: Sequence[Shard]) -> None:
        """Tell what is about to be done."""
        size = sum(shard.size for shard in left) / 1e6
        finished = f", {len(done):,} done before" if done else ""
        reporting.current().plan(
            self.command.name,
            [
                ("model", self.config.model),
                ("shards", f"{len(shards):,} of {self.config.input}{finished}"),
                ("to do", f"{counted(len(left), 'shard', 'shards')}, {size:,.1f} MB, by {self.engine}"),
                ("output", f"{self.target.shown}, with {NAME}"),
            ],
        )

    def answer(self, work: Work, shards: Sequence[Shard]) -> None:
        """Have an engine answer shards, and take down what becomes of each.

        Raises:
            UserError, RunError: what goes wrong with one would with all.
        """
        start = time.monotonic()
        rows = 0
        with (
            closing(self._events(work, shards)) as events,
            reporting.current().progress(self.command.name, len(shards), "shards") as bar,
        ):
            for event in events:
                if isinstance(event, Retried):
                    reporting.current().warn(f"{event.shard.place} is tried again: {event.why}")
                    continue
                shard, outcome = event
                if isinstance(outcome, Failed) and outcome.final:
                    raise (UserError if outcome.usage else RunError)(outcome.message, outcome.hint)
                self.manifest.take(shard, outcome)
                self._tell(shard, outcome)
                rows += outcome.rows if isinstance(outcome, Answered) else 0
                bar.advance(1, rows=f"{rows / max(time.monotonic() - start, 1e-9):,.1f}/s")
        self.seconds = time.monotonic() - start

    def _events(self, work: Work, shards: Sequence[Shard]) -> Generator[Event, None, None]:
        retries = self.config.retries
        if self.config.engine == "ray":
            from nlpkit.sharding.engines import ray_data

            config = self.config
            yield from ray_data.run(work, shards, config.jobs, config.threads, retries, config.ray_address)
            return
        work = replace(work, scratch=str(self.target.scratch().absolute()))
        if self.jobs == 1:
            yield from here.run(work, shards, retries)
            return
        jobs = min(self.jobs, len(shards))
        threads = self.config.threads or max(machine.threads()[0] // jobs, 1)
        yield from processes.run(replace(work, options={**work.options, "threads": threads}), shards, jobs, retries)

    def _tell(self, shard: Shard, outcome: Answered | Failed) -> None:
        """Say what was said of a shard, but not the same once for each of a thousand shards."""
        speak = reporting.current()
        if isinstance(outcome, Failed):
            speak.warn(f"no answers: {_with_place(shard.place, outcome.message)}")
            return
        opening = Heard(*outcome.opening)
        for said, told in ((opening.notes, speak.note), (opening.warnings, speak.warn)):
            for text in said:
                if text not in self._notes:
                    told(text)
                self._notes.add(text)
        for note in outcome.notes:
            if note not in self._notes and len(self._notes) < SHOWN:
                speak.note(_with_place(shard.place, note))
            self._notes.add(note)
        for warning in outcome.warnings:
            self._warned[warning] += 1
            if self._warned[warning] == 1 and len(self._warned) <= SHOWN:
                speak.warn(_with_place(shard.place, warning))

    def report(self, shards: Sequence[Shard], left: Sequence[Shard], done: Sequence[Shard]) -> Report:
        """What came of all shards, those that were done before among them."""
        entries = dict(zip([shard.place for shard in shards], self.manifest.entries(shards), strict=True))
        answered = {place: entry for place, entry in entries.items() if entry.status == "done"}
        failed = {place: entry for place, entry in entries.items() if entry.status == "failed"}
        if untold := sum(self._warned.values()) - min(len(self._warned), SHOWN):
            where = f"stands in {self.target.shown}/{NAME}"
            reporting.current().warn(f"{counted(untold, 'more warning', 'more warnings')} of shards {where}")
        _tell_of_differences(answered)
        rows = sum(entry.rows or 0 for entry in answered.values())
        lacking = sum(entry.failed or 0 for entry in answered.values())
        first = next((place for place, entry in answered.items() if entry.failed), "")
        where = f"the first of them in {first}"
        gate = AnsweredFileOptions.tell_of_failures
        failure = gate(self.config, lacking, rows, self.command.rows_lacking, where)
        if failed:
            named = "; ".join(_with_place(place, str(entry.error)) for place, entry in list(failed.items())[:SHOWN])
            more = f"; and {len(failed) - SHOWN:,} more" if len(failed) > SHOWN else ""
            failure = f"{len(failed):,} of {counted(len(shards), 'shard', 'shards')} have no answers: {named}{more}"
        new = sum(self.manifest.document.shards[shard.output].rows or 0 for shard in left)
        rate = new / self.seconds if self.seconds else 0.0
        record = {
            "model": self.config.model,
            "input": self.config.input,
            "output": self.target.shown,
            "engine": "ray" if self.config.engine == "ray" else "processes",
            "shards": len(shards),
            "done": len(answered) - len(done),
            "skipped": len(done),
            "failed_shards": {place: entry.error for place, entry in failed.items()},
            "rows": rows,
            "failed": lacking,
            "seconds": round(self.seconds, 3),
            "rows_per_second": round(rate, 1),
        }
        lines = [
            f"{counted(len(answered), 'shard', 'shards')} of {len(shards):,} "
            f"({counted(rows, 'row', 'rows')}) are answered in {self.target.shown}"
            + (f", {len(done):,} of them before" if done else "")
        ]
        if left:
            speed = f"{reporting.rate(rate, 'rows')} with opening the model"
            lines.append(f"{counted(new, 'row', 'rows')} this time, {speed}, by {self.engine}")
        if failed:
            lines.append("the same command tries those that failed once more")
        return Report(record, [], lines, exit_code=1 if failure else 0, failure=failure)


def _required_folder(config: ShardedOptions) -> Path:
    """The folder of the answers to files.

    Raises:
        UserError: none is named, or no files.
    """
    flag = "--jobs" if config.jobs is not None else "--engine" if config.engine is not None else "--shards"
    if config.texts:
        raise UserError(
            f"{flag} answers files, and texts are given", "A pattern stands between quotes: --input 'shards/*.parquet'."
        )
    if config.input is None or config.input == "-" or memory.is_name(config.input):
        raise UserError(f"{flag} answers files, and none is named", "--input 'shards/*.parquet'")
    if config.output is None:
        raise UserError(f"{flag} writes a file for each shard, and no folder is named", "Name it: --output DIR")
    if not _is_folder(config.output) or (stores.remote(config.output) is None and stores.here(config.output).is_file()):
        raise UserError(
            f"--output {config.output} names a file, and {flag} writes a file for each shard", "Name a folder."
        )
    return config.output


def _require_one_process(config: ShardedOptions, target: Target) -> None:
    """Refuse a store in the memory of this process where others work.

    Raises:
        UserError: others work.
    """
    if config.engine != "ray" and (config.jobs or 1) == 1:
        return
    for place in (str(config.input), target.shown):
        if (stores.remote(place) or "").startswith(f"{stores.WITHIN}://"):
            several = "--engine ray" if config.engine == "ray" else f"--jobs {config.jobs}"
            raise UserError(
                f"{place} is in the memory of this process, and {several} works in others",
                "Leave it out, or name a folder or a store.",
            )


def _handed_on(config: ShardedOptions) -> dict[str, Any]:
    """The options that a worker opens its model and answers a file with, as JSON values."""
    values = {name: value for name, value in config.given_values().items() if name not in ELSEWHERE} | {"shards": True}
    return dict(to_jsonable_python(values))


def _shared(target: Target) -> str:
    """The folder of the answers, as a process in any other folder finds it."""
    return str(target.folder.absolute()) if isinstance(target, Local) else target.shown


@contextmanager
def _alone(target: Target) -> Iterator[None]:
    """Have no other command of this machine write to the same folder while the block runs.

    Raises:
        UserError: one does.
    """
    if not isinstance(target, Local):
        yield
        return
    folder = stores.here(target.folder)
    made = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--output {target.shown}: {error.strerror}", "Name another folder.") from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UserError(f"--output {target.shown}: no permission to write there", "Name another folder.")
    lock = folder / LOCK
    held = lock_alone(lock, "answers shards")
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)
        os.close(held)
        if made and not any(folder.iterdir()):
            folder.rmdir()


def _with_place(place: str, message: str) -> str:
    """What was said of a shard, with its name where it is not in it."""
    return message if place in message else f"{place}: {message}"


def _tell_of_differences(entries: Mapping[str, Entry]) -> None:
    """Warn of shards that were not read as the first: other columns, or another one that holds the text."""
    rows = {place: entry for place, entry in entries.items() if entry.rows}
    if not rows:
        return
    first, expected = next(iter(rows.items()))
    found = {devices.without_threads(str(entry.device)) for entry in rows.values()}
    if len(found) > 1:
        reporting.current().warn(
            f"shards were answered on different devices ({'; '.join(sorted(found))}): their scores differ a little"
        )
    for attribute, what in (("read_columns", "are read by other columns"), ("columns", "have other columns")):
        other = {
            place: entry for place, entry in rows.items() if getattr(entry, attribute) != getattr(expected, attribute)
        }
        if other:
            place, entry = next(iter(other.items()))
            these, those = (", ".join(getattr(each, attribute)) for each in (entry, expected))
            more = f", {len(other) - 1:,} more after it" if len(other) > 1 else ""
            reporting.current().warn(f"shards {what}: {place} ({these}){more}, where {first} has {those}")
            return
