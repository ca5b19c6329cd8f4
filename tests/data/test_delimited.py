"""Csv and tsv as people have them: no line goes missing, and what is guessed is told."""

from __future__ import annotations

import csv
import io
import itertools
import random
from pathlib import Path

import pytest
from hearing import Heard

from nlpkit.data import delimited, readers
from nlpkit.data.inputs import Reading, Wanted
from nlpkit.errors import UserError

RAW = 'text\tlabel\nplain one\t1\n"Opens and is not closed\t0\nplain two\t1\nclosed here"\t1\n"a" and "b"\t0\n'


def rows_of(path: Path, content: str, **reading: object) -> list[readers.Row]:
    """The rows of a file with this content, bad ones among them."""
    path.write_text(content, encoding="utf-8", newline="")
    return list(readers.read_rows(path, Reading(**reading), on_error="keep"))  # type: ignore[arg-type]


def cells_of(rows: list[readers.Row]) -> list[tuple[object, ...]]:
    return [tuple(row.values.values()) for row in rows]


# --- quotes


def test_quotes_in_tab_separated_text_are_text_where_lines_fit_only_so(tmp_path: Path, heard: Heard) -> None:
    rows = rows_of(tmp_path / "a.tsv", RAW)
    assert [row.line for row in rows] == [2, 3, 4, 5, 6]
    assert cells_of(rows)[1] == ('"Opens and is not closed', "0")
    assert cells_of(rows)[3:] == [('closed here"', "1"), ('"a" and "b"', "0")]
    assert heard.said == [
        f"{tmp_path}/a.tsv: quotes are text, and stay "
        '(one does not close: "Opens and is not closed; --quoting standard)'
    ]


def test_what_the_user_says_of_quotes_wins(tmp_path: Path, heard: Heard) -> None:
    enclosed = rows_of(tmp_path / "a.tsv", RAW, quoting="standard")
    assert cells_of(enclosed)[1] == ("Opens and is not closed\t0\nplain two\t1\nclosed here", "1")
    assert "line 6: a stray quote" in (enclosed[2].error or "")
    assert len(rows_of(tmp_path / "a.tsv", RAW, quoting="none")) == 5
    assert heard.said == []  # nothing was guessed


def test_a_column_in_quotes_throughout_is_read_without_them_and_told(tmp_path: Path, heard: Heard) -> None:
    content = "text\tlabel\n" + "".join(f'"text {i}"\tx\n' for i in range(4))
    assert cells_of(rows_of(tmp_path / "a.tsv", content))[0] == ("text 0", "x")
    assert heard.said == [
        f"{tmp_path}/a.tsv: quotes stand around fields, and are dropped "
        "(every field of a column has them; --quoting none)"
    ]
    assert cells_of(rows_of(tmp_path / "a.tsv", content, quoting="none"))[0] == ('"text 0"', "x")


def test_quotations_here_and_there_stay(tmp_path: Path, heard: Heard) -> None:
    rows = rows_of(tmp_path / "a.tsv", 'text\tlabel\nplain\tx\n"What a film!"\ty\nplain\tx\n')
    assert cells_of(rows)[1] == ('"What a film!"', "y")
    assert "they stand around fields that need none" in heard.said[0]


def test_names_in_quotes_are_named_without_them(tmp_path: Path) -> None:
    rows = rows_of(tmp_path / "a.tsv", '"text"\t"label"\n"a "b" c"\tx\nplain\ty\n')
    assert [row.values for row in rows] == [{"text": '"a "b" c"', "label": "x"}, {"text": "plain", "label": "y"}]


def test_a_quote_far_behind_the_first_lines_is_judged_by_those_around_it(tmp_path: Path, heard: Heard) -> None:
    many = "".join(f"plain {i}\tx\n" for i in range(3 * delimited.HEAD_LINES))
    rows = rows_of(tmp_path / "a.tsv", f"text\tlabel\n{many}" + RAW.partition("\n")[2])
    assert len(rows) == 3 * delimited.HEAD_LINES + 5
    assert not [row.error for row in rows if row.error]
    assert "quotes are text" in heard.said[0]


def test_lines_that_contradict_the_first_ones_are_rows_of_their_own(tmp_path: Path, heard: Heard) -> None:
    quoted = "".join(f'"he said ""{i}"""\tx\n' for i in range(delimited.HEAD_LINES + 10))
    broken = '"Opens and is not closed\t0\n"plain"\t1\n"a" and "b"\t0\n"c ""d"""\t1\n'
    rows = rows_of(tmp_path / "a.tsv", f"text\tlabel\n{quoted}{broken}")
    assert len(rows) == delimited.HEAD_LINES + 14
    assert cells_of(rows)[-4:] == [
        ('"Opens and is not closed', "0"),
        ("plain", "1"),
        ('"a" and "b"', "0"),
        ('c "d"', "1"),
    ]
    first = delimited.HEAD_LINES + 12
    assert f"warning: {tmp_path}/a.tsv: 2 lines have a quote that does not close" in heard.said[-1]
    assert f"first: line {first};" in heard.said[-1]


def test_a_csv_row_that_may_be_several_is_told(tmp_path: Path, heard: Heard) -> None:
    content = 'text,label\n"Opens and is not closed,0\nplain,1\ncloses",1\nlast,0\n'
    assert len(rows_of(tmp_path / "a.csv", content)) == 2
    (message,) = heard.said
    assert "1 row has a quoted field with line ends and ','" in message
    assert "first: lines 2 to 4" in message
    assert "--quoting none" in message
    assert len(rows_of(tmp_path / "a.csv", content, quoting="none")) == 4
    heard.said.clear()
    rows_of(tmp_path / "a.csv", 'text,label\n"a text\nof two lines, and more, and more",1\n')
    assert heard.said == []  # a line of it is no row


def test_an_unclosed_quote_costs_one_line_and_not_the_rest(tmp_path: Path) -> None:
    rows = rows_of(tmp_path / "a.csv", 'text,label\na,x\n"b,y\n' + "".join(f"c{i},z\n" for i in range(50)))
    assert len(rows) == 52
    assert [row.line for row in rows if row.error] == [3]
    assert "never closed" in (rows[1].error or "")


@pytest.mark.parametrize("mark", ["\t", ",", ";"])
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
def test_what_a_csv_writer_wrote_is_read_as_it_was(tmp_path: Path, mark: str, quoting: int) -> None:
    rng = random.Random(7)
    pieces = ["a", 'b"', '"', ", ", "; ", "word ", "'", "é", "\n", "\t", '""', "tail"]
    for trial in range(30):
        written = [("text", "label")] + [
            ("start " + "".join(rng.choices(pieces, k=rng.randint(0, 6))), rng.choice("xy")) for _ in range(12)
        ]
        out = io.StringIO()
        csv.writer(out, delimiter=mark, quoting=quoting).writerows(written)  # type: ignore[arg-type]
        rows = rows_of(tmp_path / f"{trial}.csv", out.getvalue(), delimiter=mark)
        assert cells_of(rows) == written[1:], out.getvalue()


def test_raw_tab_separated_text_is_read_as_it_is_in_any_order(tmp_path: Path) -> None:
    rng = random.Random(3)
    pieces = ["a", 'b"', '"', ", ", "word ", "'", '""', 'said: "', '" ']
    texts = [f"{rng.choice(['', quote])}{''.join(rng.choices(pieces, k=4))}z" for quote in ('"',) * 40]
    texts.append('"opens here')
    for trial in range(10):
        rng.shuffle(texts)
        rows = rows_of(tmp_path / f"{trial}.tsv", "text\tlabel\n" + "".join(f"{text}\tx\n" for text in texts))
        assert cells_of(rows) == [(text, "x") for text in texts]


def test_quotes_are_settled_in_bounded_memory() -> None:
    """As many lines are read ahead as are needed, and no more."""
    served = itertools.count()

    class Endless(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, buffer: bytearray) -> int:
            assert next(served) < 20, "the reader reads ahead"
            piece = b'text\tlabel\n"a\tb\n' + b"a\tb\n" * ((len(buffer) - 20) // 4)
            buffer[: len(piece)] = piece
            return len(piece)

    rows = readers.read_rows(io.BufferedReader(Endless()), Reading("tsv"), on_error="keep")
    assert next(rows).values == {"text": '"a', "label": "b"}


# --- separators


@pytest.mark.parametrize("first", ["sep=;\r\n", '"sep=;"\r\n', "\ufeffSEP=;\n"])
def test_the_separator_that_the_first_line_names(tmp_path: Path, heard: Heard, first: str) -> None:
    rows = rows_of(tmp_path / "a.csv", f"{first}text;label\r\na, b, c;x\r\n")
    assert [(row.line, row.values) for row in rows] == [(3, {"text": "a, b, c", "label": "x"})]
    assert "separated by ';', as its first line says" in heard.said[0]
    assert cells_of(rows_of(tmp_path / "a.csv", f"{first}text,label\na,x\n", delimiter=",")) == [("a", "x")]


def test_the_separator_is_the_one_that_most_lines_agree_on(tmp_path: Path) -> None:
    content = "id;text, or title;label\n" + "".join(f"{i};{'word, ' * i};x\n" for i in range(8))
    assert list(rows_of(tmp_path / "a.csv", content)[0].values) == ["id", "text, or title", "label"]


def test_a_tsv_file_with_another_separator_is_told(tmp_path: Path, heard: Heard) -> None:
    assert cells_of(rows_of(tmp_path / "a.tsv", "text;label\na;x\n")) == [("a", "x")]
    assert "separated by ';'" in heard.said[0]


# --- names of columns


@pytest.mark.parametrize(
    ("header", "names"),
    [
        (",text,label", ["Unnamed: 0", "text", "label"]),
        ("text,label,", ["text", "label", "Unnamed: 2"]),
        ("text,text,text", ["text", "text.1", "text.2"]),
        ("text,text.1,text", ["text", "text.1", "text.2"]),
        (" text , label,x", ["text", "label", "x"]),
    ],
)
def test_headers_as_pandas_and_excel_write_them(tmp_path: Path, heard: Heard, header: str, names: list[str]) -> None:
    (row,) = rows_of(tmp_path / "a.csv", f"{header}\n1,2,3\n")
    assert list(row.values) == names
    changed = [name for name in names if "Unnamed" in name or name not in header.split(",")]
    assert len(heard.said) == (0 if header.startswith(" ") else len(changed))
    assert all("line 1: column" in message for message in heard.said)


def test_empty_cells_behind_the_last_column_are_none(tmp_path: Path) -> None:
    rows = rows_of(tmp_path / "a.csv", "text,label\na,x,\nb,y,,\nc,z,more\n")
    assert cells_of(rows[:2]) == [("a", "x"), ("b", "y")]
    assert "found 3" in (rows[2].error or "")


@pytest.mark.parametrize(
    "content",
    [
        '"1","Prices rise","They rose by a third."\n"2","Rain","It rained."\n"1","Sun","It shone."\n',
        "good film,pos\nbad film,neg\nlovely,pos\n",
        "the soup was warm and the clerk was kind\nbad film\n",
        "17\n18\n19\n",
    ],
)
@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_a_file_without_a_header_is_told(tmp_path: Path, heard: Heard, content: str, kind: str) -> None:
    path = tmp_path / f"a.{kind}"
    if kind == "xlsx":
        openpyxl = pytest.importorskip("openpyxl")
        book = openpyxl.Workbook()
        for cells in csv.reader(io.StringIO(content)):
            book.active.append(cells)
        book.save(path)
        list(readers.read_rows(path))
    else:
        rows_of(path, content)
    assert any("looks like data" in message and "--columns" in message for message in heard.said), heard.said


@pytest.mark.parametrize(
    "content", ["text,label\ntext,x\n", "0,1\ngood,1\nbad,0\n", "Satz,Klasse\ngut,1\nschlecht,0\n"]
)
def test_a_header_is_one(tmp_path: Path, heard: Heard, content: str) -> None:
    rows_of(tmp_path / "a.csv", content)
    assert heard.said == []


def test_columns_for_a_file_that_has_a_header_are_told(tmp_path: Path, heard: Heard) -> None:
    assert len(rows_of(tmp_path / "a.csv", "text,label\na,x\n", columns=("one", "two"))) == 2
    assert "line 1: --columns names the columns" in heard.said[0]
    assert "looks like a header: text, label" in heard.said[0]


def test_a_first_row_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"a\.csv line 1: in the first row: a stray quote"):
        rows_of(tmp_path / "a.csv", '"text" x,label\na,b\n')


def test_blank_lines_are_named(tmp_path: Path, heard: Heard) -> None:
    assert len(rows_of(tmp_path / "a.csv", "text,label\n\na,x\n\n \nb,y\n\n\n")) == 2
    rows_of(tmp_path / "one.csv", "text,label\na,x\n\nb,y\n")
    assert heard.said == [
        f"{tmp_path}/a.csv: 5 blank lines are no rows (lines 2, 4, 5, 7, 8)",
        f"{tmp_path}/one.csv: 1 blank line is no row (line 3)",
    ]
    heard.said.clear()
    wanted = Wanted("words", labelled=True)
    assert len(rows_of(tmp_path / "b.csv", "word,tag\na,O\n\nb,O\n", wanted=wanted)) == 2
    assert not any("no rows" in line for line in heard.said)  # there they end sentences
