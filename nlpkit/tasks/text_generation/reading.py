"""Rows of running text, and prompts, for models that write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from nlpkit import reporting
from nlpkit.data import columns as column_names
from nlpkit.data.findings import Finding
from nlpkit.errors import UserError
from nlpkit.options import Config
from nlpkit.tasks.options import TextOptions
from nlpkit.tasks.reading import Reader, asked
from nlpkit.tasks.running_text import text_column, texts_of
from nlpkit.tasks.text_generation import pairs
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
        if labelled and not named and pairs.stand_in(columns):
            told = " and ".join(f"'{name}'" for name in pairs.COLUMNS)
            reporting.current().note(f"minimal pairs: columns {told} (--text-column reads a text instead)")
            return cls(task.with_(pairs=True))
        if labelled and task.ngrams_of:
            raise UserError(
                "--ngrams-of: the rows are no minimal pairs, which n-grams are compared on",
                f"Leave it out, or give rows with {' and '.join(pairs.COLUMNS)}.",
            )
        return cls(task.with_(text=text_column(columns, named, task.text), pairs=False))

    @property
    def input_columns(self) -> list[str]:
        return list(pairs.COLUMNS) if self.task.pairs else [self.task.text]

    def typed(self, options: TypedOptions) -> tuple[list[dict[str, Any]], Self]:
        rows, _ = super().typed(options)
        return rows, type(self)(self.task.with_(text="text"))

    def labelled(self, columns: Sequence[str]) -> bool:
        """Always: the words of a text are what is predicted, or of two sentences the better one is known."""
        return True

    def examples(self, rows: Dataset, split: str, origin: LoadedData, findings: list[Finding] | None = None) -> Dataset:
        if self.task.pairs:
            return pairs.read(rows, split, origin, findings)
        return texts_of(rows, split, origin, self.task.text, findings)

    def inputs(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """A prompt."""
        return {"prompt": column_names.cell(row, self.task.text, column_names.TEXT_NAMES)}

    def unlabelled(self, row: Mapping[str, Any]) -> dict[str, Any]:
        return {"text": column_names.cell(row, self.task.text, column_names.TEXT_NAMES)}
