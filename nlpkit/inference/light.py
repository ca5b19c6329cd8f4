"""Runs that are answered without torch and transformers: exported ones, on the CPU.

Such a run starts in a tenth of the time, and a service of it needs no more than `DISTRIBUTIONS`.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path

from nlpkit.errors import UserError
from nlpkit.hardware import devices
from nlpkit.models import bare, opening
from nlpkit.options import DeviceOptions
from nlpkit.runs.folder import read_record

DISTRIBUTIONS: Sequence[str] = ("numpy", "onnxruntime", "pydantic", "pyyaml", "rich", "tokenizers", "typer")
"""What is imported where such a run is opened and answers texts, and where the command line is read; what these require
comes with them. A service needs those of the extra `serve` besides."""


def found(
    model: str, placed: DeviceOptions, *, tokenizer: str | None = None, task: str | None = None
) -> bare.Bare | None:
    """What is known of a run that needs no torch; None where it needs it.

    Args:
        model: folder or hub name.
        placed: where it is to run.
        tokenizer: that is named in the place of its own.
        task: see `why_torch`.

    Raises:
        UserError: there is no such folder, or torch, which it needs, is not installed.
    """
    if tokenizer:
        why = "--tokenizer names another one"
    elif not devices.only_cpu(placed):
        why = f"it is to run on --device {placed.device}"
    else:
        known = why_torch(opening.resolve(model, "MODEL"), task)
        if isinstance(known, bare.Bare):
            return known
        why = known
    if importlib.util.find_spec("torch") is None:
        raise UserError(
            f"{model} needs torch and transformers, which are not installed here: {why}",
            "Install nlpkit with all that it requires; or export the run that it was made of again: `nlpkit quantize`.",
        )
    return None


def why_torch(place: str | Path, task: str | None = None) -> bare.Bare | str:
    """What is known of a run that needs no torch on the CPU; or why it needs it.

    Args:
        place: its folder, or the name of a model on the hub.
        task: that is asked for, None for that of its record.
    """
    from nlpkit.tasks import registry

    folder = Path(place)
    record = (read_record(folder) if folder.is_dir() else None) or {}
    name = task or (record.get("task") or {}).get("name")
    if not isinstance(name, str) or name not in registry.TASKS:
        return "it has no record of a task that is known here"
    if registry.task_class(name).needs_torch:
        return f"{name} writes token by token, for which Transformers has the loop"
    return bare.found(folder)
