"""`--pooling`: what the new head of a classifier reads, in a way that stock classes open."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import rows, write_csv
from tiny import tiny
from transformers import AutoTokenizer

from nlpkit.errors import UserError
from nlpkit.models import mean_layer
from nlpkit.recipes import finetune_cls
from nlpkit.tasks.text_classification import pooling


def test_the_mean_is_made_by_a_layer_that_stays_and_a_head_that_learns(
    tiny_model: Path, reviews: Path, tmp_path: Path
) -> None:
    asked: dict[str, Any] = {"data": str(reviews), "model": str(tiny_model), "device": "cpu", "threads": 1}
    plain = finetune_cls.build(finetune_cls.Config(**asked, output=tmp_path / "plain")).model
    model = finetune_cls.build(finetune_cls.Config(**asked, output=tmp_path / "mean", pooling="mean")).model
    assert model.config.num_hidden_layers == plain.config.num_hidden_layers + 1
    assert mean_layer.is_mean_layer(model) and not mean_layer.is_mean_layer(plain)
    assert not any(weight.requires_grad for weight in model.bert.encoder.layer[-1].parameters())
    square = model.bert.pooler.dense
    assert square.weight.requires_grad and torch.equal(square.weight, torch.eye(square.in_features) / 2)
    model.save_pretrained(tmp_path / "before")
    AutoTokenizer.from_pretrained(tiny_model).save_pretrained(tmp_path / "before")
    asked["model"] = str(tmp_path / "before")  # it stays where the model is trained on, too
    again = finetune_cls.build(finetune_cls.Config(**asked, output=tmp_path / "again")).model
    assert again.config.num_hidden_layers == model.config.num_hidden_layers
    assert not any(weight.requires_grad for weight in again.bert.encoder.layer[-1].parameters())
    with pytest.raises(UserError, match="has a layer that makes the mean"):
        pooling.read(model, "cls", frozen=False)


def test_pairs_read_the_mean_of_an_encoder_that_was_trained_so(tiny_model: Path, tmp_path: Path) -> None:
    encoder = tmp_path / "encoder"
    shutil.copytree(tiny_model, encoder)
    (encoder / "1_Pooling").mkdir()
    (encoder / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_mean_tokens": True}))
    made = [{"sentence1": row["text"], "sentence2": row["text"], "label": row["label"]} for row in rows(40)]
    pairs = str(write_csv(tmp_path / "pairs.csv", made))
    asked: dict[str, Any] = {"data": pairs, "device": "cpu", "threads": 1, "dry_run": True, "output": tmp_path / "run"}

    def settled(**more: Any) -> Any:
        return finetune_cls.run(finetune_cls.Config(**{**asked, "model": str(encoder), **more})).record["config"]

    assert settled()["pooling"] == "mean"
    assert settled(pooling="cls")["pooling"] == "cls"
    assert settled(model=str(tiny_model))["pooling"] is None  # nothing says what its vectors are
    assert settled(data=str(write_csv(tmp_path / "one.csv", rows(40))))["pooling"] is None


def test_a_class_that_has_both_is_told_which() -> None:
    model = tiny("modernbert")
    assert "classifier_pooling of its config" in pooling.read(model, "mean", frozen=False)
    assert model.config.classifier_pooling == "mean"


def test_a_model_that_cannot_says_so() -> None:
    with pytest.raises(UserError, match="no layer more makes a mean of all in mpnet"):
        pooling.read(tiny("mpnet"), "mean", frozen=False)
