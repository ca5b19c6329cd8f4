"""Masked language modelling: which tokens are predicted, and what the model sees in their place.

The choice is a pure function of seed, epoch, row and position (a hash, no generator state): a resumed run masks the
same tokens, whatever the batching, and static masking is the same thing with the epoch left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from nlpkit.data.ignored import IGNORED
from nlpkit.errors import UserError

_CHOICE, _ACTION, _REPLACEMENT = range(3)  # independent draws for one token


def hashed(seed: int, draw: int, epoch: int, rows: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Uniform numbers in [0, 1), one for each (row, position); shapes broadcast.

    SplitMix64 (Steele, Lea and Flood 2014, OOPSLA) over a counter made of the arguments.
    """
    with np.errstate(over="ignore"):
        start = _mix(np.uint64(seed) * np.uint64(1_000_003) + np.uint64(epoch) * np.uint64(7919) + np.uint64(draw))
        key = _mix(start + rows.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15))
        mixed = _mix(key + positions.astype(np.uint64) * np.uint64(0xBF58476D1CE4E5B9))
    return (mixed >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _mix(z: Any) -> Any:
    z = z + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@dataclass(frozen=True)
class Masking:
    """The masked-LM corruption (Devlin et al. 2019, section 3.1).

    Attributes:
        mask_id: id of the mask token.
        vocabulary: ids from which replacements are drawn are 0 to `vocabulary` - 1.
        special: ids that are never predicted nor drawn.
        probability: share of the tokens of a row that is predicted; the count is exact, as in the original code.
        masked, replaced: shares of those that become the mask token and a random token; the rest stay.
        word_starts: whole-word masking: for each id, whether it starts a word; None masks single tokens.
        seed: of every draw.
        static: the same tokens in every epoch.
    """

    mask_id: int
    vocabulary: int
    special: tuple[int, ...]
    probability: float = 0.15
    masked: float = 0.8
    replaced: float = 0.1
    word_starts: np.ndarray | None = None
    seed: int = 42
    static: bool = False

    def __call__(self, ids: np.ndarray, rows: np.ndarray, epoch: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Corrupt a batch.

        Args:
            ids: token ids, padding included (it is special), shape (batch, length).
            rows: a number that identifies each row, shape (batch,).
            epoch: of the draw.

        Returns:
            The corrupted ids (batch, length); the predicted positions and their labels, both (batch, k), where k is
            the largest count of a row and rows with fewer are filled up with position 0 and label -100.
        """
        epoch = 0 if self.static else epoch
        length = ids.shape[1]
        place = np.arange(length)
        free = ~np.isin(ids, np.asarray(self.special))
        budget = np.maximum(np.rint(free.sum(1) * self.probability), np.minimum(free.sum(1), 1)).astype(np.int64)
        unit = place if self.word_starts is None else np.cumsum(self.word_starts[ids], axis=1)
        key = np.where(free, hashed(self.seed, _CHOICE, epoch, rows[:, None], unit), 2.0)
        order = np.argsort(key, axis=1, kind="stable")
        count = budget if self.word_starts is None else _whole_words(np.take_along_axis(key, order, axis=1), budget)
        width = int(count.max(initial=1))
        chosen = order[:, :width]
        used = np.arange(width) < count[:, None]
        positions = np.where(used, chosen, 0)
        labels = np.where(used, np.take_along_axis(ids, positions, axis=1), IGNORED)

        action = hashed(self.seed, _ACTION, epoch, rows[:, None], positions)
        drawn = self._drawn(hashed(self.seed, _REPLACEMENT, epoch, rows[:, None], positions))
        shown = np.where(
            action < self.masked, self.mask_id, np.where(action < self.masked + self.replaced, drawn, labels)
        )
        corrupted = ids.copy()
        batch = np.broadcast_to(np.arange(len(ids))[:, None], positions.shape)
        corrupted[batch[used], positions[used]] = shown[used]
        return corrupted, positions, labels

    def _drawn(self, uniform: np.ndarray) -> np.ndarray:
        """Random ids that are not special."""
        return self._ordinary[(uniform * len(self._ordinary)).astype(np.int64)]

    @cached_property
    def _ordinary(self) -> np.ndarray:
        return np.setdiff1d(np.arange(self.vocabulary), self.special)


def _whole_words(sorted_keys: np.ndarray, budget: np.ndarray) -> np.ndarray:
    """How many of the sorted tokens are predicted: whole words, as near to the budget as a word's end comes.

    Tokens of one word have one key, so each stands in one run.
    """
    length = sorted_keys.shape[1]
    ends = np.ones_like(sorted_keys, dtype=bool)
    ends[:, :-1] = sorted_keys[:, :-1] != sorted_keys[:, 1:]
    ends &= sorted_keys < 2.0  # special tokens are not words
    distance = np.where(ends, np.abs(np.arange(1, length + 1) - budget[:, None]), length + 1)
    return np.where(ends.any(1), distance.argmin(1) + 1, 0)


def masking_for(
    tokenizer: Any,
    *,
    probability: float,
    split: Sequence[float],
    whole_word: bool,
    static: bool,
    seed: int,
) -> Masking:
    """The masking that a tokenizer allows.

    Args:
        split: shares of mask token, random token, unchanged.

    Raises:
        UserError: the tokenizer has no mask token, or does not mark where words start.
    """
    if tokenizer.mask_token_id is None:
        raise UserError("the tokenizer has no mask token", "Masked language modelling needs one.")
    return Masking(
        mask_id=tokenizer.mask_token_id,
        vocabulary=len(tokenizer),
        special=tuple(sorted(set(tokenizer.all_special_ids))),
        probability=probability,
        masked=split[0],
        replaced=split[1],
        word_starts=word_starts(tokenizer) if whole_word else None,
        seed=seed,
        static=static,
    )


def word_starts(tokenizer: Any) -> np.ndarray:
    """For each id, whether its token starts a word; special tokens count as words of their own.

    WordPiece marks the pieces that continue a word (`##`), byte-level BPE (`Ġ`) and SentencePiece (`▁`) those that
    start one.

    Raises:
        UserError: the tokenizer marks neither.
    """
    tokens = np.array(tokenizer.convert_ids_to_tokens(list(range(len(tokenizer)))), dtype=object)
    special = np.isin(np.arange(len(tokens)), tokenizer.all_special_ids)
    continues = np.array([token.startswith("##") for token in tokens])
    starts = np.array([token.startswith(("Ġ", "▁", "Ċ")) for token in tokens])
    # the more frequent mark: RoBERTa's byte-level vocabulary has `##` as a token too
    if continues.sum() > starts.sum():
        return ~continues | special
    if starts.any():
        return starts | special
    raise UserError(
        "--whole-word-masking: this tokenizer does not mark where words start",
        "Use a WordPiece, byte-level BPE or SentencePiece tokenizer, or leave the flag out.",
    )
