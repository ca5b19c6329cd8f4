"""Rows of texts, and of labels to compare with, for zero-shot classification."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from nlpkit.options import Config
from nlpkit.tasks.text_classification.reading import LentReader, TextReader
from nlpkit.tasks.zero_shot.task import ZeroShotClassification


@dataclass(frozen=True, eq=False)
class ZeroShotReader(LentReader[ZeroShotClassification]):
    """Reads the rows of the text classification that is asked."""

    @classmethod
    def of(
        cls, task: ZeroShotClassification, columns: Sequence[str] | None, options: Config | None, *, labelled: bool
    ) -> Self:
        rows = TextReader.of(task.classifier, columns, options, labelled=labelled)
        return cls(task.with_(classifier=rows.task), rows)
