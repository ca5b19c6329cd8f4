"""How tables with pieces and progress in bytes look, on a terminal and off it."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from nlpkit.cli import console
from nlpkit.cli.console import PlainReporter, RichReporter
from nlpkit.reporting import Marked, Pieces, Table

TABLE = Table("cut", ["name", "tokens", "pieces"], [["a", 2, Pieces(["un", "##do"])], ["long name", 1, Pieces(["x"])]])


def test_pieces_in_plain_lines() -> None:
    out = io.StringIO()
    PlainReporter(out).table(TABLE)
    assert out.getvalue().splitlines() == [
        "cut",
        "  name       tokens  pieces",
        "  a               2  un|##do",
        "  long name       1  x",
    ]


def test_pieces_have_alternating_colours_on_a_terminal() -> None:
    out = io.StringIO()
    RichReporter(Console(file=out, force_terminal=True, color_system="standard", width=80)).table(TABLE)
    drawn = out.getvalue()
    assert "|" not in drawn
    assert "\x1b[30;106mun\x1b[0m\x1b[30;103m##do\x1b[0m" in drawn


def test_marked_texts_have_a_colour_a_label_and_brackets_without(monkeypatch: pytest.MonkeyPatch) -> None:
    marked = Marked("In Rome, Bob", [(3, 7, "LOC"), (9, 12, "PER")], ["PER", "LOC"])
    table = Table("texts", ["text"], [[marked]])
    out = io.StringIO()
    RichReporter(Console(file=out, force_terminal=True, color_system="standard", width=80)).table(table)
    assert "In \x1b[30;103m Rome \x1b[0m\x1b[1;30;103mLOC \x1b[0m, \x1b[30;106m Bob \x1b[0m" in out.getvalue()
    monkeypatch.setenv("NO_COLOR", "1")
    plain = io.StringIO()
    RichReporter(Console(file=plain, force_terminal=True, width=80)).table(table)
    PlainReporter(plain).table(table)
    assert plain.getvalue().count("In [Rome: LOC], [Bob: PER]") == 2


def test_pieces_without_colours_have_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    out = io.StringIO()
    RichReporter(Console(file=out, force_terminal=True, width=80)).table(TABLE)
    assert "un|##do" in out.getvalue()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((1_234, "rows"), "1,234 rows"),
        ((1_234.56, "steps", 1), "1,234.6 steps"),
        ((1_234_567, "bytes"), "1.2 MB"),
    ],
)
def test_amounts(arguments: tuple[float, str], text: str) -> None:
    assert console.amount_of(*arguments) == text


def test_amounts_of_a_whole() -> None:
    assert console.amount_of(5, "rows", of=2_000) == "5/2,000 rows"
    assert console.amount_of(1_500_000, "bytes", of=3_000_000) == "1.5 MB/3.0 MB"


def test_plain_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 20.0, 21.0, 40.0])
    monkeypatch.setattr(console.time, "monotonic", lambda: next(clock))
    out = io.StringIO()
    with PlainReporter(out).progress("read", 4_000_000, "bytes") as bar:
        bar.advance(1_000_000)
        bar.advance(1_000_000)  # too soon for another line
        bar.advance(1_000_000, loss="0.5")
    assert out.getvalue().splitlines() == [
        "read: 1.0 MB/4.0 MB (25 %)  50.0 kB/s  1:00 min left",
        "read: 3.0 MB/4.0 MB (75 %)  75.0 kB/s  13.3 s left  loss 0.5",
    ]


def test_progress_of_unknown_length(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 20.0])
    monkeypatch.setattr(console.time, "monotonic", lambda: next(clock))
    out = io.StringIO()
    with PlainReporter(out).progress("read", 0, "bytes") as bar:
        bar.advance(1_000_000)
    assert out.getvalue() == "read: 1.0 MB  50.0 kB/s\n"
    drawn = io.StringIO()
    with RichReporter(Console(file=drawn, force_terminal=True, width=100)).progress("read", 0, "bytes") as bar:
        bar.advance(1_000_000)
    assert "1.0 MB" in drawn.getvalue()


def test_a_row_of_a_plain_table_is_one_line() -> None:
    out = io.StringIO()
    PlainReporter(out).table(Table("labels", ["a\nb", "n"], [["card\narrival", 1], ["\x1b[2Jtab\t", 2]]))
    assert out.getvalue().splitlines() == [
        "labels",
        "  a\\nb           n",
        "  card\\narrival  1",
        "  \\x1b[2Jtab\\t   2",
    ]
