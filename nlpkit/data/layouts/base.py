"""What a layout is, what rows are read for, and how a layout tells which rows it left out."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nlpkit.data.inputs import Content, Input, Wanted, unit
from nlpkit.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

    from nlpkit.data.rows import Row

SHOWN = 5  # rows that a message names
TAG = re.compile(r"[Oo]|[BIESLUM][-_.:/]\S+|\S+[-_.:/][BIESLUM]", re.IGNORECASE)  # how a tag of an entity looks


@dataclass(frozen=True)
class Layout:
    """A way to keep rows that is told from the rows themselves, in a file of any format.

    Attributes:
        name: as the user is told, behind "read as".
        shape: what a row of it looks like, in a line, for a message that lists the known layouts.
        holds: what it can hold.
        recognises: whether the first rows of a file, at least one and none of them bad, are of this layout.
        rows: from all rows of the file, bad ones among them, to rows that the tasks know; the first good ones, by which
            it was recognised, are handed over beside them.
    """

    name: str
    shape: str
    holds: frozenset[Content]
    recognises: Callable[[Sequence[Row], Wanted], bool]
    rows: Callable[[Iterator[Row], Sequence[Row], Input], Iterator[Row]]


@dataclass(frozen=True)
class DocumentLayout:
    """A layout of a whole JSON document.

    Attributes:
        name, shape, holds: as for `Layout`.
        recognises: whether a parsed document is of this layout.
        rows: the number of each row in its file, from 1, and its values.
    """

    name: str
    shape: str
    holds: frozenset[Content]
    recognises: Callable[[Any, Wanted], bool]
    rows: Callable[[Any, Input], Iterator[tuple[int, Any]]]


@dataclass
class Tally:
    """The rows of a file that a layout leaves out or maps, by reason; told once all are read.

    Attributes:
        total: rows that were read.
        kept: rows that came of them.
    """

    source: Input
    total: int = 0
    kept: int = 0
    _left_out: dict[str, list[int]] = field(default_factory=dict)
    _mapped: dict[str, list[int]] = field(default_factory=dict)

    def leave_out(self, row: int, reason: str) -> None:
        """Remember a row that is left out; the reason goes on from "n of m rows are left out: "."""
        self._left_out.setdefault(reason, []).append(row)

    def map(self, row: int, how: str) -> None:
        """Remember a row that was not taken as it stands; `how` goes on from "n of m rows "."""
        rows = self._mapped.setdefault(how, [])
        if rows[-1:] != [row]:  # once, however often it stands in a row
            rows.append(row)

    def tell(self) -> None:
        """Tell the reporter.

        Raises:
            UserError: no row is left.
        """
        reasons = [
            *((f"are left out: {reason}", rows) for reason, rows in self._left_out.items()),
            *self._mapped.items(),
        ]
        messages = [f"{len(rows):,} of {self.total:,} rows {reason} ({self._shown(rows)})" for reason, rows in reasons]
        if self.total and not self.kept and self._left_out:
            raise UserError(
                f"{self.source.name}: no row is left: {'; '.join(messages)}",
                "Add rows that can be used, or name another file.",
            )
        for message in messages:
            self.source.warn(message)

    def _shown(self, rows: Sequence[int]) -> str:
        shown = ", ".join(map(str, rows[:SHOWN])) + (", ..." if len(rows) > SHOWN else "")
        return f"{unit(self.source.format)}{'s' if len(rows) > 1 else ''} {shown}"


def row_by_row(
    rows: Iterator[Row], source: Input, made: Callable[[Row, Tally], dict[str, Any] | None]
) -> Iterator[Row]:
    """The rows of a layout that makes at most one of each; those left out or mapped are told behind the last.

    Args:
        rows: of the file; bad ones are handed on.
        made: the values of a good row, None where it is left out, of which the tally is told; a `UserError` says what
            is wrong with the row alone.
    """
    tally = Tally(source)
    for row in rows:
        if row.error is not None:
            yield row
            continue
        tally.total += 1
        try:
            values = made(row, tally)
        except UserError as error:
            yield source.bad(row.line, error.message, error.hint or "")
            continue
        if values is not None:
            tally.kept += 1
            yield dataclasses.replace(row, values=values)
    tally.tell()


@dataclass
class Texts:
    """What was read of a folder or of files that belong together.

    Attributes:
        table: the columns of the rows, and `places.LINE`.
        files: of each row.
        sha256, bytes: of all files, names included.
    """

    table: pa.Table
    files: list[Path]
    sha256: str
    bytes: int
