"""Options of a task on a command whose task is known only when its model is.

`nlpkit predict MODEL --top-k 3`: how many candidates a mask filler gives is an option of that task, and another task
may mean something else by it. So the config of such a command knows its own options at once, and keeps those of tasks
as they were given. When the record or the config of the model has been read, `for_task` gives a config of the same
command with the options of that one task as fields, validated, and refuses what belongs to others.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import PrivateAttr
from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

from nlpkit.annotations import kinds_of
from nlpkit.options import Config, flag_of
from nlpkit.options.places import place_problems
from nlpkit.options.problems import OptionError, Problem
from nlpkit.tasks import registry

if TYPE_CHECKING:
    from nlpkit.tasks.contract import Task

Kind = Literal["data_options", "predict_options", "evaluate_options", "column_options", "explain_options"]
"""Which of the option groups of a task a command takes; attributes of `Task`."""


def group_of(task: type[Task], kind: Kind) -> type[Config]:
    """The options of a task that a command takes."""
    group: type[Config] = getattr(task, kind) or task.predict_options
    return group


class DeferredOptions(Config):
    """Base of the config of a command that takes the options of a task beside its own.

    Attributes:
        kind: the groups of the tasks.
        opened: the option that names the model.
        settled_for: the task whose options are fields, as `for_task` gives them; None before.
    """

    kind: ClassVar[Kind]
    opened: ClassVar[str] = "model"
    settled_for: ClassVar[str | None] = None
    _values: dict[str, Any] = PrivateAttr(default_factory=dict)
    _typed: frozenset[str] = PrivateAttr(default=frozenset())  # given on a command line, where no record speaks

    def __init__(self, /, **values: Any) -> None:
        values = self.with_new_names(values)
        later = self.known_fields().keys() - type(self).model_fields.keys()
        kept: dict[str, Any] = {}
        problems: list[Problem] = []
        for name in [name for name in values if name in later]:
            try:
                kept[name] = _accepted(name, values.pop(name), self.kind)
            except OptionError as error:
                problems += error.problems
        try:
            super().__init__(**values)
        except OptionError as error:
            problems = [*error.problems, *problems]
        if problems:
            raise OptionError(problems)
        self._values = kept

    @classmethod
    def known_fields(cls) -> Mapping[str, FieldInfo]:
        if cls.settled_for is not None:
            return cls.model_fields
        return {**{name: declared[0][0] for name, declared in _declared(cls.kind).items()}, **cls.model_fields}

    @classmethod
    def declared(cls) -> Mapping[str, Sequence[tuple[FieldInfo, Sequence[str]]]]:
        """The options that are kept until the task is known: each way in which tasks declare it, with their names."""
        return _declared(cls.kind) if cls.settled_for is None else {}

    @classmethod
    def task_of(cls, values: Mapping[str, Any]) -> type[Task] | None:
        """The task that options name, by a model or with --task; None where they name none, or an encoder alone.

        Args:
            values: what was given on a command line, by option.

        Raises:
            UserError: the model cannot be opened, or not for the task that is named.
        """
        if (name := values.get(cls.opened)) is None:
            return None
        # before there is a config, which looks for the same
        if problems := list(place_problems({cls.opened: name}, cls.model_fields)):
            raise OptionError(problems)
        return registry.class_of_model(name, named=values.get("task"), revision=values.get("model_revision"))

    @property
    def task_values(self) -> Mapping[str, Any]:
        """The options of tasks that were given, by name, until `for_task`."""
        return self._values

    @property
    def given(self) -> frozenset[str]:
        return super().given | self._values.keys()

    def given_values(self) -> dict[str, Any]:
        return {**{name: getattr(self, name) for name in super().given}, **self._values}

    @classmethod
    def from_sources(cls, flags: Mapping[str, Any], file: Path | None = None, command: str | None = None) -> Self:
        config = super().from_sources(flags, file, command)
        config._typed = frozenset(flags)
        return config

    def changed(self, **values: Any) -> Self:
        changed = super().changed(**values)
        changed._typed = self._typed
        return changed

    def record(self) -> dict[str, Any]:
        return {**super().record(), **to_jsonable_python(self._values)}

    def for_task(self, task: type[Task]) -> Self:
        """The same options with those of the task as fields, so that its groups can be read `of` them.

        Raises:
            OptionError: options were set that only other tasks read, which are all named, or have a value that this
                one does not take.
        """
        if self.settled_for == task.name:
            return self
        group = group_of(task, self.kind)
        problems: list[Problem] = []
        for name, value in self._values.items():
            declared = _declared(self.kind)[name]
            # the record of an earlier run gives the options of every task, most of them as they are by default
            is_set = name in self._typed or all(value != info.default for info, _ in declared)
            if is_set and name not in group.model_fields:
                owners = [owner for _, tasks in declared for owner in tasks]
                said = f"{flag_of(name)} is for {', '.join(owners)}, not for {task.name}"
                other = f", or, where the model can serve for that, say --task {owners[0]}"
                problems.append(
                    Problem(name, said, f"Leave it out{other if 'task' in type(self).model_fields else ''}.")
                )
        if problems:
            raise OptionError(problems)
        return self.with_group(group, task.name)

    def with_group(self, group: type[Config], name: str) -> Self:
        """The same options with those of a group as fields; what was given for other groups is left out.

        Args:
            group: whose options they are.
            name: of the task that they are settled for.
        """
        settled = settled_class(type(self), group, name)
        values = self.given_values()
        return settled(**{field: value for field, value in values.items() if field in settled.model_fields})


@functools.cache
def settled_class(command: type[Any], group: type[Config], name: str) -> type[Any]:
    """The class of the config of a command with the options of a group.

    Args:
        command: the class of its own options.
        group: of the options of a task.
        name: of the task.

    Raises:
        TypeError: both declare an option of one name, differently: it would mean two things at once.
    """
    for field in group.model_fields.keys() & command.model_fields.keys():
        if repr(group.model_fields[field]) != repr(command.model_fields[field]):
            raise TypeError(f"{command.__module__} and {group.__name__} declare the option {field!r} differently")

    # a task without options of its own has the plain `Config`, which every command is
    bases = (command,) if issubclass(command, group) else (group, command)

    class Settled(*bases):  # type: ignore[misc]
        __doc__ = command.__doc__
        settled_for: ClassVar[str | None] = name

    Settled.__name__, Settled.__qualname__ = command.__name__, command.__qualname__
    Settled.__module__ = command.__module__
    return Settled


@functools.cache
def _declared(kind: Kind) -> dict[str, list[tuple[FieldInfo, list[str]]]]:
    """Option -> each way in which tasks declare it, with the names of these tasks, in the order of the registry.

    Raises:
        TypeError: an option takes a value for one task and none, or several, for another: a command line could not be
            read before the task is known.
    """
    declared: dict[str, list[tuple[FieldInfo, list[str]]]] = {}
    for task in registry.classes():
        for name, info in group_of(task, kind).model_fields.items():
            ways = declared.setdefault(name, [])
            same = next((tasks for other, tasks in ways if repr(other) == repr(info)), None)
            if same is None:
                ways.append((info, [task.name]))
            else:
                same.append(task.name)
    for name, ways in declared.items():
        if len({frozenset(kinds_of(info.annotation) & {bool, list, dict}) for info, _ in ways}) > 1:
            tasks = ", ".join(task for _, several in ways for task in several)
            raise TypeError(f"the option {name!r} takes one value, several or none, as tasks declare it: {tasks}")
    return declared


def _accepted(name: str, value: Any, kind: Kind) -> Any:
    """The value of an option as the tasks that have it read it; as it is where they read it in different ways.

    Raises:
        OptionError: none of them takes it.
    """
    read, refused = [], []
    for _, tasks in _declared(kind)[name]:
        group = group_of(registry.task_class(tasks[0]), kind)
        try:
            read.append(getattr(group(**{name: value}), name))
        except OptionError as error:
            refused.append(error)
    if not read:
        raise refused[0]
    alike = not refused and all(type(other) is type(read[0]) and other == read[0] for other in read)
    return read[0] if alike else value
