"""Files that commands write: each is there when it is whole, by one process's hand, readable as the umask says."""

from __future__ import annotations

import contextlib
import errno
import itertools
import json
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from nlpkit import interrupts, reporting
from nlpkit.errors import RunError, UserError

ABANDONED_SECONDS = 60.0  # age from which a partial file is looked at: a new one may not be locked yet
OTHER_DISK = "Free some space, or write to another disk; nothing half-written is left."
_PARTIAL = re.compile(r"\..*\.\d+-[0-9a-f]{8}\.partial", re.DOTALL)  # the names that `whole` gives
NAME_BYTES = 100  # of a file's name that its partial one repeats: longer names than 255 bytes there are not
LARGEST = 2**26  # bytes of a file that is no data: of settings, of a record
NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)  # of a file system that has no hard links


def small_text(path: Path) -> str:
    """What a file of settings or a record holds, which is small and text.

    Raises:
        OSError: it cannot be read, is a device, or larger than `LARGEST`: what has no end is read no further.
        UnicodeDecodeError: it is not UTF-8.
    """
    if path.is_char_device():
        raise OSError(errno.ENODEV, "it is a device, not a file", str(path))
    with path.open("rb") as file:
        content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise OSError(
            errno.EFBIG, f"it is larger than {LARGEST >> 20} MB, which is too large for such a file", str(path)
        )
    # ends of lines as in a file that is opened as text
    return content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")


def write_json(path: Path, value: Any, *, overwrite: bool = True) -> None:
    """Write JSON so that `path` is either the old or the new document, never a part.

    Args:
        overwrite: see `whole`.
    """
    with whole(path, overwrite=overwrite) as partial, partial.open("w", encoding="utf-8") as file:
        json.dump(value, file, ensure_ascii=False, indent=2, default=str)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())


@contextlib.contextmanager
def whole(path: Path, *, overwrite: bool = True) -> Iterator[Path]:
    """A hidden file beside `path` to write to, which takes its name when the block ends well, else goes.

    Its name is its own: of two processes that write `path` at the same time each writes all of its file, and the later
    one's stays. What a link points to is replaced, not the link.

    Args:
        overwrite: replace what is there; else what has come to be there while the block ran is left.

    Raises:
        RunError: it cannot have its name, and has got another, which is said.
    """
    path = Path(os.path.realpath(path))
    start = os.fsdecode(os.fsencode(f".{path.name}")[:NAME_BYTES])
    clear_abandoned(path.parent, f"{start}.")
    partial = path.with_name(f"{start}.{os.getpid()}-{secrets.token_hex(4)}.partial")
    # made here, so that its mode is the umask's
    held = os.open(partial, os.O_CREAT | os.O_EXCL | os.O_RDWR | getattr(os, "O_CLOEXEC", 0), 0o666)
    try:
        try_lock(held)
        yield partial
        _place(partial, path, overwrite=overwrite)
    finally:
        with interrupts.waiting():
            partial.unlink(missing_ok=True)
            os.close(held)


def _place(partial: Path, path: Path, *, overwrite: bool) -> None:
    """Give a file its name, or a numbered one where it cannot have that: what it holds may have taken hours."""
    why = "has come to be there while this command ran, and is left as it is"
    if overwrite:
        try:
            partial.replace(path)
            return
        except OSError as error:  # mounted by itself, for one, as files are into containers
            why = f"cannot be replaced ({error.strerror})"
    elif _rename_to_free(partial, path):
        return
    numbered = (path.with_name(f"{path.stem}-{number}{path.suffix}") for number in itertools.count(2))
    place = next(name for name in numbered if _rename_to_free(partial, name))
    raise RunError(f"{path} {why}", f"What was to be written there is in {place}.")


def _rename_to_free(partial: Path, place: Path) -> bool:
    """Rename, unless something has that name."""
    try:
        os.link(partial, place)  # fails where something is, which a rename does not
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        try:
            os.close(os.open(place, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return False
        partial.replace(place)
    return True


def lock_alone(path: Path, doing: str) -> int:
    """Lock a file that says who works in its folder; the descriptor, which holds the lock until it is closed.

    Args:
        path: of the file, which is made.
        doing: what another process does that has it, for the message.

    Raises:
        UserError: another process has it.
    """
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o666)
    if try_lock(descriptor) is False:
        os.close(descriptor)
        raise UserError(
            f"another process {doing}, in {path.parent}", "Wait until it is done, or give another --output."
        )
    return descriptor


def try_lock(descriptor: int) -> bool | None:
    """Lock an open file for as long as it stays open, by whoever opened it.

    Returns:
        Whether it could be locked; None where the system or the file system has no such locks.
    """
    try:
        import fcntl
    except ImportError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return False if error.errno in (errno.EAGAIN, errno.EACCES) else None
    return True


def clear_abandoned(folder: Path, start: str = ".", *, older_than: float = ABANDONED_SECONDS) -> None:
    """Delete the partial files (see `whole`) that killed processes have left: nobody has them locked.

    Args:
        start: what the names of those meant begin with.
        older_than: seconds; younger ones are left. 0 where nobody else writes there at this time.
    """
    with contextlib.suppress(OSError):
        for item in folder.iterdir():
            if not (item.name.startswith(start) and _PARTIAL.fullmatch(item.name)):
                continue
            with contextlib.suppress(OSError):
                descriptor = os.open(item, os.O_RDWR)
                try:
                    old = time.time() - os.fstat(descriptor).st_mtime >= older_than
                    if old and try_lock(descriptor):
                        item.unlink()
                finally:
                    os.close(descriptor)


def reserve(path: Path) -> None:
    """Take the room for all of a file that will be written through memory: a disk that is full then ends the process.

    Raises:
        OSError: the room is not there.
    """
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)


def follow_umask(folder: Path) -> None:
    """Let all files of a folder be readable as the umask says; some libraries make theirs for one user alone."""
    mode = 0o666 & ~_umask()
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink() and path.stat().st_mode & 0o777 != mode:
            path.chmod(path.stat().st_mode & ~0o777 | mode)


def _umask() -> int:
    mask = os.umask(0o022)  # which cannot be asked for without being set
    os.umask(mask)
    return mask


def require_writable(path: Path, *, overwrite: bool) -> None:
    """Refuse the file of an --output that cannot be written, before any work is put into it.

    Raises:
        UserError: it exists, it is no file, its folder does not exist or cannot be written to.
    """
    if path.is_dir():
        raise UserError(f"--output {path} is a folder", "Name a file in it.")
    if path.exists() and not path.is_file():
        # a file would take its name, and with that of a device the machine's
        raise UserError(f"--output {path} is a device or a pipe, not a file", "Name a file.")
    if path.exists() and not overwrite:
        raise UserError(f"--output {path} exists", "--overwrite replaces it.")
    folder = Path(os.path.realpath(path)).parent  # of what a link points to
    shown = folder if path.is_symlink() else path.parent
    if not folder.is_dir():
        raise UserError(f"--output {path}: there is no folder {shown}")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UserError(f"--output {path}: no permission to write in {shown}", "Give another --output.")


@contextlib.contextmanager
def writing(path: Path, hint: Callable[[], str] = lambda: OTHER_DISK) -> Iterator[None]:
    """Explain the ways in which writing fails.

    Args:
        path: what is written.
        hint: gives what to do where the disk is full.

    Raises:
        RunError: the disk is full, the folder cannot be written, or it has gone.
    """
    try:
        yield
    except Exception as error:
        if is_disk_full(error):
            raise disk_full(path, hint()) from error
        if isinstance(error, OSError) and error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise RunError(f"no permission to write {error.filename or path}", "Give another --output.") from error
        if isinstance(error, FileNotFoundError):
            gone = f"{error.filename or path} has gone while this command ran"
            raise RunError(gone, "Leave its folder alone as long as a command works there.") from error
        raise


@contextlib.contextmanager
def ornament(name: str) -> Iterator[None]:
    """Leave out what a result is complete without, with a warning, where it cannot be made.

    A full disk is another matter: what has to be written does not fit either.

    Args:
        name: of what the block makes.
    """
    try:
        yield
    except Exception as error:
        if is_disk_full(error):
            raise
        said = str(error).strip().splitlines()
        why = f"{type(error).__name__}: {said[0]}" if said else type(error).__name__
        reporting.current().warn(f"{name} could not be made and is left out, all else is there ({why})")


def disk_full(path: Path, hint: str) -> RunError:
    """The error of a file that did not fit, which names the disk."""
    place = path.resolve()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    while not os.path.ismount(place):
        place = place.parent
    room = f"{free / 1e6:.1f} MB free on {place}"
    return RunError(f"the disk is full: {path} could not be written completely ({room})", hint)


def is_disk_full(error: BaseException) -> bool:
    """Python says it by number, safetensors in words, torch's zip writer and numpy only that a file came out short."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    signs = (
        "No space left on device",
        "quota exceeded",
        "PytorchStreamWriter failed",
        "unexpected pos",
        " requested and ",
        "iostream error",
    )
    return any(sign in str(error) for sign in signs)
