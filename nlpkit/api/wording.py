"""Messages in the words of a caller from Python: `learning_rate` where the command line says `--learning-rate`."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from nlpkit.annotations import kinds_of
from nlpkit.errors import NlpkitError

# A command line stays as it is: it is one to be typed. It ends where a sentence, a clause or its quotes end.
_COMMAND = re.compile(r"`?\b(?:python -m )?nlpkit [a-z][a-z-]+\b[^`;\n)]*`?")
_FLAG = re.compile(r"(?<![\w-])--([a-z][a-z0-9-]*)(?: (?=(VALUE|[A-Z|]{3,}|-?[\d.]+\b|'[^']*'|\"[^\"]*\")))?")
_SHORT_COMMAND = re.compile(r"`nlpkit ([a-z][a-z-]+)`")


def in_python(text: str, fields: Mapping[str, Any], commands: Collection[str]) -> str:
    """A message with its flags as keywords.

    Args:
        text: as it is written for the command line.
        fields: options of the command that is called, by name.
        commands: names of all commands.
    """
    parts, last = [], 0
    for match in _COMMAND.finditer(text):
        parts += [_keywords(text[last : match.start()], fields), _call(match[0], commands)]
        last = match.end()
    return "".join([*parts, _keywords(text[last:], fields)])


def reworded(error: NlpkitError, fields: Mapping[str, Any], commands: Collection[str]) -> None:
    """Put an error into the words of a caller from Python."""
    error.message = in_python(error.message, fields, commands)
    error.hint = error.hint and in_python(error.hint, fields, commands)
    error.args = (error.message,)


def _call(command: str, commands: Collection[str]) -> str:
    """A command that is named without options as the function that it is; a whole command line as it is."""
    named = _SHORT_COMMAND.fullmatch(command)
    if named is None or named[1] not in commands:
        return command
    return f"`nlpkit.{named[1].replace('-', '_')}(...)`"


def _keywords(text: str, fields: Mapping[str, Any]) -> str:
    text = _FLAG.sub(lambda match: _keyword(match, fields), text)
    for name, info in fields.items():  # what has no flag is called by what stands for it
        if info.json_schema_extra["positional"]:
            text = text.replace(f"{info.json_schema_extra['metavar']} is required", f"{name} is required")
    return text


def _keyword(match: re.Match[str], fields: Mapping[str, Any]) -> str:
    name, value = match[1].replace("-", "_"), match[2]
    if name not in fields and name.removeprefix("no_") in fields:
        return f"{name.removeprefix('no_')}=False"
    if name in ("config", "verbose"):
        return name
    if name not in fields:
        return match[0]
    if value is not None:
        return f"{name}="
    return f"{name}=True" if kinds_of(fields[name].annotation) in ({bool}, {bool, list}) else name
