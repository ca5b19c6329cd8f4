"""Options that come with sentence embedding."""

from __future__ import annotations

from nlpkit.options import ColumnOptions, Config, TextColumnOptions, option


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


class EmbeddingJudgeOptions(VectorOptions, ColumnOptions):
    """Options of `evaluate`, and of commands that take pairs of texts with the score of their likeness."""
