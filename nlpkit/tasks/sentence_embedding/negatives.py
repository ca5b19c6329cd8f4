"""Hard negatives: of all texts the ones that look most like an answer to an anchor and are none.

Candidates are the positives of all rows, and texts of a corpus beside them. BM25 (Robertson and Zaragoza 2009,
https://doi.org/10.1561/1500000019) finds those that share rare words with the anchor, vectors those that mean alike.
The nearest candidate is often a further right answer that no row tells of: what comes too near to the row's own
positive is left out (positive-aware mining, Moreira et al. 2024, https://arxiv.org/abs/2407.15831). Filters are applied
in the order of `mine_hard_negatives` of sentence-transformers, whose results these are on the same vectors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from nlpkit.data.spelling import folded
from nlpkit.errors import UserError
from nlpkit.metrics.similarity import unit

BLOCK = 2**25
"""Similarities in memory at a time: 128 MB."""
SPARE = 10
"""Candidates that are looked at per negative, where some may be left out, as in sentence-transformers."""


@dataclass(frozen=True)
class Limits:
    """Which candidates are taken.

    Attributes:
        wanted: negatives per row.
        skipped: nearest candidates that are passed over, of those that are left.
        margin: how far below the cosine of the positive that of a negative stays, as a share of it or as a number;
            None: it may be above.
        relative: whether `margin` is a share.
        highest: cosine that a negative may have; None for any.
    """

    wanted: int
    skipped: int = 0
    margin: float | None = 0.05
    relative: bool = True
    highest: float | None = None

    @property
    def compares(self) -> bool:
        """Whether candidates are left out by their cosines."""
        return self.margin is not None or self.highest is not None

    @property
    def looked_at(self) -> int:
        """Candidates that are looked at, besides the anchor's own positives."""
        return self.skipped + self.wanted * (SPARE if self.compares else 1)

    def allowed(self, cosines: np.ndarray, positive: float) -> np.ndarray:
        """Which candidates stay, by their cosines with the anchor, shape (candidates,).

        Args:
            positive: the cosine of the anchor with its positive; of several the lowest.
        """
        stay = np.ones(len(cosines), bool)
        if self.margin is not None:
            stay &= cosines <= positive - (self.margin * abs(positive) if self.relative else self.margin)
        if self.highest is not None:
            stay &= cosines <= self.highest
        return stay


@dataclass(frozen=True)
class Pool:
    """The texts that negatives are taken from, and what belongs to each anchor.

    Attributes:
        texts: different texts, in the order of their first appearance: positives, then those of a corpus.
        anchors: different anchors, likewise.
        anchor_of: the anchor of each row, shape (rows,).
        own: for each anchor the texts that are no negatives of it: its positives, those that differ from one only in
            case and blanks, and the anchor itself.
        positives: for each anchor its positives.
    """

    texts: list[str]
    anchors: list[str]
    anchor_of: np.ndarray
    own: list[np.ndarray]
    positives: list[np.ndarray]

    @cached_property
    def most_rows(self) -> int:
        """The most rows that share an anchor."""
        return int(np.bincount(self.anchor_of).max())

    def reach(self, anchor: int, limits: Limits) -> int:
        """Candidates of an anchor that are looked at: as many as sentence-transformers has left of what it looks at."""
        return min(limits.looked_at + max(2 * self.most_rows - len(self.own[anchor]), 0), len(self.texts))

    @classmethod
    def of(cls, anchors: Sequence[str], positives: Sequence[str], corpus: Iterable[str] = ()) -> Pool:
        """The pool of some rows.

        Args:
            anchors, positives: of each row.
            corpus: further texts; one that is there already counts once.
        """
        texts = list(dict.fromkeys([*positives, *(text for text in corpus if text.strip())]))
        place = {text: i for i, text in enumerate(texts)}
        alike: dict[str, list[int]] = {}
        for i, text in enumerate(texts):
            alike.setdefault(folded(text), []).append(i)
        different = list(dict.fromkeys(anchors))
        number = {text: i for i, text in enumerate(different)}
        anchor_of = np.array([number[text] for text in anchors], dtype=np.int64)
        theirs: list[dict[int, None]] = [{} for _ in different]
        for anchor, positive in zip(anchor_of.tolist(), positives, strict=True):
            theirs[anchor][place[positive]] = None
        own = []
        for text, found in zip(different, theirs, strict=True):
            keys = {folded(text), *(folded(texts[i]) for i in found)}
            own.append(np.array(sorted(i for key in keys for i in alike.get(key, ())), dtype=np.int64))
        return cls(texts, different, anchor_of, own, [np.array(list(found), dtype=np.int64) for found in theirs])


@dataclass(frozen=True)
class Found:
    """The candidates of one way to find them, for each anchor the best first.

    Attributes:
        places: in the texts of the pool.
        cosines: with the anchor, of the same shapes; None where no vectors were asked.
    """

    places: list[np.ndarray]
    cosines: list[np.ndarray] | None = None


@dataclass
class Mined:
    """Hard negatives of rows.

    Attributes:
        texts: the negatives of each row, the hardest first; up to as many as were wanted.
        wanted: per row.
        too_near: candidates that were left out since they were too near.
        looked_at: candidates that were looked at.
    """

    texts: list[list[str]]
    wanted: int
    too_near: int = 0
    looked_at: int = 0
    counts: tuple[int, int, int] = field(init=False)  # rows with all, with fewer, with none

    def __post_init__(self) -> None:
        sizes = np.array([len(found) for found in self.texts], dtype=np.int64)
        whole, none = int((sizes >= self.wanted).sum()), int((sizes == 0).sum())
        self.counts = (whole, len(sizes) - whole - none, none)


def dense(pool: Pool, anchors: np.ndarray, texts: np.ndarray, limits: Limits) -> Found:
    """The texts whose vectors are most like an anchor's, by exact search in blocks.

    Args:
        pool: of the texts.
        anchors: vectors of its anchors, shape (anchors, width).
        texts: of its texts, shape (texts, width).
        limits: how many are looked at.
    """
    left, right = unit(anchors), unit(texts)
    places, cosines = [], []
    step = max(BLOCK // max(len(right), 1), 1)
    for start in range(0, len(left), step):
        block = left[start : start + step] @ right.T
        for anchor, row in enumerate(block, start):
            row[pool.own[anchor]] = -np.inf
            nearest = _highest(row, pool.reach(anchor, limits))
            nearest = nearest[row[nearest] > -np.inf]
            places.append(nearest)
            cosines.append(row[nearest])
    return Found(places, cosines)


def bm25(pool: Pool, limits: Limits) -> Found:
    """The texts that share the most, and the rarest, words with an anchor, by BM25 as Lucene has it (k1 1.5, b 0.75).

    Words are not stemmed and none is left out, as the language is not known.

    Raises:
        UserError: bm25s is not installed.
    """
    try:
        import bm25s
    except ImportError as error:
        raise UserError(f"negatives by BM25 need bm25s: {error}", "pip install 'nlpkit[embed]'") from None
    index = bm25s.BM25()
    index.index(bm25s.tokenize(pool.texts, stopwords=None, show_progress=False), show_progress=False)
    words = bm25s.tokenize(pool.anchors, stopwords=None, return_ids=False, show_progress=False)
    places = []
    for anchor, (own, asked) in enumerate(zip(pool.own, words, strict=True)):
        scores = index.get_scores(asked) if asked else np.zeros(len(pool.texts))
        scores[own] = 0
        nearest = _highest(scores, pool.reach(anchor, limits))
        places.append(nearest[scores[nearest] > 0])
    return Found(places)


def with_cosines(found: Found, anchors: np.ndarray, texts: np.ndarray) -> Found:
    """Candidates with the cosines of their vectors, by which some are left out; arguments as in `dense`."""
    left, right = unit(anchors), unit(texts)
    return replace(found, cosines=[right[near] @ left[i] for i, near in enumerate(found.places)])


def mined(pool: Pool, ways: Sequence[Found], limits: Limits, positives: Sequence[float] | None = None) -> Mined:
    """The negatives of each row, of one way to find them or of several by turns.

    Args:
        pool: of the texts.
        ways: with cosines, where the limits compare.
        limits: which are taken.
        positives: the lowest cosine of each anchor with a positive of it, where the limits compare.
    """
    too_near = looked_at = 0
    chosen: list[list[str]] = []
    for anchor in range(len(pool.anchors)):
        kept = []
        for way in ways:
            near = way.places[anchor]
            looked_at += len(near)
            if limits.compares:
                assert way.cosines is not None and positives is not None
                stay = limits.allowed(way.cosines[anchor], positives[anchor])
                too_near += int((~stay).sum())
                near = near[stay]
            kept.append(near[limits.skipped :].tolist())
        turns = dict.fromkeys(_by_turns(kept))
        chosen.append(_different((pool.texts[i] for i in turns), limits.wanted))
    return Mined([list(chosen[anchor]) for anchor in pool.anchor_of.tolist()], limits.wanted, too_near, looked_at)


def lowest_positives(pool: Pool, anchors: np.ndarray, texts: np.ndarray) -> list[float]:
    """The cosine of each anchor with the positive that is least like it; vectors as in `dense`."""
    left, right = unit(anchors), unit(texts)
    return [float((right[own] @ left[i]).min()) for i, own in enumerate(pool.positives)]


def search(pool: Pool, by: str, limits: Limits, embed: Callable[[Sequence[str]], np.ndarray]) -> Mined:
    """The hard negatives of the rows of a pool.

    Args:
        pool: of the rows.
        by: "bm25", "dense" or "both", by turns.
        limits: which are taken.
        embed: vectors of texts, shape (texts, width); not called where nothing is compared by vectors.

    Raises:
        UserError: bm25s is asked for and not installed.
    """
    ways = [bm25(pool, limits)] if by != "dense" else []
    if by == "bm25" and not limits.compares:
        return mined(pool, ways, limits)
    anchors, texts = embed(pool.anchors), embed(pool.texts)
    ways = [with_cosines(found, anchors, texts) for found in ways]
    if by != "bm25":
        ways.insert(0, dense(pool, anchors, texts, limits))
    return mined(pool, ways, limits, lowest_positives(pool, anchors, texts))


def _by_turns(lists: Sequence[Sequence[int]]) -> Iterator[int]:
    """The first of each list, then the second of each, and so on."""
    for rank in range(max(map(len, lists), default=0)):
        yield from (one[rank] for one in lists if rank < len(one))


def _different(texts: Iterable[str], count: int) -> list[str]:
    """The first texts, of those that differ in case and blanks alone one."""
    chosen: dict[str, str] = {}
    for text in texts:
        if len(chosen) == count:
            break
        chosen.setdefault(folded(text), text)
    return list(chosen.values())


def _highest(values: np.ndarray, count: int) -> np.ndarray:
    """Where the highest values are, the highest first, equal ones in their order."""
    if count < len(values):
        # all that equal the last one that is taken, so that which of them is taken hangs on their order alone
        least = np.partition(values, len(values) - count)[len(values) - count]
        some = np.flatnonzero(values >= least)
    else:
        some = np.arange(len(values))
    return some[np.argsort(-values[some], kind="stable")][:count]


def filled(found: Mined, pool: Pool, seed: int) -> list[list[str]]:
    """The negatives of each row, those of too few filled up with texts of the pool that are drawn at random.

    A text that belongs to the anchor is not drawn.

    Args:
        seed: of the draws.

    Raises:
        UserError: there are too few texts.
    """
    generator = np.random.default_rng(seed)
    rows = []
    for anchor, texts in zip(pool.anchor_of.tolist(), found.texts, strict=True):
        own = set(pool.own[anchor].tolist())
        taken = set(texts)
        missing = found.wanted - len(texts)
        if missing and len(pool.texts) - len(own) - len(texts) < missing:
            raise UserError(
                f"--mine-negatives {found.wanted}: there are {len(pool.texts):,} different texts in all",
                "Ask for fewer, or name a file of further texts: --corpus FILE.",
            )
        drawn: list[str] = []
        while len(drawn) < missing:
            place = int(generator.integers(len(pool.texts)))
            if place not in own and pool.texts[place] not in taken:
                taken.add(pool.texts[place])
                drawn.append(pool.texts[place])
        rows.append([*texts, *drawn])
    return rows
