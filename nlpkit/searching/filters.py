"""Conditions on the columns of documents, which are settled before the search: what is found fulfils all of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nlpkit.data import columns as column_names
from nlpkit.errors import UserError
from nlpkit.searching import table

if TYPE_CHECKING:
    import pyarrow as pa

_CONDITION = re.compile(r"\s*(?P<name>.+?)\s*(?P<sign>!=|<=|>=|=|<|>)\s*(?P<value>.*?)\s*", re.DOTALL)
HINT = "NAME=VALUE, NAME=A|B, !=, <, <=, >, >="


class Condition(NamedTuple):
    """What one column is asked to be."""

    name: str
    sign: str
    value: str


def parsed(text: str) -> Condition:
    """A condition as it is typed.

    Raises:
        UserError: it has no sign.
    """
    match = _CONDITION.fullmatch(text)
    if match is None:
        raise UserError(f"--filter {text!r} is no condition", HINT)
    return Condition(**match.groupdict())


def rows(passages: pa.Table, conditions: Sequence[str]) -> np.ndarray | None:
    """The places of the passages that fulfil all conditions, in order; None: no condition was given.

    A column of numbers is compared as numbers, and so is one of texts (as csv has them) where the value is a number and
    the sign is none of equality; all others as texts. An empty cell fulfils only !=.

    Raises:
        UserError: there is no such column, or its values have no order.
    """
    if not conditions:
        return None
    kept = np.ones(len(passages), bool)
    for text in conditions:
        condition = parsed(text)
        kept &= _fulfilled(passages, condition, text)
    return np.flatnonzero(kept)


def _fulfilled(passages: pa.Table, condition: Condition, given: str) -> np.ndarray:
    import pyarrow as pa
    import pyarrow.compute as pc

    there = ["id", *table.user_columns(passages)]
    name = column_names.require(condition.name, there, "documents'", where=f"--filter {given!r}: ")
    own = name if name == "id" else f"{table.COLUMN}{name}"
    column = passages.column(own).combine_chunks()
    if pa.types.is_nested(column.type):
        raise UserError(f"--filter {given!r}: the column '{name}' holds lists or objects", "Take another column.")
    equality = condition.sign in ("=", "!=")
    values = condition.value.split("|") if equality else [condition.value]
    as_numbers = pa.types.is_integer(column.type) or pa.types.is_floating(column.type)
    if as_numbers or (not equality and _number(condition.value) is not None):
        cells = _numbers(column)
        wanted: list[Any] = [_number(value) for value in values]
        if None in wanted:
            raise UserError(
                f"--filter {given!r}: the column '{name}' holds numbers, and {condition.value!r} is none", HINT
            )
    else:
        cells = np.asarray(pc.cast(column, pa.large_string(), safe=False).fill_null("").to_pylist(), object)
        wanted = list(values)
    empty = np.asarray([value is None for value in column.to_pylist()], bool)
    if equality:
        found = np.isin(cells, np.asarray(wanted, cells.dtype))
        return ~found | empty if condition.sign == "!=" else found & ~empty
    compare = {"<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal}[condition.sign]
    return np.asarray(compare(cells, wanted[0]), bool) & ~empty


def _number(value: str) -> float | None:
    try:
        return float(value)
    except ValueError:
        return None


def _numbers(column: Any) -> np.ndarray:
    """Cells as numbers, NaN where one is none."""
    found = [_number(str(value)) if value is not None else None for value in column.to_pylist()]
    return np.asarray([np.nan if value is None else value for value in found], float)
