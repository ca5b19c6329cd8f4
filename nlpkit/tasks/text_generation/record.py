"""What nlpkit.json keeps of models that write."""

from __future__ import annotations

from nlpkit.runs.records import Part
from nlpkit.tasks.recorded import Length, TaskRecord


class TextColumn(Part):
    """Of the user's rows."""

    text: str


class TextGenerationRecord(TaskRecord):
    """Going on with a text."""

    columns: TextColumn
    max_length: Length
