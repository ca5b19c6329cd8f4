"""The feed-forward network of each layer: which neurons answer, and what another activation would make of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from nlpkit.learn.borrowed import encoder_of
from nlpkit.learn.pictures import lines
from nlpkit.learn.pieces.encoder import Encoder
from nlpkit.learn.pieces.feed_forward import Activation, gelu, gelu_tanh, leaky_relu, relu, silu
from nlpkit.learn.pieces.masks import padding
from nlpkit.learn.shown import Shown
from nlpkit.learn.subject import subject_of
from nlpkit.reporting import Cell, Table

if TYPE_CHECKING:
    from nlpkit.learn.options import LearnOptions

ACTIVATIONS: dict[str, Activation] = {
    "ReLU": relu,
    "leaky ReLU": leaky_relu,
    "GELU": gelu,
    "GELU (tanh)": gelu_tanh,
    "SiLU": silu,
}
ACTIVE = 0.1  # of the largest answer of a token, from where on a neuron counts as active


def show(options: LearnOptions) -> Shown:
    """Shares of active neurons, and the change by other activations, by layer.

    Raises:
        UserError: see `subject_of`; or the architecture is not put together from pieces.
    """
    subject = subject_of(options)
    embeddings, encoder = encoder_of(subject.model, subject.name)
    with torch.no_grad():
        inputs = _inputs(encoder, embeddings(subject.inputs["input_ids"]), padding(subject.there))
        figures = [
            {"layer": number, **_figures(layer.feed_forward, given[subject.there])}
            for number, (layer, given) in enumerate(zip(encoder.layers, inputs, strict=True), 1)
        ]
    others = list(figures[0]["changed_by"])
    header = [
        "layer",
        "neurons",
        "before f: positive",
        "behind f: active",
        *(f"{name} in its place" for name in others),
    ]
    rows: list[list[Cell]] = [
        [
            str(figure["layer"]),
            str(figure["neurons"]),
            f"{figure['positive']:.0%}",
            f"{figure['active']:.0%}",
            *(f"{figure['changed_by'][name]:.3f}" for name in others),
        ]
        for figure in figures
    ]
    table = Table("feed-forward by layer; what another f changes, as a share of the output's size", header, rows)
    x = torch.linspace(-4, 4, 161).double().requires_grad_()
    values, slopes = {}, {}
    for name, function in ACTIVATIONS.items():
        y = function(x)
        (slope,) = torch.autograd.grad(y.sum(), x)
        values[name] = (x.tolist(), y.tolist())
        slopes[name] = (x.tolist(), slope.tolist())
    said = [f"active: of more than {ACTIVE:g} of the largest answer that a neuron gives for the same token"]
    return Shown(
        {"model": subject.name, "tokens": subject.tokens, "layers": figures},
        [table],
        said,
        {"activations": lines(values, "x", "f(x)"), "slopes": lines(slopes, "x", "gradient of f at x")},
    )


def _inputs(encoder: Encoder, vectors: Tensor, visible: Tensor) -> list[Tensor]:
    """What goes into the feed-forward network of each layer."""
    found = []
    layer: Any
    for layer in encoder.layers:
        seen, _ = layer.attention(vectors, visible=visible)
        found.append(layer.attention_norm(vectors + seen))
        vectors, _ = layer(vectors, visible=visible)
    return found


def _figures(network: Any, states: Tensor) -> dict[str, Any]:
    """Of the tokens of shape (tokens, width)."""
    before = network.up(states)
    behind = network.activation(before)
    output = network.down(behind)
    size = output.norm(dim=-1)
    active = behind.abs() > ACTIVE * behind.abs().amax(dim=-1, keepdim=True)
    changed = {
        name: float(((network.down(function(before)) - output).norm(dim=-1) / size).mean())
        for name, function in ACTIVATIONS.items()
        if function is not network.activation
    }
    return {
        "neurons": before.shape[-1],
        "positive": float((before > 0).double().mean()),
        "active": float(active.double().mean()),
        "changed_by": changed,
    }
