"""Heads over states, and what of them a stock classifier holds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification

from nlpkit.fewshot import heads
from nlpkit.fewshot.states import Head, States
from nlpkit.models import mean_layer

WIDTH = 16


def classifier(labels: int) -> Any:
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=50, hidden_size=WIDTH, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32
    )
    config.num_labels = labels
    return BertForSequenceClassification(config).eval()


def clouds(labels: int, rows: int = 12, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """States around a middle for each label, and their labels."""
    drawn = np.random.default_rng(seed)
    middles = np.random.default_rng(1).normal(size=(labels, WIDTH))
    numbers = np.repeat(np.arange(labels), rows)
    return (middles[numbers] + 0.3 * drawn.normal(size=(len(numbers), WIDTH))).astype(np.float32), numbers


@pytest.mark.parametrize("labels", [2, 5])
def test_what_was_learnt_is_what_the_stock_model_computes(labels: int) -> None:
    model = classifier(labels)
    mean_layer.append(model)
    head = Head(model)
    ids = torch.randint(5, 50, (6, 7), generator=torch.Generator().manual_seed(0))
    with torch.no_grad(), head.watched() as seen:
        model(input_ids=ids)
    states = States(seen["last"].numpy(), seen["before"].numpy())
    numbers = np.arange(6) % labels
    activation = mean_layer.activation(model)
    assert states.before is not None
    for fitted in (
        heads.linear(states.last, numbers, labels, strength=1.0),
        heads.hidden(states.before, numbers, labels, activation=activation, seed=1),
    ):
        fitted.put(head)
        with torch.no_grad():
            logits = model(input_ids=ids).logits.numpy()
        np.testing.assert_allclose(logits, fitted.logits(states), atol=1e-4)


def test_all_heads_tell_clouds_apart() -> None:
    known, labels = clouds(4)
    new, right = clouds(4, seed=2)
    for fitted in (
        heads.linear(known, labels, 4, strength=1.0),
        heads.hidden(known, labels, 4, activation=torch.tanh, seed=1),
        heads.Neighbours(known, labels, 4),
    ):
        assert (fitted.logits(States(new, new)).argmax(axis=1) == right).mean() > 0.9, fitted.kind


def test_a_label_that_no_row_has_is_never_answered() -> None:
    known, labels = clouds(2)
    fitted = heads.linear(known, labels * 2, 3, strength=1.0)  # labels 0 and 2
    logits = fitted.logits(States(known, None))
    assert (logits[:, 1] < logits[:, [0, 2]].min(axis=1) - 10).all()
    assert (logits.argmax(axis=1) == labels * 2).mean() > 0.9
    alone = heads.linear(known[:12], labels[:12] + 1, 3, strength=1.0)
    assert (alone.logits(States(known, None)).argmax(axis=1) == 1).all()
