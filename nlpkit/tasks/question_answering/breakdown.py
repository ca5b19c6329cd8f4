"""How well questions are answered, by what is asked and by how long the answer is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from nlpkit.tasks.question_answering.lexical_reader import kind_of


def of(questions: Sequence[str], answers: Sequence[Sequence[str]], matches: Sequence[Any]) -> dict[str, Any]:
    """F1 and exact match, in percent, by question word and by words of the first gold answer.

    Args:
        questions: of the examples.
        answers: their gold answers.
        matches: how well the answer given to each fits, `exact` and `f1` as shares.
    """
    groups: dict[str, dict[str, list[Any]]] = {
        "by_question_word": defaultdict(list),
        "by_answer_length": defaultdict(list),
    }
    for question, golds, match in zip(questions, answers, matches, strict=True):
        groups["by_question_word"][kind_of(question)].append(match)
        groups["by_answer_length"][_length_group(golds)].append(match)
    return {
        name: {
            group: {"exact": 100 * exact, "f1": 100 * f1, "questions": len(members[group])}
            for group in sorted(members, key=lambda group: -len(members[group]))
            for exact, f1 in [np.mean(members[group], axis=0).tolist()]
        }
        for name, members in groups.items()
    }


def _length_group(golds: Sequence[str]) -> str:
    if not golds:
        return "no answer"
    words = len(golds[0].split())
    return next(
        (name for most, name in ((1, "1 word"), (3, "2-3 words"), (7, "4-7 words")) if words <= most), "8+ words"
    )
