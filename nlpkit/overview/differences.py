"""In what runs differ before anything is measured: their options, what they were made of and with, and their data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nlpkit.options import Config, flag_of
from nlpkit.overview import options_told
from nlpkit.overview.run import Run
from nlpkit.runs.folder import files_by_split


def options(runs: Sequence[Run], kinds: Sequence[type[Config] | None]) -> dict[str, list[Any]]:
    """What runs were given differently, by flag: the value of each run, None where it has no such option.

    Left out is what only some of the commands have, where it is as it is by default.

    Args:
        kinds: the options of the command of each run, None where there is no such command here: what a record does not
            name was then as it is by default.
    """
    defaults = [options_told.defaults(kind) if kind is not None else {} for kind in kinds]
    values = [
        {**default, **(kind.with_new_names(run.config) if kind is not None else run.config)}
        for run, kind, default in zip(runs, kinds, defaults, strict=True)
    ]
    found = {"command": [run.command for run in runs], "from": [run.model for run in runs]}
    found = {name: each for name, each in found.items() if any(value != each[0] for value in each)}
    for name in dict.fromkeys(name for each in values for name in each):
        having = [i for i, each in enumerate(values) if name in each]
        differ = any(values[i][name] != values[having[0]][name] for i in having)
        is_set = any(name not in defaults[i] or values[i][name] != defaults[i][name] for i in having)
        if differ or (is_set and len(having) < len(runs)):
            found[flag_of(name)] = [each.get(name) for each in values]
    return found


def surroundings(runs: Sequence[Run]) -> dict[str, list[Any]]:
    """Device, versions and the like, as far as they differ, by name."""
    found: dict[str, list[Any]] = {
        name: [run.record.get(name) for run in runs] for name in ("device", "processes", "seed", "steps", "best_step")
    }
    versions = [run.record.get("versions") or {} for run in runs]
    names = list(dict.fromkeys(name for each in versions for name in each))
    found |= {name: [each.get(name) for each in versions] for name in names}
    return {name: each for name, each in found.items() if any(value != each[0] for value in each)}


def data(runs: Sequence[Run]) -> dict[str, list[str]]:
    """The rows of each split of each run, and whether they come from the files of the first run."""
    files = [_hashes(run) for run in runs]
    splits = list(dict.fromkeys(split for run in runs for split in run.rows))
    told = {}
    for split in splits:
        cells = [f"{run.rows[split]:,} rows" if split in run.rows else "none" for run in runs]
        for i in range(1, len(runs)):
            if split in runs[i].rows:
                cells[i] += f", {_compared(files[0], files[i])}"
        told[split] = cells
    return told


def _hashes(run: Run) -> frozenset[str]:
    """The fingerprints of the files that a run read."""
    return frozenset(str(file["sha256"]) for files in files_by_split(run.record).values() for file in files)


def _compared(first: frozenset[str], other: frozenset[str]) -> str:
    if not first or not other:
        return "files not told"
    if first == other:
        return "same files"
    return f"{len(first & other)} of {len(first | other)} files the same"
