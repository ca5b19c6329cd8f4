"""How long the model of a trial takes for one row, as `distill` and `prune` measure it in the end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nlpkit import reporting
from nlpkit.errors import UserError
from nlpkit.experiment import inherited_data
from nlpkit.inference.predictor import TrainedModelOptions, open_predictor
from nlpkit.measurement import speed
from nlpkit.tasks.roles import Judged

SECONDS = 2.0  # of measuring a trial


def measured(folder: Path, options: dict[str, Any], command: str) -> float:
    """Median milliseconds of a row at a time, of the model in a run folder, on rows that it has held out.

    Args:
        options: of the run; its device and threads are those that are timed.
        command: for messages.

    Raises:
        UserError: the model cannot be opened, or the run names no rows that can be read again.
    """
    placed = {name: options[name] for name in ("device", "precision", "threads") if name in options}
    given = TrainedModelOptions(model=str(folder), **placed)
    with reporting.silent():
        predictor = open_predictor(given, Judged, command)
        loaded, _ = inherited_data.own_splits(given, predictor.record, str(folder), predictor.task)  # type: ignore[arg-type]
        split = next((name for name in ("validation", "test") if name in loaded.splits), None)
        if split is None:
            raise UserError(f"{folder} holds no rows out: there is nothing to measure the latency on")
        rows = loaded.splits[split]
        reader = predictor.task.reader(rows.column_names).settled(rows, split, loaded)
        examples = reader.examples(rows, split, loaded, [])
        return speed.measure([predictor], speed.sample(examples[:]), seconds=SECONDS)[0].p50_ms
