"""Rows of a file by its lines, for plans and progress."""

from __future__ import annotations

from pathlib import Path

import pytest

from nlpkit.data import streams


@pytest.mark.parametrize(
    ("name", "text", "named", "rows"),
    [
        ("rows.csv", "text\na\nb\n", False, 2),
        ("rows.csv", "text\na\nb", False, 2),
        ("rows.csv", "a\nb\n", True, 2),
        ("rows.tsv", "", False, 0),
        ("rows.jsonl", "{}\n{}\n", False, 2),
        ("rows.txt", "one", False, 1),
        ("rows.parquet", "x\n", False, 0),
    ],
)
def test_a_header_is_no_row(name: str, text: str, named: bool, rows: int, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    assert streams.row_count(str(tmp_path / name), named=named) == rows
