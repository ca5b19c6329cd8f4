"""GPT-2's GELU as one operation is the one that was written out."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from writers import make_model

from nlpkit.hardware import activations


def gradients(model: Any, ids: torch.Tensor) -> dict[str, torch.Tensor]:
    model(ids, labels=ids).loss.backward()
    return {name: weight.grad for name, weight in model.named_parameters()}


def test_a_model_computes_what_it_did_and_keeps_no_gelu_that_is_written_out() -> None:
    from transformers.activations import NewGELUActivation

    torch.manual_seed(0)
    exact: Any = make_model("gpt2").double()
    fused = copy.deepcopy(exact)
    activations.use_fused(fused)
    kinds = [[type(module) for module in model.modules()] for model in (exact, fused)]
    assert kinds[0].count(NewGELUActivation) == exact.config.n_layer
    assert kinds[1].count(NewGELUActivation) == 0
    assert exact.state_dict().keys() == fused.state_dict().keys()
    ids = torch.randint(2, exact.config.vocab_size, (3, 9))
    found, wanted = gradients(fused, ids), gradients(exact, ids)
    for name in wanted:
        torch.testing.assert_close(found[name], wanted[name], rtol=1e-9, atol=1e-12, msg=name)


@pytest.mark.parametrize("family", ["llama", "qwen3"])
def test_other_activations_stay(family: str) -> None:
    model = make_model(family)
    before = [type(module) for module in model.modules()]
    activations.use_fused(model)
    assert [type(module) for module in model.modules()] == before
