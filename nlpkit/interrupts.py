"""Ctrl-C, SIGTERM and the end of a terminal: never lost, and never in the middle of what must be whole.

An interrupt is noted, and raised where it comes as KeyboardInterrupt. Python drops what is raised in a callback of its
own (a weak reference, a `__del__`); what was noted is raised again at the next word that is said or step that is shown.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

EXIT_CODE = 130

_caught = False
_ended: int | None = None  # the exit code with which the process ends at once, when all is said
_abandoned = False  # whether a thread is left that nothing ends
_waiting = 0  # blocks that are open in which an interrupt waits


def install() -> None:
    """Handle the signals of this process; a program does, not a library."""
    for number in heeded():
        signal.signal(number, _catch)
    sys.unraisablehook = _dropped
    atexit.register(_end)  # the first one to be registered is the last to be called


def heeded() -> list[signal.Signals]:
    """The signals that ask this process to end, but for those that it was started to ignore (`&`, `nohup`)."""
    known = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    return [number for number in known if signal.getsignal(number) != signal.SIG_IGN]


def _catch(*_: Any) -> None:
    global _caught
    again, _caught = _caught, True
    if again or not (_waiting or importing_torch()):
        raise KeyboardInterrupt


def importing_torch() -> bool:
    """Whether torch is being imported: an exception in what its C++ calls then ends the process in an abort."""
    module = sys.modules.get("torch")
    return bool(getattr(getattr(module, "__spec__", None), "_initializing", False))


def _dropped(what: Any) -> None:
    if not (_caught and isinstance(what.exc_value, KeyboardInterrupt)):
        sys.__unraisablehook__(what)


def caught() -> bool:
    """Whether the user, or a scheduler, wants this process to end."""
    return _caught


def check() -> None:
    """Raise an interrupt that waits, or was lost.

    Raises:
        KeyboardInterrupt: there was one.
    """
    if _caught:
        raise KeyboardInterrupt


@contextmanager
def waiting() -> Iterator[None]:
    """Let an interrupt wait until the block has ended; a second one does not."""
    global _waiting
    _waiting += 1
    try:
        yield
    finally:
        _waiting -= 1
    check()


def leave(code: int) -> None:
    """Nothing is left to do but to end with this exit code: what comes now ends the process at once."""
    global _ended
    _ended = code if code == EXIT_CODE or _abandoned else None
    for number in heeded():
        signal.signal(number, lambda *_: os._exit(code))


def abandon() -> None:
    """A thread is left that computes what nobody waits for: Python would take itself down around it, in which torch
    ends the process in an abort."""
    global _abandoned
    _abandoned = True


def _end() -> None:
    """End with the exit code of an interrupt: Python would end as killed by SIGINT where that met code which a library
    makes (`exec`), and no longer hears a second one when it takes itself down."""
    if _ended is not None:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError, AttributeError):
                stream.flush()
        os._exit(_ended)
