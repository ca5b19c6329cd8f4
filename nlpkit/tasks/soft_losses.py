"""What a student's scores lose against a teacher's."""

from __future__ import annotations

import torch
import torch.nn.functional as F


def soft_targets(
    student: torch.Tensor, teacher: torch.Tensor, temperature: float, valid: torch.Tensor | None = None
) -> torch.Tensor:
    """T^2 KL(teacher || student) of distributions softened by a temperature (Hinton et al. 2015, section 2).

    The factor keeps the gradient at the scale of the hard loss, whatever the temperature.

    Args:
        student, teacher: logits, shape (..., classes).
        temperature: T; logits are divided by it.
        valid: which classes there are, boolean, shape (..., classes); None for all.

    Returns:
        In nats, shape (...).
    """
    student, teacher = student.float() / temperature, teacher.float() / temperature
    if valid is not None:
        lowest = torch.finfo(student.dtype).min  # not -inf, which times a probability of 0 is not a number
        student, teacher = student.masked_fill(~valid, lowest), teacher.masked_fill(~valid, lowest)
    wanted = F.log_softmax(teacher, dim=-1)
    divergence = wanted.exp() * (wanted - F.log_softmax(student, dim=-1))
    return temperature**2 * divergence.sum(-1)


def soft_labels(student: torch.Tensor, teacher: torch.Tensor, temperature: float) -> torch.Tensor:
    """The same for labels that are given independently: T^2 KL of one Bernoulli distribution each.

    Args:
        student, teacher: logits, any one shape.
        temperature: see `soft_targets`.

    Returns:
        In nats, the shape of the logits.
    """
    student, teacher = student.float() / temperature, teacher.float() / temperature
    probability = teacher.sigmoid()
    kept = probability * (F.logsigmoid(teacher) - F.logsigmoid(student))
    left_out = (1 - probability) * (F.logsigmoid(-teacher) - F.logsigmoid(-student))
    return temperature**2 * (kept + left_out)
