"""Layers of models that write: the cut model computes what the whole one does where these layers are skipped."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from both_sides import writer

from nlpkit.errors import UserError
from nlpkit.models import stacks


def inputs(model: Any) -> dict[str, Any]:
    ids = torch.arange(5, 17)[None]
    return {"input_ids": ids, **({"decoder_input_ids": ids[:, 3:9]} if model.config.is_encoder_decoder else {})}


def logits(model: Any) -> torch.Tensor:
    with torch.no_grad():
        return model(**inputs(model), use_cache=False).logits


def skip(layer: Any) -> None:
    """Let a layer hand on what it is given."""
    forward = layer.forward

    def handed_on(hidden_states: torch.Tensor, *arguments: Any, **keywords: Any) -> Any:
        out = forward(hidden_states, *arguments, **keywords)
        return (hidden_states, *out[1:]) if isinstance(out, tuple) else hidden_states

    layer.forward = handed_on


@pytest.mark.parametrize("architecture", [*stacks.FAMILIES, stacks.PAIR])
def test_the_other_layers_compute_as_before(architecture: str, tmp_path: Path) -> None:
    """Also with a cache, and as the stock classes open what is saved."""
    model = writer(architecture)
    sides = list(stacks.depths(model.config))
    skipped = copy.deepcopy(model)
    kept: dict[stacks.Side, list[int]] = {"decoder": [1, 2], **({"encoder": [0, 2]} if "encoder" in sides else {})}
    for side, stack in stacks.stacks(skipped).items():
        skip(next(layer for i, layer in enumerate(stack.layers) if i not in kept[side]))
    expected = logits(skipped)
    assert not torch.allclose(expected, logits(model), atol=1e-2)
    smaller = stacks.without(model, {side: [0 if side == "decoder" else 1] for side in sides})
    assert smaller.get_input_embeddings().weight is model.get_input_embeddings().weight
    stacks.keep(model, kept)
    for cut in (smaller, model):
        torch.testing.assert_close(logits(cut), expected, atol=1e-5, rtol=1e-5)
        assert stacks.depths(cut.config) == dict.fromkeys(sides, 2)
    model.save_pretrained(tmp_path)
    opened, info = type(model).from_pretrained(tmp_path, output_loading_info=True)
    assert not any(info[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    torch.testing.assert_close(logits(opened), expected, atol=1e-5, rtol=1e-5)
    prompt = {"input_ids": inputs(model)["input_ids"], "max_new_tokens": 5, "do_sample": False}
    prompt["attention_mask"] = torch.ones_like(prompt["input_ids"])
    written = opened.generate(**prompt)
    assert torch.equal(model.generate(**prompt), written)
    assert torch.equal(model.generate(**prompt, use_cache=False), written)


def test_what_is_refused() -> None:
    import transformers

    model = writer("bart")
    with pytest.raises(ValueError, match=r"decoder layers \[3\]: some of 0 to 2, each once"):
        stacks.keep(model, {"decoder": [3]})
    with pytest.raises(ValueError, match="each once"):
        stacks.keep(model, {"encoder": []})
    with pytest.raises(UserError, match="the structure of the architecture fsmt is not known"):
        stacks.depths(transformers.FSMTConfig())
