from __future__ import annotations

import math

import pytest
import torch

from nlpkit.distillation import losses
from nlpkit.tasks import soft_losses

LN3 = math.log(3)


def rows(*values: list[float]) -> torch.Tensor:
    return torch.tensor(values)


def test_soft_targets_are_the_scaled_divergence() -> None:
    # at T = 2 the teacher says 3/4 and 1/4, the student 1/2 and 1/2
    teacher, student = rows([2 * LN3, 0.0]), rows([0.0, 0.0])
    by_hand = 4 * (0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5))
    assert soft_losses.soft_targets(student, teacher, 2.0).tolist() == pytest.approx([by_hand])
    assert soft_losses.soft_targets(teacher, teacher, 2.0).tolist() == pytest.approx([0.0], abs=1e-6)


def test_soft_targets_leave_out_what_is_not_there() -> None:
    teacher, student = rows([2 * LN3, 0.0, 50.0]), rows([0.0, 0.0, -50.0]).requires_grad_()
    valid = torch.tensor([[True, True, False]])
    loss = soft_losses.soft_targets(student, teacher, 2.0, valid)
    assert loss.tolist() == pytest.approx(soft_losses.soft_targets(student[:, :2], teacher[:, :2], 2.0).tolist())
    loss.sum().backward()
    assert student.grad is not None and torch.isfinite(student.grad).all()
    assert student.grad[0, 2] == 0


def test_gradient_keeps_its_scale_with_the_temperature() -> None:
    """T^2 makes up for the 1/T^2 of the softened gradient (Hinton et al. 2015, section 2.1)."""
    teacher = torch.randn(8, 5, generator=torch.Generator().manual_seed(0))
    norms = []
    for temperature in (10.0, 100.0):
        student = torch.zeros(8, 5, requires_grad=True)
        soft_losses.soft_targets(student, teacher, temperature).sum().backward()
        assert student.grad is not None
        norms.append(float(student.grad.norm()))
    assert norms[0] == pytest.approx(norms[1], rel=0.1)


def test_soft_labels_are_a_divergence_a_label() -> None:
    teacher, student = rows([LN3, 0.0]), rows([0.0, 0.0])  # 3/4 and 1/2 against 1/2 and 1/2
    by_hand = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)
    assert soft_losses.soft_labels(student, teacher, 1.0)[0].tolist() == pytest.approx([by_hand, 0.0], abs=1e-6)
    # twice the logits at twice the temperature: the same distributions, T^2 times the loss
    assert soft_losses.soft_labels(2 * student, 2 * teacher, 2.0)[0, 0].item() == pytest.approx(4 * by_hand)


def test_hidden_states_and_cosine_ignore_padding() -> None:
    student = torch.tensor([[[1.0, 0.0], [0.0, 1.0], [9.0, 9.0]]])
    teacher = torch.tensor([[[3.0, 0.0], [1.0, 0.0], [-9.0, 0.0]]])
    mask = torch.tensor([[1, 1, 0]])
    # tokens: ((2^2 + 0) / 2 + (1 + 1) / 2) / 2; angles of 0 and 90 degrees
    assert losses.hidden_mse(student, teacher, mask).tolist() == pytest.approx([1.5])
    assert losses.cosine(student, teacher, mask).tolist() == pytest.approx([0.5])


def test_attention_scores_are_compared_before_their_softmax() -> None:
    # one head of width 1, two tokens and padding: scores are the products of queries and keys
    queries, keys = torch.tensor([[[1.0], [2.0], [7.0]]]), torch.tensor([[[1.0], [1.0], [7.0]]])
    zeros = torch.zeros(1, 3, 1)
    mask = torch.tensor([[1, 1, 0]])
    by_hand = (1 + 1 + 4 + 4) / 4
    assert losses.attention_mse((queries, keys), (zeros, zeros), 1, mask).tolist() == pytest.approx([by_hand])


def test_relations_of_hand_made_values() -> None:
    # one relation head of width 1; the student's tokens relate evenly, the teacher's second token by e to itself
    student, teacher = torch.zeros(1, 2, 1), torch.tensor([[[0.0], [1.0]]])
    share = math.e / (1 + math.e)
    second = share * math.log(2 * share) + (1 - share) * math.log(2 * (1 - share))
    mask = torch.ones(1, 2)
    assert losses.self_attention_relations(student, teacher, 1, mask).tolist() == pytest.approx([second / 2])


def test_relations_allow_different_widths_and_padding() -> None:
    generator = torch.Generator().manual_seed(0)
    student, teacher = torch.randn(2, 5, 6, generator=generator), torch.randn(2, 5, 12, generator=generator)
    mask = torch.tensor([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]])
    whole = losses.self_attention_relations(student, teacher, 3, mask)
    cut = losses.self_attention_relations(student[:1, :3], teacher[:1, :3], 3, mask[:1, :3])
    assert whole[0].item() == pytest.approx(cut[0].item())
    assert losses.self_attention_relations(teacher, teacher, 3, mask).tolist() == pytest.approx([0, 0], abs=1e-6)
