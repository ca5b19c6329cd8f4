"""What figures of few rows are worth: said beside them, wherever a model is judged."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from nlpkit.reporting import counted

FEW = 30  # among fewer rows one alone moves a share of them by more than three points
FEW_STEPS = 100  # in fewer a new head hardly leaves its first random values at the usual learning rates


def few_rows(rows: Mapping[str, int]) -> list[str]:
    """A line for each split that has fewer than `FEW` rows, by its number of rows that were judged."""
    return [
        f"{split}: the figures are of only {count:,} {'row' if count == 1 else 'rows'}"
        for split, count in rows.items()
        if 0 < count < FEW
    ]


def with_figures(metrics: Mapping[str, Mapping[str, Any]], names: Collection[str]) -> list[str]:
    """The splits that tables of figures have rows for: all but a train split that has none of them, as texts that teach
    without a score have.

    Args:
        metrics: by split.
        names: of the columns.
    """
    return [split for split, found in metrics.items() if split != "train" or any(name in found for name in names)]


def interval_notes(record: Mapping[str, Any]) -> list[str]:
    """What the intervals of a record are of; nothing where it has none.

    Args:
        record: with `metric_intervals`, `interval_level` and `interval_units`, which records of older versions lack.
    """
    if not any((record.get("metric_intervals") or {}).values()):
        return []
    units = record.get("interval_units") or {}
    drawn = ", ".join(
        f"{count:,} {unit.removesuffix('s') if count == 1 else unit} of {split}"
        for split, of_split in units.items()
        if split != "train" or len(units) == 1
        for unit, count in of_split.items()
    )
    level = record.get("interval_level", 0.95)
    return [f"in brackets: {100 * level:g} % confidence intervals ({drawn}); another seed may differ by more"]


def chosen_by_validation(record: Mapping[str, Any]) -> list[str]:
    """A line where the only split that is held out is validation, by which the checkpoint was chosen."""
    tried = record.get("checkpoints_judged") or 0  # which records of older versions lack
    if tried < 2 or set(record["metrics"]) - {"train", "validation"}:
        return []
    return [
        f"validation chose among {tried:,} checkpoints, so its figures are a little too good; a test split "
        "(--test-file, --test-share) gives fair ones"
    ]


def few_steps(record: Mapping[str, Any], lower_is_better: Collection[str]) -> list[str]:
    """A line where the model was hardly trained: nothing is right, or few steps were taken and the last was the best.

    Args:
        lower_is_better: metrics of the task of which 0 is the best.
    """
    steps, metric = record["steps"], record["main_metric"]
    best = (record["metrics"].get("validation") or {}).get(metric)
    if steps and best == 0 and metric not in lower_is_better:
        return [
            f"{metric} on validation is 0 after {counted(steps, 'step', 'steps')}: train for longer (--epochs), in "
            "smaller batches (--batch-size), or at a higher --learning-rate"
        ]
    if 0 < steps < FEW_STEPS and record.get("best_step") == steps and (record.get("checkpoints_judged") or 0) > 1:
        return [f"only {counted(steps, 'step', 'steps')}, and the last was the best: more --epochs may help"]
    return []


def against_baseline(record: Mapping[str, Any]) -> list[str]:
    """A line where the classical model of --baseline is better than the trained one, or cannot be told from it; of the
    model before training always one."""
    baseline = record.get("baseline") or {}
    differences = baseline.get("differences") or {}  # which records of older versions lack
    split = next((split for split in ("test", "validation") if split in differences), None)
    if split is None or (differences[split].get("better") == "model" and not baseline.get("before")):
        return []
    difference, name = differences[split], differences[split]["metric"]
    own, other = (figures["metrics"].get(split, {}).get(name) for figures in (record, baseline))
    if own is None or other is None:
        return []
    p = "" if difference.get("p") is None else f", p = {difference['p']:.2g}"
    shown = f"{name} {own:.4g} against {other:.4g} on {split}{p}"
    if baseline.get("before"):
        return [_since_the_start(difference, f"{split} {name} {other:.4g} before, {own:.4g} after")]
    if difference.get("better") == "baseline":
        return [f"{baseline['name']} is better ({shown}): use it, or train on more rows or for longer (--epochs)"]
    own_rate, its_rate = (figures.get("rows_per_second") for figures in (record, baseline))  # older records have none
    cheaper = "" if own_rate and its_rate and its_rate <= own_rate else ", which is cheaper"
    return [f"no clear difference from {baseline['name']} ({shown}){cheaper}: more rows may show one"]


def _since_the_start(difference: Mapping[str, Any], shown: str) -> str:
    """What training has done to the model that was begun with."""
    better, between = difference.get("better"), difference.get("interval")
    shown += f": {difference['value']:+.4f}" + (f" ({between[0]:+.4f} to {between[1]:+.4f})" if between else "")
    if better == "model":
        return f"training made the model better ({shown})"
    if better is None:
        return f"training made no clear difference ({shown}): more rows may, or more of them to judge by may show one"
    return (
        f"training made the model worse ({shown}): keep the one from before, or look at what most often does that: "
        "rows unlike those of validation, texts of other rows that are right answers too (`nlpkit check-data` counts "
        "them), a --learning-rate that is too high, too few rows for so many --epochs"
    )
