"""A model gives its attention while it is asked for, and computes as before afterwards."""

from __future__ import annotations

import pytest
import torch
from transformers import BertConfig, BertModel, GPT2Config, GPT2Model

from nlpkit.errors import UserError
from nlpkit.models import attention
from nlpkit.models.static import StaticConfig, StaticModel

SMALL = {"num_hidden_layers": 2, "num_attention_heads": 2, "hidden_size": 8, "intermediate_size": 8, "vocab_size": 20}


def test_attentions_are_there_inside_with_gradients_and_the_kernel_is_the_former_one_afterwards() -> None:
    model = BertModel(BertConfig(**SMALL)).eval()
    before, ids = model.config._attn_implementation, torch.arange(6)[None]
    plain = model(ids).last_hidden_state
    with attention.eager(model):
        given = model(ids, output_attentions=True)
        shares = given.attentions[0]
        assert shares.shape == (1, 2, 6, 6) and torch.allclose(shares.sum(-1), torch.ones(1, 2, 6))
        (gradient,) = torch.autograd.grad(given.last_hidden_state[0, 0, 0], shares)
        assert gradient.abs().sum() > 0
    assert model.config._attn_implementation == before
    assert torch.allclose(given.last_hidden_state, plain, atol=1e-6)


def test_heads_are_counted_by_any_familys_name_for_them() -> None:
    assert attention.heads(GPT2Model(GPT2Config(n_layer=1, n_head=2, n_embd=8, vocab_size=20))) == 2


def test_a_model_without_attention_is_named() -> None:
    with (
        pytest.raises(UserError, match=r"runs/table \(StaticModel\) has no attention"),
        attention.eager(StaticModel(StaticConfig(vocab_size=4, hidden_dim=2)), "runs/table"),
    ):
        pass
