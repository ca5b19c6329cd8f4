"""The JSON that a request brings."""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, NoReturn, TypeAlias

from fastapi import Request

from nlpkit.serving.contract import SHOWN, path_of, wrong_inputs
from nlpkit.serving.refusals import Refusal
from nlpkit.serving.routes.schemas import Keys
from nlpkit.serving.values import Expected, expected, kind_of

Known: TypeAlias = Mapping[str, Expected]
"""The names that a body may have, and what their values are."""

PLAIN = ("utf-8", "utf8", "")  # of `charset`
_ESCAPED_HALF = re.compile(rb"\\u[dD]")  # the only way into UTF-8 for half of a surrogate pair


def known(keys: Keys) -> Known:
    """The names that a body may have, by its schemas; what is in lists and objects is looked at where it is read."""
    return {name: expected(schema) for name, schema in keys.items()}


async def parsed(request: Request) -> dict[str, Any]:
    """The object in the body of a request, whatever it holds.

    Args:
        request: whose content type says JSON.

    Raises:
        Refusal: it is no JSON, or no object.
    """
    _require_plain_json(request)
    raw = await request.body()
    try:
        body = json.loads(raw.decode("utf-8-sig"), parse_constant=_no_number)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise Refusal("invalid_json", f"the body is no JSON: {error.msg} at {place}", [([], place)]) from None
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        why = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise Refusal("invalid_json", f"the body is no JSON: {why}") from None
    if not isinstance(body, dict):
        raise Refusal("invalid_input", f"the body is {kind_of(body)}; give an object")
    if _ESCAPED_HALF.search(raw) and (halves := list(_halves(body))):
        why = "holds half of a surrogate pair, which is no character"
        raise Refusal("invalid_input", f"{path_of(halves[0])} {why}", [(place, why) for place in halves[:SHOWN]])
    return body


def _require_plain_json(request: Request) -> None:
    """Refuse a body that is said to be something else than JSON in UTF-8.

    Raises:
        Refusal: telling what to send.
    """
    parts = [part.strip() for part in request.headers.get("content-type", "").split(";")]
    kind = parts[0].lower()
    if kind != "application/json":
        given = f"the body is said to be {kind[:100]}" if kind else "the body has no type"
        raise Refusal("not_json", f"{given}; send it with the header Content-Type: application/json")
    for part in parts[1:]:
        name, _, value = part.partition("=")
        if name.strip().lower() == "charset" and value.strip().strip('"').lower() not in PLAIN:
            raise Refusal("not_json", f"the body is said to be in {value.strip()[:100]}; send it in UTF-8")
    if (encoding := request.headers.get("content-encoding", "identity").strip().lower()) not in ("identity", ""):
        raise Refusal("encoded", f"the body is said to be in {encoding[:100]}; send it uncompressed")


def require(body: Mapping[str, Any], known: Known, at: Sequence[str | int] = ()) -> None:
    """Refuse a body that holds what nothing reads, or values of another type.

    Args:
        at: the place of the object, where it is a part of a body.

    Raises:
        Refusal: naming it.
    """
    if foreign := [name for name in body if name not in known]:
        takes = ", ".join(known)
        holder = path_of(at) if at else "the body"
        raise Refusal(
            "invalid_input",
            f"nothing reads {foreign[0][:100]!r}: {holder} may have {takes}",
            [([*at, foreign[0]], "is unknown")],
        )
    wrong: list[tuple[list[str | int], str]] = [
        ([*at, name], f"is {kind_of(value)}; give {known[name].words}")
        for name, value in body.items()
        if not known[name].takes(value)
    ]
    if wrong:
        raise Refusal("invalid_input", f"{path_of(wrong[0][0])} {wrong[0][1]}", wrong)


def given(body: Mapping[str, Any], known: Known, at: Sequence[str | int] = ()) -> dict[str, Any]:
    """A body of a form in which null is what is not said, without what is null.

    Raises:
        Refusal: see `require`.
    """
    said = {name: value for name, value in body.items() if value is not None}
    require(said, known, at)
    return said


def texts(body: Mapping[str, Any], name: str) -> list[str]:
    """The texts of a form that takes one, or a list of them.

    Raises:
        Refusal: naming each place that holds something else.
    """
    given = body[name] if isinstance(body[name], list) else [body[name]]
    wrong: list[tuple[list[str | int], str]] = [
        ([name, i], f"is {kind_of(one)}; give a text") for i, one in enumerate(given) if not isinstance(one, str)
    ]
    if wrong:
        raise wrong_inputs(wrong, len(given))
    return given


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


def _halves(body: Mapping[str, Any]) -> Iterator[list[str | int]]:
    """The places of texts that hold half of a surrogate pair."""
    left: deque[tuple[list[str | int], Any]] = deque([([], body)])  # calls of a function could not be nested as deeply
    while left:
        place, value = left.popleft()
        if isinstance(value, str):
            try:
                value.encode()
            except UnicodeEncodeError:
                yield place
        elif isinstance(value, dict | list):
            parts: Iterable[tuple[str | int, Any]] = value.items() if isinstance(value, dict) else enumerate(value)
            left.extend(([*place, key], part) for key, part in parts)


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")
