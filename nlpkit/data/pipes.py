"""Files that can be read once (pipes, `<(zcat x)`, standard input), files that change, and what is no file."""

from __future__ import annotations

import atexit
import os
import re
import shutil
import stat
import sys
import tempfile
from pathlib import Path

from nlpkit import reporting
from nlpkit.data import memory
from nlpkit.errors import RunError, UserError
from nlpkit.nearby import expanded
from nlpkit.runs.folder import human_bytes

STDIN = Path("/dev/stdin")  # what `-` stands for as a file

# what a shell puts in place of `<(zcat x)`
_NUMBERED = re.compile(r"/dev/fd/\d+|/proc/(self|\d+)/fd/\d+")

_copies: dict[tuple[str, int, int], Path] = {}


def require_file(path: Path) -> None:
    """Refuse what is there, but holds no rows that end.

    Raises:
        UserError: a socket, a disk, or a device other than the terminal and the null device.
    """
    status = path.stat()
    kinds = ((stat.S_ISSOCK, "a socket"), (stat.S_ISBLK, "a disk"), (stat.S_ISCHR, "a device"))
    kind = next((name for test, name in kinds if test(status.st_mode)), None)
    if kind is None or (kind == "a device" and (_is_null(status) or _is_terminal(status))):
        return
    raise UserError(f"{path} is {kind}, not a file", "Name a file, or a pipe.")


def _is_null(status: os.stat_result) -> bool:
    return status.st_rdev == Path(os.devnull).stat().st_rdev


def _is_terminal(status: os.stat_result) -> bool:
    return sys.stdin is not None and sys.stdin.isatty() and os.path.samestat(os.fstat(sys.stdin.fileno()), status)


def _stat(path: Path) -> os.stat_result:
    try:
        return path.stat()
    except FileNotFoundError:
        raise UserError(f"{path}: the file has gone while it was read", "Read a copy that nobody changes.") from None


def on_disk(path: Path) -> Path:
    """A file with the same content that can be read again: `path` itself, or a copy that lasts as long as this process.

    Raises:
        UserError: see `require_file`; or it has gone.
        RunError: the copy cannot be written.
    """
    status = _stat(path)
    if stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode):
        return path
    require_file(path)
    key = (str(path), status.st_dev, status.st_ino)
    if key not in _copies:
        _copies[key] = _copied(path)
    return _copies[key]


def is_passing(spec: str) -> bool:
    """Whether what a name stood for is gone with its process: standard input, a pipe."""
    if spec in ("-", str(STDIN)) or _NUMBERED.fullmatch(spec):
        return True
    try:
        return expanded(spec).is_fifo()
    except OSError:  # a name that is too long
        return False


def name_of(spec: str) -> str:
    """The last part of a path; of a pipe that has a number only, what it is."""
    if spec in ("-", str(STDIN)):
        return "stdin"
    return "pipe" if _NUMBERED.fullmatch(spec) else Path(spec).name


def lasting(spec: str) -> str:
    """What other processes can read in place of a pipe; all else as it is.

    Raises:
        UserError: it names rows in the memory of this process.
    """
    if memory.is_name(spec):
        raise UserError(
            f"{spec}: rows in memory cannot be handed to the processes that measure",
            "Write them to a file (.parquet, .csv), and name that.",
        )
    path = STDIN if spec == "-" else expanded(spec)
    return str(on_disk(path)) if path.exists() and on_disk(path) != path else spec


def _copied(path: Path) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="nlpkit-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    copy = folder / path.name  # of which the suffix may say how it is packed
    with path.open("rb") as source:
        try:
            with copy.open("wb") as out:
                shutil.copyfileobj(source, out, 2**20)
        except OSError as error:
            hint = "Write it to a file, and name that; TMPDIR names another folder for copies."
            raise RunError(f"{path}: no copy of the pipe fits in {folder} ({error.strerror})", hint) from error
    if size := copy.stat().st_size:
        reporting.current().note(f"{path}: a pipe, copied to {folder} ({human_bytes(size)}) to be read more than once")
    return copy


State = tuple[int, int, int]


def state(path: Path) -> State | None:
    """What tells whether a file is still the same: its number on the disk, size and time; None for anything else.

    Raises:
        UserError: it has gone.
    """
    if memory.is_name(path):
        return None
    status = _stat(path)
    return (status.st_ino, status.st_size, status.st_mtime_ns) if stat.S_ISREG(status.st_mode) else None


def tell_changed(path: Path, before: State | None) -> None:
    """Warn where a file is not what it was before it was read: nobody knows which rows were.

    Raises:
        UserError: it has gone.
    """
    if state(path) != before:
        reporting.current().warn(
            f"{path}: the file has changed while it was read, so that some of its rows may be old, others new or cut; "
            "read it again, or a copy that nobody changes"
        )
