"""How well scores put passages in order: over all rows, and among the passages of each query.

A row is relevant where its label is `RELEVANT` or more: of labels 0 and 1 those with 1, of grades 0, 1, 2, 3 all but 0.
Over all rows stand rank correlation, average precision and the area under the ROC curve; among the passages of a query,
nDCG@10 with gains that are the labels (Jaervelin and Kekaelaeinen 2002, https://doi.org/10.1145/582415.582418, without
the power of two, as trec_eval has it) and MRR@10. Equal scores within a query are ordered with the least relevant
passage first, so that a model that scores all alike gains nothing by it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from nlpkit.metrics.evidence import Evidence, Extremes, Weights
from nlpkit.metrics.resampled import CORRELATION, UNIT, numbers, roc_auc

RELEVANT = 0.5
CUT = 10
"""Ranks that count: the field's habit for rerankers (MS MARCO, BEIR)."""


def of(scores: np.ndarray, gold: np.ndarray, queries: np.ndarray | None) -> Evidence:
    """What the metrics of a reranker hang on.

    Args:
        scores: how relevant each row is said to be, shape (rows,).
        gold: how relevant it is, from 0 up, shape (rows,).
        queries: the query of each row, as numbers from 0, shape (rows,); None: rows have none. Rows of one query are
            drawn together. Queries with one row, or without a relevant one, have no nDCG and no MRR; without any other
            query the two are left out.
    """
    scores, gold = scores.astype(np.float64), gold.astype(np.float64)
    relevant = gold >= RELEVANT
    two = 0 < relevant.sum() < len(gold)
    ranked = None if queries is None else _by_query(scores, gold, queries)
    correlated = numbers(scores, gold)

    def figures(weights: Weights) -> Mapping[str, np.ndarray]:
        every = correlated.figures(weights)
        found = {name: every[name] for name in ("spearman", "pearson")}
        if two:
            found["average_precision"] = _average_precision(scores, relevant, weights)
            found["roc_auc"] = roc_auc(scores, relevant.astype(np.int64), weights)
        return found if ranked is None else {**found, **ranked(weights)}

    extremes = dict.fromkeys(("spearman", "pearson"), CORRELATION)
    if two:
        extremes["roc_auc"] = Extremes(trials=int(min(relevant.sum(), (~relevant).sum())))
        extremes["average_precision"] = UNIT
    if ranked is not None:
        extremes |= dict.fromkeys((f"ndcg@{CUT}", f"mrr@{CUT}"), UNIT)
    if ranked is None:
        return Evidence(np.arange(len(gold)), figures, extremes=extremes)
    return Evidence(np.arange(len(gold)), figures, extremes=extremes, units=queries, unit="queries")


def _by_query(
    scores: np.ndarray, gold: np.ndarray, queries: np.ndarray
) -> Callable[[Weights], dict[str, np.ndarray]] | None:
    """Means over queries, from weights of the rows; None where no query has two rows and a relevant one."""
    judged, gained, reciprocal = [], [], []
    for rows in np.split(np.argsort(queries, kind="stable"), np.cumsum(np.bincount(queries))[:-1]):
        if len(rows) < 2 or not (gold[rows] >= RELEVANT).any():
            continue
        given = gold[rows][np.lexsort((gold[rows], -scores[rows]))]
        best = np.sort(gold[rows])[::-1]
        first = np.flatnonzero(given[:CUT] >= RELEVANT)
        judged.append(rows[0])
        gained.append(_gain(given) / _gain(best))
        reciprocal.append(1 / (first[0] + 1) if len(first) else 0.0)
    if not judged:
        return None
    each = np.stack([gained, reciprocal], axis=1)

    def means(weights: Weights) -> dict[str, np.ndarray]:
        of_queries = weights[:, judged]  # all rows of a query count as often as its first
        total = of_queries.sum(axis=1, keepdims=True)
        found = np.where(total > 0, of_queries @ each / np.maximum(total, 1), np.nan)
        return {f"ndcg@{CUT}": found[:, 0], f"mrr@{CUT}": found[:, 1]}

    return means


def _gain(grades: np.ndarray) -> float:
    """Discounted cumulative gain of grades in an order."""
    top = grades[:CUT]
    return float((top / np.log2(np.arange(len(top)) + 2)).sum())


def _average_precision(scores: np.ndarray, relevant: np.ndarray, weights: Weights) -> np.ndarray:
    """The mean precision at the relevant rows, shape (draws,); equal scores are one step, as in scikit-learn."""
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)
    drawn = weights[:, order]
    found = np.cumsum(drawn * relevant[order], axis=1)[:, ends]
    rows = np.cumsum(drawn, axis=1)[:, ends]
    total = found[:, -1:]
    steps = np.diff(found, axis=1, prepend=0) * found / np.maximum(rows, 1e-300)
    return np.where(total[:, 0] > 0, steps.sum(axis=1) / np.maximum(total[:, 0], 1e-300), np.nan)
