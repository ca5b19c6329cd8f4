"""Figures of rerankers: those of scikit-learn, of any draw of rows and queries."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, ndcg_score

from nlpkit.metrics import intervals, reranking


def scored(rows: int = 60, seed: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores with ties, grades 0 to 3, and the query of each row."""
    rng = np.random.default_rng(seed)
    gold = rng.integers(0, 4, rows).astype(float)
    return (gold + 2 * rng.normal(size=rows)).round(1), gold, rng.integers(0, 7, rows)


def test_figures_are_those_of_scikit_learn() -> None:
    scores, gold, queries = scored()
    found = reranking.of(scores, gold, queries).observed()
    assert found["average_precision"] == pytest.approx(average_precision_score(gold > 0, scores))
    exact = scores + 1e-6 * np.arange(len(scores))  # without ties, which scikit-learn shares out
    each = [ndcg_score(gold[queries == q][None], exact[queries == q][None], k=10) for q in range(7)]
    assert reranking.of(exact, gold, queries).observed()["ndcg@10"] == pytest.approx(np.mean(each))


def test_the_first_relevant_passage_counts_and_queries_that_tell_nothing_do_not() -> None:
    """Of four queries one has its relevant passage second, one first; one has a single passage, one no relevant one."""
    gold = np.array([0.0, 1, 1, 0, 1, 0, 0])
    scores = np.array([0.9, 0.5, 0.8, 0.1, 0.1, 0.4, 0.5])
    found = reranking.of(scores, gold, np.array([0, 0, 1, 1, 2, 3, 3])).observed()
    assert found["mrr@10"] == pytest.approx((1 / 2 + 1) / 2)


def test_a_model_that_scores_all_alike_gains_nothing_by_the_order_of_rows() -> None:
    gold = np.array([1.0, 0, 0, 0])
    assert reranking.of(np.zeros(4), gold, np.zeros(4, int)).observed()["mrr@10"] == 1 / 4


def test_labels_without_relevant_rows_have_correlations_alone() -> None:
    found = reranking.of(np.arange(5.0), np.array([0.0, 0.1, 0.2, 0.3, 0.4]), np.zeros(5, int)).observed()
    assert found == pytest.approx({"spearman": 1, "pearson": 1})


def test_draws_of_queries_are_judged_as_these_queries_are() -> None:
    scores, gold, queries = scored()
    evidence = reranking.of(scores, gold, queries)
    taken = [0, 0, 3, 5, 6]
    rows = np.concatenate([np.flatnonzero(queries == q) for q in taken])
    again = np.concatenate([np.full((queries == q).sum(), i) for i, q in enumerate(taken)])
    weights = np.bincount(rows, minlength=len(gold))[None].astype(float)
    drawn = {name: float(values[0]) for name, values in evidence.figures(weights).items()}
    assert drawn == pytest.approx(reranking.of(scores[rows], gold[rows], again).observed())
    for name, (low, high) in intervals.of(evidence).items():
        assert low <= evidence.observed()[name] <= high
