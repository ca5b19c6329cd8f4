"""Columns of one type from values of several: text wherever they disagree, whatever the order of the rows.

JSON and Excel let every cell have a type of its own, a table has one a column. A column that nobody reads must stop
nothing, and in one that is read a number among texts is a text; what was made text is counted and told.
"""

from __future__ import annotations

import datetime
import itertools
import json
from array import array
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nlpkit import reporting

if TYPE_CHECKING:
    import pyarrow as pa

EXACT = 2**53  # up to which every whole number is one as a float too
INT64 = 2**63

NOTHING: Mapping[int, list[Any]] = {}
_KINDS = {str: "text", bool: "true or false", int: "numbers", float: "numbers", list: "lists", dict: "objects"}


def as_text(value: Any) -> str:
    """A value as people write it: whole numbers without a fraction, dates without a time of midnight."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer() and abs(value) < EXACT:
        return str(int(value))
    if isinstance(value, datetime.datetime):
        return str(value.date() if value.time() == datetime.time() else value)
    if isinstance(value, list | tuple | dict):
        return json.dumps(_without_gaps(value), ensure_ascii=False, default=as_text)
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _without_gaps(value: Any) -> Any:
    """The same without the keys that a table adds to objects that lack them."""
    if isinstance(value, dict):
        return {key: _without_gaps(item) for key, item in value.items() if item is not None}
    return [_without_gaps(item) for item in value] if isinstance(value, list | tuple) else value


@dataclass
class Mixture:
    """What was found of several kinds in a column.

    Attributes:
        path: of the part of a nested column, empty for its cells.
        counts: how many values of each kind.
        first: index of the row with the first value of the kind that is rarest.
    """

    path: str
    counts: Counter[str]
    first: int

    @property
    def listed(self) -> str:
        return " and ".join(f"{kind} ({count:,})" for kind, count in sorted(self.counts.items()) if count)


def uniform(values: Sequence[Any]) -> tuple[list[Any], list[Mixture]]:
    """The values of a column with one type, and what had several: those are text now."""
    return _uniform(values, range(len(values)), "")


def _uniform(values: Sequence[Any], owners: Sequence[int], path: str) -> tuple[list[Any], list[Mixture]]:
    """See `uniform`; `owners` are the rows that the values are in."""
    types = set(map(type, values)) - {type(None)}
    kinds = {_KINDS.get(kind, kind.__name__) for kind in types}
    if kinds == {"lists"}:
        return _of_lists(values, owners, path)
    if kinds == {"objects"}:
        return _of_objects(values, owners, path)
    if kinds == {"numbers"}:
        return _of_numbers(values, owners, path, types)
    if len(kinds) < 2:
        return list(values), []
    counts = Counter(_KINDS.get(type(value), type(value).__name__) for value in values if value is not None)
    rarest = min(counts, key=lambda kind: (counts[kind], kind))
    first = next(
        row
        for value, row in zip(values, owners, strict=True)
        if value is not None and _KINDS.get(type(value), type(value).__name__) == rarest
    )
    return [None if value is None else as_text(value) for value in values], [Mixture(path, counts, first)]


def _of_numbers(
    values: Sequence[Any], owners: Sequence[int], path: str, types: set[type]
) -> tuple[list[Any], list[Mixture]]:
    """Numbers as they are where one type holds them all exactly, else as text."""
    limit = EXACT if float in types else INT64
    large = [row for value, row in zip(values, owners, strict=True) if isinstance(value, int) and abs(value) >= limit]
    if large:
        count = sum(value is not None for value in values)
        kinds = Counter({"numbers too large to be kept as such": len(large), "others": count - len(large)})
        return [None if value is None else as_text(value) for value in values], [Mixture(path, kinds, large[0])]
    return [float(value) if float in types and value is not None else value for value in values], []


def _of_lists(values: Sequence[Any], owners: Sequence[int], path: str) -> tuple[list[Any], list[Mixture]]:
    held = [(owner, value) for owner, value in zip(owners, values, strict=True) if value is not None]
    flat, mixtures = _uniform(
        [item for _, value in held for item in value],
        [owner for owner, value in held for _ in value],
        f"{path}[]",
    )
    items = iter(flat)
    return [None if value is None else list(itertools.islice(items, len(value))) for value in values], mixtures


def _of_objects(values: Sequence[Any], owners: Sequence[int], path: str) -> tuple[list[Any], list[Mixture]]:
    made: list[Any] = [None if value is None else {} for value in values]
    mixtures: list[Mixture] = []
    for key in dict.fromkeys(key for value in values if value is not None for key in value):
        places = [i for i, value in enumerate(values) if value is not None and key in value]
        parts, more = _uniform([values[i][key] for i in places], [owners[i] for i in places], f"{path}.{key}")
        mixtures += more
        for i, part in zip(places, parts, strict=True):
            made[i][key] = part
    return [
        value if value is None else {key: changed[key] for key in value}
        for value, changed in zip(values, made, strict=True)
    ], mixtures


@dataclass
class Parts:
    """The rows of a file as tables, gathered part by part; which column has which type is settled by all of them.

    Args:
        at: the place of a row, by its line.
    """

    at: Callable[[int], str]
    _tables: list[pa.Table] = field(default_factory=list)
    _lines: array[int] = field(default_factory=lambda: array("q"))
    _names: dict[str, None] = field(default_factory=dict)
    _untyped: dict[str, dict[int, list[Any]]] = field(default_factory=dict)  # column -> part -> values

    def add(self, columns: Mapping[str, Sequence[Any]], lines: Sequence[int]) -> None:
        """Some rows, by columns; a column that is not there is empty in them."""
        import pyarrow as pa

        arrays = {}
        for name, values in columns.items():
            try:
                arrays[name] = pa.array(values)
            except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):  # no common type
                self._untyped.setdefault(name, {})[len(self._tables)] = list(values)
                arrays[name] = pa.nulls(len(values))
        self._names |= dict.fromkeys(columns)
        self._lines.extend(lines)
        self._tables.append(pa.table(arrays))

    def table(self) -> pa.Table:
        """All rows; columns of several kinds are text, and told."""
        tables = self._tables
        for name in self._untyped:
            tables = self._settled(tables, name)
        while conflict := type_conflict(tables):
            tables = self._settled(tables, conflict[0])
        import pyarrow as pa

        return pa.concat_tables(tables, promote_options="permissive").select(list(self._names))

    def _settled(self, tables: Sequence[pa.Table], name: str) -> list[pa.Table]:
        """The tables with a column of one type."""
        tables, mixtures = agreed(tables, name, self._untyped.get(name, {}))
        for mixture in mixtures:
            inside = f" in '{mixture.path}'" if mixture.path else ""
            reporting.current().note(
                f"column {name!r} holds {mixture.listed}{inside}: all are read as text "
                f"({self.at(self._lines[mixture.first])} is the first of the rarest kind)"
            )
        return tables


def type_conflict(tables: Sequence[pa.Table]) -> tuple[str, str, int, int] | None:
    """The first column of which two tables have no common type: (column, the types, index, other index).

    Whole numbers and others have one only where it holds both exactly, which their values tell.
    """
    import pyarrow as pa

    seen: dict[str, tuple[int, pa.Field]] = {}
    for index, table in enumerate(tables):
        for new in table.schema.remove_metadata():
            first, known = seen.get(new.name, (index, new))
            try:
                if _whole_and_not(known.type, new.type):
                    raise pa.ArrowTypeError(f"{known.type} and {new.type}")
                merged = pa.unify_schemas([pa.schema([known]), pa.schema([new])], promote_options="permissive")
            except (pa.ArrowInvalid, pa.ArrowTypeError):
                return new.name, f"{known.type} and {new.type}", first, index
            # A column that was empty so far has no type to disagree with: blame the table that gave it one.
            of = index if pa.types.is_null(known.type) else first
            seen[new.name] = of, merged.field(0)
    return None


def _whole_and_not(first: pa.DataType, second: pa.DataType) -> bool:
    import pyarrow as pa

    return any(
        pa.types.is_integer(one) and pa.types.is_floating(other) for one, other in ((first, second), (second, first))
    )


def agreed(
    tables: Sequence[pa.Table], column: str, untyped: Mapping[int, list[Any]] = NOTHING
) -> tuple[list[pa.Table], list[Mixture]]:
    """The tables with a column of one type that had none in common, and what was of several kinds in it.

    Args:
        tables: parts of one.
        column: its name.
        untyped: the values in those of the tables, by index, that hold nothing for them.
    """
    import pyarrow as pa

    parts = []
    for i, table in enumerate(tables):
        there = i not in untyped and column in table.column_names
        parts.append(table[column].to_pylist() if there else untyped.get(i, [None] * len(table)))
    made, mixtures = uniform([value for part in parts for value in part])
    joined = pa.array(made)
    changed, start = [], 0
    for table in tables:
        piece = joined.slice(start, len(table))
        start += len(table)
        if column in table.column_names:
            table = table.set_column(table.column_names.index(column), column, piece)
        changed.append(table)
    return changed, mixtures


def plain(table: pa.Table, say: Callable[[str], None]) -> pa.Table:
    """A table of parquet with the types that rows of other formats have: no categories, bytes or maps.

    Bytes that are UTF-8 are text; what `datasets` has no type for is text in the spelling of JSON, and told.

    Args:
        table: as it was read.
        say: takes what is to be told.
    """
    import pyarrow as pa

    declared = b"huggingface" in (table.schema.metadata or {})  # which says what bytes are
    for place, column in enumerate(table.schema):
        kind = column.type
        if pa.types.is_dictionary(kind):
            table = _replaced(table, place, table.column(place).cast(kind.value_type))
        elif pa.types.is_string_view(kind):
            table = _replaced(table, place, table.column(place).cast(pa.string()))
        elif pa.types.is_fixed_size_binary(kind):  # `datasets` before 5.1 has no type for bytes of one length
            table = _replaced(table, place, table.column(place).cast(pa.binary()))
        elif (pa.types.is_binary(kind) or pa.types.is_large_binary(kind)) and not declared:
            try:
                text = table.column(place).cast(pa.large_string() if pa.types.is_large_binary(kind) else pa.string())
            except pa.ArrowInvalid:  # no text: pictures, hashes
                continue
            table = _replaced(table, place, text)
            say(f"column {column.name!r} holds bytes, which are read as UTF-8 text")
        elif pa.types.is_temporal(kind) and not _is_told(table.column(place)):
            numbers = table.column(place).cast(pa.int64()).to_pylist()
            table = _replaced(table, place, pa.array([None if n is None else str(n) for n in numbers], pa.string()))
            say(
                f"column {column.name!r} holds times that no calendar here has ({kind}); they are read as their numbers"
            )
        elif _unknown(kind):
            values = [None if value is None else as_text(value) for value in table.column(place).to_pylist()]
            table = _replaced(table, place, pa.array(values, pa.string()))
            say(f"column {column.name!r} holds {kind}, which is read as text")
    return table


def _is_told(column: pa.ChunkedArray) -> bool:
    """Whether all times of a column can be written as dates: those up to the year 9999, in a zone that is known."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not (pa.types.is_timestamp(column.type) or pa.types.is_date(column.type)):
        return True
    try:
        pc.min_max(column).as_py()
    except (OverflowError, ValueError, KeyError):
        return False
    return True


def _replaced(table: pa.Table, place: int, values: Any) -> pa.Table:
    return table.set_column(place, table.column_names[place], values)


def _unknown(kind: pa.DataType) -> bool:
    """Whether `datasets` has no type for an arrow type or a part of it."""
    import pyarrow as pa

    if isinstance(kind, pa.BaseExtensionType):
        return not kind.extension_name.startswith("datasets.")
    if any(
        test(kind)
        for test in (
            pa.types.is_map,
            pa.types.is_interval,
            pa.types.is_union,
            pa.types.is_run_end_encoded,
            pa.types.is_list_view,
            pa.types.is_large_list_view,
        )
    ):
        return True
    return any(_unknown(kind.field(i).type) for i in range(kind.num_fields))
