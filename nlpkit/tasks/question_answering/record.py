"""What nlpkit.json keeps of question answering."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from nlpkit.runs.records import Count, Part
from nlpkit.tasks.recorded import Length, TaskRecord


class QuestionColumns(Part, extra="forbid"):
    """Of the user's rows; `from_model` knows no others."""

    question: str
    context: str
    answers: str | None
    start: str | None
    id: str | None


class QuestionRecord(TaskRecord):
    """Question answering."""

    columns: QuestionColumns
    max_length: Length
    doc_stride: Count
    max_answer_length: Annotated[int, Field(ge=1, le=2**63 - 1)]
    null_threshold: float | None
