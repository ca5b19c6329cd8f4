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


def row_count(source: str | None, *, named: bool = False) -> int:
    """Rows of a plain text file by its lines, for the progress bar; 0 when counting would mean reading it all twice.

    A row whose quoted text runs over several lines counts as many times, and so do blank lines.

    Args:
        source: the file, as it was given.
        named: whether the columns were named, so that a table has no header.
    """
    path = Path(source or "")
    if source in (None, "-") or path.suffix not in (".csv", ".tsv", ".jsonl", ".txt") or not path.is_file():
        return 0
    lines, last = 0, b""
    with path.open("rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            lines += block.count(b"\n")
            last = block[-1:]
    lines += last not in (b"", b"\n")
    header = path.suffix in (".csv", ".tsv") and not named
    return max(lines - header, 0)
