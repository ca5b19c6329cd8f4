"""What the functions of commands take, read from their Config: names, types, defaults, and a docstring for `help()`."""

from __future__ import annotations

import inspect
import re
import textwrap
import types
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from nlpkit.options import Config

_FLAG = re.compile(r"(?<![\w-])--([a-z][a-z0-9-]*)")
WIDTH = 100  # characters of a line of a docstring
OF_ROWS = ("PATH|NAME", "FILE", "FILE|-")  # how an option that names rows is shown on the command line
SPEECH = {
    "config": ("str | PathLike[str] | None", None, "YAML recipe, or the nlpkit.json of a run to repeat."),
    "progress": (
        "bool | None",
        None,
        "Show plan and bars: as the command line does, on standard error. None: a bar in a notebook, else nothing.",
    ),
    "verbose": ("bool", False, "Let the libraries say what they say unasked."),
}
"""What every function takes beside the options of its command: type, default, help."""


class TypeText(str):
    """A type as it is written; `inspect.signature` and `help()` show it without quotes."""

    __slots__ = ()
    __repr__ = str.__str__


def takes_rows(info: FieldInfo) -> bool:
    """Whether an option names rows, for which a caller from Python may give the rows themselves."""
    extra: Any = info.json_schema_extra
    named = extra["metavar"] in OF_ROWS and extra["panel"] in ("Data", "Input")
    return named and Path not in (get_args(info.annotation) or (info.annotation,))


def parameters(fields: Mapping[str, FieldInfo]) -> list[inspect.Parameter]:
    """What a function takes: what has no flag on the command line first, then `data`, by place or by name; all else by
    name.

    Args:
        fields: options of the command, by name.
    """
    first = [name for name, info in fields.items() if info.json_schema_extra["positional"]]  # type: ignore[index]
    # what must be given stands before what may be given
    first.sort(key=lambda name: _default(fields[name]) is not inspect.Parameter.empty)
    first += [name for name in ("data",) if name in fields and name not in first]
    places = [_parameter(name, fields[name], inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in first]
    named = [
        _parameter(name, info, inspect.Parameter.KEYWORD_ONLY) for name, info in fields.items() if name not in first
    ]
    speech = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=TypeText(kind))
        for name, (kind, default, _) in SPEECH.items()
    ]
    return [*places, *named, *speech]


def _parameter(name: str, info: FieldInfo, kind: Any) -> inspect.Parameter:
    from nlpkit.options.places import names_place  # not at the top: dir(nlpkit) comes by here

    default = _default(info)
    text = written(info.annotation)
    if names_place(name, {name: info}):
        text = text.replace("str", "str | PathLike[str]", 1) if "PathLike" not in text else text
    if takes_rows(info) or name == "texts":
        text = "Data" if default is inspect.Parameter.empty else "Data | None"
        default = None if default == [] else default
    return inspect.Parameter(name, kind, default=default, annotation=TypeText(text))


def _default(info: FieldInfo) -> Any:
    return inspect.Parameter.empty if info.is_required() else info.get_default(call_default_factory=True)


def written(annotation: Any) -> str:
    """The type of what may be given for an option, as it is written in code."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return written(parts[0])
    if origin in (Union, types.UnionType):
        return " | ".join(dict.fromkeys(part for each in parts for part in written(each).split(" | ")))
    if origin is Literal:
        return f"Literal[{', '.join(map(repr, parts))}]"
    if origin is list:
        return " | ".join(dict.fromkeys([f"Sequence[{written(parts[0])}]", "str", *written(parts[0]).split(" | ")]))
    if origin is dict:
        return "Mapping[str, Any]"
    if annotation is Path:
        return "str | PathLike[str]"
    return "None" if annotation is type(None) else str(annotation.__name__)


def docstring(summary: str, fields: Mapping[str, FieldInfo], owners: Callable[[str], str] = lambda name: "") -> str:
    """What `help()` shows: what the command does, and each option.

    Args:
        summary: what it does.
        fields: options of the command, by name.
        owners: of an option that only some tasks have, which.
    """
    lines = [*summary.splitlines(), "", "Args:"]
    for parameter in parameters(fields):
        name = parameter.name
        text = SPEECH[name][2] if name in SPEECH else described(fields[name], owners(name))
        lines += entry(name, text)
    lines += ["", "Returns:", "    What the command tells of its work; see `nlpkit.Report`.", "", "Raises:"]
    lines += [
        "    nlpkit.UserError: an option, the data or the model is wrong; the message says which, and what to do."
    ]
    return "\n".join(lines)


def entry(name: str, text: str) -> list[str]:
    """An argument as docstrings list it."""
    return textwrap.wrap(
        f"{name}: {text}", WIDTH, initial_indent="    ", subsequent_indent=" " * 8, break_on_hyphens=False
    )


def described(info: FieldInfo, owners: str) -> str:
    """One option: what it is, the default that the signature does not tell, when it is read, which tasks have it."""
    extra: Any = info.json_schema_extra
    text = info.description or ""
    if takes_rows(info):
        text = f"{text.rstrip('.')}; or the rows themselves."
    if extra["shown_default"]:  # the value in the signature is not what is done without it
        text += f" Default: {extra['shown_default']}."
    if conditions := [condition.described() for condition in extra["only_with"]]:
        text += f" ({'; '.join(conditions)})"
    text = _FLAG.sub(lambda match: match[1].replace("-", "_"), text)
    return f"{text} For {owners}." if owners else text


def options_of_tasks(config: type[Config]) -> Iterator[tuple[str, str]]:
    """Options that a command keeps until the task is known, each with the tasks that have it."""
    from nlpkit.tasks.deferred import DeferredOptions

    if issubclass(config, DeferredOptions):
        for name, ways in config.declared().items():
            yield name, ", ".join(task for _, tasks in ways for task in tasks)
