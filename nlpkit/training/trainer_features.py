"""What a run adds to its training besides the loss of its task: masks, a teacher, steps that cost less.

A Trainer holds several of them and asks each in turn, so that they combine without knowing of each other.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from nlpkit.tasks.forward import Forward, Part


class TrainerFeature:
    """One addition to the training of `NlpkitTrainer`; every hook does nothing unless it is overridden.

    Attributes:
        want: what it needs of the model's forward pass besides logits.
        own_keys: what it puts into a batch that the task does not read.
        readers: other models that read the batches; what leaves padding out has to suit them too.
        aligned: whether batches may be padded to lengths that suit a GPU.
        replaces_encoder: whether a step computes the head alone.
        spares_frozen: whether a step computes nothing with weights that are frozen.
        needs_whole_weights: what of it reads or shares weights outside of the model's forward pass, where those of a
            divided model are not whole; "" for nothing.
    """

    want: Collection[Part] = ()
    own_keys: Collection[str] = ()
    readers: Sequence[Any] = ()
    aligned: bool = True
    replaces_encoder: bool = False
    spares_frozen: bool = False
    needs_whole_weights: str = ""

    def change_model(self, model: Any) -> None:
        """Change the model in place, before there is a Trainer."""

    def attach(self, trainer: Any) -> None:
        """Take a place in an `NlpkitTrainer`, which has just been made."""

    def begin(self, trainer: Any) -> None:
        """Compute what the first step needs; the run is no longer only planned."""

    def set_epoch(self, epoch: int) -> None:
        """The rows of this epoch come next."""

    def on_step_batches(self, batches: list[Any], entries: Any, device: Any) -> Any:
        """See the batches of an optimizer step before they go to the device.

        Args:
            entries: of the task's loss, over all processes; None where there are none.

        Returns:
            The entries that the loss is divided by.
        """
        return entries

    def forward_pass(self) -> contextlib.AbstractContextManager[Any]:
        """A block around the model's forward pass in training."""
        return contextlib.nullcontext()

    def on_loss(self, loss: torch.Tensor, forward: Forward, inputs: Any) -> torch.Tensor:
        """The loss to train on.

        Args:
            loss: of the task, and of the features before this one.
            forward: what the model gave.
            inputs: the batch with this feature's own keys.
        """
        return loss

    def optimizer(self, create: Callable[[], torch.optim.Optimizer]) -> torch.optim.Optimizer:
        """The optimizer.

        Args:
            create: makes it for all parameters that need a gradient.
        """
        return create()

    def is_candidate(self) -> bool:
        """Whether the model as it is now may be the best one of the run."""
        return True

    def after_training(self, model: Any) -> None:
        """Undo `change_model`, with what was trained in place."""
