"""What is told of a search: the plan, the branches, the front, and what stopped it from going further."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nlpkit.compression import shapes
from nlpkit.compression.search import FINALISTS, LADDER, SLACK, Candidate, passes
from nlpkit.compression.wishes import Wishes
from nlpkit.measurement import before_after
from nlpkit.options import Config
from nlpkit.reporting import Cell, Report, Table, counted
from nlpkit.runs.folder import human_bytes
from nlpkit.tasks.roles import Judged

if TYPE_CHECKING:
    from nlpkit.compression.search import Search

BINDS = 0.9  # a limit is named as what stops where the chosen model comes so near to it
FRONT = "front.csv"


def plan(config: Config, wishes: Wishes, search: Search, device: str, folder: Path) -> list[tuple[str, str]]:
    """What is about to be done."""
    chain, costs = search.chain, search.costs
    minutes = "as long as it takes" if search.budget.minutes is None else f"{search.budget.minutes:g} minutes at most"
    course = "first what needs no training"
    if len(search.tables) > 1:
        course += ", smaller tables of embeddings among it"
    if wishes.of_shape:
        course += (
            f"; then short trials of at most {search.branches} of the branches below, {FINALISTS} trained whole at most"
        )
    else:
        course += f"; then models up to {max(LADDER):g} times as fast as that, until one loses too much"
    return [
        ("model", f"{chain.model}, {costs.layers} layers, whose {shapes.spoken(chain.parts)} may go"),
        ("wished for", wishes.described()),
        ("format", chain.to or "weights for torch"),
        ("search", course),
        ("training", f"{passes(search.epochs)} of {counted(search.train_rows, 'row', 'rows')}; {minutes}"),
        ("device", device),
        ("output", str(folder)),
    ]


def branches(search: Search) -> Table:
    """What the branches are expected to be like, before any is trained: with the table of embeddings that leaves most
    room, as what a smaller one loses is not known yet."""
    tables = search.tables[::-1]
    found = shapes.within(search.wishes, search.costs, tables) if search.wishes.of_shape else []
    whole = shapes.Shape(search.costs.layers)
    listed = [("whole", whole, search.costs.expected(whole))]
    listed += [(search.chain.named(branch.shape), branch.shape, branch.expected) for branch in found]
    rows: list[list[Cell]] = [
        [
            name,
            shape.layers,
            f"{shape.share:.0%}",
            human_bytes(figures.size),
            f"{1e3 * figures.seconds:.2f}",
            f"{figures.speedup:.1f}",
        ]
        for name, shape, figures in listed
    ]
    title = f"shapes as they are expected in this format ({search.wishes.call})"
    return Table(title, ["branch", "layers", "of each layer", "size", "ms", "times as fast"], rows)


def report(record: Mapping[str, Any], folder: Path, task: Judged) -> Report:
    """What people and machines are told of a finished search."""
    found = record["compression"]
    wishes = Wishes(**found["wishes"])
    front = found["front"]
    tables = [candidates(found), before_after.table(front, "front")]
    lines = [f"chosen: {found['chosen']}"]
    lines += before_after.lines(record["price"], task)
    lines += [f"stopped: {reason}" for reason in stopped(found, wishes)]
    failure = ""
    if found["missed"]:
        failure = f"nothing meets the limits; the nearest is {found['chosen']}: {'; '.join(found['missed'])}"
        lines.append(failure)
    lines.append(f"{folder}: the model; front.csv, plots/front.png, steps/ with the runs that it was made by")
    return Report(
        {**record, "output": str(folder)},
        tables,
        lines,
        next_command=type(task).view_type().example_call(folder),
        exit_code=1 if failure else 0,
        failure=failure,
    )


def candidates(found: Mapping[str, Any]) -> Table:
    """A row for each model that was made, as validation chose among them."""
    metric = found["front"]["main_metric"]
    rows: list[list[Cell]] = []
    for item in map(Candidate.from_record, found["candidates"]):
        figures = item.figures
        rows.append(
            [
                f"{item.name}{' *' if item.name == found['chosen'] else ''}",
                item.effort if item.stopped is None else f"{item.effort}, given up",
                f"{item.metric:.4f}",
                None if figures.drop is None else f"{figures.drop:.2f}",
                human_bytes(figures.size),
                f"{1e3 * figures.seconds:.2f}",
                f"{figures.speedup:.1f}",
            ]
        )
    header = ["model", "training", metric, "points lost", "size", "ms", "times as fast"]
    return Table("search (validation, which chose)", header, rows)


def stopped(found: Mapping[str, Any], wishes: Wishes) -> list[str]:
    """What kept the search from a smaller, faster or better model."""
    chosen = next(Candidate.from_record(item) for item in found["candidates"] if item["name"] == found["chosen"])
    reasons = list(dict.fromkeys(found["stops"]))
    figures = chosen.figures
    near = {
        f"the size, {human_bytes(figures.size)} of {human_bytes(wishes.size or 0)}": wishes.size
        and figures.size >= BINDS * wishes.size,
        f"the latency, {1e3 * figures.seconds:.3g} of {1e3 * (wishes.seconds or 0):.3g} ms": wishes.seconds
        and figures.seconds >= BINDS * wishes.seconds,
        f"the speed, {figures.speedup:.1f} of {wishes.speedup or 0:g} times": wishes.speedup
        and figures.speedup * BINDS <= wishes.speedup,
        f"the loss, {figures.drop or 0:.2f} of {wishes.drop or 0:g} points": wishes.drop is not None
        and figures.drop is not None
        and figures.drop >= BINDS * wishes.drop,
    }
    binding = [reason for reason, holds in near.items() if holds]
    if binding:
        reasons.append(f"what binds is {' and '.join(binding)}")
    for item in map(Candidate.from_record, found["candidates"]):
        if item.effort == "trained" and item.name != chosen.name and (missed := wishes.missed(item.figures, SLACK)):
            reasons.append(f"{item.name} goes further: {'; '.join(missed)}")
    return reasons


def write(found: Mapping[str, Any], folder: Path) -> None:
    """Write front.csv and plots/front.png.

    Args:
        found: `compression` of the record.
        folder: to write to.
    """
    from nlpkit.runs import plots

    sides: Sequence[Mapping[str, Any]] = found["front"]["sides"]
    metric = found["front"]["main_metric"]
    timed = all("p50_ms" in side for side in sides)
    header = ["model", metric, "points lost", "bytes", *(["p50 ms", "rows/s"] if timed else [])]
    rows = [
        [side["name"], side["metrics"][metric], side["points_lost"], side["bytes"]]
        + ([side["p50_ms"], side["rows_per_second"]] if timed else [])
        for side in sides
    ]
    with (folder / FRONT).open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    x = [sides[0]["p50_ms"] / side["p50_ms"] if timed else sides[0]["bytes"] / side["bytes"] for side in sides]
    y = [side["metrics"][metric] for side in sides]
    label = "times as fast, one by one" if timed else "times smaller"
    picture = plots.front(
        x, y, [side["name"] for side in sides], label, metric, lower_is_better=found["lower_is_better"]
    )
    plots.draw({"front": picture}, folder / "plots")
