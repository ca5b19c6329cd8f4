"""Cross-validation of a fine-tuning: every row of train and validation is judged once, by a model that never saw it.

The rows are cut into folds (`plan`). For each fold a model is trained on the others, of which a part is held out to
choose its checkpoint, as the rows of a plain run choose theirs: the fold that judges has no say in the training. So the
figures are those of the procedure, on a share of the rows; the final model is that of the same run without --cv.

A fold that is finished is kept among the checkpoints until the run is complete, as what its model said and no weights;
one that was interrupted goes on from its checkpoint.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import random
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np

from nlpkit import process, reporting
from nlpkit.baselines import fitting
from nlpkit.baselines.lesson import Lesson
from nlpkit.data import duplicates, splits
from nlpkit.data import folds as fold_rows
from nlpkit.errors import UserError
from nlpkit.experiment import lifecycle, resume, spreads
from nlpkit.reporting import Table, counted
from nlpkit.runs import lock
from nlpkit.runs.folder import RunFolder, read_record
from nlpkit.tasks import features, suspects
from nlpkit.tasks import outputs as model_outputs

if TYPE_CHECKING:
    from datasets import Dataset

    from nlpkit.data.sources import LoadedData
    from nlpkit.experiment.supervised import SupervisedExperiment
    from nlpkit.metrics.evidence import Evidence
    from nlpkit.options import DataOptions, RunOptions
    from nlpkit.tasks.outputs import Outputs
    from nlpkit.tasks.reading import Reader
    from nlpkit.tasks.roles import Trainable
    from nlpkit.training.trainer import Split

FOLDER = "folds"  # among the checkpoints, while the run goes on
OUTPUTS = "outputs.npz"
MOST_SUSPECTS = 20  # that the record names
JUDGED = "fold"  # the split that judges


@dataclass(frozen=True)
class Fold:
    """Rows of a pool, sorted indices: what a model is trained on, what chooses its checkpoint, and what judges it."""

    train: np.ndarray
    validation: np.ndarray
    judged: np.ndarray


@dataclass(frozen=True)
class Folds:
    """Examples of train and validation, and how they are cut.

    Attributes:
        examples: those of train, then those of validation.
        parts: the folds.
        rows: by what they were cut.
    """

    examples: Dataset
    parts: Sequence[Fold]
    rows: fold_rows.Rows

    @property
    def number(self) -> np.ndarray:
        """The fold of each example, from 1."""
        out = np.zeros(len(self.examples), np.int64)
        for number, part in enumerate(self.parts, start=1):
            out[part.judged] = number
        return out

    def digest(self) -> str:
        """What tells these rows and folds from others."""
        content = [self.examples[:], *(array.tolist() for part in self.parts for array in vars(part).values())]
        return hashlib.sha256(repr(content).encode("utf-8", "surrogatepass")).hexdigest()

    def described(self, seconds: float) -> list[tuple[str, str]]:
        """Lines of the plan.

        Args:
            seconds: that the final model takes, roughly.
        """
        count, part = len(self.parts), self.parts[0]
        cut = "stratified by label" if self.rows.strata is not None else "drawn at random"
        if self.rows.together:
            cut += f"; {counted(self.rows.together, 'row stays', 'rows stay')} with others of the same text or group"
        share = len(part.train) / max(len(self.examples), 1)
        takes = reporting.duration(seconds * (1 + count * share))
        return [
            ("folds", f"{count} of about {len(part.judged):,} rows, {cut}"),
            (
                "trainings",
                f"{count + 1}: one for each fold, on {len(part.train):,} rows of the others and "
                f"{len(part.validation):,} to choose the checkpoint; then the final model; about {takes} in all",
            ),
        ]


def plan(
    count: int,
    config: DataOptions,
    task: Trainable,
    loaded: LoadedData,
    reader: Reader[Any],
    examples: Mapping[str, Dataset],
    seed: int,
) -> Folds:
    """Cut the examples of train and validation into folds.

    Args:
        count: of folds.
        reader: knows which rows stay together.
        seed: of the draws.

    Raises:
        UserError: there are not enough rows, groups, or rows of a label; or too many for memory.
    """
    from datasets import concatenate_datasets

    if process.world_size() > 1:
        raise UserError("--cv trains in one process", "Start it without torchrun, or leave --cv out.")
    splits.refuse_copies(loaded, "--cv")
    parts_of = {split: examples[split] for split in ("train", "validation")}
    pooled = concatenate_datasets(list(parts_of.values()))
    try:
        features.require_room(task, pooled, len(pooled), "--cv")
    except UserError as error:
        raise UserError(error.message, "Use fewer rows: --max-train-samples N.") from None
    groups = _groups(config, loaded, reader, parts_of)

    def named(number: int) -> str:
        return str(task.view.gold(pooled.select([int(np.flatnonzero(rows.strata == number)[0])]))[0])

    rows = fold_rows.Rows(groups, task.strata(pooled), named)
    share = len(examples["validation"]) / len(pooled)
    fold, parts = rows.drawn(count, seed), []
    for number in range(count):
        others = np.flatnonzero(fold != number)
        held = rows.held_out(others, share, seed)
        parts.append(Fold(np.setdiff1d(others, held), held, np.flatnonzero(fold == number)))
    return Folds(pooled, parts, rows)


def _groups(
    config: DataOptions, loaded: LoadedData, reader: Reader[Any], examples: Mapping[str, Dataset]
) -> np.ndarray:
    """A number for each example, the same for those that stay together; shape (examples of all splits,)."""
    rows = [loaded.splits[split] for split in examples]
    numbers = splits.belonging(rows, reader, config)
    if numbers is None and reader.group_column is None:
        return np.arange(sum(map(len, examples.values())))
    if numbers is None:
        numbers = duplicates.groups(chain.from_iterable(map(reader.keys, rows)))
    # rows that cannot be used are no examples
    places = chain.from_iterable(loaded.places(part, split) for split, part in zip(examples, rows, strict=True))
    number_of = dict(zip(places, numbers.tolist(), strict=True))
    chosen = [number_of[where] for part in examples.values() for where in part["where"][:]]
    return np.unique(chosen, return_inverse=True)[1].reshape(-1)


# --- training ---


@dataclass(frozen=True)
class Judged:
    """What a fold's model said of the rows that it had not seen.

    Attributes:
        record: how it was trained, and its figures.
        outputs: of the judged rows, as a task without calibration reads them.
        baseline: the same of the classical model; None without --baseline.
    """

    record: dict[str, Any]
    outputs: Outputs
    baseline: Outputs | None


C = TypeVar("C", bound="RunOptions")
Given = TypeVar("Given", bound="RunOptions", contravariant=True)


class Make(Protocol[Given]):
    """Makes the experiment of a fold, of its config, its folder, and its examples and features by split."""

    def __call__(
        self, config: Given, folder: RunFolder, examples: dict[str, Dataset], ready: dict[str, Split]
    ) -> SupervisedExperiment: ...


def train(
    experiment: SupervisedExperiment, config: C, folds: Folds, make: Make[C], baselines: Sequence[str]
) -> list[Judged]:
    """Train and judge a model for each fold that is not finished yet.

    Args:
        experiment: of the final model.
        config: of the run.
        make: see `Make`.
        baselines: the classical model that is judged too, if any, see `Judged.require_baseline` of tasks.

    Raises:
        UserError: a finished fold is of other rows: data or options have changed since.
    """
    digest, place = folds.digest(), experiment.folder.checkpoints / FOLDER
    task, done = experiment.task, []
    with reporting.silent():  # the same rows were tokenized aloud
        trained = features.featurize(task.for_training(), experiment.tokenizer, folds.examples, "train")
        judged = features.featurize(task, experiment.tokenizer, folds.examples, "train")
    for number, part in enumerate(folds.parts, start=1):
        folder = RunFolder(place / str(number))
        with reporting.part(f"fold {number}/{len(folds.parts)}"):
            finished, when = _finished(folder, digest), ", finished before"
            if finished is not None:
                resume.tell_other_options(finished.record["config"], experiment.config.record())
            else:
                splits = _splits(folds, part, trained, judged)
                config = config.changed(
                    output=folder.path,
                    overwrite=False,
                    resume=folder.state() == "running",
                    report_to="none",
                    push_to_hub=None,
                    public=False,
                )
                with _random_numbers_kept():
                    config = _train_one(config, folder, splits, make, digest, baselines)
                finished = _finished(folder, digest)
                when = ""
            assert finished is not None
            value = finished.record["metrics"][JUDGED][task.main_metric]
            reporting.current().note(f"{task.main_metric} {value:.4f} on {len(part.judged):,} rows{when}")
            done.append(finished)
    return done


def _splits(folds: Folds, part: Fold, trained: Dataset, judged: Dataset) -> dict[str, Split]:
    from nlpkit.training.trainer import Split

    reads = Split(folds.examples, judged)
    return {
        "train": Split(folds.examples, trained).subset(part.train),
        "validation": reads.subset(part.validation),
        JUDGED: reads.subset(part.judged),
    }


def _train_one(
    config: C, folder: RunFolder, splits: dict[str, Split], make: Make[C], digest: str, baselines: Sequence[str]
) -> C:
    """Train the model of a fold and keep what it says.

    Returns:
        The config that it was trained with in the end: its batches may have become smaller.
    """
    examples = {split: made.examples for split, made in splits.items()}

    def prepared(config: C) -> SupervisedExperiment:
        with reporting.silent():  # all of it was said of the final model
            return make(config, folder, examples, splits)

    experiment = lifecycle.train(prepared(config), prepared)
    experiment.after_training()
    experiment.splits = {split: experiment.splits[split] for split in ("validation", JUDGED)}
    evaluated = experiment.evaluate()
    task, trainer, outputs = experiment.task, experiment.trainer, evaluated.outputs[JUDGED]
    state = trainer.state
    record = {
        **experiment.head(),
        "digest": digest,
        "metrics": {JUDGED: evaluated.metrics[JUDGED]},
        "judged": {JUDGED: len(examples[JUDGED])},
        "steps": state.global_step,
        "best_step": state.best_global_step,
        "train_seconds": round(trainer.budget.seconds(), 4),
    }
    arrays: dict[str, Any] = _packed("model", task.uncalibrated(outputs))
    for name in baselines:
        lesson = Lesson(
            task=task,
            train=examples["train"],
            validation=examples["validation"],
            config=config,
            device=experiment.device,
            folder=folder.checkpoints / "baseline",
            vectors=fitting.require(baselines, config),
        )
        with reporting.silent():
            model = fitting.fitted(name, lesson).model
        classical = model.outputs(examples[JUDGED])
        record["baseline"] = {"name": model.name, "metrics": {JUDGED: task.score(classical, examples[JUDGED])}}
        arrays |= _packed("baseline", task.uncalibrated(classical))
    with folder.staging() as staged:
        np.savez(staged / OUTPUTS, **arrays)
        folder.finish(record, staged, keep_checkpoints=False)
    lock.give_back(folder.path)
    trainer.accelerator.free_memory()
    used = experiment.config
    return config.changed(
        batch_size=used.batch_size,
        gradient_accumulation_steps=used.gradient_accumulation_steps,
        eval_batch_size=used.eval_batch_size,
    )


def _finished(folder: RunFolder, digest: str) -> Judged | None:
    """A fold that was judged before, None where that is still to do.

    Raises:
        UserError: it is of other rows.
    """
    if folder.state() != "complete":
        return None
    record = read_record(folder.path) or {}
    if record.get("digest") != digest:
        raise UserError(
            f"--resume: {folder.path} was judged on other rows: the data or their options have changed since",
            "Begin anew with --overwrite.",
        )
    with np.load(folder.path / OUTPUTS, allow_pickle=False) as arrays:
        outputs, baseline = _unpacked("model", arrays), _unpacked("baseline", arrays)
    assert outputs is not None
    return Judged(record, outputs, baseline)


def _packed(name: str, outputs: Outputs) -> dict[str, np.ndarray]:
    """Outputs as the arrays of a file: one array, or one for each row where they differ in shape."""
    if isinstance(outputs, np.ndarray):
        return {name: outputs}
    return {f"{name}.{i}": np.asarray(entry) for i, entry in enumerate(outputs)}


def _unpacked(name: str, arrays: Mapping[str, np.ndarray]) -> Outputs | None:
    if name in arrays:
        return arrays[name]
    count = sum(key.startswith(f"{name}.") for key in arrays)
    return [arrays[f"{name}.{i}"] for i in range(count)] or None


@contextlib.contextmanager
def _random_numbers_kept() -> Iterator[None]:
    """Leave the random numbers that come after the block as they are without it: the final model is that of a run
    without folds."""
    import torch

    python, numpy = random.getstate(), np.random.get_state()
    with torch.random.fork_rng():
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)


# --- the result ---


@dataclass(frozen=True)
class CrossValidated:
    """What all folds say together.

    Attributes:
        record: for nlpkit.json.
        lines: of `cv.jsonl`, one for each row, in the order of the data.
    """

    record: dict[str, Any]
    lines: list[dict[str, Any]]


def together(folds: Folds, judged: Sequence[Judged], task: Trainable) -> CrossValidated:
    """Put the folds together: mean and spread, the figures over all rows, and rows whose label may be wrong.

    Args:
        task: without calibration.
    """
    order = np.concatenate([part.judged for part in folds.parts])

    def pooled(parts: Sequence[Outputs]) -> Outputs:
        return model_outputs.in_order(model_outputs.joined(parts), order)

    outputs = pooled([fold.outputs for fold in judged])
    evidence = task.evidence(outputs, folds.examples)
    figures = [fold.record["metrics"][JUDGED] for fold in judged]
    doubted = suspects.doubted(task, outputs, folds.examples, MOST_SUSPECTS)
    record: dict[str, Any] = {
        "folds": len(judged),
        "rows": len(folds.examples),
        "stratified": folds.rows.strata is not None,
        "rows_together": folds.rows.together,
        "each": [
            {
                "rows": len(part.judged),
                "trained_on": len(part.train),
                "chosen_on": len(part.validation),
                "metrics": metrics,
                **{name: fold.record[name] for name in ("steps", "best_step", "train_seconds")},
            }
            for part, fold, metrics in zip(folds.parts, judged, figures, strict=True)
        ],
        **spreads.spread(figures),
        **_pooled(task, outputs, folds.examples, evidence),
        "suspects": doubted.to_record(),
    }
    if all(fold.baseline is not None for fold in judged):
        classical = [fold.record["baseline"]["metrics"][JUDGED] for fold in judged]
        of_baseline = pooled([fold.baseline for fold in judged])
        weighed = task.evidence(of_baseline, folds.examples)
        record["baseline"] = {
            "name": judged[0].record["baseline"]["name"],
            "each": classical,
            **spreads.spread(classical),
            **_pooled(task, of_baseline, folds.examples, weighed),
            "difference": _difference(task.main_metric, weighed, evidence),
        }
    return CrossValidated(record, list(_lines(folds, outputs, task)))


def _pooled(task: Trainable, outputs: Outputs, examples: Dataset, evidence: Evidence | None) -> dict[str, Any]:
    """Metrics over all rows, and their intervals for the draw of rows."""
    from nlpkit.metrics import intervals

    metrics = task.score(outputs, examples)
    known = intervals.record({"all": evidence}, {"all": metrics})["metric_intervals"]
    return {"pooled": metrics, "pooled_intervals": known.get("all", {})}


def _difference(metric: str, baseline: Evidence | None, model: Evidence | None) -> dict[str, Any] | None:
    """A metric of the models less that of the baseline, over all rows; None where there is no telling."""
    from nlpkit.metrics import paired

    if baseline is None or model is None:
        return None
    difference = paired.differences(baseline, model).get(metric)
    if difference is None:
        return None
    interval = difference.interval and list(difference.interval)
    return {"metric": metric, **asdict(difference), "interval": interval, "told_apart": difference.told_apart}


def _lines(folds: Folds, outputs: Outputs, task: Trainable) -> Iterator[dict[str, Any]]:
    """Each row with its label and what was said of it by the model that had not seen it."""
    rows = folds.examples.to_list()
    gold, number = task.view.gold(folds.examples), folds.number.tolist()
    for row, label, fold, answer in zip(rows, gold, number, task.decode(outputs, rows), strict=True):
        yield {"row": row["where"], "fold": fold, "gold": label, **answer}


def write(lines: Sequence[Mapping[str, Any]], folder: Path) -> None:
    """Write `cv.jsonl`."""
    with (folder / spreads.FILE).open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)


def clear(folder: RunFolder) -> None:
    """Delete what the folds left while the run went on."""
    shutil.rmtree(folder.checkpoints / FOLDER, ignore_errors=True)


# --- for people ---


def tables(folds: Folds, task: Trainable) -> list[Table]:
    """Rows, and labels, of each fold."""
    judged = {f"fold {i}": folds.examples.select(part.judged) for i, part in enumerate(folds.parts, start=1)}
    sizes = [
        [i, len(part.train), len(part.validation), len(part.judged)] for i, part in enumerate(folds.parts, start=1)
    ]
    return [Table("folds", ["fold", "trained on", "chosen on", "judged"], sizes), *task.view.tables(judged)]
