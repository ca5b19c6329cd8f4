"""From the options of a command to transformers.TrainingArguments."""

from __future__ import annotations

import dataclasses
import importlib.util
import math
import os
from pathlib import Path
from typing import Any

from nlpkit.errors import UserError
from nlpkit.options import RunOptions, TrainingOptions, suggest
from nlpkit.training.devices import Device
from nlpkit.training.schedules import WSD_DECAY

LOGS_PER_RUN = 50
# our name -> transformers' name
SCHEDULES = {
    "linear": "linear",
    "cosine": "cosine",
    "constant": "constant_with_warmup",
    "wsd": "warmup_stable_decay",
}


def steps_per_epoch(rows: int, options: TrainingOptions, processes: int) -> int:
    """Optimizer steps of one pass over `rows` features."""
    batches = math.ceil(rows / (options.batch_size * processes))
    return max(math.ceil(batches / options.gradient_accumulation_steps), 1)


def total_steps(rows: int, options: TrainingOptions, processes: int) -> int:
    """Optimizer steps of the whole run."""
    return options.max_steps or math.ceil(options.epochs * steps_per_epoch(rows, options, processes))


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
        steps: of the whole run, for the logging interval.
        more: TrainingArguments that the kind of run asks for.

    Raises:
        UserError: `--trainer` names no TrainingArguments field, a field that has a flag, or a bad value.
    """
    from transformers import TrainingArguments

    _prepare_tracker(options.report_to, output)
    strategy = "steps" if options.eval_steps else "epoch"
    arguments: dict[str, Any] = {
        "output_dir": str(output),
        "per_device_train_batch_size": options.batch_size,
        "per_device_eval_batch_size": options.eval_batch_size,
        "gradient_accumulation_steps": options.gradient_accumulation_steps,
        "num_train_epochs": options.epochs,
        "max_steps": options.max_steps or -1,
        "learning_rate": options.learning_rate,
        "lr_scheduler_type": SCHEDULES[options.schedule],
        "lr_scheduler_kwargs": _schedule_settings(options.schedule, steps),
        "warmup_steps": options.warmup if options.warmup < 1 else int(options.warmup),
        "weight_decay": options.weight_decay,
        "max_grad_norm": options.max_grad_norm,
        "use_cpu": device.name == "cpu",
        "bf16": device.precision == "bf16",
        "fp16": device.precision == "fp16",
        "torch_compile": options.compile,
        "seed": options.seed,
        "full_determinism": options.full_determinism,
        "eval_strategy": strategy,
        "save_strategy": strategy,
        "eval_steps": options.eval_steps,
        "save_steps": options.eval_steps or 500,
        "save_total_limit": 2,  # the best and the last
        "logging_steps": options.logging_steps or max(steps // LOGS_PER_RUN, 1),
        "logging_nan_inf_filter": False,  # it reads the loss back from the device each step; we check when logging
        "load_best_model_at_end": True,
        "metric_for_best_model": main_metric,
        "greater_is_better": higher_is_better,
        "restore_callback_states_from_checkpoint": True,
        "report_to": options.report_to,
        "disable_tqdm": True,
        "remove_unused_columns": False,
        "dataloader_pin_memory": device.name == "cuda",
        "label_names": ["labels"],
        "log_level": "error",
        **more,
    }
    if options.gradient_checkpointing:
        arguments["gradient_checkpointing"] = True
    fields = {field.name for field in dataclasses.fields(TrainingArguments) if field.init}
    for name, value in options.trainer.items():
        if name not in fields:
            raise UserError(f"--trainer {name}: TrainingArguments has no such field", suggest(name, fields))
        if name in arguments and name not in (
            "save_total_limit",
            "disable_tqdm",
            "log_level",
            "logging_nan_inf_filter",
        ):
            raise UserError(f"--trainer {name}: nlpkit sets this itself", "See `--help` for the flag that does it.")
        arguments[name] = value
    try:
        return TrainingArguments(**arguments)
    except (ValueError, TypeError, ImportError) as error:
        raise UserError(f"TrainingArguments: {str(error).splitlines()[0]}") from error


def _schedule_settings(schedule: str, steps: int) -> dict[str, Any]:
    return {"num_decay_steps": max(round(WSD_DECAY * steps), 1), "decay_type": "linear"} if schedule == "wsd" else {}


def _prepare_tracker(name: str, checkpoints: Path) -> None:
    """Check that the tracker is installed, and let it write beside the checkpoints, which are deleted in the end.

    Raises:
        UserError: it is not installed.
    """
    if name == "none":
        return
    if importlib.util.find_spec(name) is None:
        raise UserError(f"--report-to {name}: {name} is not installed", "pip install 'nlpkit[track]'")
    os.environ.setdefault("TENSORBOARD_LOGGING_DIR", str(checkpoints.parent / "tensorboard"))
    os.environ.setdefault("WANDB_DIR", str(checkpoints.parent))
