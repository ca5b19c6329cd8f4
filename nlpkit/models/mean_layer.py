"""The mean of an encoder's token vectors where a stock classifier looks for it: in the state of the first token.

Stock classifiers read the first token's last state. For an encoder that was trained to be read as the mean of its
tokens, one more ordinary layer puts that mean there. Its keys are zero, so that it attends to all tokens
alike; value and output hand the mean on, times `GAIN`; its feed-forward part adds nothing. The state that comes out is
LayerNorm(GAIN * mean + first): the mean, centred and of one length, and of the first token's own state a hundredth. The
square layer between it and the labels (BERT's pooler, `classifier.dense` of RoBERTa) is a scaled identity in the range
where its activation is straight. No class, no code and no pooling setting is needed to open the folder.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from nlpkit.models.anatomy import FAMILIES, anatomy, layer_of
from nlpkit.models.structures import LayerShape, record_shapes, shapes_of

GAIN = 64.0  # a power of two: the product is exact
# Of each architecture whose layers end in a LayerNorm over the residual, and whose attention has nothing but products
# of query and key: what is added before the activation of the square layer, so that it is straight. tanh is at 0; relu
# and gelu are above 1 and above 8.
SHIFTS = {
    "bert": 0.0,
    "ernie": 0.0,
    "roberta": 0.0,
    "xlm-roberta": 0.0,
    "camembert": 0.0,
    "distilbert": 2.0,
    "electra": 8.0,
}
ACTIVATIONS: dict[float, Callable[[torch.Tensor], torch.Tensor]] = {
    0.0: torch.tanh,
    2.0: nn.functional.relu,
    8.0: nn.functional.gelu,
}


def fits(model: Any) -> bool:
    """Whether a mean layer computes exactly that in this model."""
    config = model.config
    known = config.model_type in SHIFTS and not getattr(config, "add_cross_attention", False)
    return known and square_layer(model) is not None and not is_mean_layer(model)


def append(model: Any) -> None:
    """Add a mean layer on top of an encoder with a classification head, in place; see the module's docstring.

    Args:
        model: one that `fits`; its square layer is overwritten.
    """
    parts = anatomy(model)
    module = copy.deepcopy(parts.stack[-1])
    layer = layer_of(module, parts.family)
    identity = torch.eye(parts.hidden)
    with torch.no_grad():
        for linear, weight in (
            (layer.query, identity / 2),  # read by nothing; equal products are merged by exporters, wrongly
            (layer.key, torch.zeros_like(layer.key.weight)),
            (layer.value, identity),
            (layer.attention_output, GAIN * identity),
            (layer.up, torch.zeros_like(layer.up.weight)),
            (layer.down, torch.zeros_like(layer.down.weight)),
        ):
            linear.weight.copy_(weight)
            linear.bias.zero_()
        for norm in (part for part in module.modules() if isinstance(part, nn.LayerNorm)):
            norm.weight.fill_(1.0)
            norm.bias.zero_()
    module.requires_grad_(False)
    shapes = shapes_of(model.config)
    parts.stack.append(module)
    record_shapes(model.config, [*shapes, LayerShape(shapes[-1].heads, shapes[-1].neurons)])
    square = square_layer(model)
    assert square is not None, "as `fits` requires"
    with torch.no_grad():
        square.weight.copy_(identity / parts.hidden**0.5)  # a state of length sqrt(width) becomes one of length 1
        square.bias.fill_(SHIFTS[model.config.model_type])
    square.requires_grad_(False)


def hold(model: Any) -> None:
    """Keep the mean layer of a model that is trained on as it is, in place."""
    anatomy(model).stack[-1].requires_grad_(False)


def free_head(model: Any, *, learns: bool = True) -> None:
    """Make the square layer below the labels one of a head that is trained with the encoder, in place; after `append`.

    It begins where a head learns at the usual rates: of BERT, whose pooler was trained on the first token, as half the
    identity, so that what the labels read is as large as of a pooler; of others as the stock class draws it.

    Args:
        learns: whether it is trained itself.
    """
    square = square_layer(model)
    assert square is not None, "as `fits` requires"
    with torch.no_grad():
        if SHIFTS[model.config.model_type]:
            model._init_weights(square)
        else:
            square.weight.copy_(torch.eye(square.in_features) / 2)
            square.bias.zero_()
    square.requires_grad_(learns)


def square_layer(model: Any) -> nn.Linear | None:
    """The layer between the first token's state and the labels that keeps its width; None where there is none, or more
    than one that could be it."""
    if model.config.model_type not in FAMILIES:
        return None
    width, layers = model.config.hidden_size, set(anatomy(model).stack.modules())
    found = [
        module
        for module in model.modules()
        if isinstance(module, nn.Linear) and module not in layers and module.weight.shape == (width, width)
    ]
    return found[0] if len(found) == 1 else None


def is_mean_layer(model: Any) -> bool:
    """Whether the last layer of a model is one that `append` made."""
    if model.config.model_type not in SHIFTS:
        return False
    last = anatomy(model).layers[-1]
    return not (last.key.weight.any() or last.key.bias.any() or last.up.weight.any())


def activation(model: Any) -> Callable[[torch.Tensor], torch.Tensor] | None:
    """What a stock classifier does between its square layer and that of the labels; None where it is not known."""
    shift = SHIFTS.get(model.config.model_type)
    return None if shift is None else ACTIVATIONS[shift]
