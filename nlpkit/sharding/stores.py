"""Where shards lie and their answers go: folders here, and object stores by address (`s3://`, `gs://`, `memory://`).

What is written to a folder here takes its name when it is whole. An object store has an object when all of it was put;
others, as sftp, get it under another name first, which is then changed.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple, Protocol

from nlpkit import nearby
from nlpkit.errors import RunError, UserError, first_line
from nlpkit.runs.files import clear_abandoned, whole, writing

ADDRESS = re.compile(r"([a-z][a-z0-9+.-]+)://", re.IGNORECASE)
ADDRESS_AS_PATH = re.compile(r"([a-z][a-z0-9+.-]+):/", re.IGNORECASE)
PASSWORD = re.compile(r"//[^/@]*:[^/@]*@")
HERE = ("file", "local")
OBJECTS = ("s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oci", "oss", "memory")
"""Stores where an object is there when all of it was put."""
WITHIN = "memory"  # the store that other processes do not see
UNFINISHED = ".unfinished"
# what stores tell of an object's content or, lacking that, of when it was written
TELLING = (
    *("ETag", "etag", "md5Hash", "content_md5", "crc32c", "generation"),
    *("mtime", "LastModified", "last_modified", "updated", "created"),
)


class Found(NamedTuple):
    """A file in a store.

    Attributes:
        place: its path here, or its address.
        size: in bytes.
        fingerprint: changes with its content.
    """

    place: str
    size: int
    fingerprint: str


def _parts(place: str | Path) -> tuple[str, str]:
    """The scheme of an address and what stands behind it; no scheme of a path. A `Path` has one slash of the two."""
    match = (ADDRESS if isinstance(place, str) else ADDRESS_AS_PATH).match(str(place))
    return (match[1].lower(), str(place)[match.end() :]) if match else ("", str(place))


def remote(place: str | Path) -> str | None:
    """The address of a place in a store; None of a path here, also where it is written `file://`."""
    scheme, rest = _parts(place)
    return f"{scheme}://{rest}" if scheme and scheme not in HERE else None


def here(place: str | Path) -> Path:
    """The path of a place that is not in a store."""
    scheme, rest = _parts(place)
    return Path(f"/{rest.lstrip('/')}") if scheme in HERE else nearby.expanded(place)


def file_system(address: str) -> tuple[Any, str]:
    """The file system of an address, and its path there.

    Raises:
        UserError: there is none for its protocol, the package that knows it is not installed, or there is a password
            in it, which the manifest would hold.
    """
    import fsspec
    from fsspec.registry import known_implementations

    protocol = address.partition("://")[0]
    if PASSWORD.search(address):
        raise UserError(
            f"{protocol}://...: there is a password in the address", "Give it as the store's own settings have it."
        )
    if protocol not in known_implementations:
        raise UserError(
            f"{address}: {protocol}:// is not known", "Known are s3://, gs://, abfs://, hf://, file:// and others."
        )
    try:
        found, path = fsspec.core.url_to_fs(address)
    except ImportError as error:
        package = known_implementations[protocol]["class"].partition(".")[0]
        raise UserError(f"{address}: {first_line(error)}", f"pip install {package}") from None
    return found, str(path)


@contextlib.contextmanager
def asking(place: str) -> Iterator[None]:
    """Explain what a store answers in place of what it was asked for.

    Raises:
        UserError: there is no such place, or it may not be read.
        RunError: it cannot be reached.
    """
    try:
        yield
    except FileNotFoundError:
        raise UserError(f"{place}: there is no such place", "Look at its spelling.") from None
    except PermissionError as error:
        raise UserError(f"{place}: no permission ({first_line(error)})", "Give the store's own credentials.") from None
    except (UserError, RunError):
        raise
    except Exception as error:  # each store has its own
        if type(error).__name__ == "NoCredentialsError":
            raise UserError(f"{place}: {first_line(error)}", "Give the store's own credentials.") from None
        raise RunError(f"{place}: {type(error).__name__}: {first_line(error)}", "Is the store reached?") from error


def fingerprint(info: Mapping[str, Any]) -> str:
    """What changes with the content of a file, of what a store tells of it."""
    name = next((name for name in TELLING if info.get(name) is not None), None)
    return f"{name} {info[name]}" if name else ""


@contextlib.contextmanager
def fetched(place: str) -> Iterator[Path]:
    """The file of a place on this machine: itself, or a copy of the same name that goes with the block."""
    if remote(place) is None:
        yield here(place)
        return
    with tempfile.TemporaryDirectory(prefix="nlpkit-shard-") as folder:
        copy = Path(folder) / PurePosixPath(place).name
        with asking(place):
            store, path = file_system(place)
            store.get_file(path, str(copy))
        yield copy


class Target(Protocol):
    """A folder that answers are written to.

    Attributes:
        shown: its path or address.
    """

    shown: str

    def holds_anything(self) -> bool:
        """Whether there is anything in it."""

    def size(self, name: str) -> int | None:
        """Bytes of a file; None where there is none."""

    def read(self, name: str) -> bytes | None:
        """What a small file holds; None where there is none."""

    def write(self, name: str, content: bytes) -> None:
        """Write a small file, whole or not at all."""

    def put(self, file: Path, name: str) -> None:
        """Give a finished file its name; the file is gone then."""

    def remove(self, name: str) -> None:
        """Remove a file, where there is one."""

    def scratch(self) -> Path:
        """A folder on this machine for files that are not finished."""

    def clear(self) -> None:
        """Remove what is not finished."""


def target(place: str | Path) -> Target:
    """The folder of --output; it is made when something is written to it."""
    address = remote(place)
    return Local(here(place)) if address is None else Remote(address)


class Local:
    """A folder on this machine, or one that several machines see."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.shown = folder, str(folder)

    def holds_anything(self) -> bool:
        return self.folder.is_dir() and any(not path.name.startswith(".") for path in self.folder.iterdir())

    def size(self, name: str) -> int | None:
        path = self.folder / name
        return path.stat().st_size if path.is_file() else None

    def read(self, name: str) -> bytes | None:
        path = self.folder / name
        return path.read_bytes() if path.is_file() else None

    def write(self, name: str, content: bytes) -> None:
        with writing(self.folder / name), whole(self.folder / name) as partial:
            partial.write_bytes(content)

    def put(self, file: Path, name: str) -> None:
        path = self.folder / name
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            file.replace(path)

    def remove(self, name: str) -> None:
        with writing(self.folder / name):
            (self.folder / name).unlink(missing_ok=True)

    def scratch(self) -> Path:
        place = self.folder / UNFINISHED
        with writing(place):
            place.mkdir(parents=True, exist_ok=True)
        return place

    def clear(self) -> None:
        shutil.rmtree(self.folder / UNFINISHED, ignore_errors=True)
        clear_abandoned(self.folder, older_than=0)  # a manifest half written


class Remote:
    """A folder in a store."""

    def __init__(self, address: str) -> None:
        self.shown = address
        with asking(address):
            self.store, path = file_system(address)
        self.path = path.rstrip("/")
        self._scratch: Path | None = None

    def holds_anything(self) -> bool:
        self.store.invalidate_cache()
        with asking(self.shown):
            return bool(self.store.exists(self.path)) and bool(self.store.ls(self.path, detail=False))

    def size(self, name: str) -> int | None:
        with asking(f"{self.shown}/{name}"), contextlib.suppress(FileNotFoundError):
            return int(self.store.size(f"{self.path}/{name}"))
        return None

    def read(self, name: str) -> bytes | None:
        with asking(f"{self.shown}/{name}"), contextlib.suppress(FileNotFoundError):
            return bytes(self.store.cat_file(f"{self.path}/{name}"))
        return None

    def write(self, name: str, content: bytes) -> None:
        with asking(f"{self.shown}/{name}"):
            self._make_folder(name)
            self.store.pipe_file(f"{self.path}/{name}", content)

    def put(self, file: Path, name: str) -> None:
        place = f"{self.path}/{name}"
        with asking(f"{self.shown}/{name}"):
            self._make_folder(name)
            names = self.store.protocol
            if (names if isinstance(names, str) else names[0]) in OBJECTS:
                self.store.put_file(str(file), place)
            else:
                partial = f"{place}.{os.getpid()}.partial"
                self.store.put_file(str(file), partial)
                self.store.mv(partial, place)
        file.unlink()

    def remove(self, name: str) -> None:
        with asking(f"{self.shown}/{name}"), contextlib.suppress(FileNotFoundError):
            self.store.rm_file(f"{self.path}/{name}")

    def scratch(self) -> Path:
        if self._scratch is None:
            self._scratch = Path(tempfile.mkdtemp(prefix="nlpkit-shards-"))
        return self._scratch

    def clear(self) -> None:
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)
            self._scratch = None

    def _make_folder(self, name: str) -> None:
        self.store.makedirs(str(PurePosixPath(f"{self.path}/{name}").parent), exist_ok=True)
