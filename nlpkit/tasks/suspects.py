"""Rows whose label may be wrong: those that a simple model, trained on other rows only, contradicts most surely."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from datasets import Dataset

    from nlpkit.tasks.outputs import Outputs
    from nlpkit.tasks.roles import Judged

FOLDS = 3
MOST_ROWS = 5_000  # of a split: beyond, the baselines of some tasks take minutes
LEAST_ROWS = 30  # of train: fewer teach a baseline nothing
TRUSTED = 70.0  # points of the main metric from which a contradiction says more of the row than of the baseline
SURE = 0.5  # score of an answer, where it has one, from which it contradicts a label
LONGEST_TEXT = 300  # characters of a text that are kept
LINE_TEXT = 60  # and on a line


@dataclass
class Suspects:
    """What a baseline contradicts.

    Attributes:
        said: who judged, how many rows, and how far that can be trusted; or why nothing was judged.
        rows: what the task says of a mistake (`where`, label, prediction, ...), the surest first.
    """

    said: str
    rows: list[dict[str, Any]] = field(default_factory=list)

    def to_record(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self)


def find(task: Judged, examples: Mapping[str, Dataset], most: int, seed: int) -> Suspects:
    """Look for wrong labels in all splits, `MOST_ROWS` of each.

    Each third of train is judged by the task's baseline as it learns from the other two; the other splits are judged
    by the first of these.

    Args:
        task: its `baseline` judges.
        examples: by split.
        most: rows to name.
        seed: of the thirds, and of the sample of a large split.
    """
    if len(examples.get("train", ())) < LEAST_ROWS:
        return Suspects(f"not looked for: that takes {LEAST_ROWS} rows of train")
    evaluated, right, per_split, name = 0, 0.0, [], ""
    for parts in _folds(examples, seed):
        try:
            trained = task.baseline(parts["train"], seed)
        except ValueError as error:  # scikit-learn: a single class is left, no word occurs twice, ...
            return Suspects(f"not looked for: no simple model can be trained on these rows ({error})")
        if trained is None:
            return Suspects("not looked for: there is no simple model of this task")
        name = trained.name
        for split, rows in parts.items():
            if split != "train":
                outputs = trained.outputs(rows)
                right += task.score(outputs, rows)[task.main_metric] / task.point * len(rows)
                evaluated += len(rows)
                per_split.append(_sure(task.view.mistakes(outputs, rows))[:most])
    points = right / evaluated
    said = f"{name}, trained on other rows, judged {evaluated:,} rows: {task.main_metric} {points * task.point:.3f}"
    if not task.higher_is_better(task.main_metric) or points < TRUSTED:
        return Suspects(f"not named: {said}, too little to doubt a label by")
    rows = [_shown(row) for row in _surest(per_split)[:most]]
    return Suspects(said if rows else f"{said}; it contradicts no label surely", rows)


def doubted(task: Judged, outputs: Outputs, examples: Dataset, most: int) -> Suspects:
    """Rows whose label is contradicted by models that were trained on other rows only.

    Args:
        task: without calibration.
        outputs: of those models, one for each example.
        most: rows to name.
    """
    metric = task.main_metric
    value = task.score(outputs, examples)[metric]
    said = f"models trained on other rows judged {len(examples):,} rows: {metric} {value:.3f}"
    if not task.higher_is_better(metric) or value / task.point < TRUSTED:
        return Suspects(f"not named: {said}, too little to doubt a label by")
    return Suspects(said, contradicted(task, outputs, examples, most))


def contradicted(task: Judged, outputs: Outputs, examples: Dataset, most: int) -> list[dict[str, Any]]:
    """What the task says of the rows whose label a model contradicts surely, the surest first.

    Args:
        outputs: of the model, one for each example.
        most: rows to name.
    """
    return [_shown(row) for row in _sure(task.view.mistakes(outputs, examples))[:most]]


def _sure(mistakes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for row in mistakes if row.get("score") is None or row["score"] >= SURE]


def _folds(examples: Mapping[str, Dataset], seed: int) -> Iterator[dict[str, Dataset]]:
    """Parts of the splits: what is under "train" to learn from, the rest to judge; each row is judged once."""
    rng = np.random.default_rng(seed)
    drawn = {split: rng.permutation(len(rows))[:MOST_ROWS] for split, rows in examples.items()}
    train = drawn.pop("train")
    for fold in range(FOLDS):
        held = np.arange(len(train)) % FOLDS == fold
        parts = {"train": train[~held], "train, held out": train[held], **(drawn if fold == 0 else {})}
        sources = {split: examples.get(split, examples["train"]) for split in parts}
        yield {split: sources[split].select(np.sort(rows)) for split, rows in parts.items()}


def _surest(per_split: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Lists that each begin with the surest as one: by score, or in turn where there are none."""
    turns = [(turn, row) for rows in per_split for turn, row in enumerate(rows)]
    scored = all(isinstance(row.get("score"), float) for _, row in turns)
    turns.sort(key=lambda pair: -pair[1]["score"] if scored else pair[0])
    return [row for _, row in turns]


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    """With the place first, no text longer than a reader wants, and of all scores that of the answer."""
    kept = {name: value for name, value in row.items() if name != "scores"}
    ordered = {"where": row["where"], **kept}
    return {name: value[:LONGEST_TEXT] if isinstance(value, str) else value for name, value in ordered.items()}


def line(row: Mapping[str, Any]) -> str:
    """A suspect on one line."""
    parts = [f"{name} {_brief(value)}" for name, value in row.items() if name != "where"]
    return f"{row['where']}: {', '.join(parts)}"


def _brief(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.2f}"
    if isinstance(value, dict):
        return ", ".join(f"{name} {_brief(item)}" for name, item in value.items())
    return repr(value) if not isinstance(value, str) or len(value) <= LINE_TEXT else f"{value[:LINE_TEXT]!r}…"
