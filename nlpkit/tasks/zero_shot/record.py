"""What nlpkit.json keeps of zero-shot classification."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from nlpkit.runs.records import Part
from nlpkit.tasks.recorded import LabelledRecord, Length


class ZeroShotColumns(Part):
    """Of the user's rows."""

    text: str
    label: str | None
    labels: list[str] = Field(default_factory=list)


class ZeroShotRecord(LabelledRecord):
    """Zero-shot classification; the labels are those that were named last."""

    problem: Literal["single-label", "multi-label"]
    labels: list[str]
    template: str
    threshold: Annotated[float, Field(ge=0, le=1)]
    columns: ZeroShotColumns
    max_length: Length
