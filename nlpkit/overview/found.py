"""The run folders below a folder, each with its size on disk and what became of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from nlpkit.errors import UserError
from nlpkit.overview.run import Run
from nlpkit.reporting import typed
from nlpkit.runs import lock, records
from nlpkit.runs.folder import CHECKPOINTS, JOURNAL
from nlpkit.runs.records import RECORD

DEPTH = 4  # folders below the one that is looked into
INNER = frozenset({CHECKPOINTS, "plots"})  # folders of a run that hold no other

Status = Literal["complete", "running", "interrupted", "failed", "damaged"]


@dataclass(frozen=True)
class Found:
    """A run folder.

    Attributes:
        run: with an empty record where that cannot be read.
        size: bytes of all files in it, without those of other runs below it.
        note: who is at work there, how an interrupted run goes on, why one failed, or why the record cannot be read.
    """

    run: Run
    size: int
    status: Status
    note: str = ""

    @property
    def date(self) -> datetime:
        """When the run ended or began; where its record does not tell, when that was last written."""
        if self.run.date is not None:
            return self.run.date
        try:
            return datetime.fromtimestamp((self.run.path / RECORD).lstat().st_mtime, UTC)
        except OSError:  # it has just gone
            return datetime.now(UTC)


@dataclass
class Search:
    """What was found, and what was not looked into.

    Attributes:
        deeper: folders too far below.
        closed: folders that could not be read.
    """

    runs: list[Found] = field(default_factory=list)
    deeper: int = 0
    closed: list[Path] = field(default_factory=list)


def search(folder: Path, depth: int = DEPTH) -> Search:
    """The run folders in a folder, itself included, by path. Links are not followed: what they lead to is elsewhere.

    Raises:
        UserError: there is no such folder.
    """
    if not folder.is_dir():
        said = f"{folder} is a file" if folder.exists() else f"there is no folder {folder}"
        raise UserError(said, "Give the folder that your runs are in: nlpkit runs DIR.")
    done = Search()
    sizes: dict[Path, int] = {}
    _look(folder, depth, sizes, None, done)
    done.runs = [_found(path, size) for path, size in sorted(sizes.items())]
    return done


def _look(folder: Path, depth: int, sizes: dict[Path, int], owner: Path | None, done: Search) -> None:
    """Go through a folder and those below it.

    Args:
        depth: how many folders deeper may be looked for runs.
        sizes: of the runs that were found, filled here.
        owner: the run that the files of this folder belong to, unless it is one itself.
    """
    try:
        with os.scandir(folder) as entries:
            listed = list(entries)
    except OSError:
        done.closed.append(folder)
        return
    if any(entry.name == RECORD and not _is_folder(entry) for entry in listed):
        owner = folder
        sizes[owner] = 0
    for entry in listed:
        if entry.is_dir(follow_symlinks=False):
            inner = owner is not None and (entry.name in INNER or entry.name.startswith("."))
            path = folder / entry.name
            if inner and owner is not None:
                sizes[owner] += sum(_sizes(path))
            elif depth > 0:
                _look(path, depth - 1, sizes, owner, done)
            else:
                done.deeper += 1
                if owner is not None:
                    sizes[owner] += sum(_sizes(path))
        elif owner is not None:
            sizes[owner] += _size(entry)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether it is a folder or leads to one."""
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


def _size(entry: os.DirEntry[str]) -> int:
    """Bytes of a file; of a link, those of its name."""
    try:
        return entry.stat(follow_symlinks=False).st_size
    except OSError:  # it has just gone
        return 0


def described(run: Run) -> Found:
    """A run that was opened, with its size and what became of it."""
    return _of(run, sum(_sizes(run.path)))


def _sizes(folder: Path) -> Iterator[int]:
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    yield from _sizes(folder / entry.name)
                else:
                    yield _size(entry)
    except OSError:  # it has just gone, or is closed to us
        return


def _found(path: Path, size: int) -> Found:
    try:
        run = Run.open(path)
    except UserError as error:
        return Found(Run(path, {}), size, "damaged", error.message)
    return _of(run, size)


def _of(run: Run, size: int) -> Found:
    holder = lock.at_work(run.path)
    if run.complete:
        return Found(run, size, "complete", f"{holder} is at work there" if holder else "")
    if holder:
        return Found(run, size, "running", holder)
    if failure := run.record.get("failure"):
        return Found(run, size, "failed", f"{failure}; {_way_on(run)}")
    return Found(run, size, "interrupted", _way_on(run))


def _way_on(run: Run) -> str:
    """The command that brings an interrupted run to its end."""
    if run.command is None:
        return "its record does not tell its command"
    place = typed(run.path)
    if run.command in records.WHOLE or (run.path / JOURNAL).exists():
        return f"nlpkit {run.command} --output {place} --resume"
    return f"nlpkit {run.command} --config {typed(run.path / RECORD)} --output {place} --overwrite"
