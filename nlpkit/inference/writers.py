"""Writers of answers: rows in, a csv, tsv, jsonl or parquet file out, complete or not there at all."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from nlpkit.errors import UserError
from nlpkit.runs.folder import writing

Write = Callable[[Sequence[Mapping[str, Any]]], None]
FORMATS = ("csv", "tsv", "jsonl", "parquet")
NO_FORMATS: Mapping[str, Callable[[TextIO], Write]] = {}


@contextmanager
def writer(path: Path | None, formats: Mapping[str, Callable[[TextIO], Write]] = NO_FORMATS) -> Iterator[Write]:
    """A function that appends rows to `path` (standard output as jsonl when None).

    The rows go to a hidden file beside it that takes its name when the block ends well.

    Args:
        path: its suffix says the format: one of `FORMATS`, or of `formats`.
        formats: suffix -> what makes a function that appends rows to an open text file.
    """
    if path is None:
        yield _jsonl(sys.stdout)
        return
    partial = path.with_name(f".{path.name}.partial")
    with writing(path):
        try:
            if path.suffix == ".parquet":
                with _parquet(partial) as write:
                    yield write
            else:
                with partial.open("w", encoding="utf-8", newline="") as file:
                    yield {**TEXT_FORMATS, **formats}[path.suffix](file)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)


def _jsonl(file: TextIO) -> Write:
    def write(rows: Sequence[Mapping[str, Any]]) -> None:
        file.writelines(json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in rows)

    return write


class _LineFeeds:
    """Takes lines that end in \\r\\n, and writes them with \\n."""

    def __init__(self, file: TextIO) -> None:
        self.file = file

    def write(self, line: str) -> int:
        return self.file.write(line.removesuffix("\r\n") + "\n")


def _csv(file: TextIO, delimiter: str) -> Write:
    out: csv.DictWriter[str] | None = None

    def write(rows: Sequence[Mapping[str, Any]]) -> None:
        nonlocal out
        if out is None:
            # a broken row may have fewer columns than the others
            columns = list(dict.fromkeys(name for row in rows for name in row))
            # a lone \r in a cell is quoted only where it is part of the line's end
            out = csv.DictWriter(_LineFeeds(file), columns, delimiter=delimiter, lineterminator="\r\n")
            out.writeheader()
        for row in rows:
            _require_known(row, out.fieldnames)
            out.writerow({name: _cell(value) for name, value in row.items()})

    return write


def _require_known(row: Mapping[str, Any], columns: Collection[str]) -> None:
    """A file of columns has those of its first rows; later ones would be lost without a word.

    Raises:
        UserError: the row has another column.
    """
    late = [name for name in row if name not in columns]
    if late:
        raise UserError(
            f"column '{late[0]}' first appears after the output's columns were written ({', '.join(columns)})",
            "Write jsonl instead: --output NAME.jsonl",
        )


def _cell(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else value


TEXT_FORMATS: Mapping[str, Callable[[TextIO], Write]] = {
    ".jsonl": _jsonl,
    ".csv": lambda file: _csv(file, ","),
    ".tsv": lambda file: _csv(file, "\t"),
}


@contextmanager
def _parquet(path: Path) -> Iterator[Write]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    out: pq.ParquetWriter | None = None
    schema: pa.Schema | None = None

    def write(rows: Sequence[Mapping[str, Any]]) -> None:
        nonlocal out, schema
        try:
            if schema is None:
                columns = list(dict.fromkeys(name for row in rows for name in row))
                inferred = pa.Table.from_pylist([{name: row.get(name) for name in columns} for row in rows]).schema
                # a column that is empty so far may hold text later
                schema = pa.schema(
                    [pa.field(f.name, pa.string() if pa.types.is_null(f.type) else f.type) for f in inferred]
                )
                out = pq.ParquetWriter(path, schema)
            assert out is not None
            for row in rows:
                _require_known(row, schema.names)
            out.write_table(pa.Table.from_pylist([dict(row) for row in rows], schema=schema))
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise UserError(
                f"a column changes its type: {error}", "Write jsonl instead: --output NAME.jsonl"
            ) from error

    try:
        yield write
    finally:
        if out is not None:
            out.close()
