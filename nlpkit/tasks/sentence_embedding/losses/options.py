"""Options of the losses of embedders. Imports neither numpy nor torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import field_validator

from nlpkit.options import Config, OnlyWith, option
from nlpkit.options.values import AtCommas
from nlpkit.tasks.sentence_embedding.losses.table import LossName, reading

Dims = Annotated[list[str], AtCommas]
PANEL = "Loss"


class ReadBy(OnlyWith):
    """The option is read by some losses; where none is named, it is looked at when the rows have chosen one."""

    def holds(self, values: Mapping[str, Any]) -> bool:
        return values["loss"] is None or super().holds(values)


def _read(name: str) -> ReadBy:
    return ReadBy(("loss",), reading(name))


class LossOptions(Config):
    """What is trained for."""

    loss: LossName | None = option(
        None, "What is trained for, of the losses that suit the rows.", panel=PANEL, shown_default="by the kind of rows"
    )
    scale: float | None = option(
        None,
        "Factor of similarities, 1 / temperature.",
        panel=PANEL,
        gt=0,
        shown_default="20, as sentence-transformers has it (a temperature of 0.05); 100 with guides; 1 for products",
        only_with=_read("scale"),
    )
    margin: float | None = option(
        None,
        "How much nearer what belongs together must be; with a guide: how far below the positive a negative must be.",
        panel=PANEL,
        ge=0,
        shown_default="0.2 of triplets (FaceNet), 0.5 of contrastive pairs, 0 with a guide",
        only_with=_read("margin"),
    )
    relative_margin: bool = option(
        False,
        "The margin is a share of the similarity that the guide gives the pair.",
        panel=PANEL,
        only_with=_read("relative_margin"),
    )
    symmetric: bool = option(False, "Rank anchors for each positive too.", panel=PANEL, only_with=_read("symmetric"))
    mini_batch_size: int = option(
        32, "Rows that are computed at once.", panel=PANEL, ge=1, only_with=_read("mini_batch_size")
    )
    guide: str | None = option(
        None,
        "Embedder whose nearer texts are no negatives.",
        panel=PANEL,
        metavar="MODEL",
        only_with=_read("guide"),
    )
    matryoshka: Dims = option(
        [],
        "Train the first N numbers of each vector too (Kusupati et al. 2022), with a weight each.",
        panel=PANEL,
        metavar="N[:WEIGHT],...",
    )

    @field_validator("matryoshka")
    @classmethod
    def _dims(cls, value: list[str]) -> list[str]:
        found = [_dim(entry) for entry in value]
        if len({dim for dim, _ in found}) < len(found):
            raise ValueError("name each number of dimensions once")
        return value

    def trained_dims(self) -> dict[int, float]:
        """The numbers of dimensions of --matryoshka with their weights, the most first."""
        return dict(sorted((_dim(entry) for entry in self.matryoshka), reverse=True))


def _dim(entry: str) -> tuple[int, float]:
    number, _, weight = entry.partition(":")
    try:
        dim, share = int(number), float(weight or 1)
    except ValueError:
        raise ValueError(f"'{entry}' is not of the form N or N:WEIGHT, as in 384,192:0.5") from None
    if dim < 1 or not 0 < share < math.inf:
        raise ValueError(f"'{entry}': a number of dimensions from 1, and a weight above 0")
    return dim, share
