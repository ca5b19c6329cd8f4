"""The tasks there are. To add one, write its module and add a line here."""

from __future__ import annotations

import importlib
from typing import Any

from nlpkit.errors import UserError
from nlpkit.options import suggest
from nlpkit.tasks.base import Task

# name -> (module, class, suffix of the transformers architectures it covers)
TASKS: dict[str, tuple[str, str, str]] = {
    "text-classification": ("nlpkit.tasks.classification", "TextClassification", "ForSequenceClassification"),
}


def task_class(name: str) -> type[Task]:
    """The class of the task called `name`.

    Raises:
        UserError: there is no such task.
    """
    if name not in TASKS:
        raise UserError(f"there is no task '{name}'", suggest(name, TASKS) or f"Tasks: {', '.join(TASKS)}")
    module, attribute, _ = TASKS[name]
    return getattr(importlib.import_module(module), attribute)


def task_of_model(config: Any, record: dict[str, Any] | None, where: str) -> Task:
    """The task that a model was trained for, from its run record or else its architecture.

    Raises:
        UserError: the architecture belongs to no task known here.
    """
    if record:
        return task_class(record["name"]).from_model(config, record)
    for architecture in config.architectures or []:
        for name, (_, _, suffix) in TASKS.items():
            if architecture.endswith(suffix):
                return task_class(name).from_model(config, None)
    found = ", ".join(config.architectures or ["none named"])
    raise UserError(
        f"{where} holds no model for a task known here (its architecture: {found})",
        "Fine-tune it first, for example with `nlpkit finetune-cls`.",
    )
