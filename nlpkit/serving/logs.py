"""One line per request: JSON off a terminal, plain words on one. Texts are in it only where that was asked for."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO


class Log:
    """Lines on standard error.

    Args:
        texts: whether the inputs of requests are written too.
        stream: standard error; a terminal gets plain words.
    """

    def __init__(self, *, texts: bool = False, stream: TextIO | None = None) -> None:
        self.texts = texts
        self._stream = stream or sys.stderr
        self._plain = self._stream.isatty()

    def write(self, event: str, **entries: Any) -> None:
        """A line; what a client sent is escaped.

        Args:
            event: what happened, as `request`.
            entries: JSON values; those that are None are left out.
        """
        told = {name: value for name, value in entries.items() if value is not None}
        now = time.time()
        if self._plain:
            clock = time.strftime("%H:%M:%S", time.localtime(now))
            said = " ".join(f"{name}={_shown(value)}" for name, value in told.items())
            line = f"{clock} {event} {said}"
        else:
            stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1000):03d}Z"
            line = json.dumps({"time": stamp, "event": event, **told}, ensure_ascii=True)
        try:
            self._stream.write(line + "\n")
            self._stream.flush()
        except (OSError, ValueError):  # whoever read the log is gone; requests are answered all the same
            pass


@contextmanager
def of_the_server(log: Log) -> Iterator[None]:
    """Have the errors of uvicorn written as lines of a log, inside the block. What it warns of are requests that cannot
    be read, which have lines of their own."""
    logger, handler = logging.getLogger("uvicorn"), _Lines(log)
    before = logger.propagate, logger.level
    logger.addHandler(handler)
    logger.propagate = False
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.propagate, level = before
        logger.setLevel(level)


class _Lines(logging.Handler):
    """See `of_the_server`."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        said = record.getMessage()
        if record.exc_info and record.exc_info[1] is not None:
            said += f": {type(record.exc_info[1]).__name__}: {record.exc_info[1]}"
        self._log.write("error", error=said[:500])


def _shown(value: Any) -> str:
    """A value in a line of words, without control characters."""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, str) and value.isprintable() and " " not in value:
        return value
    return json.dumps(value, ensure_ascii=True) if isinstance(value, str | list | dict) else str(value)
