"""List run folders: what made them, on which data, how good they are, how large and old, and whether they are done.

Looks in DIR and up to four folders below it; links are not followed. `running` is where a process is at work now,
`interrupted` a run that can go on (the command stands below the table), `failed` one that an error has ended, `damaged`
one whose record cannot be read.
What all runs share is said once below the table. Nothing but their records is read, so that it takes no time.

Examples: nlpkit runs
nlpkit runs experiments --task text-classification --sort metric --output runs.csv
"""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from nlpkit import options
from nlpkit.errors import UserError
from nlpkit.options import FolderOptions, option, option_like, suggest
from nlpkit.overview import found, listing
from nlpkit.reporting import Report, Table, counted, typed

COMMAND = "runs"
UNLIMITED = 10_000  # characters of a line that goes to no screen
ESSENTIAL: tuple[str, ...] = ("folder", "sort", "task", "status", "output")


class Config(options.Config):
    """Options of `nlpkit runs`."""

    folder: Path = option(Path("runs"), "Folder to look in.", panel="Input", metavar="DIR", positional=True)
    sort: listing.Order = option(
        "date", "Order: newest, largest, longest first; metric: the best of each task and metric first.", panel="Output"
    )
    task: str | None = option(None, "List only runs of this task.", panel="Input", metavar="NAME")
    status: Literal["complete", "running", "interrupted", "failed", "damaged"] | None = option(
        None, "List only runs of this status.", panel="Input"
    )
    output: Path | None = option(
        None, "File to write the table to: csv, tsv, jsonl or parquet.", panel="Output", metavar="FILE"
    )
    overwrite: bool = option_like(FolderOptions, "overwrite", help="Replace --output if it exists.", only_with="output")


def run(config: Config) -> Report:
    """List; imports neither torch nor transformers.

    Raises:
        UserError: there is no such folder, no run of such a task, or --output cannot be written.
    """
    config.refuse_unread()
    if config.output is not None:
        _require_output(config.output, overwrite=config.overwrite)
    searched = found.search(config.folder)
    if config.task is not None:
        _require_task(config.task, searched.runs)
    chosen = [each for each in searched.runs if _is_asked_for(each, config)]
    now = datetime.now(UTC)
    entries = [listing.entry(each, now) for each in listing.ordered(chosen, config.sort)]
    record = {
        "folder": str(config.folder),
        "runs": entries,
        "left_out": len(searched.runs) - len(chosen),
        "not_looked_into": {"deeper": searched.deeper, "closed": [str(path) for path in searched.closed]},
    }
    tables, lines = _shown(config, entries)
    lines += _left_out(config, searched, len(searched.runs) - len(chosen))
    if config.output is not None:
        _write(config.output, listing.flat(entries), overwrite=config.overwrite)
        lines.append(f"table: {config.output}")
    return Report(record, tables, lines)


def _is_asked_for(each: found.Found, config: Config) -> bool:
    return config.task in (None, each.run.task) and config.status in (None, each.status)


def _require_task(task: str, runs: list[found.Found]) -> None:
    """Refuse a misspelt task: an empty table would say that there is nothing.

    Raises:
        UserError: no run is of it.
    """
    known = {each.run.task for each in runs if each.run.task is not None}
    if known and task not in known:
        hint = suggest(task, known) or f"There are runs of: {', '.join(sorted(known))}."
        raise UserError(f"--task {task}: no run here is of this task", hint)


def _shown(config: Config, entries: list[dict[str, Any]]) -> tuple[list[Table], list[str]]:
    """The table for people, and below it what stands in no column."""
    title = f"{counted(len(entries), 'run', 'runs')} in {config.folder}"
    if not entries:
        return [], [title]
    width = shutil.get_terminal_size((UNLIMITED, 0)).columns
    shown, lines = listing.table(entries, config.folder, title, width)
    lines += [f"{typed(each['run'])}: {each['status']}: {each['note']}" for each in entries if each["note"]]
    return [shown], lines


def _left_out(config: Config, searched: found.Search, unlisted: int) -> list[str]:
    lines = [f"{counted(unlisted, 'run is', 'runs are')} not listed (--task, --status)"] if unlisted else []
    if searched.deeper:
        deeper = counted(searched.deeper, "folder", "folders")
        lines.append(f"not looked into: {deeper} more than {found.DEPTH} below {config.folder}")
    lines += [f"{path} cannot be read, so what is in it is not listed" for path in searched.closed]
    return lines


def _require_output(path: Path, *, overwrite: bool) -> None:
    from nlpkit.data.writers import FORMATS
    from nlpkit.runs.files import require_writable

    if path.suffix.removeprefix(".") not in FORMATS:
        raise UserError(
            f"--output {path}: unknown format", f"End its name in one of: {', '.join(f'.{name}' for name in FORMATS)}."
        )
    require_writable(path, overwrite=overwrite)


def _write(path: Path, rows: list[dict[str, Any]], *, overwrite: bool) -> None:
    from nlpkit.data.writers import writer

    with writer(path, overwrite=overwrite) as write:
        write(rows)
