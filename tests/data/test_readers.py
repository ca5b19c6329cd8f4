"""Files as people have them: what is read, and what is said of it."""

from __future__ import annotations

import gzip
import json
import os
import threading
import tracemalloc
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hearing import Heard

from nlpkit.data import conll, inputs, json_rows, readers, sources
from nlpkit.data.inputs import Input, Reading
from nlpkit.data.readers import read_rows, read_table
from nlpkit.errors import UserError


def cells(path: Path, content: str) -> list[tuple[object, ...]]:
    path.write_text(content, encoding="utf-8", newline="")
    return [tuple(row.values.values()) for row in read_rows(path, on_error="keep")]


# --- csv


def test_blanks_before_quotes(tmp_path: Path, heard: Heard) -> None:
    content = 'label, text\n1, "a film, a play"\n0, "a ""good"" one"\n'
    assert cells(tmp_path / "a.csv", content) == [("1", "a film, a play"), ("0", 'a "good" one')]
    assert heard.said == [
        f"{tmp_path}/a.csv: blanks behind ',' are left out, as quotes follow them (--quoting standard)"
    ]
    heard.said.clear()
    assert cells(tmp_path / "b.csv", 'label, text\n1, "a film"\n0, "a play"\n')[0] == ("1", "a film")
    assert len(heard.said) == 1
    heard.said.clear()
    spoken = 'label,text\n1, "No" she said\n0,yes\n1, "Ah"\n'  # a quotation here and there
    assert [row[1] for row in cells(tmp_path / "c.csv", spoken)] == [' "No" she said', "yes", ' "Ah"']
    assert not heard.said


def test_quotes_behind_backslashes(tmp_path: Path, heard: Heard) -> None:
    content = 'text,label\n"a \\"good\\", long film",1\n"a \\\\ and\nmore",0\n"C:\\",1\n'.replace('"C:\\"', '"C:\\\\"')
    found = cells(tmp_path / "a.csv", content)
    assert found == [('a "good", long film', "1"), ("a \\ and\nmore", "0"), ("C:\\", "1")]
    assert heard.said == [
        f'{tmp_path}/a.csv: quotes in fields are written \\", and read as quotes (--quoting standard)'
    ]
    heard.said.clear()
    by_the_letter = 'text,label\n"C:\\films\\",1\n"a ""good"" \\n one",0\n'
    assert cells(tmp_path / "b.csv", by_the_letter) == [("C:\\films\\", "1"), ('a "good" \\n one', "0")]
    assert not heard.said


def test_rows_that_cannot_be_read_have_all_columns(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('text,label\n"a" film,1\nshort\ngood,1\n')
    rows = list(read_rows(path, on_error="keep"))
    assert [list(row.values) for row in rows] == [["text", "label"]] * 3
    assert [row.error is None for row in rows] == [False, False, True]


def test_line_ends_of_old_macs_are_kept(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"text,label\rgood,1\rbad,0\r")
    source = Input.of(tmp_path / "a.csv")
    assert len(list(readers.rows_of(source))) == 2
    assert source.style is not None
    assert source.style.end == "\r"


def test_a_column_of_texts_with_commas_names_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text\ngood, but long\n")
    with pytest.raises(UserError, match="expected 1 fields") as caught:
        list(read_rows(tmp_path / "a.csv"))
    assert "--format txt" in (caught.value.hint or "")


# --- plain text


def test_columns_in_plain_text_are_told(tmp_path: Path, heard: Heard) -> None:
    assert cells(tmp_path / "a.txt", "ham\tgood\nspam\tbad\n") == [("ham\tgood",), ("spam\tbad",)]
    assert heard.said == [
        f"warning: {tmp_path}/a.txt: every line holds a tab, and is one text with it; "
        "if tabs separate columns: --format tsv"
    ]
    heard.said.clear()
    for content in ("one\ttab\nno tab\n", "\ta single line\n", "a film\na play\n"):
        cells(tmp_path / "b.txt", content)
    assert not heard.said


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ('{"text": "a"}\n\n{"text": "b"}\n', "every line is a JSON object"),
        ("text,label\ngood,1\n", "if it names columns: --format csv"),
        ("Sentence\tlabel\ngood\tone\tmore\n", "if it names columns: --format tsv"),
        ("text, and more\n{braces}\n", ""),
        ('{"a"} said\nso\n', ""),
    ],
)
def test_rows_of_other_formats_in_plain_text_are_told(tmp_path: Path, heard: Heard, content: str, told: str) -> None:
    assert len([text for (text,) in cells(tmp_path / "a.txt", content) if text]) == 2
    assert [told in message for message in heard.said if message.startswith("warning")] == [True] * bool(told)


# --- JSON


def test_a_name_that_stands_twice_is_told(tmp_path: Path, heard: Heard) -> None:
    line = '{"text": "a", "label": "x", "text": "b"}'
    assert cells(tmp_path / "a.jsonl", f'{{"text": "z"}}\n{line},\n{line}\n') == [("z",), ("b", "x"), ("b", "x")]
    kept = "of which the last value is kept"
    assert f"warning: {tmp_path}/a.jsonl: 2 objects hold a name twice, {kept} (first: line 2, 'text')" in heard.said
    heard.said.clear()
    assert cells(tmp_path / "a.json", f"[{line}]") == [("b", "x")]
    assert heard.said == [f"warning: {tmp_path}/a.json: 1 object holds a name twice, {kept} (first: 'text')"]


@pytest.mark.parametrize(
    "document", [{"examples": [{"text": "a"}]}, {"version": 1, "tags": ["x"], "rows": [{"text": "a"}]}]
)
def test_rows_under_another_name(tmp_path: Path, heard: Heard, document: dict[str, object]) -> None:
    assert cells(tmp_path / "a.json", json.dumps(document)) == [("a",)]
    assert heard.said == [f"{tmp_path}/a.json: the rows are those under {list(document)[-1]!r}"]


def test_columns_of_objects_are_columns(tmp_path: Path, heard: Heard) -> None:
    assert cells(tmp_path / "a.json", '{"text": ["a", "b"], "meta": [{"x": 1}, {"x": 2}]}')[1] == ("b", {"x": 2})
    assert not heard.said


# --- parquet and Excel


def test_a_second_column_of_one_name_in_parquet(tmp_path: Path, heard: Heard) -> None:
    path = tmp_path / "a.parquet"
    made = [pa.array(["a"]), pa.array(["x"]), pa.array(["1"])]
    pq.write_table(pa.Table.from_arrays(made, names=["text", "text", "label"]), path)
    row = {"text": "a", "text.1": "x", "label": "1"}
    assert [found.values for found in read_rows(path)] == [row]
    assert heard.said == [f"{tmp_path}/a.parquet: column 2 is a second 'text': it is 'text.1' here"]
    (found,) = read_table(path).to_pylist()
    assert row.items() <= found.items()


def test_excel_is_read_whatever_its_name(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.active.append(["text"])
    book.active.append(["a"])
    book.save(tmp_path / "a.xlsx")
    (tmp_path / "a.xlsx").rename(tmp_path / "report")
    assert [row.values for row in read_rows(tmp_path / "report", Reading("xlsx"))] == [{"text": "a"}]


def test_sheets_that_are_left_out_are_named(tmp_path: Path, heard: Heard) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.active.append(["text"])
    book.active.append(["a"])
    book.create_sheet("more")
    book.save(tmp_path / "a.xlsx")
    assert len(list(read_rows(tmp_path / "a.xlsx"))) == 1
    assert heard.said == [f"{tmp_path}/a.xlsx: reading the first sheet, 'Sheet'; left out: 'more'"]


@pytest.mark.parametrize("encoding", ["base64", "rot13", "nonsense"])
def test_what_is_no_encoding_of_text_is_refused(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "a.txt").write_text("good\n")
    with pytest.raises(UserError, match="Unknown encoding"):
        read_rows(tmp_path / "a.txt", Reading(encoding=encoding))


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_pipes_are_read(tmp_path: Path, kind: str) -> None:
    content = {"csv": b"text\ngood\n", "jsonl": b'{"text": "good"}\n'}.get(kind)
    if content is None:
        pq.write_table(pa.table({"text": ["good"]}), tmp_path / "a")
        content = (tmp_path / "a").read_bytes()
    pipe = tmp_path / f"pipe.{kind}"
    os.mkfifo(pipe)
    threading.Thread(target=pipe.write_bytes, args=[content], daemon=True).start()
    assert [row.values for row in read_rows(pipe)] == [{"text": "good"}]


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet", "xlsx"])
def test_a_file_that_is_not_fetched_yet_is_named_as_such(tmp_path: Path, kind: str) -> None:
    if kind == "xlsx":
        pytest.importorskip("openpyxl")
    path = tmp_path / f"a.{kind}"
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n")
    with pytest.raises(UserError, match="a pointer of Git LFS") as caught:
        list(read_rows(path))
    assert "git lfs pull" in (caught.value.hint or "")


def test_utf32_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("text\ngood\n".encode("utf-32"))
    with pytest.raises(UserError, match="UTF-32") as caught:
        list(read_rows(tmp_path / "a.csv"))
    assert caught.value.hint == "Pass --encoding utf-32."
    assert len(list(read_rows(tmp_path / "a.csv", Reading(encoding="utf-32")))) == 1


# --- blank lines


@pytest.mark.parametrize(
    ("name", "content", "rows"),
    [
        ("a.txt", "one\n\ntwo\n  \n\n", ["one", "", "two", "  ", ""]),
        ("a.txt", "\r\none", ["", "one"]),
        ("a.csv", "text\none\n\ntwo\n  \n\n", ["one", None, "two", "  ", None]),
        ("a.tsv", "text\none\n\ntwo\n  \n\n", ["one", None, "two", "  ", None]),
        ("a.csv", 'text\n"one"\n\n"two"\n', ["one", None, "two"]),
    ],
)
def test_a_blank_line_of_texts_is_a_row_to_answer(
    tmp_path: Path, heard: Heard, name: str, content: str, rows: list[str | None]
) -> None:
    assert [row[0] for row in cells(tmp_path / name, content)] == rows
    found = list(read_rows(tmp_path / name, on_error="keep"))
    first = found[0].line
    assert [row.line for row in found] == list(range(first, first + len(rows)))
    assert heard.said == []
    kept = [row.values["text"] for row in read_rows(tmp_path / name)]  # training has no use for them
    assert [text for text in kept if text.strip()] == ["one", "two"][: len(kept)]
    assert None not in kept


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.csv", "text,x\na,1\n\nb,2\n \n", "a.csv: 2 blank lines are no rows (lines 3, 5)"),
        ("a.tsv", "text\tx\na\t1\n\nb\t2\n", "a.tsv: 1 blank line is no row (line 3)"),
        ("a.jsonl", '{"text": "a"}\n\n{"text": "b"}\n  \n', "a.jsonl: 2 blank lines are no rows (lines 2, 4)"),
        ("a.xlsx", [["text", "x"], ["a", "1"], [], ["b", "2"]], "a.xlsx: 1 blank row is no row (row 3)"),
    ],
)
def test_other_blank_lines_are_named(tmp_path: Path, heard: Heard, name: str, content: object, told: str) -> None:
    path = tmp_path / name
    if isinstance(content, str):
        path.write_text(content, encoding="utf-8")
    else:
        write_sheet(path, content)
    for keep in ("keep", "raise"):
        heard.said.clear()
        assert [row.values["text"] for row in read_rows(path, on_error=keep)] == ["a", "b"]  # type: ignore[call-overload]
        assert heard.said == [f"{tmp_path}/{told}"]


def test_an_empty_row_of_a_sheet_with_one_column_is_a_row_to_answer(tmp_path: Path) -> None:
    write_sheet(tmp_path / "a.xlsx", [["text"], ["a"], [], ["b"]])
    rows = list(read_rows(tmp_path / "a.xlsx", on_error="keep"))
    assert [(row.line, row.values["text"]) for row in rows] == [(2, "a"), (3, None), (4, "b")]


def write_sheet(path: Path, rows: Any) -> None:
    import openpyxl

    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    book.save(path)


# --- what is too long ---

LONG = {
    "csv": ("text,label\n{},b\nc,d\n", {"text": "c", "label": "d"}),
    "csv, in quotes that stay open": ('text,label\n"{},b\n"c",d\n', {"text": "c", "label": "d"}),
    "csv, on the second line of a cell": ('text,label\n"a\n{}",b\n"c",d\n', {"text": "c", "label": "d"}),
    "tsv": ("text\tlabel\n{}\tb\nc\td\n", {"text": "c", "label": "d"}),
    "jsonl": ('{{"text": "{}"}}\n{{"text": "c"}}\n', {"text": "c"}),
    "txt": ("{}\nc\n", {"text": "c"}),
    "conll": ("a O\n\n{} O\n\nc O\n", {"tokens": ["c"], "column2": ["O"]}),
}


@pytest.mark.parametrize("what", LONG)
@pytest.mark.parametrize("packed", ["", ".gz"])
def test_a_line_that_is_too_long_is_named_and_those_behind_it_are_read(
    tmp_path: Path, what: str, packed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inputs, "LONGEST", 200_000)
    content, last = LONG[what]
    path = tmp_path / f"a.{what.partition(',')[0]}{packed}"
    data = content.format("word" * 100_000).encode()
    path.write_bytes(gzip.compress(data) if packed else data)
    with pytest.raises(UserError, match=r"line \d: a line of more than 200,000 characters|never closed"):
        list(read_rows(path))
    *bad, row = read_rows(path, on_error="keep")
    assert row.values == last and row.error is None
    assert any("a line of more than 200,000 characters" in (found.error or "") for found in bad)
    assert sum(len(str(found.values)) for found in bad) < 3_000


def test_a_line_of_any_length_takes_no_more_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A packed file of some kilobytes without a line end."""
    monkeypatch.setattr(inputs, "LONGEST", 1_000_000)
    path = tmp_path / "a.txt.gz"
    with gzip.open(path, "wb") as file:
        for _ in range(50):
            file.write(b"0" * 1_000_000)
    tracemalloc.start()
    (row,) = read_rows(path, on_error="keep")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert row.error is not None and peak < 10_000_000


def test_a_sentence_without_end_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conll, "LONGEST", 1_000)
    (tmp_path / "a.conll").write_text("good O\n" * 1_000 + "\nbad O\n")
    first, second = read_rows(tmp_path / "a.conll", on_error="keep")
    assert "line 143: a sentence of more than 1,000 characters" in (first.error or "")
    assert second.values == {"tokens": ["bad"], "column2": ["O"]}


def test_a_document_is_read_up_to_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "DOCUMENT", 1_000)
    monkeypatch.setattr(json_rows, "DOCUMENT", 1_000)
    for end in ("", "\n"):
        (tmp_path / "a.json").write_text("[" + f'{{"text": "good"}},{end}' * 100 + '{"text": "bad"}]')
        with pytest.raises(UserError, match=r"of more than 1,000 characters"):
            list(read_rows(tmp_path / "a.json"))


def test_a_text_of_its_own_file_is_read_up_to_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "LONGEST", 1_000)
    (tmp_path / "a.txt").write_text("good\n" * 300)
    with pytest.raises(UserError, match=r"a.txt: a text of more than 1,000 characters"):
        Input.of(tmp_path / "a.txt").whole()


# --- values that no table has


@pytest.mark.parametrize("kind", ["jsonl", "json"])
@pytest.mark.parametrize(
    ("row", "read", "told"),
    [
        ('{"text": "a", "n": ' + "9" * 100_000 + "}", {"text": "a", "n": "9" * 100_000}, ""),
        ('{"text": "a", "n": 1e400}', {"text": "a", "n": float("inf")}, ""),
        ('{"te\\u0000xt": "b", "text": "a"}', {"te\\x00xt": "b", "text": "a"}, "a name with a NUL character"),
        ('{"text": "a", "n": ' + "[" * 900 + "]" * 900 + "}", None, "nested too deep"),
        ('{"text": "a", "n": ' + "[" * 100_000 + "]" * 100_000 + "}", None, "nested too deep"),
        ('{"text": "a\\ud800"}', None, "half of a surrogate pair"),
    ],
    ids=["long number", "large number", "NUL", "deep", "deepest", "half a character"],
)
def test_values_that_no_table_has(
    kind: str, row: str, read: dict[str, object] | None, told: str, tmp_path: Path, heard: Heard
) -> None:
    path = tmp_path / f"a.{kind}"
    good = '{"text": "good"}'
    path.write_text(f"{good}\n{row}\n" if kind == "jsonl" else f"[{good}, {row}]")
    if read is None:
        with pytest.raises(UserError, match=told) as caught:
            read_table(path)
        assert str(path) in str(caught.value)
        return
    assert [row.values for row in read_rows(path)] == [{"text": "good"}, read]
    assert sources.load(str(path)).splits["train"]["text"][:] == ["good", "a"]
    assert not told or any(told in message for message in heard.said)


@pytest.mark.parametrize(
    "column",
    [
        pa.array([[("k", 1)]] * 2, pa.map_(pa.string(), pa.int64())),
        pa.array([[[("k", 1)]]] * 2, pa.list_(pa.map_(pa.string(), pa.int64()))),
        pa.array([{"a": 1, "b": [{"c": None}]}] * 2),
        pa.array([2**62] * 2).cast(pa.timestamp("us")),
        pa.array([0, 1]).cast(pa.timestamp("ms", tz="Nowhere/Atlantis")),
        pa.array([2**64 - 1] * 2, pa.uint64()),
        pa.array([["x"]] * 2, pa.list_(pa.dictionary(pa.int32(), pa.string()))),
        pa.array([b"0" * 16] * 2, pa.binary(16)),
    ],
    ids=str,
)
def test_a_column_that_nobody_reads_stops_no_parquet(column: pa.Array, tmp_path: Path, heard: Heard) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ["a", "b"], "un\0used": column}), path)
    assert [row.values["text"] for row in read_rows(path)] == ["a", "b"]
    assert sources.load(str(path)).splits["train"][:]["text"] == ["a", "b"]
    assert heard.said
