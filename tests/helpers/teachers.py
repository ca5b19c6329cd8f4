"""The teacher among the features of a Trainer."""

from __future__ import annotations

from typing import Any

from nlpkit.distillation.trainer import Teacher


def teacher_of(trainer: Any) -> Teacher | None:
    """The teacher that a Trainer holds; None where it has none."""
    return next((part for part in getattr(trainer, "features", ()) if isinstance(part, Teacher)), None)


def require_teacher(trainer: Any) -> Teacher:
    """The same, of a Trainer that has one."""
    found = teacher_of(trainer)
    assert found is not None
    return found
