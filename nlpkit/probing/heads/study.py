"""What the heads of a model do with the sentences of a file: `probe --what heads` and `probe --what attention`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nlpkit import reporting
from nlpkit.errors import UserError
from nlpkit.probing import opened as models
from nlpkit.probing.heads import observed, parser, relations
from nlpkit.probing.heads.observed import Asked, Attention, Head, Sentence
from nlpkit.probing.heads.parser import Kept
from nlpkit.probing.heads.patterns import Patterns, Tally
from nlpkit.probing.heads.relations import ALL, Best, Found, Kind
from nlpkit.probing.heads.shares import Part, difference, share
from nlpkit.probing.opened import Opened

if TYPE_CHECKING:
    from nlpkit.probing.heads.parser import Example


@dataclass(frozen=True)
class Left:
    """What of the sentences is not in the figures.

    Attributes:
        sentences: that were read.
        too_long: that the model cannot read whole.
        words: whose head was looked for.
        unseen: words that have no token of their own, or whose head has none.
    """

    sentences: int
    too_long: int
    words: int
    unseen: int


@dataclass(frozen=True)
class Heads:
    """What single heads do.

    Attributes:
        heads: of all layers.
        best: the best head of each relation that there are enough words of.
        every: the entry of all words together, which is the last of `best`; None: there are too few of them.
        rare: relations with fewer words in a part, and how many words they have together.
        patterns: what each head looks at, whatever the sentence says.
        left: what is not in the figures.
    """

    heads: Sequence[Head]
    best: Sequence[Best]
    every: Best | None
    rare: tuple[Sequence[str], int]
    patterns: Patterns
    left: Left


def heads(
    opened: Opened, sentences: Sequence[Asked], choosing: np.ndarray, kind: Kind = relations.DEPENDENCIES
) -> Heads:
    """Find the best head for each relation, and what each head looks at.

    Args:
        opened: the model.
        sentences: with what is to be found in them.
        choosing: for each sentence whether heads are chosen on it; on the others they are judged.
        kind: what that is.

    Raises:
        UserError: the architecture has no attention, or there are too few words of every relation.
    """
    attention = Attention(opened, sentences)
    tally, found = Tally(_special(opened)), Found(kind)
    with reporting.current().progress("attention", len(sentences), "sentences") as bar:
        for one in attention.observed(bar):
            tally.add(one.attention)
            sentence = sentences[one.place]
            count = len(sentence.text.places)
            between = observed.between_words(one.attention, one.words, count)
            found.add(one.place, sentence, between, observed.with_tokens(one.words, count))
    best = relations.best(found, attention.heads, choosing) if found.guesses else []
    if not best:
        raise UserError(
            f"no relation has {relations.FEWEST} words both in train and in validation", "Give more sentences."
        )
    known = {of_one.relation for of_one in best}
    rare = [name for name in found.relations if name not in known]
    left = Left(len(sentences) - attention.too_long, attention.too_long, len(found.relations), found.unseen)
    every = best[-1] if best[-1].relation == kind.everything else None
    return Heads(attention.heads, best, every, (sorted(set(rare)), len(rare)), tally.patterns(attention.heads), left)


def _special(opened: Opened) -> tuple[list[str], list[str]]:
    """The special tokens before a text and behind it, as the tokenizer writes them."""
    from nlpkit.data import words

    before, behind = words.frame(opened.tokenizer)
    name = opened.tokenizer.convert_ids_to_tokens
    return name(before), name(behind)


@dataclass(frozen=True)
class Way:
    """A way to find the head of a word.

    Attributes:
        key: what it is called in records.
        name: for tables.
        found: the share of the words whose head it finds (UAS without punctuation).
        gain: by how much it finds more than distances do with the same words, where it is compared with them.
    """

    key: str
    name: str
    found: Part
    gain: Part | None = None


@dataclass(frozen=True)
class Parsed:
    """How well heads are found by attention.

    Attributes:
        ways: the fixed ones first, then those that are learnt.
        learnt_on, judged_on: sentences.
        words: that are judged.
        weights: of each head, by direction as `relations.DIRECTIONS`, shape (heads, 2): of the way that has no words.
        heads: of all layers.
        too_long, left_out: sentences that the model cannot read whole, and those that there was no memory for.
        empty: sentences in which no head is to be found.
    """

    ways: Sequence[Way]
    learnt_on: int
    judged_on: int
    words: int
    weights: np.ndarray
    heads: Sequence[Head]
    too_long: int
    left_out: int
    empty: int


def attention(opened: Opened, sentences: Sequence[Sentence], learning: np.ndarray, seed: int = 0) -> Parsed:
    """Learn to find the head of each word by the attention of all heads together.

    Args:
        opened: the model.
        sentences: with their dependencies.
        learning: for each sentence whether it is learnt from; the others are judged.
        seed: of the order in learning, and of the weights of the model without training.

    Raises:
        UserError: the architecture has no attention, or too few sentences are there to learn from or to judge.
    """
    random = _guesses_of(models.untrained(opened, seed), sentences, learning, seed)
    attention, kept, seen = _examples(opened, sentences, "attention")
    learnt_on, judged_on = _split(kept.examples, learning)
    judge = _Judge([kept.examples[place] for place in judged_on], judged_on)
    one = relations.best(seen, attention.heads, learning, fewest=1)[-1]
    assert one.relation == ALL

    def learnt(examples: Mapping[int, Example], *, words: bool) -> parser.Parser:
        return parser.learn([examples[place] for place in learnt_on], words=words, seed=seed)

    spaced = {place: parser.distances(example) for place, example in kept.examples.items()}
    plain = learnt(kept.examples, words=False)
    by_distance = judge.hits(learnt(spaced, words=True), spaced)
    by_attention = judge.hits(plain, kept.examples)
    by_both = judge.hits(learnt(kept.examples, words=True), kept.examples)
    without = np.concatenate([random[place] for place in judged_on]) == judge.heads
    ways = [
        Way("distance", f"the word at distance {one.rule}", one.baseline),
        Way("head", f"the best single head, {one.head} {one.direction}", one.found),
        Way("untrained", "attention without training", judge.share(without)),
        Way("distances_words", "distances and words", judge.share(by_distance)),
        Way("attention", "attention", judge.share(by_attention), judge.difference(by_attention, by_distance)),
        Way("attention_words", "attention and words", judge.share(by_both), judge.difference(by_both, by_distance)),
    ]
    weights = parser.SCALE * plain.weights.detach().numpy().reshape(2, -1).T
    return Parsed(
        ways,
        len(learnt_on),
        len(judged_on),
        judge.words,
        weights,
        attention.heads,
        attention.too_long,
        kept.left_out,
        kept.empty,
    )


def _split(examples: Mapping[int, Example], learning: np.ndarray) -> tuple[list[int], list[int]]:
    """Places of the sentences to learn from, and of those to judge.

    Raises:
        UserError: there are too few of either.
    """
    learnt_on = [place for place in sorted(examples) if learning[place]]
    judged_on = [place for place in sorted(examples) if not learning[place]]
    if min(len(learnt_on), len(judged_on)) < 2:
        raise UserError(
            f"{len(learnt_on):,} sentences to learn from and {len(judged_on):,} to judge are too few",
            "Give more sentences.",
        )
    return learnt_on, judged_on


def _guesses_of(
    opened: Opened, sentences: Sequence[Sentence], learning: np.ndarray, seed: int
) -> dict[int, np.ndarray]:
    """The heads that are guessed by the attention of a model, by the place of the sentence that is judged."""
    kept = _examples(opened, sentences, "without training")[1]
    learnt_on, judged_on = _split(kept.examples, learning)
    learnt = parser.learn([kept.examples[place] for place in learnt_on], seed=seed)
    return {place: learnt.guesses(kept.examples[place]) for place in judged_on}


def _examples(opened: Opened, sentences: Sequence[Sentence], said: str) -> tuple[Attention, Kept, Found]:
    """The sentences with their attention, as a parser takes them, and what single heads guess in them."""
    attention, kept, found = Attention(opened, sentences), Kept(), Found(relations.DEPENDENCIES)
    table = opened.model.get_input_embeddings().weight.detach().float().cpu().numpy()
    table = (table - table.mean(axis=0)) / np.maximum(table.std(axis=0), 1e-6)
    with reporting.current().progress(said, len(sentences), "sentences") as bar:
        for one in attention.observed(bar):
            sentence, count = sentences[one.place], len(sentences[one.place].words)
            between = observed.between_words(one.attention, one.words, count)
            seen = observed.with_tokens(one.words, count)
            vectors = observed.averages(one.words, count) @ table[one.ids]
            made = parser.example(sentence, between, vectors, seen)
            if kept.add(one.place, made):
                found.add(one.place, sentence, between, seen)
    return attention, kept, found


class _Judge:
    """Judges guesses for the words of some examples."""

    def __init__(self, examples: Sequence[Example], places: Sequence[int]) -> None:
        self.heads = np.concatenate([example.heads for example in examples])
        self.units = np.repeat(places, [len(example.heads) for example in examples])
        self.places = places

    @property
    def words(self) -> int:
        return len(self.heads)

    def hits(self, learnt: parser.Parser, examples: Mapping[int, Example]) -> np.ndarray:
        return np.concatenate([learnt.guesses(examples[place]) for place in self.places]) == self.heads

    def share(self, hits: np.ndarray) -> Part:
        return share(hits, self.units)

    def difference(self, hits: np.ndarray, others: np.ndarray) -> Part:
        return difference(hits, others, self.units)
