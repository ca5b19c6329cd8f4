"""Rows that a caller from Python has in memory, held under a name that is made of their content.

Options are plain values, and a record is JSON: so rows go to a command by name, `memory:` and 16 digits of their hash.
Whatever takes the name of a file of rows takes such a name too, and reads it as it reads a table of parquet. Nothing is
written to the disk. The same rows have the same name in every process, but only the one that was given them has them.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nlpkit import reporting
from nlpkit.data import hub, one_type
from nlpkit.data.split_names import canonical
from nlpkit.errors import UserError
from nlpkit.reporting import counted

if TYPE_CHECKING:
    import pyarrow as pa

FORMAT = "memory"
PREFIX = "memory:"
SHOWN = "data"  # how messages and figures call rows that have no file
KEPT_BYTES = 2**31  # of rows that no command works on, which a later one may name again
TAKEN = (
    "a pandas or polars DataFrame, a Dataset or DatasetDict of `datasets`, a list of dicts, a dict of columns, a pair "
    "of lists (texts, labels), or a dict of any of these by split"
)
_COMMON = (str, int, float, bool)  # what nearly every cell holds
_BATCH = 1_024  # rows turned into Python values at a time


Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Held:
    """Rows under a name.

    Attributes:
        name: `memory:` and the first digits of `sha256`.
        sha256: of columns and values, in hex.
        bytes: that were hashed.
        rows: as they were given: a table, or dicts of plain values, whose columns may be of several kinds.
        parts: split -> name of its rows, of what was given by split.
    """

    name: str
    sha256: str
    bytes: int
    rows: pa.Table | Rows
    parts: Mapping[str, str]


_held: dict[str, Held] = {}  # the one that was used last comes last
_lock = threading.Lock()


def is_name(spec: object) -> bool:
    """Whether a value names rows in memory; an address, `memory://`, is of a store of fsspec."""
    return str(spec).startswith(PREFIX) and not str(spec).startswith(f"{PREFIX}/")


def is_held(spec: object) -> bool:
    """Whether it names rows that this process has."""
    return str(spec) in _held


def held(spec: object) -> Held:
    """The rows of a name.

    Raises:
        UserError: this process does not have them.
    """
    with _lock:
        found = _held.pop(str(spec), None)
        if found is not None:
            _held[found.name] = found
            return found
    raise UserError(
        f"{spec}: rows that a Python process had in memory, and this one has not",
        "Give the data: in Python the DataFrame or list, on the command line a file.",
    )


def table(spec: object) -> pa.Table | None:
    """The table of a name; None where its rows are dicts, whose columns have no types yet.

    Raises:
        UserError: this process does not have them, or they were given by split.
    """
    require_one(spec)
    rows = held(spec).rows
    return None if isinstance(rows, list) else rows


def require_one(spec: object) -> None:
    """Refuse the name of rows that were given by split, where one table is read.

    Raises:
        UserError: it is one, or this process does not have them.
    """
    if parts := held(spec).parts:
        raise UserError(
            f"{spec}: these rows are in splits ({', '.join(parts)})", "Give the rows of one, or all as data."
        )


def columns(spec: object) -> list[str]:
    """The columns of the rows of a name, in their order."""
    rows = held(spec).rows
    return list(rows[0]) if isinstance(rows, list) else rows.column_names


def rows(spec: object) -> Iterator[tuple[int, dict[str, Any]]]:
    """The rows of a name with their positions, from 0."""
    require_one(spec)
    return enumerate(_listed(held(spec).rows))


def rows_of(value: Any) -> list[dict[str, Any]]:
    """Rows as dicts of plain values, as they would be read of a file; nothing is held.

    Raises:
        UserError: they are no rows.
    """
    return list(_listed(_made(value)))


def _listed(rows: pa.Table | Rows) -> Iterator[dict[str, Any]]:
    if isinstance(rows, list):
        yield from rows
        return
    for batch in rows.to_batches(max_chunksize=_BATCH):
        yield from batch.to_pylist()


def let_go() -> None:
    """Forget the rows that were used longest ago, beyond `KEPT_BYTES`; called when no command works on any."""
    with _lock:
        kept = 0
        for name, entry in reversed(list(_held.items())):
            kept += entry.bytes
            if kept > KEPT_BYTES:
                del _held[name]


def is_rows(value: object) -> bool:
    """Whether a value is rows, and no name, path or other option."""
    if isinstance(value, str | bytes) or value is None:
        return False
    if _is_frame(value) or _is_dataset(value) or _is_dataset_dict(value) or is_pair(value):
        return True
    if isinstance(value, Mapping):
        return bool(value) and all(is_rows(part) or _is_column(part) for part in value.values())
    return isinstance(value, list | tuple) and bool(value) and all(isinstance(row, Mapping) for row in value)


def hold(value: Any) -> str:
    """Keep rows for this process; returns their name.

    Raises:
        UserError: there are none, they are no rows, or two splits have one name.
    """
    parts = _parts(value)
    if parts:
        names = {split: hold(part) for split, part in parts.items()}
        digest = hashlib.sha256(repr(sorted(names.items())).encode()).hexdigest()
        return _keep(Held(f"{PREFIX}{digest[:16]}", digest, 0, [], names))
    made = _made(value)
    if not len(made):
        raise UserError("the data hold no rows", "Check the selection or filter that they come from.")
    digest, size = _digest(made)
    return _keep(Held(f"{PREFIX}{digest[:16]}", digest, size, made, {}))


def _keep(entry: Held) -> str:
    with _lock:
        _held.pop(entry.name, None)
        _held[entry.name] = entry
    return entry.name


def _digest(rows: pa.Table | Rows) -> tuple[str, int]:
    """The hash of columns and values, however they are laid out in memory, and how many bytes went into it."""
    hashed, size = hashlib.sha256(), 0
    if not isinstance(rows, list) and rows.schema.metadata:
        hashed.update(repr(rows.schema.metadata).encode())  # names of classes
    for row in _listed(rows):
        part = repr(row).encode("utf-8", "surrogatepass")
        hashed.update(part)
        size += len(part)
    return hashed.hexdigest(), size


# --- what is taken for rows ---


def _is_frame(value: object) -> bool:
    """A DataFrame of pandas or polars, or a table of arrow: what has columns, and gives them to arrow."""
    gives = any(hasattr(value, name) for name in ("__arrow_c_stream__", "to_arrow", "iloc"))
    return not isinstance(value, Mapping) and hasattr(value, "columns") and gives


def _is_dataset(value: object) -> bool:
    """A Dataset; one of its columns has features too, and is none."""
    return type(value).__module__.startswith("datasets.") and hasattr(value, "features") and hasattr(value, "map")


def _is_dataset_dict(value: object) -> bool:
    return type(value).__module__.startswith("datasets.") and isinstance(value, Mapping)


def _is_column(value: object) -> bool:
    """A sequence of values: a list, a Series, an array of one dimension."""
    return not isinstance(value, str | bytes | Mapping) and hasattr(value, "__len__") and hasattr(value, "__getitem__")


def is_pair(value: object) -> bool:
    """Texts and their labels, in two sequences."""
    return (
        isinstance(value, tuple) and len(value) == 2 and all(_is_column(part) and not _is_frame(part) for part in value)
    )


def _parts(value: Any) -> dict[str, Any]:
    """The rows of each split, by the names of splits here, of what is given by split; else nothing.

    Raises:
        UserError: two of them are one split.
    """
    if not isinstance(value, Mapping) or not value:
        return {}
    if not (_is_dataset_dict(value) or (all(map(is_rows, value.values())) and any(map(canonical, value)))):
        return {}
    parts: dict[str, Any] = {}
    for name, part in value.items():
        split = canonical(name) or str(name)
        if split in parts:
            raise UserError(f"the data have the split {split!r} twice: {', '.join(map(str, value))}", "Keep one.")
        parts[split] = part
    return parts


def _made(value: Any) -> pa.Table | Rows:
    """Rows as a table of the types that rows of files have, or as dicts of plain values."""
    if _is_dataset(value):
        return _of_dataset(value)
    if _is_frame(value):
        return _of_frame(value)
    if is_pair(value):
        return _of_pair(*value)
    if isinstance(value, Mapping):
        return _of_columns({str(name): plain(column) for name, column in value.items()})
    if not is_rows(value):
        raise UserError(f"data: expected rows, found {type(value).__name__}", f"Give {TAKEN}.")
    names = dict.fromkeys(str(name) for row in value for name in row)
    cleaned = ({str(name): plain(cell) for name, cell in row.items()} for row in value)
    return _readable([{name: row.get(name) for name in names} for row in cleaned])


def _readable(rows: Rows) -> Rows:
    """The rows, each of whose cells holds what a table can hold.

    Raises:
        UserError: one holds an object of another kind.
    """
    import pyarrow as pa

    for position, row in enumerate(rows):
        for name, cell in row.items():
            if cell is None or isinstance(cell, _COMMON):
                continue
            try:
                pa.array([cell])
            except (pa.ArrowException, OverflowError, TypeError):
                if not isinstance(cell, list | Mapping):  # those may hold cells of many types, which are read as text
                    raise UserError(
                        f"column {name!r} holds {type(cell).__name__} at position {position}, which no table can hold",
                        "Write it as text or a number, or leave the column out.",
                    ) from None
    return rows


def _of_dataset(value: Any) -> pa.Table:
    """The rows of a data set, with the names of its classes where it has any."""
    from datasets import Features

    if not hasattr(value, "__len__"):
        raise UserError("the data are an IterableDataset, whose length is not known", "Give a Dataset of its rows.")
    rows = value.with_format(None)
    if rows._indices is not None:
        with hub.quiet():
            rows = rows.flatten_indices(keep_in_memory=True)
    made = rows.data.table.combine_chunks().replace_schema_metadata(None)
    return made if Features.from_arrow_schema(made.schema) == rows.features else made.cast(rows.features.arrow_schema)


def _of_frame(value: Any) -> pa.Table | Rows:
    import pyarrow as pa

    if not hasattr(value, "iloc"):  # polars, arrow
        made = value.to_arrow() if hasattr(value, "to_arrow") else pa.table(value)
        names = made.column_names
    else:
        names = [str(name) for name in value.columns]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise UserError(f"the DataFrame has two columns {twice!r}", "Rename one, or leave it out.")
        _tell_index(value)
        frame = value.set_axis(names, axis=1)
        try:
            made = pa.Table.from_pandas(frame, preserve_index=False)
        except (pa.ArrowException, TypeError, OverflowError):  # cells of many types, sparse columns
            return _of_columns({name: plain(frame[name]) for name in names})
    made = _with_text(one_type.plain(made.replace_schema_metadata(None), _say))
    return made.cast(pa.schema([(column.name, _small(column.type)) for column in made.schema]))


def _small(kind: pa.DataType) -> pa.DataType:
    """A type with the offsets that rows of files have: pandas and polars have larger ones."""
    import pyarrow as pa

    if pa.types.is_large_string(kind):
        return pa.string()
    if pa.types.is_large_binary(kind):
        return pa.binary()
    if pa.types.is_large_list(kind) or pa.types.is_list(kind):
        return pa.list_(_small(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([(kind.field(i).name, _small(kind.field(i).type)) for i in range(kind.num_fields)])
    return kind


def _tell_index(frame: Any) -> None:
    named = [str(name) for name in frame.index.names if name is not None]
    if named:
        _say(f"the index ({', '.join(named)}) is no column; reset_index() makes it one")


def _of_pair(texts: Any, labels: Any) -> Rows:
    """Texts and labels under the names that every task knows: words and their tags where a text is a list of words."""
    if len(texts) != len(labels):
        raise UserError(
            f"there are {counted(len(texts), 'text', 'texts')} and {counted(len(labels), 'label', 'labels')}",
            "Give a label for each text.",
        )
    first, second = plain(texts), plain(labels)
    if first and all(isinstance(text, list) for text in first):
        return _of_columns({"tokens": first, "tags": second})
    return _of_columns({"text": first, "label": second})


def _of_columns(columns: Mapping[str, Sequence[Any]]) -> Rows:
    """Columns of plain values as rows.

    Raises:
        UserError: one is longer than another.
    """
    sizes = {name: len(column) for name, column in columns.items()}
    if len(set(sizes.values())) > 1:
        shown = ", ".join(f"{name} {size:,}" for name, size in sizes.items())
        raise UserError(f"the columns of the data are not equally long: {shown}", "Give a value for each row.")
    return _readable([dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)])


def _with_text(table: pa.Table) -> pa.Table:
    """A column of nothing but empty cells is text, as in every table that is read."""
    import pyarrow as pa

    for index, column in enumerate(table.schema):
        if pa.types.is_null(column.type):
            table = table.set_column(index, column.name, pa.nulls(len(table), pa.string()))
    return table


def plain(value: Any) -> Any:
    """A value, or a column of values, without what numpy and pandas add: their numbers, their ways to say nothing."""
    if isinstance(value, Mapping):
        return {str(name): plain(part) for name, part in value.items()}
    if isinstance(value, str):
        return str(value)
    if isinstance(value, set | frozenset):
        return [plain(part) for part in sorted(value, key=str)]
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    if hasattr(value, "tolist"):  # arrays, Series, and numbers of numpy
        made = value.tolist()
        return [plain(part) for part in made] if isinstance(made, list) else plain(made)
    if hasattr(value, "to_list"):  # polars
        return [plain(part) for part in value.to_list()]
    if hasattr(value, "to_pydatetime"):
        return value.to_pydatetime(warn=False) if type(value).__name__ == "Timestamp" else None
    missing = isinstance(value, float) and value != value
    return None if missing or type(value).__name__ in ("NAType", "NaTType") else value


def _say(fact: str) -> None:
    reporting.current().note(f"{SHOWN}: {fact}")


UNIT = "position"
"""What numbers rows in memory: counted from 0, as `iloc` and `[]` do."""
