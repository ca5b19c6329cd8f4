"""How functions of the API speak: warnings to the logger `nlpkit`, bars where somebody sees them."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from html import escape
from typing import Any

from nlpkit.reporting import Listener, Progress, Reporter, Table

LOGGER = logging.getLogger("nlpkit")
REDRAWN = 0.2  # seconds between two states of a bar in a notebook


def reporter(*, progress: bool | None) -> Reporter:
    """What a function speaks to.

    Args:
        progress: show plan and bars: as the command line does, on standard error; in a notebook one bar that is drawn
            anew in its place. None: only in a notebook.
    """
    display = _display()
    if display is not None and progress is not False:
        return NotebookReporter(display)
    if not progress:
        return Reporter()
    from nlpkit.cli.console import PlainReporter, RichReporter

    if not sys.stderr.isatty():
        return PlainReporter(sys.stderr)
    from rich.console import Console

    return RichReporter(Console(stderr=True))


def _display() -> Callable[..., Any] | None:
    """What shows something in the notebook that this process computes for; None where there is none."""
    shell = sys.modules.get("IPython")
    if shell is None or (active := shell.get_ipython()) is None or not hasattr(active, "kernel"):
        return None
    from IPython.display import display

    return display


class Spoken(Listener):
    """Keeps notes and warnings in the caller's words, and logs them: warnings are seen unless the caller asks for
    nothing, notes where INFO is asked for.

    Args:
        to: shows plan and bars.
        worded: puts a message into the caller's words.
    """

    def __init__(self, to: Reporter, worded: Callable[[str], str]) -> None:
        super().__init__(to)
        self.worded = worded

    def note(self, message: str) -> None:
        message = self.worded(message)
        self.notes.append(message)
        LOGGER.info("%s", message)

    def warn(self, message: str) -> None:
        message = self.worded(message)
        self.warnings.append(message)
        LOGGER.warning("%s", message)

    def plan(self, title: str, rows: Sequence[tuple[str, str]]) -> None:
        for name, text in rows:
            LOGGER.info("%s: %s: %s", title, name, text)
        self.to.plan(title, rows)

    def table(self, table: Table) -> None:
        self.to.table(table)


class NotebookReporter(Reporter):
    """A bar in the output of a cell, gone when the work is done.

    Args:
        display: of IPython.
    """

    def __init__(self, display: Callable[..., Any]) -> None:
        self.display = display

    @contextmanager
    def progress(self, description: str, total: int, unit: str = "rows") -> Iterator[Progress]:
        bar = _Bar(self.display, description, total, unit)
        try:
            yield bar
        finally:
            bar.close()


class _Bar:
    def __init__(self, display: Callable[..., Any], description: str, total: int, unit: str) -> None:
        self.description, self.unit = description, unit
        self.figures: dict[str, str] = {}
        self.reset(total)
        self.shown = display(self._now(), raw=True, display_id=True)

    def reset(self, total: int, done: int = 0) -> None:
        self.total, self.done, self.first = total, done, done
        self.begun = self.last = time.monotonic()

    def expect(self, total: int) -> None:
        self.total = total

    def advance(self, amount: int = 1, **figures: str) -> None:
        self.done += amount
        self.figures = figures or self.figures
        now = time.monotonic()
        if now - self.last >= REDRAWN:
            self.last = now
            self.shown.update(self._now(), raw=True)

    def close(self) -> None:
        """Take the bar away."""
        self.shown.update({"text/plain": "", "text/html": ""}, raw=True)

    def _now(self) -> dict[str, str]:
        """The state, as text and as HTML."""
        from nlpkit.cli.console import amount_of, rate_of

        rate = (self.done - self.first) / max(time.monotonic() - self.begun, 1e-9)
        parts = [amount_of(self.done, self.unit, of=self.total), rate_of(rate, self.unit) if self.done else ""]
        parts += [f"{name} {value}" for name, value in self.figures.items()]
        said = "  ".join(part for part in parts if part)
        length = f'value="{min(self.done, self.total)}" max="{self.total}"' if self.total else ""
        html = f"{escape(self.description)} <progress {length}></progress> {escape(said)}"
        return {"text/plain": f"{self.description}: {said}", "text/html": html}
