"""What nlpkit.json keeps of text classification."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from nlpkit.data.labels import Problem
from nlpkit.runs.records import Part
from nlpkit.tasks.recorded import LabelledRecord, Length


class ClassificationColumns(Part):
    """Of the user's rows."""

    text: str
    text_pair: str | None
    label: str | None
    labels: list[str] = Field(default_factory=list)


class ClassificationRecord(LabelledRecord):
    """Text classification."""

    problem: Problem
    labels: list[str]
    label_delimiter: str | None = None
    label_names: list[str] = Field(default_factory=list)
    columns: ClassificationColumns
    threshold: Annotated[float, Field(ge=0, le=1)]
    max_length: Length
    training_length: Length = None
    long_text: Literal["truncate", "head-tail", "windows"]
    metrics: list[str]
