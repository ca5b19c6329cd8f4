"""The JSON that a request brings."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, NoReturn, TypeAlias

from fastapi import Request

from nlpkit.serving.refusals import Refusal
from nlpkit.serving.routes.schemas import Keys

Known: TypeAlias = Mapping[str, tuple[type, ...]]
"""The names that a body may have, and what their values are."""


TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}


def known(keys: Keys) -> Known:
    """The names that a body may have, by its schemas; what is in lists and objects is looked at where it is read."""
    return {name: tuple(sorted(_types(schema), key=str)) for name, schema in keys.items()}


def _types(schema: Mapping[str, Any]) -> set[type]:
    if "oneOf" in schema:
        return {kind for one in schema["oneOf"] for kind in _types(one)}
    return set(TYPES[schema["type"]])


async def parsed(request: Request) -> dict[str, Any]:
    """The object in the body of a request, whatever it holds.

    Args:
        request: whose content type says JSON.

    Raises:
        Refusal: it is no JSON, or no object.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        given = f"the body is said to be {kind}" if kind else "the body has no type"
        raise Refusal("not_json", f"{given}; send it with the header Content-Type: application/json")
    raw = await request.body()
    try:
        body = json.loads(raw, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise Refusal("invalid_json", f"the body is no JSON: {error.msg} at {place}", [([], place)]) from None
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        why = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise Refusal("invalid_json", f"the body is no JSON: {why}") from None
    if not isinstance(body, dict):
        raise Refusal("invalid_input", "the body is no object")
    return body


def require(body: Mapping[str, Any], known: Known) -> None:
    """Refuse a body that holds what nothing reads.

    Raises:
        Refusal: naming it.
    """
    if foreign := [name for name in body if name not in known]:
        takes = ", ".join(known)
        raise Refusal(
            "invalid_input",
            f"nothing reads {foreign[0][:100]!r}: the body may have {takes}",
            [([foreign[0]], "is unknown")],
        )
    for name, value in body.items():
        types = known[name]
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            raise Refusal("invalid_input", f"{name} is {value!r:.50}", [([name], "has the wrong type")])


def given(body: Mapping[str, Any], known: Known) -> dict[str, Any]:
    """A body of a form in which null is what is not said, without what is null.

    Raises:
        Refusal: it holds what nothing reads.
    """
    said = {name: value for name, value in body.items() if value is not None}
    require(said, known)
    return said


def lacking(name: str, what: str) -> Refusal:
    """A body without what must be there."""
    return Refusal("invalid_input", f"the body lacks {name}: {what}", [([name], "is missing")])


@contextmanager
def worded(at: str, names: Mapping[str, str] = MappingProxyType({})) -> Iterator[None]:
    """Refuse in the words of another form, see `Refusal.worded`.

    Raises:
        Refusal: where the block does.
    """
    try:
        yield
    except Refusal as refusal:
        raise refusal.worded(at, names) from None


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")
