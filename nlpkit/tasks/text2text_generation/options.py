"""Options that come with models that turn a text into another."""

from __future__ import annotations

from typing import Literal

from nlpkit.data.pairs import RATIO
from nlpkit.options import Config, Names, option, option_like
from nlpkit.tasks.options import LengthOptions, TextOptions
from nlpkit.tasks.text_generation.options import PANEL, GenerationOptions, ShownOptions

SMOOTHING = 0.1  # Vaswani et al. 2017


class SourceOptions(TextOptions):
    """Which column is read, and how."""

    prefix: str | None = option(
        None,
        "Text that stands before each text, as T5 is told what to do.",
        panel="Input",
        metavar="TEXT",
        shown_default="that of training, else nothing",
    )
    prefix_column: str | None = option(
        None, "Column of a text that stands before each text.", panel="Data", metavar="NAME", shown_default="none"
    )
    source_language: str | None = option(
        None,
        "Text to text: code of the language of the texts, as the tokenizer has it (en_XX).",
        panel=PANEL,
        metavar="CODE",
        shown_default="the tokenizer's",
    )
    target_language: str | None = option(
        None,
        "Text to text: code of the language that is written (de_DE).",
        panel=PANEL,
        metavar="CODE",
        shown_default="the model's",
    )


class PairOptions(SourceOptions):
    """Which columns of labelled rows are read."""

    target_columns: Names = option(
        [],
        "Columns of what is to be written; several: several right answers.",
        panel="Data",
        metavar="NAME,...",
        shown_default="guessed",
    )


class FilterOptions(Config):
    """Which rows of train are left out besides those that lack a text or what is to be written."""

    length_ratio: float | None = option(
        None,
        f"Leave out rows of train of which one side has over N times the words of the other (Moses: {RATIO:g}).",
        panel="Data",
        metavar="N",
        shown_default="none",
        gt=1,
    )
    max_words: int | None = option(
        None, "Leave out rows of train of which a side has more than N words.", panel="Data", shown_default="none", ge=1
    )
    drop_copies: bool = option(False, "Leave out rows of train that are to be written as they are read.", panel="Data")
    drop_repeats: bool = option(False, "Leave out rows of train that repeat an earlier one.", panel="Data")


class MeasureOptions(Config):
    """What is measured."""

    measure: Literal["translation", "summary"] | None = option(
        None,
        "Text to text: judge by BLEU and chrF, or by ROUGE.",
        panel="Task",
        shown_default="as trained, else summary where targets are less than half as long as texts",
    )


class LearnedOptions(LengthOptions, FilterOptions, MeasureOptions, PairOptions):
    """Options of the task itself: columns, lengths, what is measured."""

    max_target_length: int | None = option(
        None, "Tokens of what is to be written; the rest is cut.", panel="Task", ge=2, shown_default="from the data"
    )
    beams: int | None = option_like(
        GenerationOptions,
        "beams",
        None,
        "Continuations followed side by side, at the end of training and by default afterwards.",
        panel="Task",
        shown_default="the model's, else 1",
    )
    separator: str | None = option(
        None,
        "Models without an encoder: what stands between a text and its answer.",
        panel="Task",
        metavar="TEXT",
        shown_default="a line end",
    )


class LossOptions(Config):
    """What the loss is."""

    label_smoothing: float = option(
        SMOOTHING,
        "Share of the probability that is spread over all tokens (Vaswani et al. 2017).",
        panel="Optimizer",
        ge=0,
        lt=1,
    )


class AnsweringOptions(GenerationOptions):
    """How a text is written."""

    beams: int = option_like(GenerationOptions, "beams", shown_default="the model's, else 1")


class Text2TextAnswerOptions(ShownOptions, AnsweringOptions, SourceOptions):
    """Options of `predict`."""


class Text2TextJudgeOptions(AnsweringOptions, MeasureOptions, PairOptions):
    """Options of `evaluate`."""
