"""Texts that keep their line ends: what a document is, whatever the blocks that a file is read in."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import write_jsonl

from nlpkit.data import corpus
from nlpkit.data.corpus import BLANK_LINE, FILE, Corpus, Verbatim
from nlpkit.options import CorpusOptions


def read(path: Path, end: str = BLANK_LINE) -> list[tuple[str, bool]]:
    made = Corpus(CorpusOptions(data=[str(path)]), verbatim=Verbatim(end))
    return [one for batch in made.batches() for one in zip(batch.texts, batch.starts, strict=True)]


@pytest.mark.parametrize(
    ("text", "end", "wanted"),
    [
        ("a\nb\n\nc\n\n\n\nd", BLANK_LINE, [("a\nb", True), ("c", True), ("d", True)]),
        ("a\r\n  b\r\n \r\nc\r\n", BLANK_LINE, [("a\n  b", True), ("c", True)]),
        ("\n\na\n\nb\n", FILE, [("\n\na\n\nb\n", True)]),
        ("a\n<end>\nb\n\nc\n<end>\n", "<end>", [("a", True), ("b\n\nc", True)]),
        ("a\u2028b\x0cc\nd", BLANK_LINE, [("a\u2028b\x0cc\nd", True)]),  # a line feed alone ends a line
    ],
)
def test_documents(tmp_path: Path, text: str, end: str, wanted: list[tuple[str, bool]]) -> None:
    path = tmp_path / "text.txt"
    path.write_bytes(text.encode())
    assert read(path, end) == wanted


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_blocks_make_no_difference(size: int) -> None:
    text = "a\r\nbb\n\nccc\n\n\ndd dd\n"
    blocks = [text[i : i + size] for i in range(0, len(text), size)]
    found = [one for texts, starts in corpus._as_they_stand(blocks, BLANK_LINE) for one in zip(texts, starts)]  # noqa: B905
    assert found == [("a\nbb", True), ("ccc", True), ("dd dd", True)]


@pytest.mark.parametrize("end", [FILE, BLANK_LINE])
def test_long_documents_come_in_parts_that_make_up_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    monkeypatch.setattr(corpus, "LONGEST_TEXT", 8)
    monkeypatch.setattr(corpus, "PIECE", 6)
    text = "one\ntwo three four\nfive six seven eight nine\n"
    path = tmp_path / "text.txt"
    path.write_text(text, encoding="utf-8")
    parts = read(path, end)
    assert len(parts) > 2
    assert [start for _, start in parts] == [True] + [False] * (len(parts) - 1)
    whole = "".join(part for part, _ in parts)
    assert whole == text if end == FILE else whole.rstrip("\n") == text.rstrip("\n")


def test_a_row_of_a_table_is_a_document(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "rows.jsonl", [{"text": "a\n\nb\n"}, {"text": "  "}, {"text": "c"}])
    assert read(path) == [("a\n\nb", True), ("c", True)]


def test_how_it_is_read_is_part_of_the_key(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text("a\n\nb\n", encoding="utf-8")
    options = CorpusOptions(data=[str(path)])
    ways = [None, Verbatim(), Verbatim(FILE), Verbatim("b")]
    assert len({Corpus(options, verbatim=way).fingerprint() for way in ways}) == len(ways)
