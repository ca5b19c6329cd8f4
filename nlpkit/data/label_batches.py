"""Batches in which no label stands alone, for losses that compare texts of one label with one another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nlpkit.data.batching import LengthBatchSampler


class LabelBatchSampler(LengthBatchSampler):
    """Row indices such that each run of `batch` consecutive ones holds two rows at least of each of its labels.

    Rows of a label are drawn in twos; what is left over of labels with an odd number of rows, one row each, stands
    where batches have an odd number of places, and at the end of the epoch. Like that of its base, the order is a pure
    function of seed and epoch.

    Args:
        lengths: tokens of each row.
        labels: of each row, from 0.
        batch: rows of a batch.
        seed: of the order.
    """

    def __init__(self, lengths: np.ndarray, labels: Sequence[int] | np.ndarray, batch: int, *, seed: int) -> None:
        super().__init__(lengths, batch, seed=seed)
        self.labels = np.asarray(labels)

    def order(self, epoch: int) -> np.ndarray:
        """Row indices of an epoch, shape (rows,)."""
        generator = np.random.default_rng([self.seed, epoch])
        rows = generator.permutation(len(self.labels))
        rows = rows[np.argsort(self.labels[rows], kind="stable")]
        starts = np.flatnonzero(np.diff(self.labels[rows], prepend=-1))
        counts = np.diff(starts, append=len(rows))
        odd = (starts + counts - 1)[counts % 2 == 1]  # the last row of each label with an odd number
        singles = generator.permutation(rows[odd]).tolist()
        twos = np.delete(rows, odd).reshape(-1, 2)[generator.permutation((len(rows) - len(odd)) // 2)].tolist()
        order: list[int] = []
        while twos:
            room = self.batch - len(order) % self.batch
            if room > 1 or not singles:
                order += twos.pop()
            else:
                order.append(singles.pop())
        return np.array([*order, *singles], dtype=np.int64)
