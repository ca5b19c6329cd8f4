"""The vectors of all texts of a batch, by few forward passes with little padding."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F

Columns = Sequence[Mapping[str, torch.Tensor]]
"""For each text of an example the model's input for all rows: entries of shape (rows, tokens), each column padded for
itself."""

Embed = Callable[[Mapping[str, torch.Tensor]], torch.Tensor]
"""One forward pass, from a model's input to vectors of shape (rows, width)."""

PASS = 200
"""Tokens whose computation takes as long as one more forward and backward pass, on a CPU."""


def vectors(embed: Embed, columns: Columns, tokenizer: Any) -> list[torch.Tensor]:
    """The vectors of each column, of shape (rows, width).

    The texts of all columns go through the model together. On a CPU they go by length, in parts that are padded each
    for itself; elsewhere in one part, as their lengths are not known without waiting for the device.

    Args:
        columns: all with the same entries.
        tokenizer: of the model, which says how it pads.
    """
    rows = [len(column["input_ids"]) for column in columns]
    joined = _joined(columns, tokenizer)
    if joined["attention_mask"].device.type != "cpu":
        return list(embed(joined).split(rows))
    lengths = joined["attention_mask"].sum(1)
    order = torch.argsort(lengths, descending=True, stable=True)
    left = tokenizer.padding_side == "left"
    found = []
    for part in _parts(lengths[order].tolist()):
        chosen = order[part]
        found.append(embed(_cut(joined, chosen, int(lengths[chosen[0]]), left)))
    return list(torch.cat(found)[torch.argsort(order)].split(rows))


def _parts(lengths: list[int]) -> list[slice]:
    """Runs of texts, longest first, each of which pads less than one more pass would cost."""
    starts, padding = [0], 0
    for i, length in enumerate(lengths):
        padding += lengths[starts[-1]] - length
        if padding > PASS:
            starts.append(i)
            padding = 0
    return [slice(start, end) for start, end in zip(starts, [*starts[1:], len(lengths)], strict=True)]


def _cut(batch: Mapping[str, torch.Tensor], rows: torch.Tensor, width: int, left: bool) -> dict[str, torch.Tensor]:
    full = batch["attention_mask"].shape[1]
    span = slice(full - width, full) if left else slice(width)
    return {
        name: entry[rows, span] if entry.ndim > 1 and entry.shape[1] == full else entry[rows]
        for name, entry in batch.items()
    }


def _joined(columns: Columns, tokenizer: Any) -> dict[str, torch.Tensor]:
    """All columns as one batch, padded to the longest."""
    width = max(column["attention_mask"].shape[1] for column in columns)
    return {
        name: torch.cat([_padded(column[name], width, name, tokenizer, column) for column in columns])
        for name in columns[0]
    }


def _padded(
    entry: torch.Tensor, width: int, name: str, tokenizer: Any, column: Mapping[str, torch.Tensor]
) -> torch.Tensor:
    own = column["attention_mask"].shape[1]
    if entry.ndim < 2 or entry.shape[1] != own or own == width:
        return entry
    missing = [0, width - own] if tokenizer.padding_side != "left" else [width - own, 0]
    return F.pad(entry, missing, value=tokenizer.pad_token_id if name == "input_ids" else 0)
