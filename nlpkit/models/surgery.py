"""Taking layers, attention heads and FFN neurons out of a model, for good and exactly.

What is left computes what the whole model computes with the removed parts masked to zero; weights are selected, never
recomputed. The config stays true throughout (see `structures` for what no stock config describes).

There is no selection of hidden channels: LayerNorm takes mean and variance over all of them, so that no subset gives
what masking gives, and a rotation that would let them be dropped (SliceGPT, Ashkboos et al. 2024) needs RMSNorm between
the layers. The stock classes would also make every head narrower with the hidden width. A narrower model is what
distillation makes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from nlpkit.errors import UserError
from nlpkit.models.anatomy import Anatomy, Layer, anatomy
from nlpkit.models.structures import Structure, record_shapes, shapes_of

# the names under which attention modules keep how many heads they have
_HEAD_COUNTS = ("num_attention_heads", "n_heads")


def apply(model: Any, structure: Structure) -> None:
    """Cut a model to a structure that was planned for it, in place.

    Raises:
        UserError: the structure of the model is not known, or it cannot do with fewer heads.
        ValueError: the structure is for a model of another shape.
    """
    parts = anatomy(model)
    if structure.depth != model.config.num_hidden_layers:
        raise ValueError(f"a structure for {structure.depth} layers, a model of {model.config.num_hidden_layers}")
    own = [cut for cut in structure.layers if cut.layer < len(parts.layers)]
    keep_heads(model, {c.layer: c.heads for c in own if len(c.heads) < parts.heads_of(parts.layers[c.layer])})
    keep_neurons(model, {c.layer: c.neurons for c in own if len(c.neurons) < parts.layers[c.layer].neurons})
    keep_layers(model, [cut.layer for cut in structure.layers])


def keep_layers(model: Any, indices: Sequence[int]) -> None:
    """Keep these layers, in this order, in place.

    Of a model that runs one layer many times (ALBERT) only their number counts.

    Raises:
        UserError: the structure of the model is not known.
        ValueError: no layer, or one that does not exist.
    """
    parts, config = anatomy(model), model.config
    _require(indices, config.num_hidden_layers, "layer")
    if parts.shared_layers:
        config.num_hidden_layers = len(indices)
        return
    shapes = shapes_of(config)
    kept = [parts.stack[index] for index in indices]
    for name in parts.family.per_layer:
        value = getattr(config, name)
        if isinstance(value, list):
            setattr(config, name, [value[index] for index in indices])
    _replace_all(parts.stack, kept)
    record_shapes(config, [shapes[index] for index in indices])


def keep_heads(model: Any, heads: Mapping[int, Sequence[int]]) -> None:
    """Keep these attention heads of these layers, in place; other layers stay as they are.

    Args:
        heads: layer -> heads to keep, counted within what the layer has.

    Raises:
        UserError: the structure is not known, or its attention cannot do with fewer heads.
        ValueError: a layer without a head, or a head that does not exist.
    """
    parts, shapes = anatomy(model), shapes_of(model.config)
    if heads:
        require_heads_to_cut(model)
    for index, kept in heads.items():
        layer = parts.layers[index]
        _require(kept, parts.heads_of(layer), f"head of layer {index}:")
        cut_heads(parts, layer, kept)
        shapes[index] = replace(shapes[index], heads=tuple(shapes[index].heads[head] for head in kept))
    record_shapes(model.config, shapes)


def require_heads_to_cut(model: Any) -> None:
    """Refuse a model that cannot do with fewer heads.

    Raises:
        UserError: it is such a one, or its structure is not known.
    """
    if not anatomy(model).family.cuts_heads:
        raise UserError(
            f"the attention of {model.config.model_type} asks for all its heads: they cannot be removed",
            "Prune FFN neurons or layers instead.",
        )


def keep_neurons(model: Any, neurons: Mapping[int, Sequence[int]]) -> None:
    """Keep these FFN neurons of these layers, in place; other layers stay as they are.

    Args:
        neurons: layer -> neurons to keep.

    Raises:
        UserError: the structure of the model is not known.
        ValueError: a layer without a neuron, or one that does not exist.
    """
    parts, shapes = anatomy(model), shapes_of(model.config)
    for index, kept in neurons.items():
        layer = parts.layers[index]
        _require(kept, layer.neurons, f"neuron of layer {index}:")
        cut_neurons(layer, kept)
        shapes[index] = replace(shapes[index], neurons=len(kept))
    record_shapes(model.config, shapes)


def cut_heads(parts: Anatomy, layer: Layer, heads: Sequence[int]) -> None:
    """Keep these heads of one layer; the config is left alone."""
    rows = (torch.tensor(heads)[:, None] * parts.head_size + torch.arange(parts.head_size)).flatten()
    for projection in (layer.query, layer.key, layer.value):
        _select(projection, rows, dim=0)
    _select(layer.attention_output, rows, dim=1)
    attention: Any = layer.self_attention
    for name in _HEAD_COUNTS:
        if hasattr(attention, name):
            setattr(attention, name, len(heads))
    attention.all_head_size = len(rows)
    if parts.family.position_bias is not None:
        _cut_position_bias(attention, parts.family.position_bias, heads)


def cut_neurons(layer: Layer, neurons: Sequence[int]) -> None:
    """Keep these FFN neurons of one layer; the config is left alone."""
    index = torch.tensor(neurons)
    _select(layer.up, index, dim=0)
    _select(layer.down, index, dim=1)


def shrink(model: Any) -> None:
    """Cut a model that was just built from its config to the structure recorded there.

    Which neurons go does not matter, as the weights are not there yet.
    """
    parts = anatomy(model)
    for layer, shape in zip(parts.layers, shapes_of(model.config), strict=True):
        if len(shape.heads) < parts.heads:
            cut_heads(parts, layer, shape.heads)
        if shape.neurons < layer.neurons:
            cut_neurons(layer, range(shape.neurons))


class _OwnPositionBias:
    """One position bias is made for the heads of all layers: a layer takes that of the heads it has left.

    Args:
        place: of the bias among the arguments of the attention.
        heads: that are left, counted among all.
    """

    def __init__(self, place: int, heads: Sequence[int]) -> None:
        self.place, self.heads = place, list(heads)

    def __call__(self, module: nn.Module, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        bias = arguments[self.place]
        if bias is None:
            return arguments
        return (*arguments[: self.place], bias[:, self.heads], *arguments[self.place + 1 :])


def _cut_position_bias(attention: nn.Module, place: int, heads: Sequence[int]) -> None:
    hooks = attention._forward_pre_hooks.values()
    present = next((hook for hook in hooks if isinstance(hook, _OwnPositionBias)), None)
    if present is not None:
        present.heads = [present.heads[head] for head in heads]
    else:
        attention.register_forward_pre_hook(_OwnPositionBias(place, heads))


def _select(linear: nn.Linear, index: torch.Tensor, *, dim: int) -> None:
    """Keep these rows (dim 0: outputs) or columns (dim 1: inputs) of a layer, in place."""
    index = index.to(linear.weight.device)
    linear.weight = _selected(linear.weight, index, dim)
    if dim == 1:
        linear.in_features = len(index)
        return
    linear.out_features = len(index)
    if linear.bias is not None:
        linear.bias = _selected(linear.bias, index, 0)


def _selected(parameter: torch.Tensor, index: torch.Tensor, dim: int) -> nn.Parameter:
    return nn.Parameter(parameter.detach().index_select(dim, index), requires_grad=parameter.requires_grad)


def _replace_all(stack: nn.ModuleList, modules: Sequence[nn.Module]) -> None:
    del stack[:]
    stack.extend(modules)


def _require(indices: Sequence[int], count: int, what: str) -> None:
    if not len(indices) or not all(0 <= index < count for index in indices) or len(set(indices)) < len(indices):
        raise ValueError(f"{what} {list(indices)}: at least one of 0 to {count - 1}, each once")
