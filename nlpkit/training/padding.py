"""Batches as a GPU likes them: no attention mask where nothing is padded, padded lengths in multiples of 8.

Without a mask the attention takes its fastest kernel, which reads none; with one, the kernels for half precision ask
for rows that are aligned. Only where a model answers the same is either done: some mix their tokens by convolutions,
which see padding, or make more of a mask than its zeros.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from nlpkit.data.collating import id_columns

if TYPE_CHECKING:
    from datasets import Dataset

    from nlpkit.tasks.contract import Task

Collate = Callable[[list[dict[str, Any]]], dict[str, Any]]
MULTIPLE = 8
SAMPLE = 256  # rows among which short ones are looked for
CLOSE = 1e-3  # of the largest logit: kernels round otherwise, and in half precision up to
ROUNDED = 8  # steps of its type; a model that reads otherwise is far off


def without_mask(batch: Mapping[str, Any]) -> dict[str, Any]:
    """A batch without its attention mask, if that hides nothing; before it is on the device."""
    return {name: part for name, part in batch.items() if name != "attention_mask" or not part.all()}


def collator(task: Task, tokenizer: Any, models: Sequence[Any], rows: Dataset, *, align: bool = True) -> Collate:
    """What makes the batches of a run on a GPU.

    Args:
        task: of all models.
        tokenizer: theirs.
        models: which read the batches; each is asked whether it answers the same.
        rows: features without bookkeeping, of which two short ones are asked about.
        align: False leaves the lengths as they are.
    """
    plain = aligned = task.collate(tokenizer)
    some = rows.select(range(min(len(rows), SAMPLE)))
    lengths = np.sum([[len(ids) for ids in some[name][:]] for name in id_columns(some.column_names)], axis=0)
    shortest = int(lengths.argmin())
    longer = np.flatnonzero((lengths > lengths[shortest]) & (lengths % MULTIPLE > 0))
    if align and len(longer):
        two = [some[shortest], some[int(longer[lengths[longer].argmin()])]]
        other = task.collate(tokenizer, multiple=MULTIPLE)
        if all(_alike(task, model, plain(two), other(two)) for model in models):
            aligned = other
    alone = plain([some[shortest]])
    if not all(_alike(task, model, alone, without_mask(alone)) for model in models):
        return aligned
    return lambda features: without_mask(aligned(features))


def _alike(task: Task, model: Any, first: Mapping[str, torch.Tensor], second: Mapping[str, torch.Tensor]) -> bool:
    """Whether a model gives the same logits for two batches of the same rows."""
    was_training, weight = model.training, next(model.parameters())
    device, close = weight.device, max(CLOSE, ROUNDED * torch.finfo(weight.dtype).eps)
    model.eval()
    try:
        with torch.no_grad():
            one, other = (
                task.run(model, {name: part.to(device) for name, part in batch.items()}).logits.float()
                for batch in (first, second)
            )
    except Exception:  # each architecture fails in its own way
        return False
    finally:
        model.train(was_training)
    if one.shape != other.shape:  # logits of tokens, of which padding has some too
        read = (batch["attention_mask"].bool().to(device) for batch in (first, second))
        one, other = (logits[mask] for logits, mask in zip((one, other), read, strict=True))
    return one.shape == other.shape and bool((one - other).abs().max() <= close * one.abs().max())
