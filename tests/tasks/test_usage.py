"""The code that a card shows for those without nlpkit: it runs, and answers as nlpkit does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import every_task
import numpy as np
import pytest
import snippets
from conftest import RunOf

from nlpkit.inference.predictor import TrainedModelOptions, open_predictor
from nlpkit.tasks import registry

pytestmark = pytest.mark.slow  # each of them opens a model, some of them runs its training

TEXT = "Your text here."


def answer_of(run: Path, **row: str) -> dict[str, Any]:
    """What nlpkit answers for a row."""
    predictor = open_predictor(TrainedModelOptions(model=str(run), device="cpu", threads=1))
    columns = {name: [value] for name, value in row.items()}
    return next(iter(predictor.task.decode(predictor.outputs(columns), [row])))


def code_of(run: Path) -> str:
    """The Python of a run's card, without another library; of a folder without one what it would be."""
    if (run / "README.md").exists():
        return snippets.blocks((run / "README.md").read_text())[-1]
    task = open_predictor(TrainedModelOptions(model=str(run), device="cpu", threads=1)).task
    return "\n".join(task.view.transformers_code(task.record()))


@pytest.mark.parametrize("kind", every_task.KINDS)
def test_the_code_of_a_card_runs(kind: str, run_of: RunOf) -> None:
    said, names = snippets.ran(code_of(run_of(kind)), run_of(kind))
    assert said.strip()
    assert "nlpkit" not in names


def test_a_classifier_answers_alike(run_of: RunOf) -> None:
    said, _ = snippets.ran(code_of(run_of("classification")), run_of("classification"))
    (found,) = json.loads(said.replace("'", '"'))
    wanted = answer_of(run_of("classification"), text=TEXT)
    assert found == {"label": wanted["prediction"], "score": pytest.approx(wanted["score"], abs=1e-4)}


def test_labels_that_a_threshold_gives_are_printed(run_of: RunOf) -> None:
    said, _ = snippets.ran(code_of(run_of("multi-label")), run_of("multi-label"))
    found = {label["label"] for label in json.loads(said.replace("'", '"'))}
    assert found == set(answer_of(run_of("multi-label"), text=TEXT)["prediction"])


def test_a_number_is_that_of_the_pair(run_of: RunOf) -> None:
    said, _ = snippets.ran(code_of(run_of("regression")), run_of("regression"))
    (found,) = json.loads(said.replace("'", '"'))
    assert found["score"] == pytest.approx(answer_of(run_of("regression"), text=TEXT)["prediction"], abs=1e-4)


def test_a_question_has_the_same_answer(run_of: RunOf) -> None:
    said, names = snippets.ran(code_of(run_of("question-answering")), run_of("question-answering"))
    row = {"question": names["question"], "context": names["context"]}
    assert said.rstrip("\n") == answer_of(run_of("question-answering"), **row)["prediction"]


def test_a_vector_is_the_same(run_of: RunOf) -> None:
    _, names = snippets.ran(code_of(run_of("embedding")), run_of("embedding"))
    wanted = answer_of(run_of("embedding"), text=TEXT)["prediction"]
    assert np.allclose(names["vectors"][0], wanted, atol=1e-5)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("classification", "It reads 64 tokens of a text at once; what is beyond is not read."),
        ("token-classification", "It reads 64 tokens of a text at once; longer ones are read in windows that overlap."),
        ("question-answering", "It reads 48 tokens of a text at once; longer ones are read in windows that overlap."),
    ],
)
def test_a_card_says_what_becomes_of_long_texts(kind: str, said: str, run_of: RunOf) -> None:
    assert said in (run_of(kind) / "README.md").read_text()


def test_long_texts_of_a_classifier_are_read_as_it_was_trained() -> None:
    view = registry.task_class("text-classification").view_type()
    assert "windows, whose answers are pooled" in view.longer_texts({"long_text": "windows"})
    assert "a quarter is read at the beginning" in view.longer_texts({"long_text": "head-tail"})


def test_each_task_says_what_its_models_do() -> None:
    for kind in registry.classes():
        assert "purpose" in vars(kind.view_type()), f"{kind.name} has no sentence of its own"
