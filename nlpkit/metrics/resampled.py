"""What the metrics of classification and regression hang on, see `evidence`: they equal those of `classification`."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from nlpkit.metrics.class_counts import ClassCounts, marked, ratio
from nlpkit.metrics.evidence import Evidence, Extremes, Share, Weights, numbered

UNIT = Extremes()
CORRELATION = Extremes(-1.0, 1.0)


def of(problem: str, predicted: np.ndarray, gold: np.ndarray, outputs: np.ndarray) -> Evidence:
    """The evidence of a problem; the arguments are those of `classification.compute`."""
    if problem == "regression":
        return numbers(predicted, gold)
    if problem == "multi-label":
        return several_labels(predicted, gold.astype(np.int64))
    scores = np.diff(outputs.astype(np.float64))[:, 0] if outputs.shape[1] == 2 else None
    return one_label(predicted, gold, scores, two=outputs.shape[1] <= 2)


def one_label(predicted: np.ndarray, gold: np.ndarray, scores: np.ndarray | None, *, two: bool) -> Evidence:
    """Of rows with one class each.

    Args:
        predicted, gold: class ids (rows,).
        scores: how much speaks for class 1 of two, shape (rows,).
        two: whether there are two classes, so that precision, recall and F1 are of class 1.
    """
    classes = int(max(predicted.max(), gold.max())) + 1
    ranked = scores is not None and len(np.unique(gold)) == 2
    kinds = np.arange(len(gold)) if ranked else numbered(gold * classes + predicted)
    _, first = np.unique(kinds, return_index=True)
    of_kinds, true = predicted[first], gold[first]
    tables = (
        marked(np.where(of_kinds == true, true, -1), classes),
        marked(of_kinds, classes),
        marked(true, classes),
    )

    def figures(weights: Weights) -> Mapping[str, np.ndarray]:
        counts = ClassCounts.of(tables, weights)
        accuracy = ratio(counts.right.sum(axis=1), counts.true.sum(axis=1))
        found = {"accuracy": accuracy, **counts.macro(), **counts.micro(), **counts.weighted()}
        if two:
            sides = [part[:, 1] if classes > 1 else np.zeros(len(part)) for part in counts.ratios()]
            found |= dict(zip(("precision", "recall", "f1"), sides, strict=True))
        found["mcc"] = counts.mcc()
        if ranked:
            assert scores is not None
            found["roc_auc"] = roc_auc(scores, gold, weights)
        return found

    right, one = predicted == gold, np.ones(len(gold))
    accurate = Share(right, one)
    shares = dict.fromkeys(("accuracy", "precision_micro", "recall_micro", "f1_micro", "recall_weighted"), accurate)
    if two:
        found, wanted = predicted == 1, gold == 1
        shares |= {
            "precision": Share(found & wanted, found),
            "recall": Share(found & wanted, wanted),
            "f1": Share(found & wanted, found | wanted, dice=True),
        }
    averages = ("precision_macro", "recall_macro", "f1_macro", "precision_weighted", "f1_weighted")
    extremes = {**dict.fromkeys(averages, UNIT), "mcc": CORRELATION}
    if ranked:
        extremes["roc_auc"] = Extremes(trials=int(min((gold == 1).sum(), (gold == 0).sum())))
    return Evidence(kinds, figures, shares, extremes)


def several_labels(predicted: np.ndarray, gold: np.ndarray) -> Evidence:
    """Of rows with any number of labels each: indicators of shape (rows, labels)."""
    from scipy import sparse

    # eight indicators a byte: of many labels they would take more memory than the outputs
    kinds = numbered(np.packbits(np.concatenate([predicted > 0, gold > 0], axis=1), axis=1))
    _, first = np.unique(kinds, return_index=True)
    found, true = predicted[first], gold[first]
    both = found * true
    tables = tuple(sparse.csr_array(table.astype(np.float64)) for table in (both, found, true))
    each = _of_each_row(both.sum(axis=1), found.sum(axis=1), true.sum(axis=1))
    exact = (found == true).all(axis=1).astype(np.float64)
    apart = (found != true).mean(axis=1)
    per_row = np.stack([exact, apart, *each.values()], axis=1)

    def figures(weights: Weights) -> Mapping[str, np.ndarray]:
        counts = ClassCounts.of((tables[0], tables[1], tables[2]), weights)
        means = weights @ per_row / weights.sum(axis=1, keepdims=True)
        subset, hamming, *samples = means.T
        return {
            "subset_accuracy": subset,
            **counts.micro(),
            **counts.macro(of_all=True),
            **counts.weighted(),
            **dict(zip(each, samples, strict=True)),
            "hamming_loss": hamming,
        }

    right, guessed, wanted = (part.sum(axis=1) for part in (predicted * gold, predicted, gold))
    labels = np.full(len(gold), gold.shape[1])
    shares = {
        "subset_accuracy": Share((predicted == gold).all(axis=1), np.ones(len(gold))),
        "precision_micro": Share(right, guessed),
        "recall_micro": Share(right, wanted),
        "f1_micro": Share(right, guessed + wanted - right, dice=True),
        "hamming_loss": Share((predicted != gold).sum(axis=1), labels),
        "recall_weighted": Share(right, wanted),
    }
    names = [f"{suffix}_{how}" for how in ("macro", "weighted", "samples") for suffix in ("precision", "recall", "f1")]
    return Evidence(kinds, figures, shares, dict.fromkeys(names, UNIT))


def _of_each_row(right: np.ndarray, found: np.ndarray, true: np.ndarray) -> dict[str, np.ndarray]:
    """The figures of rows whose mean is the average `samples`."""
    counts = ClassCounts(*(part[:, None].astype(np.float64) for part in (right, found, true)))
    suffixes = ("precision", "recall", "f1")
    return {f"{name}_samples": values[:, 0] for name, values in zip(suffixes, counts.ratios(), strict=True)}


def numbers(predicted: np.ndarray, gold: np.ndarray) -> Evidence:
    """Of rows with a number each."""
    predicted, gold = predicted.astype(np.float64), np.asarray(gold, dtype=np.float64)
    # the middle of each is taken off, so that sums of squares keep their digits
    one, other = predicted - predicted.mean(), gold - gold.mean()
    off = predicted - gold
    sums = np.stack([one, other, one * one, other * other, one * other, off * off, np.abs(off)], axis=1)

    def figures(weights: Weights) -> Mapping[str, np.ndarray]:
        x, y, xx, yy, xy, squares, absolute = (weights @ sums / weights.sum(axis=1, keepdims=True)).T
        return {
            "pearson": _correlation(x, y, xx, yy, xy),
            "spearman": _rank_correlation(predicted, gold, weights),
            "mse": squares,
            "rmse": np.sqrt(squares),
            "mae": absolute,
        }

    return Evidence(np.arange(len(gold)), figures, extremes=dict.fromkeys(("pearson", "spearman"), CORRELATION))


def _correlation(x: np.ndarray, y: np.ndarray, xx: np.ndarray, yy: np.ndarray, xy: np.ndarray) -> np.ndarray:
    """Pearson's, of means; 0 where one side is constant."""
    spread = np.maximum(xx - x * x, 0) * np.maximum(yy - y * y, 0)
    # what is left of rounding where a side is constant
    spread[(xx - x * x <= 1e-12 * xx) | (yy - y * y <= 1e-12 * yy)] = 0
    return np.clip(ratio(xy - x * y, np.sqrt(spread)), -1, 1)


def _rank_correlation(one: np.ndarray, other: np.ndarray, weights: Weights) -> np.ndarray:
    """Spearman's, of rows that count as often as the weights say."""
    rows = weights.sum(axis=1, keepdims=True)
    # ranks less their mean, which is the same with ties
    x, y = (_mean_ranks(values, weights) - (rows + 1) / 2 for values in (one, other))
    of_x, of_y = weights * x, weights * y
    xx, yy, xy = (np.einsum("ij,ij->i", *pair) for pair in ((of_x, x), (of_y, y), (of_x, y)))
    return np.clip(ratio(xy, np.sqrt(xx * yy)), -1, 1)


def _mean_ranks(values: np.ndarray, weights: Weights) -> np.ndarray:
    """The rank of each row among all, from 1, equal ones with the mean of theirs; shape (draws, rows)."""
    order = np.argsort(values, kind="stable")
    below = np.zeros((len(weights), len(values) + 1))
    np.cumsum(weights[:, order], axis=1, out=below[:, 1:])
    first, behind = (np.searchsorted(values[order], values, side) for side in ("left", "right"))
    return (below[:, first] + below[:, behind] + 1) / 2


def roc_auc(scores: np.ndarray, gold: np.ndarray, weights: Weights) -> np.ndarray:
    """The area under the ROC curve: how often a row of class 1 scores above one of class 0, equal ones half."""
    true, false = np.flatnonzero(gold == 1), np.flatnonzero(gold == 0)
    false = false[np.argsort(scores[false], kind="stable")]
    drawn = weights[:, false]
    below = np.concatenate([np.zeros((len(weights), 1)), np.cumsum(drawn, axis=1)], axis=1)
    behind, before = (np.searchsorted(scores[false], scores[true], side) for side in ("left", "right"))
    won = below[:, behind] if (behind == before).all() else (below[:, behind] + below[:, before]) / 2
    of_true = weights[:, true]
    pairs = of_true.sum(axis=1) * below[:, -1]
    return np.where(pairs > 0, ratio(np.einsum("ij,ij->i", of_true, won), pairs), np.nan)
