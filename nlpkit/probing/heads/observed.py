"""The attention of every head to sentences whose dependencies are known, one sentence after another.

What is kept of a sentence is what the tallies make of it, never its attention.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from nlpkit.errors import UserError
from nlpkit.models import attention
from nlpkit.probing import states
from nlpkit.probing.opened import Opened
from nlpkit.reporting import Progress

ROOT = -1  # the head of the word that has none


class Head(NamedTuple):
    """An attention head, as papers name it: layer and head count from 1."""

    layer: int
    number: int

    def __str__(self) -> str:
        return f"{self.layer}-{self.number}"


class Asked(Protocol):
    """A text with something to find in it.

    Attributes:
        text: with the places of the words, or names, that attention is looked at between.
        sought: what is to be found, by name.
    """

    @property
    def text(self) -> states.Sentence: ...

    @property
    def sought(self) -> Sequence[str]: ...


@dataclass(frozen=True, eq=False)
class Sentence:
    """A sentence whose dependencies are known.

    Attributes:
        words: as they are written.
        heads: for each word the index of the word that it depends on; -1 for the root; shape (words,).
        relations: what each word is to its head: `det`, `nsubj`, ...
    """

    words: Sequence[str]
    heads: np.ndarray
    relations: Sequence[str]

    @property
    def text(self) -> states.Sentence:
        """With one blank between two words."""
        return states.Sentence.of_words(self.words)

    @property
    def sought(self) -> list[str]:
        """The relations of the words that have a head."""
        return [relation for relation, head in zip(self.relations, self.heads, strict=True) if head != ROOT]


class Observed(NamedTuple):
    """The attention to a sentence.

    Attributes:
        place: of the sentence among those that were given.
        ids: of its tokens, special ones included, shape (tokens,).
        words: for each token the index of its word; -1 for one of no word; shape (tokens,).
        attention: from each token (second axis) to each (third), shape (heads of all layers, tokens, tokens).
    """

    place: int
    ids: np.ndarray
    words: np.ndarray
    attention: np.ndarray


@dataclass
class Attention:
    """Sentences as a model attends to them.

    Attributes:
        opened: the model.
        sentences: or longer texts.
        heads: of all layers, in the order of `Observed.attention`.
        too_long: sentences that the model cannot read whole, of those that were gone through; they are left out, as of
            a part of a sentence the attention would be another.
    """

    opened: Opened
    sentences: Sequence[Asked]
    heads: Sequence[Head] = ()
    too_long: int = 0

    def observed(self, bar: Progress | None = None) -> Iterator[Observed]:
        """Go through the sentences, the longest first.

        Raises:
            UserError: the architecture has no attention, or it gives what is no number.
        """
        made = [sentence.text for sentence in self.sentences]
        with attention.eager(self.opened.model, self.opened.name):
            for one in states.passes(self.opened, made, ["attentions"], bar=bar):
                assert one.attentions is not None
                if len(one.cut):
                    self.too_long += 1
                    continue
                self._require_square(one)
                self.heads = self.heads or [
                    Head(layer, number)
                    for layer, of_layer in enumerate(one.attentions, start=1)
                    for number in range(1, len(of_layer) + 1)
                ]
                yield Observed(one.sentence, one.ids, one.words, np.concatenate(one.attentions))

    def _require_square(self, one: states.Pass) -> None:
        """Raises UserError: the model gives attention that is not from every token to every one."""
        size = len(one.ids)
        if one.attentions is not None and any(of_layer.shape[1:] != (size, size) for of_layer in one.attentions):
            kind = self.opened.model.config.model_type
            raise UserError(
                f"{self.opened.name}: {kind} does not give the attention from every token to every other one",
                "Name a model whose layers attend to whole texts.",
            )


def between_words(attention: np.ndarray, words: np.ndarray, count: int) -> np.ndarray:
    """The attention between words, of that between tokens (Clark et al. 2019, section 4.1).

    What several tokens of a word are attended to with is summed; what they attend with is averaged, so that what a
    word attends to, special tokens included, still sums to 1.

    Args:
        attention: shape (heads, tokens, tokens).
        words: for each token the index of its word, -1 for none, shape (tokens,).
        count: words of the sentence.

    Returns:
        Shape (heads, words, words); rows and columns of a word without tokens are 0.
    """
    between: np.ndarray = averages(words, count) @ attention @ (words[:, None] == np.arange(count)).astype(np.float32)
    return between


def averages(words: np.ndarray, count: int) -> np.ndarray:
    """What makes the mean over the tokens of each word, shape (words, tokens); without tokens a row is 0."""
    member = (np.arange(count)[:, None] == words).astype(np.float32)
    mean: np.ndarray = member / np.maximum(member.sum(axis=1, keepdims=True), 1)
    return mean


def with_tokens(words: np.ndarray, count: int) -> np.ndarray:
    """Which words have a token of their own, shape (words,), boolean."""
    found = np.zeros(count, dtype=bool)
    found[words[words >= 0]] = True
    return found
