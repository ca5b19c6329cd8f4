"""Option groups that several tasks share; a task's own stand in its module."""

from __future__ import annotations

from nlpkit.options import Config, option


class LengthOptions(Config):
    """How many tokens of a text the model sees at a time."""

    max_length: int | None = option(
        None, "Tokens a text; the rest is cut or windowed.", panel="Task", ge=4, shown_default="from the data"
    )


class PerClassOptions(Config):
    """What `evaluate` shows of classes."""

    per_class: bool = option(False, "Show precision, recall and F1 of each class.", panel="Output")


class TextOptions(Config):
    """Which column is the text, for tasks on single texts."""

    text_column: str | None = option(None, "Column of the text.", panel="Data", shown_default="guessed")
