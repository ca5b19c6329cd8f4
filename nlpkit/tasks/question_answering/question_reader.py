"""Labelled rows into questions with their gold answers and the target of training, and findings about them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nlpkit.data import checks, columns, squad
from nlpkit.data.findings import Finding
from nlpkit.data.labels import is_missing
from nlpkit.tasks.question_answering import windows

if TYPE_CHECKING:
    from datasets import Dataset


class QuestionReader:
    """Reads the rows of a split, and remembers what is wrong with them.

    A question whose answers are nowhere in the context is left out of train; in other splits its answers count in the
    figures as ever.

    Args:
        split: `train`, `validation`, ...
        nested: whether the answers are kept in lists or objects: in these an empty cell means that nobody said whether
            there is an answer, in a cell of text that there is none.
    """

    def __init__(self, split: str, *, nested: bool) -> None:
        self.split, self.nested = split, nested
        self.total = self.marked = self.kept = 0  # rows, answers, questions
        self.told: dict[str, list[str]] = defaultdict(list)

    def read(
        self, where: str, question: Any, context: Any, answers: Any, start: Any, id: Any, impossible: Any
    ) -> dict[str, Any] | None:
        """The question of a row, None for one that cannot be used.

        Args:
            where: the row stands.
            question, context, answers, start, id, impossible: cells of the row, None for those that it does not have;
                for answers and start see `squad.answers_of`.

        Returns:
            id, question, context, where; `answers`, all gold texts; the characters [`start`, `end`) that training
            points at: those of the answer that most annotators marked, the first of several, else
            `windows.UNANSWERABLE` or `windows.UNKNOWN`.
        """
        self.total += 1
        if is_missing(question) or is_missing(context):
            self.told["empty-text"].append(f"{where}: the {'question' if is_missing(question) else 'context'} is empty")
            return None
        try:
            question, context = columns.as_text(question, "question"), columns.as_text(context, "context")
        except ValueError as error:
            self.told["unreadable-text"].append(f"{where}: {error}")
            return None
        try:
            unanswerable = squad.is_true(impossible)
            if self.nested and answers is None and not unanswerable:
                self.told["missing-answers"].append(f"{where}: {question!r}")
                return None
            golds = squad.answers_of(answers, start)
        except ValueError as error:
            self.told["unreadable-answers"].append(f"{where}: {error}")
            return None
        if unanswerable and golds:
            self.told["contradicting-answers"].append(f"{where}: {question!r}")
            golds = []
        self.marked += len(golds)
        target = self._target(context, golds, where)
        texts = [gold.text for gold in golds if gold.text.strip()]
        # without a gold answer left, the figures would take it for unanswerable
        if target == windows.UNKNOWN and (self.split == "train" or not texts):
            self.told["lost-question"].append(f"{where}: {question!r}")
            return None
        self.kept += 1
        return {
            "id": "" if is_missing(id) else str(id),
            "question": question,
            "context": context,
            "where": where,
            "answers": texts,
            "start": target[0],
            "end": target[1],
        }

    def _target(self, context: str, golds: Sequence[squad.Answer], where: str) -> tuple[int, int]:
        """Characters of the answer that most annotators marked, or a marker."""
        if not golds:
            return windows.UNANSWERABLE
        spots: Counter[tuple[int, int]] = Counter()
        for gold in golds:
            said = f"{where}: {gold.text!r} is not at character {gold.start}"
            if not gold.text.strip():
                self.told["empty-answer"].append(f"{where}: {gold.text!r}")
                continue
            spot = squad.locate(context, gold)
            if spot is None:
                self.told["lost-answer"].append(said if gold.start is not None else f"{where}: {gold.text!r}")
                continue
            if spot.moved:
                self.told["moved-answer"].append(f"{said} but at {spot.start}")
            spots[spot.start, spot.end] += 1
        return spots.most_common(1)[0][0] if spots else windows.UNKNOWN

    def findings(self) -> list[Finding]:
        """What was found, in one finding a kind."""
        rows, answers = f"of {self.total:,}", f"of {self.marked:,} answers"
        lost = "dropped" if self.split == "train" else "no targets of the loss, but count in the figures"
        said = {
            "empty-text": f"{rows} rows have no question or no context and are left out",
            "unreadable-text": f"{rows} rows have a question or a context that cannot be read and are left out",
            "missing-answers": f"{rows} rows have no answers, nor say that there is none, and are left out",
            "unreadable-answers": f"{rows} rows have answers that cannot be read and are left out",
            "contradicting-answers": f"{rows} questions are marked impossible; their answers are ignored",
            "empty-answer": f"{answers} are empty and dropped",
            "moved-answer": f"{answers} do not start where they are said to, but in one other place, which is taken",
            "lost-answer": f"{answers} stand nowhere in their context, or in several places; they are {lost}",
            "lost-question": f"{rows} questions lose all their answers by that and are left out",
        }
        findings = [
            Finding(
                "warning",
                check,
                f"{self.split}: {len(self.told[check]):,} {message}",
                len(self.told[check]),
                list(dict.fromkeys(self.told[check])),
            )
            for check, message in said.items()
            if check in self.told
        ]
        if self.total and not self.kept and self.split in ("train", "validation"):
            findings.append(checks.no_rows(self.split, self.total, findings))
        return findings


def repeated_ids(ids: Mapping[str, Sequence[str]], places: Mapping[str, Sequence[str]]) -> list[Finding]:
    """Ids that several questions of a split have; "" is none."""
    findings = []
    for split, of_split in ids.items():
        first: dict[str, int] = {}
        repeated = [
            f"{places[split][i]} = {places[split][first[name]]}: {name}"
            for i, name in enumerate(of_split)
            if name and first.setdefault(name, i) != i
        ]
        if repeated:
            message = f"{split}: {len(repeated):,} of {len(of_split):,} ids are of an earlier question too"
            findings.append(Finding("warning", "duplicate-id", message, len(repeated), repeated))
    return findings


def shared_contexts(contexts: Mapping[str, Sequence[str]]) -> list[Finding]:
    """Contexts of other splits that the model has read in training, if with other questions."""
    findings = []
    train = set(contexts["train"])
    for split, of_split in contexts.items():
        distinct = set(of_split)
        shared = len(distinct & train)
        if split != "train" and shared:
            message = f"{split}: {shared:,} of {len(distinct):,} contexts also stand in train, with other questions"
            findings.append(Finding("note", "shared-contexts", message, shared))
    return findings


SUMMARY = ("questions", "contexts", "answers", "unanswerable", "words an answer", "mean start at")


def summary(examples: Dataset) -> list[Any]:
    """Cells under `SUMMARY`: what is in the examples of a split, and where in the context answers start."""
    contexts, answers = examples["context"][:], examples["answers"][:]
    starts = np.asarray(examples["start"][:])
    answered = starts >= 0
    sizes = np.array([len(text) for text in contexts])
    words = [len(text.split()) for golds in answers for text in golds]
    none = (starts == windows.UNANSWERABLE[0]).mean() if len(starts) else 0.0
    return [
        len(examples),
        len(set(contexts)),
        sum(map(len, answers)),
        f"{none:.1%}",
        f"{np.mean(words):.1f}" if words else None,
        f"{np.mean(starts[answered] / sizes[answered]):.0%}" if answered.any() else None,
    ]
