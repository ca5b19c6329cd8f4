"""The attention probabilities of a model, which fused kernels never hold."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from nlpkit.errors import UserError


@contextmanager
def eager(model: Any, name: str = "the model") -> Iterator[None]:
    """Let a model give its attention while the block runs: `output_attentions=True` then holds what it computes with.

    Under sdpa, Transformers' default, it is an empty tuple. Gradients reach the attentions too.

    Args:
        model: a transformers model in torch.
        name: of the model, for messages.

    Raises:
        UserError: it has no attention.
    """
    require(model, name)
    before = model.config._attn_implementation
    model.set_attn_implementation("eager")
    try:
        yield
    finally:
        model.set_attn_implementation(before)


def require(model: Any, name: str = "the model") -> None:
    """Stop where a model has no attention to look at.

    Raises:
        UserError: saying what it is instead.
    """
    if heads(model) == 0 or not hasattr(model, "set_attn_implementation"):
        raise UserError(
            f"{name} ({type(model).__name__}) has no attention that could be looked at", "Name a Transformer in torch."
        )


def heads(model: Any) -> int:
    """Attention heads of a layer, as the config of a model says; 0: it has none."""
    config = getattr(model, "config", None)
    for part in (config, getattr(config, "encoder", None)):  # of a pair of models: those of the one that reads
        for name in ("num_attention_heads", "n_head", "n_heads", "num_heads", "encoder_attention_heads"):
            if value := getattr(part, name, None):
                return int(value)
    return 0
