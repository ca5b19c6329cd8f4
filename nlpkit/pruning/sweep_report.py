"""The front of a sweep: what its runs lose over what they gain, as a table, a file and a plot."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nlpkit.reporting import Cell, Table, figures

Points = Sequence[Mapping[str, Any]]  # `sparsity`, and `price` as nlpkit.json keeps it; at least one


def table(points: Points) -> Table:
    """A row for each run, the unpruned model first."""
    header, rows = _front(points)
    metric, first = points[0]["price"]["main_metric"], points[0]["price"]["sides"][0]
    shown: list[list[Cell]] = []
    for side, row in zip([first, *(point["price"]["sides"][1] for point in points)], rows, strict=True):
        sparsity, _, *others = row
        shown.append([sparsity, *figures(side["metrics"], side.get("metric_intervals"), [metric]), *others])
    return Table(f"front ({points[0]['price']['split']})", header, shown)


def write(points: Points, folder: Path, *, faster: bool) -> None:
    """Write front.csv, and plots/front.png: the main metric over speed-up or sparsity.

    Args:
        folder: to write to.
        faster: whether the runs differ in speed; where not, or where it was not measured, the sparsity is shown.
    """
    from nlpkit.runs import plots

    header, rows = _front(points)
    with (folder / "front.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    x = len(header) - 1 if faster and _timed(points) else 0
    labels = [f"{row[0]:.0%}" for row in rows]
    picture = plots.front([row[x] for row in rows], [row[1] for row in rows], labels, header[x], header[1])
    plots.draw({"front": picture}, folder / "plots")


def _timed(points: Points) -> bool:
    # of one run there may have been no memory for it
    return all("p50_ms" in side for point in points for side in point["price"]["sides"])


def _front(points: Points) -> tuple[list[str], list[list[float]]]:
    """Names and values of what is compared."""
    metric, timed = points[0]["price"]["main_metric"], _timed(points)
    before = points[0]["price"]["sides"][0]
    header = ["sparsity", metric, "points lost", "bytes"] + ["faster one by one", "faster in batches"] * timed
    rows = [[0.0, before["metrics"][metric], 0.0, before["bytes"]] + [1.0, 1.0] * timed]
    for point in points:
        # each run has measured the unpruned model anew, beside its own
        before, after = point["price"]["sides"]
        row = [point["sparsity"], after["metrics"][metric], after["points_lost"], after["bytes"]]
        if timed:
            row += [before["p50_ms"] / after["p50_ms"], after["rows_per_second"] / before["rows_per_second"]]
        rows.append(row)
    return header, rows
