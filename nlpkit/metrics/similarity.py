"""How well the likeness of vectors agrees with what is known of their texts: of pairs with a score, of pairs that are
alike or not, and of triplets.

Likeness is told by one of `SIMILARITIES`; a larger number is more alike. Figures of the similarity that a model was
made for have plain names (`spearman`); those of the others end in its name (`spearman_dot`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from nlpkit.metrics import resampled
from nlpkit.metrics.class_counts import ratio
from nlpkit.metrics.evidence import Evidence, Extremes, Share, Weights

Similarity = Literal["cosine", "dot", "euclidean", "manhattan", "angular"]
SIMILARITIES: tuple[Similarity, ...] = ("cosine", "dot", "euclidean", "manhattan", "angular")
NEAR_ZERO = 1e-12  # length below which a vector is not divided, as `torch.nn.functional.normalize` has it
CORRELATIONS = ("spearman", "pearson")
DECIDED = ("average_precision", "f1", "accuracy", "precision", "recall", "roc_auc")


def unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors scaled to length 1, shape (..., width); those of length 0 stay as they are."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), NEAR_ZERO)


def of_pairs(first: np.ndarray, second: np.ndarray, how: str = "cosine") -> np.ndarray:
    """How alike each vector is to its partner, shape (pairs,).

    Args:
        first, second: shape (pairs, width).
        how: one of `SIMILARITIES`. Of distances it is the negative. Angular likeness is 1 - arccos(cosine) / pi (Cer et
            al. 2018, https://arxiv.org/abs/1803.11175).
    """
    if how in ("cosine", "angular"):
        lengths = [np.maximum(np.linalg.norm(side, axis=-1), NEAR_ZERO) for side in (first, second)]
        cosines = (first * second).sum(-1) / (lengths[0] * lengths[1])
        return cosines if how == "cosine" else 1 - np.arccos(np.clip(cosines, -1, 1)) / np.pi
    if how == "dot":
        return (first * second).sum(-1)
    if how == "euclidean":
        return -np.linalg.norm(first - second, axis=-1)
    if how == "manhattan":
        return -np.abs(first - second).sum(-1)
    raise ValueError(f"no such similarity: {how}")


def named(metric: str, how: str, main: str) -> str:
    """The name of a figure by one similarity, where `main` is the model's own."""
    return metric if how == main else f"{metric}_{how}"


def names(metrics: Sequence[str], main: str = "cosine") -> list[str]:
    """The names of figures by every similarity, the model's own first."""
    return [named(metric, how, main) for how in _ordered(main) for metric in metrics]


def _ordered(main: str) -> list[str]:
    return [main, *(how for how in SIMILARITIES if how != main)]


def _by_each(made: Callable[[str], Evidence], main: str) -> Evidence:
    """Evidence by every similarity as one."""
    every = {how: made(how) for how in _ordered(main)}
    first = every[main]

    def figures(weights: Weights) -> Mapping[str, np.ndarray]:
        return {
            named(name, how, main): values
            for how, evidence in every.items()
            for name, values in evidence.figures(weights).items()
        }

    return Evidence(
        first.kinds,
        figures,
        {named(name, how, main): share for how, each in every.items() for name, share in each.shares.items()},
        {named(name, how, main): ends for how, each in every.items() for name, ends in each.extremes.items()},
    )


# --- pairs with a score ---


def scored_pairs(first: np.ndarray, second: np.ndarray, gold: np.ndarray, similarity: str = "cosine") -> Evidence:
    """Spearman's and Pearson's correlations of likeness with scores, by every similarity.

    Args:
        first, second: shape (pairs, width).
        gold: the score of each pair, shape (pairs,).
        similarity: the model's own, whose figures have plain names.
    """

    def made(how: str) -> Evidence:
        every = resampled.numbers(of_pairs(first, second, how), gold)

        def figures(weights: Weights) -> Mapping[str, np.ndarray]:
            found = every.figures(weights)
            return {name: found[name] for name in CORRELATIONS}

        return Evidence(every.kinds, figures, extremes=every.extremes)

    return _by_each(made, similarity)


# --- pairs that are alike or not ---


def unmoved(before: np.ndarray, after: np.ndarray) -> Evidence:
    """How near vectors are to those that the same texts had before: `cosine`, on the mean of all texts of an example.

    Args:
        before, after: shape (examples, texts, width), NaN where an example has fewer texts.
    """
    each = np.nanmean(of_pairs(before.astype(np.float64), after.astype(np.float64)), axis=1)

    def figures(weights: Weights) -> Mapping[str, np.ndarray]:
        return {"cosine": weights @ each / weights.sum(axis=1)}

    return Evidence(np.arange(len(each)), figures)


def labelled_pairs(first: np.ndarray, second: np.ndarray, alike: np.ndarray, similarity: str = "cosine") -> Evidence:
    """How well a threshold of likeness parts pairs that are alike from others, by every similarity.

    `average_precision` and `roc_auc` need no threshold. `f1` and `accuracy` are the best that one reaches,
    `f1_threshold` and `accuracy_threshold`, which is chosen on the same pairs: expect somewhat less on others.
    `precision` and `recall` are those at `f1_threshold`. A threshold stands midway between two neighbouring scores, and
    pairs of equal scores are on one side of it.

    Args:
        first, second: shape (pairs, width).
        alike: whether each pair is, shape (pairs,).
    """
    return _by_each(lambda how: decided(of_pairs(first, second, how), alike), similarity)


def decided(scores: np.ndarray, alike: np.ndarray) -> Evidence:
    """The evidence of `labelled_pairs` of one similarity.

    Args:
        scores, alike: shape (pairs,).
    """
    order = np.argsort(-scores.astype(np.float64), kind="stable")
    ranked, true = scores[order].astype(np.float64), np.asarray(alike)[order] > 0
    ends = np.flatnonzero(np.diff(ranked, append=-np.inf))  # the last pair of each score
    below = np.append(ranked[ends[1:]], ranked[-1:])
    thresholds = (ranked[ends] + below) / 2
    above_all = float(np.nextafter(ranked[0], np.inf)) if len(ranked) else 0.0

    def figures(weights: Weights) -> Mapping[str, np.ndarray]:
        drawn = weights[:, order]
        of_true = np.where(true, drawn, 0.0)
        found, hits = np.cumsum(drawn, axis=1)[:, ends], np.cumsum(of_true, axis=1)[:, ends]
        total, rows = hits[:, -1:], found[:, -1:]
        defined = (total[:, 0] > 0) & (total[:, 0] < rows[:, 0])
        precision, recall = ratio(hits, found), ratio(hits, total)
        steps = np.diff(recall, axis=1, prepend=0.0)
        f1 = ratio(2 * hits, found + total)
        right = ratio(hits + (rows - total) - (found - hits), rows)
        best, most = f1.argmax(axis=1), right.argmax(axis=1)
        every = np.arange(len(weights))
        none = ratio(rows - total, rows)[:, 0]
        beaten = right[every, most] >= none
        misses = np.diff(found - hits, axis=1, prepend=0.0)
        caught = (hits - np.diff(hits, axis=1, prepend=0.0) / 2) * misses  # equal scores count half
        area = ratio(caught.sum(axis=1), (total * (rows - total))[:, 0])
        values = {
            "average_precision": (precision * steps).sum(axis=1),
            "f1": f1[every, best],
            "f1_threshold": thresholds[best],
            "precision": precision[every, best],
            "recall": recall[every, best],
            "accuracy": np.where(beaten, right[every, most], none),
            "accuracy_threshold": np.where(beaten, thresholds[most], above_all),
            "roc_auc": area,
        }
        return {name: np.where(defined, value, np.nan) for name, value in values.items()}

    fewest = int(min(true.sum(), (~true).sum()))
    return Evidence(
        np.arange(len(scores)),
        figures,
        extremes={**dict.fromkeys(DECIDED, Extremes()), "roc_auc": Extremes(trials=fewest)},
    )


AT_THRESHOLD = ("precision_at_threshold", "recall_at_threshold", "f1_at_threshold")


def at_threshold(scores: np.ndarray, alike: np.ndarray, threshold: float) -> Evidence:
    """Precision, recall and F1 where pairs from a likeness on are called alike, which was chosen on other pairs.

    Args:
        scores, alike: shape (pairs,).
        threshold: the least likeness.
    """
    found, true = np.asarray(scores) >= threshold, np.asarray(alike) > 0
    hits = (found & true).astype(np.float64)
    trials = [part.astype(np.float64) for part in (found, true, found | true)]
    shares = {
        name: Share(hits, counted, dice=name.startswith("f1"))
        for name, counted in zip(AT_THRESHOLD, trials, strict=True)
    }

    def figures(weights: Weights) -> Mapping[str, np.ndarray]:
        of = {name: ratio(weights @ share.hits, weights @ share.trials) for name, share in shares.items()}
        jaccard = of["f1_at_threshold"]
        return {**of, "f1_at_threshold": 2 * jaccard / (1 + jaccard)}

    return Evidence(np.arange(len(hits)), figures, shares)


def together(first: Evidence, second: Evidence) -> Evidence:
    """What the metrics of both hang on, which are of the same rows."""
    return replace(
        first,
        figures=lambda weights: {**first.figures(weights), **second.figures(weights)},
        shares={**first.shares, **second.shares},
    )


# --- triplets ---


def triplets(
    anchors: np.ndarray, positives: np.ndarray, negatives: np.ndarray, similarity: str = "cosine", margin: float = 0.0
) -> Evidence:
    """The share of anchors that are more alike to their positive than to each of their negatives: `accuracy`; and by
    how much, on the mean: `margin`.

    Args:
        anchors, positives: shape (triplets, width).
        negatives: shape (triplets, negatives, width), NaN where one has fewer.
        margin: by how much more, at least.
    """

    def made(how: str) -> Evidence:
        near = of_pairs(anchors, positives, how).astype(np.float64)
        far = of_pairs(anchors[:, None], negatives, how).astype(np.float64)
        gap = near - np.nanmax(far, axis=1)
        right = (gap > margin).astype(np.float64)
        sums = np.stack([right, gap], axis=1)

        def figures(weights: Weights) -> Mapping[str, np.ndarray]:
            means = weights @ sums / weights.sum(axis=1, keepdims=True)
            return {"accuracy": means[:, 0], "margin": means[:, 1]}

        return Evidence(np.arange(len(gap)), figures, {"accuracy": Share(right, np.ones(len(gap)))})

    return _by_each(made, similarity)
