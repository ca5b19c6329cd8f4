"""Networks over words are trained by the Trainer of all tasks."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets import Dataset

from nlpkit.baselines import fitting, networks, tokens, trained
from nlpkit.baselines.lesson import Lesson
from nlpkit.errors import UserError
from nlpkit.experiment import supervised
from nlpkit.hardware.devices import Device
from nlpkit.options import RunOptions
from nlpkit.recipes import finetune_cls
from nlpkit.tasks.text_classification.task import TextClassification
from nlpkit.word_vectors.table import WordVectors

CPU = Device("cpu", "fp32", "cpu")
# which of two words comes first: their counts tell nothing
ROWS = {
    "text": [f"{first} then {last} {'so ' * (i % 3)}" for i in range(24) for first, last in (("a", "b"), ("b", "a"))],
    "label": [0, 1] * 24,
}


@pytest.fixture
def lesson(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(trained, "LEAST_STEPS", 60)
    monkeypatch.setattr(trained, "STEPS_APART", 10)
    monkeypatch.setattr(trained, "RATE", 1e-2)
    monkeypatch.setattr(networks, "WIDTH", 8)
    monkeypatch.setattr(networks.Recurrent, "HIDDEN", 8)
    monkeypatch.setattr(networks.Convolution, "FILTERS", 8)

    def make(rows: dict[str, Any] = ROWS, **settings: Any) -> Lesson:
        from nlpkit.data.labels import Labels

        task = TextClassification(Labels("single-label", ["forth", "back"]), label="label")
        examples = Dataset.from_dict({**rows, "where": [str(i) for i in range(len(rows["text"]))]})
        config = RunOptions(device="cpu", threads=1, **settings)
        folder = tmp_path / "checkpoints"
        return Lesson(task=task, train=examples, validation=examples, config=config, device=CPU, folder=folder)

    return make


def accuracy(model: Any, lesson: Lesson) -> float:
    return lesson.task.score(model.outputs(lesson.validation), lesson.validation)["accuracy"]


@pytest.mark.parametrize("name", networks.NETWORKS)
def test_a_network_learns_what_the_order_of_words_says(name: str, lesson: Any) -> None:
    given = lesson()
    fitted = fitting.fitted(name, given)
    assert accuracy(fitted.model, given) == 1.0
    assert not given.folder.exists()
    told = fitted.record({"train": given.train, "validation": given.validation})
    assert told["words"] == {"validation": {"unknown": 0, "all": 24 * 2 * 3 + 48}}
    assert told["seconds"] > 0 and told["rows_per_second"] > 0
    # rows that are asked for one by one, and in another order
    some = given.validation.select([5, 0])
    whole = fitted.model.outputs(given.validation)
    np.testing.assert_allclose(fitted.model.outputs(some), whole[[5, 0]], atol=1e-5)


def test_the_best_weights_on_validation_are_kept(lesson: Any) -> None:
    noisy = {"text": ROWS["text"], "label": np.random.default_rng(1).integers(0, 2, 48).tolist()}
    given = lesson(noisy)
    model = trained.train(networks.Convolution, given)
    reached = [entry["eval_accuracy"] for entry in model.trainer.state.log_history if "eval_accuracy" in entry]
    assert accuracy(model, given) == max(reached)


@pytest.mark.slow
def test_a_seed_repeats_a_network_and_another_does_not(lesson: Any) -> None:
    first, second, other = (
        trained.train(networks.Recurrent, lesson(seed=seed)).outputs(lesson().validation) for seed in (1, 1, 2)
    )
    assert np.array_equal(first, second)
    assert not np.array_equal(first, other)


def test_the_vocabulary_has_words_that_occur_twice() -> None:
    tokenizer = tokens.learned(["Good, good film", "a film"])
    assert set(tokenizer.get_vocab()) == {"[PAD]", "[UNK]", "[END]", "good", "film"}
    assert tokenizer.convert_ids_to_tokens(tokenizer("Good (sad)", "FILM")["input_ids"]) == (
        ["good", "[UNK]", "[UNK]", "[UNK]", "[END]", "film", "[END]"]
    )
    assert tokenizer("")["input_ids"] == [tokenizer.convert_tokens_to_ids("[END]")]


def test_a_network_begins_with_vectors_that_are_given(lesson: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = WordVectors(["a", "b", "elsewhere"], np.eye(3, 5, dtype=np.float32))
    begun: dict[str, Any] = {}

    def kept(config: Any, task: Any, ready: Any, network: Any, tokenizer: Any, *others: Any) -> Any:
        begun.update(network=network, tokenizer=tokenizer)
        raise InterruptedError

    monkeypatch.setattr(supervised, "make_trainer", kept)
    with pytest.raises(InterruptedError):
        trained.train(networks.Recurrent, dataclasses.replace(lesson(), vectors=vectors))
    table, ids = begun["network"].table.weight.detach().numpy(), begun["tokenizer"].get_vocab()
    assert table.shape[1] == 5
    assert np.array_equal(table[[ids["a"], ids["b"]]], vectors.matrix[:2])
    assert not table[ids[tokens.PADDING]].any()
    bound = 3**0.5 * vectors.matrix.std()
    assert bound / 4 < np.abs(table[ids["then"]]).max() <= bound


def test_what_cannot_be_trained_is_refused_before_the_model_is(monkeypatch: pytest.MonkeyPatch) -> None:
    config = finetune_cls.Config(baseline=True)
    with monkeypatch.context() as patch:
        patch.setattr("nlpkit.process.world_size", lambda: 2)
        fitting.require(["svm"], config)
        with pytest.raises(UserError, match="--baseline lstm with several processes"):
            fitting.require(["svm", "lstm"], config)
    monkeypatch.setitem(sys.modules, "gensim.models", None)
    with pytest.raises(UserError) as caught:
        fitting.require(["word2vec"], config)
    assert "nlpkit[vectors]" in str(caught.value.hint)
    with pytest.raises(UserError, match="--word-vectors is for --baseline word2vec"):
        finetune_cls.Config(baseline="svm", word_vectors="glove.txt").refuse_unread()
