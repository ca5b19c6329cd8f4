"""Every kind of source gives the same texts, documents begin where they should, errors name the place."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hearing import Heard

from nlpkit import reporting
from nlpkit.data import corpus, readers
from nlpkit.data import sources as data_sources
from nlpkit.data.corpus import Corpus
from nlpkit.errors import UserError
from nlpkit.options import CorpusOptions

PLAIN = "Emma Woodhouse,\nhandsome, clever\n\n \nand rich,\r\n\r\nnaïve 東京 🙂"
TEXTS = ["Emma Woodhouse,", "handsome, clever", "and rich,", "naïve 東京 🙂"]
STARTS = [True, False, True, True]
CELLS = ["Emma Woodhouse,\nhandsome, clever", None, "and rich,\r\n\n", "", "naïve 東京 🙂"]  # the same as a table


def read(*specs: str | Path, size: int = 1000, start: int = 0, **options: Any) -> tuple[list[str], list[bool]]:
    texts, starts = [], []
    for batch in Corpus(CorpusOptions(data=[str(spec) for spec in specs], **options)).batches(size, start=start):
        assert batch.first == start + len(texts)
        assert len(batch.texts) == len(batch.starts) <= size
        texts += batch.texts
        starts += batch.starts
    return texts, starts


def zst(path: Path, content: bytes) -> Path:
    with pa.CompressedOutputStream(str(path), "zstd") as out:
        out.write(content)
    return path


@pytest.fixture
def sources(tmp_path: Path) -> dict[str, Path]:
    """The same texts in every format."""
    made = {name: tmp_path / f"corpus.{name}" for name in ("txt", "txt.gz", "txt.zst", "csv", "tsv", "jsonl", "json")}
    made |= {name: tmp_path / f"corpus.{name}" for name in ("parquet", "jsonl.zst", "xlsx")}
    content = PLAIN.encode()
    made["txt"].write_bytes(content)
    made["txt.gz"].write_bytes(gzip.compress(content))
    zst(made["txt.zst"], content)
    for name in ("csv", "tsv"):
        with made[name].open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, delimiter="," if name == "csv" else "\t")
            writer.writerows([("id", "text"), *enumerate(CELLS)])
    rows = [{"id": i, "text": cell} for i, cell in enumerate(CELLS)]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    made["jsonl"].write_text(lines)
    zst(made["jsonl.zst"], lines.encode())
    made["json"].write_text(json.dumps(rows))
    pq.write_table(pa.Table.from_pylist(rows), made["parquet"])
    import openpyxl

    book = openpyxl.Workbook()
    for row in [("id", "text"), *enumerate(CELLS)]:
        book.active.append(row)
    book.save(made["xlsx"])
    return made


@pytest.mark.parametrize(
    "name", ["txt", "txt.gz", "txt.zst", "csv", "tsv", "jsonl", "jsonl.zst", "json", "parquet", "xlsx"]
)
def test_every_format_gives_the_same_texts(name: str, sources: dict[str, Path]) -> None:
    assert read(sources[name]) == (TEXTS, STARTS)


def test_zst_is_read_wherever_gz_is(tmp_path: Path) -> None:
    zst(tmp_path / "train.csv.zst", b"text,label\ngood,1\nbad,0\n")
    table = readers.read_table(tmp_path / "train.csv.zst")
    assert table["text"].to_pylist() == ["good", "bad"]
    assert data_sources.load(str(tmp_path)).splits["train"]["label"][:] == ["1", "0"]
    parquet = io.BytesIO()
    pq.write_table(pa.table({"text": ["good"]}), parquet)
    zst(tmp_path / "a.parquet.zst", parquet.getvalue())
    assert [row.values for row in readers.read_rows(tmp_path / "a.parquet.zst")] == [{"text": "good"}]
    (tmp_path / "notes.docx").touch()
    with pytest.raises(UserError) as caught:
        readers.read_rows(tmp_path / "notes.docx")
    assert ".gz, .zst" in (caught.value.hint or "")


def test_several_sources_at_once(sources: dict[str, Path], tmp_path: Path) -> None:
    assert read(sources["txt.gz"], sources["csv"]) == (TEXTS * 2, STARTS * 2)
    assert read(tmp_path / "corpus.txt*") == (TEXTS * 3, STARTS * 3)
    assert read(f"{sources['txt']},{sources['json']}") == (TEXTS * 2, STARTS * 2)


def test_folder_is_searched_in_order_without_hidden_files(tmp_path: Path, heard: Heard) -> None:
    for name in ("b.txt", "a/z.txt", "a/.hidden.txt", ".git/c.txt", "README.txt", "notes.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    assert read(tmp_path) == (["a/z.txt", "b.txt"], [True, True])
    assert heard.said == [f"{tmp_path}: 2 files are left out (README.txt, notes.md)"]


def test_samples_of_the_package_are_known() -> None:
    texts, _ = read("sample:feedback")
    assert len(texts) == 480 + 90 + 90
    with pytest.raises(UserError, match="no sample 'feedbak'"):
        read("sample:feedbak")


def test_each_file_begins_a_document(tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text("one\ntwo\n")
    assert read(tmp_path) == (["one", "two"] * 2, [True, False] * 2)


def test_name_without_a_format_is_plain_text(tmp_path: Path) -> None:
    (tmp_path / "wiki.train.tokens").write_text("one\ntwo")
    assert read(tmp_path / "wiki.train.tokens") == (["one", "two"], [True, False])


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1", "utf-8-sig"])
def test_encodings(encoding: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("naïve\ncafé\n".encode(encoding))
    assert read(tmp_path / "a.txt", encoding=encoding)[0] == ["naïve", "café"]


def test_standard_input_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    content = PLAIN.encode()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    source = Corpus(CorpusOptions(data=["-"]))
    assert source.size is None
    batch = next(source.batches())
    assert (batch.texts, batch.starts) == (TEXTS, STARTS)
    with pytest.raises(UserError, match="read only once"):
        next(source.batches())
    with pytest.raises(UserError, match="cannot be cached"):
        source.fingerprint()


def test_standard_input_is_in_the_record(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a\nb")))
    source = Corpus(CorpusOptions(data=["-"]))
    list(source.batches())
    digest = hashlib.sha256(b"a\nb").hexdigest()
    assert source.record()["files"] == [{"path": "-", "sha256": digest, "bytes": 3}]
    assert source.record()["kind"] == "stdin"


@pytest.mark.parametrize("size", [1, 3, 7, 1000])
@pytest.mark.parametrize("start", [0, 1, 6, 7, 29, 30, 99])
def test_start_leaves_an_identical_remainder(size: int, start: int, tmp_path: Path) -> None:
    for i in range(3):
        (tmp_path / f"{i}.txt").write_text("".join(f"{i} {n}\n" + "\n" * (n % 4 == 0) for n in range(10)))
    texts, starts = read(tmp_path)
    assert len(texts) == 30
    assert read(tmp_path, size=size, start=start) == (texts[start:], starts[start:])


def test_blocks_may_be_cut_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.txt").write_bytes(PLAIN.encode())
    for size in range(1, 12):  # through line ends and characters
        monkeypatch.setattr("nlpkit.data.inputs._BLOCK", size)
        assert read(tmp_path / "a.txt") == (TEXTS, STARTS)


def test_a_line_without_end_is_cut_at_blanks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpus, "LONGEST_TEXT", 12)
    monkeypatch.setattr("nlpkit.data.inputs._BLOCK", 16)
    words = " ".join(f"w{n}" for n in range(40))
    (tmp_path / "a.txt").write_text(words + "x" * 40 + "\nnext")
    texts, starts = read(tmp_path / "a.txt")
    assert "".join(texts) == words + "x" * 40 + "next"
    assert max(map(len, texts)) <= 12
    assert starts == [True] + [False] * (len(texts) - 1)
    (tmp_path / "a.csv").write_text(f'text\n"{words}{"x" * 40}\nnext"\n')
    assert read(tmp_path / "a.csv") == (texts, starts)


class Bar(reporting.Progress):
    amount = 0

    def advance(self, amount: int = 1, **figures: str) -> None:
        self.amount += amount


@pytest.mark.parametrize("name", ["txt", "txt.gz", "txt.zst", "csv", "jsonl.zst", "parquet", "xlsx"])
def test_bar_ends_at_the_size_on_disk(name: str, sources: dict[str, Path]) -> None:
    source = Corpus(CorpusOptions(data=[str(sources[name])]))
    bar = Bar()
    list(source.batches(bar=bar))
    assert bar.amount == source.size == sources[name].stat().st_size


def test_text_column(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id,Content,body\n1,left,right\n")
    assert read(path)[0] == ["left"]
    assert read(path, text_column="body")[0] == ["right"]
    with pytest.raises(UserError, match="no text column 'bodi'") as caught:
        read(path, text_column="bodi")
    assert caught.value.hint == "Did you mean 'body'?"
    path.write_text("id,name\n1,left\n")
    with pytest.raises(UserError, match="which column holds the text\\? There are id, name"):
        Corpus(CorpusOptions(data=[str(path)]))
    path.write_text("lyrics\nla la\n")  # there is but one
    assert read(path)[0] == ["la la"]


BROKEN = {
    "byte": ("a.txt", b"good\nb\xc3\xa9d \xff line\n", "a.txt line 2: byte 0xff \\(byte 6 of line 2\\)", "--encoding"),
    "cut character": ("a.txt", b"good\nb\xc3", "a.txt line 2: byte 0xc3 \\(byte 2 of line 2\\)", "--encoding"),
    "nul": ("a.txt", b"good\n\nb\0", "a.txt line 3: NUL character \\(byte 2 of line 3\\)", "binary"),
    "utf-16": ("a.txt", "good".encode("utf-16"), "a.txt line 1: the file is UTF-16", "--encoding utf-16"),
    "gzip": ("a.txt.gz", gzip.compress(b"good\n" * 999)[:-9], "a.txt.gz: damaged gzip", "again"),
    "zst": ("a.txt.zst", b"\x28\xb5\x2f\xfd\x04", "a.txt.zst: damaged zst", "again"),
    "csv": ("a.csv", b"text\n\xff\n", "a.csv line 2: byte 0xff", "--encoding"),
    "cell": (
        "a.jsonl",
        b'{"text": "a"}\n{"text": ["b"]}\n',
        "a.jsonl line 2: column 'text' holds a list",
        "--text-column",
    ),
    "blank": ("a.txt", b"\n \n\r\n", "a.txt: there is no text in it", "end"),
    "nothing": ("a.txt", b"", "a.txt: there is no text in it", "end"),
}


@pytest.mark.parametrize(("name", "content", "message", "hint"), BROKEN.values(), ids=BROKEN)
def test_what_cannot_be_read(name: str, content: bytes, message: str, hint: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=message) as caught:
        read(tmp_path / name)
    assert hint in (caught.value.hint or "")


def test_bad_byte_is_found_across_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.txt").write_bytes("one\nnaïve ".encode() + b"\xfe\n")
    for size in range(1, 16):
        monkeypatch.setattr("nlpkit.data.inputs._BLOCK", size)
        with pytest.raises(UserError, match="line 2: byte 0xfe \\(byte 8 of line 2\\)"):
            read(tmp_path / "a.txt")


def test_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "corpus.txt").write_text("a")
    cases: list[tuple[dict[str, Any], str]] = [
        ({"data": []}, "no data was given"),
        ({"data": ["corpos.txt"]}, "corpos.txt: no such file"),
        ({"data": ["*.csv"]}, "no file matches"),
        ({"data": ["empty"]}, "no text files in this folder"),
        ({"data": ["corpus.txt"], "encoding": "utf-9"}, "Unknown encoding 'utf-9'"),
        ({"data": ["corpus.txt"], "data_config": "x"}, "there is none in --data"),
        ({"data": ["corpus.txt"], "text_column": "x"}, "there is no table in --data"),
    ]
    for options, message in cases:
        options["data"] = [str(tmp_path / spec) for spec in options["data"]]
        with pytest.raises(UserError, match=message):
            Corpus(CorpusOptions(**options))
    with pytest.raises(UserError, match="no such file"):  # --validation-file
        Corpus(CorpusOptions(data=[str(tmp_path / "corpus.txt")]), [str(tmp_path / "corpos.txt")])


def test_record_and_fingerprint(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("a\n")
    first = Corpus(CorpusOptions(data=[str(path)]))
    assert first.record() == {
        "spec": str(path),
        "kind": "files",
        "files": [{"path": str(path), "sha256": hashlib.sha256(b"a\n").hexdigest(), "bytes": 2}],
        "hub": [],
    }
    (tmp_path / "copy.txt").write_text("a\n")
    assert Corpus(CorpusOptions(data=[str(tmp_path / "copy.txt")])).fingerprint() == first.fingerprint()
    path.write_text("b\n")
    assert Corpus(CorpusOptions(data=[str(path)])).fingerprint() != first.fingerprint()


class HubRows:
    """What `load_dataset(streaming=True)` returns, as far as it is used."""

    column_names = ("title", "text")

    def iter(self, batch_size: int) -> Iterator[dict[str, list[Any]]]:
        yield {"title": ["t"] * 2, "text": CELLS[:2]}
        yield {"title": ["t"] * 3, "text": CELLS[2:]}


def test_hub_is_streamed(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def load_dataset(*arguments: Any, **named: Any) -> HubRows:
        asked.append((arguments, named))
        return HubRows()

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    options = CorpusOptions(data=["owner/wiki:en@v1"], data_split="test")
    source = Corpus(options)
    assert asked == [(("owner/wiki", "en"), {"split": "test", "revision": "v1", "streaming": True})]
    batches = list(source.batches())
    assert [(batch.texts, batch.starts) for batch in batches] == [(TEXTS, STARTS)]
    assert source.size is None
    assert source.record()["hub"] == [{"name": "owner/wiki", "config": "en", "revision": "v1", "split": "test"}]
    assert source.fingerprint() != Corpus(options.changed(data_split="train")).fingerprint()


def test_hub_cannot_be_reached_or_has_no_such_split(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="is no file or folder here, and the Hugging Face hub cannot be reached"):
        Corpus(CorpusOptions(data=["owner/wiki"]))

    def load_dataset(*_: Any, **__: Any) -> None:
        raise ValueError("Bad split: tran. Available splits: ['train']")

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    with pytest.raises(UserError, match="Available splits") as caught:
        Corpus(CorpusOptions(data=["owner/wiki"], data_split="tran"))
    assert "--data-split" in (caught.value.hint or "")


@pytest.mark.slow
def test_memory_does_not_grow_with_the_corpus(tmp_path: Path) -> None:
    import tracemalloc

    path = tmp_path / "large.txt.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        for _ in range(300):
            file.write(b"All work and no play makes Jack a dull boy.\n" * 2400)  # 0.1 MB
    source = Corpus(CorpusOptions(data=[str(path)]))
    tracemalloc.start()
    count = sum(len(batch.texts) for batch in source.batches())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 300 * 2400
    assert peak < 16 * 2**20  # of 32 MB of text


def test_quotes_in_tab_separated_text_swallow_no_texts(tmp_path: Path) -> None:
    lines = ["text\tlabel", "plain one\t1", '"opens here\t0', "plain two\t1", 'closes here"\t1']
    (tmp_path / "a.tsv").write_text("\n".join(lines) + "\n")
    assert read(tmp_path / "a.tsv")[0] == ["plain one", '"opens here', "plain two", 'closes here"']
    (tmp_path / "b.tsv").write_text("\n".join(lines[1:]) + "\n")
    texts = read(tmp_path / "b.tsv", columns="text,label")[0]
    assert texts == ["plain one", '"opens here', "plain two", 'closes here"']


def test_what_is_found_in_a_file_is_told_once(tmp_path: Path, heard: Heard) -> None:
    path = tmp_path / "a.tsv"
    path.write_text('text\t\n"good" film\t1\n\nbad film\t2\n')
    source = Corpus(CorpusOptions(data=[str(path)], text_column="text"))
    for _ in range(2):
        assert [text for batch in source.batches() for text in batch.texts] == ['"good" film', "bad film"]
    assert len(heard.said) == len(set(heard.said)) == 3
    assert [message.removeprefix(f"{path}").split(" ", 3)[2] for message in heard.said] == ["1:", "are", "blank"]


def test_cells_that_are_no_text_read_as_people_write_them(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": [12.0, 0.5, float("nan"), None]}), path)
    assert read(path)[0] == ["12", "0.5"]
    pq.write_table(pa.table({"text": ["naïve".encode(), b"good"]}), path)
    assert read(path)[0] == ["naïve", "good"]


def test_lines_that_are_cut_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, heard: Heard) -> None:
    monkeypatch.setattr(corpus, "LONGEST_TEXT", 12)
    (tmp_path / "a.txt").write_text("short\none two three four five\nshort\n")
    texts, _ = read(tmp_path / "a.txt")
    assert texts == ["short", "one two ", "three four ", "five", "short"]
    assert next(line for line in heard.notes if "pieces" in line).endswith(": 2 cuts")
