"""How nlpkit looks: rich on a terminal, plain lines elsewhere, one JSON document with `--json`."""

from __future__ import annotations

import json as json_module
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TextIO

from nlpkit import interrupts, process
from nlpkit.cli.manual import continued, wrapped_lines
from nlpkit.reporting import (
    Cell,
    Estimate,
    Marked,
    Pieces,
    Progress,
    Report,
    Reporter,
    Shaded,
    Table,
    Writing,
    cell,
    duration,
    is_unicode,
    plain_lines,
    rate,
    shown,
    shown_json,
    to_left,
)
from nlpkit.runs.folder import human_bytes

PLAIN_PROGRESS_SECONDS = 15.0
# Columns of a terminal from which a bar leaves room for the figures beside it, and for the rate, too.
FIGURES_FROM, RATE_FROM = 70, 100
PIECE_STYLES = ("black on bright_cyan", "black on bright_yellow")  # neighbouring pieces of a text
# Least probability of a piece of text, what stands in the legend, and its colour.
SHADES = (
    (0.5, "50 % and more", "green"),
    (0.2, "20 to 50 %", "cyan"),
    (0.05, "5 to 20 %", "yellow"),
    (0.0, "below 5 %", "red"),
)
LABEL_COLOURS = ("bright_cyan", "bright_yellow", "bright_green", "bright_magenta", "bright_blue", "bright_red", "white")


class PlainReporter(Reporter):
    """Lines without control codes, for files, pipes and CI logs."""

    def __init__(self, stream: TextIO, *, quiet: bool = False) -> None:
        self.stream = stream
        self.quiet = quiet

    def _say(self, text: str = "") -> None:
        print(shown(text, lines=True), file=self.stream, flush=True)

    def note(self, message: str) -> None:
        if not self.quiet:
            self._say(message)

    def warn(self, message: str) -> None:
        print(f"warning: {shown(message, lines=True)}", file=sys.stderr, flush=True)

    def plan(self, title: str, rows: Sequence[tuple[str, str]]) -> None:
        if self.quiet:
            return
        width = max(len(name) for name, _ in rows)
        self._say(title)
        for name, text in rows:
            self._say(f"  {name:<{width}}  {shown(text)}")

    def line(self, text: str) -> None:
        self._say(text)

    def table(self, table: Table) -> None:
        for line in plain_lines(table):
            self._say(line)

    @contextmanager
    def progress(self, description: str, total: int, unit: str = "rows") -> Iterator[Progress]:
        yield _PlainProgress(self, description, total, unit)


class _PlainProgress:
    """One line every `PLAIN_PROGRESS_SECONDS` at most: short work leaves no trace in a log."""

    def __init__(self, reporter: PlainReporter, description: str, total: int, unit: str) -> None:
        self.reporter, self.description, self.unit = reporter, description, unit
        self.reset(total)

    def reset(self, total: int, done: int = 0) -> None:
        self.total, self.done, self.first = total, done, done
        self.start = self.last = time.monotonic()

    def expect(self, total: int) -> None:
        self.total = total

    def advance(self, amount: int = 1, **figures: str) -> None:
        interrupts.check()
        self.done += amount
        now = time.monotonic()
        if now - self.last < PLAIN_PROGRESS_SECONDS or self.reporter.quiet:
            return
        self.last = now
        speed = (self.done - self.first) / (now - self.start)
        parts = [f"{self.description}: {amount_of(self.done, self.unit)}", rate_of(speed, self.unit)]
        if self.total:
            left = (self.total - self.done) / speed if speed else 0
            parts[0] = (
                f"{self.description}: {amount_of(self.done, self.unit, of=self.total)} "
                f"({100 * self.done / self.total:.0f} %)"
            )
            parts.append(f"{duration(left)} left")
        parts += [f"{name} {value}" for name, value in figures.items()]
        self.reporter.note("  ".join(parts))


class RichReporter(Reporter):
    """Colour, tables and bars on a terminal."""

    def __init__(self, console: Any, *, quiet: bool = False) -> None:
        self.console = console
        self.quiet = quiet
        self.errors = console if console.stderr else None

    def _print(self, text: str, **how: Any) -> None:
        """Lines that break at blanks; a word that is longer than a line, as a path, stays whole to be copied."""
        wrapped = "\n".join(wrapped_lines(text, self.console.width))
        self.console.print(wrapped, markup=False, emoji=False, soft_wrap=True, **how)

    def note(self, message: str) -> None:
        if not self.quiet:
            self._print(shown(message, lines=True), style="dim", highlight=False)

    def warn(self, message: str) -> None:
        from rich.console import Console

        errors = self.errors or Console(stderr=True)
        text = "\n".join(wrapped_lines(f"warning: {shown(message, lines=True)}", errors.width))
        errors.print(text, style="yellow", markup=False, emoji=False, soft_wrap=True)

    def plan(self, title: str, rows: Sequence[tuple[str, str]]) -> None:
        if self.quiet:
            return
        from rich.text import Text

        width = max(len(name) for name, _ in rows) + 2
        self.console.print(Text(shown(title), style="bold"))
        for name, text in rows:
            first, *others = wrapped_lines(shown(text), max(self.console.width - width, 20)) or [""]
            self.console.print(Text.assemble((f"{name:<{width}}", "cyan"), first), soft_wrap=True)
            for line in others:
                self.console.print(Text(f"{'':<{width}}{line}"), soft_wrap=True)

    def line(self, text: str) -> None:
        self._print(shown(text, lines=True), highlight=False)

    def next(self, command: str) -> None:
        if not self.quiet:
            lines = "\n".join(continued(f"next: {shown(command)}", self.console.width))
            self.console.print(lines, style="dim", highlight=False, markup=False, emoji=False, soft_wrap=True)

    def table(self, table: Table) -> None:
        from rich import box
        from rich.table import Table as RichTable
        from rich.text import Text

        if _least_width(table) > self.console.width and _least_width(turned := _turned(table)) < _least_width(table):
            table = turned
        words, least = _least_widths(table), _least_width(table)
        drawn = RichTable(title=Text(shown(table.title), style="bold"), box=box.SIMPLE_HEAD, title_justify="left")
        for name, left in zip(table.header, to_left(table), strict=True):
            whole = least <= self.console.width  # then neither a number nor a word is broken
            drawn.add_column(
                Text(shown(name)),
                justify="left" if left else "right",
                overflow="fold",
                no_wrap=whole and not left,
                min_width=words[len(drawn.columns)] if whole else None,
            )
        colours = self._colours
        between = " " if self._fits(table) else "\n"
        for row in table.rows:
            cells = (
                _coloured(value)
                if isinstance(value, Pieces | Marked | Shaded) and colours
                else Text(between.join(value.parts()) if isinstance(value, Estimate) else shown(cell(value)))
                for value in row
            )
            drawn.add_row(*cells)
        self.console.print(drawn)
        if colours and any(isinstance(value, Shaded) for row in table.rows for value in row):
            self.console.print(_legend())

    @property
    def _colours(self) -> bool:
        return self.console.color_system is not None and not self.console.no_color

    @contextmanager
    def writing(self) -> Iterator[Writing | None]:
        if self.errors is not None:  # the answers go to standard output
            yield None
            return
        writing = _RichWriting(self.console, colours=self._colours)
        try:
            yield writing
        finally:  # of a text that was interrupted, too
            writing.end()

    def _fits(self, table: Table) -> bool:
        """Whether each row fits on a line; else intervals stand below their figures."""
        columns = zip(*((cell(value) for value in row) for row in (table.header, *table.rows)), strict=True)
        return sum(max(map(len, column)) + 2 for column in columns) <= self.console.width

    @contextmanager
    def progress(self, description: str, total: int, unit: str = "rows") -> Iterator[Progress]:
        from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        if self.quiet:
            with super().progress(description, total, unit) as silent:
                yield silent
            return
        rate, figures = self.console.width >= RATE_FROM, self.console.width >= FIGURES_FROM
        bar = RichProgress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[done]}", style="green"),
            TaskProgressColumn(),
            *([TextColumn("{task.fields[rate]}")] if rate else []),
            TimeRemainingColumn(),
            *([TextColumn("{task.fields[figures]}", style="dim", markup=False)] if figures else []),
            console=self.console,
            transient=True,
            expand=True,
        )
        with bar:
            task = bar.add_task(shown(description), total=total or None, done="", rate="", figures="")
            yield _RichProgress(bar, task, unit)


class _RichWriting:
    """A text that grows; the terminal breaks its lines."""

    def __init__(self, console: Any, *, colours: bool) -> None:
        self.console, self.colours = console, colours
        self.begun = self.shaded = False
        self.text = ""

    def begin(self, prompt: str, *, shaded: bool) -> None:
        self.begun, self.shaded = True, shaded and self.colours
        self._show(prompt, "bold")

    def add(self, piece: str, probability: float) -> None:
        interrupts.check()
        self.text += piece
        self._show(piece, _shade(probability) if self.shaded else "")

    def end(self) -> None:
        if self.begun:
            self.console.print()
        if self.shaded:
            self.console.print(_legend())

    def _show(self, piece: str, style: str) -> None:
        from rich.text import Text

        lines = "\n".join(shown(line) for line in piece.split("\n"))
        self.console.print(Text(lines, style=style), end="", soft_wrap=True)
        self.console.file.flush()


class _RichProgress:
    def __init__(self, bar: Any, task: Any, unit: str) -> None:
        self.bar, self.task, self.unit = bar, task, unit
        self.said = ""

    def reset(self, total: int, done: int = 0) -> None:
        self.bar.reset(self.task, total=total, completed=done)

    def expect(self, total: int) -> None:
        self.bar.update(self.task, total=total)

    def advance(self, amount: int = 1, **figures: str) -> None:
        interrupts.check()
        if figures:
            self.said = shown("  ".join(f"{name} {value}" for name, value in figures.items()))
        task = self.bar.tasks[self.bar.task_ids.index(self.task)]
        speed = rate_of(task.speed, self.unit) if task.speed else ""
        done = amount_of(int(task.completed) + amount, self.unit, of=int(task.total or 0))
        self.bar.update(self.task, advance=amount, figures=self.said, rate=speed, done=done)


def _stacked(value: Cell) -> Sequence[str]:
    """A cell as it stands in the narrowest column: an interval below its figure."""
    return value.parts() if isinstance(value, Estimate) else [shown(cell(value))]


def _least_widths(table: Table) -> list[int]:
    """Characters that each column needs: numbers and the names above them whole, texts broken at blanks."""
    widths = []
    for i, left in enumerate(to_left(table)):
        cells = [part for row in (table.header, *table.rows) for part in _stacked(row[i])]
        parts = [word for text in cells for word in text.split()] if left else cells
        widths.append(max(map(len, parts), default=0))
    return widths


def _least_width(table: Table) -> int:
    return sum(width + 2 for width in _least_widths(table)) + 1


def _turned(table: Table) -> Table:
    """The same figures with a line for each column: of a few models with many figures it is narrower."""
    header = [table.header[0], *(cell(row[0]) for row in table.rows)]
    rows = [[name, *(row[i] for row in table.rows)] for i, name in enumerate(table.header) if i]
    return Table(table.title, header, rows, to_left=table.to_left)


def _shade(probability: float) -> str:
    return next(style for least, _, style in SHADES if probability >= least)


def _legend() -> Any:
    from rich.text import Text

    drawn = Text()
    drawn.append("probability of a token: ", style="dim")
    for _, name, style in SHADES:
        drawn.append(f"{name}  ", style=style)
    return drawn


def _coloured(value: Pieces | Marked | Shaded) -> Any:
    from rich.text import Text

    drawn = Text()
    if isinstance(value, Shaded):
        for piece, probability in value.pieces:
            drawn.append(shown(piece), style=_shade(probability))
        return drawn
    if isinstance(value, Pieces):
        for i, piece in enumerate(value.pieces):
            drawn.append(shown(piece), style=PIECE_STYLES[i % len(PIECE_STYLES)])
        return drawn
    colours = {label: LABEL_COLOURS[i % len(LABEL_COLOURS)] for i, label in enumerate(value.labels)}
    for part, label in value.parts():
        if label is None:
            drawn.append(shown(part))
        elif not label:
            drawn.append(shown(part), style="bold bright_yellow")
        else:
            drawn.append(f" {shown(part)} ", style=f"black on {colours[label]}")
            drawn.append(f"{shown(label)} ", style=f"bold black on {colours[label]}")
    return drawn


def amount_of(amount: float, unit: str, decimals: int = 0, *, of: int = 0) -> str:
    """An amount with its unit, as a part of another where that is known: 1,000/2,000 rows, 1.0 MB/2.0 MB."""
    if unit == "bytes":
        return human_bytes(amount) + (f"/{human_bytes(of)}" if of else "")
    named = unit.removesuffix("s") if amount == 1 and not of and not decimals else unit
    return f"{amount:,.{decimals}f}" + (f"/{of:,}" if of else "") + f" {named}"


def rate_of(per_second: float, unit: str) -> str:
    """A rate as `reporting.rate` has it; of bytes as sizes are written."""
    return f"{human_bytes(per_second)}/s" if unit == "bytes" else rate(per_second, unit)


def console_reporter(*, quiet: bool, json: bool) -> Reporter:
    """The reporter for this process: silent unless it is the main one, on stderr when stdout carries JSON."""
    if not process.is_main_process():
        return Reporter()
    stream = sys.stderr if json else sys.stdout
    if stream.isatty():
        from rich.console import Console

        return RichReporter(Console(stderr=json), quiet=quiet)
    return PlainReporter(stream, quiet=quiet)


def show(report: Report, *, json: bool) -> None:
    """Print a finished report."""
    from nlpkit import reporting

    if json:
        document = json_module.dumps(report.record, ensure_ascii=not is_unicode(sys.stdout), indent=2, allow_nan=False)
        print(shown_json(document))
        return
    reporter = reporting.current()
    for table in report.tables:
        reporter.table(table)
    for line in report.lines:
        reporter.line(line)
    if report.next_command:
        reporter.next(report.next_command)
