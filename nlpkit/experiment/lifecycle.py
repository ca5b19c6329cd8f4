"""The life of a run, which every command that trains shares: prepare, train, evaluate, compare, write, push.

`run` calls these phases one after the other. A command gives what prepares its `Experiment`, which says what the other
phases are for it. The training step and the evaluation loop stand in `nlpkit.training.trainer`.
"""

from __future__ import annotations

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from nlpkit import process, reporting
from nlpkit.errors import Interrupted, RunError, UserError, first_line
from nlpkit.experiment import resume, upload
from nlpkit.hardware import gpus
from nlpkit.models import opening
from nlpkit.options import BatchOptions, Config, OutputOptions, RunOptions
from nlpkit.reporting import Report
from nlpkit.runs import lock
from nlpkit.runs.folder import RunFolder, read_record, versions
from nlpkit.training import together

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

    from nlpkit.hardware.devices import Device

V = TypeVar("V")  # what an evaluation gives


@dataclass(kw_only=True)
class Experiment(ABC, Generic[V]):
    """What a run is made of before its first step, and what each phase after that is for its command.

    Attributes:
        trainer: a `ResumableTrainer`; its number of
        steps: is known with it.
        parameters: of the model that is evaluated.
    """

    command: str
    config: RunOptions
    device: Device
    folder: RunFolder
    tokenizer: Any
    parameters: int
    trainer: Any = field(init=False)
    steps: int = field(init=False)

    @property
    def resumed_by(self) -> str:
        """The command that resumes the run, without --output."""
        return self.command

    @property
    def trains(self) -> bool:
        """Whether there is anything to train."""
        return True

    @property
    @abstractmethod
    def figures(self) -> Mapping[str, str]:
        """What stands beside the progress bar, see `ProgressCallback`."""

    @abstractmethod
    def origin(self) -> dict[str, Any]:
        """Of the record `task`, `parents`, `rows` and `findings`."""

    def head(self) -> dict[str, Any]:
        """The part of the record that is known before training."""
        return {
            **record_head(self.config, self.command, self.device, seed=self.config.seed, **self.origin()),
            **gpus.recorded(self.device),
            "processes": process.world_size(),
            **({"divided": divided} if (divided := process.division()) else {}),
            **({"divisible_batches": self.trainer.divisible_batches} if self.trains else {}),
        }

    def before_training(self) -> None:
        """Train what else the run is made of; the folder is taken, and what is there already is not made again."""

    def after_training(self) -> None:
        """Take from the model what only training needs."""

    @abstractmethod
    def evaluate(self) -> V:
        """Measure the best model; in every process."""

    def compare(self, evaluated: V) -> dict[str, Any]:
        """The part of the record on other models, which are measured together with this one."""
        return {}

    @abstractmethod
    def record(self, evaluated: V) -> dict[str, Any]:
        """The record of the finished run, but for comparison and duration."""

    @abstractmethod
    def write(self, record: dict[str, Any], evaluated: V) -> None:
        """Everything that belongs into the run folder."""


E = TypeVar("E", bound=Experiment[Any])
R = TypeVar("R", bound=RunOptions)
Reported = Callable[[dict[str, Any], Path], Report]


def run(config: R, command: str, prepare: Callable[[R], Experiment[Any]], report: Reported) -> Report:
    """A run from its options to its report.

    Args:
        prepare: makes the experiment of a config; it stops at whatever is wrong with options, data or model.
        report: what people and machines are told of a finished run, by its record and folder.
    """
    return unless_complete(config, command, report, lambda settled: live(settled, prepare, report))


@lock.given_back()
@together.ending_together()
def unless_complete(config: R, command: str, report: Reported, start: Callable[[R], Report]) -> Report:
    """Report a run that --resume finds complete, or start it with the options that it was begun with."""
    config, finished = resume.resume_or_start(config, command)
    if finished is not None:
        return report(*finished)
    return start(config)


def live(config: R, prepare: Callable[[R], Experiment[Any]], report: Reported) -> Report:
    """The phases of a run, one after the other; see `run`."""
    started = time.monotonic()
    experiment = prepare(config)
    if config.dry_run:
        return dry_run(experiment.config)  # with what the model has settled: its data, the options of its task
    repository = upload.require_hub_access(config, experiment.folder.path)
    folder = experiment.folder
    with resume.telling_how_to_resume(experiment.resumed_by, folder.path), noting_failure(folder):
        experiment = train(experiment, prepare)
        experiment.after_training()
        evaluated = experiment.evaluate()
        if not process.is_main_process():
            return Report({})
        compared = experiment.compare(evaluated)
        record = {
            **experiment.record(evaluated),
            "wall_seconds": round(time.monotonic() - started, 2),
            **compared,
        }
        experiment.write(record, evaluated)
    if repository:
        upload.push(experiment.folder.path, repository, public=config.public)
    reported = report(record, experiment.folder.path)
    experiment.trainer.accelerator.free_memory()
    return reported


@contextmanager
def noting_failure(folder: RunFolder) -> Iterator[None]:
    """Keep in the record of a run the error that ends the block: `nlpkit runs` tells it from one that was stopped.

    What is wrong with options or data is no failure of the run, which may go on with others.
    """
    try:
        yield
    except (Interrupted, UserError):
        raise
    except Exception as error:
        if process.is_main_process():
            folder.note_failure(error)
        raise


def dry_run(config: Config) -> Report:
    """What is told where --dry-run ends a command."""
    return Report({"dry_run": True, "config": config.record()}, lines=["dry run: nothing was trained or written"])


# --- prepare ---


def usable_folder(config: OutputOptions, *names: str) -> RunFolder:
    """The folder of a run, or the one that is called after `names`, unless it holds something else.

    Raises:
        UserError: it does.
    """
    folder = RunFolder(config.output or RunFolder.default_path(*names))
    if process.is_main_process():
        folder.require_usable(resume=config.resume, overwrite=config.overwrite)
    return folder


def require_space(folder: RunFolder, parameters: int, *, saved: int = 3) -> None:
    """Stop where the disk has no room for the result and two checkpoints, in float32.

    Args:
        parameters: of the model.
        saved: numbers that a checkpoint keeps per parameter: the weight and AdamW's two moments, and what else learns.

    Raises:
        UserError: see `RunFolder.require_space`.
    """
    if process.is_main_process():
        folder.require_space(4 * parameters * (1 + 2 * saved))


def record_head(config: Config, command: str, device: Device, *, seed: int, **origin: Any) -> dict[str, Any]:
    """What the record of any run begins with that makes a model.

    Args:
        origin: see `Experiment.origin`.
    """
    return {
        "command": command,
        "config": config.record(),
        **origin,
        "seed": seed,
        "device": device.described,
        "versions": versions(),
    }


def parent(given: str, revision: str | None, config: PreTrainedConfig) -> dict[str, Any]:
    """How the record names a model that a run comes from.

    Args:
        config: of the model.
    """
    return {
        "name": opening.display_name(given),
        "given": given,
        "revision": revision,
        "commit": getattr(config, "_commit_hash", None),
    }


# --- train ---


def train(experiment: E, prepare: Callable[[Any], E]) -> E:
    """Train; when the device runs out of memory, go on with a smaller batch and more accumulation: the same steps.

    Args:
        experiment: emptied where another is built in its place: who called still has it, and would keep its model and
            optimizer on the device beside those of the next.
        prepare: makes the experiment of a config again.
    """
    from nlpkit.hardware import devices, memory
    from nlpkit.training.callbacks import ProgressCallback, SignalCallback
    from nlpkit.training.checkpoints import last_checkpoint, position_in

    if not experiment.trains:
        if process.is_main_process():
            config = experiment.config
            experiment.folder.start(experiment.head(), overwrite=config.overwrite, resume=config.resume)
        experiment.before_training()
        return experiment
    while True:
        config, trainer, folder = experiment.config, experiment.trainer, experiment.folder
        checkpoint = last_checkpoint(folder.checkpoints) if config.resume else None
        position = position_in(checkpoint) if checkpoint else {}
        _require_same_steps(config, position)
        head = experiment.head()
        if checkpoint:
            began = read_record(folder.path) or {}
            resume.require_same_files(began, head)
            if process.is_main_process() and (line := devices.moved(began.get("device"), experiment.device)):
                reporting.current().warn(line)
        if process.is_main_process():
            folder.start(head, overwrite=config.overwrite, resume=config.resume)
        experiment.before_training()
        if process.is_main_process():
            step = int(checkpoint.name.rpartition("-")[2]) if checkpoint else 0
            folder.rewind_metrics(step)
            if config.resume:
                where = f"from step {step}" if checkpoint else "from the start: there is no checkpoint yet"
                reporting.current().note(f"resuming {where}")
        if config.compile == "auto":
            trainer.try_compiling(experiment.device, position)
        if checkpoint:
            trainer.resume_from(position)
        trainer.accelerator.wait_for_everyone()
        signals = SignalCallback(trainer)
        trainer.add_callback(signals)
        try:
            with reporting.current().progress("train", experiment.steps, "steps") as bar, signals.listening():
                trainer.add_callback(ProgressCallback(trainer, bar, experiment.figures))
                trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
            if together.largest([signals.caught is not None])[0]:  # too late for the last step to see it
                together.leave_behind_the_main_process()
                raise Interrupted("interrupted after the last step; the state is saved")
            return experiment
        except (RuntimeError, MemoryError) as error:
            if not memory.is_exhausted(error):
                raise
            if trainer.compiling is not None and trainer.compiling.active:
                reporting.current().warn("out of memory in a compiled step; going on without --compile auto")
                plain = config.changed(compile=False, output=folder.path, resume=True)
                vars(experiment).clear()
                del trainer, signals
                _release(compiled=True)
                experiment = prepare(plain)
                continue
            if config.batch_size == 1 or process.world_size() > 1 or not trainer.divisible_batches:
                raise _out_of_memory(config, error, "" if trainer.divisible_batches else trainer.indivisible) from error
        size = next(n for n in range(config.batch_size // 2, 0, -1) if config.batch_size % n == 0)
        smaller = config.changed(
            batch_size=size,
            gradient_accumulation_steps=config.gradient_accumulation_steps * config.batch_size // size,
            eval_batch_size=max(config.eval_batch_size // 2, 1),
            output=folder.path,
            resume=True,
        )
        reporting.current().warn(
            f"the {experiment.device.name} ran out of memory with --batch-size {config.batch_size}; going on with "
            f"--batch-size {smaller.batch_size} --gradient-accumulation-steps {smaller.gradient_accumulation_steps}"
        )
        vars(experiment).clear()
        del trainer, signals
        _release(compiled=bool(config.compile))
        experiment = prepare(smaller)


def _require_same_steps(config: BatchOptions, position: Mapping[str, Any]) -> None:
    """Stop where the steps of a checkpoint had another number of rows: what is left would be other rows and rates.

    Args:
        position: of the checkpoint.

    Raises:
        UserError: saying how to have as many.
    """
    processes, begun = process.world_size(), position.get("processes")
    batch, accumulated = config.batch_size, config.gradient_accumulation_steps
    rows, was = batch * accumulated * processes, position.get("rows_a_step") or 0
    if was not in (0, rows):
        ways = [f"start {begun} processes"] if begun not in (None, processes) else []
        if was % (batch * processes) == 0:
            ways.insert(0, f"--gradient-accumulation-steps {was // (batch * processes)}")
        elif was % processes == 0:
            ways.insert(0, f"--batch-size {was // processes} --gradient-accumulation-steps 1")
        raise UserError(
            f"--resume: the run was begun with {was:,} rows per step; {processes} x --batch-size {batch} x "
            f"--gradient-accumulation-steps {accumulated} are {rows:,}",
            f"Make it as many: {', or '.join(ways)}; or begin anew with --overwrite.",
        )
    if begun not in (None, processes):
        reporting.current().note(
            f"the run was begun with {begun} processes and goes on with {processes}: random numbers are others from "
            "here on (dropout)"
        )


def _release(*, compiled: bool) -> None:
    """Give back what a failed run held: its parts hold each other, and CUDA graphs of compiled code their memory."""
    import torch

    from nlpkit.hardware import memory

    if compiled:
        torch.compiler.reset()
    memory.release()


def _out_of_memory(config: BatchOptions, error: Exception, indivisible: str = "") -> Exception:
    """What is said where memory does not suffice.

    Args:
        indivisible: why the batch may not be halved, and what to do; empty where it may.
    """
    return RunError(
        f"out of memory with --batch-size {config.batch_size}: {first_line(error)}",
        indivisible or "Lower --batch-size or --max-length, or add --gradient-checkpointing.",
    )


# --- write ---


def write_results(folder: Path, metrics: Mapping[str, Mapping[str, float]], train_seconds: float) -> None:
    """The result files that other tools read, named as Trainer names them: {split}_results.json, all_results.json."""
    combined: dict[str, Any] = {}
    for split, values in metrics.items():
        prefix = "eval" if split == "validation" else split
        named = {f"{prefix}_{name}": value for name, value in values.items()}
        _dump(folder / f"{prefix}_results.json", named)
        combined |= named
    _dump(folder / "all_results.json", combined | {"train_runtime": train_seconds})


def _dump(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
