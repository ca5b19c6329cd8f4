"""Rows of texts, and of what is to be written for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from nlpkit import reporting
from nlpkit.data import columns as column_names
from nlpkit.data import pairs
from nlpkit.data.findings import Finding
from nlpkit.data.labels import is_missing
from nlpkit.options import Config
from nlpkit.tasks.reading import Reader, asked
from nlpkit.tasks.text2text_generation import judging
from nlpkit.tasks.text2text_generation.options import FilterOptions, PairOptions, SourceOptions
from nlpkit.tasks.text2text_generation.task import Text2Text

if TYPE_CHECKING:
    from datasets import Dataset

    from nlpkit.data.sources import LoadedData
    from nlpkit.tasks.options import TypedOptions


@dataclass(frozen=True, eq=False)
class Text2TextReader(Reader[Text2Text]):
    """See the module's docstring. A cell may be a list of sentences, which are joined, or of right answers.

    Args:
        rules: which rows of train are left out.
    """

    rules: pairs.Rules = pairs.EVERY_ROW

    @classmethod
    def of(cls, task: Text2Text, columns: Sequence[str] | None, options: Config | None, *, labelled: bool) -> Self:
        rules = _rules(options) if isinstance(options, FilterOptions) else pairs.EVERY_ROW
        if columns is None:
            return cls(task, rules)
        named = asked(SourceOptions, options)
        wanted = options.target_columns if isinstance(options, PairOptions) else []
        lacking = task.prefix_column is not None and task.prefix_column not in columns
        if lacking and not named.prefix_column:
            reporting.current().warn(
                f"there is no column '{task.prefix_column}', as in training: nothing of it stands before the texts "
                "(--prefix-column)"
            )
        found = pairs.columns_of(
            columns,
            text=named.text_column or (task.text if task.text in columns and task.text not in wanted else None),
            targets=wanted or (task.targets if set(task.targets) <= set(columns) else ()),
            prefix=named.prefix_column or (None if lacking else task.prefix_column),
            labelled=labelled,
        )
        targets = {"targets": found.targets} if labelled else {}
        return cls(task.with_(text=found.text, prefix_column=found.prefix, **targets), rules)

    @property
    def columns(self) -> pairs.Columns:
        """The columns that are read."""
        return pairs.Columns(self.task.text, self.task.targets, self.task.prefix_column)

    @property
    def input_columns(self) -> list[str]:
        return [self.task.text]

    @property
    def rewordable_columns(self) -> list[str]:
        return self.input_columns

    def typed(self, options: TypedOptions) -> tuple[list[dict[str, Any]], Self]:
        rows, _ = super().typed(options)
        if self.task.prefix_column:
            reporting.current().note(
                f"texts that are typed have no column '{self.task.prefix_column}': nothing of it stands before them "
                "(--prefix)"
            )
        return rows, type(self)(self.task.with_(text="text", prefix_column=None))

    def labelled(self, columns: Sequence[str]) -> bool:
        return bool(self.task.targets) and set(self.task.targets) <= set(columns)

    def settled(self, rows: Dataset, split: str, origin: LoadedData) -> Self:
        """With what is measured, where neither the model nor the user says: a guess by lengths, which is told."""
        if self.task.measure is not None:
            return self
        measure = judging.measured_as(rows, self.task.text, self.task.targets)
        return type(self)(self.task.with_(measure=measure), self.rules)

    def examples(self, rows: Dataset, split: str, origin: LoadedData, findings: list[Finding] | None = None) -> Dataset:
        """See `pairs.read`."""
        return pairs.read(rows, split, origin, self.columns, findings, self.rules)

    def inputs(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The text of a row, and what stands before it."""
        name = self.task.text if self.task.text in row else column_names.guess(list(row), pairs.TEXT_NAMES)
        if name is None:
            raise ValueError(f"no column '{self.task.text}'" if self.task.text else "no column looks like a text")
        prefix = row.get(self.task.prefix_column) if self.task.prefix_column else None
        return {"text": pairs.text_of(row[name], name), "prefix": "" if is_missing(prefix) else str(prefix)}


def _rules(options: FilterOptions) -> pairs.Rules:
    return pairs.Rules(options.length_ratio, options.max_words, options.drop_copies, options.drop_repeats)
