"""Options that come with sentence embedding."""

from __future__ import annotations

from typing import Annotated, Literal

from nlpkit.options import AtCommas, ColumnOptions, Config, Names, Strings, TextColumnOptions, option, option_like
from nlpkit.tasks.options import LengthOptions

Pooling = Literal["mean", "max", "cls", "mean_sqrt_len", "weighted_mean", "last_token"]


class PoolingOptions(Config):
    """How a vector is made of a text, where it is to be otherwise than the model's folder says."""

    pooling: Annotated[list[Pooling], AtCommas] = option(
        [],
        "How the states of a text's tokens become one vector; several are joined: mean,max.",
        panel="Task",
        shown_default="as the model's folder says, else the mean",
    )
    layers: int | None = option(
        None,
        "Average the states of the last N layers.",
        panel="Task",
        ge=1,
        shown_default="as the model's folder says, else 1",
    )
    normalize: bool | None = option(
        None,
        "Scale each vector to length 1, so that products are cosines.",
        panel="Task",
        shown_default="as the model's folder says, else on",
    )
    prompt: str | None = option(
        None,
        "Text to put before each text; '' for none.",
        panel="Task",
        shown_default="the default prompt of the model, if it has one",
    )
    prompt_name: str | None = option(
        None, "Name of one of the model's prompts to put before each text.", panel="Task", metavar="NAME"
    )


class VectorOptions(PoolingOptions):
    """What a vector is made of, and how much of it is kept."""

    dims: int | None = option(
        None,
        "Keep the first N dimensions, of a model that was trained to be cut (Matryoshka).",
        panel="Task",
        ge=1,
        shown_default="as the model's folder says, else all",
    )


class SidePromptOptions(Config):
    """Prompts that tell a query from what is searched."""

    prompt_query: str | None = option(
        None,
        "Text to put before the first text of each row, a query or question.",
        panel="Task",
        metavar="TEXT",
        shown_default="where documents are searched the model's prompt for queries, else as --prompt",
    )
    prompt_document: str | None = option(
        None,
        "Text to put before the texts that are compared with it.",
        panel="Task",
        metavar="TEXT",
        shown_default="where documents are searched the model's prompt for documents, else as --prompt",
    )


class EmbeddingAnswerOptions(VectorOptions, TextColumnOptions):
    """Options of `predict`."""


class EmbeddingExplainOptions(EmbeddingAnswerOptions):
    """Options of `explain`: how like two texts are is explained."""

    text_pair: Strings = option([], "Second text of a pair, one for each TEXT (repeatable).", panel="Input")


GivenShape = Literal[
    "scored-pairs",
    "labelled-pairs",
    "pairs",
    "triplets",
    "nli",
    "labelled-texts",
    "texts",
    "taught",
    "translations",
]
"""The kinds of rows that can be asked for; a collection is known by its files."""
ShapeName = Literal[GivenShape, "retrieval"]


class ShapeOptions(TextColumnOptions):
    """Which kind of data rows are, and which of their columns hold what."""

    shape: GivenShape | None = option(None, "Kind of the rows.", panel="Data", shown_default="from the columns")
    text_column: str | None = option_like(
        TextColumnOptions, "text_column", help="Column of the text (anchor, query, sentence1, ...)."
    )
    text_pair_column: str | None = option_like(
        TextColumnOptions,
        "text_pair_column",
        help="Column of the second text, or of the one that belongs to it.",
    )
    negative_columns: Names = option(
        [], "Columns of texts that do not belong to the first, or of lists of them.", panel="Data", metavar="NAME,NAME"
    )
    label_column: str | None = option_like(
        ColumnOptions, "label_column", help="Column of the score of two texts, or of the label."
    )
    label_names: Names = option(
        [],
        "Names of labels that are numbers, from 0.",
        panel="Data",
        metavar="NAME,NAME",
    )
    vector_column: str | None = option(None, "Column of vectors to learn, lists of numbers.", panel="Data")


class EmbeddingJudgeOptions(SidePromptOptions, VectorOptions, ShapeOptions):
    """Options of `evaluate`."""

    pair_threshold: float | None = option(
        None,
        "Pairs of 0 and 1: show precision and recall of the pairs that are so much alike or more.",
        panel="Task",
        shown_default="the threshold of the best F1, chosen on the same pairs",
    )


class EmbeddingColumnOptions(PoolingOptions, ShapeOptions):
    """Options of commands that make another model of one, and take rows with what is known of their texts."""


class EmbeddingDataOptions(LengthOptions, ShapeOptions):
    """Options of `check-data` and of training: columns, and how many tokens are read."""
