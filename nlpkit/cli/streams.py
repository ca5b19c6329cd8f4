"""Standard streams that fail: their reader has gone, their disk is full, or they were closed from the start.

Work goes on without them, as its result is in files; what is lost is said at the end, by message and exit code.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
from collections.abc import Iterable, Iterator
from typing import Any, TextIO, cast

NO_READER = 141  # what a shell calls the end of `cat` in `cat FILE | head`: 128 + SIGPIPE


class Unheard(Exception):
    """What was to be written to standard output has no reader, so that nothing is left to do."""


class Guarded:
    """A text stream that keeps its first failure, and drops what is written from then on.

    Attributes:
        failure: why something could not be written, None as long as all was.
        needed: raise `Unheard` instead.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self.failure: OSError | None = None
        self.needed = False
        self._closed = stream is None
        self._stream = stream if stream is not None else io.StringIO()

    def write(self, text: str) -> int:
        if self._closed and text:
            self._fail(OSError(errno.EBADF, "it is closed"))
        elif self.failure is None:
            with self._failing():
                self._stream.write(text)
        self._raise_if_needed()
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        if self.failure is None:
            with self._failing():
                self._stream.flush()
        self._raise_if_needed()

    @contextlib.contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._fail(error)

    def _fail(self, error: OSError) -> None:
        self.failure = self.failure or error
        # what is buffered would fail once more when the interpreter ends
        with contextlib.suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)

    def _raise_if_needed(self) -> None:
        if self.needed and self.failure is not None:
            raise Unheard

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def open_all() -> None:
    """Give the standard streams that are closed a number each: else the first files opened get it, and what a library
    prints."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)


@contextlib.contextmanager
def guarded() -> Iterator[Guarded]:
    """Guard the standard streams while the block runs; gives the output."""
    before = sys.stdout, sys.stderr
    for stream in before:  # where the locale has no é, an escape stands for it
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")
    out, err = Guarded(sys.stdout), Guarded(sys.stderr)
    sys.stdout, sys.stderr = cast(TextIO, out), cast(TextIO, err)
    try:
        yield out
    finally:
        err.flush()
        sys.stdout, sys.stderr = before
