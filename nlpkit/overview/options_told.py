"""The options of a run as people read them: what was set otherwise than by default, and the command line for it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any

from nlpkit.options import Config, flag_of
from nlpkit.options.files import NOT_REPEATED
from nlpkit.reporting import typed


def set_ones(config: Mapping[str, Any], kind: type[Config]) -> dict[str, Any]:
    """The options of a record that differ from what the command does by itself, with those that it does not know.

    Args:
        config: as the record has it.
        kind: the options of the command.
    """
    usual = defaults(kind)
    values = kind.with_new_names(config)
    return {name: value for name, value in values.items() if name not in usual or value != usual[name]}


def defaults(kind: type[Config]) -> dict[str, Any]:
    """What a command does by itself, as records have it; without the options that are required, or not recorded."""
    fields = kind.known_fields().items()
    return {
        name: json.loads(json.dumps(info.get_default(call_default_factory=True), default=str))
        for name, info in fields
        if not info.is_required() and name not in NOT_REPEATED
    }


def command_line(command: str, options: Mapping[str, Any], kind: type[Config]) -> str:
    """The command with these options, as it is typed.

    Args:
        options: as `set_ones` gives them; what the command does not know is left out.
    """
    fields = kind.known_fields()
    arguments: list[str] = []
    flags: list[str] = []
    for name, value in options.items():
        if name not in fields:
            continue
        extra: Any = fields[name].json_schema_extra
        if extra["positional"]:
            arguments += map(typed, value if isinstance(value, list) else [value])
        else:
            flags += _flags(flag_of(name), value)
    return " ".join(["nlpkit", command, *arguments, *flags])


def _flags(flag: str, value: Any) -> list[str]:
    if value is None:
        return []
    if isinstance(value, bool):
        return [flag if value else f"--no-{flag.removeprefix('--')}"]
    if isinstance(value, dict):
        return [part for name, item in value.items() for part in (flag, shlex.quote(f"{name}={item}"))]
    if isinstance(value, list):
        return [part for item in value for part in (flag, shlex.quote(str(item)))]
    return [flag, typed(value) if isinstance(value, str) else str(value)]
