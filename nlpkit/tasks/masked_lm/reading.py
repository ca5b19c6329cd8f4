"""Rows of running text, and texts with masks, for masked language modelling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from nlpkit.data import columns as column_names
from nlpkit.data.findings import Finding
from nlpkit.errors import UserError
from nlpkit.options import Config
from nlpkit.tasks.masked_lm import features
from nlpkit.tasks.masked_lm.options import MaskedLMAnswerOptions
from nlpkit.tasks.masked_lm.task import PORTABLE_MASKS, MaskedLanguageModeling
from nlpkit.tasks.options import TextOptions
from nlpkit.tasks.reading import Reader, asked
from nlpkit.tasks.running_text import text_column, texts_of

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
        return cls(task.with_(text=text_column(columns, named, task.text), hint=column))

    @property
    def input_columns(self) -> list[str]:
        return [self.task.text]

    @property
    def rewordable_columns(self) -> list[str]:
        return self.input_columns

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
        return texts_of(rows, split, origin, self.task.text, findings)

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
