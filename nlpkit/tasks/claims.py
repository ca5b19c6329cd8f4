"""How surely a task takes a model: each task answers for itself, and the registry picks the surest.

An architecture may serve several tasks: a model that was trained on pairs of sentences classifies texts and can answer
without training; any encoder can embed. What a model could also do is done only where `--task` asks for it.
"""

from __future__ import annotations

from enum import IntEnum


class Claim(IntEnum):
    """How surely a task takes a model; of several the largest counts."""

    COULD_SERVE = 1
    """The model can be used for the task, if a user says so."""
    ARCHITECTURE = 2
    """The head of the model, or a file beside it, is that of the task."""
    RECORD = 3
    """The model's nlpkit.json names the task."""
