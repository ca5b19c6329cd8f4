"""What belongs to the time to load a model, on a clock that is made up."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from nlpkit.errors import UserError
from nlpkit.hardware.devices import Device
from nlpkit.measurement import backends, loading
from nlpkit.measurement.spec import Subject
from nlpkit.recipes.benchmark import Config

FAR = Device("meta", "fp32", "a device that is not the CPU")
TINY = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32, "vocab_size": 40}


@pytest.mark.parametrize("random", [False, True])
def test_loading_ends_with_the_last_copy_and_does_not_begin_with_the_context(
    tiny_model: Path, random: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    zeros = torch.zeros

    def context(*sizes: int, **keywords: Any) -> torch.Tensor:
        nonlocal now
        now += 100.0 * (sizes == (1,) and keywords.get("device") == FAR.name)
        return zeros(*sizes, **keywords)

    def wait() -> None:
        nonlocal now
        now += 7.0

    monkeypatch.setattr(loading, "time", SimpleNamespace(perf_counter=lambda: now))
    for module in (backends, loading):
        monkeypatch.setattr(module, "timing", SimpleNamespace(synchronizer=lambda _: wait))
    monkeypatch.setattr(torch, "zeros", context)
    name = "bert" if random else str(tiny_model)
    config = Config(models=[name], config_only=random)
    model = backends.open_model(Subject("subject", name, TINY if random else {}), config, FAR)
    assert now > 100
    assert model.seconds == 7.0


def test_what_cannot_be_compiled_is_told_before_it_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    subject = Subject("fast", "no-such-model", {}, "torch-compile")
    with pytest.raises(UserError, match=r"fast: torch-compile needs a C\+\+ compiler .* on cpu"):
        backends.open_model(subject, Config(models=["no-such-model"]), Device("cpu", "fp32", "cpu"))
