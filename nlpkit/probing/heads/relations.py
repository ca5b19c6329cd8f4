"""Which head finds which relation between words, against the best fixed distance (Clark et al. 2019, section 4.2).

Each head is a classifier without training: the word that a word attends to most is its guess, or, the other way round,
the word that attends most to it. A head that is the best of 144 on some words looks better on them than it is: it is
chosen on one part of the sentences and judged on the other. Clark et al. chose and judged on the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from nlpkit.probing.heads.observed import ROOT, Head, Sentence
from nlpkit.probing.heads.shares import Part, difference, share

Direction = Literal["to its head", "from its head"]
DIRECTIONS: tuple[Direction, Direction] = ("to its head", "from its head")
OFFSETS = (-5, -4, -3, -2, -1, 1, 2, 3, 4, 5)
FEWEST = 50  # words of a relation in each part, with which it is judged
ALL = "all but punct"
PUNCTUATION = "punct"


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


@dataclass
class Found:
    """What every attention head guesses right, word by word.

    Attributes:
        hits: whether the guess is right, shape (words, heads, 2) when joined; a byte for each.
        offsets: whether the word at each of `OFFSETS` is the head, shape (words, 10).
        relations: of each word.
        sentences: of each word the place of its sentence.
        unseen: words that have no token of their own, or whose head has none: they are left out.
        roots: words that depend on none.
    """

    hits: list[np.ndarray] = field(default_factory=list)
    offsets: list[np.ndarray] = field(default_factory=list)
    relations: list[str] = field(default_factory=list)
    sentences: list[int] = field(default_factory=list)
    unseen: int = 0
    roots: int = 0

    def add(self, place: int, sentence: Sentence, attention: np.ndarray, seen: np.ndarray) -> None:
        """Judge the guesses for a sentence.

        Args:
            place: of the sentence.
            sentence: with its dependencies.
            attention: between words, shape (heads, words, words).
            seen: which words have tokens, shape (words,).
        """
        dependents = np.flatnonzero(sentence.heads != ROOT)
        self.roots += len(sentence.heads) - len(dependents)
        heads = sentence.heads[dependents]
        known = seen[dependents] & seen[heads]
        self.unseen += int((~known).sum())
        dependents, heads = dependents[known], heads[known]
        if not len(dependents):
            return
        guessed = guesses(attention)[:, :, dependents]
        self.hits.append((guessed == heads).transpose(2, 0, 1))
        self.offsets.append((heads - dependents)[:, None] == np.array(OFFSETS))
        self.relations += [sentence.relations[dependent] for dependent in dependents]
        self.sentences += [place] * len(dependents)


@dataclass(frozen=True)
class Best:
    """The head that finds a relation best, and what it is worth.

    Attributes:
        relation: its name.
        chosen_on, words: words that it was chosen on, and that it is judged on.
        head, direction: which it is.
        found: the share of the words whose head it finds.
        offset: the distance at which the head stands most often, in words; -1 is the word before.
        baseline: the share of the words whose head stands there.
        gain: by how much the head finds more, on the same words.
        on_all: the share that the best head finds, chosen and judged on all words, as Clark et al. did.
        baseline_on_all: the same of the best distance.
        shares: of every head, in the direction in which it is better, over all words; shape (heads,).
    """

    relation: str
    chosen_on: int
    words: int
    head: Head
    direction: Direction
    found: Part
    offset: int
    baseline: Part
    gain: Part
    on_all: float
    baseline_on_all: float
    shares: np.ndarray


def best(found: Found, heads: Sequence[Head], chosen_on: np.ndarray, fewest: int = FEWEST) -> list[Best]:
    """The best head for each relation that there are enough words of, the most frequent relation first.

    `nsubj` includes `nsubj:pass` only under its own name: subtypes are relations of their own. The last entry is of all
    words but punctuation.

    Args:
        found: of all sentences.
        heads: in the order of `Found.hits`.
        chosen_on: for each sentence whether heads and distances are chosen on it, else they are judged on it.
        fewest: words of a relation in each part.
    """
    if not found.hits:
        return []
    hits, offsets = np.concatenate(found.hits), np.concatenate(found.offsets)
    relations, sentences = np.array(found.relations), np.array(found.sentences)
    choosing = chosen_on[sentences]
    names, counts = np.unique(relations, return_counts=True)
    judged = []
    for name in [*names[np.argsort(-counts, kind="stable")], ALL]:
        mine = relations != PUNCTUATION if name == ALL else relations == name
        one, other = mine & choosing, mine & ~choosing
        if min(one.sum(), other.sum()) < fewest:
            continue
        of_heads, of_offsets = hits[one].mean(axis=0), offsets[one].mean(axis=0)
        head, direction = np.unravel_index(int(of_heads.argmax()), of_heads.shape)
        offset = int(of_offsets.argmax())
        over_all = hits[mine].mean(axis=0)
        right, near, units = hits[other, head, direction], offsets[other, offset], sentences[other]
        judged.append(
            Best(
                relation=str(name),
                chosen_on=int(one.sum()),
                words=int(other.sum()),
                head=heads[int(head)],
                direction=DIRECTIONS[int(direction)],
                found=share(right, units),
                offset=OFFSETS[offset],
                baseline=share(near, units),
                gain=difference(right, near, units),
                on_all=float(over_all.max()),
                baseline_on_all=float(offsets[mine].mean(axis=0).max()),
                shares=over_all.max(axis=1),
            )
        )
    return judged
