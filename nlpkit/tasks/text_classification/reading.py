"""Rows of texts and their labels, for text classification."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, Self

from nlpkit import reporting
from nlpkit.data import columns as column_names
from nlpkit.data import labels as label_values
from nlpkit.data.findings import Finding
from nlpkit.data.labels import is_missing
from nlpkit.data.places import FILE, user_columns
from nlpkit.errors import UserError
from nlpkit.options import ColumnOptions, Config, TextColumnOptions
from nlpkit.tasks.options import UnknownLabelOptions
from nlpkit.tasks.reading import Reader, TaskRead, asked
from nlpkit.tasks.text_classification import label_cells, label_columns
from nlpkit.tasks.text_classification.label_cells import Cells
from nlpkit.tasks.text_classification.label_columns import NOT_PUBLIC, Places
from nlpkit.tasks.text_classification.label_reader import LabelReader
from nlpkit.tasks.text_classification.options import ClassificationAnswerOptions
from nlpkit.tasks.text_classification.task import TextClassification, text_columns

if TYPE_CHECKING:
    from datasets import Dataset

    from nlpkit.data.sources import LoadedData
    from nlpkit.tasks.options import TypedOptions


@dataclass(frozen=True, eq=False)
class TextReader(Reader[TextClassification]):
    """See the module's docstring.

    Args:
        cells: how the labels are written in the rows; None until these are seen, see `settled`.
        unknown_labels: what becomes of rows with a label that the model does not have.
    """

    cells: Cells | None = None
    unknown_labels: Literal["error", "wrong", "skip"] | None = "skip"

    @classmethod
    def of(
        cls, task: TextClassification, columns: Sequence[str] | None, options: Config | None, *, labelled: bool
    ) -> Self:
        unknown = options.unknown_labels if isinstance(options, UnknownLabelOptions) else "skip"
        if columns is None:
            return cls(task, task.cells, unknown)
        named = asked(TextColumnOptions, options)
        if task.paired is None:
            text, pair = text_columns(columns, named, None)
        else:
            text, pair = _as_trained(task, columns, named)
        task = task.with_(text=text, pair=pair)
        if not labelled:
            return cls(task, None, unknown)
        known = Places(task.label, task.label_columns)
        places = label_columns.bind(columns, asked(ColumnOptions, options), known, {text, pair})
        return cls(task.with_(label=places.column, label_columns=places.columns), None, unknown)

    @property
    def input_columns(self) -> list[str]:
        return [self.task.text, self.task.pair] if self.task.pair else [self.task.text]

    @property
    def rewordable_columns(self) -> list[str]:
        return self.input_columns

    @property
    def balance_column(self) -> str | None:
        # lists and objects are not compared by what is in them
        alike = self.cells is None or (self.cells.form == "one" and self.cells.naming is None)
        return self.task.label if self.task.problem.has_one_label and alike else None

    def typed(self, options: TypedOptions) -> tuple[list[dict[str, Any]], Self]:
        """TEXT fills the first input column, --text-pair the second."""
        texts, seconds = options.texts, ClassificationAnswerOptions.of(options).text_pair
        paired = bool(self.task.pair or (seconds and self.task.paired is None))
        if bool(seconds) != paired:
            if paired:
                raise UserError(
                    f"this model takes pairs ({self.task.text}, {self.task.pair}): give a --text-pair for each TEXT"
                )
            raise UserError("this model takes single texts: leave out --text-pair")
        if seconds and len(seconds) != len(texts):
            raise UserError(f"{len(texts)} TEXT but {len(seconds)} --text-pair", "Give one for each TEXT.")
        made = replace(self, task=self.task.with_(text="text", pair="text_pair" if paired else None))
        parts = [texts, seconds][: len(made.input_columns)]
        return [dict(zip(made.input_columns, values, strict=True)) for values in zip(*parts, strict=True)], made

    def labelled(self, columns: Sequence[str]) -> bool:
        return self._places.unsettled or self._places.stand_in(columns)

    @property
    def _places(self) -> Places:
        return Places(self.task.label, self.task.label_columns)

    def settled(self, rows: Dataset, split: str, origin: LoadedData) -> Self:
        """With how labels are written: as in training, or, of other data, as they are in the first rows."""
        if self.cells is not None:
            return self
        self._columns(rows, split)
        return replace(self, cells=self._settle_cells(origin, rows))

    def _columns(self, rows: Dataset, split: str) -> tuple[str, str]:
        """The columns of the text and of the second one, which is empty for single texts.

        Raises:
            UserError: one of them is not there, or no label is, or it is not known which.
        """
        if self._places.unsettled:
            raise UserError("the label column is not known", "Name it with --label-column.")
        columns = user_columns(rows.column_names)
        text, pair = (
            column_names.require(name, columns, what, where=f"{split}: ") if name else ""
            for name, what in ((self.task.text, "text"), (self.task.pair, "text pair"))
        )
        self._places.require(columns, where=f"{split}: ")
        return text, pair

    def _settle_cells(self, origin: LoadedData, rows: Dataset) -> Cells:
        """How labels are written in data that the labels do not come from: seen on all splits in hand.

        Raises:
            UserError: there are numbers for more or fewer labels than the model has, or columns for others.
        """
        kept = self.task.labels.names if self.task.labels.anonymous else ()
        splits = [*origin.splits.values()] if FILE in rows.column_names else [rows]
        labelled = [split for split in splits if self._places.stand_in(split.column_names)]
        values = [self._places.cells(split, kept) for split in labelled]
        everything = [value for column in values for value in column if value is not NOT_PUBLIC]
        # classes may be numbers as well, whose decimal commas were read in training
        numbers = all(label_values.as_number(name) is not None for name in self.task.labels.names)
        if self.task.label_columns:
            cells = label_cells.of_columns(everything, self.task.label_columns)
        else:
            cells = label_cells.survey(
                everything,
                self._places.shown,
                delimiter=self.task.labels.delimiter,
                numbers=numbers,
                known=self.task.labels.names,
            )
        if kept and (pairs := self._places.taken_for(labelled, kept)):
            note = f"the labels of {self.task.labels_of} have no names and are taken by their numbers ({pairs})"
            cells = dataclasses.replace(cells, doubtful=(*cells.doubtful, note))
        return label_columns.fitted(cells, self.task.labels, everything, self.task.numbered)

    def examples(self, rows: Dataset, split: str, origin: LoadedData, findings: list[Finding] | None = None) -> Dataset:
        from datasets import Dataset as ArrowDataset
        from datasets import Features, Value

        findings = findings if findings is not None else []
        text_column, pair_column = self._columns(rows, split)
        cells = self.cells or self._settle_cells(origin, rows)
        texts = rows[text_column][:]
        pairs = rows[pair_column][:] if pair_column else [None] * len(texts)
        raw = self._places.cells(rows, self.task.labels.names if self.task.labels.anonymous else ())
        reader = LabelReader(self.task.labels, cells, self._places.shown, hidden=self._are_hidden(raw, split))
        places = origin.places(rows, split)
        kept: dict[str, list[Any]] = {"text": [], "label": [], "where": []}
        if pair_column:
            kept["text_pair"] = []
        for where, text, pair, label in zip(places, texts, pairs, raw, strict=True):
            if is_missing(text) or (pair_column and is_missing(pair)):
                empty = text_column if is_missing(text) else pair_column
                reader.leave_out("empty-text", f"{where}: column '{empty}' is empty")
                continue
            try:
                text = column_names.as_text(text, text_column)
                pair = column_names.as_text(pair, pair_column) if pair_column else None
            except ValueError as error:
                reader.leave_out("unreadable-text", f"{where}: {error}")
                continue
            parsed = reader.read(label, where)
            if parsed is None:
                continue
            kept["text"].append(text)
            kept["label"].append(parsed)
            kept["where"].append(where)
            if pair_column:
                kept["text_pair"].append(pair)
        chosen, more = reader.settle(kept["label"], split, self.unknown_labels, self.task.labels_of)
        findings += more
        if len(chosen) < len(kept["label"]):
            kept = {name: [values[i] for i in chosen] for name, values in kept.items()}
        types = {name: Value("string") for name in kept} | {"label": self.task.problem.column_type()}
        return ArrowDataset.from_dict(kept, features=Features(types))

    def _are_hidden(self, raw: Sequence[Any], split: str) -> bool:
        """Whether -1 in every row stands for a label that is not public, as in GLUE's test splits, and is no class."""
        if split == "train" or (not self.task.labels.numeric and not self.task.labels.unknown("-1")):
            return False
        return bool(raw) and all(label_values.as_number(label) == -1 for label in raw)

    def inputs(self, row: Mapping[str, Any]) -> dict[str, Any]:
        text = column_names.cell(row, self.task.text, column_names.TEXT_NAMES)
        out = {"text": text}
        if self.task.pair:
            out["text_pair"] = column_names.cell(row, self.task.pair, ())
        return out


@dataclass(frozen=True, eq=False)
class LentReader(Reader[TaskRead]):
    """For other tasks whose rows are texts with a label, or with a number: reads them as text classification does.

    Args:
        rows: reads the rows, for a classification with the columns of the task.
    """

    rows: TextReader

    @property
    def input_columns(self) -> list[str]:
        return self.rows.input_columns

    @property
    def balance_column(self) -> str | None:
        return self.rows.balance_column

    def labelled(self, columns: Sequence[str]) -> bool:
        return self.rows.labelled(columns)

    def settled(self, rows: Dataset, split: str, origin: LoadedData) -> Self:
        return replace(self, rows=self.rows.settled(rows, split, origin))

    def examples(self, rows: Dataset, split: str, origin: LoadedData, findings: list[Finding] | None = None) -> Dataset:
        return self.rows.examples(rows, split, origin, findings)

    def inputs(self, row: Mapping[str, Any]) -> dict[str, Any]:
        return self.rows.inputs(row)

    def typed(self, options: TypedOptions) -> tuple[list[dict[str, Any]], Self]:
        """Each text by itself, also where rows that are judged are pairs."""
        alone = replace(self.rows, task=self.rows.task.with_(text="text", pair=None))
        return [{"text": text} for text in options.texts], replace(self, rows=alone)


def _as_trained(task: TextClassification, columns: Sequence[str], options: TextColumnOptions) -> tuple[str, str | None]:
    """The columns of the texts: a model trained on pairs is given pairs, one trained on single texts single texts.

    Raises:
        UserError: a named column does not exist, or none fits.
    """
    if options.text_pair_column and not task.paired:
        raise UserError("this model was trained on single texts: leave out --text-pair-column")
    text = options.text_column or (task.text if task.text in columns else None)
    if not task.paired:
        text = text or column_names.guess(columns, column_names.TEXT_NAMES)
    pair = options.text_pair_column or (task.pair if task.pair in columns else None)
    if task.paired and not (text and pair):
        first, second = column_names.guess_pair(columns) or (None, None)
        text, pair = text or first, pair or second
    if text is None or (task.paired and (pair is None or pair == text)):
        if not task.paired:
            raise UserError(
                f"no column looks like text; the columns are {', '.join(columns)}", "Name it with --text-column."
            )
        raise UserError(
            f"this model takes pairs; the columns are {', '.join(columns)}",
            "Name both: --text-column and --text-pair-column.",
        )
    for flag, column, known in (
        ("--text-column", text, (options.text_column, task.text)),
        ("--text-pair-column", pair, (options.text_pair_column, task.pair)),
    ):
        if column and column not in known:
            reporting.current().note(f"text: column '{column}' (guessed; {flag})")
    text = column_names.require(text, columns, "text")
    return text, column_names.require(pair, columns, "text pair") if task.paired and pair else None
