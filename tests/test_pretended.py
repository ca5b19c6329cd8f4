"""The pretended CUDA machine, and the count of waits: that they see what they are for."""

from __future__ import annotations

from pathlib import Path

import pretended
import pytest
import torch
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorDeviceMismatchError


def test_torch_finds_the_cards_that_are_visible(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    with pretended.cuda(pretended.H200, pretended.T4) as machine:
        assert torch.cuda.is_available()
        assert torch.cuda.device_count() == 1
        assert torch.cuda.get_device_name() == "Tesla T4"
        assert torch.cuda.is_bf16_supported() and not torch.cuda.is_bf16_supported(including_emulation=False)
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
        assert torch.cuda.device_count() == 1, "CUDA reads the variable once"
        torch.cuda.empty_cache()
        assert machine.calls["empty_cache"] == 1
    assert not torch.cuda.is_available()


def test_a_training_step_on_the_pretended_gpu(tiny_model: Path) -> None:
    from transformers import AutoModelForMaskedLM

    model = AutoModelForMaskedLM.from_pretrained(tiny_model)
    ids = torch.full((2, 8), 7)  # made before, as a collator makes it
    with pretended.cuda(), pretended.tensors():
        model.to("cuda").train()
        assert model.get_output_embeddings().weight is model.get_input_embeddings().weight
        optimizer = torch.optim.AdamW(model.parameters(), fused=True)
        ids = ids.to("cuda")
        with torch.autocast("cuda", dtype=torch.bfloat16):
            outputs = model(input_ids=ids, labels=ids)
        assert outputs.logits.dtype == torch.bfloat16 and outputs.loss.device.type == "cuda"
        outputs.loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        assert norm.device.type == model.get_input_embeddings().weight.grad.device.type == "cuda"
        with pytest.raises(DataDependentOutputException):
            outputs.loss.item()
        with pytest.raises(FakeTensorDeviceMismatchError):
            model(input_ids=torch.full((2, 8), 7))


def test_a_fine_tuning_step_of_trainer_on_the_pretended_gpu(tiny_model: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForSequenceClassification, Trainer, TrainingArguments

    model = AutoModelForSequenceClassification.from_pretrained(tiny_model)
    batch = {
        "input_ids": torch.full((2, 8), 7),
        "attention_mask": torch.ones(2, 8).long(),
        "labels": torch.ones(2).long(),
    }
    with pretended.cuda(), pretended.tensors(), pretended.waits() as found:
        trainer = Trainer(model, TrainingArguments(str(tmp_path), bf16=True, report_to=[], dataloader_pin_memory=False))
        trainer.create_optimizer()
        trainer.current_gradient_accumulation_steps = 1
        model.train()
        loss = trainer.training_step(model, batch)
        assert loss.device.type == next(model.parameters()).grad.device.type == "cuda"
    assert [wait.place.rpartition("/")[2].partition(":")[0] for wait in found] == ["masking_utils.py"]


def test_waits_are_counted_with_their_place() -> None:
    numbers = torch.arange(6.0)
    with pretended.waits() as found:
        (numbers * 2).sum()
        numbers[numbers > 2]
        numbers.sum().item()
        numbers.tolist()
        if numbers.any():
            numbers.nonzero()
    assert [wait.what for wait in found] == ["boolean index", "item", "tolist", "item", "nonzero"]
    assert {wait.place.partition(":")[0] for wait in found} == {"tests/test_pretended.py"}


def test_with_pretended_tensors_only_those_of_the_gpu_wait() -> None:
    with pretended.cuda(), pretended.tensors(), pretended.waits() as found:
        numbers, here = torch.ones(2, 3, device="cuda"), torch.ones(3)
        here.cpu()
        if (numbers > 0).all():
            assert numbers[numbers > 0].shape == (6,)
        numbers[numbers > 1] = 0.0
        numbers.to("cpu")
    assert [wait.what for wait in found] == ["item", "boolean index", "boolean index", "copy to the CPU"]


@pytest.mark.gpu
def test_a_real_gpu_is_what_the_marker_promises() -> None:
    assert torch.ones(2, device="cuda").sum().item() == 2
