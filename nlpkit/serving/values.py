"""Values of JSON: which type they have, in the words of whoever writes a request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

_ARE = {bool: "true or false", int: "a number", float: "a number", str: "a text", list: "a list", dict: "an object"}
WORDS = {
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
}
_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}


class Expected(NamedTuple):
    """What a value may be.

    Attributes:
        types: of JSON Schema; none: anything.
        words: the same for messages.
    """

    types: Sequence[str]
    words: str

    def takes(self, value: Any) -> bool:
        """Whether a value is of this kind; what lists and objects hold is not looked at."""
        return not self.types or any(fits(value, one) for one in self.types)


ANYTHING = Expected((), "")


def kind_of(value: Any) -> str:
    """What a value is."""
    return "null" if value is None else _ARE[type(value)]


def fits(value: Any, type_: str) -> bool:
    """Whether a value is of a type.

    Args:
        type_: of JSON Schema, to which 3.0 is an integer too, and true is no number.
    """
    if type_ == "integer":
        return fits(value, "number") and (isinstance(value, int) or value.is_integer())
    return isinstance(value, _TYPES[type_]) and (type_ == "boolean" or not isinstance(value, bool))


def expected(schema: Mapping[str, Any]) -> Expected:
    """What a schema takes: "a text, an object, or a list of these"."""
    types = list(dict.fromkeys(_types(schema)))
    singly = [WORDS[one] for one in types if one != "array"]
    if not singly:
        of_texts = schema["items"].get("type") == "string"
        return Expected(types, "a list of texts" if of_texts else "a list")
    return Expected(types, ", ".join([*singly, "or a list of these"]) if "array" in types else " or ".join(singly))


def _types(schema: Mapping[str, Any]) -> Iterator[str]:
    if "oneOf" in schema:
        for one in schema["oneOf"]:
            yield from _types(one)
    else:
        yield schema["type"]
