"""`--help` and `--help-all` of a command, drawn from its Config.

Without rich, whose import would double the time that they take. A name is never cut: where it is too long for its
column, its text begins on the line below.
"""

from __future__ import annotations

import inspect
import re
import shutil
import textwrap
import types
import typing
from collections.abc import Iterable
from typing import Any, Literal

PANELS = (
    "Input", "Data", "Task", "Model", "Tokenizer", "Objective", "Student", "Loss", "Pruning", "Quantization",
    "Training", "Sizes", "Method", "Device", "Gate", "Output",
)  # fmt: skip
SPEECH = (
    ("--config FILE", "YAML recipe, or the nlpkit.json of a run to repeat."),
    ("--json", "One JSON document on standard output, all else on standard error."),
    ("--quiet", "Say only warnings, errors and the result."),
    ("--verbose", "Library logs, and a traceback with an error."),
    ("--help, -h", "The options that matter most."),
    ("--help-all", "All options."),
)
"""What every command takes beside its Config: as written, and what it does."""

WIDEST = 100  # characters of a line, on any terminal
NAMES = 26  # characters of the column of names
CHOICES = 26  # characters up to which choices stand behind a name instead of in its text

_FLAG = re.compile(r"(--[\w-]+) (?!-)")

Rows = list[tuple[str, str]]


def short(command: str, module: Any) -> str:
    """One screen: what the command does, examples, and the options that matter, in the order of use.

    Args:
        command: its name.
        module: its recipe, with a docstring, a `Config`, and `ESSENTIAL`, names of fields.
    """
    summary, _, examples = _parts(module)
    fields = module.Config.model_fields
    rows = [_row(name, fields[name]) for name in module.ESSENTIAL]
    rest = len(fields) - len(rows)
    others = f"--json, --quiet, --config FILE and {rest} more" if rest else "--json, --quiet, --verbose"
    return "\n".join(
        [
            *(_usage(command, fields), "", *_wrapped(summary), "", *_shown(examples), ""),
            *([*_table(rows), ""] if rows else []),
            f"{others}: nlpkit {command} --help-all",
        ]
    )


def whole(command: str, module: Any) -> str:
    """Every option, by panel; arguments as for `short`."""
    summary, details, examples = _parts(module)
    fields = module.Config.model_fields
    panels: dict[str, Rows] = {panel: [] for panel in PANELS}
    # as in the short help, what matters stands first
    for name, info in sorted(fields.items(), key=lambda field: field[0] not in module.ESSENTIAL):
        panels.setdefault(info.json_schema_extra["panel"], []).append(_row(name, info))
    lines = [_usage(command, fields), "", *_wrapped(summary)]
    for paragraph in details:
        lines += ["", *_wrapped(paragraph)]
    lines += ["", *_shown(examples)]
    for panel, rows in (*panels.items(), ("Every command", list(SPEECH))):
        if rows:
            lines += ["", f"{panel}:", *_table(rows)]
    if any(kinds_of(info.annotation) == {bool} for info in fields.values()):
        lines += ["", "A switch that a --config file has turned on is turned off by --no-NAME."]
    return "\n".join(lines)


def kinds_of(annotation: Any) -> set[type]:
    """The types that an option's value may have, without None: {bool}, {list}, {str}, ..."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return kinds_of(typing.get_args(annotation)[0])
    if origin in (typing.Union, types.UnionType):
        parts = (part for part in typing.get_args(annotation) if part is not type(None))
        return {kind for part in parts for kind in kinds_of(part)}
    if origin is Literal:
        return {str}
    return {origin or annotation}


def _parts(module: Any) -> tuple[str, list[str], list[str]]:
    """Of a docstring: the first paragraph, those behind it, and the example commands, which stand last."""
    paragraphs = (inspect.getdoc(module) or "").split("\n\n")
    examples: list[str] = []
    if paragraphs[-1].startswith("Example"):
        for line in paragraphs.pop().partition(": ")[2].splitlines():
            examples += [line] if line.startswith("nlpkit ") else []
            if not line.startswith("nlpkit "):
                examples[-1] += f" {line.strip()}"
    flowing = [" ".join(paragraph.split()) for paragraph in paragraphs]
    return flowing[0], flowing[1:], examples


def _usage(command: str, fields: Any) -> str:
    places = [
        f"{info.json_schema_extra['metavar'] or name.upper()}{'...' if list in kinds_of(info.annotation) else ''}"
        for name, info in fields.items()
        if info.json_schema_extra["positional"]
    ]
    # what must be given stands before what may be repeated
    places.sort(key=lambda place: place.endswith("..."))
    return " ".join(["Usage: nlpkit", command, *places, "[OPTIONS]"])


def _row(name: str, info: Any) -> tuple[str, str]:
    """An option as it is written, and what it does, with its choices and its default."""
    extra = info.json_schema_extra
    text, value = info.description or "", extra["metavar"] or _value(info.annotation)
    if "|" in value and len(value) > CHOICES:
        if not all(choice in text for choice in value.split("|")):
            text = f"{text.rstrip('.')}: {value.replace('|', ', ')}."
        value = "NAME"
    default = extra["shown_default"] or (None if info.default in (None, False, [], {}) else info.default)
    if default is not None and not info.is_required():
        text += f" [default: {'/'.join(map(str, default)) if isinstance(default, list | tuple) else default}]"
    if extra["positional"]:
        return value, text
    return f"--{name.replace('_', '-')} {value}".rstrip(), text


def _value(annotation: Any) -> str:
    """What stands for the value: choices, a letter, nothing for a switch."""
    for part in (annotation, *typing.get_args(annotation)):
        if typing.get_origin(part) is Literal:
            choices = "|".join(map(str, typing.get_args(part)))
            return f"[{choices}]" if bool in kinds_of(annotation) else choices
    kinds = kinds_of(annotation)
    if kinds == {bool}:
        return ""
    return next((letter for kind, letter in ((int, "N"), (float, "X")) if kind in kinds), "TEXT")


def _width() -> int:
    return max(min(shutil.get_terminal_size().columns, WIDEST), 40)


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, _width(), break_long_words=False, break_on_hyphens=False)


def _shown(examples: Iterable[str]) -> list[str]:
    """Commands to be copied: a long one is continued on the next line as a shell has it."""
    lines: list[str] = []
    for example in examples:
        joined = _FLAG.sub("\\1\u00a0", example)  # a value stays on the line of its flag
        parts = textwrap.wrap(
            joined, _width() - 4, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False
        )
        lines += [f"  {part} \\".replace("\u00a0", " ") for part in parts[:-1]]
        lines.append(f"  {parts[-1]}".replace("\u00a0", " "))
    return lines


def _table(rows: Rows) -> list[str]:
    column = min(max(len(name) for name, _ in rows), NAMES, _width() // 3)
    lines = []
    for name, text in rows:
        told = textwrap.wrap(text, _width() - column - 4, break_long_words=False, break_on_hyphens=False)
        if len(name) > column:
            lines.append(f"  {name}")
            name = ""
        lines += [f"  {(name if i == 0 else ''):<{column}}  {part}".rstrip() for i, part in enumerate(told or [""])]
    return lines
