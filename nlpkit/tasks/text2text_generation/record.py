"""What nlpkit.json keeps of models that turn a text into another."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from nlpkit.runs.records import Part
from nlpkit.tasks.recorded import Length, TaskRecord


class PairColumns(Part):
    """Of the user's rows."""

    text: str
    targets: list[str] = Field(default_factory=list)
    prefix: str | None = None


class Languages(Part):
    """Codes of the tokenizer."""

    source: str | None = None
    target: str | None = None


class Text2TextRecord(TaskRecord):
    """One text to another."""

    columns: PairColumns
    max_length: Length
    training_length: Length = None
    target_length: Length = None
    prefix: str = ""
    languages: Languages = Languages()
    measure: Literal["translation", "summary"] = "translation"
    separator: str | None = None
