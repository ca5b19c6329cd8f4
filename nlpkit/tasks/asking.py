"""What a task may ask other models before its own is trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np


class Ask(Protocol):
    """Opens a model and gives what it says of examples."""

    def __call__(self, model: str | None, task: str, examples: Mapping[str, Sequence[Any]], flag: str) -> np.ndarray:
        """The merged outputs, one entry per example.

        Args:
            model: folder or hub name; None: the model that is trained, before that.
            task: the name of the task that it is opened for.
            examples: columns of that task's examples, of equal length.
            flag: the option that named the model, for messages.

        Raises:
            UserError: it cannot be opened, or is not for that task.
        """

    def labels(self, model: str, flag: str) -> list[str]:
        """The names of a model's labels, in the order of its outputs.

        Raises:
            UserError: it cannot be opened.
        """
