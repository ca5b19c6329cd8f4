"""A parser made of attention: how much of the syntax of a sentence all heads hold together.

The probe of Clark et al. 2019, section 5: the head of a word is chosen by a softmax over the other words of the
sentence, in which each attention head has a weight for each direction; with words, this weight hangs linearly on the
two words, as the model's own table of embeddings has them, without context. The model itself stays as it is. What the
same probe finds with distances in place of attention says how much of it needs no attention at all.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nlpkit.probing.heads.observed import ROOT, Sentence
from nlpkit.probing.heads.relations import OFFSETS, PUNCTUATION

if TYPE_CHECKING:
    import torch

MEMORY = 2**30  # bytes of attention that are kept at most, in half precision
HELD_OUT = 10  # one in so many sentences that are learnt from is held out, to see when to stop
EPOCHS = 40
STEPS = 800  # at least, of few sentences in more epochs
PATIENCE = 4  # epochs without a gain on the held-out sentences, after which learning stops
ROWS = 16  # sentences of a step
RATE = 0.01
WORDS_RATE = 0.0003
SCALE = 20.0  # of a weight: attention is far below 1, and the weight of a head that finds heads far above


@dataclass(frozen=True, eq=False)
class Example:
    """A sentence whose dependencies are guessed: of no root, no punctuation and no word without tokens.

    Attributes:
        maps: from each word that is guessed to each candidate, and behind these the other way round; half precision,
            shape (guessed, 2 maps, words).
        vectors: of the words, shape (words, width).
        dependents, heads: the words that are guessed and their heads, shape (guessed,).
        seen: which words have tokens and can be a head, shape (words,).
    """

    maps: torch.Tensor
    vectors: torch.Tensor
    dependents: np.ndarray
    heads: np.ndarray
    seen: np.ndarray


def example(sentence: Sentence, maps: np.ndarray, vectors: np.ndarray, seen: np.ndarray) -> Example | None:
    """A sentence with its attention; None of one in which no head is to be guessed.

    Args:
        sentence: with its dependencies.
        maps: shape (maps, words, words).
        vectors: shape (words, width).
        seen: which words have tokens, shape (words,).
    """
    import torch

    punctuation = np.array([relation == PUNCTUATION for relation in sentence.relations], dtype=bool)
    asked = (sentence.heads != ROOT) & ~punctuation & seen
    asked[asked] = seen[sentence.heads[asked]]
    dependents = np.flatnonzero(asked)
    if not len(dependents):
        return None
    made = torch.from_numpy(_both_ways(maps, dependents))
    return Example(made, torch.from_numpy(vectors), dependents, sentence.heads[dependents], seen)


def _both_ways(maps: np.ndarray, dependents: np.ndarray) -> np.ndarray:
    rows = np.concatenate([maps[:, dependents], maps.transpose(0, 2, 1)[:, dependents]])
    return rows.transpose(1, 0, 2).astype(np.float16)


def distances(example: Example) -> Example:
    """The same sentence with distances for attention: a map for each of `OFFSETS`, and one that is 1 everywhere."""
    import torch

    count = len(example.seen)
    maps = np.stack([*(np.eye(count, k=offset) for offset in OFFSETS), np.ones((count, count))])
    return replace(example, maps=torch.from_numpy(_both_ways(maps, example.dependents)))


@dataclass
class Kept:
    """Examples in memory, as many as there is room for.

    Attributes:
        examples: by the place of the sentence.
        left_out: sentences that there was no room for.
        empty: sentences in which no head is to be found.
        bytes: of the attention that is kept.
    """

    examples: dict[int, Example] = field(default_factory=dict)
    left_out: int = 0
    empty: int = 0
    bytes: int = 0

    def add(self, place: int, made: Example | None) -> bool:
        """Keep an example; or count it and return False, where there is none, or no room."""
        if made is None:
            self.empty += 1
            return False
        if (size := self.bytes + 2 * made.maps.numel()) > MEMORY:
            self.left_out += 1
            return False
        self.bytes = size
        self.examples[place] = made
        return True


class Batch(NamedTuple):
    """Examples that are computed together, padded to the most words.

    Attributes:
        maps: shape (guessed, 2 maps, words).
        vectors: of the words of each example, shape (examples, words, width).
        examples: to which example each guessed word belongs, shape (guessed,).
        dependents, heads: see `Example`.
        barred: what cannot be the head, shape (guessed, words).
    """

    maps: torch.Tensor
    vectors: torch.Tensor
    examples: torch.Tensor
    dependents: torch.Tensor
    heads: torch.Tensor
    barred: torch.Tensor


def together(examples: Sequence[Example]) -> Batch:
    """A batch of examples."""
    import torch
    from torch.nn.functional import pad

    most = max(len(one.seen) for one in examples)
    dependents = torch.from_numpy(np.concatenate([one.dependents for one in examples]))
    sizes = torch.tensor([len(one.dependents) for one in examples])
    barred = np.stack([np.pad(~one.seen, (0, most - len(one.seen)), constant_values=True) for one in examples])
    places = torch.arange(len(examples)).repeat_interleave(sizes)
    forbidden = torch.from_numpy(barred)[places]
    forbidden[torch.arange(len(dependents)), dependents] = True
    return Batch(
        torch.cat([pad(one.maps, (0, most - len(one.seen))) for one in examples]).float(),
        torch.stack([pad(one.vectors, (0, 0, 0, most - len(one.seen))) for one in examples]),
        places,
        dependents,
        torch.from_numpy(np.concatenate([one.heads for one in examples])),
        forbidden,
    )


class Parser:
    """The probe.

    Args:
        maps: how many an example has, both ways counted.
        width: of the vectors of words, on which the weights of maps hang; 0: they are the same for all words.
    """

    def __init__(self, maps: int, width: int = 0) -> None:
        import torch

        self.weights = torch.zeros(maps, requires_grad=True)
        self.by_dependent = torch.zeros(width, maps, requires_grad=True)
        self.by_candidate = torch.zeros(width, maps, requires_grad=True)
        self.of_words = [self.by_dependent, self.by_candidate] if width else []

    @property
    def parameters(self) -> list[torch.Tensor]:
        """What is learnt."""
        return [self.weights, *self.of_words]

    def scores(self, batch: Batch) -> torch.Tensor:
        """Of each candidate for the head of each dependent, shape (guessed, words); -inf for what cannot be it."""
        import torch

        if not self.of_words:
            total = torch.einsum("gmw,m->gw", batch.maps, self.weights)
        else:
            dependents = batch.vectors[batch.examples, batch.dependents] @ self.by_dependent
            candidates = (batch.vectors @ self.by_candidate + self.weights)[batch.examples]
            total = torch.einsum("gmw,gwm->gw", batch.maps, dependents[:, None] + candidates)
        return (SCALE * total).masked_fill(batch.barred, -math.inf)

    def guesses(self, example: Example) -> np.ndarray:
        """The head of each dependent, shape (guessed,)."""
        import torch

        with torch.no_grad():
            return self.scores(together([example])).argmax(dim=1).numpy()


def learn(examples: Sequence[Example], *, words: bool = False, seed: int = 0) -> Parser:
    """Fit a probe by Adam; the weights of the epoch that is best on held-out sentences are taken.

    Args:
        examples: to learn from, at least two.
        words: whether the weights hang on the words.
        seed: of the order, and of what is held out.
    """
    import torch
    from torch.nn.functional import cross_entropy

    generator = np.random.default_rng(seed)
    order = generator.permutation(len(examples))
    aside = max(len(examples) // HELD_OUT, 1)
    held_out, batches = (_batched([examples[i] for i in part]) for part in (order[:aside], order[aside:]))
    parser = Parser(examples[0].maps.shape[1], examples[0].vectors.shape[1] if words else 0)
    groups = [{"params": [parser.weights], "lr": RATE}, {"params": parser.of_words, "lr": WORDS_RATE}]
    optimizer = torch.optim.Adam([group for group in groups if group["params"]])
    least, best, since = math.inf, _copied(parser), 0
    for _ in range(max(EPOCHS, -(-STEPS // max(len(batches), 1)))):
        for place in generator.permutation(len(batches)):
            batch = together(batches[place])
            optimizer.zero_grad()
            cross_entropy(parser.scores(batch), batch.heads).backward()
            optimizer.step()
        if (loss := _loss(parser, held_out)) < least:
            least, best, since = loss, _copied(parser), 0
        elif (since := since + 1) >= PATIENCE:
            break
    with torch.no_grad():
        for parameter, value in zip(parser.parameters, best, strict=True):
            parameter.copy_(value)
    return parser


def _batched(examples: Sequence[Example]) -> list[Sequence[Example]]:
    """Examples of like length together."""
    ordered = sorted(examples, key=lambda one: len(one.seen))
    return [ordered[start : start + ROWS] for start in range(0, len(ordered), ROWS)]


def _copied(parser: Parser) -> list[torch.Tensor]:
    return [parameter.detach().clone() for parameter in parser.parameters]


def _loss(parser: Parser, batches: Sequence[Sequence[Example]]) -> float:
    import torch
    from torch.nn.functional import cross_entropy

    total, words = 0.0, 0
    with torch.no_grad():
        for examples in batches:
            batch = together(examples)
            total += float(cross_entropy(parser.scores(batch), batch.heads, reduction="sum"))
            words += len(batch.heads)
    return total / words
