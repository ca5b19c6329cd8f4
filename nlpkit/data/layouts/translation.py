"""A cell with a text in each language, {"translation": {"en": "a dog", "de": "ein Hund"}}, as translation sets of the
hub have it (WMT, OPUS, KDE4)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nlpkit import reporting
from nlpkit.data import squad
from nlpkit.data.inputs import Wanted
from nlpkit.data.layouts.base import Layout, Tally, row_by_row

if TYPE_CHECKING:
    from datasets import Dataset

    from nlpkit.data.inputs import Input
    from nlpkit.data.rows import Row

COLUMN = "translation"


def _texts(cell: Any) -> Mapping[str, Any] | None:
    """The texts by language; None where a cell holds none. A csv has such a cell as JSON or Python print it."""
    try:
        held = squad.spelled(cell)
    except ValueError:
        return None
    if not isinstance(held, Mapping) or not all(text is None or isinstance(text, str) for text in held.values()):
        return None
    return held


def _recognises(head: Sequence[Row], wanted: Wanted) -> bool:
    cells = [row.values.get(COLUMN) for row in head]
    filled = [cell for cell in cells if cell is not None]
    return wanted.content in (None, "pairs") and bool(filled) and all(_texts(cell) for cell in filled)


def _rows(rows: Iterator[Row], head: Sequence[Row], source: Input) -> Iterator[Row]:
    def made(row: Row, tally: Tally) -> dict[str, Any]:
        others = {name: value for name, value in row.values.items() if name != COLUMN}
        texts = _texts(row.values.get(COLUMN))
        if texts is None:
            tally.map(row.line, f"hold no texts by language in column '{COLUMN}', as the others do")
            return others
        return others | {_name(language, others): text for language, text in texts.items()}

    return row_by_row(rows, source, made)


def _name(language: str, others: Mapping[str, Any]) -> str:
    """The column of a language, which is no other column's name."""
    return language if language not in others else f"{COLUMN}.{language}"


def flattened(rows: Dataset) -> Dataset:
    """Rows of the hub, or saved ones, with a column for each language; others as they are."""
    from datasets import Translation, Value

    cells = rows.features.get(COLUMN)
    languages = cells.languages if isinstance(cells, Translation) else list(cells) if isinstance(cells, dict) else []
    if not languages or (isinstance(cells, dict) and any(value != Value("string") for value in cells.values())):
        return rows
    others = dict.fromkeys(name for name in rows.column_names if name != COLUMN)
    names = {f"{COLUMN}.{language}": _name(language, others) for language in languages}
    reporting.current().note(f"read as {LAYOUT.name}: {', '.join(names.values())}")
    return rows.flatten().rename_columns(names)


LAYOUT = Layout(
    f"a text in each language under '{COLUMN}'",
    f'rows {{"{COLUMN}": {{"en": "...", "de": "..."}}}}',
    frozenset(("pairs",)),
    _recognises,
    _rows,
)
