"""What changed copies are worth: models trained with and without them, judged on the same rows.

For each number of rows and each seed there are three ordinary trainings: on the rows with their copies; on the rows
alone for as many optimizer steps, as else the gain might be that of a longer training; and on the rows alone as a user
would train who knows of no copies: for as many epochs where the options say how many, else for those that the command
takes for so few rows. Each ends with its last weights: nothing is chosen by the
rows that judge. Seeds draw the rows, the copies and the training, and rows and copies are the same for all three.

The interval of a difference counts both what another seed and what other judged rows would change: the variance of the
mean over seeds and that of a bootstrap of the judged rows, the same rows for each model, are added up. What seeds and
rows change together is in both, so that the interval is rather too wide; its t has the degrees of freedom of
Satterthwaite (1946), few where the spread over seeds is most of it.
"""

from __future__ import annotations

import dataclasses
import json
import math
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from nlpkit import reporting
from nlpkit.errors import UserError
from nlpkit.experiment.inherited_data import own_splits
from nlpkit.inference.predictor import Predictor, TrainedModelOptions, open_predictor
from nlpkit.metrics import intervals
from nlpkit.metrics.evidence import Evidence
from nlpkit.options import DeviceOptions, SourceOptions
from nlpkit.runs import lock
from nlpkit.runs.files import write_json
from nlpkit.runs.records import RECORD
from nlpkit.tasks.roles import Judged
from nlpkit.trials import running
from nlpkit.trials.running import Trial

Side = Literal["with", "without", "alone"]
SIDES: Mapping[Side, str] = {
    "with": "rows and copies",
    "without": "rows, as many steps",
    "alone": "rows alone",
}
FORMAT = "jsonl"  # of the files that are trained on
JUDGED = "judged.json"  # in the folder of a training: what it came to, and its figures in draws of the judged rows
AT_THE_END = 0.999999  # share of the steps at which a training is judged: after the last one alone
SPLIT = "validation"  # what the judged rows are to each training, which chooses nothing by them
# Options of a training that are not the user's here: each side has the same data, and as many steps.
OURS = (
    "data", "train_file", "validation_file", "test_file", "train_split", "validation_split", "test_split", "output",
    "resume", "overwrite", "seed", "seeds", "cv", "eval_steps", "early_stopping", "max_steps", "max_train_samples",
    "max_eval_samples", "lr_finder", "validation_share", "test_share", "dry_run", "push_to_hub",
)  # fmt: skip


@dataclass(frozen=True)
class Material:
    """The rows of one number of rows and one seed.

    Attributes:
        plain: their file.
        augmented: that with their copies.
        rows, copies: how many there are.
    """

    plain: Path
    augmented: Path
    rows: int
    copies: int


@dataclass(frozen=True)
class Trained:
    """What a training came to.

    Attributes:
        metric: the task's main one.
        value: of it, on the judged rows.
        draws: the same in draws of these rows, which are those of every other training; None where the task does not
            tell how its metric hangs on rows.
        units: that were drawn.
        higher_is_better: of the metric.
        steps, epochs: of the optimizer, and passes over its rows.
        batch_size: rows of a step, on each device.
    """

    metric: str
    value: float
    draws: Sequence[float] | None
    units: int
    higher_is_better: bool
    steps: int
    epochs: float
    batch_size: int


@dataclass(frozen=True)
class Cell:
    """The three trainings of one number of rows and one seed."""

    rows: int
    copies: int
    seed: int
    sides: Mapping[Side, Trained]


@dataclass(frozen=True)
class Gain:
    """What a metric gains by the copies, above 0 where it is better with them.

    Attributes:
        value: the mean over seeds.
        interval: 95 %; None of one seed.
    """

    value: float
    interval: tuple[float, float] | None

    @property
    def verdict(self) -> str:
        """In words: "gain", "loss", or "no gain", where the interval holds zero."""
        if self.interval is None:
            return "one seed: no telling"
        low, high = self.interval
        return "gain" if low > 0 else "loss" if high < 0 else "no gain"


@dataclass(frozen=True)
class Comparing:
    """Trains and judges.

    Attributes:
        command: that trains.
        options: of each training, without those that are `OURS`.
        judged: file of the rows that judge.
        device: where they are judged.
    """

    command: str
    options: Mapping[str, Any]
    judged: Path
    device: DeviceOptions

    def cell(self, material: Material, place: Path, seed: int) -> Cell:
        """The trainings of one number of rows and one seed; those that are there are not repeated.

        Args:
            place: folder of their runs.
        """
        augmented = self._trained(place / "with", material.augmented, seed)
        # a training that is not told takes smaller batches for fewer rows
        same = {"max_steps": augmented.steps, "batch_size": augmented.batch_size}
        without = self._trained(place / "without", material.plain, seed, **same)
        alone = self._trained(place / "alone", material.plain, seed)
        return Cell(material.rows, material.copies, seed, {"with": augmented, "without": without, "alone": alone})

    def _trained(self, folder: Path, rows: Path, seed: int, **more: Any) -> Trained:
        options = {
            **self.options,
            "train_file": [str(rows)],
            "validation_file": str(self.judged),
            "seed": seed,
            "eval_steps": AT_THE_END,
            **more,
        }
        trial = Trial(self.command, options, folder)
        kept = folder / JUDGED
        if running.finished_before(trial) is not None and kept.is_file():
            return Trained(**json.loads(kept.read_text(encoding="utf-8")))
        record = running.run(trial).finished(str(folder))
        trained = judged(folder, record, self.device)
        write_json(kept, dataclasses.asdict(trained))
        _keep_figures(folder)
        return trained


def judged(folder: Path, record: Mapping[str, Any], device: DeviceOptions) -> Trained:
    """A training on the rows that judge.

    Args:
        folder: of its run.
        record: nlpkit.json of it.
        device: where the model runs.
    """
    with reporting.silent():  # all of it was said while it was trained
        predictor: Predictor[Judged] = open_predictor(
            TrainedModelOptions(
                model=str(folder), **{name: getattr(device, name) for name in DeviceOptions.model_fields}
            ),
            Judged,
            "augment --measure",
        )
        loaded, _ = own_splits(SourceOptions(), record, str(folder), predictor.task)
        rows = loaded.splits[SPLIT]
        reader = predictor.task.reader().settled(rows, SPLIT, loaded)
        examples = reader.examples(rows, SPLIT, loaded)
        outputs = predictor.reading(reader).outputs(examples[:])
        task = reader.task.with_conventions(outputs)
        metric = task.main_metric
        evidence = task.evidence(outputs, examples)
        drawn = None if evidence is None else intervals.draws(by_row(evidence)).get(metric)
    return Trained(
        metric,
        task.score(outputs, examples)[metric],
        None if drawn is None else [float(value) for value in drawn],
        len(examples) if evidence is None else evidence.unit_count,
        task.higher_is_better(metric),
        record["steps"],
        record["epochs"],
        record["config"]["batch_size"],
    )


def by_row(evidence: Evidence) -> Evidence:
    """The same with each row a kind of its own, so that draws of one model are of the rows of those of another."""
    from scipy import sparse

    shape = (evidence.rows, evidence.kind_count)
    kinds = sparse.csr_array((np.ones(evidence.rows), (np.arange(evidence.rows), evidence.kinds)), shape=shape)
    return dataclasses.replace(
        evidence, kinds=np.arange(evidence.rows), figures=lambda weights: evidence.figures((kinds.T @ weights.T).T)
    )


def gain(cells: Sequence[Cell], over: Side) -> Gain:
    """What the copies of one number of rows gain over training without them.

    Args:
        cells: one for each seed.
        over: the trainings that those with copies are compared with.
    """
    from scipy import stats

    pairs = [(cell.sides["with"], cell.sides[over]) for cell in cells]
    sign = 1 if pairs[0][0].higher_is_better else -1
    each = np.array([sign * (first.value - other.value) for first, other in pairs])
    value = float(each.mean())
    if len(each) < 2:
        return Gain(value, None)
    of_seeds, of_rows = float(each.var(ddof=1)) / len(each), 0.0
    units = pairs[0][0].units
    draws = [(first.draws, other.draws) for first, other in pairs]
    if units > 1 and all(first is not None and other is not None for first, other in draws):
        drawn = np.array([np.subtract(first, other) for first, other in draws], dtype=np.float64)  # type: ignore[arg-type]
        of_rows = float(np.nanvar(drawn.mean(axis=0))) * units / (units - 1)
    variance = of_seeds + of_rows
    if not variance:  # the models answer alike, whatever the seed
        return Gain(value, (value, value))
    freedom = variance**2 / (of_seeds**2 / (len(each) - 1) + of_rows**2 / max(units - 1, 1))
    reach = float(stats.t.ppf((1 + intervals.LEVEL) / 2, freedom)) * math.sqrt(variance)
    return Gain(value, (value - reach, value + reach))


def read_training(path: Path | None, read: Callable[[Path], Mapping[str, Any]]) -> dict[str, Any]:
    """The options of --training.

    Args:
        read: a file of options.

    Raises:
        UserError: it says what is the comparison's to say.
    """
    options = dict(read(path)) if path is not None else {}
    if named := [name for name in options if name.replace("-", "_") in OURS]:
        raise UserError(
            f"--training {path}: {', '.join(named)} is settled by --measure: all trainings have the same rows, "
            "and as many steps",
            "Take it out of the file; --data, --seeds and --rows of augment say the rest.",
        )
    return options


def _keep_figures(folder: Path) -> None:
    """Delete all of a finished run but its record and what it came to."""
    for item in folder.iterdir():
        if item.is_dir():
            shutil.rmtree(item)
        elif item.name not in (RECORD, JUDGED, lock.LOCK):
            item.unlink()
