"""Classification and regression metrics, as `evaluate.Metric` classes over scikit-learn and scipy.

`evaluate.load` fetches a script from the hub at run time; these classes are in the package and work offline.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import datasets
import evaluate
import numpy as np
from sklearn import metrics as sk

from nlpkit.metrics import computed

CITATION = "Pedregosa et al. 2011, Scikit-learn: Machine Learning in Python, JMLR 12"


def _info(description: str, value: Any) -> evaluate.MetricInfo:
    features = datasets.Features({"predictions": value, "references": value})
    return evaluate.MetricInfo(
        description=description, citation=CITATION, inputs_description="predictions, references", features=features
    )


class SingleLabelScores(evaluate.Metric):
    """Accuracy; precision, recall and F1 (macro, micro, weighted; `f1` of class 1 for two classes); MCC."""

    def _info(self) -> evaluate.MetricInfo:
        return _info(self.__doc__ or "", datasets.Value("int64"))

    def _compute(self, predictions: Any, references: Any) -> dict[str, float]:
        scores = {"accuracy": sk.accuracy_score(references, predictions)}
        for average in ("macro", "micro", "weighted"):
            precision, recall, f1, _ = sk.precision_recall_fscore_support(
                references, predictions, average=average, zero_division=0
            )
            scores |= {f"precision_{average}": precision, f"recall_{average}": recall, f"f1_{average}": f1}
        if set(np.unique(references)) | set(np.unique(predictions)) <= {0, 1}:
            precision, recall, f1, _ = sk.precision_recall_fscore_support(
                references, predictions, average="binary", pos_label=1, zero_division=0
            )
            scores |= {"precision": precision, "recall": recall, "f1": f1}
        scores["mcc"] = _mcc(np.asarray(references), np.asarray(predictions))
        return scores


class MultiLabelScores(evaluate.Metric):
    """Subset accuracy; precision, recall and F1 (micro, macro, weighted, samples); Hamming loss."""

    def _info(self) -> evaluate.MetricInfo:
        return _info(self.__doc__ or "", datasets.List(datasets.Value("int64")))

    def _compute(self, predictions: Any, references: Any) -> dict[str, float]:
        scores = {"subset_accuracy": sk.accuracy_score(references, predictions)}
        for average in ("micro", "macro", "weighted", "samples"):
            precision, recall, f1, _ = sk.precision_recall_fscore_support(
                references, predictions, average=average, zero_division=0
            )
            scores |= {f"precision_{average}": precision, f"recall_{average}": recall, f"f1_{average}": f1}
        scores["hamming_loss"] = sk.hamming_loss(references, predictions)
        return scores


class RegressionScores(evaluate.Metric):
    """MSE, RMSE, MAE; Pearson and Spearman correlation (0 where one side is constant)."""

    def _info(self) -> evaluate.MetricInfo:
        return _info(self.__doc__ or "", datasets.Value("float64"))

    def _compute(self, predictions: Any, references: Any) -> dict[str, float]:
        from scipy import stats

        predictions, references = np.asarray(predictions), np.asarray(references)
        mse = sk.mean_squared_error(references, predictions)
        varied = len(references) > 1 and np.ptp(predictions) > 0 and np.ptp(references) > 0
        return {
            "pearson": stats.pearsonr(references, predictions).statistic if varied else 0.0,
            "spearman": stats.spearmanr(references, predictions).statistic if varied else 0.0,
            "mse": mse,
            "rmse": mse**0.5,
            "mae": sk.mean_absolute_error(references, predictions),
        }


def _mcc(gold: np.ndarray, predicted: np.ndarray) -> float:
    """Matthews correlation of any number of classes (Gorodkin 2004, https://doi.org/10.1016/j.compbiolchem.2004.09.006).

    scikit-learn has it over the matrix of all pairs of classes, which of 10,000 classes takes 763 MB.
    """
    classes = int(max(gold.max(), predicted.max())) + 1
    true, guessed = (np.bincount(ids, minlength=classes).astype(np.float64) for ids in (gold, predicted))
    right, rows = float((gold == predicted).sum()), float(len(gold))
    spread = (rows**2 - guessed @ guessed) * (rows**2 - true @ true)
    return float((right * rows - true @ guessed) / np.sqrt(spread)) if spread else 0.0


MOST_CLASSES = 500
"""Of a matrix of classes, at most: it has the square of that in numbers."""
OTHERS = "(others)"


def confusion(
    gold: np.ndarray, predicted: np.ndarray, names: Sequence[str], kept: Sequence[int] = ()
) -> tuple[list[str], np.ndarray]:
    """Which classes were taken for which.

    Args:
        gold, predicted: class ids (n,).
        names: of the classes.
        kept: classes that have a row of their own however rare they are.

    Returns:
        Names, and counts of shape (names, names): true rows, predicted columns. Of more than `MOST_CLASSES` classes
        these are the ones that occur most often, and `OTHERS` together.
    """
    count = len(names)
    if count > MOST_CLASSES:
        often = np.bincount(gold, minlength=count) + np.bincount(predicted, minlength=count)
        often[list(kept)] = often.max() + 1
        shown = np.sort(np.argsort(-often, kind="stable")[:MOST_CLASSES])
        places = np.full(count, MOST_CLASSES)
        places[shown] = np.arange(MOST_CLASSES)
        gold, predicted = places[gold], places[predicted]
        names = [*(names[i] for i in shown.tolist()), OTHERS]
    matrix = np.zeros((len(names), len(names)), dtype=np.int64)
    np.add.at(matrix, (gold, predicted), 1)
    return list(names), matrix


METRICS: dict[str, type[evaluate.Metric]] = {
    "single-label": SingleLabelScores,
    "multi-label": MultiLabelScores,
    "regression": RegressionScores,
}


def compute(problem: str, predicted: np.ndarray, gold: np.ndarray, outputs: np.ndarray) -> dict[str, float]:
    """All metrics of a problem.

    Args:
        problem: a key of `METRICS`.
        predicted: class ids (n,), indicator rows (n, classes) or numbers (n,).
        gold: the same shape.
        outputs: logits (n, classes); with them the area under the ROC curve is added for two classes.
    """
    if problem == "multi-label":
        gold = gold.astype(np.int64)
    scores = computed(METRICS[problem], predictions=predicted, references=gold)
    if problem == "single-label" and outputs.shape[1] == 2 and len(np.unique(gold)) == 2:
        scores["roc_auc"] = sk.roc_auc_score(gold, np.diff(outputs.astype(np.float64))[:, 0])
    # rows in which only classes 0 and 1 of several occur do not make the problem binary
    hidden = {"precision", "recall", "f1"} if outputs.shape[1] > 2 else set()
    return {name: float(value) for name, value in scores.items() if name not in hidden}


def per_class(predicted: np.ndarray, gold: np.ndarray, names: list[str]) -> dict[str, dict[str, float]]:
    """Precision, recall, F1 and support of each class."""
    precision, recall, f1, support = sk.precision_recall_fscore_support(
        gold, predicted, labels=list(range(len(names))), zero_division=0
    )
    return {
        name: {
            "precision": float(precision[i]),
            "recall": float(recall[i]),
            "f1": float(f1[i]),
            "support": int(support[i]),
        }
        for i, name in enumerate(names)
    }
