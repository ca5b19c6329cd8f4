"""What frozen layers give is computed once, and what is above learns from it what it would have learnt anyway."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from every_task import training
from safetensors.torch import load_file
from transformers.models.bert import modeling_bert

from nlpkit.training import frozen_layers


def losses(run: Path) -> list[float]:
    entries = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
    return [entry[name] for entry in entries for name in ("loss", "eval_loss") if name in entry]


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Rows that the first layer has read, by batch."""
    found: list[int] = []
    forward = modeling_bert.BertLayer.forward

    def counted(self: Any, hidden_states: torch.Tensor, *arguments: Any, **keywords: Any) -> Any:
        if self.attention.self.layer_idx == 0:
            found.append(len(hidden_states))
        return forward(self, hidden_states, *arguments, **keywords)

    monkeypatch.setattr(modeling_bert.BertLayer, "forward", counted)
    return found


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "freeze"), [("classification", "1"), ("token-classification", "encoder")])
def test_without_dropout_losses_and_weights_are_those_of_layers_that_run_in_each_epoch(
    kind: str, freeze: str, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: list[int]
) -> None:
    recipe, options = training(kind, tmp_path, tiny_model)
    options |= {"freeze": freeze, "dropout": 0.0, "logging_steps": 1, "max_steps": 12}
    recipe.run(recipe.Config(**{**options, "output": tmp_path / "once"}))
    once = sum(read)
    monkeypatch.setattr(frozen_layers, "shapes_below", lambda *_: None)
    recipe.run(recipe.Config(**{**options, "output": tmp_path / "each"}))
    assert losses(tmp_path / "once") == pytest.approx(losses(tmp_path / "each"), abs=1e-5)
    assert once < sum(read) - once
    made, wanted = (load_file(tmp_path / name / "model.safetensors") for name in ("once", "each"))
    for name, tensor in wanted.items():
        torch.testing.assert_close(made[name], tensor, atol=1e-5, rtol=1e-4)


def shapes(kind: str, count: int, head: str = "ForSequenceClassification", **settings: Any) -> Any:
    torch.manual_seed(0)
    small: dict[str, Any] = {"vocab_size": 100, "num_hidden_layers": 2, "num_attention_heads": 2, "hidden_size": 16}
    small |= {"intermediate_size": 32, "embedding_size": 16, "hidden_dim": 32, "pad_token_id": 1}
    model = getattr(transformers, f"{kind}{head}")(getattr(transformers, f"{kind}Config")(**small | settings))
    ids = torch.tensor([[2, 9, 8, 7], [2, 6, 1, 1]])
    found = frozen_layers.shapes_below(
        model, count, lambda: model(input_ids=ids, attention_mask=(ids != 1).long()).logits
    )
    assert not any("forward" in vars(module) for module in model.modules())
    return found


@pytest.mark.parametrize("kind", ["Bert", "DistilBert", "Roberta", "Electra", "ModernBert", "DebertaV2"])
def test_what_layers_give_is_found_without_their_name(kind: str) -> None:
    assert [
        len(shapes(kind, count, head))
        for count in (1, 2)
        for head in ("ForSequenceClassification", "ForTokenClassification")
    ] == [1, 1, 2, 2]


def test_layers_of_which_more_is_read_run_in_each_epoch(tmp_path: Path, tiny_model: Path) -> None:
    assert shapes("Albert", 1) is None  # one layer that is used twice
    # a span is one of all positions, and those of padding have a share in its loss
    recipe, options = training("question-answering", tmp_path, tiny_model)
    trainer = recipe.build(recipe.Config(**{**options, "freeze": "1", "max_steps": 12}))
    assert not any(feature.spares_frozen for feature in trainer.features)


def test_states_are_kept_by_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import numpy as np

    monkeypatch.setattr(frozen_layers, "FEWEST", 1)
    made = frozen_layers.States.of("key")
    made.add([b"a" * 16, b"b" * 16], [2, 1], np.arange(6, dtype=np.float32).reshape(3, 2))
    made.keep()
    found = frozen_layers.States.of("key")
    assert found.of_rows([b"b" * 16, b"a" * 16]).tolist() == [[4, 5], [0, 1], [2, 3]]
    assert found.of_rows([b"a" * 16, b"c" * 16]) is None
    assert frozen_layers.States.of("other").places == {}
