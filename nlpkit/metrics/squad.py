"""Exact match and F1 of answers, as the evaluation scripts of SQuAD 1.1 and 2.0 define them, in percent.

Rajpurkar et al. 2016 (https://arxiv.org/abs/1606.05250), section 6.1, and 2018 (https://arxiv.org/abs/1806.03822),
section 5. Where the scripts differ (answers of which nothing is left when articles and punctuation are gone), each
metric follows its own.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import datasets
import evaluate
import numpy as np

from nlpkit.metrics.class_counts import ratio
from nlpkit.metrics.evidence import Evidence, Extremes, Share, Weights

CITATION = "Rajpurkar et al. 2016, SQuAD: 100,000+ Questions for Machine Comprehension of Text, EMNLP"
ARTICLES = re.compile(r"\b(a|an|the)\b")
PUNCTUATION = str.maketrans("", "", string.punctuation)

PERCENT = Extremes(0.0, 100.0)
UNIT = "contexts"  # what is drawn independently: questions about the same one hang together


def normalized(text: str) -> str:
    """Lower case, without ASCII punctuation and English articles, blanks made single."""
    return " ".join(ARTICLES.sub(" ", text.lower().translate(PUNCTUATION)).split())


class Match(NamedTuple):
    """How well an answer fits its best gold answer: `exact` is 0 or 1, `f1` from 0 to 1."""

    exact: float
    f1: float


def match_1(prediction: str, golds: Sequence[str]) -> Match:
    """Best exact match and best F1 over the gold answers, of which there is at least one; SQuAD 1.1."""
    answer = normalized(prediction)
    wanted = [normalized(gold) for gold in golds]
    return Match(float(answer in wanted), max(_overlap(answer.split(), gold.split()) for gold in wanted))


def match_2(prediction: str, golds: Sequence[str]) -> Match:
    """The same for SQuAD 2.0: gold answers that normalize to nothing are left out, and no gold answer is one of "".

    Two empty answers agree.
    """
    answer = normalized(prediction)
    wanted = [text for text in map(normalized, golds) if text] or [""]
    f1 = max(_overlap(answer.split(), gold.split()) if answer and gold else float(answer == gold) for gold in wanted)
    return Match(float(answer in wanted), f1)


def _overlap(answer: list[str], wanted: list[str]) -> float:
    """F1 of two bags of words."""
    common = (Counter(answer) & Counter(wanted)).total()
    # precision is common / answer, recall common / wanted
    return 2 * common / (len(answer) + len(wanted)) if common else 0.0


class BestThreshold(NamedTuple):
    """The best mean score that some threshold on the no-answer score gives, and that threshold.

    `answered` counts the questions that get an answer at it.
    """

    score: float
    threshold: float
    answered: int


def best_threshold(
    scores: np.ndarray, no_answer: np.ndarray, has_answer: np.ndarray, answers: Sequence[str]
) -> BestThreshold:
    """The threshold above which a question is best left without an answer; `find_best_thresh` of SQuAD 2.0.

    Args:
        scores: of the answers, without threshold, shape (n,).
        no_answer: how much speaks for no answer, shape (n,); any scale.
        has_answer: whether the question has a gold answer, shape (n,).
        answers: texts, "" for none.

    Returns:
        With the threshold 0.0 where no answer at all is best, as the script has it.
    """
    given = np.array([bool(answer) for answer in answers])
    gain = np.where(has_answer, scores, -given.astype(float))
    order = np.argsort(no_answer, kind="stable")
    # the score when the questions are answered one by one, those with the least no-answer score first
    course = (~has_answer).sum() + np.concatenate([[0.0], np.cumsum(gain[order])])
    best = int(course.argmax())
    threshold = float(no_answer[order[best - 1]]) if best else 0.0
    return BestThreshold(float(course[best]) / len(scores), threshold, best)


def separating(no_answer: np.ndarray, answered: int) -> float:
    """A threshold that leaves an answer to the `answered` questions with the least no-answer score, shape (n,).

    It lies half-way to the next question, as scores change a little with the batch that they are computed in.
    """
    scores = np.sort(no_answer[np.isfinite(no_answer)])
    if not len(scores):
        return 0.0
    padded = np.concatenate([scores[:1] - 2, scores, scores[-1:] + 2])
    return float(padded[answered : answered + 2].mean())


class SquadScores(evaluate.Metric):
    """SQuAD 1.1: `exact_match` and `f1`, in percent."""

    def _info(self) -> evaluate.MetricInfo:
        text = datasets.Value("string")
        return _info(self.__doc__, text, datasets.List(text))

    def _compute(self, predictions: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, float]:
        matches = np.array([match_1(answer, golds) for answer, golds in zip(predictions, references, strict=True)])
        exact, f1 = 100 * matches.mean(axis=0)
        return {"exact_match": float(exact), "f1": float(f1)}


class Squad2Scores(evaluate.Metric):
    """SQuAD 2.0, in percent: `exact` and `f1` at a threshold, apart for questions with and without an answer
    (`HasAns_`, `NoAns_`), and the best that any threshold gives (`best_`).

    A prediction has the `text` of the best answer and `no_answer`, how much speaks for there being none. An answer
    whose `no_answer` is above `threshold` counts as none.
    """

    def _info(self) -> evaluate.MetricInfo:
        text = datasets.Value("string")
        prediction = {"text": text, "no_answer": datasets.Value("float64")}
        return _info(self.__doc__, prediction, datasets.List(text))

    def _compute(
        self, predictions: Sequence[Mapping[str, Any]], references: Sequence[Sequence[str]], threshold: float = 0.0
    ) -> dict[str, float]:
        answers = [prediction["text"] for prediction in predictions]
        no_answer = np.array([prediction["no_answer"] for prediction in predictions])
        has_answer = np.array([len(golds) > 0 for golds in references])
        raw = np.array([match_2(answer, golds) for answer, golds in zip(answers, references, strict=True)])
        refused = (no_answer > threshold)[:, None]
        answered_or_not = 100 * np.where(refused, ~has_answer[:, None], raw)
        scores: dict[str, float] = {}
        for prefix, chosen in (("", np.full(len(raw), True)), ("HasAns_", has_answer), ("NoAns_", ~has_answer)):
            if chosen.any():
                exact, f1 = answered_or_not[chosen].mean(axis=0)
                scores |= {
                    f"{prefix}exact": float(exact),
                    f"{prefix}f1": float(f1),
                    f"{prefix}total": int(chosen.sum()),
                }
        for name, column in (("exact", 0), ("f1", 1)):
            best = best_threshold(raw[:, column], no_answer, has_answer, answers)
            scores |= {f"best_{name}": 100 * best.score, f"best_{name}_thresh": best.threshold}
        return scores


def evidence_1(matches: Sequence[Match], units: np.ndarray) -> Evidence:
    """What the figures of SQuAD 1.1 hang on.

    Args:
        matches: of each question.
        units: of each question the number of its context.
    """
    each = np.array(matches, dtype=np.float64).reshape(-1, 2)

    def figures(weights: Weights) -> Mapping[str, np.ndarray]:
        exact, f1 = (100 * weights @ each / weights.sum(axis=1, keepdims=True)).T
        return {"exact_match": exact, "f1": f1}

    shares = {"exact_match": Share(each[:, 0], np.ones(len(each)), scale=100)}
    return Evidence(np.arange(len(each)), figures, shares, {"f1": PERCENT}, units=units, unit=UNIT)


def evidence_2(
    raw: Sequence[Match],
    answered: Sequence[bool],
    no_answer: np.ndarray,
    has_answer: np.ndarray,
    units: np.ndarray,
    threshold: float,
) -> Evidence:
    """What the figures of SQuAD 2.0 hang on; thresholds and totals have no draws.

    Args:
        raw: how well the best answer to each question fits, whatever the threshold.
        answered: whether there is such an answer.
        no_answer, has_answer, threshold: see `Squad2Scores` and `best_threshold`.
        units: of each question the number of its context.
    """
    each = np.array(raw, dtype=np.float64).reshape(-1, 2)
    given = np.where((no_answer > threshold)[:, None], ~has_answer[:, None], each).astype(np.float64)
    sides = {"": np.ones(len(each)), "HasAns_": has_answer.astype(float), "NoAns_": (~has_answer).astype(float)}
    sides = {prefix: side for prefix, side in sides.items() if side.any()}
    gain = np.where(has_answer[:, None], each, -np.array(answered, dtype=float)[:, None])
    order = np.argsort(no_answer, kind="stable")

    def figures(weights: Weights) -> Mapping[str, np.ndarray]:
        found: dict[str, np.ndarray] = {}
        rows = weights.sum(axis=1)
        for prefix, side in sides.items():
            total = weights @ side
            for name, column in zip(("exact", "f1"), given.T, strict=True):
                value = 100 * ratio(weights @ (column * side), total)
                found[f"{prefix}{name}"] = np.where(total > 0, value, np.nan)
        in_order = weights[:, order]
        without = weights @ (~has_answer)
        for name, column in zip(("exact", "f1"), gain.T, strict=True):
            course = np.cumsum(in_order * column[order], axis=1).max(axis=1)
            found[f"best_{name}"] = 100 * (without + np.maximum(course, 0)) / rows
        return found

    shares = {f"{prefix}exact": Share(given[:, 0] * side, side, scale=100) for prefix, side in sides.items()}
    if "NoAns_" in sides:  # an answer is right or wrong there
        shares["NoAns_f1"] = Share(given[:, 1] * sides["NoAns_"], sides["NoAns_"], scale=100)
    names = [*(f"{prefix}f1" for prefix in sides), "best_exact", "best_f1"]
    return Evidence(np.arange(len(each)), figures, shares, dict.fromkeys(names, PERCENT), units=units, unit=UNIT)


def _info(description: str | None, predictions: Any, references: Any) -> evaluate.MetricInfo:
    return evaluate.MetricInfo(
        description=description or "",
        citation=CITATION,
        inputs_description="predictions; references: the gold answers of each question, none if it has no answer",
        features=datasets.Features({"predictions": predictions, "references": references}),
    )
