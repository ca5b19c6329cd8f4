"""Rows of running text, and prompts, for models that write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from nlpkit.data import columns as column_names
from nlpkit.data.findings import Finding
from nlpkit.options import Config
from nlpkit.tasks.options import TextOptions
from nlpkit.tasks.reading import Reader, asked
from nlpkit.tasks.running_text import text_column, texts_of
from nlpkit.tasks.text_generation.task import TextGeneration

if TYPE_CHECKING:
    from datasets import Dataset

    from nlpkit.data.sources import LoadedData
    from nlpkit.tasks.options import TypedOptions


@dataclass(frozen=True, eq=False)
class TextGenerationReader(Reader[TextGeneration]):
    """See the module's docstring."""

    @classmethod
    def of(cls, task: TextGeneration, columns: Sequence[str] | None, options: Config | None, *, labelled: bool) -> Self:
        if columns is None:
            return cls(task)
        named = asked(TextOptions, options).text_column
        return cls(task.with_(text=text_column(columns, named, task.text)))

    @property
    def input_columns(self) -> list[str]:
        return [self.task.text]

    def typed(self, options: TypedOptions) -> tuple[list[dict[str, Any]], Self]:
        rows, _ = super().typed(options)
        return rows, type(self)(self.task.with_(text="text"))

    def labelled(self, columns: Sequence[str]) -> bool:
        """Always: the words of a text are what is predicted."""
        return True

    def examples(self, rows: Dataset, split: str, origin: LoadedData, findings: list[Finding] | None = None) -> Dataset:
        return texts_of(rows, split, origin, self.task.text, findings)

    def inputs(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """A prompt."""
        return {"prompt": column_names.cell(row, self.task.text, column_names.TEXT_NAMES)}

    def unlabelled(self, row: Mapping[str, Any]) -> dict[str, Any]:
        return {"text": column_names.cell(row, self.task.text, column_names.TEXT_NAMES)}
