"""Text in columns, csv and tsv: what separates the columns, what quotes mean, what the columns are called.

RFC 4180 has fields in quotes; much tab-separated text (GLUE, SMS, word lists) has none, and there a quote is a
character of the text. The same line can be read both ways, so what is decided here is decided on many lines, of which
only a bounded number is held, and it is told.
"""

from __future__ import annotations

import csv
import itertools
import re
import statistics
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from nlpkit.data import columns as column_names
from nlpkit.data import sides
from nlpkit.data.rows import LONGEST
from nlpkit.reporting import counted

HEAD_LINES = 1_000  # lines that are looked at before one is read,
HEAD_CHARACTERS = 2**20  # or fewer long ones
MARKS = ",;\t|"
SEPARATOR_LINE = re.compile(r'\ufeff?"?sep=(.)"?\s*', re.IGNORECASE)  # how Excel is told the separator of a file
SENTENCE_ENDS = (".", "!", "?", "…", "。", "！", "？", "؟", "।")
MANY_WORDS = 8  # from which a cell is no name of a column
KNOWN_NAMES = frozenset(
    (
        *column_names.TEXT_NAMES,
        *itertools.chain(*column_names.PAIR_NAMES),
        *column_names.LABEL_NAMES,
        *("id", "idx", "index", "guid", "context", "answer", "answers", "token", "tokens", "word", "words", "source"),
    )
)
"""A first line with one of these names the columns."""

_QUOTE_HINT = 'Close the quote, or write a quote inside a quoted field twice (""); if quotes are text: --quoting none.'
_QUOTED = re.compile(r'"(?:[^"]|"")*"')
_ESCAPED = re.compile(r'\\(["\\])')
_END = "\r\n"
_BLANK = " \r\n"


Line = tuple[int, str, tuple[str, str] | None]
"""Of a file: number from 1, text with its end, and message and hint where it could not be decoded."""


class Source(Protocol):
    """Where lines come from: `rows.DecodedLines`."""

    number: int
    problem: tuple[str, str] | None

    def __iter__(self) -> Iterator[str]: ...
    def take_problem(self) -> tuple[str, str] | None: ...


class Teller(Protocol):
    """What tells of a file, by its name: `Input`."""

    def say(self, fact: str) -> None: ...
    def warn(self, what: str) -> None: ...
    def skipped_blank(self, line: int) -> None: ...


class Lines:
    """The lines of a file, which can be looked at before they are taken, and given back.

    Attributes:
        taken: the lines since `begin`.
    """

    def __init__(self, source: Source) -> None:
        self._source, self._texts = source, iter(source)
        self._ahead: deque[Line] = deque()
        self.taken: list[Line] = []

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._ahead.popleft() if self._ahead else self._fresh()
        self.taken.append(line)
        return line[1]

    def _fresh(self) -> Line:
        text, source = next(self._texts), self._source
        return source.number, text, source.take_problem() if source.problem else None

    def peek(self) -> list[str]:
        """The lines ahead, a bounded number of them."""
        size = sum(len(text) for _, text, _ in self._ahead)
        while len(self._ahead) < HEAD_LINES and size < HEAD_CHARACTERS:
            try:
                self._ahead.append(self._fresh())
            except StopIteration:
                break
            size += len(self._ahead[-1][1])
        return [text for _, text, _ in self._ahead]

    def begin(self) -> None:
        """Forget what was taken."""
        self.taken.clear()

    def give_back(self, kept: int) -> None:
        """All that was taken but the first `kept` lines will come again."""
        self._ahead.extendleft(reversed(self.taken[kept:]))
        del self.taken[kept:]


@dataclass(slots=True)
class Record:
    """The cells of a row.

    Attributes:
        line: on which it begins.
        fault: message and hint where it cannot be read.
    """

    line: int
    cells: list[str]
    fault: tuple[str, str] | None = None


@dataclass
class Quotes:
    """What quotes in a file are.

    Attributes:
        enclose: whether they stand around fields, else they are text.
        why: in a few words.
    """

    enclose: bool
    why: str = ""


@dataclass
class Records:
    """The rows of a file, each of them read or with a fault that says where and why not: no line goes missing.

    Args:
        lines: of the file.
        file: tells what is found.
        mark: separates the columns.
        quoting: what quotes are; "auto": around fields, or in tab-separated text what its lines tell.
        keep: a blank line is an empty cell where there is one column, and so a row.

    Attributes:
        width: number of columns, from the first row on.
        quotes: what was settled; None while no field began with a quote.
    """

    lines: Lines
    file: Teller
    mark: str
    quoting: Literal["auto", "standard", "none"]
    width: int = 0
    keep: bool = False
    quotes: Quotes | None = None
    _as_text: list[int] = field(default_factory=list)  # lines whose quotes are text though others' enclose fields
    _swallowing: list[tuple[int, int]] = field(default_factory=list)  # first and last line of rows that may be several

    def __iter__(self) -> Iterator[Record]:
        if self.quoting != "auto":
            self.quotes = Quotes(self.quoting == "standard")
        elif self.mark != "\t":
            self.quotes = Quotes(True)
        quoted = self._reader()
        while True:
            self.lines.begin()
            record = self._next(quoted)
            if record is None:
                break
            if not record.cells and record.fault is None:
                if not self.keep or self.width != 1:
                    self.file.skipped_blank(record.line)
                    continue
                record.cells = [self.lines.taken[0][1].rstrip(_END)]
            self.width = self.width or len(record.cells)
            yield record
        self._tell()

    def _reader(self) -> Iterator[list[str]]:
        """Reads rows whose quotes enclose fields, as the first lines write them where nobody said how."""
        lines: Iterable[str] = map(self._whole, self.lines)
        blanks = False
        if self.quoting == "auto" and self.quotes is not None:
            head = self.lines.peek()
            if blanks := blanks_before_quotes(head, self.mark):
                self.file.say(f"blanks behind '{self.mark}' are left out, as quotes follow them (--quoting standard)")
            if escaped_quotes(head, self.mark):
                self.file.say('quotes in fields are written \\", and read as quotes (--quoting standard)')
                lines = map(unescaped, lines)
        return csv.reader(lines, delimiter=self.mark, strict=True, skipinitialspace=blanks)

    def _whole(self, text: str) -> str:
        """A line; one that is cut ends the row, as its quotes would close in one that follows."""
        problem = self.lines.taken[-1][2]
        if problem is not None and not text.endswith(tuple(_END)):
            raise csv.Error(problem[0])
        return text

    def _next(self, quoted: Iterator[list[str]]) -> Record | None:
        if self.quotes is not None and self.quotes.enclose:
            return self._quoted(quoted)
        text = next(self.lines, None)
        if text is None:
            return None
        cells = fields(text, self.mark)
        if self.quotes is None and '"' in text and any(cell[:1] == '"' for cell in cells):
            self.lines.give_back(0)
            self.quotes = settle(self.lines.peek(), self.mark, self.width)
            treatment = "are text, and stay" if not self.quotes.enclose else "stand around fields, and are dropped"
            other = "standard" if not self.quotes.enclose else "none"
            self.file.say(f"quotes {treatment} ({self.quotes.why}; --quoting {other})")
            return self._next(quoted)
        return self._record(cells)

    def _record(self, cells: list[str]) -> Record:
        taken = self.lines.taken
        number, _, fault = taken[0]
        if len(taken) > 1:
            fault = next((problem for _, _, problem in taken if problem), None)
        return Record(number, cells, fault)

    def _quoted(self, reader: Iterator[list[str]]) -> Record | None:
        """The next row where quotes enclose fields."""
        taken = self.lines.taken
        try:
            cells = next(reader)
        except StopIteration:
            return None
        except csv.Error as error:
            last = taken[-1][0]
            self.lines.give_back(1)  # the line is named, and what follows it is read on its own
            if taken[0][2] is not None:
                return self._record([])
            # in tab-separated text a quote that is text is likelier than one that was forgotten
            if self.quoting == "auto" and self.mark == "\t" and self._fits(taken[0][1]):
                return self._read_as_text()
            return Record(taken[0][0], [], (f"{_explained(error)} (noticed on line {last})", _QUOTE_HINT))
        if len(cells) == 1 and not cells[0].strip() and self.width > 1:
            return Record(taken[0][0], [])
        if len(taken) > 1 and self.quoting == "auto" and self.width and all(self._fits(text) for _, text, _ in taken):
            self._swallowing.append((taken[0][0], taken[-1][0]))
        return self._record(cells)

    def _fits(self, text: str) -> bool:
        """Whether a line is a row of its own when quotes are text."""
        return len(fields(text, self.mark)) == self.width

    def _read_as_text(self) -> Record:
        ((number, text, _),) = self.lines.taken
        self._as_text.append(number)
        return self._record(fields(text, self.mark))

    def _tell(self) -> None:
        if count := len(self._as_text):
            self.file.warn(
                f"{counted(count, 'line has', 'lines have')} a quote that does not close before the next row; "
                f"there quotes are read as text (first: line {self._as_text[0]}; --quoting standard|none)"
            )
        if count := len(self._swallowing):
            first, last = self._swallowing[0]
            self.file.warn(
                f"{counted(count, 'row has', 'rows have')} a quoted field with line ends and '{self.mark}' in it, "
                f"of which each line would be a row by itself (first: lines {first} to {last}); "
                "if quotes are text in this file: --quoting none"
            )


def fields(text: str, mark: str) -> list[str]:
    """The cells of a line in which quotes are text; none of a blank one."""
    return text.rstrip(_END).split(mark) if text.strip(_BLANK) else []


def settle(lines: Sequence[str], mark: str, width: int) -> Quotes:
    """What quotes are in tab-separated text, by lines of which the first has a field that begins with one.

    They are text where every line has all its columns only so, or where fields stand in quotes that need none; a
    writer puts quotes around every field of a column, or around those with a quote or a separator in them.

    Args:
        lines: of the file.
        mark: separates the columns.
        width: number of columns; 0: as many as the first line has.
    """
    rows = [cells for text in lines if (cells := fields(text, mark))]
    width = width or len(rows[0])
    unfit = sum(len(cells) != width for cells in rows)
    quoted = [cell for cells in rows for cell in cells if cell[:1] == '"']
    broken = [cell for cell in quoted if not _QUOTED.fullmatch(cell)]
    doubled = any('""' in cell[1:-1] for cell in quoted if cell not in broken)
    bad, joined = _when_enclosed(lines, mark, width)
    if unfit:
        if bad + joined <= unfit:
            return Quotes(True, f"{unfit:,} of the next {len(rows):,} lines would lack columns otherwise")
        return Quotes(False, f"{bad + joined:,} of the next {len(rows):,} lines would lack columns otherwise")
    if broken and (bad or not doubled):
        return Quotes(False, f"one does not close: {_short(broken[0])}")
    if doubled:
        return Quotes(True, "quotes in them are doubled")
    if any(_always_quoted(rows, place) for place in range(width)):
        return Quotes(True, "every field of a column has them")
    return Quotes(False, f"they stand around fields that need none: {_short(quoted[0])}")


def _always_quoted(rows: Sequence[Sequence[str]], place: int) -> bool:
    """Whether all cells of a column stand in quotes, its name aside."""
    cells = [row[place] for row in rows[1:] if row[place]]
    return len(cells) > 1 and all(cell[0] == '"' for cell in cells)


def _when_enclosed(lines: Sequence[str], mark: str, width: int) -> tuple[int, int]:
    """How many lines would be in no row of `width` columns if quotes enclosed fields, and how many would share one
    though each has all columns by itself."""
    reader = csv.reader(lines, delimiter=mark, strict=True)
    bad = joined = before = 0
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return bad, joined
        except csv.Error:
            cells = [""] * (width + 1)
        count = reader.line_num - before
        if cells and len(cells) != width:
            bad += count
        elif count > 1 and all(len(fields(text, mark)) == width for text in lines[before : reader.line_num]):
            joined += count
        before = reader.line_num


def blanks_before_quotes(lines: Sequence[str], mark: str) -> bool:
    """Whether quotes enclose fields behind a blank, as in `good, "a film, a play"`.

    They do where more lines have all their columns so, or where all fields of a column but its name are written so.
    """
    if not any(f'{mark} "' in text for text in lines):
        return False
    loose, tight = ([cells for cells in loosely(lines, mark, blanks) if cells] for blanks in (False, True))
    width = len(tight[0])
    fit, tight_fit = (sum(len(cells) == width for cells in rows) for rows in (loose, tight))
    if tight_fit != fit:
        return tight_fit > fit
    behind = [cells[1:] for cells in loose[1:] if len(cells) == width]
    return any(all(re.fullmatch(r' +"[^"]*"', cell) for cell in column) for column in zip(*behind, strict=True))


def escaped_quotes(lines: Sequence[str], mark: str) -> bool:
    r"""Whether quotes inside quoted fields are written \" and not doubled: fewer lines are bad so."""
    if not any('\\"' in text for text in lines):
        return False
    width = len(next(filter(None, loosely(lines, mark))))
    made = [unescaped(text) for text in lines]
    return sum(_when_enclosed(made, mark, width)) < sum(_when_enclosed(lines, mark, width))


def unescaped(text: str) -> str:
    r"""A line with \" as a doubled quote, and \\ as the backslash that it stands for."""
    if "\\" not in text:
        return text
    return _ESCAPED.sub(lambda match: '""' if match[1] == '"' else "\\", text)


def separator_line(text: str) -> str | None:
    """The separator that a first line such as `sep=;` names."""
    match = SEPARATOR_LINE.fullmatch(text)
    return match[1] if match else None


def guess_mark(lines: Sequence[str]) -> str:
    """What separates the columns: what cuts the first line into several, and most lines into as many."""
    best, score = ",", (0.0, 1)
    for mark in MARKS:
        rows = [cells for cells in loosely(lines, mark) if cells]
        width = len(rows[0]) if rows else 0
        if width > 1:
            share = sum(len(cells) == width for cells in rows) / len(rows)
            if (share, width) > score:
                best, score = mark, (share, width)
    return best


def loosely(lines: Iterable[str], mark: str, blanks: bool = False) -> list[list[str]]:
    """Rows of some lines, whatever their quotes; `blanks` before a cell are left out."""
    if mark == "\t":
        return [fields(text, mark) for text in lines]
    try:
        return list(csv.reader(lines, delimiter=mark, skipinitialspace=blanks))
    except csv.Error:
        return [fields(text, mark) for text in lines]


def names(cells: Sequence[str]) -> tuple[list[str], list[str]]:
    """Names for columns, as pandas gives them: `Unnamed: 0` for none, `text.1` for a second `text`.

    Returns:
        The names, and what is to be said of them.
    """
    given = [cell.strip().removeprefix("\ufeff") for cell in cells]
    if all(len(cell) > 1 and _QUOTED.fullmatch(cell) for cell in given):  # where quotes are text, but not around names
        given = [cell[1:-1].replace('""', '"') for cell in given]
    distinct: list[str] = []
    notes = []
    for place, name in enumerate(given):
        new = name or f"Unnamed: {place}"
        number = itertools.count(1)
        while new in distinct or (new != name and new in given):
            new = f"{name or f'Unnamed: {place}'}.{next(number)}"
        if new != name:
            notes.append(f"column {place + 1} {f'is a second {name!r}' if name else 'has no name'}: it is {new!r} here")
        distinct.append(new)
    return distinct, notes


def names_columns(first: Sequence[str]) -> bool:
    """Whether some cell of the first line is known as the name of a column."""
    return any(cell.strip().lower() in KNOWN_NAMES for cell in first)


def looks_like_data(first: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first line is no header but a row as those that follow.

    A name does not stand again below itself, is no number over numbers, and is no sentence.
    """
    cells = [cell.strip() for cell in first]
    if names_columns(cells) or cells == [str(i) for i in range(len(cells))]:  # pandas numbers columns without names
        return False
    for place, cell in enumerate(cells):
        below = [row[place].strip() for row in rows if len(row) > place]
        if cell and (
            cell in below
            or len(cell.split()) >= MANY_WORDS
            or (below and _is_number(cell) and all(map(_is_number, below)))
        ):
            return True
    return False


def names_of_texts(first: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Names for the columns of texts and what is to be written for them where the first row is such a pair itself;
    none where it names the columns.

    It names them where a name is known or all are codes of languages, or where its cells are no sentences but those
    below are longer.
    """
    cells = [cell.strip() for cell in first]
    if names_columns(cells) or all(map(sides.is_side, cells)):
        return []
    columns = [[row[place].strip() for row in rows if len(row) > place] for place in range(len(cells))]
    texts = [place for place, below in enumerate(columns) if not all(map(_is_number, [cells[place], *below]))]
    if len(texts) < 2 or not (looks_like_data(cells, rows) or _are_texts([(cells[i], columns[i]) for i in texts])):
        return []
    called = dict(zip(texts, ("source", "target"), strict=False))
    return [called.get(place, f"column_{place + 1}") for place in range(len(cells))]


def _are_texts(columns: Sequence[tuple[str, Sequence[str]]]) -> bool:
    """Whether the first cells of columns are texts as those below: one ends as a sentence does, or all are as long."""
    if any(cell.endswith(SENTENCE_ENDS) for cell, _ in columns):
        return True
    usual = [statistics.mean([len(text.split()) for text in below] or [0]) for _, below in columns]
    return all(2 * len(cell.split()) > words for (cell, _), words in zip(columns, usual, strict=True))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _explained(error: csv.Error) -> str:
    message = str(error)
    if "field larger" in message:
        return f"a quote is opened in this row and not closed within {LONGEST:,} characters"
    if "unexpected end of data" in message:
        return "a quote is opened in this row and never closed"
    if "expected after" in message:
        return "a stray quote: text goes on after the quote that closes a field"
    return message


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:39]}…"
