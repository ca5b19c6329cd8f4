"""The loss of a model that writes: that of the model, without its logits in memory at once."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from writers import make_model

from nlpkit.data.ignored import IGNORED
from nlpkit.generation import language_head
from nlpkit.generation.language_head import LanguageHead
from nlpkit.hardware import products


@pytest.fixture(autouse=True)
def in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three tokens at a time."""
    monkeypatch.setitem(language_head.AT_ONCE, "cpu", 1_000)


@pytest.mark.parametrize("family", ["gpt2", "llama", "qwen3", "nanochat", "gpt_neox", "bloom"])
def test_loss_and_gradients_are_those_of_the_model(family: str) -> None:
    model: Any = make_model(family)
    head = LanguageHead(model)
    assert not head.whole
    ids = torch.randint(2, model.config.vocab_size, (3, 9), generator=torch.Generator().manual_seed(0))
    labels = ids.roll(-1, 1)
    labels[:, -1] = labels[0, :4] = IGNORED
    total, each, right = head.loss(model, {"input_ids": ids}, labels)
    (total / 7).backward()
    found = {name: weight.grad.clone() for name, weight in model.named_parameters()}
    model.zero_grad()
    logits = model(ids).logits.float()
    wanted = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORED, reduction="none")
    (wanted.sum() / 7).backward()
    torch.testing.assert_close(total, wanted.sum(), rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(each, wanted.detach().view_as(labels), rtol=1e-5, atol=1e-4)
    assert torch.equal(right, logits.argmax(-1) == labels)
    for name, weight in model.named_parameters():
        torch.testing.assert_close(found[name], weight.grad, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("bias", [False, True])
def test_products_of_a_head_by_onednn_give_the_same_loss(bias: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    real = products.product

    def counted(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
        asked.append(x.shape)
        return real(x, weight, bias)

    monkeypatch.setattr(products, "is_faster", lambda: True)
    monkeypatch.setattr(products, "product", counted)
    monkeypatch.setattr(products, "LEAST", 1)
    torch.manual_seed(0)
    head = torch.nn.Linear(16, 60, bias=bias)
    hidden, labels = torch.randn(50, 16), torch.randint(0, 60, (50,))
    given = [hidden.clone().requires_grad_(), hidden.clone().requires_grad_()]
    exact = F.cross_entropy(head(given[0]), labels, reduction="sum")
    wanted = torch.autograd.grad(exact, [given[0], *head.parameters()])
    total, _, _ = language_head._Loss.apply(given[1], head.weight, head.bias, labels, None, 0.0, True)
    found = torch.autograd.grad(total, [given[1], *head.parameters()])
    assert len(asked) == 3 * -(-50 // (1_000 // 60))
    torch.testing.assert_close(total, exact, rtol=1e-5, atol=1e-4)
    for of_found, of_wanted in zip(found, wanted, strict=True):
        torch.testing.assert_close(of_found, of_wanted, rtol=1e-4, atol=1e-5)


SEQ2SEQ: dict[str, Any] = {
    "t5": {"d_kv": 16, "d_ff": 64, "num_layers": 1, "num_heads": 2, "dropout_rate": 0.0},
    "bart": {"encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 64, "decoder_ffn_dim": 64, "dropout": 0.0},
}


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("family", ["t5", "bart"])
def test_what_a_decoder_writes_has_the_loss_of_torch_with_smoothing(family: str, smoothing: float) -> None:
    from transformers import CONFIG_MAPPING, AutoModelForSeq2SeqLM

    torch.manual_seed(0)
    heads = {} if family == "t5" else {"encoder_attention_heads": 2, "decoder_attention_heads": 2}
    config = CONFIG_MAPPING[family](vocab_size=50, d_model=32, decoder_start_token_id=0, **SEQ2SEQ[family], **heads)
    model: Any = AutoModelForSeq2SeqLM.from_config(config)
    if family == "bart":  # as old translators of Marian have it
        model.final_logits_bias = torch.linspace(-1, 1, 50)[None]
    head = LanguageHead(model)
    assert not head.whole
    ids = torch.randint(3, 50, (3, 7), generator=torch.Generator().manual_seed(0))
    labels = ids.roll(-1, 1)
    labels[:, -1] = labels[0, 2:] = IGNORED
    given = {"input_ids": ids, "decoder_input_ids": ids}
    total, _, _ = head.loss(model, given, labels, smoothing)
    total.backward()
    found = {name: weight.grad.clone() for name, weight in model.named_parameters()}
    model.zero_grad()
    logits = model(**given).logits.flatten(0, 1)
    wanted = F.cross_entropy(logits, labels.flatten(), ignore_index=IGNORED, reduction="sum", label_smoothing=smoothing)
    wanted.backward()
    torch.testing.assert_close(total, wanted, rtol=1e-5, atol=1e-4)
    for name, weight in model.named_parameters():
        torch.testing.assert_close(found[name], weight.grad, rtol=1e-4, atol=1e-4)


def test_a_head_of_another_kind_is_computed_by_the_model() -> None:
    from transformers import CohereConfig, CohereForCausalLM

    shape = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
    torch.manual_seed(0)
    model: Any = CohereForCausalLM(
        CohereConfig(vocab_size=50, pad_token_id=0, bos_token_id=1, eos_token_id=2, **shape)
    ).eval()
    head = LanguageHead(model)
    assert head.whole  # its logits are scaled
    ids = torch.arange(3, 13)[None]
    total, _, _ = head.loss(model, {"input_ids": ids[:, :-1]}, ids[:, 1:])
    wanted = F.cross_entropy(model(ids[:, :-1]).logits.flatten(0, 1), ids[:, 1:].flatten(), reduction="sum")
    torch.testing.assert_close(total, wanted)
