"""What a fine-tuning does where its user names no rate and no epochs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conftest import write_csv

from nlpkit.recipes import finetune_cls, finetune_embed, finetune_ner, finetune_qa
from nlpkit.training import defaults


class _Wide:
    def __init__(self, width: int) -> None:
        self.config = type("Config", (), {"hidden_size": width})()


@pytest.mark.parametrize(
    ("width", "rows", "rate", "epochs", "batch"),
    [
        (384, 100, 1.5e-4, 20, 16),  # 7 steps an epoch: 250 would be 36 epochs
        (384, 500, 1.5e-4, 8, 16),  # 32 steps: 250 / 32 is 7.8
        (768, 1_000, 5e-5, 4, 16),  # 63 steps
        (1024, 10_000, 2e-5, 3, 32),  # 313 steps: never fewer than three epochs
    ],
)
def test_rate_by_width_and_length_by_rows(width: int, rows: int, rate: float, epochs: int, batch: int) -> None:
    config, found = defaults.settle(finetune_cls.Config(data="d"), _Wide(width), rows)
    assert (config.learning_rate, config.epochs, config.batch_size) == (rate, epochs, batch)
    assert config.eval_steps == (0.1 if epochs == 20 else None)  # else validation would cost more than training
    told = dict(defaults.described(found))["by default"]
    assert f"learning rate {rate:g} (one answer per text, {width:,} wide)" in told and f"epochs {epochs} (" in told


def test_answers_for_each_token_take_larger_steps_of_a_small_model() -> None:
    for config in (finetune_ner.Config(data="d"), finetune_qa.Config(data="d")):
        settled, found = defaults.settle(config, _Wide(384), 500)
        assert settled.learning_rate == 3e-4 and "one answer per token" in found[-1].why


def test_what_is_given_stays() -> None:
    given: dict[str, Any] = {"learning_rate": 1e-3, "epochs": 2, "batch_size": 8, "warmup": 5}
    config, found = defaults.settle(finetune_cls.Config(data="d", **given), _Wide(384), 100)
    assert {name: getattr(config, name) for name in given} == given and defaults.described(found) == []
    steps, found = defaults.settle(finetune_cls.Config(data="d", max_steps=7), _Wide(384), 100)
    assert steps.max_steps == 7 and "epochs" not in {one.name for one in found}  # which would be read by nothing
    pairs = finetune_embed.Config(data="d")
    assert defaults.settle(pairs, _Wide(384), 100) == (pairs, [])  # not measured there


def test_the_record_repeats_what_was_settled(tiny_model: Path, reviews: Path, tmp_path: Path) -> None:
    asked = {"data": str(reviews), "model": str(tiny_model), "device": "cpu", "threads": 1, "dry_run": True}
    record = finetune_cls.run(finetune_cls.Config(**asked, train_split="train[:40]", output=tmp_path / "run")).record
    settled = record["config"]
    assert (settled["epochs"], settled["learning_rate"], settled["batch_size"]) == (20, 1.5e-4, 16)
    assert "epochs" in finetune_cls.Config(**settled).given  # so that a config file of it settles nothing anew


def test_a_new_head_of_scores_begins_at_their_mean(tiny_model: Path, tmp_path: Path) -> None:
    data = write_csv(tmp_path / "scores.csv", [{"text": f"film {i} good", "score": 3 + i % 3} for i in range(40)])
    asked: dict[str, Any] = {"data": str(data), "model": str(tiny_model), "device": "cpu", "threads": 1}
    asked |= {"problem": "regression", "label_column": "score", "validation_share": 0.25}
    trainer = finetune_cls.build(finetune_cls.Config(**asked, output=tmp_path / "run"))
    scores = trainer.splits["train"].examples["label"][:]
    assert trainer.model.classifier.bias.item() == pytest.approx(sum(scores) / len(scores))
    plain = finetune_cls.build(finetune_cls.Config(**asked, batching="random", output=tmp_path / "plain"))
    assert plain.model.classifier.bias.item() == 0  # as a plain Trainer begins


def test_help_in_python_tells_it_too() -> None:
    import nlpkit

    told = " ".join(str(nlpkit.finetune_cls.__doc__).split())
    assert "Peak learning rate. Default: by task and model size." in told
    assert "Passes over the train split. Default: by rows." in told
