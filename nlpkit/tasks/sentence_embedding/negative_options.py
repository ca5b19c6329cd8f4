"""Options of hard negatives: texts that are found for each row before training, and what a cross-encoder says of them.

Imports neither numpy nor torch.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import field_validator

from nlpkit.options import Config, NotWith, option

PANEL = "Negatives"
NONE = "none"


class NegativeOptions(Config):
    """Which hard negatives rows are given."""

    mine_negatives: int | None = option(
        None,
        "Find N texts for each pair that look like its second text and do not belong to it.",
        panel=PANEL,
        metavar="N",
        ge=1,
        only_with=NotWith(
            ("cv",),
            why=" and --cv: folds would be judged with texts that others were taught to push away",
            hint="Leave out one of the two.",
        ),
    )
    mine_by: Literal["dense", "bm25", "both"] = option(
        "dense", "Find them by vectors, by shared words, or both by turns.", panel=PANEL, only_with="mine_negatives"
    )
    mine_with: str | None = option(
        None,
        "Embedder by whose vectors texts are compared.",
        panel=PANEL,
        metavar="MODEL",
        shown_default="--model",
        only_with="mine_negatives",
    )
    corpus: str | None = option(
        None,
        "File of further texts to find them in, one per line.",
        panel=PANEL,
        metavar="FILE",
        only_with="mine_negatives",
    )
    negatives_margin: str = option(
        "5%",
        "How far below the cosine of the pair that of a negative stays: a share of it (5%, as in NV-Retriever), a "
        "number, or none.",
        panel=PANEL,
        metavar="N%|X|none",
        only_with="mine_negatives",
    )
    negatives_max_score: float | None = option(
        None, "Highest cosine of a negative.", panel=PANEL, ge=-1, le=1, only_with="mine_negatives"
    )
    negatives_skip: int = option(
        0, "Pass over the K nearest of those that are left.", panel=PANEL, metavar="K", ge=0, only_with="mine_negatives"
    )
    save_negatives: Path | None = option(
        None,
        "Write the rows with their negatives, to train on again.",
        panel=PANEL,
        metavar="FILE.jsonl",
        only_with="mine_negatives",
    )
    from_cross_encoder: str | None = option(
        None,
        "Learn by how much a cross-encoder prefers the positive to each negative (margin-mse).",
        panel=PANEL,
        metavar="MODEL",
        only_with=NotWith(
            ("cv",),
            why=" and --cv: train rows alone have its scores, and folds are judged with them",
            hint="Leave out one of the two.",
        ),
    )

    @field_validator("negatives_margin")
    @classmethod
    def _margin(cls, value: str) -> str:
        margin_of(value)
        return value

    @field_validator("save_negatives")
    @classmethod
    def _jsonl(cls, value: Path | None) -> Path | None:
        if value is not None and value.suffix != ".jsonl":
            raise ValueError("name a file that ends in .jsonl")
        return value


def margin_of(value: str) -> tuple[float | None, bool]:
    """A margin and whether it is a share of the positive's cosine; None for none.

    Raises:
        ValueError: it is neither of the three forms.
    """
    text = value.strip().lower()
    if text == NONE:
        return None, False
    share = text.endswith("%")
    try:
        number = float(text.removesuffix("%")) / (100 if share else 1)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 1:
        raise ValueError("write a share from 0% to 100%, a number from 0 to 1, or none")
    return number, share
