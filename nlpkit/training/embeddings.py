"""Train only the embedding rows that the data use.

A row whose token never occurs gets a zero gradient in every step, and Adam never moves it; yet gradient, clipping and
optimizer pass over it, and its two moments take memory. A table that holds only the rows in use gives the same model
(up to the rounding of the gradient norm; with weight decay, unused rows stay as pre-trained instead of shrinking). For
XLM-R, two thirds of whose weights are embeddings, that is most of the optimizer step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from nlpkit.data.collating import id_columns
from nlpkit.errors import RunError
from nlpkit.models import fitting
from nlpkit.training import sharded
from nlpkit.training.trainer_features import TrainerFeature

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

    from nlpkit.training.trainer import Split

WORTH_BELOW = 0.8  # share of rows in use from which the table is left as it is


class UsedRows(TrainerFeature):
    """Trains the rows in use alone, where that is worth it; see `keep_used_rows`.

    Args:
        tokenizer: of the model.
        splits: all that training and evaluation will see.
    """

    def __init__(self, tokenizer: Any, splits: Sequence[Split]) -> None:
        self.tokenizer, self.splits = tokenizer, splits

    def change_model(self, model: Any) -> None:
        keep_used_rows(model, self.tokenizer, [split.token_ids() for split in self.splits])

    def attach(self, trainer: Any) -> None:
        trainer.data_collator = checked(trainer.model, trainer.data_collator)

    def after_training(self, model: Any) -> None:
        restore_all_rows(model)


class UsedRowsEmbedding(nn.Module):
    """An embedding whose parameter is the used rows of a larger table; its state dict is that of the whole table.

    Args:
        full: the table it stands for, shape (vocabulary, width).
        used: sorted ids of the rows in use.
    """

    used: torch.Tensor
    position: torch.Tensor

    def __init__(self, full: nn.Embedding, used: torch.Tensor) -> None:
        super().__init__()
        table = full.weight.detach()
        position = torch.full((full.num_embeddings,), -1, dtype=torch.long)
        position[used] = torch.arange(len(used))
        self.known = position.numpy() >= 0  # of each id whether it is in use
        self.num_embeddings, self.embedding_dim = full.num_embeddings, full.embedding_dim
        self.padding_idx = full.padding_idx
        self.padding_row = None if full.padding_idx is None else int(position[full.padding_idx])
        self.weight = nn.Parameter(table[used.to(table.device)].clone())
        self.register_buffer("used", used.to(table.device), persistent=False)
        self.register_buffer("position", position.to(table.device), persistent=False)
        # the unused rows are only needed for saving
        self.table = table.cpu()

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Vectors of token ids; shape (..., width). Whether all are in use is looked at before, by `checked`: a GPU
        ends the process over one that is not.
        """
        return F.embedding(self.position[ids], self.weight, padding_idx=self.padding_row)

    def whole(self) -> torch.Tensor:
        """The whole table as it is now, on the CPU."""
        table = self.table.clone()
        table[self.used.cpu()] = sharded.whole_tensor(self.weight.detach()).cpu().to(table.dtype)
        return table

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        destination[prefix + "weight"] = self.whole()

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *_: Any) -> None:
        weight = state_dict[prefix + "weight"]
        with torch.no_grad():
            self.table = weight.detach().cpu().clone()
            self.weight.copy_(sharded.divided_as(self.weight, weight[self.used.to(weight.device)]))


def keep_used_rows(model: Any, tokenizer: Any, token_ids: list[np.ndarray]) -> float:
    """Replace the model's token embedding by its used rows, where that is worth it.

    Args:
        model: a PreTrainedModel; a table that is frozen, shared with an output layer, or does more than look rows up
            (some scale them, some quantize them) is left alone.
        tokenizer: its special tokens come in beside those of the data: padding, masks.
        token_ids: ids that training and evaluation will see.

    Returns:
        The share of rows that are trained.
    """
    full = fitting.token_embedding(model)
    tied = model.get_output_embeddings() is not None
    if type(full) is not nn.Embedding or tied or not full.weight.requires_grad:
        return 1.0
    seen = torch.zeros(full.num_embeddings, dtype=torch.bool)
    for ids in token_ids:
        seen[torch.from_numpy(np.unique(ids)).long()] = True
    seen[_special(model.config, tokenizer, full)] = True
    share = float(seen.float().mean())
    if share >= WORTH_BELOW:
        return 1.0
    model.set_input_embeddings(UsedRowsEmbedding(full, seen.nonzero().squeeze(-1)))
    return share


def checked(model: Any, collate: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """A collator for a model with used rows whose batches hold no other ids; as it is for others.

    Raises:
        RunError: in a call; a batch holds an id that no row had when the table was made.
    """
    table = fitting.token_embedding(model)
    if not isinstance(table, UsedRowsEmbedding):
        return collate
    known = table.known

    def called(features: list[dict[str, Any]]) -> dict[str, Any]:
        batch = collate(features)
        for name in id_columns(batch):
            ids = batch[name].numpy()  # not on the device yet
            lost = ids[(ids >= len(known)) | ~known.take(ids, mode="clip")]
            if len(lost):
                raise RunError(
                    f"a batch holds the token {lost[0]}, which no row held when the run began",
                    "Train all token embeddings: --batching random.",
                )
        return batch

    return called


def _special(config: PreTrainedConfig, tokenizer: Any, full: nn.Embedding) -> list[int]:
    """Ids that may stand in a batch and in no row of the data: what pads it, and what a model puts in itself."""
    named = [value for name, value in config.to_dict().items() if name.endswith("_token_id")]
    ids = [*tokenizer.all_special_ids, tokenizer.pad_token_id, full.padding_idx, *named]
    return [number for number in ids if isinstance(number, int) and 0 <= number < full.num_embeddings]


def restore_all_rows(model: Any) -> None:
    """Undo `keep_used_rows`, with the trained rows in place."""
    reduced = fitting.token_embedding(model)
    if isinstance(reduced, UsedRowsEmbedding):
        full = nn.Embedding(reduced.num_embeddings, reduced.embedding_dim, padding_idx=reduced.padding_idx)
        full.weight.data = reduced.whole().to(reduced.weight.device)
        model.set_input_embeddings(full)
