"""What nlpkit.json keeps of sentence embedding."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from nlpkit.runs.records import Part
from nlpkit.tasks.recorded import Length, TaskRecord
from nlpkit.tasks.sentence_embedding.layout import Layout
from nlpkit.tasks.sentence_embedding.options import ShapeName

Pooling = Literal["cls", "max", "mean", "mean_sqrt_len", "weighted_mean", "last_token"]
Count = Annotated[int, Field(ge=1, le=1000)]


class EmbeddingColumns(Part):
    """Of the user's rows."""

    text: str
    text_pair: str | None
    label: str | None


class EmbeddingLayout(Part):
    """Which columns of the user's rows hold what, and which kind of data that makes them."""

    shape: ShapeName
    text: str
    text_pair: str | None
    negatives: list[str]
    label: str | None
    vector: str | None
    label_names: list[str]


class EmbeddingRecord(TaskRecord):
    """Sentence embedding."""

    pooling: Annotated[list[Pooling], Field(min_length=1)] = Field(["mean"])
    layers: Count = 1
    normalize: bool
    include_prompt: bool = True
    prompts: dict[str, str] = Field({})
    default_prompt: str | None = None
    asymmetric: bool = False
    dims: Length = None
    similarity: Literal["cosine", "dot", "euclidean", "manhattan"] = "cosine"
    table: bool = False
    lower_case: bool = False
    columns: EmbeddingColumns
    layout: EmbeddingLayout | None = None
    judged: EmbeddingLayout | None = None
    loss: str | None = None
    matryoshka: list[Annotated[int, Field(ge=1)]] = Field([])
    max_length: Length
    training_length: Length = None


def columns_recorded(layout: Layout | None) -> dict[str, str | None]:
    """The `columns` of a record, see `EmbeddingColumns`; None: of a model that was trained elsewhere."""
    return {
        "text": layout.text if layout else "text",
        "text_pair": layout.pair if layout else None,
        "label": layout.label if layout else None,
    }


def layouts_of(record: Mapping[str, Any]) -> tuple[Layout, Layout | None]:
    """The layout of the rows of train, and that of the rows that judge, where it is another one.

    Args:
        record: as `EmbeddingRecord` describes it; older ones have `columns` alone.
    """
    judged = Layout.recorded(record["judged"]) if record.get("judged") else None
    if record.get("layout") is not None:
        return Layout.recorded(record["layout"]), judged
    columns = record["columns"]
    if columns["text_pair"] and columns["label"]:
        return Layout("scored-pairs", columns["text"], columns["text_pair"], label=columns["label"]), judged
    return Layout("texts", columns["text"]), judged
