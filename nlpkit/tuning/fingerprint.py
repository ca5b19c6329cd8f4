"""Which data a search is over: checksums of the files that the options of its command name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from nlpkit.data.sources import FileInfo

NAMES_DATA = ("data", "train_file", "validation_file", "test_file", "unlabelled", "parallel")


def checksums(options: Mapping[str, Any]) -> dict[str, str]:
    """SHA-256 of each file that options name, by its path; of what is no file here (a sample, a name on the hub) the
    name itself."""
    found: dict[str, str] = {}
    for name in NAMES_DATA:
        for spec in _named(options.get(name)):
            files = sorted(_files(Path(spec)))
            found |= {str(path): FileInfo.of(path).sha256 for path in files} if files else {spec: spec}
    return found


def _named(value: Any) -> list[str]:
    values = value if isinstance(value, list) else [value] if value else []
    return [part for each in values for part in ([str(each)] if Path(str(each)).exists() else str(each).split(","))]


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
    elif path.is_dir():
        # not those below: the folder of the search may be there
        yield from (item for item in path.iterdir() if item.is_file() and not item.name.startswith("."))
