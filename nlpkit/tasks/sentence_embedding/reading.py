"""Rows of texts, and of pairs with a score of their likeness, for sentence embedding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from nlpkit.data.labels import Labels
from nlpkit.options import Config
from nlpkit.tasks.sentence_embedding.task import SentenceEmbedding
from nlpkit.tasks.text_classification.reading import LentReader, TextReader
from nlpkit.tasks.text_classification.task import TextClassification


@dataclass(frozen=True, eq=False)
class EmbeddingReader(LentReader[SentenceEmbedding]):
    """Reads single texts to embed, and pairs with a number to judge."""

    @classmethod
    def of(
        cls, task: SentenceEmbedding, columns: Sequence[str] | None, options: Config | None, *, labelled: bool
    ) -> Self:
        pair = (task.pair or "text_pair") if labelled else None
        likeness = TextClassification(Labels("regression", []), text=task.text, pair=pair, label=task.label)
        rows = TextReader.of(likeness, columns, options, labelled=labelled)
        return cls(task.with_(text=rows.task.text, pair=rows.task.pair, label=rows.task.label), rows)
