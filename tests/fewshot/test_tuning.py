"""Rows of a step are drawn as it comes: labels in turn, two rows and more of each, whatever the number of rows."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification

from nlpkit.data.labels import Labels
from nlpkit.fewshot import tuning
from nlpkit.tasks.text_classification.task import TextClassification


@pytest.mark.parametrize(("labels", "rows"), [(2, 8), (6, 8), (77, 8), (3, 1)])
def test_each_step_has_rows_of_like_labels_and_all_labels_have_their_turn(labels: int, rows: int) -> None:
    numbers = np.repeat(np.arange(labels), rows)
    at_once = min(labels, tuning.ROWS // 2)
    drawn = list(itertools.islice(tuning.draws(numbers, np.random.default_rng(0)), 3 * labels))
    seen: list[int] = []
    for step in drawn:
        assert len(step) == tuning.ROWS
        counts = np.bincount(numbers[step], minlength=labels)
        assert (counts > 0).sum() == at_once and counts[counts > 0].min() >= 2
        seen += np.flatnonzero(counts).tolist()
    turns = np.bincount(seen, minlength=labels)
    assert turns.max() - turns.min() <= 2


def test_the_contrastive_loss_by_hand() -> None:
    states = torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.0, 2.0], [5.0, 0.0]])
    labels = torch.tensor([0, 0, 1, 2])
    s = tuning.SHARPNESS
    cosines = {(0, 1): 0.6, (0, 2): 0.0, (0, 3): 1.0, (1, 2): 0.8, (1, 3): 0.6}
    first = -s * cosines[0, 1] + np.log(sum(np.exp(s * cosines[0, j]) for j in (1, 2, 3)))
    second = -s * cosines[0, 1] + np.log(np.exp(s * 0.6) + np.exp(s * 0.8) + np.exp(s * 0.6))
    # the rows with labels 1 and 2 have no partner, and count for nothing
    assert float(tuning.alike(states, labels)) == pytest.approx((first + second) / 2, rel=1e-5)
    assert float(tuning.alike(states, torch.tensor([0, 1, 2, 3]))) == 0


@pytest.mark.parametrize("learn", [tuning.contrastive, tuning.labelled])
def test_rows_of_like_length_are_computed_together_and_the_step_is_that_of_all(
    learn: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=20,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        num_labels=3,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    model = BertForSequenceClassification(config)
    task = TextClassification(Labels("single-label", ["a", "b", "c"]))
    drawn = np.random.default_rng(0)
    features = [{"input_ids": drawn.integers(20, size=length).tolist()} for length in (3, 9, 4, 8, 5, 7, 6, 2, 3) * 2]
    widths: list[int] = []

    def collate(rows: list[Any]) -> dict[str, torch.Tensor]:
        ids = [torch.tensor(row["input_ids"]) for row in rows]
        padded = torch.nn.utils.rnn.pad_sequence(ids, batch_first=True)
        mask = torch.nn.utils.rnn.pad_sequence([torch.ones_like(row) for row in ids], batch_first=True)
        widths.append(padded.shape[1])
        return {"input_ids": padded, "attention_mask": mask}

    few = tuning.Few(features, np.repeat([0, 1, 2], 6), collate)
    gradients = []
    for together in (tuning.TOGETHER, tuning.ROWS):
        monkeypatch.setattr(tuning, "TOGETHER", together)
        model.zero_grad()
        learn(task, model, few, 0).backward()
        gradients.append(model.bert.encoder.layer[0].intermediate.dense.weight.grad)
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-7)
    *by_length, all_at_once = widths
    assert by_length == sorted(by_length) and by_length[0] < by_length[-1] == all_at_once
