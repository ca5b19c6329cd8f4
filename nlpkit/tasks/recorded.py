"""What nlpkit.json keeps of a task, a class each: `Task.record` writes it, `Task.from_model` is given it.

A field with a default came later: records of before have what was done then.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from nlpkit.data.labels import Problem
from nlpkit.runs.records import Count, Part
from nlpkit.tasks.token_classification.tags import Scheme

Length = Annotated[int, Field(ge=1, le=2**63 - 1)] | None


class TaskRecord(Part):
    """What every task has."""

    name: str


class ClassificationColumns(Part):
    """Of the user's rows."""

    text: str
    text_pair: str | None
    label: str | None
    labels: list[str] = Field(default_factory=list)


class ClassificationRecord(TaskRecord):
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

    @model_validator(mode="before")
    @classmethod
    def _apart(cls, values: Any) -> Any:
        return _labels_apart(values)


class TokenColumns(Part):
    """Of the user's rows."""

    text: str
    tags: str | None


class TokenRecord(TaskRecord):
    """Token classification."""

    labels: Annotated[list[str], Field(min_length=1)]
    scheme: Scheme
    columns: TokenColumns
    max_length: Length
    training_length: Length = None

    @model_validator(mode="before")
    @classmethod
    def _apart(cls, values: Any) -> Any:
        return _labels_apart(values)


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


class MaskedColumns(Part):
    """Of the user's rows."""

    text: str


class MaskedRecord(TaskRecord):
    """Masked language modelling."""

    columns: MaskedColumns
    max_length: Length
    mlm_probability: Annotated[float, Field(gt=0, le=1)]
    mask_split: Annotated[list[Annotated[float, Field(ge=0, le=1)]], Field(min_length=3, max_length=3)]


def _labels_apart(values: Any) -> Any:
    labels = values.get("labels") if isinstance(values, dict) else None
    texts = [label for label in labels if isinstance(label, str)] if isinstance(labels, list) else []
    if len(set(texts)) < len(texts):
        twice = next(label for label in texts if texts.count(label) > 1)
        raise ValueError(f"labels holds {twice!r} twice")
    return values
