"""Windows of a model that writes: each token is said once, documents do not see each other."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from writers import FAMILIES, byte_tokenizer, make_model

from nlpkit.data.corpus import Batch
from nlpkit.data.ignored import IGNORED
from nlpkit.pretraining import attention, streams
from nlpkit.pretraining.batches import CausalCollator, keeps_documents_apart
from nlpkit.pretraining.objectives import CausalLM
from nlpkit.pretraining.rows import Windows
from nlpkit.tokenization.token_bytes import bytes_per_token

TEXTS = ["a good film", "the soup was cold\nand late", "my clerk was rude, very rude"]


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return byte_tokenizer()


@pytest.fixture(scope="module")
def stream(tokenizer: Any) -> streams.TokenStream:
    encoder = streams.Encoder(tokenizer, joined=False, separator=tokenizer.eos_token_id)
    batches = [Batch(TEXTS, [True] * len(TEXTS), 0)]
    return streams.in_memory(batches, encoder, keep=lambda _: True, limit=2**62)[0]


@pytest.mark.parametrize("stride", [8, 5, 1])
def test_each_token_is_judged_once(stream: streams.TokenStream, tokenizer: Any, stride: int) -> None:
    rows = Windows(stream, tokenizer, 8, stride=stride, once=True)
    collate = CausalCollator(pad_id=tokenizer.pad_token_id)
    said = [label for i in range(len(rows)) for label in collate([rows[i]])["labels"][0].tolist() if label != IGNORED]
    assert said == stream.tokens[1:].tolist()
    assert max(rows.lengths) == 8


def test_all_is_learnt_in_training_windows(stream: streams.TokenStream, tokenizer: Any) -> None:
    rows = Windows(stream, tokenizer, 8, stride=4)
    batch = CausalCollator(pad_id=tokenizer.pad_token_id)([rows[i] for i in range(len(rows))])
    assert (batch["labels"] != IGNORED).sum() == rows.lengths.sum() == batch["tokens"]
    ids, labels = batch["input_ids"], batch["labels"]
    assert torch.equal(ids[:-1, 1:], labels[:-1, :-1])  # one token further on; the last row is padded
    assert (ids[-1, rows.lengths[-1] :] == tokenizer.pad_token_id).all()


@pytest.mark.parametrize("family", ["gpt2", "llama", "nanochat"])
def test_a_document_does_not_see_the_one_before(stream: streams.TokenStream, tokenizer: Any, family: str) -> None:
    """The losses of a window of three documents are those of each behind the token that ends the one before."""
    model: Any = make_model(family)
    assert keeps_documents_apart(model)
    size = len(stream.tokens) - 1
    rows = Windows(stream, tokenizer, size, stride=size)
    (row,) = [rows[i] for i in range(len(rows))]
    assert row.documents is not None and set(row.documents.tolist()) == {0, 1, 2}
    objective = CausalLM(model, bytes_per_token(tokenizer))
    batch = CausalCollator(pad_id=tokenizer.pad_token_id)([row])
    for name in ("attended", "tokens"):
        batch.pop(name)
    apart = attention.DocumentAttention(None, torch.float32, causal=attention.is_causal(model))
    labels = batch["labels"]
    with torch.no_grad():
        together = objective.head.loss(model, apart({k: v for k, v in batch.items() if k != "labels"}), labels)[1][0]
        starts = [0, *(stream.document_starts()[1:] - 1).tolist(), size]
        for first, last in itertools.pairwise(starts):
            if family == "gpt2":  # its positions are absolute
                continue
            ids, wanted = batch["input_ids"][:, first:last], labels[:, first:last]
            alone = objective.head.loss(model, {"input_ids": ids}, wanted)[1][0]
            torch.testing.assert_close(together[first:last], alone, rtol=1e-3, atol=1e-3)
        # what stands in the first document is nothing to the last one
        other = batch["input_ids"].clone()
        other[0, : starts[1]] = other[0, : starts[1]].flip(0)
        changed = objective.head.loss(model, apart({"input_ids": other, "documents": batch["documents"]}), labels)[1][0]
    torch.testing.assert_close(together[starts[1] :], changed[starts[1] :])
    assert not torch.allclose(together[: starts[1]], changed[: starts[1]])


@pytest.mark.parametrize("family", FAMILIES)
def test_the_loss_of_padded_windows_is_that_of_each(stream: streams.TokenStream, tokenizer: Any, family: str) -> None:
    objective = CausalLM(make_model(family), bytes_per_token(tokenizer))
    rows = Windows(stream, tokenizer, 24, stride=24, isolate=False)
    collate = CausalCollator(pad_id=tokenizer.pad_token_id)

    def sums(some: list[Any]) -> Any:
        batch = collate(some)
        return objective(objective.model, {k: batch[k] for k in ("input_ids", "labels")}, None).sums

    every = [rows[i] for i in range(len(rows))]
    with torch.no_grad():
        torch.testing.assert_close(sums(every), torch.cat([sums([row]) for row in every]), rtol=1e-4, atol=1e-3)


def test_bits_per_byte_are_of_the_text(stream: streams.TokenStream, tokenizer: Any) -> None:
    objective = CausalLM(make_model(), bytes_per_token(tokenizer))
    rows = Windows(stream, tokenizer, 16, stride=16)
    collate = CausalCollator(pad_id=tokenizer.pad_token_id)
    batch = collate([rows[i] for i in range(len(rows))])
    with torch.no_grad():
        sums = objective(objective.model, {k: batch[k] for k in ("input_ids", "labels")}, None).sums.double().numpy()
    first = len(tokenizer.decode(stream.tokens[:1]).encode())
    assert sums[:, 3].sum() == len("".join(TEXTS).encode()) - first
    found = objective.metrics(sums)
    assert found["bits_per_byte"] == pytest.approx(sums[:, 0].sum() / np.log(2) / sums[:, 3].sum())


def test_an_unknown_token_takes_bits_per_byte_away_only_where_it_is_predicted(tokenizer: Any) -> None:
    size = len(tokenizer)
    bytes_of = np.ones(size)
    bytes_of[0] = np.nan
    objective = CausalLM(make_model(), bytes_of)

    def figures(labels: list[int]) -> dict[str, float]:
        ids = torch.tensor([[1, 2, 3, 0]])
        with torch.no_grad():
            sums = objective(objective.model, {"input_ids": ids, "labels": torch.tensor([labels])}, None).sums
        return objective.metrics(sums.numpy())

    assert figures([2, 3, -100, -100])["bits_per_byte"] > 0
    assert "bits_per_byte" not in figures([2, 3, 0, -100])


def test_pairs_that_attend() -> None:
    assert attention.attended(np.array([3, 1]), None, causal=True) == 3 + 2 + 1 + 1
