"""From the options of a command to transformers.TrainingArguments."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import json
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args, get_type_hints

from nlpkit import process, trainer_fields
from nlpkit.errors import UserError, first_line
from nlpkit.hardware import arithmetic, toolchain
from nlpkit.hardware.devices import Device
from nlpkit.options import BatchOptions, ComputeOptions, RunOptions, StepOptions, flag_of, suggest
from nlpkit.training.schedules import WSD_DECAY

LOGS_PER_RUN = 50
TRACKERS = ("tensorboard", "wandb")
# our name -> transformers' name, where it is another one
SCHEDULES = {"constant": "constant_with_warmup", "wsd": "warmup_stable_decay"}


def steps_per_epoch(rows: int, options: BatchOptions, processes: int) -> int:
    """Optimizer steps of one pass over `rows` features."""
    batches = math.ceil(rows / (options.batch_size * processes))
    return max(math.ceil(batches / options.gradient_accumulation_steps), 1)


def total_steps(rows: int, options: StepOptions, processes: int) -> int:
    """Optimizer steps of the whole run."""
    return options.max_steps or math.ceil(options.epochs * steps_per_epoch(rows, options, processes))


def interval(value: float | None, steps: int) -> int | None:
    """A number of steps that may be given as a share of all."""
    return math.ceil(value * steps) if value is not None and value < 1 else value  # type: ignore[return-value]


def training_arguments(
    options: RunOptions,
    output: Path,
    device: Device,
    *,
    main_metric: str,
    higher_is_better: bool,
    steps: int,
    **more: Any,
) -> Any:
    """Build the TrainingArguments of a run.

    Args:
        output: where checkpoints go.
        main_metric: picks the best checkpoint unless the options name another.
        steps: of the whole run, for intervals that are shares of it.
        more: TrainingArguments that the kind of run asks for.

    Raises:
        UserError: `--trainer` names no TrainingArguments field, a field that has a flag, or a bad value.
    """
    from transformers import TrainingArguments

    passed = _passed(options)
    if process.division():
        _require_plain_steps(options, device)
    _require_compiler(options, passed, device)
    settings = _schedule_settings(options.schedule, steps) | (passed.pop("lr_scheduler_kwargs", None) or {})
    eval_steps = interval(options.eval_steps, steps)
    strategy = "steps" if eval_steps else "epoch"
    arguments: dict[str, Any] = {
        "output_dir": str(output),
        "per_device_train_batch_size": options.batch_size,
        "per_device_eval_batch_size": options.eval_batch_size,
        "gradient_accumulation_steps": options.gradient_accumulation_steps,
        "num_train_epochs": options.epochs,
        "max_steps": options.max_steps or -1,
        "learning_rate": options.learning_rate,
        "lr_scheduler_type": SCHEDULES.get(options.schedule, options.schedule),
        "lr_scheduler_kwargs": settings,
        "warmup_steps": options.warmup if options.warmup < 1 else int(options.warmup),
        "weight_decay": options.weight_decay,
        "max_grad_norm": options.max_grad_norm,
        "use_cpu": device.name == "cpu",
        "bf16": device.precision == "bf16" and not process.launched_for_deepspeed(),
        "fp16": device.precision == "fp16",
        "torch_compile": options.compile is True,
        "seed": options.seed,
        "full_determinism": options.full_determinism,
        "eval_strategy": strategy,
        "save_strategy": strategy,
        "eval_steps": eval_steps,
        "save_steps": eval_steps or 500,
        "save_total_limit": 2,  # the best and the last
        "logging_steps": interval(options.logging_steps, steps) or max(steps // LOGS_PER_RUN, 1),
        "logging_nan_inf_filter": False,  # it reads the loss back from the device each step; we check when logging
        "load_best_model_at_end": True,
        "metric_for_best_model": main_metric,
        "greater_is_better": higher_is_better,
        "restore_callback_states_from_checkpoint": True,
        "report_to": _trackers(options.report_to, output),
        "disable_tqdm": True,
        "remove_unused_columns": False,
        "dataloader_pin_memory": device.name == "cuda",
        "label_names": ["labels"],
        "log_level": "error",
        "log_level_replica": "error",  # else the other processes warn of weights that are tied
        **more,
    }
    if options.gradient_checkpointing:
        arguments["gradient_checkpointing"] = True
        if process.world_size() > 1 and not _recomputes_within_autograd(passed):
            # Trainer would turn the search off, and some architectures have parameters that a task leaves unused
            arguments["ddp_find_unused_parameters"] = True
    arguments["accelerator_config"] = _accelerator_config(
        {"non_blocking": True} if device.name == "cuda" else {},
        passed.pop("accelerator_config", None) or {},
        more.get("accelerator_config", {}),
    )
    for name in passed:
        if name in more:
            raise UserError(f"--trainer {name}: nlpkit sets this itself in such a run", "Leave it out.")
    try:
        with arithmetic.keeping(), _as_chosen():
            made: Any = TrainingArguments(**{**arguments, **passed})
    except (ValueError, TypeError, ImportError) as error:
        raise UserError(f"TrainingArguments: {first_line(error)}") from error
    made.computes_in = device.precision  # which DeepSpeed is not told: it would round the weights
    return made


def _require_plain_steps(options: ComputeOptions, device: Device) -> None:
    """Raises UserError: what a divided model is not trained with is asked for."""
    if device.precision == "fp16":
        raise UserError("--precision fp16 is for whole models", "Use bf16, or fp32 where the GPU has no units for it.")
    if options.compile is True:
        raise UserError("--compile is for whole models: what divides one is called between its layers", "Leave it out.")


def _recomputes_within_autograd(passed: Mapping[str, Any]) -> bool:
    """Whether --trainer asks for the older kind of recomputing, with which DDP cannot look for unused parameters."""
    given = (passed.get(f"{name}_checkpointing_kwargs") for name in ("activation", "gradient"))
    return any(isinstance(settings, dict) and settings.get("use_reentrant") for settings in given)


def _passed(options: RunOptions) -> dict[str, Any]:
    """The fields of `--trainer` with values of their types.

    Raises:
        UserError: there is no such field, it is not left to the user, or its value is none.
    """
    from pydantic import ConfigDict, TypeAdapter, ValidationError
    from transformers import TrainingArguments

    kinds = {
        name: kind for name, kind in get_type_hints(TrainingArguments).items() if name in _names(TrainingArguments)
    }
    checked: dict[str, Any] = {}
    for name, value in options.trainer.items():
        if name not in kinds:
            raise UserError(f"--trainer {name}: TrainingArguments has no such field", suggest(name, kinds))
        if name in trainer_fields.OPTIONS:
            option = trainer_fields.OPTIONS[name]
            flag = f"Its flag is {flag_of(option)}; see `--help-all`." if hasattr(options, option) else "Leave it out."
            raise UserError(f"--trainer {name}: nlpkit sets this itself", flag)
        if why := trainer_fields.SETTLED.get(name) or trainer_fields.REFUSED.get(name, ("",))[0]:
            raise UserError(f"--trainer {name}: {why}", "Leave it out.")
        if value is False and str in get_args(kinds[name]) and bool not in get_args(kinds[name]):
            value = "no"  # which YAML takes for that
        try:
            adapter = TypeAdapter(kinds[name], config=ConfigDict(coerce_numbers_to_str=True))
            checked[name] = adapter.validate_python(value)
        except ValidationError as error:
            raise UserError(f"--trainer {name}={value}: {error.errors()[0]['msg'].lower()}") from None
        if name == "lr_scheduler_kwargs" and isinstance(value, str):
            raise UserError(f"--trainer {name}={value}: write it as --trainer '{name}={{\"name\": value}}'")
    return checked


@contextlib.contextmanager
def _as_chosen() -> Iterator[None]:
    """Leave out the arithmetic of `accelerate launch`, which counts more than float32 in TrainingArguments."""
    launched = os.environ.pop(process.LAUNCHED_PRECISION, None)
    try:
        yield
    finally:
        if launched is not None:
            os.environ[process.LAUNCHED_PRECISION] = launched


def _require_compiler(options: ComputeOptions, passed: Mapping[str, Any], device: Device) -> None:
    """See that what --compile needs is there: torch would look for it in the first step.

    Raises:
        UserError: something is not, or what launched the process compiles without being asked here.
    """
    given = not {"torch_compile_mode", "torch_compile_backend"}.isdisjoint(passed)
    if given and options.compile == "auto":
        raise UserError(
            "--compile auto with --trainer torch_compile_backend or torch_compile_mode: these compile at once",
            "Write --compile.",
        )
    wanted = options.compile is True or given
    launched = os.environ.get("ACCELERATE_DYNAMO_BACKEND", "no").lower()
    if not wanted and launched != "no":
        raise UserError(
            f"`accelerate launch` was asked to compile with {launched}: here that is --compile",
            f"Set its dynamo backend to no, and write --compile --trainer torch_compile_backend={launched}.",
        )
    if not wanted or passed.get("torch_compile_backend", "inductor") != "inductor":  # no other compiles on its own
        return
    if missing := toolchain.missing_to_compile(device.name):
        raise UserError(f"--compile needs {missing} on {device.name}", "Install it, or leave --compile out.")


def _accelerator_config(usual: dict[str, Any], given: Any, ours: dict[str, Any]) -> dict[str, Any]:
    """The settings of accelerate: those of `--trainer accelerator_config` on top of the usual ones.

    Args:
        usual: on a GPU, that a batch is copied without waiting for the steps before; it is pinned.
        given: a dict, or the path of a JSON file with one.
        ours: what such a run cannot do without.

    Raises:
        UserError: the file cannot be read, holds something else, or one of ours is given.
    """
    if isinstance(given, str):
        try:
            given = json.loads(Path(given).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UserError(f"--trainer accelerator_config={given}: {first_line(error)}") from None
    if not isinstance(given, dict):
        raise UserError(f"--trainer accelerator_config={given}: it is no table of settings")
    for name in given:
        if name in ours:
            raise UserError(f"--trainer accelerator_config: nlpkit sets {name} itself in such a run", "Leave it out.")
    return {**usual, **given, **ours}


def _names(kind: type[Any]) -> set[str]:
    return {field.name for field in dataclasses.fields(kind) if field.init}


def try_out(arguments: Any, model: Any, steps: int) -> None:
    """Make an optimizer and a schedule as training will, for one number, so that what they refuse is told before.

    Args:
        arguments: TrainingArguments.
        model: which some optimizers ask for their layers.
        steps: of the whole run.

    Raises:
        UserError: with what they say.
    """
    import torch
    from transformers import Trainer, get_scheduler

    try:
        kind, keywords = Trainer.get_optimizer_cls_and_kwargs(arguments, model)
    except (ValueError, TypeError, ImportError) as error:
        raise UserError(f"--trainer optim={_plain(arguments.optim)}: {first_line(error)}") from error
    number = torch.nn.Parameter(torch.zeros(1, device=arguments.device))
    try:
        # those that come with parameters of their own name layers of the model
        optimizer = (
            torch.optim.SGD([number]) if {"params", "optimizer_dict"} & set(keywords) else kind([number], **keywords)
        )
    except (ValueError, TypeError, RuntimeError) as error:
        raise UserError(f"the optimizer {_plain(arguments.optim)}: {first_line(error)}", "See --trainer.") from error
    settings = arguments.lr_scheduler_kwargs
    try:
        get_scheduler(arguments.lr_scheduler_type, optimizer, arguments.get_warmup_steps(steps), steps, settings)
    except (ValueError, TypeError) as error:
        raise UserError(
            f"--schedule {_plain(arguments.lr_scheduler_type)}: {first_line(error)}",
            "Its settings: --trainer lr_scheduler_kwargs='{\"name\": value}'.",
        ) from error


def _plain(value: Any) -> str:
    return str(getattr(value, "value", value))


def _schedule_settings(schedule: str, steps: int) -> dict[str, Any]:
    return {"num_decay_steps": max(round(WSD_DECAY * steps), 1), "decay_type": "linear"} if schedule == "wsd" else {}


def _trackers(report_to: str, checkpoints: Path) -> list[str]:
    """The trackers that are asked for; they write beside the checkpoints, which are deleted in the end.

    Raises:
        UserError: one is not installed, or of all none.
    """
    if report_to == "none":
        return []
    installed = [name for name in TRACKERS if importlib.util.find_spec(name) is not None]
    trackers = [name for name in installed if report_to in (name, "all")]
    if not trackers:
        missing = (
            f"none of {', '.join(TRACKERS)} is installed" if report_to == "all" else f"{report_to} is not installed"
        )
        raise UserError(f"--report-to {report_to}: {missing}", "pip install 'nlpkit[track]'")
    os.environ.setdefault("TENSORBOARD_LOGGING_DIR", str(checkpoints.parent / "tensorboard"))
    os.environ.setdefault("WANDB_DIR", str(checkpoints.parent))
    return trackers
