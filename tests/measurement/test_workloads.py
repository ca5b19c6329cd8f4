"""What a model is called with at a point: exact lengths, rows of like length, and steps of training."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pretended
import pytest
import torch
from conftest import RunOf

from nlpkit.hardware.devices import Device
from nlpkit.inference.weights import Weights
from nlpkit.measurement import backends, workloads
from nlpkit.measurement.loading import Model
from nlpkit.measurement.spec import Subject
from nlpkit.recipes.benchmark import Config

CPU = Device("cpu", "fp32", "cpu, fp32")


def opened(name: str | Path, **options: Any) -> Model:
    config = Config(models=[str(name)], **options)
    return backends.open_model(Subject("subject", str(name)), config, CPU)


@pytest.fixture(scope="module")
def encoder(tiny_model: Path) -> Model:
    return opened(tiny_model)


def test_random_inputs_have_the_exact_length_and_no_special_tokens(encoder: Model) -> None:
    batch = workloads.random_batch(encoder, 3, 17, seed=1)
    assert set(batch) == {"input_ids", "attention_mask"}
    assert batch["input_ids"].shape == (3, 17)
    assert batch["attention_mask"].all()
    special = torch.tensor(encoder.tokenizer.all_special_ids)
    assert not torch.isin(workloads.random_batch(encoder, 64, 64, seed=1)["input_ids"], special).any()


def test_the_same_seed_gives_every_model_the_same_inputs(encoder: Model, trained: Path) -> None:
    ids = workloads.random_batch(encoder, 2, 8, seed=1)["input_ids"]
    assert ids.equal(workloads.random_batch(opened(trained), 2, 8, seed=1)["input_ids"])
    assert not ids.equal(workloads.random_batch(encoder, 2, 8, seed=2)["input_ids"])


def test_rows_come_in_batches_of_like_length_without_padding_among_the_tokens(encoder: Model) -> None:
    texts = ["the", "the train was", "a shop", "very very very kind"]
    batches = workloads.batches_of(encoder, workloads.inputs_of(encoder, {"text": texts}), 2)
    assert [batch["input_ids"].shape for batch in batches] == [(2, 6), (2, 4)]
    workload = workloads.inference(encoder, batches, 4, served=True)
    assert (len(workload.calls), workload.samples, workload.tokens) == (2, 4, 3 + 5 + 4 + 6)


def test_texts_are_cut_where_the_model_ends(encoder: Model) -> None:
    (row,) = workloads.inputs_of(encoder, {"text": ["the " * 100]})
    assert len(row["input_ids"]) == encoder.limit == 64


def test_a_step_trains_with_the_loss_of_the_task(trained: Path) -> None:
    model = opened(trained)
    examples = {"text": ["good good train", "bad soup"], "label": [1, 0]}
    batches = workloads.batches_of(model, workloads.inputs_of(model, examples), 2)
    workload = workloads.training(model, batches, 2)
    assert model.net.training
    head = model.net.classifier.weight
    before = head.detach().clone()
    workload.calls[0]()
    model.net.zero_grad()
    model.net.eval()
    with torch.no_grad():
        outputs = model.net(**{name: part for name, part in batches[0].items() if name != "labels"})
        wanted = torch.nn.functional.cross_entropy(outputs.logits, batches[0]["labels"])
        found = workloads._task_loss(model.net, model.task, batches[0])
    assert torch.isclose(wanted, found)
    assert 0 < float((head - before).abs().max()) < 1e-4


def test_on_a_gpu_rows_are_padded_as_training_pads_them(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = opened(trained)
    texts = ["good good train", "bad soup", "the film was very very bad", "a kind clerk and a very late film"]
    rows = workloads.inputs_of(model, {"text": texts, "label": [1, 0, 0, 1]})
    lengths = sorted((len(row["input_ids"]) for row in rows), reverse=True)
    assert lengths == [10, 8, 5, 4]
    gpu = Device("cuda", "bf16", "a GPU")
    with monkeypatch.context() as patched:
        patched.setattr(model.weights, "_device", gpu)
        to = torch.Tensor.to  # what is moved there stays here
        patched.setattr(torch.Tensor, "to", lambda tensor, *a, **k: tensor if a == ("cuda",) else to(tensor, *a, **k))
        together, alone = (workloads.batches_of(model, rows, size, trains=True) for size in (2, 1))
    assert [tuple(batch["input_ids"].shape) for batch in together] == [(2, 16), (2, 8)]
    assert [set(batch) for batch in alone] == [{"input_ids", "labels"}] * 4  # nothing is padded
    assert [batch["input_ids"].shape[1] for batch in alone] == lengths
    assert workloads.training(model, alone, 4).tokens == sum(lengths)
    with pretended.cuda(), pretended.tensors(), pretended.waits() as waited:
        there = dataclasses.replace(model, weights=Weights(model.net, gpu, lent=True))
        batch = {name: tensor.to("cuda") for name, tensor in alone[0].items()}
        workload = workloads.training(there, [batch], 1)
        waited.clear()
        workload.calls[0]()
        assert waited == []


def test_in_fp16_gradients_that_would_vanish_are_scaled(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = opened(trained)
    half = dataclasses.replace(
        found, weights=Weights(found.net, Device("cpu", "fp16", "a GPU without bf16"), lent=True)
    )
    loss = workloads._task_loss
    monkeypatch.setattr(workloads, "_task_loss", lambda *given: 1e-8 * loss(*given))
    rows = workloads.inputs_of(half, {"text": ["good good train", "bad soup"], "label": [1, 0]})
    workloads.training(half, workloads.batches_of(half, rows, 2), 2).calls[0]()
    assert half.net.classifier.weight.grad.abs().median() > 0


def test_a_step_without_labels_trains_all_layers(encoder: Model) -> None:
    workload = workloads.training(encoder, [workloads.random_batch(encoder, 2, 8, seed=0)], 2)
    workload.calls[0]()
    layers = [parameter for name, parameter in encoder.net.named_parameters() if ".layer." in name]
    assert layers
    assert all(parameter.grad is not None for parameter in layers)
    encoder.net.eval().zero_grad()


def test_a_masked_language_model_is_asked_about_its_masks_only_where_there_are_some(run_of: RunOf) -> None:
    model = opened(run_of("masked-lm"))
    whole = workloads.inference(model, [workloads.random_batch(model, 2, 12, seed=0)], 2, served=False)
    assert whole.calls[0]()["logits"].shape[:2] == (2, 12)  # type: ignore[index]
    rows = workloads.inputs_of(model, {"text": ["the train was very late and the clerk was kind"] * 2})
    served = workloads.inference(model, workloads.batches_of(model, rows, 2), 2, served=True)
    forward: Any = served.calls[0]()
    assert forward.logits.shape[0] == 2
    assert forward.logits.shape[1] < 10
