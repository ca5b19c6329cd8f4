"""The layers of models that write: of an encoder and a decoder, or of a decoder alone, under one name each.

Their layers are taken out whole, which every stock class describes in its config; what stands inside a layer is left
as it is. Encoders by themselves have `nlpkit.models.anatomy`.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from nlpkit.errors import UserError

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedConfig

Side = Literal["encoder", "decoder"]


class Place(NamedTuple):
    """Where the layers of one side stand.

    Attributes:
        path: of their list, from the base model.
        depth: what the config calls their number.
        own_depth: what the config of the side itself calls it, where it has one (T5's decoder).
        per_layer: config lists with an entry for each layer.
    """

    path: str
    depth: str = "num_hidden_layers"
    own_depth: str | None = None
    per_layer: tuple[str, ...] = ()


_T5: dict[Side, Place] = {
    "encoder": Place("encoder.block", "num_layers", "num_layers"),
    "decoder": Place("decoder.block", "num_decoder_layers", "num_layers"),
}
_BART: dict[Side, Place] = {
    "encoder": Place("encoder.layers", "encoder_layers"),
    "decoder": Place("decoder.layers", "decoder_layers"),
}
_LLAMA: dict[Side, Place] = {"decoder": Place("layers")}
_QWEN: dict[Side, Place] = {"decoder": Place("layers", per_layer=("layer_types",))}

# A line belongs here when tests/models/test_stacks.py passes with it.
FAMILIES: dict[str, dict[Side, Place]] = {
    "t5": _T5,
    "mt5": _T5,
    "umt5": _T5,
    "bart": _BART,
    "mbart": _BART,
    "marian": _BART,
    "pegasus": _BART,
    "m2m_100": _BART,
    "led": {**_BART, "encoder": _BART["encoder"]._replace(per_layer=("attention_window",))},
    "gpt2": {"decoder": Place("h", "n_layer")},
    "llama": _LLAMA,
    "mistral": _LLAMA,
    "nanochat": _LLAMA,
    "gpt_neox": _LLAMA,
    "qwen2": _QWEN,
    "qwen3": _QWEN,
    "bloom": {"decoder": Place("h", "n_layer")},
    "opt": {"decoder": Place("decoder.layers")},
}
PAIR = "encoder-decoder"  # two encoders, of which one reads what the other has said


@dataclass(frozen=True)
class Stack:
    """The layers of one side.

    Attributes:
        side: `encoder` or `decoder`.
        layers: lowest first.
        place: where they stand, and where the configs say how many they are.
        configs: those that do, and in each the name of the number.
    """

    side: Side
    layers: nn.ModuleList
    place: Place
    configs: tuple[tuple[Any, str], ...]


def writes(config: PreTrainedConfig) -> bool:
    """Whether the layers of an architecture are looked for here, and not in `anatomy`."""
    return config.is_encoder_decoder or config.model_type in FAMILIES


def depths(config: PreTrainedConfig) -> dict[Side, int]:
    """How many layers each side has.

    Raises:
        UserError: the structure is not known.
    """
    if config.model_type == PAIR:
        return {side: getattr(config, side).num_hidden_layers for side in _sides()}
    return {side: getattr(config, place.depth) for side, place in _family(config).items()}


def stacks(model: Any) -> dict[Side, Stack]:
    """The layers of each side of a model.

    Raises:
        UserError: the structure is not known.
    """
    config = model.config
    if config.model_type == PAIR:
        return {side: _of_pair(model, side) for side in _sides()}
    found: dict[Side, Stack] = {}
    for side, place in _family(config).items():
        holder = model.base_model.get_submodule(place.path.rpartition(".")[0])
        configs = [(config, place.depth)]
        if place.own_depth and holder.config is not config:
            configs.append((holder.config, place.own_depth))
        found[side] = Stack(side, model.base_model.get_submodule(place.path), place, tuple(configs))
    return found


def keep(model: Any, layers: Mapping[Side, Sequence[int]]) -> None:
    """Keep these layers of these sides, in this order, in place; a side that is not named stays whole.

    Raises:
        UserError: the structure of the model is not known.
        ValueError: no layer of a side, or one that does not exist.
    """
    found = stacks(model)
    for side, indices in layers.items():
        stack = found[side]
        if not indices or not set(indices) <= set(range(len(stack.layers))) or len(set(indices)) < len(indices):
            raise ValueError(f"{side} layers {list(indices)}: some of 0 to {len(stack.layers) - 1}, each once")
        first, kept = stack.layers[0], [stack.layers[index] for index in indices]
        del stack.layers[:]
        stack.layers.extend(kept)
        _hand_on_positions(first, kept[0])
        for number, layer in enumerate(kept):
            part: Any
            for part in layer.modules():
                if hasattr(part, "layer_idx"):  # where in a cache it keeps its keys
                    part.layer_idx = number
        for config, name in stack.configs:
            setattr(config, name, len(kept))
            for listed in stack.place.per_layer:
                value = getattr(config, listed, None)
                if isinstance(value, list):
                    setattr(config, listed, [value[index] for index in indices])


def without(model: Any, gone: Mapping[Side, Sequence[int]]) -> Any:
    """A model that lacks some layers and shares the weights of the others with this one, which stays as it is."""
    shared = {id(parameter): parameter for parameter in model.parameters()}
    smaller = copy.deepcopy(model, shared)
    left = {
        side: [layer for layer in range(depth) if layer not in gone.get(side, ())]
        for side, depth in depths(model.config).items()
    }
    keep(smaller, left)
    return smaller


def _sides() -> tuple[Side, Side]:
    return "encoder", "decoder"


def _family(config: PreTrainedConfig) -> dict[Side, Place]:
    if config.model_type not in FAMILIES:
        known = ", ".join([*FAMILIES, PAIR])
        raise UserError(
            f"the structure of the architecture {config.model_type} is not known to nlpkit",
            f"Known of those that write: {known}.",
        )
    return FAMILIES[config.model_type]


def _of_pair(model: Any, side: Side) -> Stack:
    """The layers of one half of a pair, an encoder whose structure is known.

    Raises:
        UserError: it is not.
    """
    from nlpkit.models import anatomy  # which imports torch

    half = getattr(model, side)
    family = anatomy.FAMILIES.get(half.config.model_type)
    if family is None or family.shared:
        raise UserError(
            f"the structure of the architecture {half.config.model_type} in a pair of encoder and decoder is not known "
            "to nlpkit",
            f"Known: {', '.join(name for name, family in anatomy.FAMILIES.items() if not family.shared)}.",
        )
    place = Place(family.stack, per_layer=family.per_layer)
    own = getattr(model.config, side)
    configs = [(own, place.depth)] if half.config is own else [(own, place.depth), (half.config, place.depth)]
    return Stack(side, half.base_model.get_submodule(place.path), place, tuple(configs))


def _hand_on_positions(before: nn.Module, first: nn.Module) -> None:
    """T5 keeps the bias of positions, which all layers of a side add, in the first of them."""
    if first is before:
        return
    old: Any
    new: Any
    for old, new in zip(before.modules(), first.modules(), strict=False):
        if getattr(old, "has_relative_attention_bias", False) and not new.has_relative_attention_bias:
            new.relative_attention_bias = old.relative_attention_bias
            new.has_relative_attention_bias = True
            return
