"""Answers from the best spans of each question: which one is given, when none is, and how well it fits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from nlpkit.tasks.outputs import exact
from nlpkit.tasks.question_answering import spans

if TYPE_CHECKING:
    from nlpkit.metrics.evidence import Evidence


def best(outputs: Sequence[np.ndarray], contexts: Sequence[str]) -> tuple[list[str], np.ndarray]:
    """The best answer to each question, "" where no span is left, and how far no answer is above it.

    Args:
        outputs: of each question, as `spans.merged` gives them.
        contexts: of each question.
    """
    answers = [
        context[candidates["start"][1] : candidates["end"][1]] if len(candidates) > 1 else ""
        for candidates, context in zip(outputs, contexts, strict=True)
    ]
    return answers, np.array([spans.null_margin(candidates) for candidates in outputs])


def refused(margin: float, null_threshold: float | None) -> bool:
    """Whether no answer is given where no answer is this far above the best span."""
    return null_threshold is not None and margin > null_threshold


def tuned_threshold(
    outputs: Sequence[np.ndarray], contexts: Sequence[str], golds: Sequence[Sequence[str]], has_answer: np.ndarray
) -> float:
    """The threshold for no answer that gives the best F1.

    Args:
        outputs: see `best`, as `contexts`.
        golds: the answers that are right, none where there is no answer.
        has_answer: whether a question has one, bool of shape (questions,).
    """
    from nlpkit.metrics import squad as metrics

    answers, margins = best(outputs, contexts)
    scores = np.array([metrics.match_2(answer, wanted).f1 for answer, wanted in zip(answers, golds, strict=True)])
    tuned = metrics.best_threshold(scores, margins, has_answer, answers)
    return metrics.separating(margins, tuned.answered)


def matches(
    outputs: Sequence[np.ndarray],
    contexts: Sequence[str],
    golds: Sequence[Sequence[str]],
    null_threshold: float | None,
) -> list[Any]:
    """How well the answer given to each question fits, at the threshold.

    Args:
        outputs: see `best`, as `contexts`.
        golds: the answers that are right, none where there is no answer.
        null_threshold: None gives every question an answer.
    """
    from nlpkit.metrics import squad as metrics

    answers, margins = best(outputs, contexts)
    match = metrics.match_1 if null_threshold is None and all(golds) else metrics.match_2
    given = ["" if refused(margin, null_threshold) else answer for answer, margin in zip(answers, margins, strict=True)]
    return [match(answer, wanted) for answer, wanted in zip(given, golds, strict=True)]


def evidence(
    outputs: Sequence[np.ndarray],
    contexts: Sequence[str],
    golds: Sequence[Sequence[str]],
    null_threshold: float | None,
) -> Evidence:
    """What the metrics of answers hang on; the arguments are those of `matches`."""
    from nlpkit.metrics import squad as metrics

    numbers = {context: number for number, context in enumerate(dict.fromkeys(contexts))}
    units = np.array([numbers[context] for context in contexts])
    if null_threshold is None and all(golds):
        return metrics.evidence_1(matches(outputs, contexts, golds, null_threshold), units)
    answers, margins = best(outputs, contexts)
    return metrics.evidence_2(
        [metrics.match_2(answer, wanted) for answer, wanted in zip(answers, golds, strict=True)],
        [bool(answer) for answer in answers],
        margins,
        np.array([len(wanted) > 0 for wanted in golds]),
        units,
        float("inf") if null_threshold is None else null_threshold,
    )


def decoded(
    outputs: Sequence[np.ndarray], contexts: Iterable[str], null_threshold: float | None, *, count: int
) -> Iterator[dict[str, Any]]:
    """Answers as they stand in the context, see `QuestionAnswering.decode`.

    Args:
        outputs: see `best`, as `contexts`.
        null_threshold: None gives every question an answer.
        count: answers that are listed.
    """
    for candidates, shares, context in zip(outputs, spans.probabilities(outputs), contexts, strict=True):
        margin = spans.null_margin(candidates)
        null, *listed = [
            _answer(context, span, share)
            for span, share in zip(candidates[: count + 1].tolist(), map(exact, shares[: count + 1]), strict=True)
        ]
        chosen = null if refused(margin, null_threshold) or not listed else listed[0]
        if null_threshold is not None:
            listed = sorted([null, *listed], key=itemgetter("score"), reverse=True)
        # by the tuned threshold the answer given need not be the one with the best score
        listed = [chosen, *(other for other in listed if other is not chosen)]
        yield {
            "prediction": chosen["text"],
            "score": chosen["score"],
            "start": chosen["start"],
            "end": chosen["end"],
            "null_margin": exact(margin) if np.isfinite(margin) else None,
            "n_best": listed[:count],
        }


def _answer(context: str, span: tuple[int, int, float], share: float) -> dict[str, Any]:
    start, end, _ = span
    if start < 0:
        return {"text": "", "score": share, "start": None, "end": None}
    return {"text": context[start:end], "score": share, "start": start, "end": end}
