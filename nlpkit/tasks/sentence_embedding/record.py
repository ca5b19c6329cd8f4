"""What nlpkit.json keeps of sentence embedding."""

from __future__ import annotations

from nlpkit.runs.records import Part
from nlpkit.tasks.recorded import Length, TaskRecord


class EmbeddingColumns(Part):
    """Of the user's rows."""

    text: str
    text_pair: str | None
    label: str | None


class EmbeddingRecord(TaskRecord):
    """Sentence embedding."""

    normalize: bool
    columns: EmbeddingColumns
    max_length: Length
