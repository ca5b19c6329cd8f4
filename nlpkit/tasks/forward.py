"""What a forward pass of a model gives, and what a task makes of it in training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import torch

# Parts of a model that a forward pass gives on request -> the argument of Transformers' models that asks for them.
Part = Literal["hidden", "attentions"]
REQUESTS: Mapping[Part, str] = {"hidden": "output_hidden_states", "attentions": "output_attentions"}


@dataclass(frozen=True)
class Forward:
    """What a model gives for a batch, beside the batch.

    Attributes:
        batch: as `Task.collate` makes it, on the model's device, with what is withheld from the model (labels).
        logits: what the task reads of the model's output, rows first; of a model without a head what the task computes
            from it instead (an embedder: one vector per row).
        hidden: hidden states, the embeddings first, each of shape (rows, tokens, width); None unless requested.
        attentions: attention probabilities per layer, each of shape (rows, heads, tokens, tokens); None unless
            requested.
        read: attention probabilities per layer of what reads the text, where that is another part than the one of
            `attentions` (an encoder, whose decoder looks at it): shape (rows, heads, tokens, tokens); None elsewhere,
            and unless attentions are requested.
    """

    batch: Mapping[str, torch.Tensor]
    logits: torch.Tensor
    hidden: Sequence[torch.Tensor] | None = None
    attentions: Sequence[torch.Tensor] | None = None
    read: Sequence[torch.Tensor] | None = None

    def first(self, rows: int) -> Forward:
        """The same of the first rows alone."""
        return replace(
            self,
            batch={name: tensor[:rows] for name, tensor in self.batch.items()},
            logits=self.logits[:rows],
            hidden=None if self.hidden is None else [states[:rows] for states in self.hidden],
            attentions=None if self.attentions is None else [shares[:rows] for shares in self.attentions],
            read=None if self.read is None else [shares[:rows] for shares in self.read],
        )


@dataclass(frozen=True)
class Loss:
    """The loss of a batch, not yet divided: a mean is over all batches of an optimizer step, in all processes.

    Attributes:
        total: summed over the entries, shape ().
        entries: how many there are, shape ().
    """

    total: torch.Tensor
    entries: torch.Tensor

    def mean(self) -> torch.Tensor:
        """The mean over the entries of this batch; of none it is 0."""
        return self.total / self.entries.clamp(min=1)


def rows_of(batch: Mapping[str, torch.Tensor]) -> int:
    """The number of rows of a batch, all of whose tensors have as many."""
    return len(next(iter(batch.values())))
