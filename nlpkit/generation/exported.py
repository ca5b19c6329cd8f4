"""Beams of a model that runs in ONNX Runtime: transformers' `generate` over its graphs."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from transformers import GenerationMixin
from transformers.utils import ModelOutput

from nlpkit.models.onnx import OnnxModel
from nlpkit.models.onnx_cache import of_encoder


class _Encoder:
    """The encoder of an exported model, as `generate` calls it."""

    def __init__(self, model: Any) -> None:
        self.model = model

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor, **others: Any) -> ModelOutput:
        """Keys and values, which are repeated for the beams; `generate` counts rows by the first, by its name."""
        states = self.model.encoder(input_ids=input_ids, attention_mask=attention_mask)
        return ModelOutput(last_hidden_state=input_ids, **states)

    __call__ = forward


class Exported(GenerationMixin):
    """What `generate` asks of a model, answered by an exported one.

    Args:
        model: with a cache.
    """

    main_input_name: ClassVar[str] = "input_ids"
    input_modalities: ClassVar[tuple[str, ...]] = ("text",)
    base_model_prefix: ClassVar[str] = ""
    _is_stateful: ClassVar[bool] = False

    def __init__(self, model: OnnxModel) -> None:
        self.model, self.config, self.generation_config = model, model.config, model.generation_config
        self.device, self.dtype = model.device, torch.float32

    def can_generate(self) -> bool:
        """It can."""
        return True

    def is_remote_code(self) -> bool:
        """Whether code came with it: a graph has none."""
        return False

    def get_encoder(self, *args: Any, **arguments: Any) -> Any:
        """What reads a text, as `generate` calls it."""
        return _Encoder(self.model)

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        past_key_values: Any = None,
        decoder_input_ids: torch.Tensor | None = None,
        encoder_outputs: Any = None,
        **others: Any,
    ) -> Any:
        """The logits of the next tokens, and the cache."""
        given = {"attention_mask": attention_mask, "position_ids": position_ids}
        if encoder_outputs is None:
            given["input_ids"] = input_ids
        else:
            given["decoder_input_ids"] = decoder_input_ids
            if past_key_values.get_seq_length() == 0:
                read = of_encoder([states for name, states in encoder_outputs.items() if name != "last_hidden_state"])
                past_key_values.cross_attention_cache = read.cross_attention_cache
        known: dict[str, Any] = {name: tensor for name, tensor in given.items() if tensor is not None}
        return self.model(past_key_values=past_key_values, **known)

    def __call__(self, **inputs: Any) -> Any:
        return self.forward(**inputs)
