"""Rows of running text, and texts with masks, for masked language modelling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from nlpkit import reporting
from nlpkit.data import checks
from nlpkit.data import columns as column_names
from nlpkit.data.findings import Finding
from nlpkit.data.labels import is_missing
from nlpkit.data.places import user_columns
from nlpkit.errors import UserError
from nlpkit.options import Config
from nlpkit.tasks.masked_lm import features
from nlpkit.tasks.masked_lm.options import MaskedLMAnswerOptions
from nlpkit.tasks.masked_lm.task import PORTABLE_MASKS, MaskedLanguageModeling
from nlpkit.tasks.options import TextOptions
from nlpkit.tasks.reading import Reader, asked

if TYPE_CHECKING:
    from datasets import Dataset

    from nlpkit.data.sources import LoadedData
    from nlpkit.tasks.options import TypedOptions


@dataclass(frozen=True, eq=False)
class MaskedLMReader(Reader[MaskedLanguageModeling]):
    """See the module's docstring."""

    @classmethod
    def of(
        cls,
        task: MaskedLanguageModeling,
        columns: Sequence[str] | None,
        options: Config | None,
        *,
        labelled: bool,
    ) -> Self:
        if columns is None:
            return cls(task)
        named = asked(TextOptions, options).text_column
        hint = options.hint_column if isinstance(options, MaskedLMAnswerOptions) else None
        if isinstance(options, MaskedLMAnswerOptions) and options.hint:
            raise UserError("--hint stands beside a TEXT that is typed", "Of a file: --hint-column NAME.")
        column = column_names.require(hint, columns, "hint") if hint else None
        return cls(task.with_(text=_text_column(columns, named, task.text), hint=column))

    @property
    def input_columns(self) -> list[str]:
        return [self.task.text]

    def typed(self, options: TypedOptions) -> tuple[list[dict[str, Any]], Self]:
        """With the hint before each text, where there are some.

        Raises:
            UserError: there are neither one hint nor as many as texts.
        """
        rows, _ = super().typed(options)
        own = MaskedLMAnswerOptions.of(options)
        if own.hint_column:
            raise UserError("--hint-column is of the rows of --input", "Beside a TEXT: --hint TRANSLATION.")
        if len(own.hint) not in (0, 1, len(rows)):
            raise UserError(f"{len(rows)} TEXT but {len(own.hint)} --hint", "Give one for all, or one for each TEXT.")
        hints = own.hint * len(rows) if len(own.hint) == 1 else own.hint
        if hints:
            rows = [{**row, "hint": hint} for row, hint in zip(rows, hints, strict=True)]
        return rows, replace(self, task=self.task.with_(text="text", hint="hint" if hints else None))

    def labelled(self, columns: Sequence[str]) -> bool:
        """Always: the words under the masks are the labels."""
        return True

    def examples(self, rows: Dataset, split: str, origin: LoadedData, findings: list[Finding] | None = None) -> Dataset:
        from datasets import Dataset as ArrowDataset
        from datasets import Features, Value

        findings = findings if findings is not None else []
        columns = user_columns(rows.column_names)
        column = column_names.require(self.task.text, columns, "text", where=f"{split}: ")
        places = origin.places(rows, split)
        kept: dict[str, list[str]] = {"text": [], "where": []}
        left_out: dict[str, list[str]] = {"empty-text": [], "unreadable-text": []}
        for text, where in zip(rows[column][:], places, strict=True):
            if is_missing(text):
                left_out["empty-text"].append(f"{where}: column '{column}' is empty")
                continue
            try:
                kept["text"].append(column_names.as_text(text, column))
            except ValueError as error:
                left_out["unreadable-text"].append(f"{where}: {error}")
                continue
            kept["where"].append(where)
        for check, what in (("empty-text", "no text"), ("unreadable-text", "a text that cannot be read")):
            if affected := left_out[check]:
                message = f"{split}: {len(affected):,} of {len(rows):,} rows have {what} and are left out"
                findings.append(Finding("warning", check, message, len(affected), affected))
        if len(rows) and not kept["text"] and split in ("train", "validation"):
            findings.append(checks.no_rows(split, len(rows), findings))
        return ArrowDataset.from_dict(kept, features=Features({name: Value("string") for name in kept}))

    def inputs(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The text with the model's own mask token, and how many of them it has."""
        mask = self.task.tokenizer.mask_token
        text = self.task.localized(column_names.cell(row, self.task.text, column_names.TEXT_NAMES))
        count = text.count(mask)
        if not count:
            portable = " or ".join(dict.fromkeys([mask, PORTABLE_MASKS[0]]))
            raise ValueError(f"there is no mask in the text: write {portable} where a word is wanted")
        if self.task.hint is None:
            return {"text": text, "masks": count}
        return {"text": text, "masks": count, "hint": self._hint(row)}

    def _hint(self, row: Mapping[str, Any]) -> str:
        """What stands before the text of a row.

        Raises:
            ValueError: there is none, it holds a mask, or it leaves less than half of the tokens to the text.
        """
        tokenizer, most = self.task.tokenizer, self.task.max_length
        hint = self.task.localized(column_names.cell(row, self.task.hint or "", ()))
        if tokenizer.mask_token in hint:
            raise ValueError("there is a mask in the hint: words are asked for in the text alone")
        before, after, _ = features.hint_frame(tokenizer, hint)
        tokens = len(before) + len(after)
        if most is not None and tokens > most // 2:
            raise ValueError(f"the hint has {tokens} tokens with special ones, more than half of the {most} for both")
        return hint

    def unlabelled(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Any text: its words are the labels."""
        return {"text": column_names.cell(row, self.task.text, column_names.TEXT_NAMES)}


def _text_column(columns: Sequence[str], named: str | None, known: str) -> str:
    """The text column: the one named, the one known, one that looks like text, or the only one.

    Raises:
        UserError: the column that was named does not exist, or none fits.
    """
    if named:
        return column_names.require(named, columns, "text")
    if known in columns:
        return known
    column = column_names.guess(columns, column_names.TEXT_NAMES) or (columns[0] if len(columns) == 1 else None)
    if column is None:
        raise UserError(
            f"no column looks like text; the columns are {', '.join(columns)}", "Name it with --text-column."
        )
    reporting.current().note(f"text: column '{column}' (guessed; --text-column)")
    return column
