"""How tables with pieces and progress in bytes look, on a terminal and off it."""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from nlpkit.cli import app, console
from nlpkit.cli.console import PlainReporter, RichReporter
from nlpkit.cli.registry import COMMANDS
from nlpkit.data.writers import writer
from nlpkit.errors import Interrupted
from nlpkit.experiment.resume import telling_how_to_resume
from nlpkit.reporting import Marked, Pieces, Report, Table, shown, typed
from nlpkit.tasks.question_answering.task import QuestionAnswering
from nlpkit.tasks.text_classification.task import TextClassification

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


@pytest.mark.parametrize(
    ("per_second", "unit", "text"),
    [
        (12.0, "rows", "12.0 rows/s"),
        (1234.56, "rows", "1,234.6 rows/s"),
        (0.4, "rows", "24.0 rows/min"),
        (1 / 90, "steps", "40.0 steps/h"),
        (0.0, "rows", "0.0 rows/s"),
        (50_000, "bytes", "50.0 kB/s"),
    ],
)
def test_a_slow_rate_is_of_a_longer_time(per_second: float, unit: str, text: str) -> None:
    assert console.rate_of(per_second, unit) == text


def test_one_is_no_plural() -> None:
    assert console.amount_of(1, "models") == "1 model"
    assert console.amount_of(1, "rows", of=1) == "1/1 rows"


# --- the width of a terminal ---

LONG = "/a/very/long/path/that/is/copied/from/the/screen/to/somewhere/else/by/its/user/runs/reviews-minilm/README.md"


def drawn(width: int, say: Any) -> list[str]:
    out = io.StringIO()
    say(RichReporter(Console(file=out, force_terminal=True, color_system=None, width=width)))
    return out.getvalue().splitlines()


@pytest.mark.parametrize("width", [60, 80, 120, 200])
@pytest.mark.parametrize("how", ["line", "note", "plan", "warn"])
def test_text_breaks_between_words_and_a_path_stays_whole(
    how: str, width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    text = f"{'the model and what was measured of it ' * 6}{LONG} and more {'of that ' * 20}end"

    def say(reporter: RichReporter) -> None:
        reporter.plan("plan", [("output", text)]) if how == "plan" else getattr(reporter, how)(text)

    lines = drawn(width, say) or capsys.readouterr().err.splitlines()
    assert [word for line in lines for word in line.split()][-len(text.split()) :] == text.split()
    assert all(len(line) <= width or LONG in line for line in lines)
    assert max(map(len, lines)) > width - 20  # and none is shorter than it need be


def test_an_error_breaks_between_words_and_its_command_stays_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert app.main(["finetune-cls", "--data", f"{LONG}.csv", "--epochs", "0", "--batch-size", "0"]) == 2
    lines = sys.stderr.getvalue().splitlines()  # type: ignore[attr-defined]
    assert all(len(line) <= 60 or LONG in line for line in lines)
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert app.main(["finetun-cls"]) == 2
    assert f"    nlpkit finetune-cls     {COMMANDS['finetune-cls'].help}\n" in sys.stderr.getvalue()  # type: ignore[attr-defined]


def test_a_command_is_continued_as_a_shell_has_it() -> None:
    command = f'nlpkit predict {LONG} "a text of some words that stays together" --output answers.csv --device cpu'
    lines = drawn(60, lambda reporter: reporter.next(command))
    assert len(lines) > 2
    assert all(line.endswith(" \\") for line in lines[:-1])
    typed_again = "\n".join(lines).removeprefix("next: ").replace("\\\n", "")
    assert shlex.split(typed_again) == shlex.split(command)


FIGURES = Table(
    "models",
    ["model", "accuracy", "parameters", "size", "p50 ms", "p95 ms", "rows/s", "memory"],
    [
        ["runs/reviews", 0.8292, "22.7 M", "90.9 MB", 12.5, 13.25, 81.3, "512 MB"],
        ["int8", 0.8, "22.7 M", "23 MB", 1.5, 1.5, 1.5, "1 MB"],
    ],
)


def test_a_table_that_is_too_wide_is_turned() -> None:
    wide = drawn(120, lambda reporter: reporter.table(FIGURES))
    assert any(line.split()[:3] == ["runs/reviews", "0.8292", "22.7"] for line in wide)
    narrow = drawn(60, lambda reporter: reporter.table(FIGURES))
    assert all(len(line) <= 60 for line in narrow)
    assert any(line.split() == ["p95", "ms", "13.2500", "1.5000"] for line in narrow)
    assert any(line.split() == ["model", "runs/reviews", "int8"] for line in narrow)


def test_a_table_in_a_pipe_is_as_wide_as_its_text() -> None:
    out = io.StringIO()
    PlainReporter(out).table(Table("t", ["name", "n"], [[LONG, 1], ["b", 22]]))
    assert [len(line) for line in out.getvalue().splitlines()[1:]] == [len(LONG) + 6] * 3


def test_a_bar_takes_the_width() -> None:
    def bar(width: int) -> int:
        out = io.StringIO()
        reporter = RichReporter(Console(file=out, force_terminal=True, color_system=None, width=width))
        with reporter.progress("read", 10) as progress:
            progress.advance(3, loss="0.5")
        return max(line.count("\u2501") for line in out.getvalue().splitlines())

    assert 0 < bar(60) < bar(120) < bar(200)


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


# --- what texts, labels and names of files may hold ---

HOSTILE = "\x1b[31mred\x1b]0;title\x07 \x9b1m \u202eabc\u2066 \u2028x\r\0 [link=http://x]y[/link] [red]z :smile: \udcff"
HARMLESS = (
    r"\x1b[31mred\x1b]0;title\x07 \x9b1m \u202eabc\u2066 \u2028x\r\x00 [link=http://x]y[/link] [red]z :smile: \udcff"
)


@pytest.mark.parametrize("kind", ["plain", "rich"])
def test_nothing_that_is_shown_steers_a_terminal(
    kind: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = io.StringIO()
    rich = Console(file=out, force_terminal=True, color_system=None, width=2000)
    reporter = PlainReporter(out) if kind == "plain" else RichReporter(rich)
    marked = Marked(HOSTILE, [(0, 8, HOSTILE)], [HOSTILE])
    monkeypatch.setattr(console, "PLAIN_PROGRESS_SECONDS", 0.0)
    monkeypatch.setenv("COLUMNS", "2000")
    saying: list[Any] = [
        lambda: reporter.note(HOSTILE),
        lambda: reporter.line(HOSTILE),
        lambda: reporter.plan(HOSTILE, [("data", HOSTILE)]),
        lambda: reporter.table(Table(HOSTILE, [HOSTILE, "b"], [[HOSTILE, HOSTILE]])),
        lambda: reporter.table(Table("", ["a", "b"], [[Pieces([HOSTILE]), marked]])),
        lambda: reporter.warn(HOSTILE),
    ]
    for say in saying:
        say()
        text = out.getvalue() + "".join(capsys.readouterr())
        assert HARMLESS in text
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u202a-\u202e\u2066-\u2069\ud800-\udfff]", text)
        out.truncate(0)
        out.seek(0)
    with reporter.progress(HOSTILE, 2) as bar:
        bar.advance(1, loss=HOSTILE)
    if kind == "plain":
        assert HARMLESS in out.getvalue()
    assert "\x1b[31mred" not in out.getvalue()
    assert "\u202e" not in out.getvalue()


def test_colours_and_markup_of_a_text_are_none_on_a_terminal() -> None:
    out = io.StringIO()
    rich = RichReporter(Console(file=out, force_terminal=True, color_system="standard", width=400))
    rich.table(Table("t", ["a"], [[Pieces([HOSTILE])], [Marked(HOSTILE, [(0, 3, "[bold]")], ["[bold]"])]]))
    assert "[link=http://x]y[/link] [red]z :smile:" in out.getvalue()
    assert "[bold]" in out.getvalue()
    assert "\x1b[31m" not in out.getvalue()


def test_errors_do_not_steer_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (
        ["check-data", "--data", f"no{HOSTILE[:12]}.csv"],
        ["check-data", f"--{HOSTILE[:12]}"],
        [HOSTILE[:12]],
        ["env", HOSTILE[:12]],
    ):
        assert app.main(arguments) == 2
        said = capsys.readouterr().err
        assert r"\x1b[31mred" in said
        assert "\x1b" not in said


def test_answers_on_a_terminal_are_the_same_json_without_what_steers_it(capsys: pytest.CaptureFixture[str]) -> None:
    row = {"text": HOSTILE.replace("\udcff", "") + "é\U0001f600", "label": "\x9b"}
    with writer(None) as write:
        write([row])
    console.show(Report(row), json=True)
    printed = capsys.readouterr().out
    assert not set(printed) & {"\x1b", "\x9b", "\u202e", "\u2028", "\u2066"}
    assert "é" in printed
    assert json.loads(printed.splitlines()[0]) == row
    assert json.loads("".join(printed.splitlines()[1:])) == row


def test_json_is_json_where_the_stream_has_no_such_letters(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    console.show(Report({"text": "é😀"}), json=True)
    with writer(None) as write:
        write([{"text": "é😀"}])
    sys.stdout.flush()
    document, _, line = raw.getvalue().decode("ascii").partition("}\n")
    assert json.loads(document + "}") == json.loads(line) == {"text": "é😀"}


# --- what can be pasted ---


@pytest.mark.parametrize(
    "name",
    [
        "runs/plain", "a b", "it's", 'say "x"', "-rf", "--output", "$HOME", "a;b", "`id`", "new\nline", "tab\t'\\ x",
        "\x1b[31m", "\u202eabc", "é", "\udcff\udce4.csv", "*", "~x",
    ],
)  # fmt: skip
def test_a_path_in_a_printed_command_can_be_pasted(name: str) -> None:
    written = shown(typed(name), lines=True)
    assert written == typed(name)
    said = subprocess.run(["bash", "-c", f"printf %s {written}"], capture_output=True, check=True)
    assert said.stdout == os.fsencode(f"./{name}" if name.startswith("-") else name)


def test_the_next_command_is_one_to_paste() -> None:
    folder = Path("my runs/it's $5")
    for task in (TextClassification, QuestionAnswering):
        assert shlex.split(task.view_type().example_call(folder))[:3] == ["nlpkit", "predict", str(folder)]
    with pytest.raises(Interrupted) as stopped, telling_how_to_resume("distill", folder):
        raise KeyboardInterrupt
    hint = str(stopped.value.hint).removeprefix("Go on with: ")
    assert shlex.split(hint) == ["nlpkit", "distill", "--output", str(folder), "--resume"]
