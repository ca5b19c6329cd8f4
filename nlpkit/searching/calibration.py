"""How an index is best searched, and when it has no answer: settled on judged questions.

Whether words and meaning together find more than one of them hangs on documents and questions: on Cranfield the average
of both does, on DBpedia entities it does not. So the weight is fitted, judged on questions that it was not fitted on
(cross-validation), and both together are taken only where they win beyond the draw of the questions.

A question without an answer has a best document, too. How alike these are is seen of questions that are said to have no
answer; where there are few, by taking away from each judged question the documents that answer it: the best of the
others is what it would be given in their place. The threshold is the quantile that a share of new questions without an
answer exceeds (Vovk et al. 2005, conformal prediction).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nlpkit.metrics import paired
from nlpkit.searching import figures
from nlpkit.searching.judged import Judged
from nlpkit.searching.opened import DEPTH, Answer, Index, Way, joined
from nlpkit.searching.ranked import Ranked
from nlpkit.searching.record import Chance, Mode, Ways

WEIGHTS = tuple(round(0.1 * i, 1) for i in range(1, 10))
FOLDS = 5
FEWEST = 20  # questions from which something is fitted on some of them


@dataclass(frozen=True)
class Settled:
    """What judged questions say.

    Attributes:
        ways: how the index is searched.
        difference: of both together from the better one, main figure, with its interval, on questions that the weight
            was not fitted on; None: there are too few.
        chance: how alike the best document is to a question without an answer, by "dense" and "bm25".
        best: how alike the best document is to each judged question, by the same.
    """

    ways: Ways
    difference: paired.Difference | None
    chance: Mapping[str, Chance]
    best: Mapping[str, np.ndarray]

    def answered(self, name: str, threshold: float) -> float:
        """The share of the judged questions, which all have an answer, that get one."""
        return float((self.best[name] > threshold).mean())

    def record(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "ways": self.ways.model_dump(mode="json"),
            "hybrid_gain": None if self.difference is None else dataclasses.asdict(self.difference),
        }

    def lines(self) -> list[str]:
        """What is settled, and why."""
        ways, rows = self.ways, self.ways.figures
        single = max(("dense", "bm25"), key=lambda mode: float(rows[mode]["metrics"][figures.MAIN]))
        best = Way("hybrid", ways.fusion, ways.weight)
        if self.difference is None:
            return [f"mode {ways.mode}: fewer than {FEWEST} questions were judged, too few to fit a hybrid search"]
        gain = f"{self.difference.value:+.4f}"
        if self.difference.interval is not None:
            low, high = self.difference.interval
            gain += f" ({low:+.4f} to {high:+.4f})"
        what = f"{figures.MAIN} of hybrid search, less that of {single}, on questions that it was not fitted on: {gain}"
        if ways.mode == "hybrid":
            return [f"mode hybrid ({best}): {what}"]
        return [f"mode {ways.mode}; hybrid is off, as it does not win: {what}"]


def candidates() -> list[Way]:
    """Ways of joining both lists."""
    return [*(Way("hybrid", "average", weight) for weight in WEIGHTS), Way("hybrid", "rrf")]


def settle(
    index: Index, judged: Judged, vectors: np.ndarray, unanswered: np.ndarray | None = None, seed: int = 0
) -> Settled:
    """Fit the way in which an index is searched.

    Args:
        vectors: of the judged questions.
        unanswered: vectors of those that are said to have no answer; None: there are fewer than `FEWEST`.
        seed: of the folds.
    """
    singles = {mode: index.answers(judged.questions, vectors, Way(mode), DEPTH) for mode in ("dense", "bm25")}
    lists: list[dict[str, Ranked]] = [
        {"dense": dense.lists["dense"], "bm25": words.lists["bm25"]}
        for dense, words in zip(singles["dense"], singles["bm25"], strict=True)
    ]
    found = {mode: figures.documents(index, answers) for mode, answers in singles.items()}
    known = {mode: figures.evidence(places, judged.relevant) for mode, places in found.items()}
    rows: dict[str, Any] = {mode: figures.record(evidence) for mode, evidence in known.items()}
    modes: tuple[Mode, ...] = ("dense", "bm25")
    single = max(modes, key=lambda mode: float(rows[mode]["metrics"][figures.MAIN]))
    ways = candidates()
    joined = [_joined(index, lists, way) for way in ways]
    scores = np.stack([figures.each(places, judged.relevant)[figures.MAIN] for places in joined])
    best = ways[int(scores.mean(axis=1).argmax())]
    difference: paired.Difference | None = None
    mode: Mode = single
    if len(judged.questions) >= FEWEST:
        chosen = _held_out(scores, seed)
        places = np.stack([joined[way][row] for row, way in enumerate(chosen)])
        evidence = figures.evidence(places, judged.relevant)
        rows["hybrid"] = figures.record(evidence)
        difference = paired.differences(known[single], evidence)[figures.MAIN]
        if difference.value > 0 and difference.told_apart:
            mode = "hybrid"
    settled = Ways(mode=mode, fusion=best.fusion, weight=best.weight, figures=rows, source=judged.source)
    best_scores = {name: np.asarray([_first(of[name]) for of in lists]) for name in ("dense", "bm25")}
    if unanswered is not None:
        source = f"{len(judged.unanswered):,} questions that are said to have no answer"
        chances = {
            mode: Chance(
                best=sorted(
                    _first(answer.lists[mode]) for answer in index.answers(judged.unanswered, unanswered, way, 1)
                ),
                source=source,
            )
            for mode, way in (("dense", Way("dense")), ("bm25", Way("bm25")))
        }
        return Settled(settled, difference, chances, best_scores)
    found_chances = {
        name: _chance(index, [of[name] for of in lists], judged.relevant, judged.source) for name in ("dense", "bm25")
    }
    known_chances = {name: chance for name, chance in found_chances.items() if chance is not None}
    return Settled(settled, difference, known_chances, best_scores)


def _first(ranked: Ranked) -> float:
    """The score of the best; 0 where no document has a word of the question."""
    return float(ranked.scores[0]) if len(ranked.scores) else 0.0


def _joined(index: Index, lists: Sequence[Mapping[str, Ranked]], way: Way) -> np.ndarray:
    """The documents that are found where both lists are joined in a way, see `figures.documents`."""
    answers = [
        Answer(index.one_a_document(joined(of_question, way, DEPTH), figures.DEPTH), of_question)
        for of_question in lists
    ]
    return figures.documents(index, answers)


def _held_out(scores: np.ndarray, seed: int) -> list[int]:
    """For each question the way that is best on the questions of the other folds.

    Args:
        scores: shape (ways, questions).
    """
    count = scores.shape[1]
    fold = np.random.default_rng(seed).permutation(count) % FOLDS
    chosen = np.zeros(count, int)
    for number in range(FOLDS):
        chosen[fold == number] = int(scores[:, fold != number].mean(axis=1).argmax())
    return chosen.tolist()


def _chance(
    index: Index, lists: Sequence[Ranked], relevant: Sequence[Mapping[int, float]], source: str
) -> Chance | None:
    """The best score of each question without the documents that answer it."""
    best = []
    for ranked, own in zip(lists, relevant, strict=True):
        right = [place for place, grade in own.items() if grade > 0]
        wrong = ~np.isin(index.documents[ranked.rows], right)
        if wrong.any():
            best.append(float(ranked.scores[wrong][0]))
        elif len(index.passages) > len(ranked.rows):
            best.append(0.0)  # no other document has a word of the question
    if not best:
        return None
    return Chance(best=sorted(best), source=f"{source}, without the documents that answer each")
