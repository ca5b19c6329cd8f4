"""Options that name a place on the disk: what they cannot be."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from nlpkit import nearby
from nlpkit.errors import UserError
from nlpkit.options.names import cut, shown_name
from nlpkit.options.problems import Problem

LONGEST_NAME = 255  # bytes of the name of a file


# what stands for a path in `--help`
PLACES = frozenset({"PATH", "FILE", "DIR", "MODEL", "TEACHER"})


def place_problems(values: Mapping[str, Any], fields: Mapping[str, Any]) -> Iterator[Problem]:
    """Empty paths, which would be the folder one is in: a variable of the shell was not set. And those with a name that
    no system takes, at which each look at the disk would be an error of its own: they are texts.

    Args:
        values: as they were given, by name.
        fields: `model_fields` of the config.
    """
    for field, value in values.items():
        if not names_place(field, fields):
            continue
        name = shown_name(field, fields)
        for place in value if isinstance(value, list | tuple) else [value]:
            if place == "":
                yield Problem(field, f"{name} is empty", "Was a variable of the shell not set?")
            elif any(len(part.encode(errors="replace")) > LONGEST_NAME for part in re.split("[/,]", str(place))):
                shown = f"{name} {cut(str(place))!r}"
                yield Problem(field, f"{shown}: no file or folder has so long a name", "It looks like a text.")


def require_apart(values: Mapping[str, Any], fields: Mapping[str, Any]) -> None:
    """Refuse to write over what is read: with --overwrite a model or a file would be replaced by what is made of it.

    Args:
        values: of all options, by name.
        fields: `model_fields` of the config.

    Raises:
        UserError: naming the option that says the same as --output.
    """
    output = values.get("output")
    if output is None or not Path(output).exists() or values.get("resume"):
        return
    for field, value in values.items():
        if field == "output" or not names_place(field, fields):
            continue
        for place in value if isinstance(value, list | tuple) else [value]:
            with contextlib.suppress(OSError, ValueError):
                if place and nearby.expanded(str(place)).samefile(output):
                    raise UserError(
                        f"--output {output} is also what {shown_name(field, fields)} reads", "Give another --output."
                    )


def names_place(field: str, fields: Mapping[str, Any]) -> bool:
    """Whether an option names a file or a folder; one that does not exist here names nothing."""
    if field not in fields:
        return False
    metavar = fields[field].json_schema_extra["metavar"] or ""
    return any(word in PLACES for word in metavar.split("|"))
