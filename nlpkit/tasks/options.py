"""Option groups that several tasks share; a task's own stand in its module."""

from __future__ import annotations

from typing import Literal

from nlpkit import reporting
from nlpkit.options import Config, Strings, TextColumnOptions, option, option_like
from nlpkit.options.conditions import OnlyWith

FEW_UNKNOWN = 0.05
"""Share of rows up to which labels that the model does not have are wrong answers, and no reason to stop."""


class TypedOptions(Config):
    """What is typed for `predict`, whatever the task."""

    texts: Strings = option([], "Texts to answer for.", panel="Input", metavar="TEXT", positional=True)


class InputOptions(Config):
    """The file whose rows a command works on."""

    input: str | None = option(
        None,
        "File with rows, or - for standard input (txt without --format).",
        panel="Input",
        metavar="FILE|-",
    )


class AnsweredFileOptions(InputOptions):
    """Rows that are answered in place of what is typed, and how many of them may have no answer."""

    max_errors: float = option(
        0, "Exit with 1 if more rows of --input have no answer: a number, or a share below 1.", panel="Gate", ge=0
    )

    def tell_of_failures(self, failed: int, done: int, lacking: str, first: str, hint: str = "") -> str:
        """Warn of rows that have no answer.

        Args:
            failed: how many, of `done`.
            lacking: what they have none of, and the column that says why.
            first: where the first of them stands, and why it has none.
            hint: what to do about it, where that is known.

        Returns:
            Why the command fails; empty where it does not.
        """
        if not failed:
            return ""
        message = f"{failed:,} of {done:,} rows have no {lacking}"
        allowed = self.max_errors * (done if self.max_errors < 1 else 1)
        failure = ""
        if failed > allowed or failed == done:
            why = "no row has one" if failed == done else f"more than --max-errors {self.max_errors:g}"
            failure = f"{message}: {why}, exit code 1"
        reporting.current().warn(f"{failure or message}; {first}" + (f". {hint}" if hint else ""))
        return failure


class TaskChoiceOptions(Config):
    """Which of the tasks that a model can be used for is meant."""

    task: str | None = option(
        None,
        "Task to use the model for, of those that take it.",
        panel="Task",
        metavar="NAME",
        shown_default="the one it was trained for",
    )


class LengthOptions(Config):
    """How many tokens of a text the model sees at a time."""

    max_length: int | None = option(
        None, "Tokens per text; the rest is cut or windowed.", panel="Task", ge=4, shown_default="from the data"
    )


class PerClassOptions(Config):
    """What `evaluate` shows of classes."""

    per_class: bool = option(False, "Show precision, recall and F1 of each class.", panel="Output")


class MinScoreOptions(Config):
    """Which answers are given."""

    min_score: float | None = option(
        None, "Give no answer below this score.", panel="Output", ge=0, le=1, shown_default="give every answer"
    )


class AbstainOptions(MinScoreOptions):
    """What stands where no answer is given."""

    abstain_label: str | None = option(
        None,
        "What stands for an answer below --min-score.",
        panel="Output",
        metavar="NAME",
        shown_default="nothing",
        only_with="min_score",
    )


class MarginOptions(AbstainOptions):
    """The same of answers that are chosen among labels: besides, how clear the choice is."""

    min_margin: float | None = option(
        None,
        "Give no answer whose score is less than this above that of the next label.",
        panel="Output",
        ge=0,
        le=1,
        shown_default="give every answer",
    )
    abstain_label: str | None = option_like(
        AbstainOptions,
        "abstain_label",
        help="What stands for an answer below --min-score or --min-margin.",
        only_with=OnlyWith(("min_score", "min_margin")),
    )


class CoverageOptions(Config):
    """Which answers `evaluate` measures."""

    min_score: float | None = option(
        None,
        "Measure the answers from this score on, and show what share of answers has which score; 0: all.",
        panel="Output",
        ge=0,
        le=1,
        shown_default="all, without the table",
    )


class MarginCoverageOptions(CoverageOptions):
    """The same of answers that are chosen among labels."""

    min_margin: float | None = option(
        None,
        "Measure the answers whose score is so much or more above that of the next label, and show what share "
        "has which margin; 0: all.",
        panel="Output",
        ge=0,
        le=1,
        shown_default="all, without the table",
    )


class UnknownLabelOptions(Config):
    """What `evaluate` makes of labels that the model does not have."""

    unknown_labels: Literal["error", "wrong", "skip"] | None = option(
        None,
        "Rows whose label the model does not have: stop, count them as wrong, or leave them out.",
        panel="Data",
        shown_default="wrong up to 5 % of the rows, error beyond",
    )


class TextOptions(Config):
    """Which column is the text, for tasks on single texts."""

    text_column: str | None = option_like(TextColumnOptions, "text_column")
