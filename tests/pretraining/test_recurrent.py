"""The LSTM beside a model that writes: its size, its loss, and that it learns from the batches that it is given."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from writers import make_model

from nlpkit.data.ignored import IGNORED
from nlpkit.pretraining import recurrent
from nlpkit.pretraining.recurrent import RecurrentLM


@pytest.mark.parametrize("family", ["gpt2", "nanochat"])
def test_it_is_as_large_as_the_model_beside_it(family: str) -> None:
    model: Any = make_model(family)
    made = RecurrentLM.as_large_as(model)
    shared = model.get_output_embeddings().weight is model.get_input_embeddings().weight
    assert (made.head.weight is made.table.weight) == shared
    size = sum(weight.numel() for weight in model.parameters())
    larger = RecurrentLM(*made.table.weight.shape, made.layers.hidden_size + 1, tied=shared)
    assert made.parameters_in_all <= size < larger.parameters_in_all


def batch_of(ids: torch.Tensor) -> dict[str, Any]:
    labels = ids.roll(-1, 1)
    labels[:, -1] = labels[0, :3] = IGNORED
    return {"input_ids": ids, "labels": labels}


def test_sums_are_those_of_its_logits() -> None:
    torch.manual_seed(0)
    model = RecurrentLM(30, 8, 12, tied=True)
    batch = batch_of(torch.randint(30, (3, 9)))
    bytes_of = torch.arange(30, dtype=torch.float32)
    found = recurrent.sums_of_batches(model, [batch], bytes_of)
    with torch.no_grad():
        logits = model(batch["input_ids"]) @ model.table.weight.T
    labels, used = batch["labels"], batch["labels"] != IGNORED
    each = F.cross_entropy(logits.transpose(1, 2), labels, ignore_index=IGNORED, reduction="none")
    assert found[:, 0] == pytest.approx(each.sum(1).numpy(), rel=1e-5)
    assert found[:, 1].tolist() == ((logits.argmax(-1) == labels) & used).sum(1).tolist()
    assert found[:, 2].tolist() == [5, 8, 8]
    assert found[:, 3].tolist() == [int(row[row != IGNORED].sum()) for row in labels]


def test_it_learns_what_is_always_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each token follows the one below it; a step has two batches."""
    monkeypatch.setattr(recurrent, "RATE", 0.03)
    torch.manual_seed(0)
    model = RecurrentLM(20, 16, 24, tied=False)

    def steps() -> Iterator[list[dict[str, Any]]]:
        while True:
            rows = (torch.randint(20, (8, 1)) + torch.arange(12)) % 20
            yield [batch_of(rows[:3]), batch_of(rows[3:])]

    recurrent.train(model, steps(), 120)
    nll, right, judged, _ = recurrent.sums_of_batches(model, next(steps()), torch.ones(20)).sum(0)
    assert right > 0.95 * judged and nll / judged < 0.5  # nats; chance is 3.0
