"""Where a student comes from: layers of its teacher, or nothing; and which of its layers learns from which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

LayerChoice = Literal["even", "first", "last"]


def chosen_layers(depth: int, count: int, choice: LayerChoice) -> list[int]:
    """Which layers of a teacher become those of its student.

    Args:
        depth: layers of the teacher.
        count: of the student, 1 to `depth`.
        choice: `even` spreads them from the first to the last, so that 12 -> 6 gives 0, 2, 4, 7, 9, 11 as in
            DistilBERT's published code (Sanh et al. 2019); `first` and `last` take neighbours.

    Returns:
        Indices from 0, ascending.
    """
    if choice == "first":
        return list(range(count))
    if choice == "last" or count == 1:
        return list(range(depth - count, depth))
    return np.rint(np.linspace(0, depth - 1, count)).astype(int).tolist()


def layer_map(student: int, teacher: int) -> list[tuple[int, int]]:
    """For each layer of the student that of the teacher at the same share of the depth (TinyBERT, Jiao et al. 2020).

    Args:
        student, teacher: how many layers they have.

    Returns:
        Pairs, counted from 1; the last layers belong together.
    """
    return [(layer, max(round(layer * teacher / student), 1)) for layer in range(1, student + 1)]


def untrained(config: PreTrainedConfig, auto_class: str, arguments: Mapping[str, Any]) -> Any:
    """A model with random weights and a head.

    Args:
        config: of the encoder.
        auto_class: the transformers class for the task.
        arguments: of the task, see `Task.model_arguments`.
    """
    import transformers

    for name, value in arguments.items():
        setattr(config, name, value)
    return getattr(transformers, auto_class).from_config(config, dtype="float32")


def mapped_layers(text: str) -> list[tuple[int, int]]:
    """`1:2,2:4,3:6` as pairs of a student's and a teacher's layer.

    Raises:
        ValueError: it is written otherwise.
    """
    pairs: Sequence[list[str]] = [part.split(":") for part in text.split(",")]
    return [(int(own), int(theirs)) for own, theirs in pairs]
