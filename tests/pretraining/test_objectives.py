"""Losses and gradients against the full computation; attention within documents; ELECTRA's two networks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from pretraining_runs import ARCHITECTURES, documents, stream_of, tiny_config, tiny_model, wordpiece
from torch.utils.data import DataLoader

from nlpkit.pretraining.attention import DocumentAttention, window_of
from nlpkit.pretraining.batches import MaskingCollator, keeps_documents_apart
from nlpkit.pretraining.objectives import MaskedLM, PairedLM, ReplacedTokenModel, ReplacedTokens
from nlpkit.pretraining.rows import Blocks, Lines, Pairs
from nlpkit.pretraining.samples import Sample, fill
from nlpkit.tasks.masked_lm.heads import MaskedPositions
from nlpkit.tasks.masked_lm.masking import masking_for
from nlpkit.training.parameters import dropout_overrides


def collator(model: Any = None, probability: float = 0.15) -> MaskingCollator:
    masking = masking_for(
        wordpiece(), probability=probability, split=[0.8, 0.1], whole_word=False, static=False, seed=1
    )
    type_ids = getattr(model.config, "type_vocab_size", 0) > 1 if model is not None else True
    return MaskingCollator(
        masking, pad_id=0, type_ids=type_ids, window=None if model is None else window_of(model.config)
    )


def prepared(batch: dict[str, Any], model: Any) -> dict[str, Any]:
    """A batch as the Trainer hands it to the objective."""
    for name in ("attended", "tokens"):
        batch.pop(name)
    return DocumentAttention(window_of(model.config), torch.float32)(batch)


def batch_of(cut: type, model: Any, size: int = 6, **arguments: Any) -> dict[str, Any]:
    rows = cut(stream_of(documents(20)), wordpiece(), 32, **arguments)
    return prepared(collator(model)([rows[i] for i in range(size)]), model)


def full_labels(batch: dict[str, Any]) -> torch.Tensor:
    """Labels of all positions, -100 where nothing is predicted."""
    labels = torch.full_like(batch["input_ids"], -100)
    used = batch["labels"] != -100
    row = torch.arange(len(labels))[:, None].expand_as(used)
    labels[row[used], batch["positions"][used]] = batch["labels"][used]
    return labels


def inputs_of(batch: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in batch.items() if name not in ("positions", "labels", "pair_labels")}


def gradients(model: Any) -> dict[str, torch.Tensor]:
    found = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    return found


def assert_same_gradients(mine: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor]) -> None:
    assert mine.keys() == theirs.keys()
    assert sum(float(value.abs().sum()) > 0 for value in mine.values()) > len(mine) // 2
    scale = max(float(value.abs().max()) for value in theirs.values())
    for name, value in theirs.items():
        assert float((mine[name] - value).abs().max()) <= 1e-5 * max(float(value.abs().max()), 1e-3 * scale), name


# --- the head at the predicted positions only ---


@pytest.mark.parametrize("arch", ARCHITECTURES)
@pytest.mark.parametrize("kind", [Lines, Blocks], ids=["padded", "packed"])
def test_the_sparse_head_gives_the_loss_and_gradients_of_the_full_one(arch: str, kind: type) -> None:
    model = tiny_model(arch).train()
    batch = batch_of(kind, model)
    if kind is Lines:
        assert (batch["attention_mask"] == 0).any()  # there is padding
        assert (batch["labels"] == -100).any()  # and rows that predict fewer tokens than others
    labels = full_labels(batch)
    logits = model(**inputs_of(batch)).logits
    expected = F.cross_entropy(logits.flatten(0, 1), labels.flatten())
    expected.backward()
    theirs = gradients(model)
    predicted = labels != -100

    outcome = MaskedLM(model)(model, dict(batch), None)
    outcome.loss.backward()
    assert float(outcome.loss) == pytest.approx(float(expected), abs=1e-5)
    assert_same_gradients(gradients(model), theirs)

    # and the figures: per row the sum of losses, of right guesses, of predicted tokens
    each = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none").view_as(labels)
    right = (logits.argmax(-1) == labels) & predicted
    torch.testing.assert_close(
        outcome.sums, torch.stack([each.sum(1), right.sum(1), predicted.sum(1)], dim=1).float(), atol=1e-4, rtol=1e-5
    )


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_the_head_computes_nothing_but_the_predicted_positions(arch: str) -> None:
    model = tiny_model(arch)
    batch = batch_of(Blocks, model)
    seen = []
    model.get_output_embeddings().register_forward_hook(lambda module, given, out: seen.append(given[0].shape[:-1]))
    MaskedLM(model)(model, dict(batch), None)
    assert seen == [batch["positions"].shape]
    assert batch["positions"].shape[1] == round(0.15 * 30)


def test_outside_the_context_the_model_is_as_it_was() -> None:
    model = tiny_model("bert").eval()
    head = MaskedPositions(model)
    ids = torch.arange(10, 20)[None]
    with torch.no_grad():
        before = model(ids).logits
        with pytest.raises(RuntimeError, match="on purpose"), head.at(torch.tensor([[3]])):
            assert model(ids).logits.shape == (1, 1, len(wordpiece()))
            raise RuntimeError("on purpose")
        assert torch.equal(model(ids).logits, before)


def test_accumulated_batches_of_unequal_size_add_up_to_one() -> None:
    """The loss of a step is a mean over all its predicted tokens, not a mean of means."""
    model = tiny_model("bert").train()
    rows = Lines(stream_of(documents(20)), wordpiece(), 32)
    order = np.argsort(rows.lengths)
    chosen = [rows[int(i)] for i in [*order[:6], *order[-6:]]]  # short ones, then long ones
    objective, collate = MaskedLM(model), collator(model, 0.3)
    whole = objective(model, prepared(collate(chosen), model), None)
    whole.loss.backward()
    theirs = gradients(model)
    parts = [prepared(collate(part), model) for part in (chosen[:6], chosen[6:])]
    items = [int((part["labels"] != -100).sum()) for part in parts]
    assert items[1] >= 2 * items[0]
    losses = [objective(model, part, sum(items)).loss for part in parts]
    sum(losses).backward()
    assert float(sum(losses)) == pytest.approx(float(whole.loss), abs=1e-5)
    assert_same_gradients(gradients(model), theirs)


# --- attention within documents ---


def packed_documents(model: Any) -> tuple[dict[str, Any], dict[str, Any], slice]:
    """Two blocks that differ in the second of three documents only, and the places of that one."""
    rows = Blocks(stream_of(documents(30, longest=3)), wordpiece(), 64)
    row = next(
        row for row in (rows[i] for i in range(len(rows))) if row.documents is not None and row.documents[-1] > 1
    )
    places = np.flatnonzero(row.documents == 1)
    here = slice(int(places[0]), int(places[-1]) + 1)
    batch = prepared(collator(model)([row]), model)
    changed = {**batch, "input_ids": batch["input_ids"].clone()}
    changed["input_ids"][0, here] = changed["input_ids"][0, here].flip(0)
    return inputs_of(batch), inputs_of(changed), here


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_a_document_does_not_see_the_others_in_its_block(arch: str) -> None:
    model = tiny_model(arch, max_length=64).eval()
    assert keeps_documents_apart(model)
    batch, changed, here = packed_documents(model)
    with torch.no_grad():
        first, second = (model.base_model(**inputs)[0][0] for inputs in (batch, changed))
        outside = [i for i in range(64) if not here.start <= i < here.stop]
        torch.testing.assert_close(first[outside], second[outside], atol=1e-6, rtol=1e-5)
        assert not torch.allclose(first[here], second[here], atol=1e-4)
        # without the mask everything hangs together
        batch.pop("attention_mask")
        changed.pop("attention_mask")
        first, second = (model.base_model(**inputs)[0][0] for inputs in (batch, changed))
        assert not torch.allclose(first[outside], second[outside], atol=1e-5)


def test_a_document_by_itself_is_seen_as_in_a_block() -> None:
    """With rotary positions nothing but the document counts, wherever it stands."""
    model = tiny_model("modernbert", max_length=64).eval()
    batch, _, here = packed_documents(model)
    alone = {"input_ids": batch["input_ids"][:, here]}
    with torch.no_grad():
        torch.testing.assert_close(
            model.base_model(**batch)[0][:, here], model.base_model(**alone)[0], atol=1e-5, rtol=1e-4
        )


def test_the_sliding_window_of_modernbert_stays() -> None:
    """Local layers see their document as far as the window reaches."""
    from transformers import AutoModelForMaskedLM

    config = tiny_config("modernbert", max_length=64)
    config.local_attention = 8
    torch.manual_seed(0)
    model = AutoModelForMaskedLM.from_config(config).eval()
    rows = Blocks(stream_of(documents(30, longest=3)), wordpiece(), 64)
    chosen = [rows[i] for i in range(4)]
    mask = prepared(collator(model)(chosen), model)["attention_mask"]
    assert set(mask) == {"full_attention", "sliding_attention"}
    place = torch.arange(64)
    near = (place[:, None] - place[None]).abs() <= 4
    for row, full, sliding in zip(chosen, mask["full_attention"], mask["sliding_attention"], strict=True):
        owner = torch.from_numpy(row.documents if row.documents is not None else np.zeros(64, dtype=np.int64))
        same = owner[:, None] == owner[None]
        assert torch.equal(full[0] == 0, same)
        assert torch.equal(full[0] == -torch.inf, ~same)
        assert torch.equal(sliding[0] == 0, same & near)
        assert torch.equal(sliding[0] == -torch.inf, ~(same & near))
    # and that is as far as the model's own window reaches
    ids = torch.from_numpy(chosen[0].ids)[None]
    everything = torch.ones(1, 1, 64, 64, dtype=torch.bool)
    with torch.no_grad():
        stock = model(ids).logits
        windowed = {"full_attention": everything, "sliding_attention": near[None, None]}
        torch.testing.assert_close(model(ids, attention_mask=windowed).logits, stock)
        open_ = {"full_attention": everything, "sliding_attention": everything}
        assert not torch.allclose(model(ids, attention_mask=open_).logits, stock, atol=1e-4)


def test_an_architecture_that_takes_no_such_mask_is_found_out() -> None:
    from transformers import AutoModelForMaskedLM, DebertaV2Config, FNetConfig, MPNetConfig

    shape = {"vocab_size": 81, "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    for kind, apart in ((MPNetConfig, True), (DebertaV2Config, False), (FNetConfig, False)):
        model = AutoModelForMaskedLM.from_config(kind(**shape, intermediate_size=64)).train()
        assert keeps_documents_apart(model) == apart
        assert model.training


# --- sentence pairs ---


@pytest.mark.parametrize(("arch", "kind", "field"), [("bert", "next", "seq_relationship"), ("albert", "order", "sop")])
def test_pair_loss_by_hand(arch: str, kind: str, field: str) -> None:
    model = tiny_model(arch, "AutoModelForPreTraining").train()
    batch = batch_of(Pairs, model, kind=kind, seed=3)
    assert "token_type_ids" in batch
    labels = full_labels(batch)
    output = model(**inputs_of(batch))
    pair_logits = output[f"{field}_logits"]
    expected = F.cross_entropy(output.prediction_logits.flatten(0, 1), labels.flatten())
    expected = expected + F.cross_entropy(pair_logits, batch["pair_labels"])
    expected.backward()
    theirs = gradients(model)
    objective = PairedLM(model)
    outcome = objective(model, dict(batch), None)
    outcome.loss.backward()
    assert float(outcome.loss) == pytest.approx(float(expected), abs=1e-5)
    assert_same_gradients(gradients(model), theirs)
    accuracy = float((pair_logits.argmax(-1) == batch["pair_labels"]).float().mean())
    assert objective.metrics(outcome.sums.double().numpy())["pair_accuracy"] == pytest.approx(accuracy)


# --- replaced tokens ---


def electra() -> ReplacedTokenModel:
    config = tiny_config("electra", hidden_size=64, heads=4, embedding_size=16)
    config.update(dropout_overrides(config, 0.0))
    config.generator_share = 0.5
    torch.manual_seed(0)
    return ReplacedTokenModel(config)


def test_the_discriminator_is_asked_for_the_tokens_that_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    model = electra().train()
    # a generator that is often right: of the ids it knows only a few
    with torch.no_grad():
        model.generator.generator_lm_head.bias.fill_(-20.0)
        model.generator.generator_lm_head.bias[[17, 18, 20]] = 5.0
    rows = Lines(stream_of(documents(40)), wordpiece(), 32)
    batch = prepared(collator(model, 0.4)([rows[i] for i in range(40)]), model)
    truth = batch["input_ids"].clone()
    used = batch["labels"] != -100
    row = torch.arange(40)[:, None].expand_as(used)
    truth[row[used], batch["positions"][used]] = batch["labels"][used]
    given = []
    model.discriminator.register_forward_pre_hook(lambda module, arguments: given.append(arguments[0].clone()))
    labels = batch.pop("labels")
    _, _, replaced = model(original=labels, **batch)
    (seen,) = given
    assert torch.equal(replaced.bool(), seen != truth)
    assert (seen != wordpiece().mask_token_id).all()
    guessed = torch.zeros_like(seen, dtype=torch.bool)
    guessed[row[used], batch["positions"][used]] = True
    assert torch.equal(seen[~guessed], truth[~guessed])
    assert set(seen[guessed].tolist()) == {17, 18, 20}
    assert 0 < int(replaced.sum()) < int(guessed.sum())


@pytest.mark.parametrize("exact", [False, True], ids=["fractions", "deterministic"])
def test_sampling_follows_the_generators_probabilities(exact: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "are_deterministic_algorithms_enabled", lambda: exact)
    model = electra().train()
    with torch.no_grad():
        model.generator.generator_lm_head.weight.zero_()
        model.generator.generator_lm_head.bias.fill_(-30.0)
        model.generator.generator_lm_head.bias[[10, 11, 12]] = torch.tensor([0.6, 0.3, 0.1]).log()
    ids = torch.full((100, 32), wordpiece().mask_token_id)
    positions = torch.arange(32)[None].expand(100, 32)
    given = []
    model.discriminator.register_forward_pre_hook(lambda module, arguments: given.append(arguments[0].clone()))
    torch.manual_seed(0)
    model(ids, original=torch.full((100, 32), 10), positions=positions)
    counts = [int((given[0] == token).sum()) for token in (10, 11, 12)]
    assert sum(counts) == 3200
    for count, share in zip(counts, (0.6, 0.3, 0.1), strict=True):
        assert abs(count - 3200 * share) < 4 * (3200 * share * (1 - share)) ** 0.5


def test_rows_with_fewer_predictions_keep_their_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    """Places that are not used stand at a token that is: it is replaced by its own draw, whatever theirs are."""
    monkeypatch.setattr("nlpkit.pretraining.objectives._drawn", lambda logits, _: torch.tensor([[11, 12], [13, 14]]))
    model = electra().train()
    given = []
    model.discriminator.register_forward_pre_hook(lambda module, arguments: given.append(arguments[0].clone()))
    ids, positions = torch.full((2, 4), 20), torch.tensor([[1, 1], [0, 3]])
    _, _, replaced = model(ids, original=torch.tensor([[15, -100], [13, 9]]), positions=positions)
    assert given[0].tolist() == [[20, 11, 20, 20], [13, 20, 20, 14]]
    assert replaced.tolist() == [[0, 1, 0, 0], [0, 0, 0, 1]]


def test_loss_of_replaced_tokens_by_hand() -> None:
    """The generator's cross-entropy and 50 times the discriminator's, a mean over the tokens that are no padding."""
    model = electra().train()
    batch = batch_of(Lines, model)
    assert (batch["attention_mask"] == 0).any()
    labels = full_labels(batch)
    torch.manual_seed(1)
    outcome = ReplacedTokens(model, 0)(model, dict(batch), None)
    outcome.loss.backward()
    mine = gradients(model)

    given = []
    hook = model.discriminator.register_forward_pre_hook(lambda module, arguments: given.append(arguments[0].clone()))
    torch.manual_seed(1)
    ReplacedTokens(model, 0)(model, dict(batch), None)
    hook.remove()
    truth = torch.where(labels != -100, labels, batch["input_ids"])
    replaced = (given[0] != truth).float()
    assert replaced.sum() > 0
    generator = model.generator(**inputs_of(batch)).logits
    judged = model.discriminator(given[0], attention_mask=batch["attention_mask"]).logits
    real = batch["attention_mask"].bool()
    first = F.cross_entropy(generator.flatten(0, 1), labels.flatten())
    second = F.binary_cross_entropy_with_logits(judged[real], replaced[real])
    (first + 50 * second).backward()
    assert float(outcome.loss) == pytest.approx(float(first + 50 * second), rel=1e-6)
    assert_same_gradients(mine, gradients(model))
    metrics = ReplacedTokens(model, 0).metrics(outcome.sums.double().numpy())
    assert metrics["generator_loss"] == pytest.approx(float(first), abs=1e-5)
    assert metrics["discriminator_loss"] == pytest.approx(float(second), abs=1e-5)
    assert metrics["loss"] == pytest.approx(float(outcome.loss), abs=1e-4)
    right = (judged > 0) == replaced.bool()
    assert metrics["discriminator_accuracy"] == pytest.approx(float(right[real].float().mean()))
    recall = float((right & replaced.bool())[real].sum() / replaced[real].sum())
    assert metrics["replaced_recall"] == pytest.approx(recall)


def test_both_networks_share_their_embeddings(tmp_path: Path) -> None:
    model = electra()
    mine, theirs = model.discriminator.electra.embeddings, model.generator.electra.embeddings
    for name in ("word_embeddings", "position_embeddings", "token_type_embeddings"):
        assert getattr(mine, name).weight is getattr(theirs, name).weight
    assert model.generator.generator_lm_head.weight is mine.word_embeddings.weight
    # narrower, as deep, with heads of the same size
    assert model.generator.config.hidden_size == 32
    assert model.generator.config.num_hidden_layers == model.config.num_hidden_layers
    assert model.generator.config.num_attention_heads == 2

    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    batch = batch_of(Lines, model)
    ReplacedTokens(model, 0)(model, batch, None).loss.backward()
    optimizer.step()
    assert mine.word_embeddings.weight is theirs.word_embeddings.weight

    from transformers import AutoModel, AutoModelForMaskedLM

    folders = ReplacedTokens(model, 0).save(tmp_path)
    assert folders == [tmp_path, tmp_path / "generator"]
    encoder = AutoModel.from_pretrained(tmp_path)
    generator = AutoModelForMaskedLM.from_pretrained(tmp_path / "generator")
    assert torch.equal(encoder.embeddings.word_embeddings.weight, mine.word_embeddings.weight)
    assert torch.equal(generator.electra.embeddings.word_embeddings.weight, mine.word_embeddings.weight)
    assert torch.equal(generator.get_output_embeddings().weight, mine.word_embeddings.weight)


def test_an_evaluation_draws_the_same_and_leaves_training_alone() -> None:
    """Losses of evaluations are compared, and whether one took place must not change the run."""
    model = electra()
    objective = ReplacedTokens(model, 0)
    batch = batch_of(Lines, model)
    model.eval()
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    with torch.no_grad():
        first, second = (objective(model, dict(batch), None).sums for _ in range(2))
    assert torch.equal(first, second)
    assert torch.equal(torch.rand(3), expected)
    model.train()
    with torch.no_grad():
        first, second = (objective(model, dict(batch), None).sums for _ in range(2))
    assert not torch.equal(first, second)


# --- samples ---


def test_samples_are_filled_as_the_full_model_does() -> None:
    tokenizer, model = wordpiece(), tiny_model("bert").train()
    ids = torch.tensor(tokenizer("the train was [MASK] and bright")["input_ids"])
    place = int((ids == tokenizer.mask_token_id).nonzero())
    (filled,) = fill(model, MaskedPositions(model), tokenizer, [Sample(ids, place, tokenizer.vocab["late"])])
    assert model.training
    model.eval()
    with torch.no_grad():
        best = model(ids[None]).logits[0, place].softmax(-1).topk(3)
    assert filled["text"] == "the train was [MASK] and bright"
    assert filled["answer"] == "late"
    expected = [
        [tokenizer.decode([i]), round(p, 4)] for i, p in zip(best.indices.tolist(), best.values.tolist(), strict=True)
    ]
    assert filled["candidates"] == expected


def test_collator_in_a_loader() -> None:
    """What the Trainer's loader gives: nothing about attention where nothing is padded and no document ends."""
    rows = Lines(stream_of([["the " * 300]]), wordpiece(), 32)
    batches = list(DataLoader(rows, batch_size=4, collate_fn=collator(tiny_model("roberta"))))
    assert set(batches[0]) == {"input_ids", "positions", "labels", "tokens", "attended"}
    assert batches[0]["input_ids"].dtype == torch.int64


@pytest.mark.slow
def test_replaced_tokens_are_one_graph_to_a_compiler() -> None:
    """Neither what is chosen by numbers nor the positions of the head break it."""
    model = electra().train()
    batch = batch_of(Lines, model)
    labels = batch.pop("labels")
    assert torch._dynamo.explain(model)(original=labels, **batch).graph_break_count == 0
