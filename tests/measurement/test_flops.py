"""Operations are those of the formula, with whatever kernel attention runs."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import CONFIG_MAPPING, AutoModel, BertConfig, BertModel

from nlpkit.measurement import flops, workloads

ROWS, LENGTH, LAYERS, WIDTH, INNER = 3, 16, 2, 32, 64
# a multiplication and an addition for each weight and token, and the pooler for each row
WEIGHTS = LAYERS * (4 * WIDTH * WIDTH + 2 * WIDTH * INNER)
LINEAR = 2 * WEIGHTS * ROWS * LENGTH + 2 * WIDTH * WIDTH * ROWS
ATTENTION = 4 * LENGTH * WIDTH * LAYERS * ROWS * LENGTH


def bert(attention: str = "sdpa") -> Any:
    shape: dict[str, Any] = {
        "hidden_size": WIDTH,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": 2,
        "intermediate_size": INNER,
    }
    # with dropout in it, attention on the CPU is not fused
    shape["attention_probs_dropout_prob"] = 0
    return BertModel(BertConfig(vocab_size=50, attn_implementation=attention, **shape)).eval()


def inputs() -> dict[str, torch.Tensor]:
    ids = torch.randint(50, (ROWS, LENGTH))
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_an_encoder_takes_what_its_formula_says(attention: str) -> None:
    model = bert(attention)
    with torch.inference_mode():
        assert flops.count(lambda: model(**inputs())) == LINEAR + ATTENTION


def test_padding_takes_the_operations_of_tokens() -> None:
    model, batch = bert(), inputs()
    batch["attention_mask"][1, 8:] = 0
    with torch.inference_mode():
        assert flops.count(lambda: model(**batch)) == LINEAR + ATTENTION


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_training_counts_the_way_back(attention: str) -> None:
    model = bert(attention).train()

    def step() -> None:
        model(**inputs()).last_hidden_state.square().mean().backward()

    found = flops.count(step)
    # two products back for each one forth; the pooler is not part of the loss. Fused attention computes its scores once
    # more on the way back.
    forth = LINEAR - 2 * WIDTH * WIDTH * ROWS
    back = 2 * forth + (2.5 if attention == "sdpa" else 2) * ATTENTION
    assert found == LINEAR + ATTENTION + back


@pytest.mark.parametrize("kind", ["bert", "gpt2", "mpnet", "albert"])
def test_a_model_without_values_is_counted_as_one_with_them(kind: str) -> None:
    shape = {"hidden_size": WIDTH, "num_hidden_layers": LAYERS, "num_attention_heads": 2, "vocab_size": 50}
    config = CONFIG_MAPPING[kind](**shape, use_cache=False)
    with_values = AutoModel.from_config(config).eval()
    batch = inputs()

    exported: Any = SimpleNamespace(exported=True, task=None, config=config)
    workload = workloads.Workload([lambda: None] * 2, [batch, batch], 2 * ROWS)
    with torch.no_grad():
        wanted = 2 * flops.count(lambda: with_values(**batch))
    assert flops.of_pass(exported, workload) == wanted
