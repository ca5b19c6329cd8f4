"""Many labels, and texts of any length: what a task computes grows with them, and not with their square."""

from __future__ import annotations

import json
import random
import tracemalloc
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Drawing, make_tokenizer, write_csv
from datasets import Dataset
from sklearn import metrics as sk

from nlpkit.data import checks, look_alikes
from nlpkit.data.labels import Labels
from nlpkit.errors import UserError
from nlpkit.metrics import classification as metrics
from nlpkit.metrics import tagging
from nlpkit.recipes import finetune_cls, predict
from nlpkit.tasks import features
from nlpkit.tasks.text_classification.problems import SCORED
from nlpkit.tasks.text_classification.task import TextClassification
from nlpkit.tasks.token_classification import features as token_features
from nlpkit.tasks.token_classification.task import TokenClassification

# --- labels ---


def test_mcc_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    for classes in (2, 3, 50):
        gold, predicted = rng.integers(0, classes, (2, 200))
        assert metrics._mcc(gold, predicted) == pytest.approx(sk.matthews_corrcoef(gold, predicted), abs=1e-12)
    assert metrics._mcc(np.zeros(4, int), np.array([0, 1, 0, 1])) == 0


def test_figures_of_many_classes_take_memory_by_their_number() -> None:
    """A matrix of all pairs of 5,000 classes is 200 MB."""
    classes = 5_000
    names = [f"name {i}" for i in range(classes)]
    gold = np.arange(classes)
    predicted = np.roll(gold, 1)
    metrics.compute("single-label", predicted[:3], gold[:3], np.zeros((3, 3)))  # imports
    tracemalloc.start()
    metrics._mcc(gold, predicted)
    shown, matrix = metrics.confusion(gold, predicted, names)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20_000_000
    assert len(shown) == len(matrix) == metrics.MOST_CLASSES + 1 and matrix.sum() == classes


def test_a_confusion_keeps_the_most_frequent_classes_and_counts_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "MOST_CLASSES", 2)
    gold, predicted = np.array([0, 1, 1, 1, 2, 3, 3]), np.array([0, 1, 1, 3, 3, 3, 2])
    names, matrix = metrics.confusion(gold, predicted, list("abcd"))
    assert names == ["b", "d", metrics.OTHERS]
    assert matrix.tolist() == [[2, 1, 0], [0, 1, 1], [0, 1, 1]]
    assert metrics.confusion(gold, predicted, list("abcd"), kept=[0])[0] == ["a", "b", metrics.OTHERS]


def test_a_mistake_has_the_scores_of_the_likeliest_labels() -> None:
    labels = Labels("single-label", [f"name {i}" for i in range(200)])
    task = TextClassification(labels, label="label")
    outputs = np.random.default_rng(0).normal(size=(3, 200)).astype(np.float32)
    examples = Dataset.from_dict({"text": ["a", "b", "c"], "label": [0, 1, 2], "where": ["1", "2", "3"]})
    for entry in task.view.mistakes(outputs, examples):
        scores = entry["scores"]
        assert len(scores) == SCORED and max(scores.values()) == entry["score"] == scores[entry["prediction"]]
    (answer,) = task.decode(outputs[:1], [{}])
    assert len(answer["scores"]) == 200


def test_what_takes_too_much_is_refused_before_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "MOST", 1_000)
    task = TextClassification(Labels("single-label", [f"name {i}" for i in range(100)]), label="label")
    features.require_room(task, {"text": ["a"] * 10}, 10)
    with pytest.raises(UserError, match="validation: the scores of all labels for 11 rows") as caught:
        features.require_room(task, {"text": ["a"] * 11}, 11, "validation")
    assert "--max-eval-samples 10;" in (caught.value.hint or "")
    with pytest.raises(UserError, match="--baseline"):
        TextClassification(Labels("single-label", [f"name {i}" for i in range(2_000)])).require_baseline()


def test_numbered_names_are_not_compared_with_each_other() -> None:
    names = [f"name {i}" for i in range(3_000)]
    counts = {name: 1 + i % 7 for i, name in enumerate(names)}
    compared: list[int] = []

    class Counted(dict[str, int]):
        def __getitem__(self, name: str) -> int:
            compared.append(1)
            return super().__getitem__(name)

    assert look_alikes.alike([*names, "rude", "rde"], Counted(counts | {"rude": 50, "rde": 1}), "labels")[0].count == 1
    assert len(compared) < 100 * len(names)


def test_classes_that_a_split_lacks_are_found_in_one_pass() -> None:
    class Passes(list[int]):
        count = 0

        def __iter__(self) -> Any:
            Passes.count += 1
            return super().__iter__()

    checks.classes(list("abcdefgh"), {"train": list(range(8)) * 2, "validation": Passes([0, 1])})
    assert Passes.count <= 2


@pytest.mark.slow
def test_a_run_with_many_labels_ends_and_answers(tiny_model: Path, tmp_path: Path, drawing: Drawing) -> None:
    rows = [{"text": f"the film was very {chr(97 + i % 26)}", "label": f"name {i % 600}"} for i in range(1_200)]
    data, output = write_csv(tmp_path / "a.csv", rows), tmp_path / "run"
    common: dict[str, Any] = {"device": "cpu", "threads": 1}
    with drawing():
        finetune_cls.run(
            finetune_cls.Config(model=str(tiny_model), data=str(data), output=output, max_steps=1, **common)
        )
    report = predict.run(predict.Config(model=str(output), texts=["a film"], all_scores=True, **common))
    assert len(report.record["answers"][0]["prediction_scores"]) == 600
    assert len(report.tables[0].header) == 3 + 20
    mistakes = (output / "errors.jsonl").read_text().splitlines()
    assert mistakes and all(len(json.loads(line)["scores"]) == SCORED for line in mistakes)


# --- texts ---


class Sizes:
    """numpy, that counts the entries of what it is given and gives."""

    def __init__(self) -> None:
        self.entries = 0

    def __getattr__(self, name: str) -> Any:
        found = getattr(np, name)
        if not callable(found) or isinstance(found, type):
            return found

        def counted(*arguments: Any, **named: Any) -> Any:
            made = found(*arguments, **named)
            self.entries += sum(np.size(value) for value in (*arguments, made) if isinstance(value, np.ndarray | list))
            return made

        return counted


def test_windows_of_words_take_as_long_as_the_text_is(monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer = make_tokenizer()
    task = TokenClassification(["O", "B-X", "I-X"], "bio", max_length=32)
    sizes = Sizes()
    monkeypatch.setattr(token_features, "np", sizes)
    counts = []
    for length in (1_000, 4_000):
        words = ["film"] * length
        starts = list(range(0, 5 * length, 5))
        sizes.entries = 0
        entry = {
            "text": [" ".join(words)],
            "starts": [starts],
            "ends": [[s + 4 for s in starts]],
            "tags": [["O"] * length],
        }
        made = task.features(tokenizer, entry)
        assert sum(map(len, made["read"])) == length
        counts.append(sizes.entries)
    assert counts[1] < 5 * counts[0]


def test_entities_of_a_long_text_are_compared_with_those_that_share_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(0)
    gold, predicted = ([rng.choice(["O", "B-X", "B-Y"]) for _ in range(2_000)] for _ in range(2))
    compared = Counter[str]()
    real = tagging._shared

    def shared(*entities: Any) -> int:
        compared["pairs"] += 1
        return real(*entities)

    monkeypatch.setattr(tagging, "_shared", shared)
    found = tagging.mistakes([predicted], [gold])
    assert compared["pairs"] <= 2_000
    wrong = [(a, b) for a, b in zip(gold, predicted, strict=True) if a != b]
    assert Counter(mistake.kind for mistake in found) == Counter(
        "invented" if a == "O" else "missed" if b == "O" else "type" for a, b in wrong
    )


def test_words_without_a_token_are_tagged_from_both_sides() -> None:
    task = TokenClassification(["O", "B-X", "I-X"], "bio")
    tags = ["", "B-X", "", "", "I-X", "", "O", ""]
    task.tag_set.fill_gaps(tags)
    assert tags == ["O", "B-X", "I-X", "I-X", "I-X", "O", "O", "O"]
    plain = TokenClassification(["a", "b"], "plain")
    tags = ["", "", "b", "", "a"]
    plain.tag_set.fill_gaps(tags)
    assert tags == ["b", "b", "b", "b", "a"]
