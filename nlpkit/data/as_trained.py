"""What a run recorded of how its files are written, taken over for another file where that fits it."""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from nlpkit import reporting
from nlpkit.data.inputs import Input, Reading
from nlpkit.options import ReadingOptions

C = TypeVar("C", bound=ReadingOptions)
TEXT_FORMATS = ("csv", "tsv", "json", "jsonl", "txt", "conll", "squad")


def as_trained(
    reading: Reading, path: str, record: Mapping[str, Any] | None, given: Collection[str], needed: Sequence[str]
) -> Reading:
    """How to read a file that is mostly written as the data of the run were.

    The encoding is taken over where the file is not UTF-8 and has it; separator, quoting and names of columns where
    the columns that the model reads are found only, or too, with them. What is taken over is told.

    Args:
        reading: as the user said.
        path: of the file.
        record: nlpkit.json of the run, None where there is none.
        given: names of the options that the user set; they stay.
        needed: the columns that the model reads.
    """
    recorded = dict((record or {}).get("config", {}))
    known = {name: recorded[name] for name in ("encoding", "delimiter", "quoting", "columns") if recorded.get(name)}
    known = {name: value for name, value in known.items() if name not in given and value not in ("utf-8", "auto")}
    kind = reading.format_of(path)
    if not known or kind not in TEXT_FORMATS or not Path(path).is_file():
        return reading
    taken: dict[str, Any] = {}
    source = Input.of(path, reading)
    if "encoding" in known and not source.decodes(reading.encoding) and source.decodes(known["encoding"]):
        taken["encoding"] = known["encoding"]
    if kind in ("csv", "tsv"):
        taken |= _of_columns(dataclasses.replace(reading, **taken), path, known, needed)
    for name, value in taken.items():
        shown = ",".join(value) if name == "columns" else value
        reporting.current().note(f"{path}: read with --{name} {shown!r}, as the data of the run")
    return dataclasses.replace(reading, **taken)


def settled(
    config: C, path: str, record: Mapping[str, Any] | None, needed: Sequence[str], formats: Mapping[str, str]
) -> C:
    """The options of a command with what `as_trained` takes over for the one file that it reads."""
    before = Reading.of(config, formats)
    after = as_trained(before, path, record, config.given, needed)
    names = ("encoding", "delimiter", "quoting", "columns")
    return config.changed(**{n: getattr(after, n) for n in names if getattr(after, n) != getattr(before, n)})


def _of_columns(reading: Reading, path: str, known: Mapping[str, Any], needed: Sequence[str]) -> dict[str, Any]:
    """Separator, quoting and names where the columns of a csv file are then those that are needed."""
    line = Input.of(path, reading).first_line()
    mark = known.get("delimiter") or reading.delimiter or ("\t" if reading.format_of(path) == "tsv" else ",")
    try:
        cells = [cell.strip() for cell in next(csv.reader([line], delimiter=mark), [])]
    except csv.Error:
        return {}
    taken = {name: known[name] for name in ("delimiter", "quoting") if name in known}
    if set(needed) <= set(cells):
        return taken
    names = tuple(known.get("columns") or ())
    if len(names) == len(cells) > 1 and set(needed) <= set(names):
        return {**taken, "columns": names}
    return {}
