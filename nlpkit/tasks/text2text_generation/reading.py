"""Rows of texts, and of what is to be written for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from nlpkit.data import columns as column_names
from nlpkit.data.findings import Finding
from nlpkit.data.labels import is_missing
from nlpkit.data.places import user_columns
from nlpkit.errors import UserError
from nlpkit.options import Config
from nlpkit.tasks.reading import Reader, asked
from nlpkit.tasks.text2text_generation import columns as pair_columns
from nlpkit.tasks.text2text_generation.options import PairOptions, SourceOptions
from nlpkit.tasks.text2text_generation.task import Text2Text

if TYPE_CHECKING:
    from datasets import Dataset

    from nlpkit.data.sources import LoadedData
    from nlpkit.tasks.options import TypedOptions


@dataclass(frozen=True, eq=False)
class Text2TextReader(Reader[Text2Text]):
    """See the module's docstring. A cell may be a list of sentences, which are joined, or of right answers."""

    @classmethod
    def of(cls, task: Text2Text, columns: Sequence[str] | None, options: Config | None, *, labelled: bool) -> Self:
        if columns is None:
            return cls(task)
        named = asked(SourceOptions, options)
        wanted = options.target_columns if isinstance(options, PairOptions) else []
        text = pair_columns.source([name for name in columns if name not in wanted], named.text_column, task.text)
        prefix = named.prefix_column and column_names.require(named.prefix_column, columns, "prefix")
        prefix = prefix or (task.prefix_column if task.prefix_column in columns else None)
        task = task.with_(text=text, prefix_column=prefix)
        if not labelled:
            return cls(task)
        others = [name for name in columns if name not in (text, prefix)]
        return cls(task.with_(targets=pair_columns.targets(others, wanted, task.targets)))

    @property
    def input_columns(self) -> list[str]:
        return [self.task.text]

    def typed(self, options: TypedOptions) -> tuple[list[dict[str, Any]], Self]:
        rows, _ = super().typed(options)
        return rows, type(self)(self.task.with_(text="text", prefix_column=None))

    def labelled(self, columns: Sequence[str]) -> bool:
        return bool(self.task.targets) and set(self.task.targets) <= set(columns)

    def examples(self, rows: Dataset, split: str, origin: LoadedData, findings: list[Finding] | None = None) -> Dataset:
        """Columns text, prefix, targets (a list of right answers) and where; rows without a text, or without anything
        to be written, are left out."""
        from datasets import Dataset as ArrowDataset
        from datasets import Features, List, Value

        columns = user_columns(rows.column_names)
        for name in (self.task.text, *self.task.targets):
            column_names.require(name, columns, "text" if name == self.task.text else "target", where=f"{split}: ")
        if not self.task.targets:
            raise UserError("the column of what is to be written is not known", "Name it with --target-columns.")
        kept: dict[str, list[Any]] = {"text": [], "prefix": [], "targets": [], "where": []}
        lacking: list[str] = []
        named = [self.task.text, *self.task.targets, *([self.task.prefix_column] if self.task.prefix_column else [])]
        cells = {name: rows[name][:] for name in named}
        for i, where in enumerate(origin.places(rows, split)):
            row = {name: column[i] for name, column in cells.items()}
            try:
                entry = {**self.inputs(row), "targets": pair_columns.answers(row, self.task.targets)}
            except ValueError as error:
                lacking.append(f"{where}: {error}")
                continue
            for name, value in {**entry, "where": where}.items():
                kept[name].append(value)
        if lacking and findings is not None:
            message = f"{split}: {len(lacking):,} of {len(rows):,} rows are left out, as a text is missing"
            findings.append(Finding("warning", "empty-side", message, len(lacking), lacking))
        text = Value("string")
        types = Features({"text": text, "prefix": text, "targets": List(text), "where": text})
        return ArrowDataset.from_dict(kept, features=types)

    def inputs(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The text of a row, and what stands before it."""
        name = self.task.text if self.task.text in row else column_names.guess(list(row), pair_columns.SOURCE_NAMES)
        if name is None:
            raise ValueError(f"no column '{self.task.text}'")
        prefix = row.get(self.task.prefix_column) if self.task.prefix_column else None
        return {"text": pair_columns.text(row[name], name), "prefix": "" if is_missing(prefix) else str(prefix)}
