"""What is wrong with the options of a config, all of it at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pydantic import ValidationError

from nlpkit.errors import UserError
from nlpkit.options.names import choices, cut, flag_of, known_as, shown_name, suggest, taking

_NO_NUMBER = {
    "float_parsing": "this is not a number",
    "int_parsing": "this is not a whole number",
    "int_from_float": "this is not a whole number",
}


class Problem(NamedTuple):
    """One option that is unknown, missing, has a value that it does not take, or would be read by nothing."""

    field: str
    message: str
    hint: str | None = None

    @property
    def line(self) -> str:
        """Message and hint in one line."""
        return f"{self.message} ({self.hint.rstrip('.')})" if self.hint else self.message


class OptionError(UserError):
    """Options are wrong.

    Attributes:
        problems: one for each option.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        first = problems[0]
        if len(problems) == 1:
            super().__init__(first.message, first.hint)
        else:
            lines = "".join(f"\n  - {problem.line}" for problem in problems)
            super().__init__(f"{len(problems)} options are wrong:{lines}")
        self.problems = problems


def explain(error: ValidationError, fields: Mapping[str, Any]) -> list[Problem]:
    """The problems of an error of pydantic; of the parts of one value, such as a list, the first that is wrong.

    Args:
        error: of the validation of a config.
        fields: its `model_fields`.
    """
    problems: dict[str, Problem] = {}
    for detail in error.errors():
        field = str(detail["loc"][0]) if detail["loc"] else ""
        if field not in problems:
            problems[field] = Problem(field, *_explained(detail, field, fields))
    return list(problems.values())


def _explained(detail: Mapping[str, Any], field: str, fields: Mapping[str, Any]) -> tuple[str, str | None]:
    """Message and hint of one of the errors of pydantic."""
    if detail["type"] == "extra_forbidden":
        return f"unknown option {field!r}", known_as(field, fields)
    if detail["type"] == "missing":
        return f"{shown_name(field, fields)} is required", None
    text = _NO_NUMBER.get(detail["type"], detail["msg"].removeprefix("Value error, "))
    text = cut(text[0].lower() + text[1:], 400)
    hint = None
    if detail["type"] == "literal_error":
        given = str(detail["input"])
        hint = taking(given, fields) or suggest(given, choices(fields[field].annotation))
    elif detail["type"] in ("less_than", "less_than_equal") and detail["ctx"].get("lt", detail["ctx"].get("le")) == 1:
        hint = "It is a share: 0.2 stands for 20 %."
    elif "is not of the form" in text:
        hint = f"Write it {flag_of(field)} {fields[field].json_schema_extra['metavar']}."
    shown = f" {cut(repr(detail['input']))}" if isinstance(detail["input"], str | int | float) else ""
    return (f"{flag_of(field)}{shown}: {text}" if field else text), hint
