"""Rows whose texts are judged by their own words, for tasks without labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from nlpkit import reporting
from nlpkit.data import checks
from nlpkit.data import columns as column_names
from nlpkit.data.findings import Finding
from nlpkit.data.labels import is_missing
from nlpkit.data.places import user_columns
from nlpkit.errors import UserError
from nlpkit.reporting import Table
from nlpkit.tasks.view import Featured, View

if TYPE_CHECKING:
    from datasets import Dataset

    from nlpkit.data.sources import LoadedData


TaskShown = TypeVar("TaskShown", bound=Featured)


class RunningTextView(View[TaskShown]):
    """What people see of texts that are judged by their own words: their size, and no answers."""

    def tables(self, examples: Mapping[str, Dataset]) -> list[Table]:
        body: list[list[Any]] = []
        for split, rows in examples.items():
            texts = rows["text"][:]
            body.append([split, len(texts), sum(len(text.split()) for text in texts), sum(map(len, texts))])
        return [Table("texts", ["split", "rows", "words", "characters"], body)]

    def judged_answers(self, outputs: Any, examples: Dataset) -> None:
        """Judged outputs hold losses, and no tokens."""


def texts_of(
    rows: Dataset, split: str, origin: LoadedData, column: str, findings: list[Finding] | None = None
) -> Dataset:
    """Examples with `text` and `where`; rows without a text are left out and put into `findings`.

    Raises:
        UserError: there is no such column.
    """
    from datasets import Dataset as ArrowDataset
    from datasets import Features, Value

    findings = findings if findings is not None else []
    columns = user_columns(rows.column_names)
    name = column_names.require(column, columns, "text", where=f"{split}: ")
    places = origin.places(rows, split)
    kept: dict[str, list[str]] = {"text": [], "where": []}
    left_out: dict[str, list[str]] = {"empty-text": [], "unreadable-text": []}
    for text, where in zip(rows[name][:], places, strict=True):
        if is_missing(text):
            left_out["empty-text"].append(f"{where}: column '{name}' is empty")
            continue
        try:
            kept["text"].append(column_names.as_text(text, name))
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


def text_column(columns: Sequence[str], named: str | None, known: str) -> str:
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
