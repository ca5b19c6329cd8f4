from __future__ import annotations

import json
import logging
import math
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import rows, write_csv
from hearing import Heard
from safetensors.torch import load_file

from nlpkit.errors import UserError
from nlpkit.recipes import finetune_cls

pytestmark = pytest.mark.slow

BATCH, STEPS = 8, 4  # a pass over the 32 training rows


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    made = rows(48, seed=5)
    write_csv(folder / "train.csv", made[:32])
    write_csv(folder / "validation.csv", made[32:])
    return folder


@pytest.fixture
def configured(data: Path, tiny_model: Path, tmp_path: Path) -> Any:
    numbers = iter(range(100))

    def make(**values: Any) -> finetune_cls.Config:
        defaults = {
            "data": str(data),
            "model": str(tiny_model),
            "epochs": 1,
            "batch_size": BATCH,
            "learning_rate": 1e-3,
        }
        defaults |= {"output": tmp_path / f"run{next(numbers)}", "device": "cpu", "threads": 1}
        return finetune_cls.Config(**(defaults | values))

    return make


@pytest.fixture
def train(configured: Any) -> Any:
    """Train; returns the run folder."""

    def run(**values: Any) -> Path:
        config = configured(**values)
        finetune_cls.run(config)
        return config.output

    return run


def weights(run: Path) -> dict[str, torch.Tensor]:
    return load_file(run / "model.safetensors")


def record(run: Path) -> dict[str, Any]:
    return json.loads((run / "nlpkit.json").read_text())


def logged(run: Path, name: str) -> dict[int, Any]:
    entries = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return {entry["step"]: entry[name] for entry in entries if name in entry}


# --- what is trained ---


@pytest.mark.parametrize(
    ("what", "fixed"),
    [
        ("embeddings", ("bert.embeddings.",)),
        ("1", ("bert.embeddings.", "bert.encoder.layer.0.")),
        ("encoder", ("bert.",)),
        ("none", ()),
    ],
)
def test_frozen_parameters_do_not_move_and_the_others_do(
    what: str, fixed: tuple[str, ...], train: Any, tiny_model: Path
) -> None:
    before = weights(tiny_model)
    after = weights(train(freeze=what, max_steps=2, weight_decay=0.1, warmup=0))
    compared = 0
    for name, value in after.items():
        if not name.startswith("bert."):
            continue
        old = before[name.removeprefix("bert.")]
        if name.startswith(fixed) and fixed:
            assert torch.equal(value, old), name
        elif not name.endswith("key.bias"):  # its gradient is zero: softmax does not see it
            assert not torch.equal(value, old), name
        compared += 1
    assert compared == len(before)


@pytest.mark.parametrize("first", [True, False])
def test_other_processes_are_as_quiet_as_the_first(
    first: bool, configured: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = finetune_cls.build(configured()).args
    monkeypatch.setattr(type(arguments), "should_log", property(lambda _: first))
    assert arguments.get_process_log_level() == logging.ERROR


def test_more_frozen_layers_than_there_are(configured: Any) -> None:
    with pytest.raises(UserError) as error:
        finetune_cls.build(configured(freeze="3"))
    assert error.value.message == "--freeze 3: the model has 2 layers"
    assert error.value.hint == "Use `encoder` to freeze all of them."


def test_layer_decay_by_hand(configured: Any) -> None:
    trainer = finetune_cls.build(configured(layer_decay=0.5, learning_rate=8e-3, weight_decay=0.1))
    optimizer = trainer.create_optimizer()
    names = {id(parameter): name for name, parameter in trainer.model.named_parameters()}
    found = {
        names[id(p)]: (group["lr"], group["weight_decay"]) for group in optimizer.param_groups for p in group["params"]
    }
    assert set(found) == set(names.values())
    for name, (rate, decay) in found.items():
        expected = 8e-3  # head and pooler
        if ".embeddings." in name:
            expected = 1e-3
        elif ".layer.0." in name:
            expected = 2e-3
        elif ".layer.1." in name:
            expected = 4e-3
        assert rate == pytest.approx(expected), name
        assert decay == (0.0 if name.endswith("bias") or "LayerNorm" in name else 0.1), name


def test_dropout_is_overridden_everywhere(configured: Any) -> None:
    model = finetune_cls.build(configured(dropout=0.33)).model
    config = model.config
    assert config.hidden_dropout_prob == config.attention_probs_dropout_prob == config.classifier_dropout == 0.33
    assert {module.p for module in model.modules() if isinstance(module, torch.nn.Dropout)} == {0.33}
    assert finetune_cls.build(configured()).model.config.hidden_dropout_prob == 0.1


# --- learning rate ---


@pytest.mark.parametrize(
    ("schedule", "warmup", "expected"),
    [
        ("linear", 0, lambda t: 1 - t / 10),
        ("linear", 0.2, lambda t: t / 2 if t < 2 else (10 - t) / 8),
        ("linear", 5, lambda t: t / 5 if t < 5 else (10 - t) / 5),
        ("cosine", 2, lambda t: t / 2 if t < 2 else (1 + math.cos(math.pi * (t - 2) / 8)) / 2),
        ("constant", 4, lambda t: min(t / 4, 1)),
    ],
)
def test_schedules_by_hand(schedule: str, warmup: float, expected: Any, train: Any) -> None:
    run = train(schedule=schedule, warmup=warmup, max_steps=10, logging_steps=1, learning_rate=1e-3, freeze="encoder")
    rates = logged(run, "learning_rate")
    assert sorted(rates) == list(range(1, 11))
    for step, rate in rates.items():
        # the rate with which that step was made: the scheduler has moved on once a step
        assert rate == pytest.approx(1e-3 * expected(step - 1), abs=1e-9), step


# --- how long ---


def test_max_steps_wins_over_epochs_and_is_evaluated(train: Any) -> None:
    run = train(max_steps=6, epochs=1)
    assert record(run)["steps"] == 6
    assert sorted(logged(run, "eval_accuracy")) == [4, 6]


def test_max_minutes_stops_and_still_finishes(train: Any) -> None:
    run = train(max_minutes=1e-6, epochs=50)
    assert record(run)["status"] == "complete"
    assert record(run)["steps"] == 1
    assert (run / "model.safetensors").exists()


def test_eval_steps(train: Any) -> None:
    assert sorted(logged(train(eval_steps=3, epochs=2, freeze="encoder"), "eval_loss")) == [3, 6, 8]


def test_early_stopping_after_evaluations_without_a_better_metric(train: Any) -> None:
    # a rate this small changes no prediction: no evaluation is better than the first
    run = train(epochs=20, early_stopping=2, learning_rate=1e-12)
    assert sorted(logged(run, "eval_accuracy")) == [STEPS, 2 * STEPS, 3 * STEPS]
    assert record(run)["steps"] == 3 * STEPS
    assert record(run)["best_step"] == STEPS


@pytest.mark.parametrize("metric", ["loss", "f1_macro"])
def test_the_model_at_the_root_is_the_best_by_the_metric(metric: str, train: Any, data: Path) -> None:
    from nlpkit.recipes import evaluate

    run = train(best_metric=metric, epochs=6, learning_rate=8e-3, schedule="constant")
    found = record(run)
    values = logged(run, f"eval_{metric}")
    best = min(values, key=values.get) if metric == "loss" else max(values, key=values.get)
    assert found["best_step"] == best
    assert len(set(values.values())) > 1
    again = evaluate.run(
        evaluate.Config(model=str(run), data=str(data), split="validation", device="cpu", threads=1, save=False)
    )
    assert again.record["metrics"]["validation"] == pytest.approx(found["metrics"]["validation"])
    if metric != "loss":
        assert found["metrics"]["validation"][metric] == pytest.approx(values[best])


def test_a_misspelt_best_metric_fails_before_training(configured: Any) -> None:
    with pytest.raises(UserError) as error:
        finetune_cls.build(configured(best_metric="f1_makro"))
    assert "--best-metric f1_makro: no such metric" in error.value.message
    assert error.value.hint == "Did you mean 'f1_macro'?"


# --- batches ---


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_accumulated_batches_train_as_one_large_batch(smoothing: float, train: Any, tmp_path: Path) -> None:
    same = {"dropout": 0.0, "epochs": 2, "label_smoothing": smoothing, "class_weights": "balanced", "logging_steps": 1}
    same["trainer"] = {"optim": "sgd"}  # Adam would blow up rounding
    large = train(batch_size=16, learning_rate=0.1, **same)
    small = train(batch_size=4, gradient_accumulation_steps=4, learning_rate=0.1, **same)
    assert record(large)["steps"] == record(small)["steps"] == 4
    for name, value in weights(large).items():
        torch.testing.assert_close(value, weights(small)[name], atol=1e-5, rtol=1e-4)
    assert list(logged(large, "loss").values()) == pytest.approx(list(logged(small, "loss").values()), abs=2e-4)


def test_gradient_checkpointing_gives_the_same_model(train: Any) -> None:
    plain = weights(train(dropout=0.0))
    checkpointed = weights(train(dropout=0.0, gradient_checkpointing=True))
    for name, value in plain.items():
        torch.testing.assert_close(value, checkpointed[name], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("batching", ["length", "random"])
def test_both_kinds_of_batches_train(batching: str, configured: Any) -> None:
    trainer = finetune_cls.build(configured(batching=batching))
    lengths = trainer.splits["train"].lengths
    order = list(trainer._get_train_sampler())
    assert sorted(order) == list(range(32))
    spread = sum(
        int(lengths[order[i : i + BATCH]].max() - lengths[order[i : i + BATCH]].min()) for i in range(0, 32, BATCH)
    )
    assert (spread < 18) == (batching == "length")


# --- which rows ---


def imbalanced(folder: Path) -> Path:
    made = [row for row in rows(100, seed=2) if row["label"] == "positive"][:40]
    made += [row for row in rows(100, seed=3) if row["label"] == "negative"][:8]
    write_csv(folder / "train.csv", made)
    write_csv(folder / "validation.csv", rows(16, seed=8))
    return folder


def test_oversampling_changes_what_is_trained_on_but_not_what_is_judged(
    configured: Any, train: Any, tmp_path: Path
) -> None:
    values = {"data": str(imbalanced(tmp_path)), "oversample": True, "freeze": "encoder"}
    trainer = finetune_cls.build(configured(**values))
    assert Counter(trainer.train_dataset["labels"][:]) == {0: 40, 1: 40}
    run = train(**values)
    assert record(run)["rows"]["train"] == 48
    assert record(run)["steps"] == 80 // BATCH


def test_oversampled_windows_stay_together(configured: Any, tmp_path: Path) -> None:
    folder = imbalanced(tmp_path)
    trainer = finetune_cls.build(configured(data=str(folder), oversample=True, long_text="windows", max_length=8))
    train = trainer.splits["train"]
    made = trainer.task.features(trainer.processing_class, {"text": train.examples["text"][:]})
    windows, drawn = Counter(made["example"]), Counter(train.owner.tolist())
    assert max(windows.values()) > 1
    assert set(drawn) == set(range(48))
    assert all(drawn[i] % windows[i] == 0 for i in drawn)
    times = Counter()
    for i, label in enumerate(train.examples["label"][:]):
        times[label] += drawn[i] // windows[i]
    assert times == {0: 40, 1: 40}


def test_features_of_repeated_examples() -> None:
    import numpy as np

    from nlpkit.experiment.finetune import _features_of

    owner = np.array([0, 0, 1, 3, 3, 3, 4])  # example 2 has none
    for examples in ([3, 0, 3, 1, 4], [2], [0, 1, 2, 3, 4], []):
        chosen = np.array(examples, dtype=np.int64)
        found = _features_of(owner, chosen)
        assert found.tolist() == [row for i in examples for row in np.flatnonzero(owner == i).tolist()]


def test_max_train_samples_is_balanced_by_label(configured: Any, tmp_path: Path) -> None:
    trainer = finetune_cls.build(configured(data=str(imbalanced(tmp_path)), max_train_samples=12, max_eval_samples=4))
    assert Counter(trainer.train_dataset["labels"][:]) == {0: 6, 1: 6}
    assert len(trainer.eval_dataset) == 4


def test_split_grammar(configured: Any, data: Path) -> None:
    trainer = finetune_cls.build(configured(train_split="train[:5]+train[-3:]", validation_split="train[5:10]"))
    source = rows(48, seed=5)
    assert trainer.splits["train"].examples["text"][:] == [row["text"] for row in [*source[:5], *source[29:32]]]
    assert trainer.splits["validation"].examples["text"][:] == [row["text"] for row in source[5:10]]


def test_a_validation_split_is_made_and_said(configured: Any, data: Path, heard: Heard) -> None:
    trainer = finetune_cls.build(configured(data=str(data / "train.csv"), validation_share=0.25))
    assert Counter(trainer.splits["validation"].examples["label"][:]) == {0: 4, 1: 4}
    assert "validation: 8 rows held out of train (stratified by 'label', seed 42; --validation-file)" in heard.notes
    assert "text: column 'text' (guessed; --text-column)" in heard.notes


# --- the baseline ---


def test_the_baseline_stands_in_the_same_table(configured: Any) -> None:
    config = configured(baseline=True, freeze="encoder")
    report = finetune_cls.run(config)
    table, costs = report.tables
    assert list(table.header[:3]) == ["split", "model", "rows"]
    assert [row[1] for row in table.rows] == ["tiny-bert", "TF-IDF + linear"] * 2
    found = record(config.output)["baseline"]
    assert found["metrics"]["validation"]["accuracy"] > 0.8
    assert table.rows[3][3].value == found["metrics"]["validation"]["accuracy"]
    assert [row[0] for row in costs.rows] == ["tiny-bert", "TF-IDF + linear"]
    assert found["rows_per_second"] > 0 and found["bytes"] > 0


def test_several_baselines_stand_below_the_model_the_best_first(configured: Any) -> None:
    config = configured(baseline="lstm,svm", freeze="encoder")
    table, costs = finetune_cls.run(config).tables
    made = record(config.output)
    beside = [made["baseline"], *made["baselines"]]
    values = [base["metrics"]["validation"]["accuracy"] for base in beside]
    assert sorted(base["name"] for base in beside) == ["LSTM", "TF-IDF + SVM"]
    assert values == sorted(values, reverse=True)
    assert [row[1] for row in table.rows[3:]] == [row[0] for row in costs.rows]
    svm = next(base for base in beside if base["name"] == "TF-IDF + SVM")
    assert "ece" in made["metrics"]["validation"] and "ece" not in svm["metrics"]["validation"]
    card = (config.output / "README.md").read_text()
    assert "validation: LSTM" in card and "validation: TF-IDF + SVM" in card and "What they cost:" in card
    assert not (config.output / "checkpoints").exists()


def test_cross_validation_takes_one_baseline(configured: Any) -> None:
    with pytest.raises(UserError, match="--cv: 2 models of --baseline would be trained for each fold"):
        finetune_cls.build(configured(baseline=["lstm", "svm"], cv=3))


# --- the seed ---


def test_a_seed_decides_every_weight(train: Any) -> None:
    first, second, other = (weights(train(seed=seed)) for seed in (3, 3, 4))
    for name, value in first.items():
        assert torch.equal(value, second[name]), name
    assert not torch.equal(first["classifier.weight"], other["classifier.weight"])
    assert not torch.equal(
        first["bert.encoder.layer.0.output.dense.weight"], other["bert.encoder.layer.0.output.dense.weight"]
    )
