"""Rows of a user whose words may be changed, and how they are written again: what `augment` takes from a task."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from nlpkit.data.places import user_columns
from nlpkit.data.wording import Wording, text_of, words_of

if TYPE_CHECKING:
    from datasets import Dataset


@dataclass(frozen=True)
class Rewordable:
    """Rows, and of each the wordings that may be changed.

    Attributes:
        rows: by column, as they are written to a file.
        wordings: of each row, by column; empty where nothing of it may be changed.
        numbers: of each row, in the data that it was read from: some may be unreadable.
        tags: what the tags of the words are: entities in BIO, or a tag for each word ("plain"); None without tags.
        identity: the column that must differ in every row, where copies get a number behind it; None where none must.
    """

    rows: Sequence[Mapping[str, Any]]
    wordings: Sequence[Mapping[str, Wording]]
    numbers: Sequence[int]
    tags: Literal["bio", "plain"] | None = None
    identity: str | None = None

    def reworded(self, row: int, changed: Mapping[str, Wording]) -> dict[str, Any]:
        """A row with other wordings in some of its columns."""
        return {**self.rows[row], **{column: text_of(wording) for column, wording in changed.items()}}


def of_texts(rows: Dataset, columns: Sequence[str]) -> Rewordable:
    """Rows whose texts in some columns may be changed; a cell without a word, or with no text, may not."""
    plain = plain_rows(rows)
    wordings = [
        {
            column: split
            for column in columns
            if isinstance(row[column], str) and any_word(split := words_of(row[column]))
        }
        for row in plain
    ]
    return Rewordable(plain, wordings, range(len(plain)))


def any_word(wording: Wording) -> bool:
    """Whether a wording is more than punctuation."""
    return any(word.is_word for word in wording)


def plain_rows(rows: Dataset, leave_out: Collection[str] = ()) -> list[dict[str, Any]]:
    """Rows by column, with the names of classes in place of their numbers."""
    from datasets import ClassLabel

    kept = [name for name in user_columns(rows.column_names) if name not in leave_out]
    features = {name: rows.features[name] for name in kept}
    cells = {name: rows[name][:] for name in kept}
    for name, feature in features.items():
        if isinstance(feature, ClassLabel):
            # -1 stands for a label that is not public
            names: list[str | None] = [*feature.names]
            cells[name] = [None if number is None or number < 0 else names[number] for number in cells[name]]
    return [dict(zip(kept, values, strict=True)) for values in zip(*cells.values(), strict=True)] if kept else []
