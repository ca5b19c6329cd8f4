"""Rows of texts that are turned into others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from nlpkit.data import columns as column_names
from nlpkit.options import Config
from nlpkit.tasks.options import TextOptions
from nlpkit.tasks.reading import Reader, asked
from nlpkit.tasks.running_text import text_column
from nlpkit.tasks.text2text_generation.task import Text2Text

if TYPE_CHECKING:
    from nlpkit.tasks.options import TypedOptions

SOURCE_NAMES = ("source", "src", "article", "dialogue", "document", *column_names.TEXT_NAMES, "en")


@dataclass(frozen=True, eq=False)
class Text2TextReader(Reader[Text2Text]):
    """See the module's docstring."""

    @classmethod
    def of(cls, task: Text2Text, columns: Sequence[str] | None, options: Config | None, *, labelled: bool) -> Self:
        if columns is None:
            return cls(task)
        named = asked(TextOptions, options).text_column
        guessed = column_names.guess(columns, SOURCE_NAMES)
        known = task.text if task.text in columns or guessed is None else guessed
        return cls(task.with_(text=text_column(columns, named, known)))

    @property
    def input_columns(self) -> list[str]:
        return [self.task.text]

    def typed(self, options: TypedOptions) -> tuple[list[dict[str, Any]], Self]:
        rows, _ = super().typed(options)
        return rows, type(self)(self.task.with_(text="text"))

    def inputs(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The text of a row."""
        return {"text": column_names.cell(row, self.task.text, SOURCE_NAMES)}
