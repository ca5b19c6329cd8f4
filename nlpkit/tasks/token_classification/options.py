"""Options that come with token classification."""

from __future__ import annotations

from typing import Literal

from nlpkit.options import Config, option
from nlpkit.tasks.options import LengthOptions, MinScoreOptions, PerClassOptions, TextOptions, UnknownLabelOptions
from nlpkit.tasks.token_classification.tags import Offsets


class TagOptions(TextOptions):
    """Where the tags of labelled rows are, and how they are written."""

    tag_column: str | None = option(
        None,
        "Column of the tags or spans: its name, or its number (1 is the first, as in cut -f; -1 the last).",
        panel="Data",
        metavar="NAME|N",
        shown_default="guessed",
    )
    column: Literal["pos", "chunk", "ner"] | None = option(
        None, "Which tags to take where there are several.", panel="Data", shown_default="ner, else chunk, else pos"
    )
    scheme: Literal["auto", "bio", "iob1", "bioes", "ioe", "io", "plain"] = option(
        "auto", "How entities are written as tags; plain: a tag stands for itself.", panel="Task"
    )
    offsets: Literal["auto", Offsets] = option(
        "auto",
        "How start and end of spans count.",
        panel="Task",
        shown_default="by the texts of the spans, else by words",
    )
    on_bad_tags: Literal["repair", "error"] = option(
        "repair", "Tags that the scheme does not allow: read them as conlleval does, or stop.", panel="Task"
    )


class AggregationOptions(Config):
    """Which tokens of a word speak for it."""

    aggregation: Literal["first", "average", "max"] = option(
        "first",
        "Tag of a word from its tokens: the first, their average, or the surest.",
        panel="Task",
    )


class TokenClassificationOptions(LengthOptions, TagOptions):
    """Options of the task itself."""


class LabellingOptions(Config):
    """Options of the training labels."""

    label_all_tokens: bool = option(False, "Train on every token of a word, not on its first alone.", panel="Task")


class TokenAnswerOptions(MinScoreOptions, AggregationOptions, TextOptions):
    """Options of `predict`."""


class TokenJudgeOptions(UnknownLabelOptions, PerClassOptions, AggregationOptions, TagOptions):
    """Options of `evaluate`."""
