"""Which classes are taken for which, where there are so many that nobody reads a matrix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nlpkit.reporting import Cell, Table

MOST = 20  # pairs that are kept
SHOWN = 10  # of them on a terminal
MANY = 10  # classes, from which on a terminal shows them
DRAWN = 20  # classes of a matrix that can be read


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
            "label": str(names[i]),
            "prediction": str(names[j]),
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
    header = ["label", "taken for", "rows", "of the label's"]
    return [Table(title, header, rows[:SHOWN], to_left=True, whole=rows)]


def core(names: Sequence[str], matrix: np.ndarray, most: int = DRAWN) -> tuple[list[str], np.ndarray, str]:
    """The part of a matrix that is worth a look: the classes with most mistakes, those that are alike side by side.

    Args:
        names, matrix: see `pairs`.
        most: classes that are left as they are.

    Returns:
        Names and counts of the same kind, and what is left out, for a title. Of more than `most` classes the others
        are one more, behind them; a mistake among these cannot be seen.
    """
    if len(names) <= most:
        return list(names), matrix, ""
    off = matrix - np.diag(np.diag(matrix))
    wrong = off.sum(axis=0) + off.sum(axis=1)
    chosen = np.sort(np.argsort(-wrong, kind="stable")[:most])
    chosen = chosen[_side_by_side(off[np.ix_(chosen, chosen)])]
    places = np.full(len(names), most)
    places[chosen] = np.arange(most)
    small = np.zeros((most + 1, most + 1), dtype=matrix.dtype)
    np.add.at(small, (places[:, None], places[None, :]), matrix)
    shown = [*(names[i] for i in chosen.tolist()), f"({len(names) - most:,} others)"]
    return shown, small, f"the {most} of {len(names):,} with most mistakes"


def _side_by_side(off: np.ndarray) -> np.ndarray:
    """An order of classes in which those that are taken for one another are neighbours.

    Args:
        off: mistakes among them, shape (classes, classes), at least two classes.
    """
    from scipy.cluster import hierarchy
    from scipy.spatial.distance import squareform

    both = (off + off.T).astype(np.float64)
    apart = 1 / (1 + both)
    np.fill_diagonal(apart, 0)
    distances = squareform(apart, checks=False)
    tree = hierarchy.linkage(distances, "average")
    return hierarchy.leaves_list(hierarchy.optimal_leaf_ordering(tree, distances))
