"""What a frozen encoder gives is computed once, and the head learns from it what it would have learnt anyway."""

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

from nlpkit.recipes import finetune_cls
from nlpkit.training import frozen, frozen_layers

READS = {
    "Bert": "pooler_output",
    "DistilBert": "last_hidden_state",
    "Roberta": "last_hidden_state",
    "Electra": "last_hidden_state",
}


def config(model: Path, data: Path, output: Path, **options: Any) -> finetune_cls.Config:
    settings: dict[str, Any] = {"epochs": 3, "learning_rate": 1e-2, "batch_size": 16, "device": "cpu", "threads": 1}
    settings |= {"freeze": "encoder", "logging_steps": 1}
    return finetune_cls.Config(data=str(data), model=str(model), output=output, **(settings | options))


def losses(run: Path) -> list[float]:
    entries = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
    return [entry[name] for entry in entries for name in ("loss", "eval_loss") if name in entry]


def test_without_dropout_losses_and_weights_are_those_of_an_encoder_that_runs_in_each_epoch(
    tiny_model: Path, reviews: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finetune_cls.run(config(tiny_model, reviews, tmp_path / "once", dropout=0.0))
    for module, tried in ((frozen, "read_by_head"), (frozen_layers, "shapes_below")):
        monkeypatch.setattr(module, tried, lambda *_: None)
    finetune_cls.run(config(tiny_model, reviews, tmp_path / "each", dropout=0.0))
    assert losses(tmp_path / "once") == pytest.approx(losses(tmp_path / "each"), abs=1e-5)
    once, each = (load_file(tmp_path / name / "model.safetensors") for name in ("once", "each"))
    assert once.keys() == each.keys()
    for name, tensor in each.items():
        torch.testing.assert_close(once[name], tensor, atol=1e-5, rtol=1e-4)


def test_the_encoder_reads_each_row_once_whatever_the_epochs(
    tiny_model: Path, reviews: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = 0
    forward = modeling_bert.BertEncoder.forward

    def counted(self: Any, hidden_states: torch.Tensor, *arguments: Any, **keywords: Any) -> Any:
        nonlocal read
        read += len(hidden_states)
        return forward(self, hidden_states, *arguments, **keywords)

    monkeypatch.setattr(modeling_bert.BertEncoder, "forward", counted)
    finetune_cls.run(config(tiny_model, reviews, tmp_path / "run", epochs=5))
    probed = 2 * 8 + 8  # what the head reads, by both states at most
    # train (96), validation and test (32 each), and the train row of the result table
    assert read <= 96 + 32 + 32 + 96 + probed


def model_of(kind: str, head: str) -> Any:
    torch.manual_seed(0)
    settings: dict[str, Any] = {"vocab_size": 100, "num_hidden_layers": 1, "num_attention_heads": 2}
    settings |= {"hidden_size": 16, "intermediate_size": 32, "embedding_size": 16, "hidden_dim": 32}
    architecture = getattr(transformers, f"{kind}Config")(**settings)
    return getattr(transformers, f"{kind}{head}")(architecture)


@pytest.mark.parametrize("kind", list(READS))
def test_what_a_head_reads_is_found_without_its_name(kind: str) -> None:
    ids = torch.tensor([[2, 9, 8, 7], [2, 6, 1, 1]])
    for head, expected in {"ForSequenceClassification": READS[kind], "ForTokenClassification": None}.items():
        model = model_of(kind, head)

        def logits(model: Any = model) -> torch.Tensor:
            return model(input_ids=ids, attention_mask=(ids != 1).long()).logits

        assert frozen.read_by_head(model, logits) == expected
        assert "forward" not in vars(model.base_model)


def test_a_head_that_reads_every_token_trains_as_before(tmp_path: Path, tiny_model: Path) -> None:
    recipe, settings = training("token-classification", tmp_path, tiny_model)
    settings |= {"freeze": "encoder", "output": tmp_path / "run"}
    recipe.run(recipe.Config(**settings))
    assert (tmp_path / "run" / "model.safetensors").exists()
