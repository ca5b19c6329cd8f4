"""Rows of parquet and Excel, which have cells and no lines."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nlpkit.data import delimited
from nlpkit.data.csv_rows import columns_of
from nlpkit.data.one_type import as_text, plain
from nlpkit.data.rows import OTHER_FORMAT, Row
from nlpkit.errors import UserError

if TYPE_CHECKING:
    import pyarrow as pa

    from nlpkit.data.inputs import Input


def parquet_rows(source: Input) -> Iterator[Row]:
    """Rows in batches, numbered from 1."""
    import pyarrow as pa

    with source.parquet() as file:
        source.columns = distinct(file.schema_arrow.empty_table(), source).column_names
        numbers = itertools.count(1)
        for batch in file.iter_batches(batch_size=1024):
            for values in distinct(plain(pa.Table.from_batches([batch]), source.say), source).to_pylist():
                yield Row(next(numbers), values)


def distinct(table: pa.Table, source: Input) -> pa.Table:
    """The table with a name of its own for each column."""
    if len(set(table.column_names)) == table.num_columns and not any("\0" in name for name in table.column_names):
        return table
    if any("\0" in name for name in table.column_names):
        source.say(r"names of columns hold NUL characters, which are read as \x00")
    table = table.rename_columns([name.replace("\0", r"\x00") for name in table.column_names])
    names, notes = delimited.names(table.column_names)
    for what in notes:
        source.say(what)
    return table.rename_columns(names)


def xlsx_rows(source: Input) -> Iterator[Row]:
    """The first sheet, numbered as Excel does."""
    try:
        import openpyxl
    except ImportError:
        raise UserError(f"{source.name}: openpyxl is not installed", "Run: pip install 'nlpkit[xlsx]'") from None
    with ExitStack() as stack:
        file = source.seekable()
        if isinstance(file, Path):  # of a name openpyxl would want its own suffix
            file = stack.enter_context(file.open("rb"))
        try:
            book = openpyxl.load_workbook(file, read_only=True, data_only=True)
        except Exception as error:  # openpyxl lets through whatever its zip and xml parsers raise
            source.require_no_pointer()
            raise UserError(f"{source.name}: not an xlsx file ({error})", OTHER_FORMAT) from error
        stack.callback(book.close)
        if not book.worksheets:
            raise UserError(f"{source.name}: the workbook has no sheet of cells")
        sheet = book.worksheets[0]
        if len(book.worksheets) > 1:
            others = ", ".join(repr(other.title) for other in book.worksheets[1:])
            source.say(f"reading the first sheet, {sheet.title!r}; left out: {others}")
        filled = _filled(source, sheet)
        head = list(itertools.islice(filled, delimited.HEAD_LINES))
        columns: list[str] = []
        kinds: dict[str, Counter[bool]] = {}
        for number, cells in itertools.chain(head, filled):
            typed = _as_typed(cells)
            if not columns:
                first = delimited.Record(number, [cell or "" for cell in typed])
                columns, named = columns_of(
                    source, first, lambda: [[cell or "" for cell in _as_typed(row)] for _, row in head[1:]]
                )
                kinds = {name: Counter() for name in columns}
                if named:
                    continue
            for name, cell in zip(columns, cells, strict=False):
                if cell is not None and cell != "":
                    kinds[name][isinstance(cell, str)] += 1
            values = dict(itertools.zip_longest(columns, typed[: len(columns)]))
            if len(typed) > len(columns):
                message = f"expected {len(columns)} cells ({', '.join(columns)}), found {len(typed)}"
                yield source.bad(number, message, "Name every column that holds values.", values)
            else:
                yield Row(number, values)
        for name, counts in kinds.items():
            if len(counts) > 1:
                source.say(f"column {name!r}: {counts[False]:,} numbers, dates and the like are read as text")


def _filled(source: Input, sheet: Any) -> Iterator[tuple[int, tuple[Any, ...]]]:
    """The rows of a sheet that have a cell, with their numbers; empty ones between them are told, or kept.

    They are kept for answers where the sheet has one column, as a cell of it is empty. Those at its end have no end:
    Excel counts cells that were only formatted.
    """
    gap: list[int] = []
    width = 0
    for number, cells in enumerate(_cells(source, sheet), start=1):
        if not any(cell is not None and cell != "" for cell in cells):
            gap.append(number)
            continue
        for empty in gap:
            if source.keep and width == 1:
                yield empty, (None,)
            else:
                source.skipped_blank(empty)
        gap.clear()
        width = max(width, len(_as_typed(cells)))
        yield number, cells


def _as_typed(cells: Iterable[Any]) -> list[str | None]:
    """Cells of a sheet as people typed them, without empty ones at the end: Excel makes numbers and dates of text."""
    typed = [None if cell is None or cell == "" else as_text(cell) for cell in cells]
    while typed and typed[-1] is None:
        typed.pop()
    return typed


def _cells(source: Input, sheet: Any) -> Iterator[tuple[Any, ...]]:
    """The values of each row of a sheet, which openpyxl parses on the way."""
    rows = iter(sheet.iter_rows(values_only=True))
    while True:
        try:
            row = next(rows, None)
        except Exception as error:  # as above
            raise UserError(f"{source.name}: damaged xlsx file ({error})", "Save it again.") from error
        if row is None:
            return
        yield row
