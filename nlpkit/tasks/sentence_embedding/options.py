"""Options that come with sentence embedding."""

from __future__ import annotations

from typing import Literal

from nlpkit.options import ColumnOptions, Config, Names, TextColumnOptions, option, option_like
from nlpkit.tasks.options import LengthOptions


class VectorOptions(Config):
    """What a vector is."""

    normalize: bool | None = option(
        None,
        "Scale each vector to length 1, so that products are cosines; --no-normalize does not. Default: as the model's "
        "folder says; where it says nothing, they are scaled.",
        panel="Task",
    )


class EmbeddingAnswerOptions(VectorOptions, TextColumnOptions):
    """Options of `predict`."""


class ShapeOptions(TextColumnOptions):
    """Which kind of data rows are, and which of their columns hold what."""

    shape: (
        Literal["scored-pairs", "labelled-pairs", "pairs", "triplets", "nli", "labelled-texts", "texts", "taught"]
        | None
    ) = option(None, "Kind of the rows.", panel="Data", shown_default="from the columns")
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


class EmbeddingJudgeOptions(VectorOptions, ShapeOptions):
    """Options of `evaluate`, and of commands that take rows with what is known of their texts."""


class EmbeddingDataOptions(LengthOptions, ShapeOptions):
    """Options of `check-data` and of training: columns, and how many tokens are read."""
