"""The run folder: refused or prepared, visibly in progress, complete only when all of it is there."""

from __future__ import annotations

import contextlib
import functools
import json
import math
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from nlpkit import __version__, interrupts, reporting
from nlpkit.errors import NlpkitError, UserError, first_line
from nlpkit.runs import lock, records
from nlpkit.runs.files import follow_umask, whole, write_json, writing
from nlpkit.runs.records import RECORD, SCHEMA_VERSION

METRICS = "metrics.jsonl"
CHECKPOINTS = "checkpoints"
JOURNAL = "measurements.jsonl"  # of a benchmark
SPARE_BYTES = 50_000_000  # plots, card, logs


def baselines_of(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What a run is compared with, as its record has it."""
    one = record.get("baseline")
    return [*([one] if one else []), *(record.get("baselines") or [])]


def read_record(folder: str | Path) -> dict[str, Any] | None:
    """The nlpkit.json of a folder as `records` opens it, None when it has none.

    It is {} for a run that was killed between claiming its folder and writing the record.

    Raises:
        UserError: it cannot be read, is of a newer nlpkit, or a field is not of its type.
    """
    return records.read(Path(folder) / RECORD)


class RunFolder:
    """One run's folder.

    Args:
        path: where; made if missing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    # --- before ---

    @classmethod
    def default_path(cls, data: str, model: str) -> Path:
        """`runs/<data>-<model>`, numbered when that is taken."""
        base = Path("runs") / f"{data}-{model}"
        candidate, number = base, 2
        while candidate.exists():
            candidate = base.with_name(f"{base.name}-{number}")
            number += 1
        return candidate

    def state(self, *, replaced: bool = False) -> str:
        """`free`, `running` (interrupted or under way), `complete`, or `foreign` (something else lives there).

        Args:
            replaced: what is there is to be replaced: a run whose record is damaged is `running`.

        Raises:
            UserError: it is a file, or the record is damaged.
        """
        if not self.path.exists():
            return "free"
        if not self.path.is_dir():
            raise UserError(f"--output {self.path} is a file", "Give a folder.")
        # a run that is killed while it begins leaves its lock, and half a record under another name
        if all(item.name == lock.LOCK or item.name.startswith(f".{RECORD}.") for item in self.path.iterdir()):
            return "free"
        try:
            record = read_record(self.path)
        except UserError:
            if not replaced:
                raise
            return "running"
        if record is None:
            return "foreign"
        return "complete" if record.get("status") == "complete" else "running"

    def require_usable(self, *, resume: bool | None, overwrite: bool) -> None:
        """Refuse to touch what is there, unless asked to; with a flag that asks, take it for this process.

        Args:
            resume: None where the command cannot go on with a run.

        Raises:
            UserError: there is a run and neither flag says what to do, one is at work there, it cannot be written, or
                its name is no text, as which records keep it.
        """
        if not reporting.is_text(str(self.path)):
            raise UserError(f"--output {self.path}: this name is not in UTF-8", "Give another --output.")
        state = self.state(replaced=overwrite and not resume)
        if state == "foreign":
            raise UserError(
                f"--output {self.path} is not empty and not an nlpkit run: it is left alone", "Give another --output."
            )
        if state in ("running", "complete") and not (resume or overwrite):
            lock.refuse_live(self.path)
            kind = "an interrupted run" if state == "running" else "a finished run"
            go_on = "--resume goes on with it, " if state == "running" and resume is not None else ""
            raise UserError(
                f"--output {self.path} holds {kind}", f"{go_on}--overwrite replaces it; or give another --output."
            )
        if resume:
            self._require_own_files()
        self._require_writable()
        if state != "free":
            with self.writing():
                lock.take(self.path)

    def _require_own_files(self) -> None:
        """Refuse to go on where what is written to stands elsewhere: a run of somebody else's could change any file.

        Raises:
            UserError: there is a link among the run's files or checkpoints, or a folder in the place of a file.
        """
        # within a checkpoint, too: one that was cut short is written again
        for item in (*self.path.glob("*"), *self.checkpoints.rglob("*")):
            if item.is_symlink():
                raise UserError(f"--resume: {item} is a link: the run would write elsewhere", "Copy the file there.")
        if (self.path / METRICS).is_dir():
            raise UserError(f"--resume: {self.path / METRICS} is a folder", "Move it away.")

    def _require_writable(self) -> None:
        if self.path.is_symlink() and not self.path.exists():  # no folder can be made under that name
            target = self.path.readlink()
            raise UserError(f"--output {self.path} is a link to {target}, which is not there", "Make that folder.")
        place = self.path
        while not place.exists():
            place = place.parent
        if place.is_file():
            raise UserError(f"--output {self.path}: {place} is a file", "Give another --output.")
        if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
            raise UserError(f"--output {self.path}: no permission to write in {place}", "Give another --output.")

    def require_space(self, bytes_needed: int) -> None:
        """Stop before the work when the disk cannot hold its result.

        Raises:
            UserError: fewer bytes are free than the model and two checkpoints take.
        """
        place = self.path
        while not place.exists():
            place = place.parent
        free = shutil.disk_usage(place).free
        if free < bytes_needed + SPARE_BYTES:
            raise UserError(
                f"--output {self.path}: the run needs {human_bytes(bytes_needed + SPARE_BYTES)} "
                f"(model and two checkpoints), {human_bytes(free)} are free",
                "Free some space or give an --output on another disk.",
            )

    def start(self, record: Mapping[str, Any], *, overwrite: bool, resume: bool) -> None:
        """Create the folder, take it for this process, and mark it as in progress.

        Raises:
            UserError: another run has begun there meanwhile.
        """
        replaced = overwrite and not resume
        fresh = self.state(replaced=replaced) == "free"
        with interrupts.waiting(), self.writing():
            self.path.mkdir(parents=True, exist_ok=True)
            try:
                lock.take(self.path)
                for item in self.path.glob(".*.partial"):  # of processes that were killed: nobody else writes here
                    _remove(item)
                if replaced and self.state(replaced=True) in ("running", "complete"):
                    self._clear()
                if not (overwrite or resume):
                    self._claim()
                write_json(
                    self.path / RECORD,
                    {"schema_version": SCHEMA_VERSION, "status": "running", **record, "started": _now()},
                )
            except OSError:
                if fresh:  # nobody need see to a run that has not begun
                    (self.path / RECORD).unlink(missing_ok=True)
                    lock.give_back(self.path)
                    with contextlib.suppress(OSError):
                        self.path.rmdir()
                raise

    def _claim(self) -> None:
        """Of two runs that started together, let one have the folder.

        Raises:
            UserError: the other one has it.
        """
        try:
            (self.path / RECORD).open("x").close()
        except FileExistsError:
            raise UserError(
                f"--output {self.path}: another run has just started there", "Give another --output."
            ) from None

    def _clear(self) -> None:
        # the record goes last: a kill in between leaves something that is still known as a run
        for item in self.path.iterdir():
            if item.name not in (RECORD, lock.LOCK):
                _remove(item)
        _remove(self.path / RECORD)

    # --- while it runs ---

    @property
    def checkpoints(self) -> Path:
        """Where Trainer keeps its checkpoints."""
        return self.path / CHECKPOINTS

    def rewind_metrics(self, step: int) -> None:
        """Drop the metric lines behind `step` and the closing one: the resumed run writes them again."""
        path = self.path / METRICS
        if not path.exists():
            return
        kept = []
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            # the last line may be cut in half by a kill
            with contextlib.suppress(ValueError, TypeError, AttributeError, RecursionError):
                entry = json.loads(line)
                if entry.get("step", 0) <= step and "train_runtime" not in entry:
                    kept.append(line)
        with self.writing(), whole(path) as partial:
            partial.write_text("".join(line + "\n" for line in kept), encoding="utf-8")

    def log(self, entry: Mapping[str, Any]) -> None:
        """Append one line to metrics.jsonl; what is no number is null there, as JSON has nothing else for it.

        In fp16 gradients overflow until the scale of the loss is found: their norm is infinite in such a step.
        """
        entry = {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in entry.items()
        }
        with self.writing():
            self.path.mkdir(parents=True, exist_ok=True)  # `build(config).train()` has not called `start`
            with (self.path / METRICS).open("a", encoding="utf-8") as file:
                file.write(json.dumps(entry, default=float) + "\n")

    def writing(self) -> contextlib.AbstractContextManager[None]:
        """See `files.writing`; where the disk is full, what can be gone on with decides what to do."""
        return writing(self.path, self.way_on)

    def way_on(self) -> str:
        """What to do when there is room again."""
        if any(self.checkpoints.glob("checkpoint-*/trainer_state.json")):
            return "Free some space; the same command with --resume goes on from the last checkpoint."
        if self.path.parent.parent.name == CHECKPOINTS or any(self.checkpoints.glob(f"*/*/{RECORD}")):
            return "Free some space; the same command with --resume goes on with the parts that are finished."
        if (self.path / JOURNAL).exists():
            return "Free some space; the same command with --resume goes on with what was measured."
        if (self.path / RECORD).exists():
            return "Free some space; the same command with --overwrite begins again."
        return "Free some space, or give an --output on another disk."

    def note_failure(self, error: BaseException) -> None:
        """Keep in the record why the run of this process ends before it is complete, where that can be written."""
        with contextlib.suppress(OSError, NlpkitError):
            record = read_record(self.path) if lock.is_ours(self.path) else None
            if record and record.get("status") == "running":
                write_json(self.path / RECORD, {**record, "failure": first_line(error)})

    # --- at the end ---

    def finish(self, record: Mapping[str, Any], staged: Path, *, keep_checkpoints: bool) -> None:
        """Move the staged files into place; the record that says `complete` is written last."""
        with interrupts.waiting(), self.writing():
            # written while there is nothing to undo: what follows needs no room on the disk
            write_json(
                staged / RECORD,
                {"schema_version": SCHEMA_VERSION, "status": "complete", **record, "finished": _now()},
            )
            follow_umask(staged)
            for item in sorted(staged.iterdir(), key=lambda item: item.name == RECORD):
                target = self.path / item.name
                if target.is_dir():
                    _remove(target)
                item.replace(target)
            staged.rmdir()
            if keep_checkpoints:
                follow_umask(self.checkpoints)
            else:
                shutil.rmtree(self.checkpoints, ignore_errors=True)

    @contextlib.contextmanager
    def staging(self) -> Iterator[Path]:
        """A folder inside the run to write results in before `finish` moves them; removed if that fails."""
        staged = self.path / ".partial"
        _remove(staged)
        with self.writing():
            staged.mkdir()
            try:
                yield staged
            finally:
                shutil.rmtree(staged, ignore_errors=True)


def files_by_split(record: Mapping[str, Any] | None) -> dict[str, list[dict[str, Any]]]:
    """The files that a run was made with: path, sha256, bytes. Those of running text are all of `train`."""
    files = (((record or {}).get("parents") or {}).get("data") or {}).get("files") or {}
    return {"train": files} if isinstance(files, list) else files


def _remove(item: Path) -> None:
    """A file, a folder with all in it, or a link and not what it points to."""
    if item.is_dir() and not item.is_symlink():
        shutil.rmtree(item)
    else:
        item.unlink(missing_ok=True)


def human_bytes(count: float) -> str:
    """12.3 MB, in powers of 1,000."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def versions() -> dict[str, str]:
    """Versions that a result depends on."""
    return dict(_versions())


@functools.cache
def _versions() -> dict[str, str]:
    """Read once: a run asks several times, and what is installed is found by opening files."""
    import platform
    from importlib import metadata

    names = "transformers torch datasets tokenizers accelerate evaluate scikit-learn numpy"
    names += " onnxruntime onnxruntime-gpu torchao"
    installed = {"nlpkit": __version__, "python": platform.python_version()}
    for name in names.split():
        with contextlib.suppress(metadata.PackageNotFoundError):
            installed[name] = metadata.version(name)
    return installed


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S%z")
