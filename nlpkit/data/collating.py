"""Features to batches: padded to one length, as arrays, of which tensors are made where torch computes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nlpkit.data.ignored import IGNORED

if TYPE_CHECKING:
    import torch


def id_columns(names: Iterable[str]) -> list[str]:
    """The columns of token ids: `input_ids`, or of rows with several texts one for each, `input_ids_0` and so on."""
    return [name for name in names if name.startswith("input_ids")]


class Collator(ABC):
    """Makes a batch of a list of features: tensors when it is called, else `arrays`, for what needs no torch."""

    @abstractmethod
    def arrays(self, features: Sequence[Mapping[str, Any]]) -> dict[str, np.ndarray]:
        """The batch, rows first."""

    def __call__(self, features: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
        """The same as tensors, over the memory of the arrays."""
        import torch

        return {name: torch.from_numpy(array) for name, array in self.arrays(features).items()}


class PaddingCollator(Collator):
    """Pad features to the longest of the batch, on the tokenizer's padding side.

    Args:
        tokenizer: gives the padding id and side.
        token_labels: `labels` holds one label per token, and padding gets -100, which torch's cross-entropy leaves out;
            else one value a feature, or one vector of the same width.
        multiple: where anything is padded, all is, to a multiple of this, if that is no more than
        limit: tokens that the model takes; None for any number.
    """

    def __init__(
        self, tokenizer: Any, *, token_labels: bool = False, multiple: int = 1, limit: int | None = None
    ) -> None:
        self.token_labels = token_labels
        self.multiple, self.limit = multiple, limit
        self.pad_id = tokenizer.pad_token_id
        self.left = tokenizer.padding_side == "left"
        self.pad_type = getattr(tokenizer, "pad_token_type_id", 0)

    def arrays(self, features: Sequence[Mapping[str, Any]]) -> dict[str, np.ndarray]:
        lengths = [len(feature["input_ids"]) for feature in features]
        batch = {"input_ids": self._padded([feature["input_ids"] for feature in features], lengths, self.pad_id)}
        batch["attention_mask"] = self._padded([np.ones(n, dtype=np.int64) for n in lengths], lengths, 0)
        if "token_type_ids" in features[0]:
            batch["token_type_ids"] = self._padded([f["token_type_ids"] for f in features], lengths, self.pad_type)
        if "labels" in features[0] and self.token_labels:
            batch["labels"] = self._padded([feature["labels"] for feature in features], lengths, IGNORED)
        elif "labels" in features[0]:
            batch["labels"] = np.asarray([feature["labels"] for feature in features])
        return batch

    def moved(self, features: Sequence[Mapping[str, Any]], width: int) -> list[int]:
        """By how many positions the tokens of each feature stand further back in a batch that is `width` tokens wide:
        as many as padding takes where it goes to the left, else none."""
        return [width - len(feature["input_ids"]) if self.left else 0 for feature in features]

    def _padded(self, rows: Sequence[Any], lengths: Sequence[int], value: int) -> np.ndarray:
        width = max(lengths)
        whole = -(-width // self.multiple) * self.multiple
        if min(lengths) < width and whole <= (self.limit or whole):
            width = whole
        out = np.full((len(rows), width), value, dtype=np.int64)
        for i, (row, length) in enumerate(zip(rows, lengths, strict=True)):
            out[i, width - length if self.left else 0 : width if self.left else length] = row
        return out
