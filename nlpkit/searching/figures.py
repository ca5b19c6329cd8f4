"""How well an index is searched, on judged questions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nlpkit.metrics import intervals, retrieval
from nlpkit.metrics.evidence import Evidence
from nlpkit.reporting import Table, figures
from nlpkit.searching.opened import Answer, Index

MAIN = retrieval.MAIN
SHOWN = (MAIN, "recall@1", "recall@5", "recall@10", "mrr@10")
DEPTH = retrieval.DEPTH
NOBODY = -1  # where there is no document


def documents(index: Index, answers: Sequence[Answer]) -> np.ndarray:
    """The places of the documents that were found, shape (questions, depth), `NOBODY` behind the last."""
    out = np.full((len(answers), DEPTH), NOBODY)
    for row, answer in zip(out, answers, strict=True):
        found = index.documents[answer.ranked.rows[:DEPTH]]
        row[: len(found)] = found
    return out


def each(found: np.ndarray, relevant: Sequence[Mapping[int, float]]) -> dict[str, np.ndarray]:
    """The figures of each question, shape (questions,) each.

    Args:
        found: see `documents`.
        relevant: grades by document.
    """
    known = retrieval.per_query(retrieval.Ranking(found, np.zeros(found.shape, np.float32)), relevant)
    five = [
        sum(own.get(place, 0) > 0 for place in row[:5]) / sum(grade > 0 for grade in own.values())
        for row, own in zip(found.tolist(), relevant, strict=True)
    ]
    return {name: np.asarray(five) if name == "recall@5" else known[name] for name in SHOWN}


def evidence(found: np.ndarray, relevant: Sequence[Mapping[int, float]]) -> Evidence:
    """What these figures hang on: questions are drawn."""
    return retrieval.of_queries(each(found, relevant))


def record(of: Evidence) -> dict[str, Any]:
    """Figures and intervals as JSON values."""
    between = {name: list(ends) for name, ends in intervals.of(of).items()}
    return {"metrics": of.observed(), "metric_intervals": between, "questions": of.rows}


def table(title: str, rows: Mapping[str, Mapping[str, Any]]) -> Table:
    """A line for each way of searching."""
    body = [[name, *figures(row["metrics"], row["metric_intervals"], SHOWN)] for name, row in rows.items()]
    return Table(title, ["", *SHOWN], body)
