"""Read by every Python process that has this folder on its PYTHONPATH: no name is looked up, and no connection made.

What was tried is written down, a line each, in the file that $WATCHED_TRIES names.
"""

from __future__ import annotations

import errno
import os
import sys
from typing import Any

TRIES = ("socket.connect", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo", "socket.gethostbyname")


def _refuse(event: str, arguments: tuple[Any, ...]) -> None:
    if event not in TRIES:
        return
    target = arguments[1] if event.startswith(("socket.connect", "socket.send")) else arguments[:2]
    if isinstance(target, str | bytes | None):  # sockets of this machine have names, and a pair of them none
        return
    with open(os.environ["WATCHED_TRIES"], "a", encoding="utf-8") as file:  # noqa: PTH123 (no import for every process)
        file.write(f"{event} {target} by {sys.argv}\n")
    raise OSError(errno.ENETUNREACH, "refused by a test")


sys.addaudithook(_refuse)
