"""How options are called, and which one was meant."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Literal, get_args, get_origin

from nlpkit import nearby
from nlpkit.trainer_fields import OPTIONS, PASSED


def suggest(name: str, valid: Any) -> str | None:
    """A hint that names the nearest of `valid`, or None when nothing is near."""
    near = nearby.nearest(name.replace("-", "_"), valid)
    return f"Did you mean '{near}'?" if near else None


def known_as(name: str, fields: Collection[str]) -> str | None:
    """A hint that names the option that a field of TrainingArguments is here, or else the nearest option."""
    if OPTIONS.get(name) in fields:
        return f"It is '{OPTIONS[name]}' here."
    if name in PASSED and "trainer" in fields:
        return f"It stands under trainer, {name}: VALUE."
    return suggest(name, fields)


def choices(annotation: Any) -> list[str]:
    """The values that an option takes, where these are a few names."""
    if get_origin(annotation) is Literal:
        return [str(value) for value in get_args(annotation)]
    return [value for part in get_args(annotation) for value in choices(part)]


def taking(value: str, fields: Mapping[str, Any]) -> str | None:
    """A hint that names the options with such a value, or with one of which it is a part; None when there is none."""
    fitting = [
        f"{flag_of(field)} {choice}"
        for field, info in fields.items()
        for choice in choices(info.annotation)
        if value == choice or value in choice.split("-")
    ]
    return f"Did you mean {' or '.join(fitting)}?" if value and fitting else None


def flag_of(field: str) -> str:
    """The command-line flag of a config field."""
    return "--" + field.replace("_", "-")


def shown_name(field: str, fields: Mapping[str, Any]) -> str:
    """How an option is called on the command line: by its flag, or what stands for it without one."""
    extra: Any = fields[field].json_schema_extra
    return str(extra["metavar"]) if extra["positional"] else flag_of(field)


def cut(text: str, longest: int = 80) -> str:
    """A text up to so many characters."""
    return text if len(text) <= longest else text[: longest - 1] + "…"
