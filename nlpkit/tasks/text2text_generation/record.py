"""What nlpkit.json keeps of models that turn a text into another."""

from __future__ import annotations

from nlpkit.runs.records import Part
from nlpkit.tasks.recorded import Length, TaskRecord


class SourceColumn(Part):
    """Of the user's rows."""

    text: str


class Text2TextRecord(TaskRecord):
    """One text to another."""

    columns: SourceColumn
    max_length: Length
