"""One line per request: JSON off a terminal, plain words on one. Texts are in it only where that was asked for."""

from __future__ import annotations

import json
import sys
import time
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


def _shown(value: Any) -> str:
    """A value in a line of words, without control characters."""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, str) and value.isprintable() and " " not in value:
        return value
    return json.dumps(value, ensure_ascii=True) if isinstance(value, str | list | dict) else str(value)
