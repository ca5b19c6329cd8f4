"""The tasks there are. To add one, write its module and add a line here."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pydantic import create_model

from nlpkit.data.findings import SHOWN
from nlpkit.data.places import HIDDEN
from nlpkit.errors import UserError
from nlpkit.models import opening
from nlpkit.options import Config, flag_of, suggest
from nlpkit.runs import records
from nlpkit.runs.records import RECORD
from nlpkit.tasks.contract import Task
from nlpkit.tasks.recorded import TaskRecord

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

Kind = Literal["data_options", "predict_options", "evaluate_options", "column_options"]


RENAME_BOTH = "Copy the folder again, or write the same names in the same order into both."
COPY_AGAIN = "Copy the folder again, or move its nlpkit.json away to use it as a plain Transformers model."


class Entry(NamedTuple):
    """Where a task lives, and the ends of the names of the transformers architectures that it covers."""

    module: str
    attribute: str
    architectures: tuple[str, ...]


OTHER_MODEL = "a model that `nlpkit {command}` trains takes them."
"""The way for rows that a model at hand cannot take, see `pointing_elsewhere`."""

TASKS: dict[str, Entry] = {
    "text-classification": Entry(
        "nlpkit.tasks.text_classification.task", "TextClassification", ("ForSequenceClassification",)
    ),
    "token-classification": Entry(
        "nlpkit.tasks.token_classification.task", "TokenClassification", ("ForTokenClassification",)
    ),
    # BERT and ALBERT as their authors trained them have a second head, which is left out
    "fill-mask": Entry(
        "nlpkit.tasks.masked_lm.task",
        "MaskedLanguageModeling",
        ("ForMaskedLM", "BertForPreTraining", "AlbertForPreTraining"),
    ),
    "question-answering": Entry(
        "nlpkit.tasks.question_answering.task",
        "QuestionAnswering",
        ("ForQuestionAnswering", "ForQuestionAnsweringSimple"),
    ),
}


def task_class(name: str) -> type[Task]:
    """The class of the task called `name`.

    Raises:
        UserError: there is no such task.
    """
    if name not in TASKS:
        # "ner" of finetune-ner
        short = next((one.name for one in _classes() if one.trained_by.endswith(f"-{name}")), None)
        hint = f"Did you mean '{short}'?" if short else suggest(name, TASKS) or f"Tasks: {', '.join(TASKS)}"
        raise UserError(f"there is no task '{name}'", hint)
    entry = TASKS[name]
    return getattr(importlib.import_module(entry.module), entry.attribute)


def known_task(config: PreTrainedConfig, record: dict[str, Any] | None, place: str | Path = "") -> Task | None:
    """The task that a model was trained for, from its run record or else its architecture; None of an encoder alone.

    Args:
        record: the `task` part of its nlpkit.json.
        place: its folder, or name on the hub, for messages.

    Raises:
        UserError: the record is not as this version writes it, or has other labels than the model's config.
    """
    if record:
        return _recorded_task(config, record, Path(place) / RECORD)
    for architecture in config.architectures or []:
        for name, entry in TASKS.items():
            if architecture.endswith(entry.architectures):
                return task_class(name).from_model(config, None)
    return None


def _recorded_task(config: PreTrainedConfig, record: dict[str, Any], path: Path) -> Task:
    name = records.checked(TaskRecord, record, path, ["task"])["name"]
    if name not in TASKS:
        raise UserError(f"{path}: task.name {name!r}: there is no such task", suggest(name, TASKS) or COPY_AGAIN)
    task = task_class(name).from_model(config, records.filled(task_class(name).record_type, record, path, ["task"]))
    # a start and an end are no labels: BART's config counts three whatever its head has
    arguments = task.model_arguments()
    if "id2label" not in arguments:
        return task
    mine, theirs = list(arguments["id2label"].values()), opening.label_names(config)
    if len(mine) != config.num_labels:
        raise UserError(f"{path} has {len(mine)} labels, the model's config.json {config.num_labels}", COPY_AGAIN)
    kind = arguments.get("problem_type")
    if kind and config.problem_type not in (None, kind):
        message = f"{path} tells of {kind.replace('_', ' ')}, the model's config.json of {config.problem_type}"
        raise UserError(message, COPY_AGAIN)
    # labels that were given other names in one of the two, or another order: answers would be told under the wrong ones
    if differ := [f"{i}: {a!r} and {b!r}" for i, (a, b) in enumerate(zip(mine, theirs, strict=True)) if a != b]:
        shown = "; ".join(differ[:SHOWN]) + ("; ..." if len(differ) > SHOWN else "")
        raise UserError(f"the labels in {path} and in the model's config.json differ: {shown}", RENAME_BOTH)
    return task


def task_of_model(config: PreTrainedConfig, record: dict[str, Any] | None, place: str | Path) -> Task:
    """See `known_task`.

    Raises:
        UserError: the architecture belongs to no task known here.
    """
    if (task := known_task(config, record, place)) is not None:
        return task
    found = ", ".join(config.architectures or ["none named"])
    raise UserError(
        f"{place} holds no model for a task known here (its architecture: {found})",
        "Fine-tune it first, for example with `nlpkit finetune-cls`.",
    )


@contextmanager
def pointing_elsewhere(task: type[Task], rows: Iterable[Mapping[str, Any]], way: str) -> Iterator[None]:
    """Where labelled rows are refused that look like those of another task, say which it is, and the way there.

    Args:
        task: that they are read for.
        rows: of which the first is looked at.
        way: what to do; {task} and {command} stand for the name of the other task and the command that trains for it.

    Raises:
        UserError: as it was raised inside the block, with another hint where one is known.
    """
    try:
        yield
    except UserError as error:
        row = {name: value for name, value in next(iter(rows), {}).items() if name not in HIDDEN}
        other = None if task.suits(row) else next((one for one in _classes() if one.suits(row)), None)
        if other is None:
            raise
        way = way.format(task=other.name, command=other.trained_by)
        hint = f"{task.name} reads {task.reads}; these rows look like {other.reads}: {way}"
        raise UserError(error.message, hint) from None


def _classes() -> Iterator[type[Task]]:
    return map(task_class, TASKS)


class OptionsOfTasks:
    """Stands for what `options_of_tasks` makes where types are checked: a command reads no option of a task by name."""


def options_of_tasks(kind: Kind) -> type[Config]:
    """A Config base class with the options of every task: a command's flags are made before its task is known.

    Raises:
        TypeError: two tasks declare an option of one name differently. The same flag means the same everywhere: share
            the declaration (`nlpkit.tasks.options`) or give the option another name.
    """
    groups = list(dict.fromkeys(getattr(task_class(name), kind) for name in TASKS))
    # a group that another one extends adds nothing, and would stand before its own subclass
    groups = [group for group in groups if not any(other is not group and issubclass(other, group) for other in groups)]
    declared: dict[str, tuple[type[Config], str]] = {}
    for group in groups:
        for option, info in group.model_fields.items():
            first, said = declared.setdefault(option, (group, repr(info)))
            if said != repr(info):
                raise TypeError(f"{first.__name__} and {group.__name__} declare the option {option!r} differently")
    return create_model(
        f"{kind.title().replace('_', '')}OfTasks", __base__=tuple(groups) or Config, __module__=__name__
    )


def refuse_foreign_options(config: Config, task: type[Task], kind: Kind) -> None:
    """Stop at an option that was set but is read by other tasks only.

    Raises:
        UserError: naming the option and the tasks that have it.
    """
    owners: dict[str, list[str]] = {}
    for name in TASKS:
        for option in getattr(task_class(name), kind).model_fields:
            owners.setdefault(option, []).append(name)
    for option, tasks in owners.items():
        # a record of an earlier run gives every option, most of them as they are by default
        is_set = option in config.given and getattr(config, option) != type(config).model_fields[option].default
        if is_set and task.name not in tasks:
            raise UserError(f"{flag_of(option)} is for {', '.join(tasks)}, not for {task.name}")
