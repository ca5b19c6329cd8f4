"""Options that are read only with others: declared at the option, and refused here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nlpkit.options.names import flag_of, shown_name
from nlpkit.options.problems import OptionError, Problem

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo


@dataclass(frozen=True)
class OnlyWith:
    """The option is read where another one asks for something.

    Attributes:
        others: names of options, of which one is enough.
        values: what it must be, or hold; empty: anything that is not false, none or empty.
        why: what stands behind the flag where the option is refused, with {NAME} for the value of an option; empty:
            the flags that it is for.
        hint: what to do then.
        shown: what `--help-all` says of the condition; empty: the flags that the option is for.
    """

    others: tuple[str, ...]
    values: tuple[str, ...] = ()
    why: str = ""
    hint: str = "Leave it out."
    shown: str = ""

    def holds(self, values: Mapping[str, Any]) -> bool:
        """Whether it is fulfilled by these values of all options."""
        return any(self._asks(values[name]) for name in self.others)

    def described(self) -> str:
        """The condition in words, for `--help-all`."""
        return self.shown or f"only with {self._flags()}"

    def problem(self, field: str, flag: str, values: Mapping[str, Any]) -> Problem:
        """What is said of an option that is set where the condition does not hold."""
        if self.why:
            return Problem(field, f"{flag}{self.why.format_map(values)}", self.hint)
        actual = values[self.others[0]]
        shown = ", ".join(map(str, actual)) if isinstance(actual, list) else actual
        return Problem(field, f"{flag} is for {self._flags()}{f', not for {shown}' if self.values else ''}", self.hint)

    def _asks(self, value: Any) -> bool:
        if not self.values:
            return bool(value)
        return any(each in self.values for each in (value if isinstance(value, list) else [value]))

    def _flags(self) -> str:
        flags = " or ".join(map(flag_of, self.others))
        return f"{flags} {', '.join(self.values)}" if self.values else flags


@dataclass(frozen=True)
class NotWith(OnlyWith):
    """The option is read where none of the others asks for it; `why` is always given."""

    def holds(self, values: Mapping[str, Any]) -> bool:
        return not super().holds(values)

    def described(self) -> str:
        return self.shown or f"not with {self._flags()}"


Conditions = str | OnlyWith | tuple[str | OnlyWith, ...] | Mapping[str, tuple[str, ...]]
"""What `option(only_with=...)` takes: the name of another option, {name: values}, a condition with words of its own,
or several of these, which must all hold."""


def conditions_of(given: Conditions | None) -> tuple[OnlyWith, ...]:
    """The conditions that a declaration asks for."""
    if given is None:
        return ()
    if isinstance(given, str):
        return (OnlyWith((given,)),)
    if isinstance(given, Mapping):
        return tuple(OnlyWith((name,), values) for name, values in given.items())
    if isinstance(given, OnlyWith):
        return (given,)
    return tuple(condition for each in given for condition in conditions_of(each))


def refuse_unread(values: Mapping[str, Any], fields: Mapping[str, FieldInfo]) -> None:
    """Stop at options that are set and would be read by nothing, all of them at once.

    A record of an earlier run gives every option: one that is as it is by default is not set.

    Args:
        values: of all options, by name, settled where one hangs on another.
        fields: `model_fields` of the config.

    Raises:
        OptionError: naming them.
    """
    if problems := list(_unread(values, fields)):
        raise OptionError(problems)


def _unread(values: Mapping[str, Any], fields: Mapping[str, FieldInfo]) -> Iterator[Problem]:
    for name, info in fields.items():
        if values[name] == (default := info.get_default(call_default_factory=True)):
            continue
        flag = flag_of(f"no_{name}") if default is True else shown_name(name, fields)
        broken = (each for each in declared_conditions(info) if not each.holds(values))
        if (condition := next(broken, None)) is not None:
            yield condition.problem(name, flag, values)


def declared_conditions(info: FieldInfo) -> Iterable[OnlyWith]:
    """The conditions that an option was declared with."""
    extra: Any = info.json_schema_extra
    return extra["only_with"]
