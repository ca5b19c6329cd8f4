"""What nlpkit.json keeps of any task; each has a class of its own in the module `record` of its folder.

`Task.record` writes it, `Task.from_model` is given it. A field with a default came later: records of before have what
was done then.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, model_validator

from nlpkit.runs.records import Part

Length = Annotated[int, Field(ge=1, le=2**63 - 1)] | None


class TaskRecord(Part):
    """What every task has."""

    name: str


class LabelledRecord(TaskRecord):
    """What tasks have whose models have labels: no name stands twice."""

    @model_validator(mode="before")
    @classmethod
    def _apart(cls, values: Any) -> Any:
        labels = values.get("labels") if isinstance(values, dict) else None
        texts = [label for label in labels if isinstance(label, str)] if isinstance(labels, list) else []
        if len(set(texts)) < len(texts):
            twice = next(label for label in texts if texts.count(label) > 1)
            raise ValueError(f"labels holds {twice!r} twice")
        return values
