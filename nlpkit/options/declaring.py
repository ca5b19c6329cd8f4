"""How an option is declared, once, and the base of the classes that hold some."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic.fields import FieldInfo

from nlpkit.options import files
from nlpkit.options.conditions import Conditions, conditions_of, refuse_unread
from nlpkit.options.places import place_problems, require_apart
from nlpkit.options.problems import OptionError, explain
from nlpkit.options.values import LARGEST

SAME: Any = object()  # in `option_like`: the default of the group


def option(
    default: Any,
    help: str,
    *,
    panel: str = "Options",
    metavar: str | None = None,
    positional: bool = False,
    shown_default: str | None = None,
    only_with: Conditions | None = None,
    **bounds: Any,
) -> Any:
    """Declare one option of a config class.

    Args:
        default: the value when neither flag nor file names one; `...` makes the option required.
        help: one line, with the unit.
        panel: heading under which `--help` lists it.
        metavar: stands for the value in `--help`.
        positional: an argument without a flag, on the command line.
        shown_default: text for `--help` where `default` is None but means something.
        only_with: what other options must be for this one to be read, see `Config.refuse_unread`.
        bounds: pydantic's `ge`, `gt`, `le`, `lt`, ...
    """
    extra: Any = {
        "panel": panel,
        "metavar": metavar,
        "positional": positional,
        "shown_default": shown_default,
        "only_with": conditions_of(only_with),
        "bounds": bounds,
    }
    return Field(default, description=help, json_schema_extra=extra, **bounds)


def option_like(group: type[Config], name: str, default: Any = SAME, help: str | None = None, **changes: Any) -> Any:
    """Declare an option as a group has it, but for what is given here.

    Args:
        group: the config class that declares it.
        name: of the option there.
        default: another default; what `--help` shows of the group's own goes with it.
        help: another line of help.
        changes: other keywords of `option`; a bound that is None is lifted.
    """
    info = group.model_fields[name]
    extra: Any = info.json_schema_extra
    kept = {key: value for key, value in extra.items() if key != "bounds"}
    if default is not SAME:
        kept["shown_default"] = None
    declared = {**kept, **extra["bounds"], **changes}
    return option(
        info.get_default(call_default_factory=True) if default is SAME else default,
        help or str(info.description),
        **{key: value for key, value in declared.items() if key in kept or value is not None},
    )


class Config(BaseModel):
    """Base of every recipe's configuration.

    Constructing one with a bad value or an unknown name raises `UserError` that names the nearest valid option.
    """

    model_config = ConfigDict(
        extra="forbid", validate_assignment=True, protected_namespaces=(), coerce_numbers_to_str=True
    )

    def __init__(self, /, **values: Any) -> None:
        values = self.with_new_names(values)
        fields = self.known_fields()
        problems = list(place_problems(values, fields))
        try:
            super().__init__(**values)
        except ValidationError as error:
            problems += explain(error, fields)
        if problems:
            raise OptionError(problems)
        require_apart(dict(self), fields)

    @field_validator("*")
    @classmethod
    def _finite(cls, value: Any) -> Any:
        """Numbers that no arithmetic here holds are slips, and records are JSON, which has none that is infinite."""
        for number in value if isinstance(value, list) else [value]:
            if isinstance(number, float) and not math.isfinite(number):
                raise ValueError("give a finite number")
            if isinstance(number, int) and abs(number) > LARGEST:
                raise ValueError(f"give a number up to {LARGEST}")
        return value

    @classmethod
    def known_fields(cls) -> Mapping[str, FieldInfo]:
        """Every option that may be given: the fields, and those of tasks where a command keeps them for later."""
        return cls.model_fields

    @classmethod
    def with_new_names(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        """The same values, with old names of options replaced where this config has the new one."""
        return files.with_new_names(values, cls.known_fields())

    @property
    def given(self) -> frozenset[str]:
        """Names of the options that were set by a flag, a file or a caller, also after construction; a resumed run
        overrides only these."""
        return frozenset(self.model_fields_set)

    @classmethod
    def of(cls, config: Config) -> Self:
        """This group of options, of the config of a command that has it.

        Raises:
            TypeError: it has not.
        """
        if not isinstance(config, cls):
            raise TypeError(f"{type(config).__module__}.{type(config).__name__} has no {cls.__name__}")
        return config

    def changed(self, **values: Any) -> Self:
        """A copy with some values replaced, validated again."""
        return type(self)(**{**self.given_values(), **values})

    def given_values(self) -> dict[str, Any]:
        """The values of the options that were given."""
        return {name: getattr(self, name) for name in self.given}

    def for_task(self, task: Any) -> Self:
        """The options of a command for a task, which are the same for each unless the tasks add some of their own."""
        return self

    def on_top_of(self, recorded: Mapping[str, Any]) -> Self:
        """The options of a record, as far as there are such, with those that were given here on top."""
        values = self.with_new_names(recorded)
        known = {name: value for name, value in values.items() if name in self.known_fields()}
        return self.changed(**{name: value for name, value in known.items() if name not in self.given})

    def refuse_unread(self) -> None:
        """Stop at options that are set and would be read by nothing; called when all that hang on others are settled.

        Raises:
            OptionError: naming them, all at once.
        """
        refuse_unread(dict(self), type(self).model_fields)

    def record(self) -> dict[str, Any]:
        """The resolved configuration as JSON values, without where it was written (see `files.NOT_REPEATED`)."""
        return self.model_dump(mode="json", exclude=set(files.NOT_REPEATED))

    @classmethod
    def from_sources(cls, flags: Mapping[str, Any], file: Path | None = None, command: str | None = None) -> Self:
        """Resolve the precedence flag > file > default.

        Raises:
            UserError: the file cannot be read, is of another command, or has an unknown key or a bad value.
        """
        values = files.read_config_file(file, command, cls.known_fields()) if file is not None else {}
        if flags.get("resume") and flags.get("output"):
            values = {**cls._required_of(Path(flags["output"])), **values}
        if file is None:
            return cls(**{**values, **flags})
        with files.naming(file, values.keys() - flags.keys()):
            return cls(**{**values, **flags})

    @classmethod
    def _required_of(cls, folder: Path) -> dict[str, Any]:
        """What a run that goes on was given where an option is required: --output and --resume are enough."""
        from nlpkit.runs import records

        recorded = (records.read(folder / records.RECORD) or {}).get("config") or {}
        required = [name for name, info in cls.model_fields.items() if info.is_required()]
        return {name: recorded[name] for name in required if name in recorded}
