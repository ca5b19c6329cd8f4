"""Vectors read back from a file that `embed` wrote."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nlpkit import nearby
from nlpkit.errors import UserError
from nlpkit.runs.files import small_text
from nlpkit.vectors import codes, formats
from nlpkit.vectors.made import KEY, Made

LONGEST_HEADER = 2**26  # bytes of the header of a safetensors file
AGAIN = "Make it again: nlpkit embed MODEL --input FILE --output {}"


@dataclass(frozen=True)
class StoredVectors:
    """The vectors of a file.

    Attributes:
        path: of the file.
        stored: as they are there, shape (rows, numbers); of .npy and .safetensors mapped from the disk.
        made: what they were made with.
        broken: whether a row has no vector, shape (rows,).
    """

    path: Path
    stored: np.ndarray
    made: Made
    broken: np.ndarray

    def __len__(self) -> int:
        return len(self.stored)

    def floats(self, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Rows in float32, shape (rows, width): of int8 scaled, of binary 1 and -1; NaN where a row has no vector."""
        part = np.asarray(self.stored[start:stop])
        found = codes.decode(part, self.made.dtype, self.made.width, self.made.scale)
        lost = self.broken[start:stop]
        if lost.any():
            found = np.array(found)
            found[lost] = np.nan
        return found


def read_vectors(path: str | Path, like: Made | None = None) -> StoredVectors:
    """Read a file that `embed` wrote, of any of its formats.

    Args:
        path: .npy, .safetensors, .parquet, .jsonl, .csv or .tsv.
        like: what the vectors that they are compared with are made with.

    Raises:
        UserError: there is no such file, it is damaged, nothing says what its vectors were made with, or they are of
            another model or other settings than `like`.
    """
    file = nearby.expanded(str(path))
    if file.suffix not in formats.SUFFIXES:
        raise UserError(f"{file} is no file of vectors", f"Those of `nlpkit embed` are {', '.join(formats.SUFFIXES)}.")
    if not file.is_file():
        raise UserError(f"{file} does not exist", AGAIN.format(file))
    try:
        stored, made = _READERS.get(file.suffix, _read_text)(file)
    except UserError:
        raise
    except (OSError, ValueError, LookupError, TypeError, ArithmeticError, MemoryError, RecursionError) as error:
        reason = "its record is nested too deep" if isinstance(error, RecursionError) else error
        raise UserError(f"{file} cannot be read as vectors: {reason}", AGAIN.format(file)) from None
    if stored.dtype != codes.STORED[made.dtype]:
        raise UserError(
            f"{file} holds numbers of the type {stored.dtype}, and its record tells of {made.dtype}", AGAIN.format(file)
        )
    if stored.ndim != 2 or stored.shape != (made.rows, codes.stored_width(made.width, made.dtype)):
        raise UserError(
            f"{file} holds {' x '.join(f'{size:,}' for size in stored.shape)} numbers, and its record tells of "
            f"{made.rows:,} x {codes.stored_width(made.width, made.dtype):,}",
            AGAIN.format(file),
        )
    if like is not None:
        made.require_like(like, file, "those they are compared with")
    broken = np.zeros(made.rows, bool)
    broken[list(made.broken)] = True
    return StoredVectors(file, stored, made, broken)


def _record_beside(path: Path) -> Made:
    note = formats.beside(path)
    if not note.is_file():
        raise UserError(f"{note} is missing: it says what the vectors of {path} were made with", AGAIN.format(path))
    return Made.of(_entry(json.loads(small_text(note)), KEY), note)


def _entry(document: Any, key: str) -> Any:
    """A value of a JSON object; None where it is none, or has no such key."""
    return document.get(key) if isinstance(document, dict) else None


def _require_rows(path: Path, there: int, made: Made) -> None:
    """Refuse a file with other rows than its record tells of, before memory is taken for them."""
    if there != made.rows:
        raise UserError(f"{path} holds {there:,} rows, and its record tells of {made.rows:,}", AGAIN.format(path))


def _read_npy(path: Path) -> tuple[np.ndarray, Made]:
    return np.load(path, mmap_mode="r" if path.stat().st_size else None, allow_pickle=False), _record_beside(path)


def _read_tensor(path: Path) -> tuple[np.ndarray, Made]:
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > LONGEST_HEADER:
            raise ValueError("its header is too long")
        header = json.loads(file.read(length))
    made = Made.of(json.loads(_entry(_entry(header, "__metadata__"), KEY) or "null"), path)
    entry = header[formats.NAME]
    shape, kind = tuple(entry["shape"]), codes.STORED[made.dtype]
    start, end = entry["data_offsets"]
    if entry["dtype"] != formats.TYPES[made.dtype]:
        raise ValueError(f"its numbers are of the type {entry['dtype']}, and its record tells of {made.dtype}")
    if not all(isinstance(number, int) and number >= 0 for number in (*shape, start, end)):
        raise ValueError("its header is damaged")
    if path.stat().st_size < 8 + length + end or end - start != math.prod(shape) * kind.itemsize:
        raise ValueError("it is not whole")
    if not end - start:
        return np.empty(shape, kind), made
    return np.memmap(path, kind, "r", 8 + length + start, shape), made


def _read_parquet(path: Path) -> tuple[np.ndarray, Made]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = pq.ParquetFile(path)
    made = Made.of(json.loads((file.schema_arrow.metadata or {}).get(KEY.encode(), b"null")), path)
    kind = codes.STORED[made.dtype]
    width = codes.stored_width(made.width, made.dtype)
    _require_rows(path, file.metadata.num_rows, made)
    wanted, there = pa.list_(pa.from_numpy_dtype(kind), width), file.schema_arrow.field(made.column).type
    if not pa.types.is_fixed_size_list(there) or (there.list_size, there.value_type) != (width, wanted.value_type):
        raise ValueError(f"its column {made.column} is {there}, and its record tells of {wanted}")
    out = np.empty((made.rows, width), kind)
    done = 0
    for batch in file.iter_batches(columns=[made.column]):
        column = batch.column(0)
        out[done : done + len(column)] = column.flatten().to_numpy(zero_copy_only=False).reshape(len(column), width)
        done += len(column)
    return out, made


def _read_text(path: Path) -> tuple[np.ndarray, Made]:
    from nlpkit.data import readers
    from nlpkit.data.inputs import Input

    made = _record_beside(path)
    kind = codes.STORED[made.dtype]
    found: list[Any] = []
    for row in readers.rows_of(Input.of(path), needed=False):
        value: Any = row.values.get(made.column)
        numbers = json.loads(value) if isinstance(value, str) else value
        found.append(None if numbers is None else np.asarray(numbers, kind))
    _require_rows(path, len(found), made)
    out = np.full((made.rows, made.width), 0 if kind.kind in "iu" else np.nan, kind)
    for i, numbers in enumerate(found):
        if numbers is not None:
            out[i] = numbers
    return out, made


_READERS = {".npy": _read_npy, ".safetensors": _read_tensor, ".parquet": _read_parquet}
