"""What can be asked of a model, as a form: columns, options, an example. Pages and OpenAPI are made of it."""

from __future__ import annotations

import json
import re
import types
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, NotRequired, TypedDict, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from nlpkit.options.conditions import NotWith, OnlyWith
from nlpkit.options.places import names_place
from nlpkit.serving.values import WORDS, fits, kind_of
from nlpkit.tasks.contract import Task
from nlpkit.tasks.view import Shown

LONG = 60  # characters of an example from which a field has several lines
SIMPLE = {bool: "boolean", int: "integer", float: "number", str: "string", list: "list"}
_FLAG = re.compile(r"(?<![\w-])--([a-z][a-z0-9-]*)")


class FormInput(TypedDict):
    """One column of an input.

    Attributes:
        name: as a request has it.
        label: for people.
        long: whether its texts need several lines.
        example: a text.
    """

    name: str
    label: str
    long: bool
    example: str


class FormOption(TypedDict):
    """One option of a request.

    Attributes:
        name: as a request has it.
        type: `integer`, `number`, `boolean`, `string`, `choice`, or `list` (of texts, or of `choices`).
        default: what holds where a request says nothing.
        choices: the values that it takes, where these are few.
        help: what it does.
        usual: what a default of null stands for.
        minimum, maximum: bounds of a number that belong to it; above, below: those that do not.
    """

    name: str
    type: str
    default: Any
    choices: NotRequired[list[Any]]
    help: str
    usual: NotRequired[str]
    minimum: NotRequired[float]
    maximum: NotRequired[float]
    above: NotRequired[float]
    below: NotRequired[float]


class Form(TypedDict):
    """What a page needs to ask a model and to draw what it answers.

    Attributes:
        inputs: columns, the main text first.
        lines: whether an example holds several inputs, a line each, as answers are compared.
        options: of the task, as `request_options` has them.
        shows: how an answer is drawn, see `View.shown_as`.
        streams: whether words can be sent as they are written.
        routes: behind the model's address: `predict`, `embed`, ...
        example: a whole body for the first of them.
    """

    inputs: list[FormInput]
    lines: bool
    options: list[FormOption]
    shows: Shown
    streams: bool
    routes: list[str]
    example: dict[str, Any]


def of_task(task: Task, columns: Sequence[str], routes: Sequence[str]) -> Form:
    """The form of a model.

    Args:
        task: of the model.
        columns: that are read of an input, the main text first.
        routes: that answer for it.
    """
    view = task.view
    rows = view.example_rows(columns)
    inputs: list[FormInput] = []
    for name in columns:
        text = "\n".join(row[name] for row in rows)
        inputs.append({"name": name, "label": label_of(name), "long": len(text) > LONG, "example": text})
    given: list[Any] = [row[columns[0]] if len(columns) == 1 else row for row in rows]
    example: dict[str, Any] = {"input": given if len(given) > 1 else given[0]}
    if options := view.example_options():
        example["options"] = options
    return {
        "inputs": inputs,
        "lines": len(rows) > 1,
        "options": described(request_options(type(task))),
        "shows": view.shown_as,
        "streams": task.writes,
        "routes": list(routes),
        "example": example,
    }


def of_index(query: str, options: Mapping[str, FieldInfo], example_options: Mapping[str, Any]) -> Form:
    """The form of an index that is searched, whose options stand beside the query.

    Args:
        query: an example.
        options: that a request may set, by name.
        example_options: those that the example is asked with.
    """
    return {
        "inputs": [{"name": "query", "label": "Query", "long": len(query) > LONG, "example": query}],
        "lines": False,
        "options": described(options),
        "shows": "results",
        "streams": False,
        "routes": ["search"],
        "example": {"query": query, **example_options},
    }


def request_options(task: type[Task]) -> dict[str, FieldInfo]:
    """The options of `predict` that a request may set, by name.

    Columns and what is typed beside a text stand in the input itself; and nothing that a client sends names a file or a
    model that is opened, so that what is read only with such a name is left out too.
    """
    fields = task.predict_options.model_fields
    own = {
        name: info
        for name, info in fields.items()
        if _declared(info)["panel"] not in ("Input", "Data") and not names_place(name, fields)
    }
    return {name: info for name, info in own.items() if all(own.keys() & needed.others for needed in _needs(info))}


def label_of(column: str) -> str:
    """The name of a column as a label: `sentence_1` and `sentence1` are "Sentence 1"."""
    return re.sub(r"(?<=[^\W\d])(?=\d)", " ", column.replace("_", " ")).strip().capitalize()


def described(options: Mapping[str, FieldInfo]) -> list[FormOption]:
    """Options as a form has them."""
    return [_option(name, info) for name, info in options.items()]


def wrong_types(options: Mapping[str, FormOption], given: Mapping[str, Any]) -> list[tuple[Sequence[str | int], str]]:
    """Values of another type than an option takes, each with its place.

    The command line gives texts, of which an option makes its own type; of a request "0.5" for a number, or true, is a
    slip.

    Args:
        options: by name.
        given: values of some of them.
    """
    wrong: list[tuple[Sequence[str | int], str]] = []
    for name, value in given.items():
        option = options[name]
        kind = option["type"]
        if value is None and option["default"] is None:
            continue
        if kind == "list" and isinstance(value, list):
            wrong += [
                ([name, i], f"is {kind_of(one)}; give a text") for i, one in enumerate(value) if not fits(one, "string")
            ]
        elif kind == "list":
            wrong.append(([name], f"is {kind_of(value)}; give a list of texts"))
        elif kind == "choice":
            # among words alone the nearest is named later; beside true and false "true" would be read as true
            words = all(isinstance(choice, str) for choice in option["choices"]) and isinstance(value, str)
            if not words and (type(value), value) not in [(type(choice), choice) for choice in option["choices"]]:
                choices = ", ".join(json.dumps(choice) for choice in option["choices"])
                wrong.append(([name], f"is {kind_of(value)}; give one of {choices}"))
        elif not fits(value, kind):
            wrong.append(([name], f"is {kind_of(value)}; give {WORDS[kind]}"))
    return wrong


def _option(name: str, info: FieldInfo) -> FormOption:
    declared, (kind, choices) = _declared(info), _kind(info.annotation)
    made: FormOption = {
        "name": name,
        "type": kind,
        "default": info.get_default(call_default_factory=True),
        "help": _worded(" ".join([str(info.description), *map(_sentence, declared["only_with"])])),
    }
    if choices:
        made["choices"] = choices
    if declared["shown_default"]:
        made["usual"] = _worded(declared["shown_default"])
    bounds = declared["bounds"]
    for bound, key in (("ge", "minimum"), ("le", "maximum"), ("gt", "above"), ("lt", "below")):
        if bounds.get(bound) is not None:
            made[key] = bounds[bound]  # type: ignore[literal-required]
    return made


def _declared(info: FieldInfo) -> dict[str, Any]:
    """What `nlpkit.options.option` keeps of an option."""
    extra: Any = info.json_schema_extra
    return dict(extra)


def _needs(info: FieldInfo) -> list[OnlyWith]:
    """The conditions that ask for other options, of each of which one must be there."""
    return [condition for condition in _declared(info)["only_with"] if not isinstance(condition, NotWith)]


def _sentence(condition: OnlyWith) -> str:
    """A condition as a sentence of its own: "Only with min_score."."""
    said = condition.described()
    return f"{said[0].upper()}{said[1:]}."


def _worded(text: str) -> str:
    """A text for the command line in the words of a request: `top_k` for `--top-k`."""
    return _FLAG.sub(lambda match: match[1].replace("-", "_"), text)


def _kind(annotation: Any) -> tuple[str, list[Any]]:
    """The type of an option, and the values that it takes where these are few."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _kind(parts[0])
    if origin is Literal:
        return "choice", list(parts)
    if origin is list:
        kind, choices = _kind(parts[0])
        return "list", choices if kind == "choice" else []
    if origin in (Union, types.UnionType):
        kinds = [_kind(part) for part in parts if part is not type(None)]
        if len(kinds) == 1:
            return kinds[0]
        # a switch that may also be a word
        words = [word for _, choices in kinds for word in choices]
        return "choice", [False, True, *words] if ("boolean", []) in kinds else words
    return SIMPLE[annotation], []
