"""`--help` and `--help-all` of a command, drawn from its Config.

Without rich, whose import would double the time that they take. A name is never cut: where it is too long for its
column, its text begins on the line below.
"""

from __future__ import annotations

import inspect
import re
import shutil
import textwrap
import typing
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from nlpkit.annotations import kinds_of
from nlpkit.cli.registry import COMMANDS

if TYPE_CHECKING:
    from nlpkit.options import Config

PANELS = (
    "Input", "Data", "Task", "Model", "Tokenizer", "Objective", "Student", "Loss", "Pruning", "Quantization",
    "Training", "Optimizer", "Evaluation", "Sizes", "Method", "Device", "Gate", "Output",
)  # fmt: skip
PURPOSE = (
    "nlpkit trains, shrinks, measures and uses language models of your own: one command is one step, "
    "on a CPU or a GPU, with no account."
)
START = (
    "nlpkit finetune-cls --data sample:feedback --output runs/feedback",
    'nlpkit predict runs/feedback "The parcel came a week late."',
    "nlpkit quantize runs/feedback",
)
ENDING = (
    "nlpkit COMMAND --help   what a command writes, its options, two examples",
    "nlpkit --version; nlpkit --install-completion [bash|zsh|fish], for Tab",
)
NOT_LEARNED = ("Input", "Data", "Device", "Evaluation", "Output")  # panels of what changes no model, or its rows
HELP = 53  # characters of a command's help beside its panel and name on 80 columns
SPEECH = (
    ("--config FILE", "YAML recipe, or the nlpkit.json of a run to repeat."),
    ("--json", "One JSON document on standard output, all else on standard error."),
    ("--quiet", "Print only warnings, errors and the result."),
    ("--verbose", "Library logs, and a traceback with an error."),
    ("--help, -h", "The options that matter most."),
    ("--help-all", "All options."),
)
"""What every command takes beside its Config: as written, and what it does."""

WIDEST = 100  # characters of a line, on any terminal
NAMES = 26  # characters of the column of names
CHOICES = 26  # characters up to which choices stand behind a name instead of in its text

_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
_FLAG = re.compile(r"(--[\w-]+) (?!-)")

Rows = list[tuple[str, str]]


def root() -> str:
    """One screen: what nlpkit is for, how to start, and the commands by panel."""
    lines = [*_wrapped(PURPOSE), "", "Start with:", *_shown(START), ""]
    panels = list(dict.fromkeys(entry.panel for entry in COMMANDS.values()))
    names, titles = max(map(len, COMMANDS)), max(map(len, panels))
    for panel in panels:
        title = panel
        for name, entry in COMMANDS.items():
            if entry.panel != panel:
                continue
            place = f"{title:<{titles}}  {name:<{names}}  "
            told = textwrap.wrap(entry.help, max(_width() - len(place), 20))
            lines += [f"{place if i == 0 else '':<{len(place)}}{part}" for i, part in enumerate(told)]
            title = ""
    return "\n".join([*lines, "", *ENDING])


def short(command: str, module: Any, config: type[Config]) -> str:
    """One screen: what the command does, examples, and the options that matter, in the order of use.

    Args:
        command: its name.
        module: its recipe, with a docstring, a `Config`, and `ESSENTIAL`, names of fields.
        config: the `Config`, or the one that it becomes for the task of a model, whose options are shown too.
    """
    summary, _, examples = _parts(module)
    fields = config.known_fields()
    rows = [_row(name, fields[name]) for name in module.ESSENTIAL]
    of_task = [_row(name, info) for name, info in fields.items() if name not in module.Config.model_fields]
    task = _settled_for(config)
    lines = [_usage(command, fields), "", *_wrapped(summary), "", *_shown(examples), ""]
    lines += [*_table(rows), ""] if rows else []
    if of_task and task is not None:
        lines += [f"With this model, for {task}:", *_table(of_task), ""]
        rows += of_task
    rest = len(fields) - len(rows)
    others = f"--json, --quiet, --config FILE and {rest} more" if rest else "--json, --quiet, --verbose"
    if of_task and task is None:
        lines += [f"Options of its task: nlpkit {command} {_chosen_by(config)} --help"]
    # on a narrow terminal what is typed stands on a line of its own
    end = f"{others}: nlpkit {command} --help-all"
    return "\n".join([*lines, *([end] if len(end) <= _width() else [f"{others}:", f"nlpkit {command} --help-all"])])


def passing_on(command: str, target: str, fields: Mapping[str, Any]) -> str:
    """One screen: which options of another command may have a range or a list, on the line of one that runs it.

    Args:
        command: that runs it.
        target: that is run.
        fields: options of that one.
    """
    numbers, names = [], []
    for name, info in fields.items():
        if info.json_schema_extra["panel"] in NOT_LEARNED:
            continue
        kinds, flag = kinds_of(info.annotation), f"--{name.replace('_', '-')}"
        if kinds and kinds <= {int, float}:
            numbers.append(flag)
        elif _choices(info.annotation) and not kinds & {bool, list, dict}:
            names.append(flag)
    lines = [
        f"Usage: nlpkit {command} {target} [OPTIONS]",
        "",
        *_wrapped(f"Options of {target} are fixed (--NAME VALUE) or searched (a range or a list)."),
        "",
        *_wrapped(f"A..B, A..B:log, A..B:int, A..B:STEP, or values at commas: {', '.join(numbers)}"),
        "",
        *_wrapped(f"Values at commas: {', '.join(names)}"),
        "",
        *_wrapped("Any other option that takes one value, such as --model: as a list in --space FILE."),
        "",
        f"What they are: nlpkit {target} --help-all",
        f"Options of the search: nlpkit {command} --help",
    ]
    return "\n".join(lines)


def _choices(annotation: Any) -> bool:
    """Whether an option takes one of a few names."""
    return any(typing.get_origin(part) is Literal for part in (annotation, *typing.get_args(annotation)))


def whole(command: str, module: Any, config: type[Config]) -> str:
    """Every option, by panel, and those of tasks by task; arguments as for `short`."""
    summary, details, examples = _parts(module)
    own = config.model_fields
    panels: dict[str, Rows] = {panel: [] for panel in PANELS}
    # as in the short help, what matters stands first
    for name, info in sorted(own.items(), key=lambda field: field[0] not in module.ESSENTIAL):
        extra: Any = info.json_schema_extra
        panels.setdefault(extra["panel"], []).append(_row(name, info, conditions=True))
    of_tasks: dict[str, Rows] = {}
    for name, declared in _of_tasks(config).items():
        for info, tasks in declared:
            of_tasks.setdefault(f"For {', '.join(tasks)}", []).append(_row(name, info, conditions=True))
    lines = [_usage(command, own), "", *_wrapped(summary)]
    for paragraph in details:
        lines += ["", *_wrapped(paragraph)]
    lines += ["", *_shown(examples)]
    for panel, rows in (*panels.items(), *of_tasks.items(), ("Every command", list(SPEECH))):
        if rows:
            lines += ["", *_wrapped(f"{panel}:"), *_table(rows)]
    if any(kinds_of(info.annotation) == {bool} for info in config.known_fields().values()):
        lines += ["", *_wrapped("A switch that a --config file has turned on is turned off by --no-NAME.")]
    return "\n".join(lines)


def _settled_for(config: type[Config]) -> str | None:
    """The task whose options are among the fields of a config; None where it has those of none."""
    from nlpkit.tasks.deferred import DeferredOptions

    return config.settled_for if issubclass(config, DeferredOptions) else None


def _of_tasks(config: type[Config]) -> Mapping[str, Sequence[tuple[Any, Sequence[str]]]]:
    """The options that a config keeps until its task is known, see `DeferredOptions.declared`."""
    from nlpkit.tasks.deferred import DeferredOptions

    return config.declared() if issubclass(config, DeferredOptions) else {}


def _chosen_by(config: type[Config]) -> str:
    """How a command line names what the task is known by: the model, as a rule."""
    from nlpkit.tasks.deferred import DeferredOptions

    assert issubclass(config, DeferredOptions)
    extra: Any = config.model_fields[config.opened].json_schema_extra
    return str(extra["metavar"]) if extra["positional"] else f"--{config.opened.replace('_', '-')} NAME"


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


def _row(name: str, info: Any, *, conditions: bool = False) -> tuple[str, str]:
    """An option as it is written, and what it does, with its choices, its default and what it is read with."""
    extra = info.json_schema_extra
    text, value = info.description or "", extra["metavar"] or _value(info.annotation)
    if "|" in value and len(value) > CHOICES:
        if not all(choice in text for choice in value.split("|")):
            text = f"{text.rstrip('.')}: {value.replace('|', ', ')}."
        value = "NAME"
    if conditions:
        text += "".join(f" [{condition.described()}]" for condition in extra["only_with"])
    default = extra["shown_default"] or (None if info.default in (None, False, [], {}) else info.default)
    if default is True:
        text += f" [default: on; --no-{name.replace('_', '-')} turns it off]"
    elif default is not None and not info.is_required():
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
    """Commands to be copied."""
    return [f"  {line}" for example in examples for line in continued(example, _width() - 2)]


def wrapped_lines(text: str, width: int) -> list[str]:
    """The lines of a text, broken at blanks; what stands behind blanks in the beginning goes on behind as many."""
    lines: list[str] = []
    for line in text.split("\n"):
        indent = " " * (len(line) - len(line.lstrip(" ")))
        wrapped = textwrap.wrap(line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
        lines += wrapped or [""]
    return lines


def continued(command: str, width: int) -> list[str]:
    """The lines of a command that can be copied: a long one goes on on the next line as a shell has it.

    Args:
        width: characters of a line; a word that is longer stays whole.
    """
    joined = _QUOTED.sub(lambda text: text[0].replace(" ", "\u00a0"), command)  # blanks there would be its text
    joined = _FLAG.sub("\\1\u00a0", joined)  # a value stays on the line of its flag
    parts = textwrap.wrap(joined, width - 2, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)
    return [part.replace("\u00a0", " ") for part in (*(f"{part} \\" for part in parts[:-1]), *parts[-1:])]


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
