"""The passages of an index as an arrow table, mapped from the disk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nlpkit.searching.passages import DIGEST

if TYPE_CHECKING:
    import pyarrow as pa

COLUMN = "column."  # begins the name of a column of the user
ROWS = 16_384  # that are written at a time
OWN = {
    "id": "string",
    "named": "bool",
    "document": "int64",
    "passage": "int32",
    "start": "int64",
    "end": "int64",
    "text": "large_string",
    "digest": f"fixed_size_binary[{DIGEST}]",
    "body": f"fixed_size_binary[{DIGEST}]",
    "whole": f"fixed_size_binary[{DIGEST}]",
}
"""The columns that each has, and their types."""


def write(table: pa.Table, path: Path) -> None:
    """Write it as an arrow file, of which rows are read without reading the others."""
    import pyarrow as pa

    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table, max_chunksize=ROWS)


def read(path: Path) -> pa.Table:
    """Open it, mapped from the disk.

    Raises:
        OSError, ValueError: it cannot be read, or holds something else.
    """
    import pyarrow as pa

    found = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
    found.validate()
    types = {field.name: str(field.type) for field in found.schema}
    wrong = [name for name, kind in OWN.items() if types.get(name) != kind or found.column(name).null_count]
    if wrong:
        raise ValueError(f"the column {wrong[0]!r} is none of an index")
    return found


def document_places(table: pa.Table) -> np.ndarray:
    """The place of the document of each passage, shape (passages,)."""
    found = []
    for chunk in table.column("document").chunks:
        # arrow's own way imports pandas
        numbers = np.frombuffer(chunk.buffers()[1], np.int64)
        found.append(numbers[chunk.offset : chunk.offset + len(chunk)])
    return np.concatenate(found) if found else np.empty(0, np.int64)


def at(table: pa.Table, places: Sequence[int]) -> pa.Table:
    """Some rows, in the order of their places.

    They are put together of slices: arrow makes an array of places with the help of pandas, whose import alone takes
    longer than a search.
    """
    import pyarrow as pa

    return pa.concat_tables([table.slice(place, 1) for place in places]) if len(places) else table.slice(0, 0)


def user_columns(table: pa.Table) -> list[str]:
    """The names of the user's columns."""
    return [name.removeprefix(COLUMN) for name in table.column_names if name.startswith(COLUMN)]


def digests(table: pa.Table) -> Iterator[bytes]:
    """Of the text of each passage."""
    for chunk in table.column("digest").chunks:
        yield from chunk.to_pylist()


@dataclass(frozen=True)
class Changes:
    """What became of documents since an index was made.

    Attributes:
        new, changed, removed, same: how many; a document without an id of its own that changes is a new one, and the
            one that it was is removed.
    """

    new: int
    changed: int
    removed: int
    same: int


def changes(before: pa.Table | None, now: pa.Table) -> Changes:
    """Compare the documents of two tables."""
    old, new = (_documents(table) for table in (before, now))
    both = old[0].keys() & new[0].keys()
    changed = sum(old[0][name] != new[0][name] for name in both)
    kept = sum((old[1] & new[1]).values())
    return Changes(
        new=len(new[0].keys() - both) + sum(new[1].values()) - kept,
        changed=changed,
        removed=len(old[0].keys() - both) + sum(old[1].values()) - kept,
        same=len(both) - changed + kept,
    )


def _documents(table: pa.Table | None) -> tuple[dict[str, bytes], Counter[bytes]]:
    """Content by id of those that have one of their own; of the others the content, and how often."""
    named: dict[str, bytes] = {}
    others: Counter[bytes] = Counter()
    if table is None:
        return named, others
    import pyarrow.compute as pc

    first = table.select(["id", "named", "whole"]).filter(pc.equal(table.column("passage"), 0))
    for row in first.to_pylist():
        if row["named"]:
            named[row["id"]] = row["whole"]
        else:
            others[row["whole"]] += 1
    return named, others
