"""How recipes speak: they call the current reporter and never print.

The command line installs a reporter that draws (rich) or writes plain lines; the Python API is silent
unless its user installs one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

Cell = str | int | float | None


@dataclass
class Table:
    """A result table; floats are shown with four decimals."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[Cell]]


@dataclass
class Report:
    """What a recipe's `run` returns: the same result for people and for machines."""

    record: dict[str, Any]  # JSON values: what `--json` prints
    tables: list[Table] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    next_command: str | None = None
    exit_code: int = 0  # 1: a gate did not hold; 2: the data are unusable


class Progress(Protocol):
    """One task under way: `advance` by rows or steps, and say a few figures beside the bar."""

    def advance(self, amount: int = 1, **figures: str) -> None: ...

    def reset(self, total: int, done: int = 0) -> None: ...


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

    @contextmanager
    def progress(self, description: str, total: int, unit: str = "rows") -> Iterator[Progress]:
        """Show a bar (terminal) or a line now and then (elsewhere) while the block runs."""
        yield _Silent()


class _Silent:
    def advance(self, amount: int = 1, **figures: str) -> None:
        pass

    def reset(self, total: int, done: int = 0) -> None:
        pass


_current: Reporter = Reporter()


def current() -> Reporter:
    """The reporter in force."""
    return _current


def install(reporter: Reporter) -> None:
    """Make `reporter` the one that recipes speak to."""
    global _current
    _current = reporter
