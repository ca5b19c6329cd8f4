"""Which classes are taken for which, where there are so many that nobody reads a matrix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nlpkit.reporting import Cell, Table

MOST = 20  # pairs that are kept
SHOWN = 10  # of them on a terminal
MANY = 10  # classes, from which on a terminal shows them


def pairs(names: Sequence[str], matrix: np.ndarray) -> dict[str, Any]:
    """The most frequent mistakes, as JSON values.

    Args:
        names: of the classes.
        matrix: how often each (row) was taken for each (column), shape (names, names).

    Returns:
        `classes` and `mistakes`, how many there are of them, and `pairs`, at most `MOST`: each with `label`,
        `prediction`, `count`, and `share`, of the rows with this label.
    """
    wrong = matrix.copy()
    np.fill_diagonal(wrong, 0)
    true, predicted = np.nonzero(wrong)
    order = np.argsort(-wrong[true, predicted], kind="stable")[:MOST]
    rows = matrix.sum(axis=1)
    found = [
        {
            "label": names[i],
            "prediction": names[j],
            "count": int(wrong[i, j]),
            "share": float(wrong[i, j] / rows[i]),
        }
        for i, j in zip(true[order].tolist(), predicted[order].tolist(), strict=True)
    ]
    return {"classes": len(names), "mistakes": int(wrong.sum()), "pairs": found}


def tables(split: str, details: Mapping[str, Any]) -> list[Table]:
    """The most frequent of them, where there are many classes.

    Args:
        details: of the split; of a task that tells classes apart they have the entry `confused`.
    """
    confused = details.get("confused") or {}
    if confused.get("classes", 0) < MANY or not confused["pairs"]:
        return []
    rows: list[list[Cell]] = [
        [pair["label"], pair["prediction"], pair["count"], f"{pair['share']:.0%}"] for pair in confused["pairs"]
    ]
    title = f"{split}, most confused of {confused['classes']:,} labels ({confused['mistakes']:,} mistakes)"
    header = ["label", "taken for", "rows", "of its rows"]
    return [Table(title, header, rows[:SHOWN], whole=rows)]
