from __future__ import annotations

import math
import socket
from typing import Any

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as sk

from nlpkit.metrics import classification as metrics


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a metric asked for the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def logits_for(predicted: np.ndarray, classes: int) -> np.ndarray:
    return np.eye(classes)[predicted] * 4


def test_binary_by_hand() -> None:
    gold = np.array([1, 1, 1, 0, 0, 0, 0, 0])
    predicted = np.array([1, 1, 0, 1, 0, 0, 0, 0])  # 2 true positives, 1 false positive, 1 false negative, 4 true neg.
    scores = metrics.compute("single-label", predicted, gold, logits_for(predicted, 2))
    assert scores["accuracy"] == pytest.approx(6 / 8)
    assert scores["precision"] == scores["recall"] == scores["f1"] == pytest.approx(2 / 3)
    assert scores["mcc"] == pytest.approx((2 * 4 - 1 * 1) / math.sqrt(3 * 3 * 5 * 5))
    assert scores["f1_macro"] == pytest.approx((2 / 3 + 4 / 5) / 2)
    assert scores["f1_weighted"] == pytest.approx(2 / 3 * 3 / 8 + 4 / 5 * 5 / 8)
    assert scores["f1_micro"] == pytest.approx(6 / 8)


def test_roc_auc_ranks_by_the_logits() -> None:
    gold = np.array([0, 0, 1, 1])
    outputs = np.array([[2.0, 0.0], [1.0, 0.8], [1.0, 0.9], [0.0, 3.0]])  # the positives rank above the negatives
    scores = metrics.compute("single-label", outputs.argmax(axis=1), gold, outputs)
    assert scores["accuracy"] == 0.75
    assert scores["roc_auc"] == 1.0


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_single_label_equals_scikit_learn(classes: int) -> None:
    rng = np.random.default_rng(classes)
    gold, predicted = rng.integers(0, classes, (2, 200))
    outputs = rng.normal(size=(200, classes))
    scores = metrics.compute("single-label", predicted, gold, outputs)
    for average in ("macro", "micro", "weighted"):
        precision, recall, f1, _ = sk.precision_recall_fscore_support(gold, predicted, average=average)
        assert scores[f"precision_{average}"] == pytest.approx(precision)
        assert scores[f"recall_{average}"] == pytest.approx(recall)
        assert scores[f"f1_{average}"] == pytest.approx(f1)
    assert scores["accuracy"] == pytest.approx(sk.accuracy_score(gold, predicted))
    assert scores["mcc"] == pytest.approx(sk.matthews_corrcoef(gold, predicted))
    assert ("f1" in scores) == ("roc_auc" in scores) == (classes == 2)


def test_three_classes_never_get_binary_scores_because_one_is_absent() -> None:
    gold, predicted = np.array([0, 1, 0, 1]), np.array([0, 1, 1, 1])
    scores = metrics.compute("single-label", predicted, gold, logits_for(predicted, 3))
    assert "f1" not in scores
    assert "precision" not in scores


@pytest.mark.parametrize("constant", [0, 1])
def test_constant_predictions_give_numbers(constant: int) -> None:
    gold = np.array([0, 1, 1, 0])
    predicted = np.full(4, constant)
    scores = metrics.compute("single-label", predicted, gold, logits_for(predicted, 2))
    assert scores["accuracy"] == 0.5
    assert scores["mcc"] == 0.0
    assert scores["f1"] == pytest.approx(2 / 3 * constant)
    assert all(math.isfinite(value) for value in scores.values())


def test_one_class_in_gold_gives_numbers() -> None:
    gold = np.ones(4, dtype=int)
    predicted = np.array([1, 1, 1, 0])
    scores = metrics.compute("single-label", predicted, gold, logits_for(predicted, 2))
    assert scores["accuracy"] == 0.75
    assert "roc_auc" not in scores
    assert all(math.isfinite(value) for value in scores.values())


def test_multi_label_by_hand_and_by_scikit_learn() -> None:
    gold = np.array([[1, 0, 1], [0, 1, 0], [0, 0, 0], [1, 1, 0]], dtype=np.float32)
    predicted = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0]])
    scores = metrics.compute("multi-label", predicted, gold, np.zeros((4, 3)))
    assert scores["subset_accuracy"] == pytest.approx(2 / 4)
    assert scores["hamming_loss"] == pytest.approx(2 / 12)
    assert scores["f1_micro"] == pytest.approx(2 * 4 / (2 * 4 + 1 + 1))
    assert scores["f1_macro"] == pytest.approx((1 + 1 + 0) / 3)
    for average in ("micro", "macro", "weighted", "samples"):
        expected = sk.f1_score(gold, predicted, average=average, zero_division=0)
        assert scores[f"f1_{average}"] == pytest.approx(expected)


def test_multi_label_without_any_prediction_gives_numbers() -> None:
    scores = metrics.compute("multi-label", np.zeros((3, 2), int), np.ones((3, 2)), np.zeros((3, 2)))
    assert scores["f1_micro"] == scores["f1_samples"] == 0.0
    assert all(math.isfinite(value) for value in scores.values())


def test_regression_by_hand_and_by_scipy() -> None:
    gold, predicted = np.array([1.0, 2.0, 3.0, 5.0]), np.array([1.5, 1.0, 3.0, 4.0])
    scores = metrics.compute("regression", predicted, gold, predicted[:, None])
    assert scores["mse"] == pytest.approx((0.25 + 1 + 0 + 1) / 4)
    assert scores["rmse"] == pytest.approx(0.75)
    assert scores["mae"] == pytest.approx((0.5 + 1 + 0 + 1) / 4)
    assert scores["pearson"] == pytest.approx(stats.pearsonr(gold, predicted).statistic)
    assert scores["spearman"] == pytest.approx(stats.spearmanr(gold, predicted).statistic)


@pytest.mark.parametrize("size", [1, 5])
def test_constant_regression_gives_numbers(size: int) -> None:
    scores = metrics.compute("regression", np.full(size, 2.0), np.arange(float(size)), np.zeros((size, 1)))
    assert scores["pearson"] == scores["spearman"] == 0.0
    assert all(math.isfinite(value) for value in scores.values())


def test_per_class_report_names_absent_classes_too() -> None:
    gold, predicted = np.array([0, 0, 1]), np.array([0, 1, 1])
    report = metrics.per_class(predicted, gold, ["spam", "ham", "other"])
    assert report["spam"] == {"precision": 1.0, "recall": 0.5, "f1": pytest.approx(2 / 3), "support": 2}
    assert report["ham"] == {"precision": 0.5, "recall": 1.0, "f1": pytest.approx(2 / 3), "support": 1}
    assert report["other"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 0}


def test_metrics_are_evaluate_metrics() -> None:
    import evaluate

    for kind in metrics.METRICS.values():
        assert issubclass(kind, evaluate.Metric)
    scored = metrics.SingleLabelScores().compute(predictions=[0, 1], references=[0, 1])
    assert scored["accuracy"] == 1.0
