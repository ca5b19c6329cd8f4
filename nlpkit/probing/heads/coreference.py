"""Which head finds the name that a pronoun stands for (Clark et al. 2019, section 4.3), in texts of GAP.

Each text has a pronoun and two names. The guess of a head is the name that the pronoun attends to more, or the one that
attends to the pronoun more; where neither name is meant, or both are, there is nothing to guess.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from nlpkit.probing import properties, states
from nlpkit.probing.heads.relations import Guessed, Kind


@dataclass(frozen=True, eq=False)
class Pronoun:
    """A text with a pronoun and two names, of which one is meant.

    Attributes:
        text: the pronoun and the names are its words, in the order in which they stand.
        word: the pronoun, in lower case.
        pronoun, meant, other: their indices.
    """

    text: states.Sentence
    word: str
    pronoun: int
    meant: int
    other: int

    @property
    def sought(self) -> tuple[str]:
        """The name that the pronoun stands for."""
        return (self.word,)


def pronoun(row: Mapping[str, Any], text: states.Sentence) -> Pronoun:
    """A row of GAP.

    Args:
        row: with its columns.
        text: the same, see `Pronoun.text`.

    Raises:
        ValueError: not exactly one of the names is meant, in a few words.
    """
    order = properties.spans_of(row)
    meant = [name for name in ("A", "B") if str(row[f"{name}-coref"]).strip().lower() == "true"]
    if len(meant) != 1:
        raise ValueError("both names are meant" if meant else "neither name is meant")
    (other,) = {"A", "B"} - set(meant)
    return Pronoun(text, str(row["Pronoun"]).lower(), order.index("Pronoun"), order.index(meant[0]), order.index(other))


def guessed(one: Pronoun, attention: np.ndarray, seen: np.ndarray) -> Guessed:
    """Judge the guesses for a pronoun.

    Args:
        one: the text.
        attention: between the pronoun and the names, shape (heads, 3, 3).
        seen: which of them have tokens, shape (3,).
    """
    if not seen.all():
        return Guessed([], np.zeros((0, len(attention), 2), bool), np.zeros((0, 3), bool), 1)
    to, by = attention[:, one.pronoun], attention[:, :, one.pronoun]
    hits = np.stack([shares[:, one.meant] > shares[:, one.other] for shares in (to, by)], axis=1)
    first = one.meant < one.other
    fixed = [_distance(one, one.meant) < _distance(one, one.other), first, not first]
    return Guessed([one.word], hits[None], np.array([fixed]), 0)


def _distance(one: Pronoun, name: int) -> int:
    """Characters between the pronoun and a name."""
    (start, end), (low, high) = one.text.places[one.pronoun], one.text.places[name]
    return max(low - end, start - high)


PRONOUNS = Kind(guessed, ("the nearer name", "the first name", "the second name"), "all pronouns")
