"""Options of what is changed in copies, and how much."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from nlpkit.options import AtCommas, Config, NotWith, OnlyWith, option

Way = Literal[
    "synonyms",
    "insert",
    "swap",
    "delete",
    "keyboard",
    "ocr",
    "case",
    "punctuation",
    "mentions",
    "segments",
    "labelwise",
]
EDA: list[Way] = ["synonyms", "insert", "swap", "delete"]
WITH_SYNONYMS = ("synonyms", "insert")


class AugmentationOptions(Config):
    """What is changed in copies, and how much."""

    by: Annotated[list[Way], AtCommas] = option(
        EDA,
        "Operations, by turns; also keyboard, ocr, case, punctuation, and of words with tags mentions, segments, "
        "labelwise.",
        panel="Augmentation",
        metavar="NAME,...",
        shown_default="synonyms,insert,swap,delete",
    )
    copies: int | None = option(
        None,
        "Copies of each row.",
        panel="Augmentation",
        ge=1,
        le=1_000,
        shown_default="EDA: 16, 8 or 4",
    )
    balance: bool = option(
        False,
        "Make copies until every class has as many rows as the most frequent one.",
        panel="Augmentation",
        only_with=NotWith(
            ("copies",), why=" makes as many copies as it takes", hint="Leave out one of both: --copies."
        ),
    )
    rate: float | None = option(
        None,
        "Share of the words that are changed, at least one.",
        panel="Augmentation",
        gt=0,
        le=1,
        shown_default="EDA: 0.05 or 0.1",
    )
    synonyms: Path | None = option(
        None,
        "Table of synonyms: `word TAB synonym,...`, or by sense as Open English WordNet's; .gz too.",
        panel="Augmentation",
        metavar="FILE",
        shown_default="a small one of English",
        only_with=OnlyWith(("by",), WITH_SYNONYMS, why=" is read with --by synonyms or insert only"),
    )
    keyboard: Literal["qwerty", "qwertz", "azerty"] = option(
        "qwerty",
        "Keys that lie beside one another.",
        panel="Augmentation",
        only_with=OnlyWith(("by",), ("keyboard",), why=" is read with --by keyboard only"),
    )
