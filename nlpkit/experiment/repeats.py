"""The same run with several seeds (--seeds): what of its figures is luck.

Head, order of rows and dropout are drawn anew for each seed; the rows that are held out are the same. The run folder
is the model that is best on validation; of the others their figures are kept. While the run goes on, each seed is a run
of its own among the checkpoints, which is resumed as any other.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from nlpkit import process, reporting
from nlpkit.errors import UserError
from nlpkit.experiment import lifecycle, resume, spreads, upload
from nlpkit.experiment.inherited_data import NAMES_DATA
from nlpkit.experiment.supervised import SupervisedExperiment
from nlpkit.options import DataOptions, JudgedSplitsOptions, RunOptions, SeedsOptions
from nlpkit.reporting import Report
from nlpkit.runs import lock
from nlpkit.runs.folder import RunFolder, read_record

FOLDER = "seeds"  # among the checkpoints, while the run goes on


class RepeatedOptions(SeedsOptions, JudgedSplitsOptions, RunOptions):
    """What a run is that may be repeated with several seeds; its config has `DataOptions` too."""


R = TypeVar("R", bound=RepeatedOptions)


def run(config: R, command: str, prepare: Callable[[R], SupervisedExperiment], report: lifecycle.Reported) -> Report:
    """As `lifecycle.run`, once for each of --seeds where there are some."""

    def reported(record: dict[str, Any], folder: Path) -> Report:
        told = report(record, folder)
        if record.get("seeds"):
            told.tables.append(spreads.of_seeds(record))
            told.lines += spreads.said_of_seeds(record)
        return told

    def start(settled: R) -> Report:
        if settled.seeds:
            return _each(settled, prepare, reported)
        return lifecycle.live(settled, prepare, reported)

    return lifecycle.unless_complete(config, command, reported, start)


def _each(config: R, prepare: Callable[[R], SupervisedExperiment], report: lifecycle.Reported) -> Report:
    """The run with each seed, and the best of them in the run folder.

    Raises:
        UserError: there are several processes, or whatever is wrong with options, data or model.
    """
    if process.world_size() > 1:
        raise UserError("--seeds trains in one process", "Start it without torchrun, or leave --seeds out.")
    started = time.monotonic()
    # the rows that are held out are those of --seed, whatever seed the model has; where the data are those of another
    # model, they are the rows that it held out, and never others
    rows, fixed = DataOptions.of(config), dict[str, Any]()
    if any(getattr(rows, name) for name in NAMES_DATA):
        fixed["shuffle_seed"] = config.seed if rows.shuffle_seed is None else rows.shuffle_seed
    first = prepare(config.changed(seed=config.seeds[0], **fixed))
    if config.dry_run:
        return lifecycle.dry_run(config)
    repository = upload.require_hub_access(config, first.folder.path)
    folder, task, command = first.folder, first.task, first.command
    recorded = {**first.config.record(), "seed": config.seed}
    head = {**first.head(), "config": recorded}
    with resume.telling_how_to_resume(first.resumed_by, folder.path):
        folder.start(head, overwrite=config.overwrite, resume=config.resume)
        del first
        records: dict[int, dict[str, Any]] = {}
        for number, seed in enumerate(config.seeds, start=1):
            own = RunFolder(folder.checkpoints / FOLDER / str(seed))
            with reporting.part(f"seed {seed}, {number}/{len(config.seeds)}"):
                before = own.state() == "complete"
                if before:
                    resume.tell_other_options((read_record(own.path) or {})["config"], recorded)
                else:
                    _one(config.changed(seed=seed, **fixed), own, prepare, report)
                records[seed] = read_record(own.path) or {}
                value = records[seed]["metrics"]["validation"][task.main_metric]
                when = ", finished before" if before else ""
                reporting.current().note(f"validation {task.main_metric} {value:.4f}{when}")
            metric, best = _best(records, task.higher_is_better, task.main_metric)
            for other in records.keys() - {best}:
                _keep_figures(folder.checkpoints / FOLDER / str(other))
        record = {
            **records[best],
            "command": command,
            "config": recorded,
            "seeds": _together(records, best, metric),
            "wall_seconds": round(time.monotonic() - started, 2),
        }
        _settle(record, folder, folder.checkpoints / FOLDER / str(best), keep_checkpoints=config.keep_checkpoints)
    if repository:
        upload.push(folder.path, repository, public=config.public)
    return report(record, folder.path)


def _one(config: R, own: RunFolder, prepare: Callable[[R], SupervisedExperiment], report: lifecycle.Reported) -> None:
    """The run with one seed, in its own folder."""

    def prepared(config: R) -> SupervisedExperiment:
        with reporting.silent():  # all of it was said of the first
            return prepare(config)

    alone = config.changed(
        seeds=[],
        output=own.path,
        overwrite=False,
        resume=own.state() == "running",
        report_to="none",
        push_to_hub=None,
        public=False,
    )
    lifecycle.live(alone, prepared, report)
    lock.give_back(own.path)


def _best(
    records: Mapping[int, Mapping[str, Any]], higher_is_better: Callable[[str], bool], main_metric: str
) -> tuple[str, int]:
    """The metric on validation that runs are compared by, and the seed that is best; of equal ones the first.

    Args:
        main_metric: of the task, for runs whose checkpoints were chosen by a figure that is none of the model's.
    """
    metric = next(iter(records.values()))["main_metric"]
    values = {seed: record["metrics"]["validation"].get(metric) for seed, record in records.items()}
    if None in values.values():
        metric = main_metric
        values = {seed: record["metrics"]["validation"][metric] for seed, record in records.items()}
    choose = max if higher_is_better(metric) else min
    return metric, choose(values, key=lambda seed: values[seed])


def _together(records: Mapping[int, Mapping[str, Any]], best: int, metric: str) -> dict[str, Any]:
    """What the record of the run says of all seeds.

    Args:
        metric: by which the best is best.
    """
    values = [record["metrics"]["validation"][metric] for record in records.values()]
    equal = values.count(records[best]["metrics"]["validation"][metric])
    chosen_by = f"validation {metric}" + (f", the first of {equal} that are equal" if equal > 1 else "")
    kept = ("metrics", "steps", "best_step", "train_seconds")
    splits: Sequence[str] = list(records[best]["metrics"])
    figures = {split: [record["metrics"][split] for record in records.values()] for split in splits}
    spread = {split: spreads.spread(each) for split, each in figures.items()}
    return {
        "chosen": best,
        "chosen_by": chosen_by,
        "each": [{"seed": seed, **{name: record[name] for name in kept}} for seed, record in records.items()],
        **{key: {split: spread[split][key] for split in splits} for key in spreads.SPREAD},
    }


def _keep_figures(run: Path) -> None:
    """Delete all of a finished run but its record."""
    for item in run.iterdir():
        if item.is_dir():
            shutil.rmtree(item)
        elif item.name not in ("nlpkit.json", lock.LOCK):
            item.unlink()


def _settle(record: dict[str, Any], folder: RunFolder, best: Path, *, keep_checkpoints: bool) -> None:
    """Make the best run that of the folder; the others go."""
    from nlpkit.experiment import card

    with folder.staging() as staged:
        shutil.copytree(best, staged, copy_function=_linked, dirs_exist_ok=True)
        (staged / "README.md").unlink(missing_ok=True)  # else the link's other name would be written too
        card.write(staged / "README.md", record, [path.stem for path in (staged / "plots").glob("*.png")])
        folder.finish(record, staged, keep_checkpoints=keep_checkpoints)
    shutil.rmtree(folder.checkpoints / FOLDER, ignore_errors=True)


def _linked(source: str, target: str) -> None:
    """The same file under another name, or a copy where the disk has no such links: until the run is complete, the best
    one stays as it is."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
