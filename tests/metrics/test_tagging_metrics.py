from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
import sklearn.metrics as sk
from seqeval.metrics import accuracy_score, classification_report, f1_score, precision_score, recall_score
from seqeval.scheme import IOB2

from nlpkit.metrics import tagging

TAGS = ["O", "O", "O", *(f"{letter}-{kind}" for letter in "BI" for kind in ("PER", "LOC", "A-B"))]


def sentences(rng: random.Random, count: int, like: list[list[str]] | None = None) -> list[list[str]]:
    """Random tags, legal or not; of `like` most are kept, so that some entities are right."""
    if like is None:
        return [rng.choices(TAGS, k=rng.randint(1, 12)) for _ in range(count)]
    return [[tag if rng.random() < 0.8 else rng.choice(TAGS) for tag in sentence] for sentence in like]


@pytest.mark.slow
def test_all_figures_are_those_of_seqeval() -> None:
    rng = random.Random(0)
    for trial in range(200):
        gold = sentences(rng, rng.randint(1, 40))
        predicted = sentences(rng, len(gold), gold if trial % 4 else None)
        predicted = [(p * len(g))[: len(g)] for p, g in zip(predicted, gold, strict=True)]
        ours = tagging.compute(predicted, gold, plain=False)
        scores: Any = {"precision": precision_score, "recall": recall_score, "f1": f1_score}
        for name, score in scores.items():
            assert ours[name] == score(gold, predicted, zero_division=0)
            assert ours[f"strict_{name}"] == score(gold, predicted, mode="strict", scheme=IOB2, zero_division=0)
        assert ours["accuracy"] == accuracy_score(gold, predicted)
        report = classification_report(gold, predicted, output_dict=True, zero_division=0)
        found = tagging.per_class(predicted, gold, plain=False)
        assert set(found) == set(report) - {"micro avg", "macro avg", "weighted avg"}
        for kind, values in found.items():
            expected = report[kind]
            assert values["support"] == expected["support"]
            assert [values[n] for n in ("precision", "recall", "f1")] == [
                expected[n] for n in ("precision", "recall", "f1-score")
            ]


def test_no_entity_anywhere_gives_zeros() -> None:
    ours = tagging.compute([["O", "O"]], [["O", "O"]], plain=False)
    assert ours == {
        **dict.fromkeys(("precision", "recall", "f1", "strict_precision", "strict_recall", "strict_f1"), 0.0),
        "accuracy": 1.0,
    }


def test_an_entity_that_begins_with_i_counts_unless_strict() -> None:
    ours = tagging.compute([["O", "I-PER", "I-PER"]], [["O", "B-PER", "I-PER"]], plain=False)
    assert (ours["f1"], ours["strict_f1"]) == (1.0, 0.0)
    assert ours["accuracy"] == pytest.approx(2 / 3)


def test_each_kind_of_mistake() -> None:
    gold = ["B-PER I-PER O", "B-PER O O", "B-PER I-PER O", "O B-LOC O", "O O O", "B-LOC O B-PER"]
    predicted = ["B-PER O O", "B-LOC O O", "O B-LOC I-LOC", "O O O", "B-ORG O O", "B-LOC O B-PER"]
    found = tagging.mistakes([p.split() for p in predicted], [g.split() for g in gold])
    assert [mistake.kind for mistake in found] == ["boundary", "type", "boundary+type", "missed", "invented"]
    assert found[2].gold == (2, 0, 1, "PER")
    assert found[2].predicted == (2, 1, 2, "LOC")
    shares = tagging.error_shares([p.split() for p in predicted], [g.split() for g in gold])
    assert shares == {"count": 5, **dict.fromkeys(tagging.ERRORS, 0.2)}
    names, matrix = tagging.confusion([p.split() for p in predicted], [g.split() for g in gold], plain=False)
    assert names == ["LOC", "ORG", "PER", tagging.NONE]
    assert matrix.tolist() == [[1, 0, 0, 1], [0, 0, 0, 0], [2, 0, 2, 0], [0, 1, 0, 0]]


def test_one_entity_cut_in_two_is_one_boundary_and_one_invented() -> None:
    found = tagging.mistakes([["B-X", "B-X", "I-X"]], [["B-X", "I-X", "I-X"]])
    assert [(mistake.kind, mistake.predicted and mistake.predicted[1:3]) for mistake in found] == [
        ("invented", (0, 0)),
        ("boundary", (1, 2)),
    ]


def test_mistakes_and_right_entities_are_all_there_is() -> None:
    rng = random.Random(3)
    for _ in range(100):
        gold = sentences(rng, 10)
        predicted = sentences(rng, 10, gold)
        wrong = tagging.mistakes(predicted, gold)
        true, found = set(tagging.entities(gold)), set(tagging.entities(predicted))
        assert {m.gold for m in wrong if m.gold} == true - found
        assert {m.predicted for m in wrong if m.predicted} == found - true
        assert sum(m.gold is not None for m in wrong) == len(true - found)
        _, matrix = tagging.confusion(predicted, gold, plain=False)
        assert matrix.sum() == len(true & found) + len(wrong)
        assert matrix[:-1].sum() == len(true)
        assert matrix[:, :-1].sum() == len(found)


def test_plain_tags_are_judged_as_scikit_learn_does() -> None:
    rng = random.Random(4)
    gold = [rng.choices(["NN", "VB", "DT", "JJ"], k=rng.randint(1, 9)) for _ in range(200)]
    predicted = [[tag if rng.random() < 0.7 else rng.choice(["NN", "XX"]) for tag in s] for s in gold]
    a, b = np.concatenate(gold), np.concatenate(predicted)
    ours = tagging.compute(predicted, gold, plain=True)
    assert ours["accuracy"] == pytest.approx(sk.accuracy_score(a, b))
    assert ours["f1_macro"] == pytest.approx(sk.f1_score(a, b, average="macro", zero_division=0))
    assert ours["precision_weighted"] == pytest.approx(sk.precision_score(a, b, average="weighted", zero_division=0))
    report: Any = sk.classification_report(a, b, output_dict=True, zero_division=0)
    for name, values in tagging.per_class(predicted, gold, plain=True).items():
        assert values["f1"] == pytest.approx(report[name]["f1-score"])
        assert values["support"] == report[name]["support"]
    names, matrix = tagging.confusion(predicted, gold, plain=True)
    assert matrix.tolist() == sk.confusion_matrix(a, b, labels=names).tolist()
