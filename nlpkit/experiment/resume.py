"""A run that goes on: the options that it was begun with, and the command that resumes it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Protocol, Self, TypeVar

from nlpkit import process, reporting
from nlpkit.data import memory
from nlpkit.errors import Interrupted, UserError
from nlpkit.options import BatchOptions, flag_of, naming, without_permissions
from nlpkit.reporting import counted
from nlpkit.runs.folder import RunFolder, files_by_split, read_record
from nlpkit.runs.records import RECORD, require_whole


class Resumable(Protocol):
    """The options of a command whose interrupted run can go on."""

    output: Path | None
    overwrite: bool
    resume: bool

    @property
    def given(self) -> frozenset[str]: ...

    def on_top_of(self, recorded: Mapping[str, Any]) -> Self: ...


class FinishedRun(NamedTuple):
    """A run that --resume finds complete."""

    record: dict[str, Any]
    folder: Path


R = TypeVar("R", bound=Resumable)
_SIZES = frozenset({"batch_size", "gradient_accumulation_steps"})  # what makes the rows of a step, times the processes
_Files = dict[str, list[tuple[str, str]]]  # path and SHA-256 of the files behind each split


@contextmanager
def telling_how_to_resume(command: str, folder: Path) -> Iterator[None]:
    """Tell the user who interrupts the block which command goes on."""
    try:
        yield
    except (Interrupted, KeyboardInterrupt) as stop:
        if process.launched_for_deepspeed():
            raise
        message = stop.message if isinstance(stop, Interrupted) else "interrupted"
        raise Interrupted(
            message, f"Go on with: nlpkit {command} --output {reporting.typed(folder)} --resume"
        ) from None


def resume_or_start(config: R, command: str) -> tuple[R, FinishedRun | None]:
    """The config to run with, and with --resume the run in --output where it is complete already.

    Raises:
        UserError: the run in --output is another command's, see `resumed_options`, or `process.require_known_division`.
    """
    process.require_known_division()
    if not config.resume:
        return config, None
    if process.launched_for_deepspeed():
        raise UserError(
            "--resume: DeepSpeed would keep its state as pickled objects, which nlpkit neither writes nor opens",
            "Begin with recipes/accelerate/fsdp2-gathered.yaml, whose runs go on, or leave --resume out.",
        )
    folder = _named_folder(config)
    record = read_record(folder)
    if record and record.get("command", command) != command:
        raise UserError(f"--resume: {folder} is a run of `nlpkit {record['command']}`", "Give another --output.")
    given, config = config.given, resumed_options(config)
    if RunFolder(folder).state() != "complete":
        chosen = not _SIZES.isdisjoint(given)
        return config if chosen else _as_many_rows(config, record or {}), None
    require_whole(record or {}, folder / RECORD)
    _require_weights(folder)
    reporting.current().note(f"{folder} is complete: nothing to resume")
    return config, FinishedRun(record or {}, folder)


def _as_many_rows(config: R, record: Mapping[str, Any]) -> R:
    """The options of a run that goes on with another number of processes, with batches that make as many rows per step
    as before, where the numbers allow that.

    Args:
        record: of the run.
    """
    begun, now = record.get("processes"), process.world_size()
    if not isinstance(config, BatchOptions) or begun in (None, now):
        return config
    rows = config.batch_size * config.gradient_accumulation_steps * begun
    each = rows // now
    if each * now != rows:  # where a checkpoint is there, that is refused
        return config
    size = each
    if record.get("divisible_batches", config.gradient_accumulation_steps > 1):
        size = next(n for n in range(min(config.batch_size, each), 0, -1) if each % n == 0)
    reporting.current().note(
        f"{counted(begun, 'process', 'processes')} x --batch-size {config.batch_size} x --gradient-accumulation-steps "
        f"{config.gradient_accumulation_steps} become {now} x {size} x {each // size}: as before {rows:,} rows per step"
    )
    return config.changed(batch_size=size, gradient_accumulation_steps=each // size)


def _require_weights(folder: Path) -> None:
    """Of a finished run, look at the weights before saying so: a file may have been cut since.

    Raises:
        UserError: one cannot be read.
    """
    from safetensors import SafetensorError, safe_open

    for file in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(file, framework="np") as opened:
                empty = not opened.keys()
        except (SafetensorError, OSError):
            empty = True
        if empty:
            raise UserError(
                f"--resume: the run is complete, but {file} cannot be read", "Copy it again, or --overwrite."
            )


def resumed_options(config: R) -> R:
    """The configuration of the interrupted run, with the flags given now on top.

    Raises:
        UserError: there is no --output, it holds something else, or --overwrite is given too.
    """
    folder = _named_folder(config)
    if config.overwrite:
        raise UserError("--resume goes on with the run, --overwrite replaces it", "Give one of them.")
    record = read_record(folder)
    if not record:
        if RunFolder(folder).state() == "foreign":
            raise UserError(f"--resume: {folder} is not an nlpkit run")
        reporting.current().note(f"--resume: there is no run in {folder} yet; starting one")
        return config
    if not isinstance(record.get("config"), dict):
        raise UserError(
            f"--resume: the record of the run in {folder} does not tell its options",
            "Run it again with --overwrite.",
        )
    began = record["config"].get("data")
    if memory.is_name(began) and "data" in config.given and getattr(config, "data", None) != began:
        raise UserError(
            f"--resume: the run in {folder} was begun with other rows ({began})", "Give the same, or begin it anew."
        )
    with naming(folder / RECORD, record["config"].keys()):
        return config.on_top_of(without_permissions(record["config"], folder / RECORD))


def require_same_files(began: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Stop where the files of the data hold something else than when the run began.

    What is left would be trained on other rows, perhaps with labels of other numbers, and rows that were held out then
    may stand among them. A file that was moved is the same.

    Args:
        began: the record of the run.
        now: what its record would be.

    Raises:
        UserError: naming the files.
    """
    before, after = _files_of(began), _files_of(now)
    changed = {**_only_in(before, after), **_only_in(after, before)}
    if any(before.values()) and changed:
        names = ", ".join(map(reporting.shown, changed))
        raise UserError(
            f"--resume: the data are not as they were when the run began: {names}",
            "Put the old files back, or begin anew with --overwrite.",
        )


def _files_of(record: Mapping[str, Any]) -> _Files:
    """Path and SHA-256 of the files behind each split.

    That of standard input is known only once it was read; until then it is left out.
    """
    return {
        split: [(file["path"], file["sha256"]) for file in of_split if file["sha256"]]
        for split, of_split in files_by_split(record).items()
    }


def _only_in(
    files: Mapping[str, list[tuple[str, str]]], others: Mapping[str, list[tuple[str, str]]]
) -> dict[str, None]:
    """The paths, each once, whose content no file has that is behind the same split of the others."""
    return {
        path: None
        for split, of_split in files.items()
        for path, known in of_split
        if known not in {other for _, other in others.get(split, [])}
    }


def _named_folder(config: Resumable) -> Path:
    if config.output is None:
        raise UserError("--resume needs the --output folder of the run to go on with")
    return config.output


# What of a part of a run may differ from the whole: who is told, and how the rows of a step are divided.
_ASIDE = frozenset(
    {"report_to", "public", "keep_checkpoints", "seed", "seeds", "shuffle_seed", "eval_batch_size"} | _SIZES
)


def tell_other_options(part: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Warn where a part of a run that was finished before it went on was trained with other options than the rest.

    Args:
        part: the options of its record.
        now: those of the run.
    """
    others = [
        f"{flag_of(name)} {was}"
        for name, was in part.items()
        if name not in _ASIDE and name in now and now[name] != was
    ]
    if (rows := _rows_of_a_step(part)) != _rows_of_a_step(now):
        others.append(f"{rows} rows per step")
    if others:
        reporting.current().warn(
            f"this was trained with {', '.join(others)}, and what follows is not: its figures count as they are "
            "(--overwrite begins anew)"
        )


def _rows_of_a_step(options: Mapping[str, Any]) -> Any:
    return options.get("batch_size", 1) * options.get("gradient_accumulation_steps", 1)
