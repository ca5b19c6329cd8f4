"""Attention within documents: what a batch ships of it, what a step makes of that, and kernels instead of a mask."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from nlpkit.pretraining.attention import DocumentAttention, attended, starts_of, window_of
from nlpkit.pretraining.batches import MaskingCollator
from nlpkit.pretraining.masking import masking_for
from nlpkit.pretraining.objectives import MaskedLM
from nlpkit.pretraining.rows import Blocks, Row
from tests.pretraining.helpers import documents, stream_of, tiny_model, wordpiece

LENGTH = 64


def blocks(count: int, length: int = LENGTH) -> list[Row]:
    """Rows of several documents, and some of one."""
    rows = Blocks(stream_of([*documents(40, longest=3), *documents(3, seed=1, longest=30)]), wordpiece(), length)
    made = [rows[i] for i in range(len(rows))]
    return [*(row for row in made if row.documents is not None), *(row for row in made if row.documents is None)][
        :count
    ]


def collator(model: Any, **how: Any) -> MaskingCollator:
    masking = masking_for(wordpiece(), probability=0.15, split=[0.8, 0.1], whole_word=False, static=False, seed=1)
    type_ids = getattr(model.config, "type_vocab_size", 0) > 1
    return MaskingCollator(masking, pad_id=0, type_ids=type_ids, window=window_of(model.config), **how)


def batch_of(model: Any, attention: DocumentAttention, rows: list[Row]) -> dict[str, Any]:
    """As the Trainer hands it to the objective."""
    batch = collator(model, starts=attention.kernel is not None)(rows)
    batch.pop("attended")
    return attention(batch)


def biased(model: Any, dtype: torch.dtype = torch.float32) -> DocumentAttention:
    return DocumentAttention(window_of(model.config), dtype)


# --- what a batch ships, and what is made of it ---


@pytest.mark.parametrize("arch", ["bert", "modernbert"])
def test_a_batch_ships_numbers_of_documents_and_no_mask(arch: str) -> None:
    rows = blocks(6)
    batch = collator(tiny_model(arch))(rows)
    assert "attention_mask" not in batch
    assert batch["documents"].dtype == torch.int16
    assert max(tensor.numel() for tensor in batch.values() if torch.is_tensor(tensor)) == 6 * LENGTH
    for row, found in zip(rows, batch["documents"].tolist(), strict=True):
        assert found == ([0] * LENGTH if row.documents is None else row.documents.tolist())
    # more than int16 counts
    long = Row(np.full(2**15 + 2, 7), 0, 0, documents=np.arange(2**15 + 2))
    assert collator(tiny_model(arch))([long])["documents"][0, -1] == 2**15 + 1


class Squares(TorchDispatchMode):
    """Counts the operations that make a tensor of (length x length), by name."""

    def __init__(self) -> None:
        super().__init__()
        self.made: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if torch.is_tensor(out) and tuple(out.shape[-2:]) == (LENGTH, LENGTH) and not func.is_view:
            self.made[str(func)] += 1
        return out


@pytest.mark.parametrize("arch", ["bert", "modernbert"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_bias_is_made_once_a_step_and_converted_in_no_layer(arch: str, precision: str) -> None:
    found = []
    for layers in (1, 4):
        model = tiny_model(arch, layers=layers, max_length=LENGTH)
        objective = MaskedLM(model)
        attention = biased(model, torch.bfloat16 if precision == "bf16" else torch.float32)
        with Squares() as squares, torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            objective(model, batch_of(model, attention, blocks(3)), None).loss.backward()
        found.append(squares.made)
    assert found[0] == found[1]
    assert found[0]["aten.masked_fill_.Scalar"] == (2 if arch == "modernbert" else 1)
    assert "aten._to_copy.default" not in found[0]


@pytest.mark.parametrize("window", [None, 1, 4, 63, 200])
def test_pairs_that_attend_to_each_other_are_counted(window: int | None) -> None:
    rows = [row for row in blocks(5) if row.documents is not None]
    owner = np.stack([row.documents for row in rows])  # type: ignore[misc]
    place = np.arange(LENGTH)
    seen = owner[:, :, None] == owner[:, None, :]
    if window is not None:
        seen &= np.abs(place[:, None] - place) <= window
    assert attended(np.diff(starts_of(owner)), window) == seen.sum()
