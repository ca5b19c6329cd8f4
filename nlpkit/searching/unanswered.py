"""How alike the best document is to a question that has no answer, where no questions were judged.

Pairs of documents do not tell: those of one subject are more alike than any question about another (among questions
about a virus, the threshold from random pairs refuses every question). So questions of everyday life are asked, in
several languages; the language that is nearest to the documents counts. Those that the documents may answer are left
out: the ones above what the best of as many random pairs of documents would reach.
"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np

from nlpkit.searching.everyday import QUESTIONS
from nlpkit.searching.opened import Index
from nlpkit.searching.record import Chance
from nlpkit.searching.sides import Sides

SAMPLE = 2_000  # documents of which random pairs are made
BEYOND = 0.05  # share of questions whose best random document may be more alike
FEWEST_DOCUMENTS = 5


def chances(index: Index, sides: Sides) -> dict[str, Chance]:
    """The best scores of questions that the documents do not answer, of "dense".

    Of "bm25" nothing is known then: how well words match hangs on how common those of questions are in the documents.
    """
    if len(index.passages) < FEWEST_DOCUMENTS:
        return {}
    bound = _bound(index)
    vectors = {language: sides.asked(questions) for language, questions in QUESTIONS.items()}
    best = {
        language: np.asarray([ranked.scores[0] for ranked in index.stored.nearest(asked, 1)])
        for language, asked in vectors.items()
    }
    language = max(best, key=lambda name: float(np.quantile(best[name], 1 - BEYOND)))
    kept = best[language] <= bound
    answered = int((~kept).sum())
    source = f"{int(kept.sum())} everyday questions ({language})"
    if answered:
        source += f", without {answered} that the documents may answer"
    if not kept.any():
        return {}
    return {"dense": Chance(best=sorted(best[language][kept].tolist()), source=source, estimate=True)}


def _bound(index: Index) -> float:
    """What the best of as many random pairs as there are documents reaches, if their scores are spread normally."""
    count = len(index.passages)
    random = np.random.default_rng(0)
    first, second = random.integers(0, count, SAMPLE), random.integers(0, count, SAMPLE)
    apart = index.documents[first] != index.documents[second]
    products = np.einsum("ij,ij->i", index.stored.floats(first[apart]), index.stored.floats(second[apart]))
    spread = float(products.std())
    if not spread:
        return float("inf")
    return float(products.mean()) + spread * NormalDist().inv_cdf(1 - BEYOND / count)
