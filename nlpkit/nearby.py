"""The name that was meant by one that there is not: among names that are known, or beside a path."""

from __future__ import annotations

import contextlib
import difflib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

CUTOFF = 0.6  # difflib's own: how like a name must be


def expanded(name: str | Path) -> Path:
    """A path as a shell has it: `~` is home; behind `~` a user that there is not stays as it is."""
    return Path(os.path.expanduser(name))  # noqa: PTH111 (`Path.expanduser` raises an error where there is none)


def nearest(name: str, valid: Iterable[Any]) -> str | None:
    """The one of `valid` that is most like `name`, or the only one that begins so; None when nothing is near."""
    names = [str(item) for item in valid]
    longer = [item for item in names if len(name) > 1 and item.startswith(name)]
    if len(longer) == 1:
        return longer[0]
    return next(iter(difflib.get_close_matches(name, names, n=1, cutoff=CUTOFF)), None)


def near(name: str, valid: Iterable[Any], most: int = 3) -> tuple[str, ...]:
    """Those of `valid` that may have been meant by `name`: the most alike first, then longer ones that begin so."""
    names = [str(item) for item in valid]
    alike = difflib.get_close_matches(name, names, n=most, cutoff=CUTOFF)
    longer = [item for item in names if len(name) > 1 and item.startswith(name)]
    return tuple(dict.fromkeys([*alike, *longer]))[:most]


def nearest_path(path: Path) -> Path | None:
    """The existing path that is spelt most like this one, part by part; None where a part is like nothing."""
    path = expanded(path)
    place = Path(path.anchor)
    for part in path.parts[1:] if path.anchor else path.parts:
        if not (place / part).exists():
            names: list[str] = []
            with contextlib.suppress(OSError):  # no folder, or not ours to read
                names = sorted(entry.name for entry in place.iterdir())
            by_case = {name.lower(): name for name in reversed(names)}
            closest = next(iter(_like(part.lower(), by_case)), None)
            if closest is None:
                return None
            part = by_case[closest]
        place = place / part
    return place


def _like(name: str, others: Iterable[str]) -> list[str]:
    """Of the others those that are like a name, the nearest first; that both end in .csv makes no two alike."""
    near = difflib.get_close_matches(name, others, n=10, cutoff=CUTOFF)
    stem, suffix = Path(name).stem, Path(name).suffix
    return [
        other
        for other in near
        if Path(other).suffix != suffix or difflib.SequenceMatcher(None, Path(other).stem, stem).ratio() >= CUTOFF
    ]


def nearest_folder(name: str, *, holding: tuple[str, ...], also_in: tuple[str, ...] = ()) -> Path | None:
    """The nearest folder that holds a file of one of these names.

    Args:
        name: a path, which does not exist.
        holding: names of files.
        also_in: folders to look in besides, for a name without one.
    """
    paths = [Path(name), *(Path(place) / name for place in also_in)]
    for folder in filter(None, map(nearest_path, paths)):
        if any((folder / file).is_file() for file in holding):
            return folder
    return None
