"""What a teacher says of the training rows, computed once and kept in the cache.

A teacher in evaluation mode says the same of a row in every epoch. Its logits are computed in batches of like length,
written under a key made of its weights and the tokens, and memory-mapped: later epochs, and later runs with another
student, temperature or learning rate, do not run it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from nlpkit import reporting
from nlpkit.data import cache
from nlpkit.inference import weights
from nlpkit.inference.overlap import arriving
from nlpkit.runs.files import reserve
from nlpkit.tasks.features import update_digest

if TYPE_CHECKING:
    from nlpkit.inference.predictor import Predictor
    from nlpkit.training.trainer import Split

LOGITS = "logits.npy"


@dataclass(frozen=True)
class TeacherLogits:
    """A teacher's logits for rows of features.

    Attributes:
        values: shape (entries, classes): one entry per row, or per token of each row, one row after the other.
        starts: the entry of the first token of each row, shape (rows,); None where a row has one entry.
        cached: whether they were on disk already.
    """

    values: np.ndarray
    starts: np.ndarray | None
    cached: bool

    def of(self, rows: Sequence[int], mask: torch.Tensor) -> torch.Tensor:
        """Logits of a batch.

        Args:
            rows: their indices.
            mask: 1 for tokens, 0 for padding; shape (batch, tokens).

        Returns:
            Shape (batch, classes), or (batch, tokens, classes) with 0 at padding.
        """
        if self.starts is None:
            return torch.from_numpy(self.values[np.asarray(rows)])
        first = self.starts[np.asarray(rows)]
        parts = [self.values[start : start + count] for start, count in zip(first, mask.sum(1).tolist(), strict=True)]
        out = torch.zeros(*mask.shape, self.values.shape[1])
        out[mask.bool()] = torch.from_numpy(np.concatenate(parts))
        return out

    def shared_by(
        self, teacher: Predictor, teacher_examples: np.ndarray, trained_examples: np.ndarray
    ) -> TeacherLogits:
        """The same for rows of another tokenizer's making, by the examples that they come from.

        Args:
            teacher: of a task that has one answer a row; combines those of several rows of an example.
            teacher_examples: the example of each row that the teacher has answered.
            trained_examples: the teacher's example for each row that is trained on.
        """
        merged = teacher.task.merge(np.asarray(self.values), {"example": teacher_examples.tolist()}).astype(np.float32)
        if merged.ndim == 3 and merged.shape[1] == 1:
            merged = merged[:, 0]
        if merged.ndim == 3:  # several texts of an example, each with an answer of its own, in order
            first = np.searchsorted(trained_examples, trained_examples)
            return replace(self, values=merged[trained_examples, np.arange(len(trained_examples)) - first])
        return replace(self, values=merged[trained_examples])


def teacher_logits(teacher: Predictor, split: Split) -> TeacherLogits:
    """The teacher's logits for the features of a split, from the cache where they were computed before.

    Args:
        teacher: open, on its device.
        split: with the features that its tokenizer makes.
    """
    entry = cache.kept("teacher", _key(teacher, split), lambda place: _compute(teacher, split, place / LOGITS))
    # torch asks for arrays that could be written to
    values = np.load(entry.path / LOGITS, mmap_mode="c") if entry else _compute(teacher, split, None)
    one_a_row = len(values) == len(split.features) < split.lengths.sum()
    starts = None if one_a_row else np.cumsum(split.lengths) - split.lengths
    return TeacherLogits(values, starts, entry is not None and entry.found)


def _compute(teacher: Predictor, split: Split, path: Path | None) -> np.ndarray:
    """The logits of all rows, in a file or, where that is None, in memory."""
    rows, starts = split.for_evaluation(), np.cumsum(split.lengths) - split.lengths
    values: np.ndarray | None = None

    def batches() -> Iterator[tuple[np.ndarray, dict[str, torch.Tensor]]]:
        for start in range(0, len(rows), teacher.batch_size):
            columns = rows[start : start + teacher.batch_size]
            batch = teacher.batch([dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)])
            outputs = {"logits": teacher.run(batch).logits.float(), "mask": batch["attention_mask"]}
            yield split.order[start : start + teacher.batch_size], outputs

    with reporting.current().progress("teacher", len(rows), "rows") as bar:
        for places, outputs in arriving(batches()):
            logits = outputs["logits"]
            bar.advance(len(places))
            if logits.dim() == 3:
                logits = logits[outputs["mask"].bool()]
                places = np.concatenate([np.arange(starts[i], starts[i] + split.lengths[i]) for i in places])
                total = int(split.lengths.sum())
            else:
                total = len(rows)
            if values is None:
                values = _empty((total, logits.shape[1]), path)
            values[places] = logits.numpy()
    assert values is not None
    if isinstance(values, np.memmap):
        values.flush()
    return values


def _empty(shape: tuple[int, int], path: Path | None) -> np.ndarray:
    if path is None:
        return np.empty(shape, np.float32)
    values = np.lib.format.open_memmap(path, "w+", np.float32, shape)
    reserve(path)
    return values


def _key(teacher: Predictor, split: Split) -> str:
    """Of everything that the logits depend on."""
    digest = hashlib.blake2b(digest_size=16)
    digest.update(teacher.task.logit_settings.encode())
    weights.update_digest(digest, teacher.model, teacher.device)
    update_digest(digest, split.for_training())
    return digest.hexdigest()
