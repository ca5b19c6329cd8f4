"""One run at a time in a folder: a file that the run's process keeps locked, and that says whose it is.

The system gives the lock up when the process ends, however it ends. The file goes with a run that ended in order; one
that is still there was left by a kill, and is taken over where it can be seen that its process is gone.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nlpkit import reporting
from nlpkit.errors import UserError
from nlpkit.runs.files import try_lock

LOCK = ".lock"
BOOT = Path("/proc/sys/kernel/random/boot_id")  # differs between machines, and is the same in their containers

_held: dict[Path, int] = {}  # lock files of this process, and their descriptors


def take(folder: Path, patience: float = 0.0) -> None:
    """Take a folder for this process, until it is given back or the process ends; again is as good as once.

    Args:
        folder: that is there.
        patience: seconds to wait for another process to give it back.

    Raises:
        UserError: another process has it, one of another machine has left it locked, or its lock is no file.
    """
    path = _file(folder)
    until = time.monotonic() + patience
    while path not in _held:
        descriptor = _open(path, os.O_CREAT)
        try:
            locked = try_lock(descriptor)
            if not _is(descriptor, path):
                continue  # its holder has just given it back
            before = _read(descriptor)
            if locked is False and time.monotonic() < until:
                time.sleep(0.05)
                continue
            _refuse_live(folder, before, locked)
            try:
                _write(descriptor)
            except BaseException:
                path.unlink()
                raise
            _held[path] = descriptor
        finally:
            if path not in _held:
                os.close(descriptor)
        if before:
            reporting.current().note(
                f"{folder}: {_described(before)} ended without finishing; this run takes its place"
            )


def refuse_live(folder: Path) -> None:
    """Stop where another run is at work in a folder; nothing is taken.

    Raises:
        UserError: saying which, or that its lock is no file.
    """
    path = _file(folder)
    if path in _held:
        return
    try:
        descriptor = _open(path)
    except OSError:
        return
    try:
        _refuse_live(folder, _read(descriptor), try_lock(descriptor))
    finally:
        os.close(descriptor)


def is_ours(folder: Path) -> bool:
    """Whether this process has a folder."""
    return _file(folder) in _held


def at_work(folder: Path) -> str | None:
    """Who is at work in a folder, or has left a lock of which nothing can be seen from here; None: nobody.

    Nothing is written, and nobody is refused for it.
    """
    if is_ours(folder):
        return "this process"
    try:
        descriptor = _open(_file(folder))
    except (OSError, UserError):  # nobody has one, or it is not of a run
        return None
    try:
        holder, locked = _read(descriptor), try_lock(descriptor)
        _refuse_live(folder, holder, locked)
    except UserError:
        return _described(holder).rstrip(",")
    finally:
        os.close(descriptor)
    return None


@contextlib.contextmanager
def given_back() -> Iterator[None]:
    """Give back what folders the block takes, however it ends."""
    before = set(_held)
    try:
        yield
    finally:
        for path in set(_held) - before:
            _give_back(path)


def give_all_back() -> None:
    """Give back every folder that this process has: it ends."""
    for path in list(_held):
        _give_back(path)


def give_back(folder: Path) -> None:
    """Let others have a folder, if this process has it."""
    path = _file(folder)
    if path in _held:
        _give_back(path)


def _give_back(path: Path) -> None:
    descriptor = _held.pop(path)
    with contextlib.suppress(OSError):
        # while it is locked: who opens it now finds that it has no name any more
        path.unlink()
    os.close(descriptor)


def _forget() -> None:
    """In a process that was forked: the lock is that of the one that forked it, and does not outlive that."""
    for descriptor in _held.values():
        os.close(descriptor)
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def _file(folder: Path) -> Path:
    return Path(os.path.realpath(folder)) / LOCK


def _open(path: Path, more: int = 0) -> int:
    """Open a lock file, and nothing else of that name: what a link leads to would be written over.

    Raises:
        UserError: it is a link, a folder or a device.
    """
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise UserError(
            f"{path} is not the lock of a run, but something else", f"Delete {path}; or give another --output."
        )
    # the flag: a link may come to be there meanwhile
    flags = os.O_RDWR | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)
    return os.open(path, flags | more, 0o666)


def _is(descriptor: int, path: Path) -> bool:
    """Whether an open file is the one that has this name now."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _refuse_live(folder: Path, holder: dict[str, Any], locked: bool | None) -> None:
    """Stop unless nobody has the lock any more.

    Args:
        holder: what the lock file says, {} if nothing.
        locked: see `try_lock`.
    """
    here = holder.get("machine") == _machine() or holder.get("host") == platform.node()
    if locked is False or (locked is None and here and _lives(holder)):
        raise UserError(
            f"--output {folder} is in use: {_described(holder)} is at work there",
            "Wait until it has ended or stop it; or give another --output.",
        )
    if holder and not here:
        raise UserError(
            f"--output {folder} is locked by {_described(holder)} of which nothing can be seen from here",
            f"If that run is over, delete {folder / LOCK}; or give another --output.",
        )


def _lives(holder: dict[str, Any]) -> bool:
    """Whether the process is there, and is the same: numbers are given again."""
    import psutil

    try:
        return abs(psutil.Process(holder["pid"]).create_time() - holder["born"]) < 1.0
    except (psutil.Error, KeyError, TypeError, ValueError):  # the file may be anybody's
        return False


def _described(holder: dict[str, Any]) -> str:
    if not holder:
        return "another process"
    return f"process {holder['pid']} on {holder['host']}, since {holder['since']},"


def _read(descriptor: int) -> dict[str, Any]:
    text = os.pread(descriptor, 4096, 0)
    try:
        holder = json.loads(text)
    except ValueError:  # nothing yet, or cut by a full disk
        return {}
    return holder if isinstance(holder, dict) and {"pid", "host", "since"} <= set(holder) else {}


def _write(descriptor: int) -> None:
    import psutil

    holder = {
        "pid": os.getpid(),
        "born": psutil.Process().create_time(),
        "host": platform.node(),
        "machine": _machine(),
        "since": time.strftime("%Y-%m-%d %H:%M:%S %z"),
    }
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, (json.dumps(holder) + "\n").encode(), 0)


def _machine() -> str:
    with contextlib.suppress(OSError):
        return BOOT.read_text(encoding="ascii").strip()
    return ""
