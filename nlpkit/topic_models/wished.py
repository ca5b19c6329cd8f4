"""Topics that are wished for: texts join one where they are clearly more like it than texts of this file mostly are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nlpkit.clustering import lists, neighbours
from nlpkit.errors import UserError

DEVIATIONS = 3.0  # robust standard deviations above the median, where a text begins to be about a wish
SCALE = 1.4826  # of the median absolute deviation, for it to be a standard deviation where values are normal


@dataclass(frozen=True)
class Wish:
    """A topic that is wished for.

    Attributes:
        name: of the topic.
        text: that is embedded.
    """

    name: str
    text: str


def read(file: str) -> list[Wish]:
    """The wishes of a file: a line each, a name, or `name: a description`.

    Raises:
        UserError: there is no such file, it is empty, or a name is there twice.
    """
    wishes = []
    for line in lists.lines_of("--topics", file, "a file with a name a line, or `name: a description`"):
        name, _, description = (part.strip() for part in line.partition(":"))
        wishes.append(Wish(name, f"{name}: {description}" if description else name))
    if not wishes:
        raise UserError(f"--topics {file} holds no topics", "Write a name a line, or `name: a description`.")
    names = [wish.name for wish in wishes]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UserError(f"--topics {file}: '{twice[0]}' is there twice", "Give each topic a name of its own.")
    return wishes


def cuts(cosines: np.ndarray) -> np.ndarray:
    """From which cosine on texts are about each wish: `DEVIATIONS` above the median of all texts, float32 of shape
    (wishes,).

    Of texts that have nothing to do with a wish about one in a thousand is above it; where most texts are about the
    wish itself, the cut is too high.

    Args:
        cosines: of texts with wishes, shape (texts, wishes).
    """
    middle = np.median(cosines, axis=0)
    spread = SCALE * np.median(np.abs(cosines - middle), axis=0)
    return np.asarray(middle + DEVIATIONS * spread, np.float32)


def assigned(units: np.ndarray, wishes: np.ndarray, asked: float | None) -> tuple[np.ndarray, np.ndarray]:
    """The wish of each text, -1 for none, and the cut of each wish.

    A text above several cuts joins the wish whose cut it is furthest above.

    Args:
        units: vectors of texts, of length 1.
        wishes: those of the wishes.
        asked: one cut for all wishes; None: `cuts`.
    """
    cosines = np.concatenate([part for _, part in neighbours.blocks(units, wishes)])
    limits = cuts(cosines) if asked is None else np.full(len(wishes), asked, np.float32)
    above = cosines - limits
    best = above.argmax(axis=1)
    return np.where(above[np.arange(len(units)), best] >= 0, best, -1), limits


def described(wishes: Sequence[Wish], limits: np.ndarray, counts: Mapping[int, int]) -> list[str]:
    """How many texts each wish has, and above which cosine."""
    return [
        f"{wish.name}: {counts.get(i, 0):,} texts with a cosine of {limits[i]:.3f} or more"
        for i, wish in enumerate(wishes)
    ]
