"""What a user of data files relies on: the same rows from every format, and messages that name file and line."""

from __future__ import annotations

import csv
import datetime
import gzip
import hashlib
import importlib
import io
import itertools
import json
import re
from pathlib import Path

import datasets
import pytest
from hearing import Heard

from nlpkit.cli.registry import COMMANDS
from nlpkit.data import places, readers, sources
from nlpkit.data.corpus import Corpus
from nlpkit.data.inputs import Reading
from nlpkit.errors import UserError
from nlpkit.options import CorpusOptions, ReadingOptions

ROWS = [
    {"text": "a plain row", "label": "x"},
    {"text": 'with "quotes", and a comma', "label": "y"},
    {"text": "Umlaut ä and emoji 😀", "label": "x"},
]


def write(path: Path, rows: list[dict[str, object]] = ROWS) -> Path:
    """Write `rows` in the format that the name asks for."""
    path.parent.mkdir(parents=True, exist_ok=True)
    plain = path.with_suffix("") if path.suffix == ".gz" else path
    names = list(rows[0])
    if plain.suffix in (".csv", ".tsv"):
        out = io.StringIO()
        writer = csv.DictWriter(out, names, delimiter="\t" if plain.suffix == ".tsv" else ",")
        writer.writeheader()
        writer.writerows(rows)
        content = out.getvalue().encode()
    elif plain.suffix == ".json":
        content = json.dumps(rows).encode()
    elif plain.suffix in (".jsonl", ".ndjson"):
        content = "".join(json.dumps(row) + "\n" for row in rows).encode()
    elif plain.suffix == ".txt":
        content = "".join(f"{row['text']}\n" for row in rows).encode()
    elif plain.suffix == ".parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        binary = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(rows), binary)
        content = binary.getvalue()
    else:
        openpyxl = pytest.importorskip("openpyxl")
        book = openpyxl.Workbook()
        for cells in [names, *(list(row.values()) for row in rows)]:
            book.active.append(cells)
        binary = io.BytesIO()
        book.save(binary)
        content = binary.getvalue()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def visible(dataset: datasets.Dataset) -> list[dict[str, object]]:
    return dataset.remove_columns(list(places.PLACE)).to_list()


def numbered(n: int, **columns: object) -> list[dict[str, object]]:
    return [{"text": f"text {i}", **columns} for i in range(n)]


# --- formats


@pytest.mark.parametrize("packed", ["", ".gz"])
@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".parquet", ".xlsx"])
def test_every_format_gives_the_same_rows(tmp_path: Path, suffix: str, packed: str) -> None:
    path = write(tmp_path / f"train{suffix}{packed}")
    assert [row.values for row in readers.read_rows(path)] == ROWS
    assert visible(sources.load(str(path)).splits["train"]) == ROWS


@pytest.mark.parametrize("packed", ["", ".gz"])
def test_txt_is_one_text_a_line_without_empty_lines(tmp_path: Path, packed: str) -> None:
    path = tmp_path / f"a.txt{packed}"
    content = b"one\n\n  two \r\nthree"
    path.write_bytes(gzip.compress(content) if packed else content)
    rows = list(readers.read_rows(path))
    assert [(row.line, row.values["text"]) for row in rows] == [(1, "one"), (3, "  two "), (4, "three")]


@pytest.mark.parametrize(
    "document",
    [ROWS, {"data": ROWS}, {"version": "1", "data": ROWS}, {name: [row[name] for row in ROWS] for name in ROWS[0]}],
)
def test_json_layouts(tmp_path: Path, document: object) -> None:
    (tmp_path / "a.json").write_text(json.dumps(document))
    assert [row.values for row in readers.read_rows(tmp_path / "a.json")] == ROWS


def test_one_object_is_one_row(tmp_path: Path, heard: Heard) -> None:
    (tmp_path / "a.json").write_text(json.dumps(ROWS[0]))
    assert [row.values for row in readers.read_rows(tmp_path / "a.json")] == ROWS[:1]
    assert heard.said == [f"{tmp_path}/a.json: holds one object, read as one row"]


def test_json_lines_under_the_name_json(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl").rename(tmp_path / "a.json")
    assert [row.values for row in readers.read_rows(tmp_path / "a.json")] == ROWS


def test_streams_need_a_format() -> None:
    stream = io.BytesIO(b"text,label\na,b\n")
    assert [row.values for row in readers.read_rows(stream, Reading("csv"))] == [{"text": "a", "label": "b"}]
    assert not stream.closed
    assert [row.values for row in readers.read_rows(io.StringIO("a\n"), Reading("txt"))] == [{"text": "a"}]
    with pytest.raises(UserError, match="stdin"):
        readers.read_rows(io.BytesIO(b""))


def test_header_blanks_and_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbf text , label\na,\n")
    assert [row.values for row in readers.read_rows(tmp_path / "a.csv")] == [{"text": "a", "label": None}]


@pytest.mark.parametrize("mark", [";", "\t", "|"])
def test_the_delimiter_is_guessed_from_the_header_and_told(tmp_path: Path, heard: Heard, mark: str) -> None:
    (tmp_path / "a.csv").write_text(f"text{mark}label\n1, 2, 3{mark}x\n")
    assert [row.values for row in readers.read_rows(tmp_path / "a.csv")] == [{"text": "1, 2, 3", "label": "x"}]
    assert repr(mark) in heard.said[0]


def test_utf16_and_latin1_when_asked_for(tmp_path: Path) -> None:
    for encoding in ("utf-16", "latin-1"):
        (tmp_path / "a.csv").write_bytes("text\nnaïve\n".encode(encoding))
        reading = Reading(encoding=encoding)
        assert [row.values for row in readers.read_rows(tmp_path / "a.csv", reading)] == [{"text": "naïve"}]


MIXED: dict[str, tuple[list[object], list[object], str]] = {
    "numbers_among_texts": (["a", 1, "b", 2.0, 2.5], ["a", "1", "b", "2", "2.5"], "numbers (3) and text (2)"),
    "true_or_false": ([True, 1, "x"], ["true", "1", "x"], "numbers (1) and text (1) and true or false (1)"),
    "lists_and_texts": ([["a", 1], "b"], ['["a", 1]', "b"], "lists (1) and text (1)"),
    "in_lists": ([["a", 1], ["b"]], [["a", "1"], ["b"]], "numbers (1) and text (2) in '[]'"),
    "in_objects": ([{"k": 1}, {"k": "x"}], [{"k": "1"}, {"k": "x"}], "numbers (1) and text (1) in '.k'"),
    "too_large_to_be_exact": ([2**60 + 1, 0.5], ["1152921504606846977", "0.5"], "too large to be kept as such (1)"),
    "beyond_64_bits": ([2**64 - 1, 1], ["18446744073709551615", "1"], "too large to be kept as such (1)"),
}


@pytest.mark.parametrize("chunk", [1, 2, 100])
@pytest.mark.parametrize(("cells", "expected", "told"), MIXED.values(), ids=MIXED)
def test_a_column_of_several_kinds_is_text_in_whatever_order(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    heard: Heard,
    cells: list[object],
    expected: list[object],
    told: str,
    chunk: int,
) -> None:
    monkeypatch.setattr(readers, "_CHUNK", chunk)
    for order in itertools.islice(itertools.permutations(range(len(cells))), 12):
        heard.said.clear()
        path = write(tmp_path / "a.jsonl", [{"text": "t", "odd": cells[i]} for i in order])
        found = readers.read_table(path)["odd"].to_pylist()
        assert found == [expected[i] for i in order]
        assert told in heard.said[0]
        assert "a.jsonl line " in heard.said[0]


def test_nan_is_a_gap_and_not_a_word(tmp_path: Path) -> None:
    for name in ("a.json", "a.jsonl"):
        rows = '{"text": NaN, "n": Infinity}', '{"text": "nan", "n": -Infinity}'
        content = f"[{', '.join(rows)}]" if name == "a.json" else "\n".join(rows)
        (tmp_path / name).write_text(content)
        assert readers.read_table(tmp_path / name)["text"].to_pylist() == [None, "nan"]
        assert [row.values["n"] for row in readers.read_rows(tmp_path / name)] == [float("inf"), float("-inf")]


def test_columns_that_nobody_reads_stop_nothing_in_parquet(tmp_path: Path, heard: Heard) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {
        "text": pa.array([b"good", "schön".encode()], pa.binary()),
        "label": pa.array(["x", "y"]).dictionary_encode(),
        "extra": pa.array([[("k", 1)], [("k", 2), ("m", 3)]], pa.map_(pa.string(), pa.int64())),
        "picture": pa.array([b"\xff\xfe", None], pa.binary()),
    }
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    loaded = visible(sources.load(str(tmp_path / "a.parquet")).splits["train"])
    streamed = [row.values for row in readers.read_rows(tmp_path / "a.parquet")]
    assert loaded == streamed
    assert [row["text"] for row in loaded] == ["good", "schön"]
    assert [row["label"] for row in loaded] == ["x", "y"]
    assert loaded[1]["extra"] == '[["k", 2], ["m", 3]]'
    assert [row["picture"] for row in loaded] == [b"\xff\xfe", None]
    assert any("'extra' holds map" in note for note in heard.said)
    assert any("'text' holds bytes" in note for note in heard.said)


def test_excel_cells_are_what_people_typed(tmp_path: Path, heard: Heard) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    day = datetime.datetime(2024, 5, 1)
    for cells in (("text", 2020), (12.0, 1), (0.5, True), (day, day.replace(hour=9, minute=30)), ("", "x"), (7, "x")):
        book.active.append(cells)
    book.save(tmp_path / "a.xlsx")
    rows = [tuple(row.values.values()) for row in readers.read_rows(tmp_path / "a.xlsx")]
    assert rows == [
        ("12", "1"),
        ("0.5", "true"),
        ("2024-05-01", "2024-05-01 09:30:00"),
        (None, "x"),
        ("7", "x"),
    ]
    assert heard.said == [f"{tmp_path}/a.xlsx: column '2020': 3 numbers, dates and the like are read as text"]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ('{"text": "a"},\n{"text": "b"},\n{"text": "c"}\n', "2 lines end in a comma"),
        ('[\n{"text": "a"},\n{"text": "b"},\n{"text": "c"}\n]\n', "one JSON document"),
        ('[{"text": "a"}, {"text": "b"}, {"text": "c"}]\n', "one JSON document"),
        ('\n[{"text": "a"},\n{"text": "b"}, {"text": "c"}]\n', "one JSON document"),
        ('{\n"data": [{"text": "a"}, {"text": "b"}, {"text": "c"}]\n}', "one JSON document"),
    ],
)
def test_json_of_another_layout_under_the_name_jsonl(tmp_path: Path, heard: Heard, content: str, what: str) -> None:
    (tmp_path / "a.jsonl").write_text(content)
    assert [row.values for row in readers.read_rows(tmp_path / "a.jsonl")] == [{"text": c} for c in "abc"]
    (said,) = heard.said
    assert what in said


def test_json_numbers_and_gaps_get_a_common_type(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"a": 1, "n": null}\n{"a": 2.5, "b": "x", "n": null}\n')
    split = sources.load(str(tmp_path / "a.jsonl")).splits["train"]
    assert visible(split) == [{"a": 1.0, "n": None, "b": None}, {"a": 2.5, "n": None, "b": "x"}]
    assert split.features["n"].dtype == "string"


# --- what the user says of files


@pytest.mark.parametrize(
    ("word", "mark"),
    [("tab", "\t"), ("\\t", "\t"), ("Comma", ","), ("semicolon", ";"), ("pipe", "|"), ("space", " "), ("#", "#")],
)
def test_separators_that_a_shell_makes_hard_to_type_have_names(tmp_path: Path, word: str, mark: str) -> None:
    (tmp_path / "a.csv").write_text(f"text{mark}label\ngood{mark}x\n")
    options = ReadingOptions(delimiter=word)
    rows = readers.read_rows(tmp_path / "a.csv", Reading.of(options))
    assert [row.values for row in rows] == [{"text": "good", "label": "x"}]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"delimiter": "tabs"}, "--delimiter 'tabs': use one character"),
        ({"delimiter": '"'}, "one character that is no quote"),
        ({"columns": "text,,label"}, "a name of its own"),
        ({"columns": "text,text"}, "a name of its own"),
    ],
)
def test_what_cannot_be_said_of_files(values: dict[str, str], said: str) -> None:
    with pytest.raises(UserError) as error:
        ReadingOptions(**values)
    assert said in error.value.message


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.xlsx", "a.conll"])
def test_columns_name_those_of_a_file_without_a_header(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name == "a.xlsx":
        openpyxl = pytest.importorskip("openpyxl")
        book = openpyxl.Workbook()
        for cells in (("good", "x"), ("bad", "y")):
            book.active.append(cells)
        book.save(path)
    elif name == "a.conll":
        path.write_text("good x\n\nbad y\n")
    else:
        mark = "\t" if name == "a.tsv" else ","
        path.write_text(f"good{mark}x\nbad{mark}y\n")
    rows = list(readers.read_rows(path, Reading(columns=("one", "two"))))
    found = [tuple(value if isinstance(value, str) else value[0] for value in row.values.values()) for row in rows]
    assert list(rows[0].values) == ["one", "two"]
    assert found == [("good", "x"), ("bad", "y")]
    with pytest.raises(UserError, match=r"--columns one,two,three names 3 columns, the first row has 2"):
        list(readers.read_rows(path, Reading(columns=("one", "two", "three"))))


def test_columns_are_refused_where_every_row_names_its_own(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--columns names the columns of a file without a header; jsonl has its own"):
        readers.read_rows(write(tmp_path / "a.jsonl"), Reading(columns=("text",)))


def test_the_format_that_is_named_wins_over_the_file_name(tmp_path: Path) -> None:
    path = write(tmp_path / "train.csv").rename(tmp_path / "train.data")
    with pytest.raises(UserError, match="its name does not tell its format") as error:
        sources.load(str(path))
    assert "--format" in (error.value.hint or "")
    loaded = sources.load(str(tmp_path), reading=Reading("csv"))
    assert visible(loaded.splits["train"]) == ROWS
    assert Reading.of(ReadingOptions(input_format="csv")).format == "csv"  # what predict called it


def test_every_command_that_reads_files_takes_what_is_said_of_them() -> None:
    for name in COMMANDS:
        config = importlib.import_module(COMMANDS[name].module).Config
        if not {"data", "input"} & config.model_fields.keys():
            continue
        assert set(ReadingOptions.model_fields) <= set(config.model_fields), name


# --- bad files

GOOD = b"text,label\na,x\n"
BAD = {
    "stray_quote": ("a.csv", GOOD + b'"b" or not,y\nc,z\n', "a.csv line 3", "quote"),
    "stray_quote_over_lines": ("a.csv", GOOD + b'"b,y\nc,"z"\n', "a.csv line 3", "quote"),
    "unclosed_quote": ("a.csv", GOOD + b'b,"y\nc,z\nd,z\n', "a.csv line 3", "never closed"),
    "too_few_fields": ("a.csv", GOOD + b"b\n", "a.csv line 3", "expected 2 fields (text, label), found 1"),
    "too_many_fields": ("a.csv", GOOD + b"b,c,d\n", "a.csv line 3", "expected 2 fields (text, label), found 3"),
    "after_a_row_of_two_lines": ("a.csv", GOOD + b'"b\nb",y\nc\n', "a.csv line 5", "found 1"),
    "header_again": ("a.csv", GOOD + b"text,label\nb,y\n", "a.csv line 3", "the header stands here again"),
    "latin1_csv": ("a.csv", GOOD + b"caf\xe9,x\n", "a.csv line 3", "byte 0xe9 (byte 4 of line 3) is not utf-8"),
    "latin1_jsonl": ("a.jsonl", b'{"a": 1}\n{"a": "\xe9"}\n', "a.jsonl line 2", "0xe9"),
    "latin1_txt": ("a.txt", b"a\n\xe9\n", "a.txt line 2", "--encoding cp1252 the text there is 'é'"),
    "cp1252_csv": (
        "a.csv",
        GOOD + b"\x93caf\xe9\x94,x\n",
        "a.csv line 3",
        "--encoding cp1252 the text there is '“caf",
    ),
    "not_cp1252": ("a.csv", GOOD + b"caf\xe9\x81,x\n", "a.csv line 3", "--encoding latin-1 the text there is 'é"),
    "utf16_without_mark": ("a.csv", "text\na\n".encode("utf-16-be"), "a.csv line 1", "--encoding utf-16-be"),
    "latin1_json": ("a.json", b'[{"a":\n"\xe9"}]', "a.json line 2", "0xe9"),
    "utf16": ("a.csv", "text\na\n".encode("utf-16"), "a.csv line 1", "--encoding utf-16"),
    "nul": ("a.csv", GOOD + b"b\0,x\n", "a.csv line 3", "NUL"),
    "jsonl_broken": ("a.jsonl", b'{"a": 1}\n\n{"a": 1,}\n', "a.jsonl line 3", "column 9"),
    "jsonl_too_deep": ("a.jsonl", b'{"a": 1}\n' + b"[" * 100_000 + b"\n", "a.jsonl line 2", "nested too deep"),
    "json_too_deep": ("a.json", b"[" * 100_000, "a.json", "nested too deep"),
    "jsonl_list": ("a.jsonl", b'{"a": 1}\n[1]\n', "a.jsonl line 2", "expected an object, found a list"),
    "jsonl_half_character": ("a.jsonl", b'{"a": 1}\n{"a": "\\ud83d"}\n', "a.jsonl line 2", "surrogate"),
    "json_broken": ("a.json", b'[{"a": 1},\n{"a" 1}]', "a.json line 2", "column 6"),
    "json_item": ("a.json", b'[{"a": 1}, 5]', "a.json row 2", "found a number"),
    "json_columns": ("a.json", b'{"a": [1], "b": [1, 2]}', "a.json", "differ in length"),
    "empty": ("a.csv", b"", "a.csv", "no rows"),
    "header_only": ("a.csv", b"text,label\n", "a.csv", "no rows"),
    "empty_json": ("a.json", b"[]", "a.json", "no rows"),
    "empty_txt": ("a.txt", b"\n\n", "a.txt", "no rows"),
    "gzip": ("a.csv.gz", gzip.compress(GOOD + b"a,x\n" * 1000)[:-20], "a.csv.gz", "gzip"),
    "not_gzip": ("a.csv.gz", GOOD, "a.csv.gz", "gzip"),
    "parquet": ("a.parquet", b"nothing of the kind", "a.parquet", "not a parquet file"),
    "xlsx": ("a.xlsx", b"nothing of the kind", "a.xlsx", "not an xlsx file"),
    "excel_as_csv": ("a.csv", b"PK\x03\x04\x14\0", "a.csv: this is an Excel file", "--format xlsx"),
    "parquet_as_json": ("a.json", b"PAR1\x15\0", "a.json: this is a parquet file", "--format parquet"),
    "gzip_without_suffix": ("a.csv", gzip.compress(GOOD), "a.csv: this is packed with gzip, no csv", ".gz"),
    "web_page": ("a.csv", b"\n<!DOCTYPE html>\n<html>\n", "a.csv: this is a web page, no csv", "raw or download link"),
    "format": ("a.doc", b"x", "a.doc", "csv, json, jsonl"),
}


@pytest.mark.parametrize(("name", "content", "where", "what"), BAD.values(), ids=BAD)
def test_a_bad_file_is_one_message_with_file_and_line(
    tmp_path: Path, name: str, content: bytes, where: str, what: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError) as error:
        readers.read_table(tmp_path / name)
    assert where in str(error.value)
    assert what in str(error.value)


def test_a_missing_file_names_the_nearest(tmp_path: Path) -> None:
    write(tmp_path / "train.csv")
    for attempt in (lambda p: readers.read_rows(p), lambda p: sources.load(str(p))):
        with pytest.raises(UserError, match=r"Did you mean .*train\.csv"):
            attempt(tmp_path / "trian.csv")
    with pytest.raises(UserError, match="there is no folder"):
        sources.load(str(tmp_path / "no" / "train.csv"))


@pytest.mark.parametrize(
    ("address", "hint"),
    [
        ("https://example.org/files/reviews.csv?raw=1", "curl -L -o reviews.csv 'https://example.org/"),
        ("s3://bucket/train.jsonl", "copy it to train.jsonl"),
        ("https://huggingface.co/datasets/stanfordnlp/imdb/tree/main", "by its name: stanfordnlp/imdb"),
        ("hf://datasets/owner/name", "by its name: owner/name"),
    ],
)
def test_an_address_is_refused_with_a_way_to_fetch_it(address: str, hint: str) -> None:
    tries = (
        lambda: sources.load(address),
        lambda: sources.load(None, train_files=[address]),
        lambda: readers.read_rows(address),
        lambda: Corpus(CorpusOptions(data=[address])),
    )
    for attempt in tries:
        with pytest.raises(UserError) as error:
            attempt()
        assert address in error.value.message
        assert hint in (error.value.hint or "")


def test_the_password_in_an_address_is_not_repeated() -> None:
    with pytest.raises(UserError, match=r"^https://example\.org/a@b\.csv: ") as error:
        sources.load("https://me:secr@t@example.org/a@b.csv")
    assert "https://example.org/a@b.csv" in (error.value.hint or "")


# --- streaming


def test_the_first_row_does_not_read_the_rest() -> None:
    served = itertools.count()

    class Endless(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, buffer: bytearray) -> int:
            assert next(served) < 10, "the reader reads ahead"
            piece = b"text,label\n" + b"a,b\n" * ((len(buffer) - 11) // 4)
            buffer[: len(piece)] = piece
            return len(piece)

    rows = readers.read_rows(io.BufferedReader(Endless()), Reading("csv"))
    assert next(rows) == readers.Row(2, {"text": "a", "label": "b"})


def test_an_unclosed_quote_does_not_read_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nlpkit.data.csv_rows.LONGEST", 1000)
    try:
        (tmp_path / "a.csv").write_text('text\na\n"b\n' + "c\n" * 10_000)
        with pytest.raises(UserError, match=r"line 3: a quote is opened .* \(noticed on line 5\d\d\)"):
            list(readers.read_rows(tmp_path / "a.csv"))
    finally:
        csv.field_size_limit(131072)


def test_keep_goes_on_after_bad_rows(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b'text,label\na,x\nb\n"c" d,x\nd\xe9,y\ne,y,z\nf,y\n')
    rows = list(readers.read_rows(tmp_path / "a.csv", on_error="keep"))
    assert [row.line for row in rows] == [2, 3, 4, 5, 6, 7]
    assert [row.error is None for row in rows] == [True, False, False, False, False, True]
    assert "line 3: expected 2 fields" in (rows[1].error or "")
    assert [row.values.get("text") for row in rows] == ["a", "b", None, "d\ufffd", "e", "f"]

    (tmp_path / "a.jsonl").write_text('{"text": "a"}\n{"text"\n{"text": "c"}\n')
    rows = list(readers.read_rows(tmp_path / "a.jsonl", on_error="keep"))
    assert [(row.line, row.values, row.error is None) for row in rows] == [
        (1, {"text": "a"}, True),
        (2, {}, False),
        (3, {"text": "c"}, True),
    ]


# --- sources


@pytest.mark.parametrize(
    "names",
    [
        ["train.csv", "validation.csv", "test.csv"],
        ["training.jsonl", "dev.jsonl", "testing.jsonl"],
        ["sst2_train.csv.gz", "sst2-val.csv.gz", "sst2.test.csv.gz"],
        ["data/train-00000-of-00001.parquet", "data/valid.parquet", "data/test.parquet"],
    ],
)
def test_folder_layouts(tmp_path: Path, names: list[str]) -> None:
    for name, label in zip(names, "abc", strict=True):
        write(tmp_path / name, [{"text": "t", "label": label}])
    for other in ("README.txt", "LICENSE.txt", ".hidden.csv", "dataset_infos.json"):
        (tmp_path / other).write_text("{}")
    splits = sources.load(str(tmp_path)).splits
    assert {split: rows["label"][0] for split, rows in splits.items()} == {"train": "a", "validation": "b", "test": "c"}


def test_shards_are_joined_in_order_and_rows_know_their_file(tmp_path: Path) -> None:
    for part in range(2):
        write(tmp_path / f"train-{part:05}-of-00002.csv", [{"text": f"{part}{row}"} for row in "ab"])
    loaded = sources.load(str(tmp_path))
    assert loaded.splits["train"]["text"][:] == ["0a", "0b", "1a", "1b"]
    assert loaded.where("train", 3) == f"{tmp_path}/train-00001-of-00002.csv line 3"
    (tmp_path / "train-00000-of-00002.csv").unlink()
    with pytest.raises(UserError, match="1 of 2 parts"):
        sources.load(str(tmp_path))


@pytest.mark.parametrize(
    "names", [["train.csv", "train.jsonl"], ["dev.csv", "valid.csv"], ["train.csv", "train.csv.gz"]]
)
def test_a_split_in_two_guises_is_refused(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        write(tmp_path / name)
    with pytest.raises(UserError, match="several files could be") as error:
        sources.load(str(tmp_path))
    assert all(name in str(error.value) for name in names)


def test_a_folder_without_split_names(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no data files"):
        sources.load(str(tmp_path))
    write(tmp_path / "one.csv")
    assert list(sources.load(str(tmp_path)).splits) == ["train"]
    write(tmp_path / "two.csv")
    with pytest.raises(UserError, match=r"one\.csv, two\.csv"):
        sources.load(str(tmp_path))


def test_globs_and_lists(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write(tmp_path / "logs" / f"{name}.jsonl.gz", [{"text": name}])
    first, second = (str(tmp_path / "logs" / f"{name}.jsonl.gz") for name in "ab")
    for spec in (str(tmp_path / "logs" / "*.jsonl.gz"), f"{first}, {second}"):
        assert sources.load(spec).splits["train"]["text"][:] == ["a", "b"]
    with pytest.raises(UserError, match="no file matches"):
        sources.load(str(tmp_path / "*.parquet"))

    train, test = write(tmp_path / "train.csv"), write(tmp_path / "test.csv")
    assert list(sources.load(f"{train},{test}").splits) == ["train", "test"]
    with pytest.raises(UserError, match="--train-file"):
        sources.load(f"{first},{test}")


def test_explicit_files_replace_a_split(tmp_path: Path) -> None:
    write(tmp_path / "set" / "train.csv")
    write(tmp_path / "set" / "test.csv")
    other = write(tmp_path / "other.csv", [{"text": "other", "label": "x"}])
    loaded = sources.load(str(tmp_path / "set"), test_files=[str(other)])
    assert loaded.splits["test"]["text"][:] == ["other"]
    assert loaded.where("test", 0) == f"{other} line 2"
    assert list(sources.load(None, train_files=[str(other)], validation_files=[str(other)]).splits) == [
        "train",
        "validation",
    ]
    with pytest.raises(UserError, match="no data"):
        sources.load(None)


def test_files_of_a_split_that_differ_in_types_or_columns_are_told(tmp_path: Path, heard: Heard) -> None:
    first = write(tmp_path / "a.jsonl", [{"text": "a", "label": 1}])
    second = write(tmp_path / "b.jsonl", [{"text": "b", "label": "x"}])
    assert sources.load(f"{first},{second}").splits["train"]["label"][:] == ["1", "x"]
    assert re.search(r"'label'.*a\.jsonl.*b\.jsonl.*int64 and string.*read as string", heard.said[-1])
    write(tmp_path / "b.jsonl", [{"text": "b"}])
    assert sources.load(f"{first},{second}").splits["train"]["label"][:] == [1, None]
    assert "['label']" in heard.said[-1]


def test_the_record_holds_the_files_and_their_hashes(tmp_path: Path) -> None:
    path = write(tmp_path / "train.csv")
    record = json.loads(json.dumps(sources.load(str(path)).source.to_record()))
    content = path.read_bytes()
    assert record["kind"] == "files"
    assert record["files"]["train"] == [
        {"path": str(path), "sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    ]


def test_the_fingerprint_follows_the_content(tmp_path: Path) -> None:
    path = write(tmp_path / "train.csv")
    before = sources.load(str(path)).splits["train"]._fingerprint
    assert sources.load(str(path)).splits["train"]._fingerprint == before
    write(path, ROWS[:2])
    assert sources.load(str(path)).splits["train"]._fingerprint != before


def test_saved_data_sets(tmp_path: Path) -> None:
    rows = datasets.Dataset.from_list(ROWS)
    datasets.DatasetDict(train=rows, dev=rows.select([1])).save_to_disk(str(tmp_path / "both"))
    loaded = sources.load(str(tmp_path / "both"))
    assert visible(loaded.splits["validation"]) == [ROWS[1]]
    assert loaded.source.kind == "disk"
    assert loaded.source.files["train"][0].bytes > 0
    assert loaded.where("train", 2).endswith("train row 3")
    rows.save_to_disk(str(tmp_path / "single"))
    assert visible(sources.load(str(tmp_path / "single")).splits["train"]) == ROWS


@pytest.mark.parametrize(
    "spec",
    [
        "train",
        "train[:20]+train[-20:]",
        "train[:10%]",
        "train[33%:67%]",
        "test[10:20]",
        "train[:1%](pct1_dropremainder)",
        "test+train[:5]",
    ],
)
def test_the_split_grammar_is_that_of_datasets(tmp_path: Path, spec: str) -> None:
    write(tmp_path / "train.csv", numbered(137))
    write(tmp_path / "test.csv", numbered(50))
    files = {split: str(tmp_path / f"{split}.csv") for split in ("train", "test")}
    expected = datasets.load_dataset("csv", data_files=files, split=spec, cache_dir=str(tmp_path / "cache"))
    loaded = sources.load(str(tmp_path), validation_split=spec)
    assert loaded.splits["validation"]["text"][:] == expected["text"][:]
    assert len(loaded.splits["train"]) == 137


def test_slices_know_where_they_come_from(tmp_path: Path) -> None:
    write(tmp_path / "train.csv", numbered(10))
    write(tmp_path / "dev.csv", numbered(10))
    loaded = sources.load(str(tmp_path), train_split="train[:2]+dev[-2:]")
    assert loaded.where("train", 3) == f"{tmp_path}/dev.csv line 11"


@pytest.mark.parametrize("spec", ["train[", "trian", "train[:5%]+", "train[200%:]", "train[5:5]"])
def test_a_wrong_split_names_those_that_exist(tmp_path: Path, spec: str) -> None:
    path = write(tmp_path / "a.csv", numbered(10))
    with pytest.raises(UserError, match=r"train \(10 rows\).*train\[:2000\]"):
        sources.load(str(path), train_split=spec)


# --- the hub


@pytest.mark.parametrize(
    ("data", "arguments", "expected"),
    [
        ("sst2", {}, ("sst2", None, None)),
        ("glue:sst2", {}, ("glue", "sst2", None)),
        ("nyu/glue@main", {}, ("nyu/glue", None, "main")),
        ("nyu/glue:sst2@refs/convert/parquet", {}, ("nyu/glue", "sst2", "refs/convert/parquet")),
        ("nyu/glue", {"config": "mrpc", "revision": "v1"}, ("nyu/glue", "mrpc", "v1")),
    ],
)
def test_hub_names(monkeypatch: pytest.MonkeyPatch, data: str, arguments: dict[str, str], expected: tuple) -> None:
    asked = []

    def load_dataset(name: str, config: str | None = None, *, revision: str | None = None) -> datasets.DatasetDict:
        asked.append((name, config, revision))
        rows = datasets.Dataset.from_list(ROWS)
        return datasets.DatasetDict(train=rows, dev=rows, extra=rows)

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    loaded = sources.load(data, test_split="dev[:1]", **arguments)
    assert asked == [expected]
    assert {split: len(rows) for split, rows in loaded.splits.items()} == {
        "train": 3,
        "validation": 3,
        "extra": 3,
        "test": 1,
    }
    assert visible(loaded.splits["train"]) == ROWS
    assert loaded.where("test", 0) == f"{expected[0]} dev row 1"
    assert (loaded.source.kind, loaded.source.revision) == ("hub", expected[2])


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ConnectionError("Couldn't reach"), r"no file or folder here, and the Hugging Face hub cannot be reached"),
        (datasets.exceptions.DatasetNotFoundError("Dataset 'a/b' doesn't exist"), "has no such data set"),
        (datasets.exceptions.DatasetNotFoundError("Dataset 'a/b' is a gated dataset"), "gated.*HF_TOKEN"),
        (datasets.exceptions.DatasetNotFoundError("Revision 'r' doesn't exist"), "no revision"),
        (ValueError("BuilderConfig 'c' not found. Available: ['x', 'y']"), "a/b:CONFIG with one of: x, y"),
        (
            ValueError("Config name is missing.\nPlease pick one among the available configs: ['x', 'y']"),
            "several configurations.*one of: x, y",
        ),
        (RuntimeError("Dataset scripts are no longer supported, but found b.py"), "refs/convert/parquet"),
        (KeyError("surprise"), "cannot be loaded from the hub: KeyError"),
    ],
)
def test_hub_failures_are_one_message(monkeypatch: pytest.MonkeyPatch, error: Exception, message: str) -> None:
    def load_dataset(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    with pytest.raises(UserError) as caught:
        sources.load("a/b")
    assert re.search(message, str(caught.value), re.DOTALL), str(caught.value)


@pytest.mark.parametrize("data", ["train.csv", "./train", "logs/*", "a/b/c", "~/nothing"])
def test_what_looks_like_a_path_is_never_asked_of_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(datasets, "load_dataset", lambda *_, **__: pytest.fail("asked the hub"))
    with pytest.raises(UserError):
        sources.load(data)


def test_a_model_folder_is_no_data(tmp_path: Path) -> None:
    for name in ("config.json", "model.safetensors", "train_results.json"):
        (tmp_path / name).write_text("{}")
    with pytest.raises(UserError, match="holds a model, not rows"):
        sources.load(str(tmp_path))
