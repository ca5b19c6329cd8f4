"""Why a request is not answered: one class, one form, one table of kinds."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

# kind -> HTTP status
KINDS = {
    "invalid_http": 400,
    "invalid_json": 400,
    "unauthorized": 401,
    "unknown_model": 404,
    "unknown_route": 404,
    "wrong_method": 405,
    "slow_body": 408,
    "too_large": 413,
    "not_json": 415,
    "encoded": 415,
    "wrong_host": 421,
    "invalid_input": 422,
    "invalid_options": 422,
    "wrong_task": 422,
    "overloaded": 429,
    "headers_too_large": 431,
    "gone": 499,  # in logs and metrics alone: nobody is there to read it
    "internal": 500,
    "starting": 503,
    "draining": 503,
    "failing": 503,
}
_FLAG = re.compile(r"(?<![\w-])--([a-z][a-z0-9-]*)")


@dataclass
class Refusal(Exception):
    """A request that is not answered.

    Attributes:
        kind: of `KINDS`.
        message: what is wrong and what to do.
        where: places of the body with what is wrong there: `(["input", 3, "question"], "is empty")`.
        retry_after: seconds after which it is worth asking again; None: never with this request.
    """

    kind: str
    message: str
    where: Sequence[tuple[Sequence[str | int], str]] = field(default_factory=list)
    retry_after: float | None = None

    @property
    def status(self) -> int:
        """HTTP status."""
        return KINDS[self.kind]

    def body(self, request_id: str) -> dict[str, Any]:
        """JSON of the answer."""
        error: dict[str, Any] = {"message": self.message, "type": self.kind, "request_id": request_id}
        if self.where:
            error["where"] = [{"loc": list(place), "message": message} for place, message in self.where]
        return {"error": error}

    def worded(self, at: str, names: Mapping[str, str]) -> Refusal:
        """The same for a request of another form.

        Args:
            at: the entry of its body that holds the inputs.
            names: what it calls options, by our name; they stand beside the inputs there.
        """

        def place(own: Sequence[str | int]) -> Sequence[str | int]:
            if own and own[0] == "input":
                return [at, *own[1:]]
            return [names.get(str(part), part) for part in own[1:]] if own and own[0] == "options" else own

        def text(message: str) -> str:
            message = re.sub(r"\binput\[(?=\d+\])", f"{at}[", message)
            for own, theirs in names.items():
                message = re.sub(rf"(?<![\w-]){own}(?![\w-])", theirs, message)
            return message

        where = [(place(own), text(why)) for own, why in self.where]
        return Refusal(self.kind, text(self.message), where, self.retry_after)

    @property
    def headers(self) -> dict[str, str]:
        """Of the answer, besides those that all have."""
        if self.retry_after is None:
            return {}
        return {"retry-after": str(max(math.ceil(self.retry_after), 1))}


def in_json(message: str) -> str:
    """A message for the command line in the words of a request: `top_k` for `--top-k`."""
    return _FLAG.sub(lambda match: match[1].replace("-", "_"), message)


def flags_in(message: str) -> list[str]:
    """The options that a message for the command line names, in its order."""
    return [flag.replace("-", "_") for flag in _FLAG.findall(message)]
