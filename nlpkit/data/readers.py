"""One streaming reader per file format; each row knows the line it came from.

Training reads a whole file (`read_table`), prediction streams one of any size in bounded memory (`read_rows`), and
running text comes in blocks of lines (`Input.blocks`); all go through the same code and give the same messages.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal

from nlpkit.data import conll, delimited, memory, split_names
from nlpkit.data.csv_rows import csv_rows
from nlpkit.data.inputs import AS_FOUND, Input, Reading, unit
from nlpkit.data.json_rows import json_rows, jsonl_rows, squad_rows
from nlpkit.data.layouts import registry as layouts
from nlpkit.data.layouts.triples import spans_as_objects
from nlpkit.data.one_type import Parts, plain
from nlpkit.data.places import LINE, LINES
from nlpkit.data.rows import (
    Row,
)
from nlpkit.data.table_rows import distinct, parquet_rows, xlsx_rows
from nlpkit.errors import UserError
from nlpkit.reporting import counted

if TYPE_CHECKING:
    import pyarrow as pa


SHOWN = 5  # blank lines that are named
_CHUNK = 20_000  # rows turned into one arrow chunk


def read_rows(
    path: str | Path | IO[Any], reading: Reading = AS_FOUND, *, on_error: Literal["raise", "keep"] = "raise"
) -> Iterator[Row]:
    """Stream the rows of a file; only json is read whole, as its grammar asks for it.

    Args:
        path: a file, "-" for standard input, or an open stream of text or bytes.
        reading: how; its `format` is needed for a stream without a name.
        on_error: "raise" stops at the first bad row; "keep" yields it with its `error` and those of its values
            that could be read, and goes on.

    Raises:
        UserError: the file is missing, empty, of an unknown format or unreadable as a whole; with on_error="raise"
            also for the first bad row. The message names file and line.
    """
    return rows_of(Input.of(path, reading, keep=on_error == "keep"))


def read_table(path: str | Path, reading: Reading = AS_FOUND) -> pa.Table:
    """A whole file as an arrow table of its columns and the int64 column `LINE`; arguments as for `read_rows`.

    Raises:
        UserError: as `read_rows`; also when the values of one column have no common type.
    """
    import pyarrow as pa

    source = Input.of(path, reading)
    # rows of a layout pass through Python; other parquet, and tables in memory, stay as arrow has them
    given = memory.table(path) if source.format == memory.FORMAT else None
    with source.failures():
        in_arrow = source.format == "parquet" or given is not None
        as_it_is = in_arrow and not layouts.recognises(_READERS[source.format](source), reading.wanted)
    if as_it_is and given is not None:
        lines = pa.array(range(given.num_rows), pa.int64())
        return given.drop_columns([LINE] if LINE in given.column_names else []).append_column(LINE, lines)
    if as_it_is:
        with source.failures(), source.parquet() as file:
            table = distinct(plain(file.read(), source.say), source)
        if not table.num_rows:
            raise source.empty()
        lines = pa.array(range(1, table.num_rows + 1), pa.int64())
        return table.drop_columns([LINE] if LINE in table.column_names else []).append_column(LINE, lines)

    rows = rows_of(source)
    parts = Parts(source.at)
    while chunk := list(itertools.islice(rows, _CHUNK)):
        lines = [row.line for row in chunk]
        names = dict.fromkeys(name for row in chunk for name in row.values)
        names.pop(LINE, None)
        columns: dict[str, Sequence[Any]] = {
            name: spans_as_objects([row.values.get(name) for row in chunk]) for name in names
        }
        if any(row.split for row in chunk):
            columns[split_names.COLUMN] = [row.split for row in chunk]
        if any(row.lines for row in chunk):
            columns[LINES] = [row.lines for row in chunk]
        parts.add({**columns, LINE: lines}, lines)
    return parts.table()


def rows_of(source: Input, *, needed: bool = True) -> Iterator[Row]:
    """The rows of a file that is named already; see `read_rows`.

    Args:
        source: what is read.
        needed: whether there must be a row; else a file that is complete without (a header, an empty list) will do.
    """
    row = None
    with source.failures():
        for row in layouts.reshaped(_READERS[source.format](source), source):
            yield row
    if source.blank and not source.parted and source.format != "json":  # those before a document are none of its rows
        shown = f"{', '.join(map(str, source.blank[:SHOWN]))}{', ...' if len(source.blank) > SHOWN else ''}"
        what = unit(source.format)
        source.say(
            f"{counted(len(source.blank), f'blank {what} is no row', f'blank {what}s are no rows')} "
            f"({what}{'s' if len(source.blank) > 1 else ''} {shown})"
        )
    if row is None and (needed or source.columns is None):
        raise source.empty()


def _txt_rows(source: Input) -> Iterator[Row]:
    (name,) = source.names(["text"])
    rows = objects = 0
    tabs: set[int] = set()
    with source.text(newline="\n") as text:
        for number, line in enumerate(text, start=1):
            values = {name: line.rstrip("\r\n")}
            problem = text.take_problem()
            if problem is None and not line.strip():
                if source.keep:  # answers are counted by the lines of the file
                    yield Row(number, values)
                else:
                    source.skipped_blank(number)
                continue
            rows += 1
            objects += line.startswith('{"')
            tabs.add(0 if line.startswith("__label__") else line.count("\t"))
            if rows == 1 and (mark := _header_mark(line)):
                source.warn(f"the first line is a text as any other; if it names columns: --format {mark}", number)
            yield Row(number, values) if problem is None else source.bad(number, *problem, values)
    if objects == rows > 0:
        source.warn("every line is a JSON object, and is read as one text; if these are rows: --format jsonl")
    elif rows > 1 and len(tabs) == 1 and (tab_count := tabs.pop()):
        many = "a tab" if tab_count == 1 else f"{tab_count} tabs"
        source.warn(f"every line holds {many}, and is one text with it; if tabs separate columns: --format tsv")


def _header_mark(line: str) -> str | None:
    """The format of columns whose names, known ones, a line seems to hold."""
    for format, mark in (("tsv", "\t"), ("csv", ",")):
        cells = [cell.strip().strip('"').lower() for cell in line.split(mark)]
        if len(cells) > 1 and delimited.KNOWN_NAMES.issuperset(cells):
            return format
    return None


def _conll_rows(source: Input) -> Iterator[Row]:
    most = rows = 0
    with source.text(newline="\n") as text:
        lines = ((number, line, text.take_problem()) for number, line in enumerate(text, start=1))
        for count, (layout, sentence) in enumerate(conll.sentences(lines, source.reading.delimiter), start=1):
            most, rows = max(most, len(sentence.lines)), count
            if len(layout.columns) > conll.MOST_COLUMNS:
                message = f"{source.name}: {len(layout.columns):,} columns; no file of words and tags has as many"
                raise UserError(message, "Is it another --format, or another --delimiter?")
            columns = sentence.columns(layout)
            values: dict[str, Any] = dict(zip(source.names(list(columns)), columns.values(), strict=True))
            values |= sentence.provenance
            if layout.header is not None:
                source.say(f"line {layout.header} names the columns, and is no word")
            if sentence.problem:
                yield source.bad(*sentence.problem, values)
            else:
                yield Row(sentence.lines[0], values, lines=sentence.lines)
    if rows == 1 and most > conll.LONG:
        source.warn(f"all {most:,} words are one sentence, as no blank line ends one")


def _memory_rows(source: Input) -> Iterator[Row]:
    source.columns = memory.columns(source.file)
    for position, values in memory.rows(source.file):
        yield Row(position, values)


_READERS = {
    "csv": csv_rows,
    "tsv": csv_rows,
    "json": json_rows,
    "squad": squad_rows,
    "jsonl": jsonl_rows,
    "parquet": parquet_rows,
    "xlsx": xlsx_rows,
    "txt": _txt_rows,
    "conll": _conll_rows,
    memory.FORMAT: _memory_rows,
}
