"""Rows that are worked on as they come, some at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nlpkit.data.rows import Row


def chunks_of(stream: Iterator[Row], most: int, most_characters: int) -> Iterator[list[Row]]:
    """Rows that are in memory at a time, from one to `most`, fewer where their texts have more characters."""
    chunk: list[Row] = []
    characters = 0
    for row in stream:
        chunk.append(row)
        characters += sum(len(value) for value in row.values.values() if isinstance(value, str))
        if len(chunk) == most or characters > most_characters:
            yield chunk
            chunk, characters = [], 0
    if chunk:
        yield chunk


def row_count(source: str | None) -> int:
    """Lines of a plain text file, for the progress bar; 0 when counting would mean reading it all twice."""
    path = Path(source or "")
    if source in (None, "-") or path.suffix not in (".csv", ".tsv", ".jsonl", ".txt") or not path.is_file():
        return 0
    with path.open("rb") as file:
        return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))
