"""What a text is asked for: one label, several, or a number."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest
from datasets import Dataset
from scipy.special import logit

from nlpkit.data.labels import Labels, Problem
from nlpkit.tasks.text_classification import baseline
from nlpkit.tasks.text_classification.problems import PROBLEM_TYPES, problem_type

GOLD: dict[str, tuple[list[str], list[Any]]] = {
    "single-label": (["good", "bad"], [0, 1] * 10),
    "multi-label": (["good", "bad"], [[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.0, 0.0]] * 5),
    "regression": ([], [0.0, 1.0, 0.5, 0.2] * 5),
    "relevance": ([], [0.0, 1.0, 0.75, 0.25] * 5),
}
TEXTS = {
    "single-label": ["fine film", "dull play"] * 10,
    "multi-label": ["fine film", "dull play", "fine dull", "nothing"] * 5,
    "regression": ["low", "high", "middle", "lower"] * 5,
    "relevance": ["low", "high", "middle", "lower"] * 5,
}


def test_every_problem_of_labels_has_a_type_that_transformers_knows_by_another_name() -> None:
    assert set(PROBLEM_TYPES) == set(get_args(Problem))
    told = {(kind.hf_name, kind.has_classes) for kind in PROBLEM_TYPES.values()}
    assert len(told) == len(PROBLEM_TYPES), "a number with a sigmoid is one label of several there, of one output"


@pytest.mark.parametrize("name", PROBLEM_TYPES)
def test_the_baseline_learns_what_is_asked_for(name: Any) -> None:
    labels, gold = GOLD[name]
    problem = problem_type(Labels(name, labels))
    train = Dataset.from_dict({"text": TEXTS[name], "label": gold})
    usual = next(iter(problem.estimators))
    outputs = baseline.Linear(problem, usual, lambda rows: rows["text"][:], train, seed=1).outputs(train)
    assert outputs.shape == (20, max(len(labels), 1))
    scores = problem.score(outputs, np.asarray(gold, dtype=np.float32 if name != "single-label" else None))
    assert scores[problem.metrics[0]] > 0.99, scores


@pytest.mark.parametrize("name", PROBLEM_TYPES)
def test_a_label_that_the_loss_leaves_out_teaches_nothing(name: Any) -> None:
    torch = pytest.importorskip("torch")
    labels, gold = GOLD[name]
    problem = problem_type(Labels(name, labels))
    logits = torch.ones((2, max(len(labels), 1)), requires_grad=True)
    problem.loss(logits, torch.tensor([gold[0], problem.no_label]), None, 0.0).backward()
    assert logits.grad is not None
    assert logits.grad[0].abs().sum() > 0
    assert logits.grad[1].abs().sum() == 0


@pytest.mark.parametrize("name", PROBLEM_TYPES)
def test_rows_are_wrong_where_the_answer_is_not_the_label(name: Any) -> None:
    labels, gold = GOLD[name]
    problem = problem_type(Labels(name, labels))
    outputs = np.asarray(gold, dtype=np.float32)[:4] if name == "multi-label" else np.eye(2)[[0, 1, 0, 1]]
    numbers = np.asarray(gold, dtype=np.float64)[:4, None] if not problem.has_classes else outputs
    outputs = {"regression": numbers, "relevance": logit(numbers)}.get(name, 8 * (outputs - 0.5))
    wrong, sure = problem.wrong(outputs, np.asarray(gold[:4]))
    assert len(sure) == 4
    if problem.has_classes:
        assert not len(wrong)
        assert [problem.named(label) for label in gold[:4]] == [
            a["prediction"] for a in problem.answers(outputs, scores=False)
        ]
    else:
        assert len(wrong) == 4, "every row is off by something"
        assert sure == pytest.approx([0] * 4, abs=1e-6)


def test_a_split_without_rows_has_no_label_of_any_kind() -> None:
    labels, gold = GOLD["multi-label"]
    problem = problem_type(Labels("multi-label", labels))
    table = problem.table({"train": np.asarray(gold), "test": np.asarray([])})
    assert table.rows == [["good", 10, 0], ["bad", 10, 0], ["(rows)", 20, 0]]
