"""Which files are shards, and what the file of the answers to each is called."""

from __future__ import annotations

import glob
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from nlpkit import nearby, reporting
from nlpkit.data.inputs import PACKED, Reading
from nlpkit.errors import UserError
from nlpkit.reporting import counted
from nlpkit.sharding import stores
from nlpkit.sharding.stores import Found, Target

SHOWN = 3  # names that a message has


@dataclass(frozen=True)
class Shard:
    """A file that is answered by itself.

    Attributes:
        place: its path, as the user spells it, or its address.
        size: in bytes.
        fingerprint: changes with its content.
        output: name of the file of its answers, below the folder of the output.
    """

    place: str
    size: int
    fingerprint: str
    output: str

    def record(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)


def is_several(spec: str) -> bool:
    """Whether a name stands for any number of files: a pattern, a folder, or an address in a store."""
    if stores.remote(spec) is not None:
        return True
    path = stores.here(spec)
    return path.is_dir() or (glob.has_magic(str(path)) and not path.exists())


def listed(spec: str, target: Target, reading: Reading, suffix_for: Callable[[str | None], str]) -> list[Shard]:
    """The shards that a name stands for, in the order of their names.

    Args:
        spec: a pattern, a folder, or a file; here or in a store.
        target: where the answers go.
        reading: how files are read.
        suffix_for: the format of a shard -> the suffix of the file of its answers.

    Raises:
        UserError: there is none, a file is of no known format, two would be answered into one file, or answers would be
            shards themselves.
    """
    root, found = (_here if stores.remote(spec) is None else _in_store)(spec, reading)
    if not found:
        raise UserError(f"--input {spec}: no file matches", _nearby(spec))
    shards: dict[str, Shard] = {}
    for file in sorted(found):
        format = reading.format_of(file.place)
        if format is None:
            raise UserError(
                f"--input {spec}: the name of {file.place} does not tell its format",
                "Narrow the pattern, or name the format of all files with --format.",
            )
        output = _without_format(file.place.removeprefix(root).lstrip("/"), reading) + suffix_for(format)
        if (other := shards.get(output)) is not None:
            raise UserError(
                f"--input {spec}: {other.place} and {file.place} would both be answered into {output}",
                "Answer files of different formats one pattern at a time, or give --output-format.",
            )
        shards[output] = Shard(file.place, file.size, file.fingerprint, output)
    _require_apart(spec, root, target, next(iter(shards)))
    return list(shards.values())


def _here(spec: str, reading: Reading) -> tuple[str, list[Found]]:
    """The folder that the names of outputs leave out, and the files."""
    path = stores.here(spec)
    if path.is_dir():
        entries = sorted(entry for entry in path.iterdir() if not entry.name.startswith((".", "_")))
        files = _of_known_format(entries, reading)
        if folders := sum(entry.is_dir() for entry in entries):
            within = counted(folders, "folder", "folders")
            reporting.current().note(f"--input {spec}: {within} in it not looked into; '{spec}/**/*.parquet' would be")
        root = str(path)
    elif glob.has_magic(str(path)) and not path.exists():
        files = [Path(name) for name in glob.glob(str(path), recursive=True) if Path(name).is_file()]  # noqa: PTH207
        root = _fixed(str(path))
    else:
        files, root = [path] if path.exists() else [], str(path.parent)
    root = "" if root == "." else root
    return root, [_found(file) for file in files]


def _found(file: Path) -> Found:
    status = file.stat()
    return Found(str(file), status.st_size, f"mtime {status.st_mtime_ns}")


def _of_known_format(entries: Sequence[Path], reading: Reading) -> list[Path]:
    """The files of a folder; those that are none of rows, as the notes that others leave there, are told."""
    files = [entry for entry in entries if entry.is_file()]
    known = [entry for entry in files if reading.format_of(entry) is not None]
    if others := [entry.name for entry in files if entry not in known]:
        more = ", ..." if len(others) > SHOWN else ""
        reporting.current().note(
            f"{counted(len(others), 'file is', 'files are')} of no known format and left out: "
            f"{', '.join(others[:SHOWN])}{more}"
        )
    return known


def _in_store(spec: str, reading: Reading) -> tuple[str, list[Found]]:
    address = str(stores.remote(spec))
    scheme = f"{address.partition('://')[0]}://"
    store, path = stores.file_system(address)
    store.invalidate_cache()
    with stores.asking(address):
        if glob.has_magic(path):
            infos, root = store.glob(path, detail=True), _fixed(path)
        elif store.isdir(path):
            entries = [info for info in store.ls(path, detail=True) if not _is_hidden(info["name"])]
            known = [info for info in entries if reading.format_of(str(info["name"])) is not None]
            if left := sum(info["type"] == "file" for info in entries) - len(known):
                reporting.current().note(f"{counted(left, 'file is', 'files are')} of no known format and left out")
            infos, root = {info["name"]: info for info in known}, path
        else:
            infos, root = {path: store.info(path)}, str(PurePosixPath(path).parent)
    files = [info for info in infos.values() if info["type"] == "file"]
    return scheme + root.lstrip("/"), [
        Found(scheme + str(info["name"]).lstrip("/"), int(info["size"] or 0), stores.fingerprint(info))
        for info in files
    ]


def _is_hidden(name: str) -> bool:
    return PurePosixPath(name).name.startswith((".", "_"))


def _fixed(pattern: str) -> str:
    """The folders of a pattern before the first part with a sign: those below are told apart by the names of outputs,
    which are then the same whatever matches."""
    parts = PurePosixPath(pattern).parts
    first = next(i for i, part in enumerate(parts) if glob.has_magic(part))
    return str(PurePosixPath(*parts[:first]))


def _without_format(name: str, reading: Reading) -> str:
    """A name without the suffixes that say its format and how it is packed."""
    path = PurePosixPath(name)
    if path.suffix.lower() in PACKED:
        path = path.with_suffix("")
    return str(path.with_suffix("") if path.suffix.lower() in reading.formats else path)


def _require_apart(spec: str, root: str, target: Target, output: str) -> None:
    """Refuse a folder whose files the name of the shards stands for, too: a second start would answer answers.

    Raises:
        UserError: it is one.
    """
    place = f"{_absolute(target.shown)}/{output}"
    folder = _absolute(spec)
    if not glob.has_magic(folder):
        within = place.startswith(f"{folder}/") and "/" not in place.removeprefix(f"{folder}/")
    else:
        from fsspec.utils import glob_translate

        within = re.match(glob_translate(folder), place) is not None
    if within:
        raise UserError(
            f"--output {target.shown} lies where --input {spec} looks: answers would be taken for shards",
            "Name a folder elsewhere.",
        )


def _absolute(place: str) -> str:
    address = stores.remote(place)
    return (str(stores.here(place).absolute()) if address is None else address).rstrip("/")


def _nearby(spec: str) -> str:
    if stores.remote(spec) is None:
        folder = Path(_fixed(spec)) if glob.has_magic(spec) else stores.here(spec)
        if not folder.exists() and (meant := nearby.nearest_path(folder)) is not None:
            return f"There is no {folder}; did you mean {meant}?"
    return "A pattern stands between quotes, so that the shell leaves it: --input 'shards/*.parquet'."


def places(shards: Iterable[Shard]) -> str:
    """The first few of some shards, for a message."""
    names = [shard.place for shard in shards]
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else "")
