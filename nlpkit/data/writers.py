"""Writers of answers: rows in, a csv, tsv, jsonl or parquet file out, complete or not there at all."""

from __future__ import annotations

import csv
import json
import re
import shutil
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, TextIO

from nlpkit.data.rows import Style
from nlpkit.errors import UserError
from nlpkit.reporting import is_unicode, shown_json
from nlpkit.runs.files import whole, writing

Write = Callable[[Sequence[Mapping[str, Any]]], None]
FORMATS = ("csv", "tsv", "jsonl", "parquet")
USUAL: Mapping[str, Style] = {".csv": Style(","), ".tsv": Style("\t")}
Format = Callable[[Path], AbstractContextManager[Write]]
"""A kind of file: given a path that nobody reads yet, a block in which rows can be written to it, several at a time."""
NO_FORMATS: Mapping[str, Format] = {}
NO_ARRAYS: Mapping[str, Any] = {}
NO_METADATA: Mapping[str, str] = {}


@contextmanager
def writer(
    path: Path | None,
    formats: Mapping[str, Format] = NO_FORMATS,
    style: Callable[[], Style | None] = lambda: None,
    *,
    overwrite: bool = True,
) -> Iterator[Write]:
    """A function that appends rows to `path` (standard output as jsonl when None).

    The rows go to a hidden file beside it that takes its name when the block ends well.

    Args:
        path: its suffix says the format: one of `FORMATS`, or of `formats`.
        formats: suffix -> format, of files that only some answers can be written to.
        style: how the fields of csv and tsv are written, asked for with the first rows; None: as is usual.
        overwrite: see `files.whole`.
    """
    if path is None:
        yield _on_terminal(sys.stdout)
        return
    with writing(path), whole(path, overwrite=overwrite) as partial:

        def of_columns(usual: Style) -> Format:
            return text_format(lambda file: _csv(file, lambda: style() or usual))

        known = {".parquet": _parquet, ".jsonl": text_format(_jsonl), **formats}
        known |= {suffix: of_columns(usual) for suffix, usual in USUAL.items()}
        with known[path.suffix](partial) as write:
            yield write


def text_format(begin: Callable[[TextIO], Write]) -> Format:
    """A format of text in UTF-8.

    Args:
        begin: what makes a function that appends rows to an open file.
    """

    @contextmanager
    def opened(path: Path) -> Iterator[Write]:
        with path.open("w", encoding="utf-8", newline="") as file:
            yield begin(file)

    return opened


def _jsonl(file: TextIO) -> Write:
    def write(rows: Sequence[Mapping[str, Any]]) -> None:
        file.writelines(_json(row) + "\n" for row in rows)

    return write


def _on_terminal(file: TextIO) -> Write:
    """As `_jsonl`, in the characters that the stream has, and without those that steer a terminal."""
    ascii = not is_unicode(file)

    def write(rows: Sequence[Mapping[str, Any]]) -> None:
        file.writelines(shown_json(_json(row, ascii=ascii)) + "\n" for row in rows)

    return write


def _json(row: Mapping[str, Any], *, ascii: bool = False) -> str:
    """A row as JSON, which has no NaN: in parquet that is a missing number."""
    try:
        return json.dumps(row, ensure_ascii=ascii, default=str, allow_nan=False)
    except ValueError:
        return json.dumps(_without_nan(row), ensure_ascii=ascii, default=str)


def _without_nan(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _without_nan(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and value != value else value


class _Lines:
    """Takes lines that end in \\r\\n, and writes them with another end."""

    def __init__(self, file: TextIO, end: str) -> None:
        self.file, self.end = file, end

    def write(self, line: str) -> int:
        return self.file.write(line.removesuffix("\r\n") + self.end)


def _csv_writer(file: TextIO, style: Style) -> Any:
    quoting: Any = {"all": csv.QUOTE_ALL, "some": csv.QUOTE_MINIMAL, "none": csv.QUOTE_NONE}[style.quotes]
    # a lone \r in a cell is quoted only where it is part of the line's end
    return csv.writer(
        _Lines(file, style.end),
        delimiter=style.delimiter,
        quoting=quoting,
        quotechar=None if style.quotes == "none" else '"',
        lineterminator="\r\n",
    )


def _csv(file: TextIO, style: Callable[[], Style]) -> Write:
    out: Any = None
    columns: list[str] = []
    cell: Callable[[Any], Any] = _cell

    def write(rows: Sequence[Mapping[str, Any]]) -> None:
        nonlocal out, columns, cell
        if out is None:
            # a broken row may have fewer columns than the others
            columns = list(dict.fromkeys(name for row in rows for name in row))
            used = style()
            if used.quotes == "none":
                cell = _on_one_line(used.delimiter)
            out = _csv_writer(file, used)
            out.writerow([cell(name) for name in columns])
        for row in rows:
            _require_known(row, columns)
            out.writerow([cell(row.get(name)) for name in columns])

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


def _on_one_line(delimiter: str) -> Callable[[Any], Any]:
    """Cells for a file that has no quotes to put around line ends and separators: they become blanks."""
    marks = re.compile(f"[{re.escape(delimiter)}\r\n]+")

    def cell(value: Any) -> Any:
        value = _cell(value)
        return marks.sub(" ", value) if isinstance(value, str) else value

    return cell


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    return json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, list | dict) else value


def write_empty(path: Path, columns: Sequence[str], style: Style | None, *, overwrite: bool = True) -> None:
    """A file without rows: its columns where the format names them once, else nothing."""
    with writing(path), whole(path, overwrite=overwrite) as partial:
        if path.suffix == ".parquet":
            import pyarrow as pa
            import pyarrow.parquet as pq

            pq.write_table(pa.table({name: pa.array([], pa.string()) for name in columns}), partial)
            return
        with partial.open("w", encoding="utf-8", newline="") as file:
            if path.suffix in USUAL:
                used = style or USUAL[path.suffix]
                _csv_writer(file, used).writerow(columns)


@contextmanager
def _parquet(path: Path) -> Iterator[Write]:
    """See `parquet`."""
    with parquet(path) as write:
        yield write


@contextmanager
def parquet(
    path: Path, arrays: Mapping[str, Any] = NO_ARRAYS, metadata: Mapping[str, str] = NO_METADATA
) -> Iterator[Callable[..., None]]:
    """Rows of one schema, which the first of them tell. A column without a value so far is one of texts; where the
    first value is none, what is there already is written once more.

    Args:
        path: of the file.
        arrays: types of columns behind those of the rows, by name; they are written as arrays of arrow, which are given
            beside the rows: `write(rows, {name: array})`.
        metadata: of the schema.

    Raises:
        UserError: a column changes its type, or a row has one more than the first rows.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    out: pq.ParquetWriter | None = None
    schema: pa.Schema | None = None
    empty: set[str] = set()

    def write(rows: Sequence[Mapping[str, Any]], given: Mapping[str, pa.Array] = NO_ARRAYS) -> None:
        nonlocal out, schema, empty
        known = [name for name in schema.names if name not in arrays] if schema else []
        columns = known or list(dict.fromkeys(name for row in rows for name in row))
        for row in rows:
            _require_known(row, columns)
        entries = [{name: row.get(name) for name in columns} for row in rows]
        try:
            unsettled = [name for name in columns if schema is None or name in empty]
            told = {
                field.name: field.type
                for field in pa.Table.from_pylist([{name: row[name] for name in unsettled} for row in entries]).schema
            }
            empty = {name for name, kind in told.items() if pa.types.is_null(kind)}
            kinds = {**(dict(zip(schema.names, schema.types, strict=True)) if schema else {}), **told}
            plain = [(name, pa.string() if name in empty else kinds[name]) for name in columns]
            wanted = pa.schema([*plain, *arrays.items()], metadata=metadata or None)
            if out is None:
                out = pq.ParquetWriter(path, wanted)
            elif wanted != schema:
                out.close()
                out = _once_more(path, wanted)
            schema = wanted
            table = pa.Table.from_pylist(entries, schema=pa.schema(plain))
            out.write_table(pa.table([*table.columns, *(given[name] for name in arrays)], schema=schema))
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise UserError(
                f"a column changes its type: {error}", "Write jsonl instead: --output NAME.jsonl"
            ) from error
        except OverflowError as error:  # whole numbers from 2**63 up, which other formats have as they are
            raise UserError(
                "a number is too large for a column of parquet", "Write jsonl instead: --output NAME.jsonl"
            ) from error

    try:
        yield write
    finally:
        if out is not None:
            out.close()


def _once_more(path: Path, schema: Any) -> Any:
    """A writer that goes on with the rows of a file, some of whose columns, without a value so far, have other types.

    It is the same file, which its owner holds locked; the rows are read a group at a time.
    """
    import tempfile

    import pyarrow as pa
    import pyarrow.parquet as pq

    with tempfile.TemporaryFile(dir=path.parent) as earlier:
        with path.open("rb") as file:
            shutil.copyfileobj(file, earlier)
        out = pq.ParquetWriter(path, schema)
        rows = pq.ParquetFile(earlier)
        for group in range(rows.num_row_groups):
            table = rows.read_row_group(group)
            # of a column without a value there is nothing to convert
            columns = [
                table[field.name] if table[field.name].type == field.type else pa.nulls(len(table), field.type)
                for field in schema
            ]
            out.write_table(pa.table(columns, schema=schema))
    return out
