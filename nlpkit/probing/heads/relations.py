"""Which head finds which relation between words, against the best fixed distance (Clark et al. 2019, section 4.2).

Each head is a classifier without training: the word that a word attends to most is its guess, or, the other way round,
the word that attends most to it. A head that is the best of 144 on some words looks better on them than it is: it is
chosen on one part of the sentences and judged on the other. Clark et al. chose and judged on the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np

from nlpkit.probing.heads.observed import ROOT, Head, Sentence
from nlpkit.probing.heads.shares import Part, difference, share

Direction = Literal["from the word", "to the word"]
DIRECTIONS: tuple[Direction, Direction] = ("from the word", "to the word")
OFFSETS = (-5, -4, -3, -2, -1, 1, 2, 3, 4, 5)
FEWEST = 50  # words of a relation in each part, with which it is judged
ALL = "all but punct"
PUNCTUATION = "punct"


class Guessed(NamedTuple):
    """What is guessed right in a text.

    Attributes:
        relations: of each word whose head was looked for.
        hits: whether the guess of each attention head is right, shape (words, heads, 2) by `DIRECTIONS`.
        fixed: whether each fixed guess is, that knows no attention, shape (words, fixed guesses).
        unseen: words that have no token of their own, or whose head has none: they are left out.
    """

    relations: Sequence[str]
    hits: np.ndarray
    fixed: np.ndarray
    unseen: int


def guesses(attention: np.ndarray) -> np.ndarray:
    """The head that each attention head guesses for each word, itself left out.

    Args:
        attention: between words, shape (heads, words, words).

    Returns:
        Indices of words, shape (heads, 2, words), by `DIRECTIONS`; -1 where a word attends to no other.
    """
    others = attention.copy()
    words = np.arange(attention.shape[1])
    others[:, words, words] = 0
    return np.stack([np.where(others.any(axis=axis), others.argmax(axis=axis), -1) for axis in (2, 1)], axis=1)


def guessed(sentence: Sentence, attention: np.ndarray, seen: np.ndarray) -> Guessed:
    """Judge the guesses for the heads of the words of a sentence.

    Args:
        sentence: with its dependencies.
        attention: between words, shape (heads, words, words).
        seen: which words have tokens, shape (words,).
    """
    dependents = np.flatnonzero(sentence.heads != ROOT)
    heads = sentence.heads[dependents]
    known = seen[dependents] & seen[heads]
    unseen = int((~known).sum())
    dependents, heads = dependents[known], heads[known]
    return Guessed(
        [sentence.relations[dependent] for dependent in dependents],
        (guesses(attention)[:, :, dependents] == heads).transpose(2, 0, 1),
        (heads - dependents)[:, None] == np.array(OFFSETS),
        unseen,
    )


@dataclass(frozen=True)
class Kind:
    """What is looked for in texts.

    Attributes:
        judge: a text, the attention between its words, which of them have tokens -> what is guessed right.
        fixed: names of the fixed guesses.
        everything: what all words together are called.
        apart: relations that are not among these.
    """

    judge: Callable[[Any, np.ndarray, np.ndarray], Guessed]
    fixed: Sequence[str]
    everything: str
    apart: Sequence[str] = ()


DEPENDENCIES = Kind(guessed, tuple(f"{offset:+d}" for offset in OFFSETS), ALL, (PUNCTUATION,))


@dataclass
class Found:
    """What every attention head guesses right, text by text.

    Attributes:
        kind: what is looked for.
        guesses: of each text, with its place.
    """

    kind: Kind
    guesses: list[tuple[int, Guessed]] = field(default_factory=list)

    def add(self, place: int, text: Any, attention: np.ndarray, seen: np.ndarray) -> None:
        """Judge the guesses for a text, see `Kind.judge`."""
        self.guesses.append((place, self.kind.judge(text, attention, seen)))

    @property
    def unseen(self) -> int:
        """Words that have no token of their own, or whose head has none."""
        return sum(of_one.unseen for _, of_one in self.guesses)

    @property
    def relations(self) -> list[str]:
        """Of all words whose head was looked for."""
        return [relation for _, of_one in self.guesses for relation in of_one.relations]


@dataclass(frozen=True)
class Best:
    """The head that finds a relation best, and what it is worth.

    Attributes:
        relation: its name.
        chosen_on, words: words that it was chosen on, and that it is judged on.
        head, direction: which it is.
        found: the share of the words whose head it finds.
        rule: the fixed guess that is right most often: of distances -1 is the word before.
        baseline: the share of the words for which it is.
        gain: by how much the head finds more, on the same words.
        on_all: the share that the best head finds, chosen and judged on all words, as Clark et al. did.
        baseline_on_all: the same of the best fixed guess.
        shares: of every head, in the direction in which it is better, over all words; shape (heads,).
    """

    relation: str
    chosen_on: int
    words: int
    head: Head
    direction: Direction
    found: Part
    rule: str
    baseline: Part
    gain: Part
    on_all: float
    baseline_on_all: float
    shares: np.ndarray


def best(found: Found, heads: Sequence[Head], chosen_on: np.ndarray, fewest: int = FEWEST) -> list[Best]:
    """The best head for each relation that there are enough words of, the most frequent relation first.

    `nsubj` includes `nsubj:pass` only under its own name: subtypes are relations of their own. The last entry is of all
    words, but those that stand apart (punctuation).

    Args:
        found: of at least one sentence.
        heads: in the order of `Guessed.hits`.
        chosen_on: for each sentence whether heads and distances are chosen on it, else they are judged on it.
        fewest: words of a relation in each part.
    """
    kind = found.kind
    hits = np.concatenate([of_one.hits for _, of_one in found.guesses])
    fixed = np.concatenate([of_one.fixed for _, of_one in found.guesses])
    relations = np.array(found.relations)
    sentences = np.repeat([place for place, _ in found.guesses], [len(one.relations) for _, one in found.guesses])
    choosing = chosen_on[sentences]
    names, counts = np.unique(relations, return_counts=True)
    judged = []
    for name in [*names[np.argsort(-counts, kind="stable")], kind.everything]:
        mine = ~np.isin(relations, kind.apart) if name == kind.everything else relations == name
        one, other = mine & choosing, mine & ~choosing
        if min(one.sum(), other.sum()) < fewest:
            continue
        of_heads, of_rules = hits[one].mean(axis=0), fixed[one].mean(axis=0)
        head, direction = np.unravel_index(int(of_heads.argmax()), of_heads.shape)
        rule = int(of_rules.argmax())
        over_all = hits[mine].mean(axis=0)
        right, near, units = hits[other, head, direction], fixed[other, rule], sentences[other]
        judged.append(
            Best(
                relation=str(name),
                chosen_on=int(one.sum()),
                words=int(other.sum()),
                head=heads[int(head)],
                direction=DIRECTIONS[int(direction)],
                found=share(right, units),
                rule=kind.fixed[rule],
                baseline=share(near, units),
                gain=difference(right, near, units),
                on_all=float(over_all.max()),
                baseline_on_all=float(fixed[mine].mean(axis=0).max()),
                shares=over_all.max(axis=1),
            )
        )
    return judged
