"""Options that come with models that turn a text into another."""

from __future__ import annotations

from nlpkit.options import option, option_like
from nlpkit.tasks.options import TextOptions
from nlpkit.tasks.text_generation.options import PANEL, GenerationOptions


class Text2TextAnswerOptions(GenerationOptions, TextOptions):
    """Options of `predict`."""

    beams: int = option_like(GenerationOptions, "beams", shown_default="the model's, else 1")
    prefix: str | None = option(
        None,
        "Text that stands before each text, as T5 is told what to do.",
        panel="Input",
        metavar="TEXT",
        shown_default="nothing",
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
