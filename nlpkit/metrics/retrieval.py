"""How well vectors find the documents that are relevant to a query, among all of them.

The figures are those of trec_eval, as mean over the queries that have a relevant judged document. Search is exact.
Documents of equal likeness stand in the order of the corpus; trec_eval orders them by id, from the end of the alphabet.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nlpkit.metrics import similarity
from nlpkit.metrics.evidence import Evidence, Extremes, Share, Weights

DEPTH = 100  # documents of a query that are looked at
MAIN = "ndcg@10"
METRICS = (
    MAIN,
    "mrr@10",
    "recall@1",
    "recall@10",
    "recall@100",
    "map@100",
    "precision@1",
    "unjudged@10",
)
QUERIES_AT_ONCE, DOCUMENTS_AT_ONCE = 256, 16_384  # 16 MB of likenesses in memory at a time

Judged = Mapping[int, float]
"""How relevant a document is to a query, by its place in the corpus; 0 and less: it was looked at and is not."""


@dataclass(frozen=True)
class Ranking:
    """The documents that are most alike to each query, the best first.

    Attributes:
        documents: their places in the corpus, int of shape (queries, depth).
        scores: how alike they are, float of that shape.
    """

    documents: np.ndarray
    scores: np.ndarray


def search(queries: np.ndarray, documents: np.ndarray, how: str = "cosine", depth: int = DEPTH) -> Ranking:
    """The documents most alike to each query, exactly, in bounded memory.

    Args:
        queries: shape (queries, width).
        documents: shape (documents, width).
        how: one of `similarity.SIMILARITIES`.
        depth: documents per query; all where there are fewer.
    """
    depth = min(depth, len(documents))
    found = [
        _best(queries[start : start + QUERIES_AT_ONCE], documents, how, depth)
        for start in range(0, len(queries), QUERIES_AT_ONCE)
    ]
    if not found:
        return Ranking(np.zeros((0, depth), np.int64), np.zeros((0, depth), np.float32))
    return Ranking(*(np.concatenate(parts) for parts in zip(*found, strict=True)))


def _best(queries: np.ndarray, documents: np.ndarray, how: str, depth: int) -> tuple[np.ndarray, np.ndarray]:
    places = np.zeros((len(queries), 0), np.int64)
    scores = np.zeros((len(queries), 0), np.float32)
    for start, block in likenesses(queries, documents, how):
        of_block = np.broadcast_to(np.arange(start, start + block.shape[1]), block.shape)
        if block.shape[1] > depth:
            of_block, block = _kept(of_block, block, depth)
        places, scores = np.concatenate([places, of_block], axis=1), np.concatenate([scores, block], axis=1)
        order = np.lexsort((places, -scores), axis=1)[:, :depth]
        places, scores = np.take_along_axis(places, order, axis=1), np.take_along_axis(scores, order, axis=1)
    return places, scores


def _kept(places: np.ndarray, scores: np.ndarray, depth: int) -> tuple[np.ndarray, np.ndarray]:
    """The `depth` best of each row, in any order; of equal ones those that stand first."""
    bound = -np.partition(-scores, depth - 1, axis=1)[:, depth - 1 : depth]
    above, equal = scores > bound, scores == bound
    room = depth - above.sum(axis=1, keepdims=True)
    chosen = above | (equal & (np.cumsum(equal, axis=1) <= room))
    shape = (len(scores), depth)
    return places[chosen].reshape(shape), scores[chosen].reshape(shape)


def likenesses(queries: np.ndarray, documents: np.ndarray, how: str) -> Iterator[tuple[int, np.ndarray]]:
    """How alike some queries are to some documents at a time: the place of the first, and float32 (queries, some)."""
    of_queries = _prepared(queries, how)
    for start in range(0, len(documents), DOCUMENTS_AT_ONCE):
        some = _prepared(documents[start : start + DOCUMENTS_AT_ONCE], how)
        yield start, _between(of_queries, some, how).astype(np.float32, copy=False)


def _prepared(vectors: np.ndarray, how: str) -> np.ndarray:
    return similarity.unit(vectors) if how in ("cosine", "angular") else vectors


def _between(queries: np.ndarray, documents: np.ndarray, how: str) -> np.ndarray:
    from scipy.spatial import distance

    if how in ("cosine", "angular", "dot"):
        products = queries @ documents.T
        return products if how != "angular" else 1 - np.arccos(np.clip(products, -1, 1)) / np.pi
    return -distance.cdist(queries, documents, "euclidean" if how == "euclidean" else "cityblock")


def per_query(ranking: Ranking, judged: Sequence[Judged]) -> dict[str, np.ndarray]:
    """Each metric of each query, shape (queries,) each; NaN of a query without a relevant document.

    nDCG has a relevance as gain, and log2(rank + 1) to divide it by (Järvelin & Kekäläinen 2002,
    https://doi.org/10.1145/582415.582418). Average precision is that of the first `DEPTH` documents, divided
    by the number of relevant ones. `unjudged@10` is the share of the first ten that nobody has judged for the query.

    Args:
        judged: of each query, in order.
    """
    found = {name: np.full(len(judged), np.nan) for name in METRICS}
    for i, (documents, known) in enumerate(zip(ranking.documents.tolist(), judged, strict=True)):
        ideal = sorted((grade for grade in known.values() if grade > 0), reverse=True)
        if not ideal:
            continue
        gains = np.array([max(known.get(document, 0.0), 0.0) for document in documents])
        hits = gains > 0
        ranks = np.flatnonzero(hits) + 1
        first = int(ranks[0]) if len(ranks) else None
        values = {
            "ndcg@10": _dcg(gains[:10]) / _dcg(np.array(ideal[:10])),
            "mrr@10": 1 / first if first is not None and first <= 10 else 0.0,
            **{f"recall@{cut}": hits[:cut].sum() / len(ideal) for cut in (1, 10, 100)},
            "map@100": float((np.arange(1, len(ranks) + 1) / ranks).sum()) / len(ideal),
            "precision@1": float(first == 1),
            "unjudged@10": float(np.mean([document not in known for document in documents[:10]])),
        }
        for name, value in values.items():
            found[name][i] = value
    return found


def _dcg(gains: np.ndarray) -> float:
    return float((gains / np.log2(np.arange(2, len(gains) + 2))).sum())


def evidence(ranking: Ranking, judged: Sequence[Judged]) -> Evidence:
    """The evidence of the metrics of `per_query`.

    Args:
        judged: of each query, which has a relevant document.
    """
    return of_queries(per_query(ranking, judged), ("precision@1",))


def of_queries(each: Mapping[str, np.ndarray], shares: Sequence[str] = ()) -> Evidence:
    """The evidence of metrics that are the mean of those of queries, which are drawn.

    Args:
        each: from 0 to 1, of each query, shape (queries,).
        shares: metrics that are 0 or 1 of a query.
    """
    table = np.stack(list(each.values()), axis=1)

    def figures(weights: Weights) -> Mapping[str, np.ndarray]:
        means = weights @ table / weights.sum(axis=1, keepdims=True)
        return dict(zip(each, means.T, strict=True))

    one = np.ones(len(table))
    return Evidence(
        np.arange(len(table)),
        figures,
        {name: Share(each[name], one) for name in shares},
        dict.fromkeys(each, Extremes()),
        unit="queries",
    )


# --- pairs: the partner of a text among those of all ---


def of_pairs(ranking: Ranking, partners: Sequence[Judged]) -> Evidence:
    """The evidence of finding the partner of each text: `mrr@10`, `accuracy@1`, `recall@10` and nDCG.

    Args:
        partners: of each text, in order; one has several where it stands in several pairs.
    """
    each = per_query(ranking, partners)
    chosen = {
        "mrr@10": each["mrr@10"],
        "accuracy@1": each["precision@1"],
        "ndcg@10": each["ndcg@10"],
        "recall@10": each["recall@10"],
    }
    return of_queries(chosen, ("accuracy@1",))


def translations(
    first: np.ndarray, second: np.ndarray, same: tuple[np.ndarray, np.ndarray], how: str = "cosine"
) -> Evidence:
    """How often the text most alike is the translation, and how often it is none because it is of the same language.

    `accuracy_forward` is of the first as queries among all second texts, `accuracy_backward` the other way round,
    `accuracy` the mean of both. `same_language` is the share of texts whose nearest neighbour, where both languages
    are in one pool, is another text of their own language: 0 is right, as each has its translation there.

    Args:
        first, second: shape (pairs, width).
        same: a number for each text of the first and the second, shape (pairs,) each; equal texts have an equal one,
            and any of them is right.
        how: one of `similarity.SIMILARITIES`.
    """
    forward = search(first, second, how, 1).documents[:, 0]
    backward = search(second, first, how, 1).documents[:, 0]
    hits = np.stack([same[1][forward] == same[1], same[0][backward] == same[0]], axis=1).astype(np.float64)
    biased = np.stack([_own_wins(first, second, same[0], how), _own_wins(second, first, same[1], how)], axis=1)
    sums = np.concatenate([hits, hits.mean(axis=1, keepdims=True), biased.mean(axis=1, keepdims=True)], axis=1)
    names = ("accuracy_forward", "accuracy_backward", "accuracy", "same_language")

    def figures(weights: Weights) -> Mapping[str, np.ndarray]:
        means = weights @ sums / weights.sum(axis=1, keepdims=True)
        return dict(zip(names, means.T, strict=True))

    one, two = np.ones(len(first)), np.full(len(first), 2.0)
    shares = {
        "accuracy_forward": Share(hits[:, 0], one),
        "accuracy_backward": Share(hits[:, 1], one),
        "accuracy": Share(hits.sum(axis=1), two),
        "same_language": Share(biased.sum(axis=1), two),
    }
    return Evidence(np.arange(len(first)), figures, shares, unit="pairs")


def _own_wins(texts: np.ndarray, others: np.ndarray, same: np.ndarray, how: str) -> np.ndarray:
    """Whether another text of the own language is more alike to each text than any of the other, shape (texts,)."""
    own = np.empty(len(texts))
    other = np.empty(len(texts))
    for start in range(0, len(texts), QUERIES_AT_ONCE):
        some = slice(start, start + QUERIES_AT_ONCE)
        best = np.full(len(texts[some]), -np.inf)
        for first, block in likenesses(texts[some], texts, how):
            equal = same[some][:, None] == same[first : first + block.shape[1]]
            best = np.maximum(best, np.where(equal, -np.inf, block).max(axis=1))
        own[some] = best
        other[some] = search(texts[some], others, how, 1).scores[:, 0]
    return (own > other).astype(np.float64)
