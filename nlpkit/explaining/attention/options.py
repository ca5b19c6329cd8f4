"""Which attention the picture shows, and the page at first."""

from __future__ import annotations

from typing import Literal

from nlpkit.options import Config, option

StackName = Literal["encoder", "decoder", "cross"]


class AttentionOptions(Config):
    """Options of `nlpkit explain --show attention`."""

    layer: int | None = option(
        None, "Layer to draw, counted from 1.", panel="Attention", ge=1, shown_default="the last", metavar="N"
    )
    head: int | None = option(
        None,
        "Head to draw, counted from 1.",
        panel="Attention",
        ge=1,
        shown_default="the mean of all, and a grid of every head",
        metavar="N",
    )
    stack: StackName | None = option(
        None,
        "Of a model with encoder and decoder: whose attention to draw.",
        panel="Attention",
        shown_default="cross: what the decoder reads of the text",
    )
