"""Whether attention is shown, and which: in the picture, and in the page at first."""

from __future__ import annotations

from typing import Literal

from nlpkit.options import Config, option

StackName = Literal["encoder", "decoder", "cross"]


ATTENTION = {"show": ("attention",)}


class AttentionOptions(Config):
    """What is shown, and of attention which."""

    show: Literal["words", "attention"] = option("words", "Words, or attention of heads.", panel="Explanation")
    layer: int | None = option(
        None,
        "Layer to draw, counted from 1.",
        panel="Attention",
        ge=1,
        shown_default="the last",
        metavar="N",
        only_with=ATTENTION,
    )
    head: int | None = option(
        None,
        "Head to draw, counted from 1.",
        panel="Attention",
        ge=1,
        shown_default="the mean of all, and a grid of every head",
        metavar="N",
        only_with=ATTENTION,
    )
    stack: StackName | None = option(
        None,
        "Of a model with encoder and decoder: whose attention to draw.",
        panel="Attention",
        shown_default="cross: what the decoder reads of the text",
        only_with=ATTENTION,
    )
