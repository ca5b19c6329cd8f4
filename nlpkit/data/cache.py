"""nlpkit's cache: what took long to compute, kept under a key made of all that it depends on.

An entry is a folder. It is written beside its place, sealed with the sizes and digests of its files, and moved there;
it is opened where they are as the seal says. What a kill, a full disk or another version has left is made again.
Entries are arrays, tables and models as data: nothing in them is unpickled or run. A cache that cannot be written costs
time, and is said; the result is the same.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from nlpkit import reporting
from nlpkit.nearby import expanded
from nlpkit.runs.files import is_disk_full

BYTES = 10_000_000_000  # of each kind
SEAL = "seal.json"
ABANDONED_SECONDS = 86_400  # no entry takes a day

# Messages about the cache that this process has given: each split would repeat them.
_said: set[str] = set()


class CacheEntry(NamedTuple):
    """An entry of the cache.

    Attributes:
        path: its folder.
        found: whether it was there already.
    """

    path: Path
    found: bool


def folder() -> Path | None:
    """Where the cache is: $NLPKIT_CACHE, else nlpkit/ in the user's cache folder; None where the user has no home."""
    if named := os.environ.get("NLPKIT_CACHE"):
        return expanded(named)  # a shell leaves the `~` of `export NLPKIT_CACHE="~/cache"` as it is
    if base := os.environ.get("XDG_CACHE_HOME"):
        return Path(base) / "nlpkit"
    home = os.path.expanduser("~")  # noqa: PTH111 (`Path.home` raises an error of its own for each system)
    return Path(home) / ".cache" / "nlpkit" if home != "~" else None


def kept(kind: str, key: str, make: Callable[[Path], Any]) -> CacheEntry | None:
    """An entry, made where it is not there; None where it cannot be kept, which is said once.

    Args:
        kind: of entries, for their folder and for the message.
        key: of all that the entry depends on.
        make: writes the files of the entry to a folder that is empty. It may run for nothing, where the disk is full.
    """
    base = folder()
    if base is None:
        _say(f"cache of {kind}: there is no home folder; going on without (NLPKIT_CACHE=FOLDER names a place)")
        return None
    place = base / kind / key
    if os.path.lexists(place):
        if _is_whole(place):
            with contextlib.suppress(OSError):  # of somebody else, or on a disk that is only read
                os.utime(place)
            return CacheEntry(place, True)
        _say(f"cache of {kind}: {place} is not whole; it is made again")
    partial = place.with_name(f".{key}.{os.getpid()}-{secrets.token_hex(4)}")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        _clean(place.parent)
        partial.mkdir()
        make(partial)
        (partial / SEAL).write_text(json.dumps(_seal_of(partial)), encoding="utf-8")
        _move(partial, place)
    except Exception as error:
        if (reason := _of_writing(error, place.parent)) is None:
            raise
        _say(f"cache of {kind}: {place.parent} cannot be written: {reason}; going on without")
        return None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    _evict(place)
    return CacheEntry(place, False)


def entries(kind: str, beginning: str) -> Iterator[Path]:
    """The folders of all whole entries whose key begins like this; none where there is no cache.

    Args:
        kind: of entries.
    """
    base = folder()
    if base is None:
        return
    for place in sorted((base / kind).glob(f"{beginning}*")):
        if _is_whole(place):
            with contextlib.suppress(OSError):  # of somebody else, or on a disk that is only read
                os.utime(place)
            yield place


def why_unusable(kind: str, room: int) -> str | None:
    """Why no entry could be written now; None where one could.

    Args:
        room: bytes that it takes.
    """
    base = folder()
    if base is None:
        return "there is no home folder"
    place = base / kind
    trial = place / f".{os.getpid()}-{secrets.token_hex(4)}"
    try:
        place.mkdir(parents=True, exist_ok=True)
        trial.mkdir()
        trial.rmdir()
        free = shutil.disk_usage(place).free
    except OSError as error:
        return f"{place} cannot be written: {error.strerror}"
    return None if free >= room else f"{place} has {free / 1e6:.1f} MB free"


def _say(message: str) -> None:
    if message not in _said:
        _said.add(message)
        reporting.current().note(message)


def _is_whole(place: Path) -> bool:
    """Whether the files are those that were sealed."""
    try:
        return bool(json.loads((place / SEAL).read_text(encoding="utf-8")) == _seal_of(place))
    except (OSError, ValueError, RecursionError):
        return False


def _seal_of(place: Path) -> dict[str, dict[str, Any]]:
    """Size and digest of each file."""
    files = {path.relative_to(place).as_posix(): path for path in sorted(place.rglob("*")) if path.is_file()}
    sealed = {}
    for name, path in files.items():
        if name != SEAL:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
            sealed[name] = {"bytes": path.stat().st_size, "blake2b": digest}
    return sealed


def _move(partial: Path, place: Path) -> None:
    """Put an entry in its place; where another process was faster its own stays, which is the same."""
    if os.path.lexists(place) and not _is_whole(place):
        aside = partial.with_name(f"{partial.name}.old")
        place.rename(aside)
        if aside.is_dir() and not aside.is_symlink():
            shutil.rmtree(aside, ignore_errors=True)
        else:
            aside.unlink()
    try:
        partial.rename(place)
    except OSError:
        if not _is_whole(place):
            raise


def _of_writing(error: Exception, place: Path) -> str | None:
    """Why `place` cannot be written; None for an error of something else."""
    if is_disk_full(error):
        return "the disk is full"
    if not isinstance(error, OSError) or error.filename is None:
        return None
    at = Path(os.fsdecode(error.filename))
    if error.errno == errno.EROFS or place.is_relative_to(at) or at.is_relative_to(place):
        return error.strerror
    return None


def _clean(place: Path) -> None:
    """Delete what processes that were killed have left."""
    for item in place.glob(".*"):
        with contextlib.suppress(OSError):  # of another process, which has just ended
            if time.time() - item.stat().st_mtime > ABANDONED_SECONDS:
                shutil.rmtree(item, ignore_errors=True)


def _evict(keep: Path) -> None:
    """Delete the entries of a kind that were not used for longest, beyond what the cache may take."""
    with contextlib.suppress(OSError):  # of another process that does the same
        items = [item for item in keep.parent.iterdir() if not item.name.startswith(".")]
        total = 0
        for item in sorted(items, key=lambda item: item.stat().st_mtime, reverse=True):
            total += sum(file.stat().st_size for file in [item, *item.rglob("*")] if file.is_file())
            if total > BYTES and item != keep:
                if item.is_dir():
                    shutil.rmtree(item)
                else:
                    item.unlink()
