"""The layers that are not trained run once per row, and what comes out is what the whole model gives."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
import transformers

from nlpkit.fewshot import tuning
from nlpkit.fewshot.lower import Lower
from nlpkit.models.anatomy import anatomy

ROWS = [{"input_ids": [2, 9, 8, 7, 3]}, {"input_ids": [2, 6, 3]}, {"input_ids": [2, 5, 5, 3]}]


def classifier(kind: str, layers: int = 6) -> Any:
    torch.manual_seed(0)
    settings: dict[str, Any] = {"vocab_size": 50, "hidden_size": 16, "num_attention_heads": 2, "num_labels": 3}
    settings |= {"num_hidden_layers": layers, "intermediate_size": 32, "embedding_size": 16, "hidden_dim": 32}
    model = getattr(transformers, f"{kind}ForSequenceClassification")(
        getattr(transformers, f"{kind}Config")(**settings)
    )
    tuning.prepare(model)
    return model.eval()


def collated(rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
    longest = max(len(row["input_ids"]) for row in rows)
    ids = [row["input_ids"] + [0] * (longest - len(row["input_ids"])) for row in rows]
    return {"input_ids": torch.tensor(ids), "attention_mask": (torch.tensor(ids) != 0).long()}


@pytest.mark.parametrize("kind", ["Bert", "DistilBert", "Roberta", "MPNet", "Albert", "Deberta"])
def test_answers_are_those_of_the_whole_model_whatever_is_kept(kind: str) -> None:
    model = classifier(kind)
    lower, read = Lower(model), 0

    def count(*_: Any) -> None:
        nonlocal read
        read += 1

    def run(rows: list[dict[str, Any]]) -> torch.Tensor:
        batch = collated(rows)
        with torch.no_grad():
            return lower.run(rows, batch, lambda: SimpleNamespace(logits=model(**batch).logits)).logits  # type: ignore[arg-type,return-value]

    with torch.no_grad():
        whole = model(**collated(ROWS)).logits
    torch.testing.assert_close(run(ROWS), whole, atol=1e-5, rtol=1e-4)
    if lower.layers:  # not of one layer that runs many times, nor of layers that are not known
        parts = [part for part in lower.layers[0].modules() if isinstance(part, torch.nn.Linear)]
        parts[0].register_forward_hook(count)
    torch.testing.assert_close(run(ROWS[::-1]), whole.flip(0), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(run(ROWS[1:]), whole[1:], atol=1e-5, rtol=1e-4)
    assert read == 0
    assert bool(lower.layers) == (kind not in ("Albert", "Deberta"))


def test_the_upper_third_is_trained_and_nothing_else() -> None:
    model = classifier("Bert", layers=6)
    lower = Lower(model)
    assert lower.trained == 2 and len(lower.layers) == 4
    learnt = {name for name, part in model.named_parameters() if part.requires_grad and name.startswith("bert.")}
    assert {name.split(".")[3] for name in learnt} == {"4", "5"}  # 6 makes the mean
    assert len(anatomy(model).stack) == 7
