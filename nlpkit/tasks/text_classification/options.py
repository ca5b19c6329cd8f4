"""Options that come with text classification."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, field_validator

from nlpkit.options import ColumnOptions, Config, Names, Strings, TextColumnOptions, option, suggest, truth_of
from nlpkit.tasks.options import (
    LengthOptions,
    MarginCoverageOptions,
    MarginOptions,
    PerClassOptions,
    UnknownLabelOptions,
)

ClassicalName = Literal["logistic", "svm", "bayes", "ridge", "word2vec", "lstm", "cnn", "all"]
ALL = "all"
MEANS = "word2vec"  # of the vectors of words
NETWORKS = ("lstm", "cnn")  # over words, which a Trainer trains, see `nlpkit.baselines`


def _asked(value: Any) -> Any:
    """A switch, or names at commas."""
    given = value if isinstance(value, list | tuple) else [value]
    if len(given) == 1 and (truth := truth_of(given[0])) is not None:
        return truth
    names = [part.strip().lower() for entry in given for part in str(entry).split(",")]
    known = get_args(ClassicalName)
    for name in names:
        if name not in known:
            raise ValueError(f"there is no {name!r}; name {', '.join(known)}. {suggest(name, known) or ''}".rstrip())
    return names


Baselines = Annotated[bool | list[ClassicalName], BeforeValidator(_asked)]


class ClassificationOptions(LengthOptions, ColumnOptions):
    """Options of the task itself: columns, labels, long texts."""

    label_delimiter: str | None = option(
        None, "Separator of several labels in one cell (makes it multi-label).", panel="Data", metavar="CHAR"
    )
    label_names: Names = option(
        [],
        "Names of labels that are numbers, or places in lists of 0 and 1: from 0.",
        panel="Data",
        metavar="NAME,NAME",
    )
    problem: Literal["auto", "binary", "multi-class", "multi-label", "regression", "relevance"] = option(
        "auto", "What the labels ask for; relevance: a number from 0 to 1 (rerankers).", panel="Task"
    )
    threshold: float = option(0.5, "Multi-label: probability from which a label is given.", panel="Task", gt=0, lt=1)
    long_text: Literal["truncate", "head-tail", "windows"] = option(
        "truncate",
        "Longer texts: cut the end, keep a quarter head and the tail (Sun 2019), or pool windows.",
        panel="Task",
    )


class ClassificationLossOptions(Config):
    """Options of training: the loss, and how often rare classes are seen."""

    class_weights: str = option(
        "none",
        "Loss weight per class: none, balanced (n / (classes * count)), or a JSON file {label: weight}.",
        panel="Task",
    )
    label_smoothing: float = option(0.0, "Share of the target spread over all classes.", panel="Task", ge=0, lt=1)
    oversample: bool = option(False, "Draw rare classes as often as the most frequent one.", panel="Task")


class HeadOptions(Config):
    """Options of training: what the head reads."""

    pooling: Literal["cls", "mean"] | None = option(
        None,
        "What a new head reads: the first token, or the mean of all, by one more layer where the stock class has none.",
        panel="Model",
        shown_default="of pairs the mean, of an encoder whose folder says so; else as the stock class",
    )


class AllScoresOptions(Config):
    """What an answer has beside the label."""

    all_scores: Literal["columns"] | bool = option(
        False, "Give the score of every label: as one entry, or as columns, one for each label.", panel="Output"
    )

    @field_validator("all_scores", mode="before")
    @classmethod
    def _switch_or_columns(cls, value: Any) -> Any:
        known = {"columns": "columns", "true": True, "false": False}
        if str(value).lower() not in known:
            raise ValueError("write it alone, or with columns behind it")
        return known[str(value).lower()]


class ClassificationAnswerOptions(MarginOptions, AllScoresOptions, TextColumnOptions):
    """Options of `predict`."""

    text_pair: Strings = option([], "Second text of a pair, one for each TEXT (repeatable).", panel="Input")


class ClassificationJudgeOptions(MarginCoverageOptions, UnknownLabelOptions, PerClassOptions, ColumnOptions):
    """Options of `evaluate`."""
