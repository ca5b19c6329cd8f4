"""The vocabulary head at the predicted positions only.

At 15 % masking, six of seven rows of the largest matrix product of a small encoder are thrown away. A forward hook
behind the encoder hands the head the predicted positions alone; the head itself is the model's own, whatever its
architecture, and the loss is the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

import torch


class MaskedPositions:
    """Makes a model with a language-modelling head compute logits at given positions.

    Inside `at(positions)` the logits of `model` have shape (batch, k, vocabulary); outside it the model is as it was.

    Args:
        model: a PreTrainedModel whose head works on the last hidden state of its base model.
    """

    def __init__(self, model: Any) -> None:
        self.positions: torch.Tensor | None = None
        model.base_model.register_forward_hook(self._select)

    @contextmanager
    def at(self, positions: torch.Tensor) -> Iterator[None]:
        """Compute the head at `positions`, shape (batch, k), while the block runs."""
        self.positions = positions
        try:
            yield
        finally:
            self.positions = None

    def _select(self, module: Any, inputs: Any, output: Any) -> Any:
        if self.positions is None:
            return None
        hidden = output[0]
        index = self.positions.unsqueeze(-1).expand(-1, -1, hidden.shape[-1])
        selected = hidden.gather(1, index)
        if isinstance(output, tuple):
            return (selected, *output[1:])
        output.last_hidden_state = selected
        return output


_HEADS: WeakKeyDictionary[Any, MaskedPositions] = WeakKeyDictionary()


def of(model: Any) -> MaskedPositions:
    """The `MaskedPositions` of a model, made when it is first asked for: each that is made adds a hook."""
    model = _unwrapped(model)
    if model not in _HEADS:
        _HEADS[model] = MaskedPositions(model)
    return _HEADS[model]


def _unwrapped(model: Any) -> Any:
    """The model inside what torch wraps it in: compiled code, and several processes, which may be compiled again."""
    for name in ("_orig_mod", "module", "_orig_mod"):
        model = getattr(model, name, model)
    return model


def vocabulary_logits(output: Any) -> torch.Tensor:
    """The logits of the language-modelling head; models with a second head name them otherwise."""
    return output["prediction_logits" if "prediction_logits" in output else "logits"]
