"""Rows of csv and tsv; see `delimited` for what separators, quotes and the first line mean."""

from __future__ import annotations

import csv
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

from nlpkit.data import conll, delimited
from nlpkit.data.rows import LONGEST, Row, Style
from nlpkit.errors import UserError

if TYPE_CHECKING:
    from nlpkit.data.inputs import Input


def csv_rows(source: Input) -> Iterator[Row]:
    """The records of csv or tsv behind the names of its columns."""
    csv.field_size_limit(LONGEST)
    with source.text(newline="") as text:
        lines = delimited.Lines(text)
        mark = _delimiter(source, lines)
        width = len(source.reading.columns)
        records = delimited.Records(lines, source, mark, source.reading.quoting, width, source.keep)
        columns: list[str] = []
        header: list[str] = []  # where it is sure to be one, so that no row should repeat it
        for record in records:
            if not columns:
                columns, named = columns_of(source, record, lambda: delimited.loosely(lines.peek(), mark))
                source.find_style = functools.partial(_style, records, lines.taken[0][1], len(record.cells))
                if named:
                    header = record.cells if delimited.names_columns(record.cells) else []
                    continue
            cells: list[Any] = record.cells
            if len(cells) > len(columns) and not any(cells[len(columns) :]):
                cells = cells[: len(columns)]  # a separator at the end of the line
            if "" in cells:
                cells = [cell or None for cell in cells]
            values = dict(zip(columns, cells, strict=False))
            if len(values) < len(columns):  # of a row that cannot be read, but is kept
                values = {**dict.fromkeys(columns), **values}
            if record.fault:
                yield source.bad(record.line, *record.fault, values)
            elif len(cells) != len(columns):
                yield source.bad(record.line, *_misfit(records, columns, len(cells)), values)
            elif record.cells == header:
                yield source.bad(record.line, "the header stands here again", "Take the line out.", values)
            else:
                yield Row(record.line, values)


def _style(records: delimited.Records, first: str, width: int) -> Style:
    """How a file is written, by its first line and what was settled of its quotes."""
    quotes: Literal["all", "some", "none"] = "all" if first.count('"') >= 2 * width else "some"
    if records.quotes is not None and not records.quotes.enclose:
        quotes = "none"
    return Style(records.mark, quotes, next((end for end in ("\r\n", "\r") if first.endswith(end)), "\n"))


def _misfit(records: delimited.Records, columns: Sequence[str], fields: int) -> tuple[str, str]:
    """Message and hint for a row with more or fewer fields than there are columns."""
    message = f"expected {len(columns)} fields ({', '.join(columns)}), found {fields}"
    if len(columns) == 1:
        return message, (
            "The first line names the columns: take out what stands above it. "
            "Where each line is one text: --format txt, and no header."
        )
    if records.quotes is not None and not records.quotes.enclose:
        return message, "Quotes are read as text in this file; where they enclose fields: --quoting standard."
    if fields < len(columns):
        return message, "The row is cut off, or belongs to no table: complete it, or take it out."
    hint = "Quote the fields that contain the delimiter, or pass --delimiter."
    named = " Where rows begin with a name or number of their own: name that column too."
    return message, hint + named * (fields == len(columns) + 1)


def _delimiter(source: Input, lines: delimited.Lines) -> str:
    """The delimiter that was asked for, that the file names, or that its first lines tell."""
    ahead = lines.peek()
    named = delimited.separator_line(ahead[0]) if ahead else None
    if named:
        next(lines)
        ahead = ahead[1:]
    delimiter = source.reading.delimiter
    if delimiter:
        return delimiter
    if named:
        source.say(f"columns are separated by {named!r}, as its first line says")
        return named
    usual = "\t" if source.format == "tsv" else ","
    if not ahead or (usual == "\t" and usual in ahead[0]):
        return usual
    best = delimited.guess_mark(ahead[:100])
    if usual == "\t" and best == ",":
        return usual  # one column, with a comma in its name
    if best != usual:
        source.say(f"columns are separated by {best!r}")
    return best


def columns_of(source: Input, record: delimited.Record, rows: Callable[[], list[list[str]]]) -> tuple[list[str], bool]:
    """The names of the columns: those that the user gives, else those in the first row; and whether that names them.

    Words with their tags, and texts with what is to be written for them, have names of their own where the first row is
    one of them.

    Args:
        source: of the rows.
        record: the first row.
        rows: some of those behind it.

    Raises:
        UserError: the first row cannot be read, or has more or fewer cells than there are names.
    """
    if record.fault:
        raise UserError(f"{source.at(record.line)}: in the first row: {record.fault[0]}", record.fault[1])
    if source.reading.columns:
        names = source.names(record.cells)
        if delimited.names_columns(record.cells):
            source.warn(
                "--columns names the columns, so the first row is a row as any other, "
                f"but it looks like a header: {', '.join(record.cells[:6])}",
                record.line,
            )
    elif source.reading.wanted.content == "words" and conll.begins_with_a_word(record.cells, rows()):
        names = conll.names(record.cells)
        source.say(f"the first row is a word with its tag, and names no columns: {', '.join(names)} (--columns)")
        source.columns = names
        return names, False
    elif source.reading.wanted.content == "pairs" and (names := delimited.names_of_texts(record.cells, rows())):
        source.say(f"the first row is a row as any other, and names no columns: {', '.join(names)} (--columns)")
        source.columns = names
        return names, False
    else:
        names, notes = delimited.names(record.cells)
        for what in notes:
            source.say(what, record.line)
        if delimited.looks_like_data(record.cells, rows()):
            shown = ", ".join(repr(cell[:40]) for cell in record.cells[:6])
            source.warn(
                "the first row is taken for the names of the columns, but looks like data: "
                f"{shown}; for a file without a header: --columns NAME,...",
                record.line,
            )
    source.columns = names
    return names, not source.reading.columns
