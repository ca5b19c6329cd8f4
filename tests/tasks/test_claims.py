"""Which task a model is used for: what it was made for, unless another one that takes it is named."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from transformers import BertConfig

from nlpkit.cli.app import main
from nlpkit.errors import UserError
from nlpkit.inference.predictor import open_trained
from nlpkit.options import OpeningOptions
from nlpkit.recipes import evaluate
from nlpkit.tasks import registry
from nlpkit.tasks.claims import Claim
from nlpkit.tasks.text_classification.task import TextClassification

LABELS = {0: "entailment", 1: "neutral", 2: "contradiction"}


class Pairs(TextClassification):
    """A task that can use any classifier with a label of entailment, and is trained by none."""

    name = "pairs"
    architectures = ()

    @classmethod
    def claims(cls, config: Any, record: Any, place: Any) -> Claim | None:
        able = "entailment" in config.id2label.values()
        return super().claims(config, record, place) or (Claim.COULD_SERVE if able else None)


@pytest.fixture
def another(monkeypatch: pytest.MonkeyPatch) -> None:
    """The registry with the line of a second task that takes classifiers, as a new task would add it."""
    monkeypatch.setattr(registry, "TASKS", {"pairs": f"{__name__}:Pairs", **registry.TASKS})


def config_of(architecture: str) -> BertConfig:
    return BertConfig(architectures=[architecture], id2label=LABELS)


@pytest.mark.parametrize(
    ("architecture", "task"),
    [
        ("BertForSequenceClassification", "text-classification"),
        ("BertForTokenClassification", "token-classification"),
        ("DistilBertForMaskedLM", "fill-mask"),
        ("AlbertForPreTraining", "fill-mask"),
        ("XLMForQuestionAnsweringSimple", "question-answering"),
        ("ElectraForPreTraining", None),
        ("BertModel", None),
    ],
)
def test_a_model_without_a_record_has_the_task_of_its_head(architecture: str, task: str | None) -> None:
    found = registry.known_task(config_of(architecture), None)
    assert (found.name if found else None) == task


@pytest.mark.usefixtures("another")
def test_what_a_model_could_also_do_is_done_only_when_it_is_named() -> None:
    config = config_of("BertForSequenceClassification")
    unasked, named = registry.known_task(config, None), registry.known_task(config, None, named="pairs")
    assert unasked is not None
    assert named is not None
    assert (type(unasked), type(named)) == (TextClassification, Pairs)
    # an encoder alone stays one without a task, and is told what it could serve as
    assert registry.known_task(config_of("BertModel"), None) is None
    with pytest.raises(UserError, match="holds no model for a task") as caught:
        registry.task_of_model(config_of("BertModel"), None, "runs/encoder")
    assert "--task pairs" in str(caught.value.hint)
    # not every command takes such a task, and the hint is read by all of them
    assert "--task sentence-embedding works with predict, benchmark, explain, evaluate, compare, quantize" in str(
        caught.value.hint
    )


@pytest.mark.usefixtures("another")
def test_a_task_that_does_not_take_the_model_is_refused_with_those_that_do() -> None:
    with pytest.raises(UserError, match="--task fill-mask: runs/nli is no model for it") as caught:
        registry.known_task(config_of("BertForSequenceClassification"), None, "runs/nli", named="fill-mask")
    able = "text-classification, pairs, zero-shot-classification, sentence-embedding, zero-shot-by-embedding"
    assert caught.value.hint == f"It can be used for: {able}."
    with pytest.raises(UserError, match="there is no task 'pair'") as caught:
        registry.known_task(config_of("BertModel"), None, named="pair")
    assert caught.value.hint == "Did you mean 'pairs'?"


@pytest.mark.usefixtures("another")
def test_the_record_of_a_run_counts_before_its_architecture(trained: Path) -> None:
    opened = open_trained(str(trained), OpeningOptions())
    assert type(opened.task) is TextClassification
    record = {**opened.task.record(), "name": "pairs"}
    assert type(registry.known_task(opened.config, record, trained)) is Pairs
    # and the head is there all the same
    other = registry.known_task(opened.config, record, trained, named="text-classification")
    assert type(other) is TextClassification


@pytest.mark.parametrize("arguments", [("predict", "a good film"), ("evaluate",), ("benchmark", "--launches", "1")])
def test_a_command_uses_the_model_for_the_task_that_is_named(
    arguments: tuple[str, ...], trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name, *more = arguments
    given = [name, str(trained), *more, "--device", "cpu", "--json"]
    given += ["--output", str(tmp_path / "out")] if name == "benchmark" else []
    assert main([*given, "--task", "fill-mask"]) == 2
    refused = json.loads(capsys.readouterr().out)["error"]
    assert refused["message"].startswith("--task fill-mask: ")
    assert refused["hint"] == "It can be used for: text-classification, sentence-embedding, zero-shot-by-embedding."


def test_an_evaluation_for_a_task_that_was_named_tells_it_in_the_record(trained: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(trained, folder)
    config = evaluate.Config(model=str(folder), task="text-classification", device="cpu", threads=1)
    assert evaluate.run(config).record["task"] == "text-classification"
    assert json.loads((folder / "nlpkit.json").read_text())["evaluations"][-1]["task"] == "text-classification"
