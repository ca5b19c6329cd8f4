"""The tasks there are, and which of them takes a model. To add one, write its folder and add a line to `TASKS`."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from nlpkit.data.findings import SHOWN
from nlpkit.data.places import user_columns
from nlpkit.errors import UserError
from nlpkit.models import opening
from nlpkit.options import suggest
from nlpkit.runs import records
from nlpkit.runs.folder import read_record
from nlpkit.runs.records import RECORD
from nlpkit.tasks.claims import Claim
from nlpkit.tasks.recorded import TaskRecord

R = TypeVar("R", bound="Task")

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

    from nlpkit.tasks.contract import Task

LOOKED_AT = 100  # rows whose columns and cells tell which task they were made for
RENAME_BOTH = "Copy the folder again, or write the same names in the same order into both."
COPY_AGAIN = "Copy the folder again, or move its nlpkit.json away to use it as a plain Transformers model."


OTHER_MODEL = "a model that `nlpkit {command}` trains takes them."
"""The way for rows that a model at hand cannot take, see `pointing_elsewhere`."""

TASKS: dict[str, str] = {
    "text-classification": "nlpkit.tasks.text_classification.task:TextClassification",
    "token-classification": "nlpkit.tasks.token_classification.task:TokenClassification",
    "fill-mask": "nlpkit.tasks.masked_lm.task:MaskedLanguageModeling",
    "question-answering": "nlpkit.tasks.question_answering.task:QuestionAnswering",
    "text-generation": "nlpkit.tasks.text_generation.task:TextGeneration",
    "text2text-generation": "nlpkit.tasks.text2text_generation.task:Text2Text",
    "zero-shot-classification": "nlpkit.tasks.zero_shot.task:ZeroShotClassification",
    "sentence-embedding": "nlpkit.tasks.sentence_embedding.task:SentenceEmbedding",
    "zero-shot-by-embedding": "nlpkit.tasks.zero_shot.by_embedding:ZeroShotByEmbedding",
}
"""Name -> module:class. Of tasks that claim a model equally surely the first is taken."""


# What pipelines of transformers 4 were called, which became the task behind them.
PIPELINES = {
    "translation": "text2text-generation",
    "summarization": "text2text-generation",
    "ner": "token-classification",
}


def task_class(name: str) -> type[Task]:
    """The class of the task called `name`.

    Raises:
        UserError: there is no such task.
    """
    if name not in TASKS:
        # "ner" of finetune-ner
        short = next((one.name for one in classes() if one.trained_by.endswith(f"-{name}")), None)
        short = short or PIPELINES.get(name.partition("_")[0])
        hint = f"Did you mean '{short}'?" if short else suggest(name, TASKS) or f"Tasks: {', '.join(TASKS)}"
        raise UserError(f"there is no task '{name}'", hint)
    module, _, attribute = TASKS[name].partition(":")
    return getattr(importlib.import_module(module), attribute)


def known_task(
    config: PreTrainedConfig, record: dict[str, Any] | None, place: str | Path = "", *, named: str | None = None
) -> Task | None:
    """The task of a model: the one that is named, else the one that claims the model most surely.

    Args:
        config: the model's transformers config.
        record: the `task` part of its nlpkit.json.
        place: its folder, or name on the hub, for messages.
        named: the task that the user asks for with --task.

    Returns:
        None where none is named and the model was trained for no task known here, as an encoder alone.

    Raises:
        UserError: the task that is named does not take the model; the record is not as this version writes it, or has
            other labels than the model's config.
    """
    chosen = _claimant(config, record, place, named)
    if chosen is None:
        return None
    if record and record.get("name") == chosen.name:
        return _recorded_task(config, record, Path(place) / RECORD)
    return chosen.from_model(config, None)


def _claimant(
    config: PreTrainedConfig, record: dict[str, Any] | None, place: str | Path, named: str | None
) -> type[Task] | None:
    """The class of `known_task`."""
    recorded = _recorded_class(record, place)
    if recorded is not None and named in (None, recorded.name):
        return recorded
    claims = {task: claim for task in classes() if (claim := task.claims(config, record, place)) is not None}
    if named is None:
        surest = max(claims, key=claims.__getitem__, default=None)
        return surest if surest is not None and claims[surest] > Claim.COULD_SERVE else None
    if (named_task := task_class(named)) in claims:
        return named_task
    able = ", ".join(task.name for task in sorted(claims, key=claims.__getitem__, reverse=True))
    architecture = ", ".join(config.architectures or ["none named"])
    why = named_task.lacking(config) or f"its architecture: {architecture}"
    raise UserError(
        f"--task {named}: {place} is no model for it ({why})",
        f"It can be used for: {able}." if able else "No task known here takes it as it is.",
    )


def _recorded_class(record: dict[str, Any] | None, place: str | Path) -> type[Task] | None:
    """The class of the task that a record names.

    Raises:
        UserError: there is no such task.
    """
    if not record:
        return None
    path = Path(place) / RECORD
    name = records.checked(TaskRecord, record, path, ["task"])["name"]
    if name not in TASKS:
        raise UserError(f"{path}: task.name {name!r}: there is no such task", suggest(name, TASKS) or COPY_AGAIN)
    return task_class(name)


def _recorded_task(config: PreTrainedConfig, record: dict[str, Any], path: Path) -> Task:
    kind = task_class(record["name"])
    task = kind.from_model(config, records.filled(kind.record_type, record, path, ["task"]))
    # a start and an end are no labels: BART's config counts three whatever its head has
    arguments = task.model_arguments()
    if "id2label" not in arguments:
        return task
    mine, theirs = list(arguments["id2label"].values()), opening.label_names(config)
    if len(mine) != config.num_labels:
        raise UserError(f"{path} has {len(mine)} labels, the model's config.json {config.num_labels}", COPY_AGAIN)
    problem = arguments.get("problem_type")
    if problem and config.problem_type not in (None, problem):
        message = f"{path} tells of {problem.replace('_', ' ')}, the model's config.json of {config.problem_type}"
        raise UserError(message, COPY_AGAIN)
    # labels that were given other names in one of the two, or another order: answers would be told under the wrong ones
    if differ := [f"{i}: {a!r} and {b!r}" for i, (a, b) in enumerate(zip(mine, theirs, strict=True)) if a != b]:
        shown = "; ".join(differ[:SHOWN]) + ("; ..." if len(differ) > SHOWN else "")
        raise UserError(f"the labels in {path} and in the model's config.json differ: {shown}", RENAME_BOTH)
    return task


def class_of_model(name: str, *, named: str | None = None, revision: str | None = None) -> type[Task] | None:
    """The class of the task of a model, from its record and its config alone; None of an encoder alone.

    Args:
        name: run folder, model folder or hub name.
        named: see `known_task`.
        revision: of a hub model.

    Raises:
        UserError: it cannot be opened, or see `known_task`.
    """
    place = opening.resolve(name)
    record = (read_record(place) or {}).get("task")
    recorded = _recorded_class(record, place)
    if recorded is not None and named in (None, recorded.name):
        return recorded  # without transformers, whose import takes longer than all else here
    return _claimant(opening.load_config(place, revision=revision), record, place, named)


def embedder_of(name: str, *, revision: str | None = None) -> type[Task] | None:
    """The class of the task that gives vectors with a model which no task claims unasked, as with an encoder alone;
    None where none does.

    Args:
        name: run folder, model folder or hub name.
        revision: of a hub model.
    """
    place = opening.resolve(name)
    config = opening.load_config(place, revision=revision)
    record = (read_record(place) or {}).get("task")
    able = (kind for kind in classes() if kind.embeds and kind.claims(config, record, place) is not None)
    return next(able, None)


def task_of_model(
    config: PreTrainedConfig, record: dict[str, Any] | None, place: str | Path, *, named: str | None = None
) -> Task:
    """See `known_task`.

    Raises:
        UserError: no task known here claims the model.
    """
    if (task := known_task(config, record, place, named=named)) is not None:
        return task
    architectures = ", ".join(config.architectures or ["none named"])
    able = [task for task in classes() if task.claims(config, record, place) is not None]
    raise UserError(
        f"{place} holds no model for a task known here (its architecture: {architectures})",
        f"Fine-tune it first, for example with `nlpkit finetune-cls`{_or_choose(able)}.",
    )


def require(task: Task, needs: type[R], command: str) -> R:
    """The task, if a command can use it: the one refusal of a task that cannot do what an operation needs.

    Args:
        needs: the role that the command needs of a task.
        command: its name.

    Raises:
        UserError: the task does not have the role.
    """
    require_class(type(task), needs, command)
    assert isinstance(task, needs)
    return task


def require_class(kind: type[Task], needs: type[R], command: str) -> type[R]:
    """As `require`, where there is no task yet."""
    if issubclass(kind, needs):
        return kind
    raise UserError(
        f"`nlpkit {command}` needs a task {needs.ability}, which {kind.name} is not",
        f"{kind.name} works with {_operations(kind)}.",
    )


def _operations(kind: type[Task]) -> str:
    """The commands that work with a task."""
    return ", ".join(name for role in reversed(kind.__mro__) for name in vars(role).get("operations", ()))


def _or_choose(able: Sequence[type[Task]]) -> str:
    """The end of a sentence on what else can be done with a model that no task claims unasked."""
    ways = [f"--task {kind.name} works with {_operations(kind)}" for kind in able]
    return f"; as it is, {' and '.join(ways)}" if able else ""


@contextmanager
def pointing_elsewhere(task: type[Task], rows: Iterable[Mapping[str, Any]], way: str) -> Iterator[None]:
    """Where labelled rows are refused that look like those of another task, say which it is, and the way there.

    Args:
        task: that they are read for.
        rows: of which the first `LOOKED_AT` are looked at, as one alone may have nothing in the column that tells.
        way: what to do; {task} and {command} stand for the name of the other task and the command that trains for it.

    Raises:
        UserError: as it was raised inside the block, with another hint where one is known.
    """
    try:
        yield
    except UserError as error:
        looked = [{name: row[name] for name in user_columns(row)} for row in islice(rows, LOOKED_AT)]
        # A task that nothing is trained for takes rows as they come: their columns tell of no other one.
        others = classes() if task.trained_by and not any(map(task.suits, looked)) else ()
        # of tasks that read the same none is another one
        others = (one for one in others if one.trained_by and one.reads != task.reads)
        other = next((one for one in others if any(map(one.suits, looked))), None)
        if other is None:
            raise
        way = way.format(task=other.name, command=other.trained_by)
        hint = f"{task.name} reads {task.reads}; these rows look like {other.reads}: {way}"
        raise UserError(error.message, hint) from None


def classes() -> Iterator[type[Task]]:
    """The class of every task."""
    return map(task_class, TASKS)
