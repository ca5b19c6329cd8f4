"""What is told of ways to learn from few labels: the comparison, the curve over the rows, the rows to label next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nlpkit.markdown import text
from nlpkit.reporting import Cell, Estimate, Table, counted, figures

TEXT_SHOWN = 60  # characters of a row to label


def tables(record: Mapping[str, Any]) -> list[Table]:
    """The ways by cross-validation; then the curve and the rows to label, where they were asked for."""
    told = record["few_shot"]
    found = [_compared(record, told)]
    if told.get("curve"):
        found.append(_curve(told["curve"]))
    if told.get("next"):
        found.append(_next(told["next"]))
    return found


def said(record: Mapping[str, Any]) -> list[str]:
    """What the figures of the ways are of."""
    told = record["few_shot"]
    lines = [f"learnt by: {told['chosen']}: {told['why']}"]
    lines += [f"left out: {way['name']}: {way['left_out']}" for way in told["ways"] if way.get("left_out")]
    lines.append(_of(told))
    if told.get("curve"):
        curve = told["curve"]
        rows = counted(curve["judged"], "row", "rows")
        lines.append(
            f"curve: {curve['draws']} draws of train rows a size, judged on {rows} of validation; in brackets the 95 % "
            "interval of the mean over draws; the last line chooses among frozen ways alone, as a choice with the "
            "others would train the encoder several times a draw"
        )
        if shared := [size for size in curve["sizes"] if 2 * size > curve.get("fewest", 2 * size)]:
            sizes = ", ".join(map(str, shared))
            lines.append(
                f"curve at {sizes}: a label has {curve['fewest']} rows in train, so that draws share most of their "
                "rows: intervals are too narrow there, and where all rows are drawn there is one draw, without any"
            )
        lines += [f"not on the curve: {name}: {why}" for name, why in curve.get("left_out", {}).items()]
    if told.get("next"):
        lines.append(_said_of_next(told["next"]))
    return lines


def card(record: Mapping[str, Any]) -> list[str]:
    """The section of the model card; nothing where a Trainer has trained."""
    told = record.get("few_shot")
    if not told:
        return []
    table = _compared(record, told)
    lines = ["", "## Ways to learn that were compared", "", f"{_of(told)[0].upper()}{_of(told)[1:]}.", ""]
    lines += ["| " + " | ".join(map(text, table.header)) + " |", "|---|" + "---:|" * (len(table.header) - 1)]
    for row in table.rows:
        lines.append("| " + " | ".join("" if cell is None else text(_figure(cell)) for cell in row) + " |")
    return lines


def _of(told: Mapping[str, Any]) -> str:
    counts = told["rows_per_label"].values()
    each = f"{min(counts)}" if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"
    rows = counted(told["rows"], "train row", "train rows")
    return (
        f"ways were compared on {rows}, {each} a label, in {told['folds']} folds; the figure of the best is that of a "
        "winner among few rows: those of rows that are held out are fair"
    )


def _compared(record: Mapping[str, Any], told: Mapping[str, Any]) -> Table:
    names = [record["main_metric"]]
    body: list[list[Cell]] = []
    for way in told["ways"]:
        mark = " (kept)" if way["name"] == told["chosen"] else "" if way["saved"] else " (cannot be saved)"
        if way.get("left_out"):
            body.append([f"{way['name']} (left out)", *[None] * len(names), None, None])
            continue
        shown = figures(way["metrics"], way["metric_intervals"], names)
        body.append([way["name"] + mark, *shown, way["loss"], f"{way['seconds']:.1f}"])
    return Table("cross-validation on the train rows", ["way", *names, "loss", "seconds"], body)


def _curve(curve: Mapping[str, Any]) -> Table:
    body: list[list[Cell]] = []
    for way in curve["ways"]:
        cells: list[Cell] = []
        for point in way["points"]:
            between = point.get("interval")  # one draw has none
            cells.append(Estimate(point["mean"], *between) if between else point["mean"])
        body.append([way["name"], *cells])
    title = f"{curve['metric']} by rows per label"
    return Table(title, ["way", *(str(count) for count in curve["sizes"])], body)


def _next(told: Mapping[str, Any]) -> Table:
    body: list[list[Cell]] = [
        [row["row"], _short(row["text"]), row["prediction"], row["second"], row["margin"]] for row in told["rows"]
    ]
    return Table("to label next", ["row", "text", "prediction", "or", "margin"], body)


def _said_of_next(told: Mapping[str, Any]) -> str:
    line = (
        f"to label next: {counted(len(told['rows']), 'row', 'rows')} of {told['among']:,}, the least sure of each kind"
    )
    if told["known"]:
        line += f"; {counted(told['known'], 'row is', 'rows are')} among the train rows or there twice"
    if told["unread"]:
        line += f"; {counted(told['unread'], 'row', 'rows')} could not be read"
    return line


def _short(value: str) -> str:
    joined = " ".join(value.split())
    return joined if len(joined) <= TEXT_SHOWN else f"{joined[: TEXT_SHOWN - 3]}..."


def _figure(cell: Cell) -> str:
    return f"{cell:.4f}" if isinstance(cell, float) else str(cell)
