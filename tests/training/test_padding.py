"""Batches for a GPU: what is left out and what is added, only where models answer the same."""

from __future__ import annotations

from typing import Any

import pretended
import pytest
import torch
import transformers as hf
from conftest import make_tokenizer
from datasets import Dataset

from nlpkit.data.collating import PaddingCollator
from nlpkit.models import attention_masks
from nlpkit.tasks.contract import Task
from nlpkit.training import padding

SHAPE = {
    "vocab_size": 80,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "initializer_range": 0.3,
    "pad_token_id": 0,
}


def rows(*lengths: int) -> Dataset:
    return Dataset.from_dict({"input_ids": [[2, *range(6, 4 + n), 3] for n in lengths]})


class Plain(Task):
    """What every task does, of one without labels."""


Plain.__abstractmethods__ = frozenset()  # type: ignore[attr-defined]


def model(kind: str, **settings: Any) -> Any:
    torch.manual_seed(0)
    config = getattr(hf, f"{kind}Config")(**SHAPE, **settings)
    return getattr(hf, f"{kind}ForTokenClassification")(config)


@pytest.mark.parametrize(("lengths", "width"), [((5, 11), 16), ((11, 11), 11), ((5, 30), 30), ((5, 8), 8)])
def test_what_is_padded_is_padded_to_a_multiple(lengths: tuple[int, ...], width: int) -> None:
    """But not beyond what the model takes, and not where nothing is."""
    collate = PaddingCollator(make_tokenizer(), multiple=8, limit=31)
    batch = collate(list(rows(*lengths)))
    assert batch["input_ids"].shape[1] == width
    assert batch["attention_mask"].sum(1).tolist() == list(lengths)


def test_a_mask_that_hides_nothing_is_left_out() -> None:
    collate = padding.collator(Plain(), make_tokenizer(), [model("Bert")], rows(5, 11, 7, 7))
    even, padded = collate(list(rows(7, 7))), collate(list(rows(5, 11)))
    assert set(even) == {"input_ids"} and even["input_ids"].shape == (2, 7)
    assert set(padded) == {"input_ids", "attention_mask"} and padded["input_ids"].shape == (2, 16)


def test_a_model_that_sees_padding_gets_no_more_of_it() -> None:
    """ConvBERT's convolutions reach over the end of a row."""
    collate = padding.collator(Plain(), make_tokenizer(), [model("Bert"), model("ConvBert")], rows(5, 11))
    assert collate(list(rows(5, 11)))["input_ids"].shape == (2, 11)


def test_a_model_that_reads_more_from_its_mask_keeps_it() -> None:
    reader = model("Bert")
    forward = reader.forward

    def other(input_ids: Any, attention_mask: Any = None) -> Any:
        made = forward(input_ids, attention_mask)
        made.logits = made.logits + 0.1 * (attention_mask is None)
        return made

    reader.forward = other
    collate = padding.collator(Plain(), make_tokenizer(), [model("Bert"), reader], rows(5, 11))
    assert "attention_mask" in collate(list(rows(7, 7)))


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_masks_that_are_taken_as_given_give_the_same(attention: str) -> None:
    reader = model("Bert").eval()
    reader.set_attn_implementation(attention)
    batch = PaddingCollator(make_tokenizer())(list(rows(5, 11)))
    before = reader(**batch).logits
    with attention_masks.taken_as_given():
        assert torch.equal(reader(**batch).logits, before)
        whole = {"input_ids": batch["input_ids"]}
        torch.testing.assert_close(
            reader(**whole, attention_mask=torch.ones_like(batch["input_ids"])).logits, reader(**whole).logits
        )
    assert torch.equal(reader(**batch).logits, before)


@pytest.mark.parametrize("kind", ["Bert", "GPT2", "ModernBert", "RoFormer"])
def test_no_forward_pass_waits(kind: str) -> None:
    """Which stock transformers do for padding, packed rows and a warning about a missing mask."""
    reader, batch = model(kind), PaddingCollator(make_tokenizer())(list(rows(5, 11)))
    even = {"input_ids": batch["input_ids"][1:]}
    with pretended.cuda(), pretended.tensors():
        reader.to("cuda").train()
        padded, even = ({name: part.to("cuda") for name, part in given.items()} for given in (batch, even))
        with pretended.waits() as stock:
            reader(**padded), reader(**even)
        with pretended.waits() as waits, attention_masks.taken_as_given():
            reader(**padded), reader(**even)
    assert stock and not waits


@pytest.mark.gpu
def test_a_padded_step_does_not_wait() -> None:
    reader = model("Bert").to("cuda")
    batch = {name: part.cuda() for name, part in PaddingCollator(make_tokenizer())(list(rows(5, 11))).items()}
    reader(**batch)
    torch.cuda.set_sync_debug_mode("error")
    try:
        with attention_masks.taken_as_given():
            reader(**batch).logits.sum().backward()
    finally:
        torch.cuda.set_sync_debug_mode("default")
