"""What nlpkit.json keeps of zero-shot classification."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from nlpkit.runs.records import Part
from nlpkit.tasks.recorded import LabelledRecord, Length
from nlpkit.tasks.sentence_embedding.record import Count, Pooling


class ZeroShotColumns(Part):
    """Of the user's rows."""

    text: str
    label: str | None
    labels: list[str] = Field(default_factory=list)


class ZeroShotRecord(LabelledRecord):
    """Zero-shot classification; the labels are those that were named last."""

    problem: Literal["single-label", "multi-label"]
    labels: list[str]
    meanings: list[str] = Field([])
    template: str
    threshold: Annotated[float, Field(ge=0, le=1)]
    columns: ZeroShotColumns
    max_length: Length

    @model_validator(mode="after")
    def _one_meaning_each(self) -> ZeroShotRecord:
        if self.meanings and len(self.meanings) != len(self.labels):
            raise ValueError(f"there are {len(self.meanings)} meanings of {len(self.labels)} labels")
        return self


class VectorsRecord(Part):
    """What vectors of texts are made of, see `Vectors`."""

    pooling: Annotated[list[Pooling], Field(min_length=1)]
    layers: Count
    normalize: bool
    include_prompt: bool
    prompts: dict[str, str]
    default_prompt: str | None
    asymmetric: bool
    dims: Length
    similarity: Literal["cosine", "dot", "euclidean", "manhattan"]
    table: bool
    lower_case: bool


class ZeroShotByEmbeddingRecord(ZeroShotRecord):
    """Zero-shot classification by an embedder."""

    vectors: VectorsRecord
