"""Options that come with zero-shot classification."""

from __future__ import annotations

from pathlib import Path

from pydantic import field_validator

from nlpkit.options import ColumnOptions, Config, Names, TextColumnOptions, option
from nlpkit.tasks.options import MarginCoverageOptions, MarginOptions, PerClassOptions, UnknownLabelOptions
from nlpkit.tasks.sentence_embedding.options import PoolingOptions
from nlpkit.tasks.text_classification.options import AllScoresOptions

TEMPLATE = "This example is {}."
"""As the pipeline of Transformers has it."""


class CandidateOptions(Config):
    """Which labels there are, and how a model that knows sentences alone is asked about them."""

    labels: Names = option([], "Labels to choose from.", panel="Task", metavar="LABEL,LABEL")
    labels_file: Path | None = option(
        None,
        "Labels, one a line; behind a tab what they mean.",
        panel="Task",
        metavar="FILE",
    )
    template: str = option(
        TEMPLATE,
        "Sentence about a text, {} is the label.",
        panel="Task",
    )
    multi_label: bool = option(False, "Judge each label by itself: any number may be given.", panel="Task")
    threshold: float = option(
        0.5, "With several labels per text: probability from which one is given.", panel="Task", gt=0, lt=1
    )

    @field_validator("template")
    @classmethod
    def _has_a_place(cls, value: str) -> str:
        if value.count("{}") != 1:
            raise ValueError("write {} once, where the label is to stand")
        return value


class ShortlistOptions(Config):
    """About which labels a model for inference is asked."""

    shortlist: int | None = option(
        None,
        "Ask the model about so many labels a text, those that are nearest to it by --embedder.",
        panel="Task",
        metavar="N",
        ge=2,
        shown_default="all labels",
        only_with="embedder",
    )
    embedder: str | None = option(
        None,
        "Folder or hub name of the model that chooses the labels of --shortlist.",
        panel="Task",
        metavar="MODEL",
        only_with="shortlist",
    )


class ZeroShotAnswerOptions(CandidateOptions, MarginOptions, AllScoresOptions, TextColumnOptions):
    """Options of `predict`."""


class ZeroShotColumnOptions(CandidateOptions, ColumnOptions):
    """Options of commands that take labelled rows."""


class ZeroShotJudgeOptions(ZeroShotColumnOptions, MarginCoverageOptions, UnknownLabelOptions, PerClassOptions):
    """Options of `evaluate`."""


class InferenceAnswerOptions(ShortlistOptions, ZeroShotAnswerOptions):
    """Options of `predict` with a model for inference."""


class InferenceColumnOptions(ShortlistOptions, ZeroShotColumnOptions):
    """The same of commands that take labelled rows."""


class InferenceJudgeOptions(ShortlistOptions, ZeroShotJudgeOptions):
    """The same of `evaluate`."""


class ByEmbeddingAnswerOptions(PoolingOptions, ZeroShotAnswerOptions):
    """Options of `predict` with an embedder."""


class ByEmbeddingColumnOptions(PoolingOptions, ZeroShotColumnOptions):
    """The same of commands that take labelled rows."""


class ByEmbeddingJudgeOptions(PoolingOptions, ZeroShotJudgeOptions):
    """The same of `evaluate`."""
