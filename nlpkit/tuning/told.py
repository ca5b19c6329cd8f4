"""What a search says in the end: its table, which options mattered, what was gained on other rows, and files of it."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from nlpkit.options import flag_of
from nlpkit.reporting import Cell, Table, counted
from nlpkit.tuning import study as account
from nlpkit.tuning.search import LATENCY, Told, ordered, shown_value
from nlpkit.tuning.space import Space

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial

SHOWN = 20  # trials of the table on a screen
ENOUGH = 8  # trials from which on it is told which options mattered
TREES_SEED = 0


def rows_of(trials: Sequence[Told], space: Space, names: Sequence[str], *, lower: bool) -> list[dict[str, Any]]:
    """Each trial as a flat row, the best first; an option that a trial has not drawn is as its command took it."""
    return [
        {
            "trial": each.number,
            "is_default": each.is_default,
            "state": each.state,
            **{name: each.value(name, space) for name in space.searched},
            **{name: each.figures.get(name) for name in names},
            "minutes": round(each.minutes, 2),
            "repeats": each.repeats,
            "error": each.error,
            "machine": each.machine,
            "folder": each.folder,
        }
        for each in ordered(trials, names, lower=lower)
    ]


def table(rows: Sequence[Mapping[str, Any]], space: Space, names: Sequence[str], best: Sequence[int]) -> Table:
    """The trials, the best first.

    Args:
        rows: see `rows_of`.
        names: of the objectives.
        best: trials that no other beats.
    """
    body: list[list[Cell]] = []
    for row in rows:
        remarks = ["best" if len(best) == 1 else "on the front"] if row["trial"] in best else []
        remarks += ["the defaults"] if row["is_default"] else []
        remarks += [f"as trial {row['repeats']}"] if row["repeats"] is not None else []
        remarks += [row["state"]] if row["state"] != "complete" else []
        figures: list[Cell] = [row[name] if name != LATENCY else _milliseconds(row[name]) for name in names]
        drawn: list[Cell] = [_shown(row[name]) for name in space.searched]
        body.append([row["trial"], *drawn, *figures, f"{row['minutes']:.1f}", ", ".join(remarks)])
    header = ["trial", *space.searched, *(f"{name} ms" if name == LATENCY else name for name in names), "minutes", ""]
    title = f"trials, the best on validation first, {counted(len(rows), 'trial', 'trials')}"
    return Table(title, header, body[:SHOWN], whole=body)


def _shown(value: Any) -> str:
    return "" if value is None else shown_value(value)


def _milliseconds(value: float | None) -> str | None:
    return None if value is None else f"{value:.2f}"


def importance(study: Study, space: Space) -> dict[str, float] | None:
    """How much of the variance of the first objective over the trials each option accounts for, by fANOVA (Hutter et
    al. 2014); None where there are too few trials, or they do not differ."""
    import optuna
    from optuna.trial import TrialState

    complete = [
        each
        for each in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        if set(each.params) == set(space.searched)
    ]
    if len(complete) < ENOUGH or len({each.values[0] for each in complete}) < 2:
        return None

    def first(trial: FrozenTrial) -> float:
        return float(trial.values[0])

    names = [name for name in space.searched if len({str(each.params[name]) for each in complete}) > 1]
    with account.quiet():
        evaluator = optuna.importance.FanovaImportanceEvaluator(seed=TREES_SEED)
        found = optuna.importance.get_param_importances(study, evaluator=evaluator, params=names, target=first)
    return {name: round(float(value), 4) for name, value in found.items()}


def importance_line(found: Mapping[str, float] | None, trials: int) -> str:
    """Which options mattered, in words."""
    if found is None:
        return f"which options mattered is not told from fewer than {ENOUGH} different trials"
    shares = ", ".join(f"{name} {share:.0%}" for name, share in found.items())
    return f"share of the spread over {trials} trials that each option accounts for (fANOVA): {shares}"


def outside_lines(trials: Sequence[Told], space: Space) -> list[str]:
    """What the command takes by itself where that lies outside of what was searched."""
    own = next((each.own for each in trials if each.is_default), {})
    return [
        f"{flag_of(name)}: the defaults took {shown_value(own[name])}, which lies outside of {values}"
        for name, values in space.searched.items()
        if own.get(name) is not None and not values.holds(own[name])
    ]


def state_lines(trials: Sequence[Told]) -> list[str]:
    """What became of trials that did not end well, and whose figures are those of another."""
    failed = [each for each in trials if each.state == "failed"]
    lines = [f"trial {each.number} failed: {each.error} ({each.folder}.log)" for each in failed]
    counts = {
        "ended early": ("was ended early", "were ended early"),
        "running": ("is under way", "are under way"),
    }
    for state, (one, many) in counts.items():
        if count := sum(each.state == state for each in trials):
            lines.append(counted(count, f"trial {one}", f"trials {many}"))
    if repeated := sum(each.repeats is not None for each in trials):
        lines.append(f"{counted(repeated, 'trial has', 'trials have')} values of an earlier one, and was not run again")
    return lines


def gain_lines(gain: Mapping[str, Any]) -> list[str]:
    """What the best is worth against the defaults, on the rows that it was judged on."""
    if "why" in gain:
        return [f"the best is not compared with the defaults on rows that chose nothing: {gain['why']}"]
    metric, value, p = gain["metric"], gain["value"], gain["p"]
    between = gain["interval"]
    told = f"{metric} {gain['defaults']:.4f} with the defaults, {gain['best']:.4f} with the best: {value:+.4f}"
    told += f" (95 % interval {between[0]:+.4f} to {between[1]:+.4f}" if between else " (no interval is known"
    told += ")" if p is None else f", p {p:.2g}, {gain['test']})"
    lines = [f"{gain['split']}, {gain['rows']:,} rows: {told}"]
    if gain["split"] != "test":
        lines.append("these rows have chosen the best, which flatters it: name a --test-file, or hold rows out")
    if gain["better"] is None:
        lines.append("not worth it: on these rows the best is not told from the defaults")
    elif gain["better"] == "worse":
        lines.append("not worth it: on these rows the best is worse than the defaults")
    return lines


def write_trials(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write `trials.csv`."""
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.DictWriter(file, list(rows[0]))
        out.writeheader()
        out.writerows(rows)


def write_recipe(target: str, space: Space, values: Mapping[str, Any], path: Path) -> None:
    """Write a recipe that trains the best again: `nlpkit COMMAND --config best.yaml`."""
    recipe = {"command": target, **space.fixed, **values}
    path.write_text(yaml.safe_dump(recipe, sort_keys=False, allow_unicode=True), encoding="utf-8")


def planned(space: Space) -> list[tuple[str, str]]:
    """What is searched, a line an option, with what the defaults have."""
    lines = []
    for name, values in space.searched.items():
        default = space.defaults[name]
        known = "the command's own choice" if default is None else _shown(default)
        outside = "" if default is None or values.holds(default) else ", outside"
        lines.append((flag_of(name), f"{values} (default: {known}{outside})"))
    return lines
