"""Whether a text that is being written is still wanted: a service stops where its client has gone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

_wanted: ContextVar[Callable[[], bool] | None] = ContextVar("wanted", default=None)


class Unwanted(Exception):
    """Nobody wants the text any more."""


@contextmanager
def as_long_as(wanted: Callable[[], bool]) -> Iterator[None]:
    """Write within the block as long as something is so; it is asked before each token."""
    token = _wanted.set(wanted)
    try:
        yield
    finally:
        _wanted.reset(token)


def require() -> None:
    """Go on only where the text is wanted.

    Raises:
        Unwanted: it is not.
    """
    wanted = _wanted.get()
    if wanted is not None and not wanted():
        raise Unwanted


def require_before(ids: Any, scores: Any) -> Any:
    """The same as a logits processor of transformers, which leaves the scores as they are."""
    require()
    return scores
