"""Lists in the cells of a table: words, tags or spans as Python, numpy or JSON spell them, or with blanks between.

A csv file knows no lists, so pandas writes what `str` makes of them: "['Jane', 'Doe']", of arrays "['Jane' 'Doe']".
"""

from __future__ import annotations

import ast
import itertools
import json
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from nlpkit.data.inputs import Wanted
from nlpkit.data.layouts.base import TAG, Layout, Tally, row_by_row
from nlpkit.data.rows import spells_half

if TYPE_CHECKING:
    from nlpkit.data.inputs import Input
    from nlpkit.data.rows import Row

_TAGS = ("tags", "pos", "pos_tags", "upos", "xpos", "ner", "ner_tags", "chunk_tags", "labels")
_WRAPPED = re.compile(r"(?:array|list)\((\[.*\])(?:,\s*dtype=[^)]*)?\)", re.DOTALL)
# an item of a list: in quotes, or without blanks and commas; what numpy leaves out of a long array it shows as ...
_ITEM = re.compile(
    r"""\s*,?\s*(?:(?P<quoted>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")|(?P<bare>[^\s,'"\[\]]+))(?=[\s,]|$)"""
)
_TUPLE = re.compile(r"\(\s*(['\"].*['\"])\s*,?\s*\)", re.DOTALL)
_MOST = 0.8  # share of the cells that must hold lists for the others to be slips
_NUMBER = re.compile(r"(-?\d+)(?:\.0*)?")  # numpy writes 3. of what pandas made a float


def listed(cell: str) -> list[Any] | None:
    """The list that a cell spells, None where it spells none.

    Never through `ast.literal_eval` where strings may stand side by side: it would join them.
    """
    text = cell.strip()
    if wrapped := _WRAPPED.fullmatch(text):
        text = wrapped[1]
    if found_tuple := _TUPLE.fullmatch(text):
        text = f"[{found_tuple[1]}]"
    if not (text.startswith("[") and text.endswith("]")):
        return None
    try:
        items = json.loads(text, parse_float=_whole)
    except (ValueError, RecursionError):
        items = _nested(text) if re.match(r"\[\s*[\[({]", text) else _items(text[1:-1])
    return items if isinstance(items, list) and not spells_half(text, items) else None


def _whole(number: str) -> float:
    return int(float(number)) if float(number).is_integer() else float(number)


def _nested(text: str) -> list[Any] | None:
    """A list of objects, lists or tuples in Python's spelling."""
    try:
        items = ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None
    return [list(item) if isinstance(item, tuple) else item for item in items]


def _items(text: str) -> list[Any] | None:
    items: list[Any] = []
    place = 0
    while text[place:].strip(" \t\r\n,"):
        match = _ITEM.match(text, place)
        if match is None or match["bare"] == "...":
            return None
        if match["quoted"]:
            items.append(ast.literal_eval(match["quoted"]))
        else:
            bare = match["bare"]
            number = _NUMBER.fullmatch(bare)
            if bare in ("None", "nan"):
                items.append(None)
            else:
                items.append(int(number[1]) if number else bare)
        place = match.end()
    return items


def _spelled(head: Sequence[Row]) -> list[str]:
    """The columns that hold a list in nearly every cell that is not empty."""
    names = []
    for name in head[0].values:
        cells = [row.values.get(name) for row in head]
        filled = [cell for cell in cells if cell is not None]
        lists = sum(isinstance(cell, str) and listed(cell) is not None for cell in filled)
        if filled and lists >= _MOST * len(filled):
            names.append(name)
    return names


def _parallel(head: Sequence[Row]) -> dict[str, str | None]:
    """A column of words and one of as many tags in nearly every row that has both, and what stands between in each:
    blanks, or commas between tags. Empty where there is none."""
    columns = list(head[0].values)
    # a comma may be a tag itself, so that blanks are tried first
    for mark, tags in itertools.product((None, ","), columns):
        for words in columns:
            pairs = [(row.values.get(words), row.values.get(tags)) for row in head]
            cells = [
                (one.split(), _parted(other, mark))
                for one, other in pairs
                if isinstance(one, str) and isinstance(other, str)
            ]
            if words == tags or 2 * len(cells) < len(head) or max((len(cell) for _, cell in cells), default=0) < 2:
                continue
            entities = all(TAG.fullmatch(tag) for _, cell in cells for tag in cell)
            as_many = sum(len(one) == len(other) for one, other in cells)
            # other tags are told by the name of their column
            if as_many >= (_MOST if entities else 1) * len(cells) and (entities or tags.lower() in _TAGS):
                return {words: None, tags: mark}
    return {}


def _parted(cell: str, mark: str | None) -> list[str]:
    return [part.strip() for part in cell.split(mark)]


def _recognises(head: Sequence[Row], wanted: Wanted) -> bool:
    if wanted.content != "words":
        return False
    return bool(_spelled(head)) or (wanted.labelled and bool(_parallel(head)))


def _rows(rows: Iterator[Row], head: Sequence[Row], source: Input) -> Iterator[Row]:
    spelled = _spelled(head)
    parallel = {} if spelled else _parallel(head)

    def made(row: Row, tally: Tally) -> dict[str, Any]:
        values = dict(row.values)
        for name in spelled:
            cell = values.get(name)
            if isinstance(cell, str):
                values[name] = listed(cell)
                if values[name] is None:
                    tally.map(row.line, f"hold no list in column {name!r}, as the others do")
        for name, mark in parallel.items():
            if isinstance(cell := values.get(name), str):
                values[name] = _parted(cell, mark)
        return values

    return row_by_row(rows, source, made)


LAYOUT = Layout(
    "lists in cells",
    """lists in cells, as "['Jane', 'Doe']", or words and as many tags with blanks (tags: or commas) between""",
    frozenset(("words",)),
    _recognises,
    _rows,
)
