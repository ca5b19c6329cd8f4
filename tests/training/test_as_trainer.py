"""With --batching random a run is that of a plain Trainer with the same seed: weights, order, dropout, losses.

The Trainers here are as run_glue.py and run_ner.py set them up; their losses are compared digit for digit.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import FILLER, make_model, rows, write_csv, write_jsonl
from datasets import Dataset
from transformers import (
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoTokenizer,
    DataCollatorForTokenClassification,
    DataCollatorWithPadding,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    set_seed,
)

from nlpkit import reporting
from nlpkit.errors import Interrupted
from nlpkit.recipes import finetune_cls, finetune_ner
from nlpkit.training.callbacks import SignalCallback

SEED, EPOCHS, BATCH, RATE = 11, 2, 4, 3e-3
TRAINED, HELD = 45, 10  # rows: the last batch of an epoch is smaller
TAGS = ["O", "B-thing", "I-thing"]  # numbered as finetune-ner does, whichever of them the data have


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With dropout, and with more pieces than the data use."""
    return make_model(tmp_path_factory.mktemp("model") / "bert", vocab_size=300)


def words_of(text: str) -> dict[str, Any]:
    words = text.split()
    return {"tokens": words, "ner_tags": [TAGS[int(word not in FILLER)] for word in words]}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    made = rows(TRAINED + HELD, seed=6)
    (folder / "cls").mkdir()
    (folder / "ner").mkdir()
    for name, part in (("train", made[:TRAINED]), ("validation", made[TRAINED:])):
        write_csv(folder / "cls" / f"{name}.csv", part)
        write_jsonl(folder / "ner" / f"{name}.jsonl", [words_of(row["text"]) for row in part])
    return folder


def classifier(model: Path) -> tuple[Any, Any, list[Any]]:
    tokenizer = AutoTokenizer.from_pretrained(model)
    names = ["negative", "positive"]
    made = rows(TRAINED + HELD, seed=6)
    encoded = [tokenizer(row["text"], truncation=True) | {"labels": names.index(row["label"])} for row in made]
    set_seed(SEED)
    opened = AutoModelForSequenceClassification.from_pretrained(model, num_labels=2)
    return opened, DataCollatorWithPadding(tokenizer), encoded


def tagger(model: Path) -> tuple[Any, Any, list[Any]]:
    tokenizer = AutoTokenizer.from_pretrained(model)
    encoded = []
    for row in rows(TRAINED + HELD, seed=6):
        given = words_of(row["text"])
        made = tokenizer(given["tokens"], truncation=True, is_split_into_words=True)
        places, labels = made.word_ids(), []
        for before, word in zip([None, *places], places, strict=False):
            first = word is not None and word != before
            labels.append(TAGS.index(given["ner_tags"][word]) if first else -100)
        encoded.append({**made, "labels": labels})
    set_seed(SEED)
    opened = AutoModelForTokenClassification.from_pretrained(model, num_labels=len(TAGS))
    return opened, DataCollatorForTokenClassification(tokenizer), encoded


SIDES = {"cls": (finetune_cls, classifier), "ner": (finetune_ner, tagger)}


class Losses(TrainerCallback):
    def __init__(self) -> None:
        self.found: list[tuple[float, float]] = []

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        if "loss" in logs:
            self.found.append((logs["loss"], logs["grad_norm"]))


def plain_losses(kind: str, model: Path, folder: Path) -> tuple[list[tuple[float, float]], dict[str, torch.Tensor]]:
    """What a plain Trainer logs, and the weights with which it begins."""
    opened, collator, encoded = SIDES[kind][1](model)
    begun = {name: value.clone() for name, value in opened.state_dict().items()}
    losses = Losses()
    arguments = TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=EPOCHS,
        per_device_train_batch_size=BATCH,
        learning_rate=RATE,
        weight_decay=0.01,
        seed=SEED,
        eval_strategy="epoch",
        save_strategy="no",
        logging_steps=1,
        use_cpu=True,
        report_to="none",
        disable_tqdm=True,
    )
    trainer = Trainer(
        opened,
        arguments,
        train_dataset=Dataset.from_list(encoded[:TRAINED]),
        eval_dataset=Dataset.from_list(encoded[TRAINED:]),
        data_collator=collator,
        callbacks=[losses],
    )
    trainer.train()
    return losses.found, begun


def options(kind: str, data: Path, model: Path, output: Path) -> dict[str, Any]:
    return {
        "data": str(data / kind),
        "model": str(model),
        "output": output,
        "batching": "random",
        "epochs": EPOCHS,
        "batch_size": BATCH,
        "learning_rate": RATE,
        "warmup": 0,
        "weight_decay": 0.01,
        "seed": SEED,
        "logging_steps": 1,
        "device": "cpu",
        "threads": torch.get_num_threads(),
    }


def logged(run: Path) -> list[tuple[float, float]]:
    entries = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [(entry["loss"], entry["grad_norm"]) for entry in entries if "loss" in entry]


@pytest.mark.slow
@pytest.mark.parametrize("kind", list(SIDES))
def test_losses_are_those_of_a_plain_trainer(
    kind: str, data: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected, begun = plain_losses(kind, model, tmp_path / "plain")
    module = SIDES[kind][0]
    given = options(kind, data, model, tmp_path / "run")
    ours = module.build(module.Config(**given)).model.state_dict()
    assert begun.keys() == ours.keys()
    assert all(torch.equal(value, ours[name]) for name, value in begun.items())  # the new head, too

    steps = EPOCHS * -(-TRAINED // BATCH)
    leave_at = steps // 2 + 3  # in the second epoch
    real = SignalCallback.on_step_begin

    def interrupted(self: Any, args: Any, state: Any, control: Any, **keywords: Any) -> None:
        if state.global_step == leave_at:
            self.caught = 2
        real(self, args, state, control, **keywords)

    with monkeypatch.context() as patch:
        patch.setattr(SignalCallback, "on_step_begin", interrupted)
        with pytest.raises(Interrupted):
            module.run(module.Config(**given))
    assert logged(tmp_path / "run") == expected[:leave_at]
    module.run(module.Config(output=tmp_path / "run", resume=True))
    assert len(expected) == steps
    assert logged(tmp_path / "run") == expected


def test_a_run_that_began_with_another_order_says_so_when_it_goes_on(data: Path, model: Path, tmp_path: Path) -> None:
    trainer = finetune_cls.build(finetune_cls.Config(**options("cls", data, model, tmp_path / "run")))
    with reporting.listening() as heard:
        trainer.resume_from(trainer.position())
        trainer._get_train_sampler()
        assert heard.warnings == []
        trainer.resume_from({"seconds": 1.0})  # as it was saved before
        trainer._get_train_sampler()
    assert "some rows are trained on twice" in heard.warnings[0]
