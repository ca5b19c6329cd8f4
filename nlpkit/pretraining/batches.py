"""Rows to a batch: padded, masked, and told which tokens may attend to which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from nlpkit.pretraining.masking import Masking
from nlpkit.pretraining.rows import Row

if TYPE_CHECKING:
    from transformers import PreTrainedConfig


class MaskingCollator:
    """Makes the batch that a pre-training objective reads.

    Keys: `input_ids` (batch, length); `positions` and `labels` (batch, k), see `Masking`; and only where they say
    something: `attention_mask` (batch, length), or (batch, 1, length, length) where attention stays within documents;
    `token_type_ids` (batch, length); `pair_labels` (batch,).

    Args:
        masking: the corruption.
        pad_id: id of the padding token.
        type_ids: whether the model has a second token type.
        window: tokens to either side that local attention reaches, for models that alternate it with full attention
            (ModernBERT); their attention mask is a dict of both.
    """

    def __init__(self, masking: Masking, *, pad_id: int, type_ids: bool, window: int | None = None) -> None:
        self.masking, self.pad_id, self.type_ids, self.window = masking, pad_id, type_ids, window

    def __call__(self, rows: Sequence[Row]) -> dict[str, Any]:
        lengths = np.array([len(row.ids) for row in rows])
        width = int(lengths.max())
        padded = bool((lengths < width).any())
        ids = np.full((len(rows), width), self.pad_id, dtype=np.int64)
        for i, row in enumerate(rows):
            ids[i, : lengths[i]] = row.ids
        corrupted, positions, labels = self.masking(ids, np.array([row.number for row in rows]), rows[0].epoch)
        batch: dict[str, Any] = {
            "input_ids": torch.from_numpy(corrupted),
            "positions": torch.from_numpy(positions),
            "labels": torch.from_numpy(labels),
        }
        place = np.arange(width)
        if any(row.documents is not None for row in rows):
            batch["attention_mask"] = self._within_documents(rows, width)
        elif padded:
            batch["attention_mask"] = torch.from_numpy((place < lengths[:, None]).astype(np.int64))
        if self.type_ids and rows[0].second:
            second = np.array([row.second for row in rows])[:, None]
            types = (place >= lengths[:, None] - second) & (place < lengths[:, None])
            batch["token_type_ids"] = torch.from_numpy(types.astype(np.int64))
        if rows[0].pair_label is not None:
            batch["pair_labels"] = torch.tensor([row.pair_label for row in rows])
        return batch

    def _within_documents(self, rows: Sequence[Row], width: int) -> Any:
        documents = np.zeros((len(rows), width), dtype=np.int64)
        for i, row in enumerate(rows):
            if row.documents is not None:
                documents[i, : len(row.documents)] = row.documents
        return _mask_of(torch.from_numpy(documents), self.window)


def _mask_of(owner: torch.Tensor, window: int | None) -> Any:
    """Which positions see each other: those of one document; shape (batch, 1, length, length), see `MaskingCollator`.

    Args:
        owner: number of the document of each position, shape (batch, length).
    """
    same = (owner[:, :, None] == owner[:, None, :]).unsqueeze(1)
    if window is None:
        return same
    place = torch.arange(owner.shape[1])
    near = (place[:, None] - place[None, :]).abs() <= window
    return {"full_attention": same, "sliding_attention": same & near}


def window_of(config: PreTrainedConfig) -> int | None:
    """The `window` of a model's config, see `MaskingCollator`."""
    return config.local_attention // 2 if config.model_type == "modernbert" else None


def keeps_documents_apart(model: Any) -> bool:
    """Whether a model heeds the attention mask of documents, found by trying: not all architectures take one.

    Args:
        model: on the CPU.
    """
    size, half = 8, 4
    mask = _mask_of((torch.arange(size) >= half).long()[None], window_of(model.config))
    ids = torch.arange(5, 5 + size)[None] % model.config.vocab_size
    other = torch.cat([ids[:, :half], ids[:, half:].flip(1)], dim=1)
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            first, second = (model.base_model(given, attention_mask=mask)[0][:, :half] for given in (ids, other))
    except Exception:  # each architecture fails in its own way
        return False
    finally:
        model.train(was_training)
    return bool(torch.allclose(first, second, atol=1e-6))
