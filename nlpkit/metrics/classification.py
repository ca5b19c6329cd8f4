"""Classification and regression metrics, as `evaluate.Metric` classes over scikit-learn and scipy.

`evaluate.load` fetches a script from the hub at run time; these classes are in the package and work offline.
"""

from __future__ import annotations

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
        scores["mcc"] = sk.matthews_corrcoef(references, predictions)
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
        scores["roc_auc"] = sk.roc_auc_score(gold, outputs[:, 1] - outputs[:, 0])
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
