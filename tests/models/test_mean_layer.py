"""One ordinary layer more, and a stock classifier reads the mean of the tokens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
import transformers

from nlpkit.models import mean_layer

KINDS = ["Bert", "Roberta", "DistilBert", "Electra"]
IDS = torch.tensor([[2, 9, 8, 7, 6, 5], [2, 6, 5, 1, 1, 1]])
MASK = (IDS != 1).long()


def classifier(kind: str) -> Any:
    torch.manual_seed(0)
    settings: dict[str, Any] = {"vocab_size": 100, "hidden_size": 16, "num_attention_heads": 2, "num_labels": 3}
    settings |= {"num_hidden_layers": 2, "intermediate_size": 32, "embedding_size": 16, "hidden_dim": 32}
    settings |= {"pad_token_id": 1}
    config = getattr(transformers, f"{kind}Config")(**settings)
    return getattr(transformers, f"{kind}ForSequenceClassification")(config).eval()


def mean_of(model: Any) -> torch.Tensor:
    with torch.no_grad():
        states = model.base_model(input_ids=IDS, attention_mask=MASK).last_hidden_state
    weights = MASK[..., None]
    mean = (states * weights).sum(1) / weights.sum(1)
    return F.layer_norm(mean_layer.GAIN * mean + states[:, 0], mean.shape[-1:])


@pytest.mark.parametrize("kind", KINDS)
def test_the_head_of_the_stock_class_reads_the_mean(kind: str, tmp_path: Path) -> None:
    model = classifier(kind)
    expected = mean_of(model)
    assert mean_layer.fits(model)
    mean_layer.append(model)
    model.save_pretrained(tmp_path)
    opened: Any = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path)
    assert type(opened) is type(model) and opened.config.num_hidden_layers == 3
    with torch.no_grad():
        state = opened.base_model(input_ids=IDS, attention_mask=MASK).last_hidden_state[:, 0]
        torch.testing.assert_close(state, expected, atol=1e-4, rtol=1e-4)
        before = mean_layer.square_layer(opened)
        assert before is not None
        seen: list[torch.Tensor] = []
        last = next(module for module in reversed(list(opened.modules())) if isinstance(module, torch.nn.Linear))
        last.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
        opened(input_ids=IDS, attention_mask=MASK)
    shift = mean_layer.SHIFTS[opened.config.model_type]
    # of length 1 and straight but for the bend of tanh at a quarter
    torch.testing.assert_close(seen[0] - shift, expected / 4, atol=0.1, rtol=0)
    assert mean_layer.is_mean_layer(opened) and not mean_layer.fits(opened)


def test_an_encoder_with_a_position_bias_is_left_alone() -> None:
    assert not mean_layer.fits(classifier("MPNet"))
    assert not mean_layer.is_mean_layer(classifier("Bert"))
