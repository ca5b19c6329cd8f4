"""What nlpkit.json keeps of masked language modelling."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from nlpkit.runs.records import Part
from nlpkit.tasks.recorded import Length, TaskRecord


class MaskedColumns(Part):
    """Of the user's rows."""

    text: str


class MaskedRecord(TaskRecord):
    """Masked language modelling."""

    columns: MaskedColumns
    max_length: Length
    mlm_probability: Annotated[float, Field(gt=0, le=1)]
    mask_split: Annotated[list[Annotated[float, Field(ge=0, le=1)]], Field(min_length=3, max_length=3)]
