"""The predictor as tasks see it: outputs of any shape, in the order of the rows, whatever fits into memory."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import make_tokenizer, rows

from nlpkit.errors import RunError
from nlpkit.inference import predictor
from nlpkit.inference.predictor import Predictor, open_predictor
from nlpkit.recipes import predict
from nlpkit.tasks.forward import Forward

TEXTS = [row["text"] for row in rows(23, seed=4)]


@pytest.fixture
def ragged(trained: Path, monkeypatch: pytest.MonkeyPatch) -> Predictor:
    """A task whose output is as long as its row: the token ids, as per-token labels would be."""
    made = open_predictor(predict.Config(model=str(trained), texts=["-"], device="cpu", batch_size=4))

    def reduce(task: Any, forward: Forward) -> Mapping[str, Any]:
        assert set(forward.batch) == {"input_ids", "attention_mask"}
        return forward.batch

    def collect(task: Any, batch: Mapping[str, Any]) -> list[np.ndarray]:
        lengths = batch["attention_mask"].sum(1).tolist()
        return [ids[:length].numpy() for ids, length in zip(batch["input_ids"], lengths, strict=True)]

    def merge(task: Any, outputs: list[np.ndarray], features: Mapping[str, Any]) -> list[np.ndarray]:
        example = features["example"]
        return [
            np.concatenate([o for o, e in zip(outputs, example, strict=True) if e == i])
            for i in range(max(example) + 1)
        ]

    monkeypatch.setattr(type(made.task), "reduce", reduce)
    monkeypatch.setattr(type(made.task), "collect", collect)
    monkeypatch.setattr(type(made.task), "merge", merge)
    return made


def expected() -> list[list[int]]:
    return make_tokenizer()(TEXTS)["input_ids"]


def test_a_forward_pass_has_no_more_padding_than_it_may(ragged: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    padding: list[int] = []
    batch = Predictor.batch

    def seen(made: Predictor, rows: list[dict[str, Any]]) -> Any:
        lengths = [len(row["input_ids"]) for row in rows]
        padding.append(sum(max(lengths) - length for length in lengths))
        return batch(made, rows)

    monkeypatch.setattr(Predictor, "batch", seen)
    ragged.batch_size, ragged.batch_padding = 32, 3
    assert [found.tolist() for found in ragged.outputs({"text": TEXTS})] == expected()
    assert 1 < len(padding) < len(TEXTS)
    assert max(padding) <= 3
    ragged.batch_padding = None
    ragged.outputs({"text": TEXTS})
    assert padding[-1] > 3


@pytest.mark.parametrize(("chunk", "characters"), [(5, 2**24), (8_192, 2**24), (8_192, 100), (8_192, 1)])
def test_ragged_outputs_keep_the_order_of_rows(
    ragged: Predictor, chunk: int, characters: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predictor, "CHUNK", chunk)
    monkeypatch.setattr(predictor, "CHUNK_CHARACTERS", characters)
    assert [found.tolist() for found in ragged.outputs({"text": TEXTS})] == expected()


@pytest.mark.parametrize("fits", [1, 3])
def test_a_batch_that_does_not_fit_is_halved(ragged: Predictor, fits: int, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    whole, sizes = ragged.task.run, []

    def run(task: Any, model: Any, batch: Mapping[str, Any]) -> Any:
        if len(batch["input_ids"]) > fits:
            raise torch.OutOfMemoryError("CUDA out of memory")
        sizes.append(len(batch["input_ids"]))
        return whole(model, batch)

    monkeypatch.setattr(type(ragged.task), "run", run)
    assert [found.tolist() for found in ragged.outputs({"text": TEXTS})] == expected()
    assert max(sizes) <= fits
    fits = 0
    with pytest.raises(RunError, match="out of memory with one input"):
        ragged.outputs({"text": TEXTS})


def test_arrays_keep_the_order_of_rows_across_chunks_and_windows(
    trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = open_predictor(predict.Config(model=str(trained), texts=["-"], device="cpu", batch_size=4))
    whole = made.outputs({"text": TEXTS, "label": [0] * len(TEXTS)})  # labels are not for the model
    monkeypatch.setattr(predictor, "CHUNK", 5)
    np.testing.assert_allclose(made.outputs({"text": TEXTS}), whole, atol=1e-5)
    made.task = made.task.with_(long_text="windows", max_length=6)
    windowed = made.outputs({"text": TEXTS})
    alone = np.concatenate([made.outputs({"text": [text]}) for text in TEXTS])
    np.testing.assert_allclose(windowed, alone, atol=1e-5)


def test_progress_counts_rows_and_not_windows(trained: Path) -> None:
    class Bar:
        done = 0

        def advance(self, amount: int = 1, **figures: str) -> None:
            self.done += amount

        def reset(self, total: int, done: int = 0) -> None: ...

    made = open_predictor(predict.Config(model=str(trained), texts=["-"], device="cpu", batch_size=4))
    made.task = made.task.with_(long_text="windows", max_length=6)
    bar = Bar()
    made.outputs({"text": TEXTS}, bar)
    assert bar.done == len(TEXTS)
