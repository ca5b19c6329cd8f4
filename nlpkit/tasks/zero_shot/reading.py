"""Rows of texts, and of labels to compare with, for zero-shot classification."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from nlpkit import reporting
from nlpkit.data import labels as label_values
from nlpkit.errors import UserError
from nlpkit.options import Config
from nlpkit.tasks.text_classification.label_columns import NOT_PUBLIC, Places
from nlpkit.tasks.text_classification.reading import LentReader, TextReader
from nlpkit.tasks.zero_shot import candidates
from nlpkit.tasks.zero_shot.base import NAME_THEM, ZeroShot

if TYPE_CHECKING:
    from datasets import Dataset

    from nlpkit.data.sources import LoadedData

SHOWN = 5  # labels that a note names


@dataclass(frozen=True, eq=False)
class ZeroShotReader(LentReader[ZeroShot]):
    """Reads the rows of the text classification that is asked."""

    @classmethod
    def of(cls, task: ZeroShot, columns: Sequence[str] | None, options: Config | None, *, labelled: bool) -> Self:
        rows = TextReader.of(task.classifier, columns, options, labelled=labelled)
        return cls(task.with_(classifier=rows.task), rows)

    def settled(self, rows: Dataset, split: str, origin: LoadedData) -> Self:
        """With the labels of the data, where none were named."""
        if self.task.classifier.labels.names:
            return super().settled(rows, split, origin)
        classifier = self.rows.task
        places = Places(classifier.label, classifier.label_columns)
        if places.unsettled:
            raise UserError("no labels are named, and no column of them is known", NAME_THEM)
        labelled = [part for part in origin.splits.values() if places.stand_in(part.column_names)]
        names = _names([cell for part in labelled for cell in places.cells(part)], places.shown)
        shown = ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")
        reporting.current().note(
            f"labels: the {len(names):,} of column '{places.shown}' ({shown}); --labels names others"
        )
        task = self.task.with_labels(names)
        found = replace(self, task=task, rows=replace(self.rows, task=task.classifier))
        return super(ZeroShotReader, found).settled(rows, split, origin)


def _names(cells: Sequence[Any], column: str) -> list[str]:
    """The labels that a column holds, sorted.

    Raises:
        UserError: they are lists, or numbers, which mean nothing to a model, or all are one, or two are one label that
            is written in two ways: of these a model would take either, and half of its answers were wrong.
    """
    values = [cell for cell in cells if cell is not NOT_PUBLIC and not label_values.is_missing(cell)]
    if any(not isinstance(value, str) for value in values) or all(
        label_values.as_number(value) is not None for value in values
    ):
        raise UserError(f"column '{column}' holds no names of labels that a model could read", NAME_THEM)
    counts = Counter(value.strip() for value in values)
    names = sorted(counts)
    if len(names) < 2:
        raise UserError(f"column '{column}' holds one label alone, '{names[0]}'", NAME_THEM)
    if places := candidates.alike(names):
        rows = {names[place]: reporting.counted(counts[names[place]], "row", "rows") for place in places}
        written = " and ".join(f"'{name}' ({count})" for name, count in rows.items())
        raise UserError(
            f"column '{column}' holds labels that differ in how they are written alone: {written}",
            f"Write them alike, or name one of them, and it is taken for both. {NAME_THEM}",
        )
    return names
