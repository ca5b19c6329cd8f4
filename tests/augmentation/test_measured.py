"""What copies are worth: trainings with and without them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nlpkit.augmentation import measured
from nlpkit.augmentation.measured import Cell, Comparing, Material, Trained, gain
from nlpkit.errors import UserError
from nlpkit.options import DeviceOptions
from nlpkit.recipes import augment
from nlpkit.runs.folder import read_record
from nlpkit.trials import running

DEVICE = DeviceOptions(device="cpu", threads=1)


def cell(seed: int, *values: float, draws: tuple[Any, ...] = (None, None, None), higher: bool = True) -> Cell:
    made = [
        Trained("accuracy", value, drawn, 50, higher, 10, 3.0, 16) for value, drawn in zip(values, draws, strict=True)
    ]
    return Cell(50, 200, seed, dict(zip(measured.SIDES, made, strict=True)))


def test_the_interval_of_a_gain_is_that_of_seeds_and_rows() -> None:
    cells = [cell(1, 0.8, 0.7, 0.5), cell(2, 0.9, 0.7, 0.5)]
    found = gain(cells, "without")
    # differences .1 and .2: mean .15, standard error .05, and t of one degree of freedom is 12.706
    assert found.value == pytest.approx(0.15)
    assert found.interval == pytest.approx((0.15 - 0.6353, 0.15 + 0.6353), abs=1e-3)
    assert found.verdict == "no gain"
    assert gain(cells, "alone").value == pytest.approx(0.35)
    # the same seeds, but other rows would change the difference by a standard deviation of .1 around it
    drawn = (np.array([0.8, 1.0]), np.array([0.8, 0.8]), np.array([0.8, 0.8]))
    with_rows = gain([cell(1, 0.8, 0.7, 0.5, draws=drawn), cell(2, 0.8, 0.7, 0.5, draws=drawn)], "without")
    assert with_rows.interval == pytest.approx((0.1 - 0.2030, 0.1 + 0.2030), abs=1e-3)  # .1 * t of 49 * sqrt(50 / 49)


def test_a_gain_is_told_from_a_loss_by_the_direction_of_the_metric() -> None:
    worse = [cell(seed, 0.3 + seed / 1000, 0.1, 0.1, higher=False) for seed in range(3)]
    assert gain(worse, "without").verdict == "loss"
    assert gain([cell(1, 0.9, 0.8, 0.8)], "without").verdict == "one seed: no telling"


def test_a_training_is_judged_by_what_its_own_run_said(trained: Path) -> None:
    record = read_record(trained)
    assert record is not None
    found = measured.judged(trained, record, DEVICE)
    assert found.value == pytest.approx(record["metrics"]["validation"][found.metric])
    assert found.steps == record["steps"] and found.draws is not None
    # other rows would have shown what the record's interval says
    low, high = record["metric_intervals"]["validation"][found.metric]
    assert low <= np.mean(found.draws) <= high or np.ptp(found.draws) == 0


def test_without_copies_there_are_as_many_steps_and_what_is_there_is_not_trained_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[running.Trial] = []

    def run(trial: running.Trial) -> running.Outcome:
        begun.append(trial)
        trial.folder.mkdir(parents=True)
        trial.config_file.write_text(trial.config_text)
        record = {"status": "complete", "command": trial.command, "steps": trial.options.get("max_steps", 12)}
        (trial.folder / "nlpkit.json").write_text(json.dumps(record))
        (trial.folder / "model.safetensors").write_bytes(b"weights")
        return running.Outcome(record)

    def judged(folder: Path, record: Any, device: DeviceOptions) -> Trained:
        return Trained("accuracy", 0.5, [0.5, 0.5], 9, True, record["steps"], 3.0, 32)

    monkeypatch.setattr(running, "run", run)
    monkeypatch.setattr(measured, "judged", judged)
    comparing = Comparing("finetune-cls", {"epochs": 3}, tmp_path / "judged.csv", DEVICE)
    material = Material(tmp_path / "plain.csv", tmp_path / "copies.csv", 50, 200)
    made = comparing.cell(material, tmp_path / "runs", 7)
    assert [trial.folder.name for trial in begun] == ["with", "without", "alone"]
    assert [trial.options.get("max_steps") for trial in begun] == [None, 12, None]
    # of fewer rows a training would take smaller batches, and as many steps would read fewer of them
    assert [trial.options.get("batch_size") for trial in begun] == [None, 32, None]
    assert [trial.options["train_file"] for trial in begun] == [
        [str(material.augmented)], [str(material.plain)], [str(material.plain)]
    ]  # fmt: skip
    assert all(trial.options["seed"] == 7 and trial.options["epochs"] == 3 for trial in begun)
    assert not list(tmp_path.rglob("*.safetensors"))
    assert comparing.cell(material, tmp_path / "runs", 7) == made and len(begun) == 3


def test_options_that_would_make_the_comparison_unfair_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="max-steps is settled by --measure"):
        measured.read_training(tmp_path / "t.yaml", lambda path: {"epochs": 2, "max-steps": 10})


def test_options_that_a_measurement_settles_are_refused_and_its_plan_is_shown_first(
    tmp_path: Path, reviews: Path
) -> None:
    asked = {"data": str(reviews), "measure": True, "output": tmp_path / "gain", "dry_run": True}
    for name, value in {"seed": 7, "max_train_samples": 50, "only_copies": True}.items():
        with pytest.raises(UserError, match=f"--{name.replace('_', '-')}: --measure"):
            augment.run(augment.Config(**asked, **{name: value}))
    (tmp_path / "slip.yaml").write_text("epohcs: 3\n")
    with pytest.raises(UserError, match="epohcs"):
        augment.run(augment.Config(**asked, training=tmp_path / "slip.yaml"))
    with pytest.raises(UserError, match="--rows 500: train has 96 rows"):
        augment.run(augment.Config(**asked, rows=[50, 500]))
    report = augment.run(augment.Config(**asked, rows=[20, "all"]))
    assert report.record["trainings"] == 18 and not (tmp_path / "gain").exists()
