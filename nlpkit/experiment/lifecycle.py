"""What every training command does around its Trainer: resume, train through interruptions, results, upload."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar

from nlpkit import process, reporting
from nlpkit.errors import Interrupted, RunError, UserError, first_line
from nlpkit.options import OutputOptions, RunOptions, TrainingOptions, naming, without_permissions
from nlpkit.runs.folder import RunFolder, read_record
from nlpkit.runs.records import RECORD, require_whole

if TYPE_CHECKING:
    from nlpkit.hardware.devices import Device


class Experiment(Protocol):
    """What a run is made of before its first step, as far as training it goes."""

    command: str
    device: Device
    trainer: Any  # ResumableTrainer
    folder: RunFolder
    steps: int

    @property
    def config(self) -> RunOptions: ...


class Resumable(Protocol):
    """The options of a command whose interrupted run can go on."""

    output: Path | None
    overwrite: bool
    resume: bool

    def on_top_of(self, recorded: Mapping[str, Any]) -> Self: ...


E = TypeVar("E", bound=Experiment)
R = TypeVar("R", bound=Resumable)


@contextmanager
def saying_how_to_go_on(command: str, folder: Path) -> Iterator[None]:
    """Tell the user who interrupts the block which command goes on."""
    try:
        yield
    except (Interrupted, KeyboardInterrupt) as stop:
        said = stop.message if isinstance(stop, Interrupted) else "interrupted"
        raise Interrupted(said, f"Go on with: nlpkit {command} --output {reporting.typed(folder)} --resume") from None


def taken_up(config: R, command: str) -> tuple[R, tuple[dict[str, Any], Path] | None]:
    """The config to run with, and with --resume the record and folder of a run that is complete already.

    Raises:
        UserError: the run in --output is another command's, see `resumed`, or `process.require_whole_models`.
    """
    process.require_whole_models()
    if not config.resume:
        return config, None
    folder = _named_folder(config)
    record = read_record(folder)
    if record and record.get("command", command) != command:
        raise UserError(f"--resume: {folder} is a run of `nlpkit {record['command']}`", "Give another --output.")
    config = resumed(config)
    if RunFolder(folder).state() != "complete":
        return config, None
    require_whole(record or {}, folder / RECORD)
    _require_weights(folder)
    reporting.current().note(f"{folder} is complete: nothing to resume")
    return config, (record or {}, folder)


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


def resumed(config: R) -> R:
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
    with naming(folder / RECORD, record["config"].keys()):
        return config.on_top_of(without_permissions(record["config"], folder / RECORD))


def _named_folder(config: Resumable) -> Path:
    if config.output is None:
        raise UserError("--resume needs the --output folder of the run to go on with")
    return config.output


def train(
    experiment: E, build: Callable[[Any], E], head: Callable[[E], dict[str, Any]], figures: Mapping[str, str]
) -> E:
    """Train; when the device runs out of memory, go on with a smaller batch and more accumulation: the same steps.

    Args:
        experiment: emptied where another is built in its place: who called still has it, and would keep its model and
            optimizer on the device beside those of the next.
        build: makes the experiment of a config again.
        head: the part of the record that is known before training.
        figures: what stands beside the progress bar, see `ProgressCallback`.
    """
    from nlpkit.hardware import devices, memory
    from nlpkit.training import embeddings, together
    from nlpkit.training.callbacks import ProgressCallback, SignalCallback
    from nlpkit.training.checkpoints import last_checkpoint, position_in

    while True:
        config, trainer, folder = experiment.config, experiment.trainer, experiment.folder
        checkpoint = last_checkpoint(folder.checkpoints) if config.resume else None
        position = position_in(checkpoint) if checkpoint else {}
        _require_same_steps(config, position)
        if process.is_main_process():
            if checkpoint and (
                line := devices.moved((read_record(folder.path) or {}).get("device"), experiment.device)
            ):
                reporting.current().warn(line)
            folder.start(head(experiment), overwrite=config.overwrite, resume=config.resume)
            step = int(checkpoint.name.rpartition("-")[2]) if checkpoint else 0
            folder.rewind_metrics(step)
            if config.resume:
                where = f"from step {step}" if checkpoint else "from the start: there is no checkpoint yet"
                reporting.current().note(f"resuming {where}")
        if checkpoint:
            trainer.go_on_from(position)
        trainer.accelerator.wait_for_everyone()
        signals = SignalCallback(trainer)
        trainer.add_callback(signals)
        try:
            with reporting.current().progress("train", experiment.steps, "steps") as bar, signals.listening():
                trainer.add_callback(ProgressCallback(trainer, bar, figures))
                trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
            if together.largest([signals.caught is not None])[0]:  # too late for the last step to see it
                together.leave_behind_the_main_process()
                raise Interrupted("interrupted after the last step; the state is saved")
            embeddings.restore_all_rows(trainer.model)
            return experiment
        except (RuntimeError, MemoryError) as error:
            if not memory.is_exhausted(error):
                raise
            if config.batch_size == 1 or process.world_size() > 1:
                raise _out_of_memory(config, error) from error
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
        _release(compiled=config.compile)
        experiment = build(smaller)


def _require_same_steps(config: TrainingOptions, position: Mapping[str, Any]) -> None:
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
            f"--resume: the run was begun with {was:,} rows a step; {processes} x --batch-size {batch} x "
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


def _out_of_memory(config: TrainingOptions, error: Exception) -> Exception:
    return RunError(
        f"out of memory with --batch-size {config.batch_size}: {first_line(error)}",
        "Lower --batch-size or --max-length, or add --gradient-checkpointing.",
    )


def require_hub_access(config: OutputOptions, folder: Path) -> str | None:
    """Check the right to push before hours of training, and make the repository.

    Args:
        folder: of the run, which gives the repository its name unless the user has.

    Returns:
        The name of the repository; None where nothing is to be uploaded.

    Raises:
        UserError: not logged in, no right to write, or no network.
    """
    if not config.push_to_hub or not process.is_main_process():
        return None
    from huggingface_hub import HfApi

    named = folder.resolve().name if config.push_to_hub is True else str(config.push_to_hub)
    try:
        api = HfApi()
        api.whoami()
        return api.create_repo(named, private=not config.public, exist_ok=True).repo_id
    except Exception as error:
        raise UserError(
            f"--push-to-hub {named}: cannot write there: {first_line(error)}",
            "Log in with `hf auth login`, check the name, or leave the flag out and upload the folder later.",
        ) from error


def push(folder: Path, repository: str, *, public: bool) -> None:
    """Upload a finished run.

    Raises:
        RunError: the upload failed; the run itself is complete.
    """
    from huggingface_hub import HfApi

    try:
        HfApi().upload_folder(repo_id=repository, folder_path=folder, ignore_patterns=["checkpoints/*", ".*"])
    except Exception as error:
        raise RunError(
            f"the run is complete in {folder}, but its upload failed: {first_line(error)}",
            f"Upload it again: hf upload {repository} {reporting.typed(folder)}",
        ) from error
    reporting.current().note(f"uploaded to {repository} ({'public' if public else 'private'} if it is new)")


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
