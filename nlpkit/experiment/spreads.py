"""Figures of several trainings, those of --cv and of --seeds: their mean and spread, tables, and what they are of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nlpkit.markdown import text
from nlpkit.reporting import Cell, Table, counted, duration, figures, titled
from nlpkit.tasks import suspects as suspect_rows

FILE = "cv.jsonl"  # in the run folder: all rows, as they were judged
SPREAD = {"mean": "mean", "sd": "standard deviation", "least": "least", "most": "most"}
SEEN_BEFORE = "trained-on-before"  # the check that tells that the model to begin with was trained on judged rows
NOT_SEEN = "a model that had not seen it"
SHOWN_SUSPECTS = 5  # that people are shown


def spread(each_of: Sequence[Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """Mean, standard deviation (of a sample: n - 1) and range of the metrics that all have.

    Args:
        each_of: metrics of two or more.
    """
    names = [name for name in each_of[0] if all(np.isfinite(each.get(name, np.nan)) for each in each_of)]
    values = {name: [each[name] for each in each_of] for name in names}
    return {
        "mean": {name: float(np.mean(each)) for name, each in values.items()},
        "sd": {name: float(np.std(each, ddof=1)) for name, each in values.items()},
        "least": {name: float(min(each)) for name, each in values.items()},
        "most": {name: float(max(each)) for name, each in values.items()},
    }


# --- of folds ---


def of_folds(record: Mapping[str, Any]) -> Table:
    """A line for each fold, their mean and standard deviation, and the figures over all rows; then the baseline's."""
    cv = record["cv"]
    names = [name for name in record["table_metrics"] if any(name in fold["metrics"] for fold in cv["each"])]

    def cells(metrics: Mapping[str, float]) -> list[float | None]:
        return [metrics.get(name) for name in names]

    body: list[list[Any]] = [[str(i), each["rows"], *cells(each["metrics"])] for i, each in enumerate(cv["each"], 1)]
    body += [["mean", None, *cells(cv["mean"])], ["standard deviation", None, *cells(cv["sd"])]]
    body.append(["all rows", cv["rows"], *figures(cv["pooled"], cv.get("pooled_intervals"), names)])
    if base := cv.get("baseline"):
        name = base["name"]
        body += [[f"{name}: mean", None, *cells(base["mean"])], [f"{name}: sd", None, *cells(base["sd"])]]
        pooled = figures(base["pooled"], base.get("pooled_intervals"), names)
        body.append([f"{name}: all rows", cv["rows"], *pooled])
    header = ["fold", "rows", *titled(names, record.get("metric_notes", {}))]
    return Table(f"cross-validation, {cv['folds']} folds", header, body)


def said_of_folds(record: Mapping[str, Any]) -> list[str]:
    """What the figures of the folds are of, and the rows whose label may be wrong."""
    cv, metric = record["cv"], record["main_metric"]
    lines = [folds_mean(record)]
    if metric in cv["mean"]:
        lines.insert(
            0, f"cross-validation: {metric} {cv['mean'][metric]:.4f} ± {cv['sd'][metric]:.4f} over {cv['folds']} folds"
        )
    lines += _against_baseline(cv)
    doubted = cv["suspects"]
    if doubted["rows"]:
        count = counted(len(doubted["rows"]), "row", "rows")
        lines.append(f"labels to look at: {count} contradicted by a model that had not seen them ({FILE} has all rows)")
        lines += [f"  {suspect_rows.line(row)}" for row in doubted["rows"][:SHOWN_SUSPECTS]]
    return lines


def _against_baseline(cv: Mapping[str, Any]) -> list[str]:
    """How far the models are from the classical one, on all rows; nothing where there is no telling."""
    baseline = cv.get("baseline") or {}
    if not (difference := baseline.get("difference")):
        return []
    metric, name = difference["metric"], baseline["name"]
    shown = f"{metric} {cv['pooled'][metric]:.4f} against {baseline['pooled'][metric]:.4f} of {name} on the same rows"
    if difference["p"] is not None:
        shown += f", p = {difference['p']:.2g}"
    if not difference["told_apart"]:
        shown += ": not told apart"
    return [shown]


def folds_mean(record: Mapping[str, Any]) -> str:
    """What the figures of the folds are of, in one sentence."""
    seen = any(finding.get("check") == SEEN_BEFORE for finding in record.get("findings") or ())
    by = "a model trained without it, that began with one which had seen some of them" if seen else NOT_SEEN
    return (
        f"each of {record['cv']['rows']:,} rows was judged once, by {by}; these are figures of the "
        "procedure, not of the saved model, which is another one, trained on more rows"
    )


def card_of_folds(record: Mapping[str, Any]) -> list[str]:
    """The section of the model card on --cv; nothing where the run has none."""
    if not record.get("cv"):
        return []
    sentence = folds_mean(record)
    return ["", "## Cross-validation", "", f"{sentence[0].upper()}{sentence[1:]}.", "", *_markdown(of_folds(record))]


# --- of seeds ---


def planned(seeds: Sequence[int], seconds: float) -> list[tuple[str, str]]:
    """What is about to be trained, for people; nothing where there are no seeds.

    Args:
        seconds: that one takes, roughly.
    """
    if not seeds:
        return []
    return [
        (
            "seeds",
            f"{', '.join(map(str, seeds))}: {len(seeds)} trainings, about {duration(seconds * len(seeds))} in all",
        )
    ]


def of_seeds(record: Mapping[str, Any]) -> Table:
    """For each split that was not trained on a line for each seed, then mean, standard deviation and range."""
    seeds = record["seeds"]
    splits = [split for split in record["metrics"] if split != "train"]
    names = [name for name in record["table_metrics"] if any(name in record["metrics"][split] for split in splits)]

    def cells(metrics: Mapping[str, float]) -> list[float | None]:
        return [metrics.get(name) for name in names]

    body: list[list[Any]] = []
    for split in splits:
        for each in seeds["each"]:
            kept = " (kept)" if each["seed"] == seeds["chosen"] else ""
            body.append([split, f"{each['seed']}{kept}", *cells(each["metrics"][split])])
        body += [[split, title, *cells(seeds[key][split])] for key, title in SPREAD.items()]
    return Table(f"{len(seeds['each'])} seeds", ["split", "seed", *titled(names, record.get("metric_notes", {}))], body)


def said_of_seeds(record: Mapping[str, Any]) -> list[str]:
    """Which model was kept, and what its figures are worth."""
    seeds, metric = record["seeds"], record["main_metric"]
    lines = []
    for split in record["metrics"]:
        if split != "train" and metric in seeds["mean"][split]:
            mean, sd = seeds["mean"][split][metric], seeds["sd"][split][metric]
            lines.append(f"seeds: {split} {metric} {mean:.4f} ± {sd:.4f} over {len(seeds['each'])} seeds")
    return [*lines, seeds_mean(seeds)]


def seeds_mean(seeds: Mapping[str, Any]) -> str:
    """What the figures of the kept model are, in one sentence."""
    return (
        f"the model of seed {seeds['chosen']} was kept, the best of {len(seeds['each'])} by {seeds['chosen_by']}: its "
        "own figures are those of a winner; mean and standard deviation over the seeds say what to expect of the recipe"
    )


def card_of_seeds(record: Mapping[str, Any]) -> list[str]:
    """The section of the model card on --seeds; nothing where the run has none."""
    if not (seeds := record.get("seeds")):
        return []
    sentence = seeds_mean(seeds)
    return ["", "## Seeds", "", f"{sentence[0].upper()}{sentence[1:]}.", "", *_markdown(of_seeds(record))]


def _markdown(table: Table) -> list[str]:
    """A table of a card: figures with four decimals."""
    lines = ["| " + " | ".join(map(text, table.header)) + " |", "|---|" + "---:|" * (len(table.header) - 1)]
    for row in table.rows:
        lines.append("| " + " | ".join("" if cell is None else text(_figure(cell)) for cell in row) + " |")
    return lines


def _figure(cell: Cell) -> str:
    return f"{cell:.4f}" if isinstance(cell, float) else str(cell)
