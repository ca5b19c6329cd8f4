"""How recipes speak: they call the current reporter and never print.

The command line installs a reporter that draws (rich) or writes plain lines; the Python API is silent
unless its user installs one.
"""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from nlpkit import fragments, interrupts

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Pieces:
    """A text in pieces: alternating colours on a terminal, bars between them elsewhere."""

    pieces: Sequence[str]

    def __str__(self) -> str:
        return "|".join(self.pieces)


@dataclass(frozen=True)
class Marked:
    """A text with labelled parts: coloured by label on a terminal, in brackets elsewhere (`[Paris: LOC] is old`).

    Attributes:
        text: the whole of it.
        spans: first character, the one behind the last, and label of each part, in order.
        labels: that may occur; the place of a label among them decides its colour. A part with an empty label is
            marked, and no more.
    """

    text: str
    spans: Sequence[tuple[int, int, str]]
    labels: Sequence[str]

    def parts(self) -> Iterator[tuple[str, str | None]]:
        """The text in parts, each with its label, None for what lies between."""
        done = 0
        for start, end, label in self.spans:
            if start > done:
                yield self.text[done:start], None
            yield self.text[start:end], label
            done = end
        if done < len(self.text):
            yield self.text[done:], None

    def __str__(self) -> str:
        return "".join(_bracketed(part, label) for part, label in self.parts())


def _bracketed(part: str, label: str | None) -> str:
    if label is None:
        return part
    return f"[{part}: {label}]" if label else f"[{part}]"


@dataclass(frozen=True)
class Shaded:
    """A text in pieces, each with its probability: coloured by it on a terminal, plain elsewhere."""

    pieces: Sequence[tuple[str, float]]

    def __str__(self) -> str:
        return "".join(piece for piece, _ in self.pieces)


@dataclass(frozen=True)
class Estimate:
    """A figure with the interval in which that of other rows might lie: `0.76 (0.66 to 0.84)`.

    It has as many decimals as the interval makes sense of: two figures of its width.
    """

    value: float
    low: float
    high: float

    def parts(self) -> tuple[str, str]:
        """The figure, and the interval in brackets."""
        width = self.high - self.low
        decimals = min(max(math.ceil(-math.log10(width)) + 1, 0), 6) if 0 < width < math.inf else 4
        value, low, high = (f"{number:,.{decimals}f}" for number in (self.value, self.low, self.high))
        return value, f"({low} to {high})"

    def __str__(self) -> str:
        return " ".join(self.parts())


def figures(
    metrics: Mapping[str, float | None], between: Mapping[str, Sequence[float]] | None, names: Sequence[str]
) -> list[float | Estimate | None]:
    """The figures of a row of a table, each with its interval where it has one.

    Args:
        metrics: of the row.
        between: low and high end by metric; None where nothing is known of them.
        names: the columns.
    """
    ends = between or {}
    values = [(metrics.get(name), ends.get(name)) for name in names]
    return [value if value is None or end is None else Estimate(value, *end) for value, end in values]


def titled(names: Sequence[str], notes: Mapping[str, str]) -> list[str]:
    """Names of metrics as headers, with what each is of where the name does not say it: `f1 of the label 'spam'`."""
    return [f"{name} {notes[name]}" if name in notes else name for name in names]


Cell = str | int | float | Estimate | Pieces | Marked | Shaded | None


@dataclass
class Table:
    """A result table; floats are shown with four decimals.

    Attributes:
        to_left: align every column to the left, as for texts; else numbers stand to the right but for the first column.
        whole: all rows, where `rows` are those that fit on a screen; documents hold these.
    """

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    to_left: bool = False
    whole: Sequence[Sequence[Cell]] | None = None


def cell(value: Cell) -> str:
    """A table cell as text: floats with four decimals, nothing for None."""
    if value is None:
        return ""
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def _parts_of(value: Cell) -> fragments.Parts:
    """A table cell in pieces with their labels."""
    if isinstance(value, Marked):
        return [(shown(text), None if label is None else shown(label)) for text, label in value.parts()]
    return [(shown(cell(value)), None)]


def to_left(table: Table) -> list[bool]:
    """Which columns are aligned to the left: the first, those of texts in parts, or all."""
    return [
        table.to_left or i == 0 or any(isinstance(row[i], Pieces | Marked | Shaded) for row in table.rows)
        for i in range(len(table.header))
    ]


def plain_lines(table: Table) -> list[str]:
    """A table as lines of text, its title first."""
    lines = [[shown(cell(value)) for value in row] for row in (table.header, *table.rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(table.header))]
    left = to_left(table)
    made = [shown(table.title)]
    for line in lines:
        parts = [
            text.ljust(width) if is_left else text.rjust(width)
            for text, width, is_left in zip(line, widths, left, strict=True)
        ]
        made.append(("  " + "  ".join(parts)).rstrip())
    return made


@dataclass(repr=False)
class Report:
    """What a recipe's `run` returns: the same result for people and for machines.

    Attributes:
        record: JSON values: what `--json` prints.
        tables, lines: what people are told.
        next_command: what to type in a shell next.
        exit_code: 1 where a gate did not hold, 2 where the data are unusable.
        failure: why the exit code is not 0, in one line: for those who see no more of the report than its JSON.
        notes, warnings: what was said on the way, of a function of the Python API.
        vectors: of `embed`, an array of float32 of shape (texts, dimensions), where they were not written to a file.
    """

    record: dict[str, Any]
    tables: list[Table] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    next_command: str | None = None
    exit_code: int = 0
    failure: str = ""
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    vectors: np.ndarray | None = None

    @property
    def metrics(self) -> dict[str, dict[str, float]]:
        """Split -> metric -> value; empty where nothing was judged."""
        return self.record.get("metrics") or {}

    @property
    def path(self) -> Path | None:
        """The folder or file that was written; None where nothing was."""
        output = self.record.get("output")
        return Path(output) if output else None

    def to_frame(self) -> Any:
        """A DataFrame of pandas: the answers of `predict` and its kin, a row each; else the metrics, a row a split.

        Where the record has intervals, the columns `<metric>_low` and `<metric>_high` stand behind each metric.
        """
        import pandas

        if "answers" in self.record:
            return pandas.DataFrame(self.record["answers"])
        intervals = self.record.get("metric_intervals") or {}
        rows: dict[str, dict[str, float]] = {}
        for split, values in self.metrics.items():
            rows[split] = {}
            for name, value in values.items():
                rows[split][name] = value
                if (bounds := (intervals.get(split) or {}).get(name)) is not None:
                    rows[split][f"{name}_low"], rows[split][f"{name}_high"] = bounds
        return pandas.DataFrame.from_dict(rows, orient="index")

    def __repr__(self) -> str:
        named = [str(part) for part in (self.record.get("command"), self.path) if part]
        parts = [" ".join(named)] if named else []
        main = self.record.get("main_metric")
        for split, values in self.metrics.items():
            name = main if main in values else next(iter(values), None)
            parts += [f"{split} {name} {values[name]:.4f}"] if name and isinstance(values[name], float) else []
        parts += [counted(len(self.record["answers"]), "answer", "answers")] if "answers" in self.record else []
        parts += [counted(len(self.warnings), "warning", "warnings")] if self.warnings else []
        parts += [self.failure] if self.exit_code and self.failure else []
        return f"<Report {'; '.join(parts) or ', '.join(self.record) or 'empty'}>"

    def __str__(self) -> str:
        return "\n".join([*(line for table in self.tables for line in plain_lines(table)), *self.lines]) or repr(self)

    def _repr_html_(self) -> str:
        """What a notebook shows: what was done where, tables, what was said, plots."""
        name = self.record.get("command")
        parts = [fragments.paragraph(shown(f"{name or 'written'}: {self.path}"), strong=True)] if self.path else []
        for table in self.tables:
            rows = [[_parts_of(value) for value in row] for row in table.rows]
            header = [shown(str(title)) for title in table.header]
            parts.append(fragments.table(shown(table.title), header, rows, to_left(table)))
        parts += [fragments.paragraph(shown(line)) for line in self.lines]
        parts += [fragments.paragraph(shown(self.failure), strong=True)] if self.exit_code and self.failure else []
        for messages, one, many in ((self.warnings, "warning", "warnings"), (self.notes, "note", "notes")):
            if messages:
                said = [shown(message, lines=True) for message in messages]
                parts.append(fragments.folded(counted(len(messages), one, many), said, is_open=one == "warning"))
        parts += fragments.pictures(self.path / "plots") if self.path else []
        return fragments.whole(parts)


class Progress(Protocol):
    """One task under way: `advance` by rows or steps, and say a few figures beside the bar.

    `reset` starts over with another total; `expect` corrects the total, and with it what is left, on the way.
    """

    def advance(self, amount: int = 1, **figures: str) -> None: ...

    def reset(self, total: int, done: int = 0) -> None: ...

    def expect(self, total: int) -> None: ...


class Writing(Protocol):
    """A text that is shown while it is written.

    Attributes:
        text: what was added so far.
    """

    text: str

    def begin(self, prompt: str, *, shaded: bool) -> None:
        """Show what the text stands behind; its pieces may be coloured by their probability."""

    def add(self, piece: str, probability: float) -> None:
        """Show what comes next."""


class Reporter:
    """The silent reporter, and the interface of the others."""

    def note(self, message: str) -> None:
        """Say a fact worth knowing: a guess made, a file found."""

    def warn(self, message: str) -> None:
        """Say what may be wrong although the work goes on."""

    def plan(self, title: str, rows: Sequence[tuple[str, str]]) -> None:
        """Show what is about to be done, before it is done."""

    def table(self, table: Table) -> None:
        """Show a table."""

    def line(self, text: str) -> None:
        """Show a line of the result."""

    def next(self, command: str) -> None:
        """Say a command to go on with."""
        self.note(f"next: {command}")

    @contextmanager
    def progress(self, description: str, total: int, unit: str = "rows") -> Iterator[Progress]:
        """Show a bar (terminal) or a line now and then (elsewhere) while the block runs.

        Args:
            total: how much there is to do; 0 where nobody knows.
            unit: what is counted; "bytes" are shown as kB, MB, ...
        """
        yield _Silent()

    @contextmanager
    def writing(self) -> Iterator[Writing | None]:
        """What shows a text while the block writes it; None where nobody looks on, as away from a terminal."""
        yield None


class _Silent:
    def advance(self, amount: int = 1, **figures: str) -> None:
        pass

    def reset(self, total: int, done: int = 0) -> None:
        pass

    def expect(self, total: int) -> None:
        pass


class Listener(Reporter):
    """Passes on what is said, and keeps notes and warnings.

    Attributes:
        notes, warnings: so far, in order.
    """

    def __init__(self, to: Reporter) -> None:
        self.to = to
        self.notes: list[str] = []
        self.warnings: list[str] = []

    def note(self, message: str) -> None:
        self.notes.append(message)
        self.to.note(message)

    def warn(self, message: str) -> None:
        self.warnings.append(message)
        self.to.warn(message)

    def plan(self, title: str, rows: Sequence[tuple[str, str]]) -> None:
        self.to.plan(title, rows)

    def table(self, table: Table) -> None:
        self.to.table(table)

    def line(self, text: str) -> None:
        self.to.line(text)

    @contextmanager
    def progress(self, description: str, total: int, unit: str = "rows") -> Iterator[Progress]:
        with self.to.progress(description, total, unit) as progress:
            yield progress

    @contextmanager
    def writing(self) -> Iterator[Writing | None]:
        with self.to.writing() as writing:
            yield writing


class _OfPart(Reporter):
    """Passes on what is said, with the part of the work that it is of before it."""

    def __init__(self, to: Reporter, name: str) -> None:
        self.to, self.name = to, name

    def note(self, message: str) -> None:
        self.to.note(f"{self.name}: {message}")

    def warn(self, message: str) -> None:
        self.to.warn(f"{self.name}: {message}")

    def plan(self, title: str, rows: Sequence[tuple[str, str]]) -> None:
        self.to.plan(f"{self.name}: {title}", rows)

    def table(self, table: Table) -> None:
        self.to.table(table)

    def line(self, text: str) -> None:
        self.to.line(text)

    @contextmanager
    def progress(self, description: str, total: int, unit: str = "rows") -> Iterator[Progress]:
        with self.to.progress(f"{self.name}: {description}", total, unit) as progress:
            yield progress


# Control characters (ESC is the one that colours, moves the cursor and renames windows), ends of lines, what turns the
# direction of writing, and halves of characters, which stand for bytes that are no text.
_STEERING = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_STEERING_LINES = re.compile(f"(?!\n  ){_STEERING.pattern}")
_STEERING_JSON = re.compile("[\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def shown(text: str, *, lines: bool = False) -> str:
    """A text as terminals and logs get it: what would steer them is written as it is typed, \\x1b for ESC.

    Args:
        text: which may hold names and values of the user's data.
        lines: ends of lines before two blanks stay, as messages have them before their examples.
    """
    return (_STEERING_LINES if lines else _STEERING).sub(lambda match: repr(match[0])[1:-1], text)


def typed(place: object) -> str:
    """A path or a name as it is typed in a shell, so that a command with it can be pasted as it is printed."""
    text = str(place)
    text = f"./{text}" if text.startswith("-") else text  # no option
    if _STEERING.search(text) is None:
        return shlex.quote(text)
    inner = _STEERING.sub(_in_shell, text.replace("\\", "\\\\").replace("'", "\\'"))
    return f"$'{inner}'"


def _in_shell(match: re.Match[str]) -> str:
    """A character as bash and zsh have it between $' and '; half of a pair stands for a byte that is no text."""
    number = ord(match[0])
    if number < 0x80 or 0xDC80 <= number <= 0xDCFF:
        return f"\\x{number & 0xFF:02x}"
    return f"\\u{number:04x}"


def is_text(argument: str) -> bool:
    """Whether an argument or a name of a file is text: of one that is not, each byte comes as half of a pair."""
    try:
        argument.encode()
    except UnicodeEncodeError:
        return False
    return True


def is_unicode(stream: TextIO) -> bool:
    """Whether any character can be written to a stream."""
    return (getattr(stream, "encoding", None) or "utf-8").lower().replace("_", "-").startswith(("utf", "cp65001"))


def shown_json(document: str) -> str:
    """The same JSON, with what would steer a terminal as escapes."""
    return _STEERING_JSON.sub(lambda match: f"\\u{ord(match[0]):04x}", document)


_current: Reporter = Reporter()


def counted(count: int, one: str, many: str) -> str:
    """A number and what it is of: `one` goes on from 1, `many` from every other."""
    return f"{count:,} {one if count == 1 else many}"


def current() -> Reporter:
    """The reporter in force.

    Raises:
        KeyboardInterrupt: there was one that was lost, see `interrupts`.
    """
    interrupts.check()
    return _current


def install(reporter: Reporter) -> None:
    """Make `reporter` the one that recipes speak to."""
    global _current
    _current = reporter


@contextmanager
def listening() -> Iterator[Listener]:
    """Keep what is noted and warned of while the block runs; it is shown as ever."""
    before = current()
    listener = Listener(before)
    install(listener)
    try:
        yield listener
    finally:
        install(before)


@contextmanager
def part(name: str) -> Iterator[None]:
    """Say of which part of the work what is said in the block is, as in "fold 2/5: train"."""
    before = current()
    install(_OfPart(before, name))
    try:
        yield
    finally:
        install(before)


@contextmanager
def silent() -> Iterator[None]:
    """Say nothing while the block runs."""
    before = current()
    install(Reporter())
    try:
        yield
    finally:
        install(before)


def rate(per_second: float, unit: str, decimals: int = 1) -> str:
    """How often something happens, as people write it: 12.0 rows/s; slower 24.0 rows/min, or 7.2 rows/h."""
    for period, seconds in (("s", 1), ("min", 60)):
        if per_second * seconds >= 1 or not per_second:
            return f"{per_second * seconds:,.{decimals}f} {unit}/{period}"
    return f"{per_second * 3600:,.{decimals}f} {unit}/h"


def duration(seconds: float) -> str:
    """Seconds as people write them: 4.2 s, 3:05 min, 2:04:09 h."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02d} min"
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d} h"
