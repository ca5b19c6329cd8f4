"""`--seeds`: the same run with several seeds, of which the best on validation is kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import every_task
import interrupted_parts
import numpy as np
import pytest
from conftest import rows, write_csv

from nlpkit.errors import Interrupted, UserError
from nlpkit.experiment import lifecycle
from nlpkit.recipes import distill, finetune_cls

SMALL = {**every_task.TRAINING, "max_steps": 24}


def config(data: Path, model: Path, output: Path, **more: Any) -> finetune_cls.Config:
    return finetune_cls.Config(**{**SMALL, "data": str(data), "model": str(model), "output": output, **more})


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_csv(tmp_path_factory.mktemp("small") / "small.csv", rows(80))


@pytest.fixture(scope="module")
def repeated(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path, small: Path) -> Path:
    """A finished run with three seeds."""
    output = tmp_path_factory.mktemp("repeated") / "run"
    finetune_cls.run(config(small, tiny_model, output, seeds="1,2,3", validation_share=0.25))
    return output


def record_of(run: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((run / "nlpkit.json").read_text())
    return record


def test_the_best_of_the_seeds_is_the_run_and_the_spread_is_told(repeated: Path) -> None:
    record = record_of(repeated)
    seeds = record["seeds"]
    assert [each["seed"] for each in seeds["each"]] == [1, 2, 3]
    values = [each["metrics"]["validation"]["accuracy"] for each in seeds["each"]]
    assert len(set(values)) == 3
    assert seeds["chosen"] == [1, 2, 3][int(np.argmax(values))]
    assert record["metrics"] == next(each["metrics"] for each in seeds["each"] if each["seed"] == seeds["chosen"])
    assert seeds["mean"]["validation"]["accuracy"] == pytest.approx(np.mean(values))
    assert seeds["sd"]["validation"]["accuracy"] == pytest.approx(np.std(values, ddof=1))
    assert (seeds["least"]["validation"]["accuracy"], seeds["most"]["validation"]["accuracy"]) == pytest.approx(
        (min(values), max(values))
    )
    assert record["seed"] == seeds["chosen"]
    assert record["config"]["seeds"] == [1, 2, 3]
    assert not (repeated / "checkpoints").exists()
    card = (repeated / "README.md").read_text(encoding="utf-8")
    assert f"{seeds['chosen']} (kept)" in card.replace("\\", "")


def test_each_seed_is_the_run_that_it_is_alone(repeated: Path, tmp_path: Path, tiny_model: Path, small: Path) -> None:
    """With the same rows held out, which are those of --seed."""
    chosen = record_of(repeated)["seed"]
    alone = config(small, tiny_model, tmp_path / "run", seed=chosen, shuffle_seed=42, validation_share=0.25)
    finetune_cls.run(alone)
    name = "model.safetensors"
    assert (tmp_path / "run" / name).read_bytes() == (repeated / name).read_bytes()


@pytest.mark.slow
def test_interrupted_seeds_go_on_and_none_is_trained_again(
    repeated: Path, tmp_path: Path, tiny_model: Path, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = interrupted_parts.interrupt(monkeypatch, "1", "2", "3")
    with pytest.raises(Interrupted) as stopped:
        finetune_cls.run(config(small, tiny_model, tmp_path / "run", seeds=[1, 2, 3], validation_share=0.25))
    assert str(tmp_path / "run") + " --resume" in str(stopped.value.hint)
    assert len(list((tmp_path / "run").rglob("model.safetensors"))) == 1  # of two that are finished the better one
    finetune_cls.run(finetune_cls.Config(output=tmp_path / "run", resume=True))
    assert begun == ["1", "2", "3", "3"]
    assert record_of(tmp_path / "run")["metrics"] == record_of(repeated)["metrics"]
    name = "model.safetensors"
    assert (tmp_path / "run" / name).read_bytes() == (repeated / name).read_bytes()
    told = finetune_cls.run(finetune_cls.Config(output=tmp_path / "run", resume=True))  # complete: it is told again
    assert told.tables[-1].title == "3 seeds"


@pytest.mark.slow
def test_students_of_several_seeds_are_judged_on_what_their_teacher_has_not_seen(
    repeated: Path, tmp_path: Path, tiny_model: Path, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[list[str]] = []
    train = lifecycle.train

    def seen(experiment: Any, prepare: Any) -> Any:
        held.append(list(experiment.examples["validation"]["where"]))
        return train(experiment, prepare)

    monkeypatch.setattr(lifecycle, "train", seen)
    options = {"teacher": str(repeated), "output": tmp_path / "run", "measure_seconds": 0.1, "student_layers": "1"}
    options |= {"max_steps": 2, "device": "cpu", "threads": 1, "batch_size": 16}
    distill.run(distill.Config(**options, seeds=[5, 6]))
    teacher = finetune_cls.finetune.prepare(
        config(small, tiny_model, tmp_path / "none", validation_share=0.25),
        "finetune-cls",
        finetune_cls.TextClassification,
    )
    assert held == [list(teacher.examples["validation"]["where"])] * 2
    record = record_of(tmp_path / "run")
    assert [each["seed"] for each in record["seeds"]["each"]] == [5, 6]
    assert record["price"]["sides"]
    assert record["config"]["data"] == str(small)


@pytest.mark.parametrize(
    ("given", "said"), [("3", "not how many"), ("1,1", "once"), ("1,-2", "from 0"), ("1,x", "--seeds")]
)
def test_seeds_that_are_none_are_refused(given: Any, said: str) -> None:
    with pytest.raises(UserError, match=said):
        finetune_cls.Config(data="x", seeds=given)


def test_folds_and_seeds_together_are_refused(tmp_path: Path, tiny_model: Path, small: Path) -> None:
    with pytest.raises(UserError, match="--cv and --seeds"):
        finetune_cls.run(config(small, tiny_model, tmp_path / "run", seeds=[1, 2], cv=2))
    assert not (tmp_path / "run").exists()
