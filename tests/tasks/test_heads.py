"""Labels of a model against labels of data: the same names in another order must mean the same."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import rows, write_csv
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value
from every_task import tagged

from nlpkit.data.labels import Labels
from nlpkit.distillation import student
from nlpkit.experiment import finetune
from nlpkit.experiment import inherited_data as trained_models
from nlpkit.recipes import benchmark, distill, evaluate, finetune_cls, finetune_ner, quantize
from nlpkit.tasks import heads
from nlpkit.tasks.text_classification.task import TextClassification
from nlpkit.tasks.token_classification.task import TokenClassification

CPU: dict[str, Any] = {"device": "cpu", "threads": 1}


@pytest.mark.parametrize(
    ("own", "model", "numbered", "names", "level", "said"),
    [
        (["neg", "pos"], ["neg", "pos"], False, ["neg", "pos"], "note", r"are those of the data \(neg, pos\)$"),
        (["neg", "pos"], ["pos", "neg"], False, ["pos", "neg"], "note", "numbered as the model has them"),
        (["neg", "pos"], ["POS", "NEG"], False, ["pos", "neg"], "note", "but for how they are spelt"),
        (["0", "1"], ["LABEL_0", "LABEL_1"], False, ["0", "1"], "warning", "LABEL_0 = 0, LABEL_1 = 1"),
        (["pos", "neg"], ["LABEL_0", "LABEL_1"], True, ["pos", "neg"], "warning", "LABEL_0 = pos, LABEL_1 = neg"),
        (["neg", "pos"], ["LABEL_0", "LABEL_1"], False, None, "warning", "drawn anew: it is for 2 labels"),
        (
            ["ham", "spam"],
            ["neg", "pos"],
            False,
            None,
            "warning",
            r"\(neg, pos\), the data have 2 labels \(ham, spam\)",
        ),
        (["0", "1"], ["neg", "pos"], False, None, "warning", "write the model's labels into the data"),
        (["neg", "pos"], ["neg", "neutral", "pos"], False, None, "note", "drawn anew: it is for 3 labels"),
        (["neg", "pos"], [], False, None, "note", "it is for numbers, the data have 2 labels"),
        (["A", "a"], ["a", "b"], False, None, "warning", "drawn anew"),
    ],
)
def test_labels_are_matched_by_name(
    own: list[str], model: list[str], numbered: bool, names: list[str] | None, level: str, said: str
) -> None:
    import re

    head = heads.fitted(own, model, numbered=numbered)
    assert (head.kept, head.names or None, head.level) == (names is not None, names, level)
    assert re.search(said, head.note), head.note


def test_a_head_for_numbers_goes_on_for_numbers() -> None:
    head = heads.fitted([], [])
    assert head.kept
    assert head.note.endswith("goes on: it gives numbers, which the data have")


def test_a_head_that_goes_on_for_another_problem_is_told() -> None:
    names = ["neg", "pos"]
    task = TextClassification(Labels("multi-label", names))
    renumbered, head = task.with_head_of(TextClassification(Labels("single-label", names[::-1])))
    assert head.note.endswith("; it was trained for single-label and is for multi-label now")
    assert renumbered.labels.names == names[::-1]
    assert task.labels.names == names


@pytest.fixture(scope="module")
def turned(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The trained run as a plain folder whose labels stand in the other order; its answers are the same."""
    from transformers import AutoModelForSequenceClassification

    folder = shutil.copytree(trained, tmp_path_factory.mktemp("turned") / "model")
    model = AutoModelForSequenceClassification.from_pretrained(trained)
    with torch.no_grad():
        for parameter in model.classifier.parameters():
            parameter.copy_(parameter.flip(0))
    model.config.id2label, model.config.label2id = {0: "positive", 1: "negative"}, {"positive": 0, "negative": 1}
    model.save_pretrained(folder)
    (folder / "nlpkit.json").unlink()
    return folder


@pytest.fixture(scope="module")
def declared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The rows of `reviews` as a saved data set whose labels are numbers, declared as negative, positive."""
    made = rows(160)
    features = Features({"text": Value("string"), "label": ClassLabel(names=["negative", "positive"])})
    parts = {"train": made[:96], "validation": made[96:128], "test": made[128:]}
    folder = tmp_path_factory.mktemp("declared") / "set"
    DatasetDict({name: Dataset.from_list(part, features=features) for name, part in parts.items()}).save_to_disk(folder)
    return folder


def accuracy(trained: Path) -> float:
    return float(json.loads((trained / "nlpkit.json").read_text())["metrics"]["test"]["accuracy"])


def test_fine_tuning_goes_on_with_the_head_in_the_order_of_the_model(
    trained: Path, turned: Path, reviews: Path, tmp_path: Path
) -> None:
    config = finetune_cls.Config(
        data=str(reviews), model=str(turned), output=tmp_path / "run", learning_rate=1e-9, max_steps=1, **CPU
    )
    record = finetune_cls.run(config).record
    assert record["task"]["labels"] == ["positive", "negative"]
    assert record["metrics"]["test"]["accuracy"] == pytest.approx(accuracy(trained))
    (found,) = (finding for finding in record["findings"] if finding["check"] == "head")
    assert "goes on" in found["message"]


def test_other_labels_of_the_same_number_get_a_new_head(turned: Path, tmp_path: Path) -> None:
    names = {"negative": "ham", "positive": "spam"}
    data = write_csv(tmp_path / "mail.csv", [{**row, "label": names[row["label"]]} for row in rows(64)])
    config = finetune_cls.Config(data=str(data), model=str(turned), output=tmp_path / "run", **CPU)
    experiment = finetune.prepare(config, "finetune-cls", TextClassification)
    assert experiment.new_weights == ["classifier.bias", "classifier.weight"]
    from transformers import AutoModelForSequenceClassification

    before = AutoModelForSequenceClassification.from_pretrained(turned)
    after = experiment.trainer.model
    assert after.config.id2label == {0: "ham", 1: "spam"}
    assert torch.equal(after.bert.pooler.dense.weight, before.bert.pooler.dense.weight)
    assert after.classifier.weight.std().item() == pytest.approx(before.config.initializer_range, rel=0.5)
    assert not torch.allclose(after.classifier.weight, before.classifier.weight, atol=1e-3)


def test_entities_in_the_order_of_the_model_and_a_head_of_another_task(
    turned: Path, tiny_model: Path, tmp_path: Path
) -> None:
    from transformers import AutoModelForTokenClassification

    names = ["I-BAD", "B-GOOD", "O", "B-BAD", "I-GOOD"]
    model = AutoModelForTokenClassification.from_pretrained(
        tiny_model, id2label=dict(enumerate(names)), label2id={name: i for i, name in enumerate(names)}
    )
    place = shutil.copytree(tiny_model, tmp_path / "tagger")
    model.save_pretrained(place)
    data = tmp_path / "train.conll"
    data.write_text(tagged(40, 1), encoding="utf-8")
    common = {"output": tmp_path / "run", **CPU}
    config = finetune_ner.Config(data=str(data), model=str(place), **common)
    experiment = finetune.prepare(config, "finetune-ner", TokenClassification)
    assert experiment.trainer.model.config.id2label == dict(enumerate(names))
    assert torch.equal(experiment.trainer.model.classifier.weight, model.classifier.weight)
    row = experiment.splits["train"].features[0]
    tags = experiment.examples["train"][0]["tags"]
    assert [names[i] for i in row["labels"] if i >= 0] == tags

    # five classes of texts: as many as the tagger has tags, and its weights have the same names and shapes
    labels = ["one", "two", "three", "four", "five"]
    texts = write_csv(tmp_path / "five.csv", [{**row, "label": labels[i % 5]} for i, row in enumerate(rows(60))])
    config = finetune_cls.Config(data=str(texts), model=str(place), **common)
    experiment = finetune.prepare(config, "finetune-cls", TextClassification)
    assert not torch.allclose(experiment.trainer.model.classifier.weight, model.classifier.weight, atol=1e-3)
    assert [f.message for f in experiment.findings if f.check == "head"] == [
        "the model was trained for token-classification: its head is drawn anew"
    ]


@pytest.mark.slow
def test_numbers_of_a_saved_data_set_go_through_their_names(
    trained: Path, turned: Path, declared: Path, tmp_path: Path
) -> None:
    expected = accuracy(trained)
    measured = evaluate.run(evaluate.Config(model=str(turned), data=str(declared), split="test", **CPU))
    assert measured.record["metrics"]["test"]["accuracy"] == pytest.approx(expected)

    common = {"data": str(declared), "measure_seconds": 0, **CPU}
    made = quantize.run(quantize.Config(model=str(turned), to="bf16", output=tmp_path / "half", **common)).record
    assert made["price"]["sides"][0]["metrics"]["accuracy"] == pytest.approx(expected)
    assert made["task"]["labels"] == ["positive", "negative"]

    config = distill.Config(
        teacher=str(turned), student_layers="1", output=tmp_path / "small", max_steps=1, learning_rate=1e-9, **common
    )
    taught = distill.run(config).record
    assert taught["price"]["sides"][0]["metrics"]["accuracy"] == pytest.approx(expected)
    assert taught["task"]["labels"] == ["positive", "negative"]


def test_prune_and_benchmark_read_labels_as_their_model_numbers_them(turned: Path, declared: Path) -> None:
    from nlpkit.inference.predictor import open_trained

    config = benchmark.Config(models=[str(turned)], data=str(declared), **CPU)
    model = open_trained(str(turned), config)
    *_, examples, _ = trained_models.open_splits(config.for_task(type(model.task)), model.task, seed=1)
    texts = {row["text"]: row["label"] for row in rows(160)}
    for text, label in zip(examples["test"]["text"], examples["test"]["label"], strict=True):
        assert ["positive", "negative"][label] == texts[text]


def test_a_file_that_is_only_judged_is_called_by_its_name(turned: Path, tmp_path: Path) -> None:
    from nlpkit.inference.predictor import open_trained

    data = write_csv(tmp_path / "new.csv", [*rows(20), {"text": "a fine day", "label": "neutral"}])
    config = benchmark.Config(models=[str(turned)], data=str(data), **CPU)
    task = open_trained(str(turned), config).task
    config = config.for_task(type(task))
    *_, examples, findings = trained_models.open_splits(config, task, seed=1, needs=(), training=False)
    assert len(examples["new.csv"]) == 20
    assert [finding.message.partition(" have")[0] for finding in findings] == ["new.csv: 1 of 21 rows"]


def test_a_student_whose_labels_stand_in_another_order_goes_on(
    trained: Path, turned: Path, reviews: Path, tmp_path: Path
) -> None:
    config = distill.Config(
        teacher=str(trained),
        student=str(turned),
        data=str(reviews),
        output=tmp_path / "run",
        max_steps=1,
        learning_rate=1e-9,
        measure_seconds=0,
        **CPU,
    )
    record = distill.run(config).record
    assert record["task"]["labels"] == ["negative", "positive"]
    assert record["metrics"]["test"]["accuracy"] == pytest.approx(accuracy(trained))


def test_only_the_outputs_of_a_head_are_numbered_otherwise() -> None:
    """The layer in front of them is as wide as there are labels."""
    from transformers import RobertaConfig, RobertaForSequenceClassification

    from nlpkit.training import parameters

    config = RobertaConfig(
        vocab_size=20, hidden_size=4, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8, num_labels=4
    )
    torch.manual_seed(0)
    model = RobertaForSequenceClassification(config).eval()
    ids = torch.tensor([[5, 6, 7]])
    before = model(ids).logits
    parameters.reorder_head(model, [2, 0, 3, 1])
    assert torch.allclose(model(ids).logits, before[:, [2, 0, 3, 1]])


def test_a_student_of_another_task_gets_a_new_head(turned: Path, tiny_model: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForTokenClassification

    from nlpkit.inference.predictor import open_trained

    tagger = AutoModelForTokenClassification.from_pretrained(tiny_model, id2label={0: "O", 1: "X"})
    place = shutil.copytree(tiny_model, tmp_path / "tagger")
    tagger.save_pretrained(place)
    config = distill.Config(teacher=str(turned), student=str(place), **CPU)
    teacher = open_trained(str(turned), config)
    model, new = student.open_student(student.plan_student(config, teacher), config, teacher, teacher.task)
    assert {"classifier.weight", "classifier.bias"} <= set(new)
    assert not torch.allclose(model.classifier.weight, tagger.classifier.weight, atol=1e-3)
