"""Figures with intervals on terminals of any width, and where there is none."""

from __future__ import annotations

import io

from nlpkit.cli.console import PlainReporter, RichReporter
from nlpkit.reporting import Estimate, Table

TABLE = Table(
    "result",
    ["split", "rows", "accuracy", "f1_macro", "f1"],
    [["validation", 90, *[Estimate(0.7556, 0.6573, 0.8325)] * 3]],
)


def drawn(width: int) -> list[str]:
    from rich.console import Console

    stream = io.StringIO()
    RichReporter(Console(file=stream, width=width, force_terminal=True, no_color=True, legacy_windows=False)).table(
        TABLE
    )
    return stream.getvalue().splitlines()


def test_intervals_stand_beside_figures_where_there_is_room() -> None:
    (line,) = (line for line in drawn(120) if "validation" in line)
    assert line.count("0.76 (0.66 to 0.83)") == 3


def test_on_a_narrow_terminal_they_stand_below_their_figures() -> None:
    lines = drawn(80)
    figures, between = (next(line for line in lines if text in line) for text in ("validation", " to "))
    assert figures.count("0.76") == 3 and "(" not in figures
    assert between.count("(0.66 to 0.83)") == 3
    assert len(figures) <= 80 and len(between) <= 80


def test_a_log_has_them_on_one_line() -> None:
    stream = io.StringIO()
    PlainReporter(stream).table(TABLE)
    assert stream.getvalue().splitlines()[-1].split("  ")[-1] == "0.76 (0.66 to 0.83)"
