"""Files that are aligned line by line: line 7 of one belongs to line 7 of the others."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nlpkit import reporting
from nlpkit.data.inputs import Input
from nlpkit.data.places import LINE
from nlpkit.data.rows import Row
from nlpkit.errors import UserError
from nlpkit.reporting import counted

if TYPE_CHECKING:
    import pyarrow as pa

    from nlpkit.data.inputs import Reading

HEAD = 100  # lines that are looked at for tabs


@dataclasses.dataclass(frozen=True, slots=True)
class _Line:
    """A line without its end, and message and hint where it cannot be read."""

    text: str
    problem: tuple[str, str] | None = None

    @property
    def blank(self) -> bool:
        return self.problem is None and not self.text.strip()


class Unequal(UserError):
    """One file has more lines than another."""


_NONE = _Line("")  # stands for the lines behind the end of a file


def rows(files: Mapping[str, Path], reading: Reading, *, keep: bool = False) -> Iterator[Row]:
    """A row for each line, with the texts of all files by the names that these are given; a blank line is a text that
    is empty, but lines at the end that are blank in all files, or behind the end of some, are no rows.

    Args:
        files: in which a line is a text.
        reading: how they are encoded.
        keep: lines that cannot be read give a row with an error.

    Raises:
        Unequal: one of the files ends where another goes on.
        UserError: a line cannot be read, unless it is kept.
    """
    plain = dataclasses.replace(reading, format="txt", columns=())
    sources = [Input.of(path, plain, keep=keep) for path in files.values()]
    with contextlib.ExitStack() as stack:
        streams = [stack.enter_context(contextlib.closing(_lines(source))) for source in sources]
        ends: dict[int, int] = {}
        blank: list[int] = []
        for number, found in enumerate(itertools.zip_longest(*streams), start=1):
            if None in found:
                ends = {i: number - 1 for i, line in enumerate(found) if line is None} | ends
            lines = [line or _NONE for line in found]
            if all(line.blank for line in lines):
                blank.append(number)
                continue
            if ends:
                raise _unequal(files, [ends.get(i, number) + sum(1 for _ in rest) for i, rest in enumerate(streams)])
            for skipped in blank:
                yield Row(skipped, dict.fromkeys(files, ""))
            blank.clear()
            values = {name: line.text for name, line in zip(files, lines, strict=True)}
            bad = [
                (source, line.problem) for source, line in zip(sources, lines, strict=True) if line.problem is not None
            ]
            if bad:
                source, (message, hint) = bad[0]
                yield source.bad(number, message, hint, values)
            else:
                yield Row(number, values)
        if blank:
            what = counted(len(blank), "blank line at the end is no row", "blank lines at the end are no rows")
            sources[0].say(f"{what}, here and in what is aligned with it")


def _lines(source: Input) -> Generator[_Line]:
    with source.failures(), source.text(newline="\n") as text:
        for line in text:
            yield _Line(line.rstrip("\r\n"), text.take_problem())


def _unequal(files: Mapping[str, Path], counts: Sequence[int]) -> Unequal:
    paths = list(files.values())
    told = ", ".join(f"{path} {count:,}" for path, count in zip(paths, counts, strict=True))
    first = paths[counts.index(min(counts))]
    return Unequal(
        f"the files are not line-aligned: {told} lines",
        f"{first} ends first. Line 7 of one file must belong to line 7 of the others.",
    )


def read_table(files: Mapping[str, Path], reading: Reading) -> pa.Table:
    """The texts of all files as columns, and `places.LINE`.

    Args:
        files, reading: as for `rows`.

    Raises:
        UserError: as `rows`; or there is no row.
    """
    import pyarrow as pa

    columns: dict[str, list[str]] = {name: [] for name in files}
    numbers = []
    for row in rows(files, reading):
        numbers.append(row.line)
        for name, column in columns.items():
            column.append(row.values[name])
    if not numbers:
        shown = ", ".join(map(str, files.values()))
        raise UserError(f"{shown}: the files hold no rows", "Check that they were written to their end.")
    table = {name: pa.array(texts, pa.string()) for name, texts in columns.items()}
    return pa.table({**table, LINE: pa.array(numbers, pa.int64())})


def tell(files: Mapping[str, Path]) -> None:
    """Say which files are read together, and what their columns are called."""
    named = ", ".join(f"{path.name} ({name})" for name, path in files.items())
    reporting.current().note(f"{next(iter(files.values())).parent}: read line by line beside one another: {named}")


def has_tabs(source: Input) -> bool:
    """Whether the first lines of a file hold a tab each, as many in all of them: it is a table."""
    with contextlib.closing(_lines(source)) as lines:
        tabs = {line.text.count("\t") for line in itertools.islice(lines, HEAD) if not line.blank}
    return len(tabs) == 1 and tabs != {0}
