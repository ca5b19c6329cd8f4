"""Rows to a batch: padded, masked, and told which tokens may attend to which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from nlpkit.data.ignored import IGNORED
from nlpkit.pretraining.attention import DocumentAttention, attended, is_causal, starts_of, window_of
from nlpkit.pretraining.rows import TokenRow
from nlpkit.tasks.masked_lm.masking import Masking


class MaskingCollator:
    """Makes the batch that a pre-training objective reads, once `DocumentAttention` has seen to its documents.

    Keys: `input_ids` (batch, length); `positions` and `labels` (batch, k), see `Masking`; `tokens`, how many there are
    without padding; `attended`, how many pairs attend to each other, by kind of layer; and where they say something:
    `attention_mask` (batch, length); `token_type_ids` (batch, length); `pair_labels` (batch,); and `documents` (batch,
    length), the document of each token within its row, or in its place `starts`, see `starts_of`.

    Args:
        masking: the corruption.
        pad_id: id of the padding token.
        type_ids: whether the model has a second token type.
        window: see `attention.window_of`.
        starts: give `starts` in every batch, instead of `documents` in those that have a row of several.
    """

    def __init__(
        self, masking: Masking, *, pad_id: int, type_ids: bool, window: int | None = None, starts: bool = False
    ) -> None:
        self.masking, self.pad_id, self.type_ids = masking, pad_id, type_ids
        self.window, self.starts = window, starts

    def __call__(self, rows: Sequence[TokenRow]) -> dict[str, Any]:
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
            "tokens": int(lengths.sum()),
        }
        place = np.arange(width)
        if self.starts or any(row.documents is not None for row in rows):
            documents = _documents(rows, width)
            starts = starts_of(documents)
            batch |= {"starts": torch.from_numpy(starts)} if self.starts else {"documents": torch.from_numpy(documents)}
            together = np.diff(starts)
        else:
            together = np.full(len(rows), width)
        kinds = {"full_attention": None, "sliding_attention": self.window}
        batch["attended"] = {kind: attended(together, window) for kind, window in kinds.items()}
        if padded:
            batch["attention_mask"] = torch.from_numpy((place < lengths[:, None]).astype(np.int64))
        if self.type_ids and rows[0].second:
            second = np.array([row.second for row in rows])[:, None]
            types = (place >= lengths[:, None] - second) & (place < lengths[:, None])
            batch["token_type_ids"] = torch.from_numpy(types.astype(np.int64))
        if rows[0].pair_label is not None:
            batch["pair_labels"] = torch.tensor([row.pair_label for row in rows])
        return batch


class CausalCollator:
    """Makes the batch of a model that writes: what it reads, and one token further on what it is to say.

    Keys: `input_ids` and `labels` (batch, length), these IGNORED at padding and at what is only read; `tokens`,
    `attended`, `documents` and `starts` as of `MaskingCollator`. There is no attention mask: no token attends to the
    padding behind it.

    Args:
        pad_id: id of the padding token.
        starts: see `MaskingCollator`.
    """

    def __init__(self, *, pad_id: int, starts: bool = False) -> None:
        self.pad_id, self.starts = pad_id, starts

    def __call__(self, rows: Sequence[TokenRow]) -> dict[str, Any]:
        lengths = np.array([len(row.ids) - 1 for row in rows])
        width = int(lengths.max())
        ids = np.full((len(rows), width), self.pad_id, dtype=np.int64)
        labels = np.full((len(rows), width), IGNORED, dtype=np.int64)
        for i, row in enumerate(rows):
            ids[i, : lengths[i]] = row.ids[:-1]
            labels[i, row.context : lengths[i]] = row.ids[1 + row.context :]
        batch: dict[str, Any] = {
            "input_ids": torch.from_numpy(ids),
            "labels": torch.from_numpy(labels),
            "tokens": int(lengths.sum()),
        }
        if self.starts or any(row.documents is not None for row in rows):
            documents = _documents(rows, width)
            starts = starts_of(documents)
            batch |= {"starts": torch.from_numpy(starts)} if self.starts else {"documents": torch.from_numpy(documents)}
            together = np.diff(starts)
        else:
            together = np.full(len(rows), width)
        batch["attended"] = {"full_attention": attended(together, None, causal=True)}
        return batch


def _documents(rows: Sequence[TokenRow], width: int) -> np.ndarray:
    """The document of each token within its row, as small as it goes; shape (batch, length)."""
    documents = np.zeros((len(rows), width), dtype=np.int16 if width < 2**15 else np.int32)
    for i, row in enumerate(rows):
        if row.documents is not None:
            documents[i, : len(row.documents)] = row.documents
    return documents


def keeps_documents_apart(model: Any) -> bool:
    """Whether a model heeds the attention mask of documents, found by trying: not all architectures take one.

    Args:
        model: on the CPU.
    """
    size, half, causal = 8, 4, is_causal(model)
    ids = torch.arange(5, 5 + size)[None] % model.config.vocab_size
    kept = torch.arange(size) < half
    if causal:  # the first half sees nothing of the second as it is
        kept = ~kept
    other = torch.where(kept, ids, torch.cat([ids[:, :half].flip(1), ids[:, half:].flip(1)], dim=1))
    attention = DocumentAttention(window_of(model.config), model.dtype, causal=causal)
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            states = [
                model.base_model(**attention({"input_ids": given, "documents": (~kept)[None].short()}))[0][:, kept]
                for given in (ids, other)
            ]
            # the scores within a document have to stay too: as where the other one is padding
            states.append(model.base_model(ids, attention_mask=kept[None].long())[0][:, kept])
    except Exception:  # each architecture fails in its own way
        return False
    finally:
        model.train(was_training)
    return all(torch.allclose(states[0], same, atol=1e-6) for same in states[1:])
