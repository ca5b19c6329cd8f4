"""A function for each command of the command line, made of its Config: the same options, the same work."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import inspect
import os.path
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nlpkit.annotations import kinds_of
from nlpkit.api import manners, signatures, speech, wording
from nlpkit.cli.registry import COMMANDS
from nlpkit.errors import Interrupted, NlpkitError, UserError

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from nlpkit.reporting import Report

FINETUNE = "finetune-"  # what the commands begin with that train for one task
_turns = threading.RLock()


class KeywordError(UserError, TypeError):
    """A keyword that a function does not have, or a value that is missing."""


def function_name(command: str) -> str:
    """The name of the function of a command; `list_` stands before the name of a room of the package."""
    name = command.replace("-", "_")
    return f"list_{name}" if importlib.util.find_spec(f"nlpkit.{name}") is not None else name


@functools.cache
def names() -> Mapping[str, str]:
    """Function -> command, of every command."""
    return {function_name(command): command for command in COMMANDS}


def named(name: str) -> Callable[..., Report]:
    """A function by its name.

    Raises:
        AttributeError: there is none; the message names the nearest.
    """
    if name == "finetune":
        return finetune_function()
    if name in names():
        return function_of(names()[name])
    from nlpkit.nearby import nearest

    near = nearest(name, ["finetune", *names()])
    raise AttributeError(f"module 'nlpkit' has no attribute {name!r}" + (f"; did you mean {near!r}?" if near else ""))


@functools.cache
def function_of(command: str) -> Callable[..., Report]:
    """The function of a command."""
    module = importlib.import_module(COMMANDS[command].module)
    fields = ordered(module)
    owners = dict(signatures.options_of_tasks(module.Config))

    def function(*places: Any, **keywords: Any) -> Report:
        return call(command, bound(function, fields, places, keywords))

    doc = signatures.docstring(summary_of(module), fields, lambda name: owners.get(name, ""))
    return _dressed(function, function_name(command), fields, doc)


def finetune_function() -> Callable[..., Report]:
    """`nlpkit.finetune`, which trains for the task that is named first."""
    commands = {command: importlib.import_module(COMMANDS[command].module) for command in finetuning()}
    fields: dict[str, FieldInfo] = {}
    for module in commands.values():
        fields |= {name: info for name, info in ordered(module).items() if name not in fields}

    def owners(name: str) -> str:
        having = [of for of, module in commands.items() if name in module.Config.known_fields()]
        return "" if len(having) == len(commands) else ", ".join(short(command) for command in having)

    def function(task: str, *places: Any, **keywords: Any) -> Report:
        command = command_for(task)
        of_task = commands[command].Config.known_fields()
        return call(command, bound(function_of(command), of_task, places, keywords))

    kinds = ", ".join(f"{short(command)!r} ({', '.join(tasks)})" for command, tasks in finetuning().items())
    summary = f"Fine-tune a model for a task: {kinds}.\n\nOptions that only some tasks have say which."
    task = inspect.Parameter("task", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=signatures.TypeText("str"))
    doc = signatures.docstring(summary, fields, owners)
    made = _dressed(function, "finetune", fields, doc.replace("Args:", "Args:\n    task: what to train for.", 1))
    signature: Any = inspect.signature(made)
    made.__signature__ = signature.replace(parameters=[task, *signature.parameters.values()])  # type: ignore[attr-defined]
    return made


@functools.cache
def finetuning() -> dict[str, list[str]]:
    """Each command that trains for one task, with the tasks that it trains for."""
    from nlpkit.tasks import registry

    found: dict[str, list[str]] = {}
    for task in registry.classes():
        if task.trained_by.startswith(FINETUNE):
            found.setdefault(task.trained_by, []).append(task.name)
    return found


def short(command: str) -> str:
    """What `nlpkit.finetune` calls the task of a command: cls, ner, qa."""
    return command.removeprefix(FINETUNE)


def command_for(task: str) -> str:
    """The command that trains for a task, by any of its names.

    Raises:
        UserError: there is no such task, or another function trains for it.
    """
    from nlpkit.nearby import nearest
    from nlpkit.tasks import registry

    if not isinstance(task, str):
        raise UserError(f"the task is named first, and {type(task).__name__} was given", 'finetune("cls", data=...)')
    known = {name: of for of, tasks in finetuning().items() for name in (short(of), of, function_name(of), *tasks)}
    if task in known:
        return known[task]
    other = next((one for one in registry.classes() if one.name == task), None)
    if other is not None and other.trained_by:
        raise UserError(f"{task} is trained by another function", f"nlpkit.{function_name(other.trained_by)}(...)")
    if other is not None:
        raise UserError(f"nothing is trained for {task}", f"Tasks that are: {', '.join(map(short, finetuning()))}.")
    near = nearest(str(task), known)
    hint = f"Did you mean {near!r}?" if near else f"Tasks: {', '.join(map(short, finetuning()))}."
    raise UserError(f"there is no task {task!r}", hint)


def ordered(module: Any) -> dict[str, FieldInfo]:
    """The options of a command, those that matter most first, as its help shows them."""
    fields = module.Config.known_fields()
    return {name: fields[name] for name in dict.fromkeys((*module.ESSENTIAL, *fields))}


def summary_of(module: Any) -> str:
    """What the docstring of a recipe says, but for the examples, which are command lines."""
    text = (inspect.getdoc(module) or "").partition("\nExample")[0].rstrip()
    return wording.in_python(text, module.Config.known_fields(), COMMANDS)


def _dressed(function: Any, name: str, fields: Mapping[str, FieldInfo], doc: str) -> Callable[..., Report]:
    function.__name__ = function.__qualname__ = name
    function.__module__ = "nlpkit"
    function.__doc__ = doc
    signature = inspect.Signature(signatures.parameters(fields), return_annotation=signatures.TypeText("Report"))
    function.__signature__ = signature
    return function


def bound(
    function: Callable[..., Any], fields: Mapping[str, FieldInfo], places: Sequence[Any], options: Mapping[str, Any]
) -> dict[str, Any]:
    """What was given, by name.

    Raises:
        KeywordError: more is given by place than the function takes so, or something twice.
    """
    first = [
        parameter.name
        for parameter in inspect.signature(function).parameters.values()
        if parameter.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD and parameter.name in fields
    ]
    name = function.__name__
    if len(places) > len(first):
        raise KeywordError(
            f"{name}() takes {len(first)} values by place ({', '.join(first)}), {len(places)} were given",
            "Name the others: option=value.",
        )
    given = dict(zip(first, places, strict=False))
    if twice := given.keys() & options.keys():
        raise KeywordError(f"{name}() was given {', '.join(sorted(twice))} twice", "By place, or by name.")
    return {**given, **options}


def call(command: str, given: Mapping[str, Any]) -> Report:
    """Do the work of a command.

    Calls of one process take turns: what a run sets (seeds, threads, loggers) is of the whole process.

    Args:
        command: its name.
        given: its options, and those of `signatures.SPEECH`.

    Raises:
        UserError: an option, the data or the model is wrong.
        RunError: the work failed.
        KeyboardInterrupt: it was interrupted.
    """
    from nlpkit import process, reporting
    from nlpkit.data import memory

    module = importlib.import_module(COMMANDS[command].module)
    fields = module.Config.known_fields()
    options = dict(given)
    config, progress = options.pop("config", None), options.pop("progress", None)
    verbose = bool(options.pop("verbose", False))
    with _turns, in_callers_words(fields), manners.quiet(verbose=verbose):
        spoken = speech.Spoken(
            speech.reporter(progress=progress) if process.is_main_process() else reporting.Reporter(),
            lambda message: wording.in_python(message, fields, COMMANDS),
        )
        before = reporting.current()
        reporting.install(spoken)
        try:
            if not hasattr(module, "build"):
                process.require_one(command)
            options = in_memory(options, fields)
            resolved = module.Config.from_sources(options, Path(config) if config is not None else None, command)
            report: Report = module.run(resolved)
        finally:
            reporting.install(before)
            memory.let_go()
    report.notes, report.warnings = spoken.notes, spoken.warnings
    report.lines = [wording.in_python(line, fields, COMMANDS) for line in report.lines]
    report.failure = wording.in_python(report.failure, fields, COMMANDS)
    return report


def in_memory(options: Mapping[str, Any], fields: Mapping[str, FieldInfo]) -> dict[str, Any]:
    """The options with names in the place of rows that were given themselves."""
    from nlpkit.data import memory
    from nlpkit.options import AtCommas

    made = {name: _path(value) for name, value in options.items()}
    if "texts" in made and "input" in fields and made["texts"] is not None:
        texts = made["texts"]
        if memory.is_rows(texts):
            made["input"] = made.pop("texts")
        elif not isinstance(texts, str):
            made["texts"] = list(texts)
            if any(isinstance(text, list | tuple | Mapping) for text in made["texts"]):
                raise UserError(
                    "texts: expected texts, found lists or dicts", "Give dicts by column, or ask a nlpkit.Predictor."
                )
            if not all(isinstance(text, str) for text in made["texts"]):  # each that is none is named in its answer
                made["input"] = {"text": made.pop("texts")}
    for name, value in made.items():
        if name in fields and AtCommas in fields[name].metadata:
            _require_no_comma(name, value)
        if name not in fields or not signatures.takes_rows(fields[name]):
            continue
        if memory.is_rows(value):
            made[name] = memory.hold(value)
            continue
        several = isinstance(value, list | tuple)
        kinds = {type(one) for one in (value if several else [value]) if one is not None and not isinstance(one, str)}
        if kinds:
            shown = ", ".join(sorted(kind.__name__ for kind in kinds))
            raise UserError(f"{name}: {shown} is neither rows nor a path", f"Give a path, or {memory.TAKEN}.")
        if several and list not in kinds_of(fields[name].annotation):
            if not any(map(os.path.exists, value)) and any(" " in one for one in value):
                raise UserError(f"{name}: these are texts without labels", f"Give a path, or {memory.TAKEN}.")
            made[name] = ",".join(value)
    return {name: value for name, value in made.items() if value is not None or name not in fields}


def _require_no_comma(name: str, value: Any) -> None:
    """Refuse what would be read as several values: on a command line a comma parts them.

    Raises:
        UserError: a part of a list holds one.
    """
    if isinstance(value, list | tuple) and (found := next((one for one in value if "," in str(one)), None)):
        raise UserError(
            f"{name}: {found!r} holds a comma, which separates values here", "Choose a name without a comma."
        )


def _path(value: Any) -> Any:
    """A path, and each of several, as the name that options are made of."""
    if isinstance(value, PathLike):
        return str(fspath(value))
    return [_path(one) for one in value] if type(value) is list else value


@contextmanager
def in_callers_words(fields: Mapping[str, FieldInfo]) -> Iterator[None]:
    """Errors of the block say keywords where they would say flags; an interrupt is Python's own."""
    try:
        yield
    except Interrupted as error:
        wording.reworded(error, fields, COMMANDS)
        # A command line has not the rows that the caller has in memory.
        python = "; or in Python the same call with resume=True" if "--resume" in (error.hint or "") else ""
        raise KeyboardInterrupt(f"{error}{python}") from error
    except NlpkitError as error:
        wording.reworded(error, fields, COMMANDS)
        if isinstance(error, UserError) and re.match(r"unknown option|.* is required$", error.message):
            message = error.message.replace("unknown option", "unknown keyword")
            raise KeywordError(message, error.hint) from None
        raise
