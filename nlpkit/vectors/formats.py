"""Files of vectors: written a chunk of rows at a time, whole or not there at all.

| suffix | holds | what they were made with |
|---|---|---|
| .npy | an array, a row for each text | NAME.npy.json |
| .safetensors | the tensor `vectors` | its metadata |
| .parquet | the columns of the rows, `vector`, `vector_error` | the metadata of its schema |
| .jsonl, .csv, .tsv | the same, the vector as a list | NAME.jsonl.json |
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from nlpkit.data import writers
from nlpkit.data.rows import Style
from nlpkit.errors import UserError
from nlpkit.runs.files import whole, write_json, writing
from nlpkit.vectors import codes
from nlpkit.vectors.made import KEY, Made

BARE = (".npy", ".safetensors")  # without the columns of the rows
TEXT = (".jsonl", ".csv", ".tsv")
SUFFIXES = (".parquet", *BARE, *TEXT)
NAME = "vectors"  # of the tensor
TYPES = {"fp32": "F32", "fp16": "F16", "int8": "I8", "binary": "U8"}  # as safetensors calls them

Block = tuple[Sequence[Mapping[str, Any]], np.ndarray]
"""Rows as they were read, and their vectors as they are stored, NaN or zero where there is none."""


def require_format(path: Path, dtype: str) -> None:
    """Refuse a file that vectors cannot be written to, before any work is put into it.

    Raises:
        UserError: the suffix is missing or unknown, or bits cannot be written so.
    """
    known = ", ".join(SUFFIXES)
    if path.suffix not in SUFFIXES:
        what = f"{path.suffix} is no format of vectors" if path.suffix else "its name has no suffix"
        raise UserError(f"--output {path}: {what}", f"End its name in one of: {known}.")
    if dtype == "binary" and path.suffix in TEXT:
        raise UserError(
            f"--dtype binary: {path.suffix} has text, and bits are packed into bytes",
            "End the name of --output in .npy, .parquet or .safetensors.",
        )


def beside(path: Path) -> Path:
    """The small file that says what vectors were made with, of a format that has no room for it."""
    return path.with_name(f"{path.name}.json")


def write(
    path: Path,
    blocks: Callable[[], Iterable[Block]],
    made: Made,
    columns: tuple[str, str],
    style: Callable[[], Style | None] = lambda: None,
    *,
    overwrite: bool,
) -> None:
    """Write a file of vectors.

    Args:
        path: its suffix says the format, see `require_format`.
        blocks: gives the rows with their vectors, and the `vector_error` of a row that has none.
        made: what they were made with.
        columns: names of the vector and of its error.
        style: how the fields of csv and tsv are written; None: as is usual.
        overwrite: replace what is there.
    """
    if path.suffix not in (".parquet", ".safetensors") and overwrite:
        beside(path).unlink(missing_ok=True)  # the vectors that it is about go first
    vector = columns[0]
    if path.suffix in BARE:
        begin = _npy_header if path.suffix == ".npy" else _tensor_header
        with writing(path), whole(path, overwrite=overwrite) as partial, partial.open("wb") as file:
            begin(file, made)
            for _, vectors in blocks():
                file.write(np.ascontiguousarray(vectors).data)
    elif path.suffix == ".parquet":
        with writing(path), whole(path, overwrite=overwrite) as partial:
            _write_parquet(partial, blocks(), made, vector)
    else:
        with writers.writer(path, {}, style, overwrite=overwrite) as put:
            for rows, vectors in blocks():
                numbers = vectors.tolist()
                there = [bool(row[columns[1]] is None) for row in rows]
                put(
                    [
                        {**row, vector: values if has else None}
                        for row, values, has in zip(rows, numbers, there, strict=True)
                    ]
                )
    if path.suffix not in (".parquet", ".safetensors"):
        with writing(beside(path)):
            write_json(beside(path), {KEY: made.record()})


def _npy_header(file: IO[bytes], made: Made) -> None:
    shape = (made.rows, codes.stored_width(made.width, made.dtype))
    kind = np.lib.format.dtype_to_descr(codes.STORED[made.dtype])
    np.lib.format.write_array_header_1_0(file, {"descr": kind, "fortran_order": False, "shape": shape})


def _tensor_header(file: IO[bytes], made: Made) -> None:
    """Length of a JSON document, the document, the numbers (https://github.com/huggingface/safetensors): the library
    itself writes only what is in memory as a whole."""
    width = codes.stored_width(made.width, made.dtype)
    size = made.rows * width * codes.STORED[made.dtype].itemsize
    header = {
        "__metadata__": {KEY: json.dumps(made.record(), ensure_ascii=False)},
        NAME: {"dtype": TYPES[made.dtype], "shape": [made.rows, width], "data_offsets": [0, size]},
    }
    text = json.dumps(header, ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    file.write(len(text).to_bytes(8, "little") + text)


def _write_parquet(path: Path, blocks: Iterable[Block], made: Made, vector: str) -> None:
    """Columns as `writers` has them; the vectors, as lists of one size, stand behind those of the rows."""
    import pyarrow as pa

    kind = pa.from_numpy_dtype(codes.STORED[made.dtype])
    listed = pa.list_(kind, codes.stored_width(made.width, made.dtype))
    metadata = {KEY: json.dumps(made.record(), ensure_ascii=False)}
    with writers.parquet(path, {vector: listed}, metadata) as put:
        for rows, vectors in blocks:
            flat = pa.array(np.ascontiguousarray(vectors).reshape(-1))
            lists = pa.FixedSizeListArray.from_arrays(flat, type=listed) if made.width else pa.nulls(len(rows), listed)
            put(rows, {vector: lists})
