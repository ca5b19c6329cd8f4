"""A whole encoder put together from the pieces, with the weights of a model, beside that model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from nlpkit.errors import RunError
from nlpkit.learn.borrowed import encoder_of
from nlpkit.learn.pictures import MOST_DRAWN, Heat, grid, tokens_named
from nlpkit.learn.pieces.masks import padding
from nlpkit.learn.shown import Shown
from nlpkit.learn.shows.attention import cut_line
from nlpkit.learn.subject import EQUAL, subject_of
from nlpkit.reporting import Cell, Table

if TYPE_CHECKING:
    from nlpkit.learn.options import LearnOptions


def show(options: LearnOptions) -> Shown:
    """Differences by layer, what the parameters are for, and how far the states move from layer to layer.

    Raises:
        UserError: see `subject_of`; or the architecture is not put together from pieces.
        RunError: the pieces do not give what the model does.
    """
    subject = subject_of(options)
    embeddings, encoder = encoder_of(subject.model, subject.name)
    with torch.no_grad():
        made = encoder(embeddings(subject.inputs["input_ids"]), visible=padding(subject.there))
    differences, moved, heat = [], [], []
    there = subject.there
    for ours, theirs in zip(made.states, subject.states, strict=True):
        largest = theirs[there].abs().max()
        differences.append(float((ours - theirs)[there].abs().max() / largest))
        heat.append(torch.cosine_similarity(theirs[0], subject.states[0][0], dim=-1)[there[0]])
        moved.append(float(torch.cosine_similarity(theirs, subject.states[0], dim=-1)[there].mean()))
    if not max(differences) <= EQUAL:
        raise RunError(f"{subject.name}: the encoder of pieces differs by {max(differences):.1e} of the largest state")
    rows: list[list[Cell]] = [
        ["embeddings" if number == 0 else f"layer {number}", f"{apart:.1e}", f"{cosine:.2f}"]
        for number, (apart, cosine) in enumerate(zip(differences, moved, strict=True))
    ]
    counts = _parameters(embeddings, encoder)
    total = sum(counts.values())
    parts: list[list[Cell]] = [[part, f"{count:,}", f"{count / total:.1%}"] for part, count in counts.items()]
    names = tokens_named([token for token, here in zip(subject.tokens[0], there[0], strict=True) if here])[:MOST_DRAWN]
    matrix = torch.stack(heat, dim=1)[:MOST_DRAWN].numpy()
    columns = ["embeddings", *(f"layer {number}" for number in range(1, len(heat)))]
    return Shown(
        {
            "model": subject.name,
            "tokens": subject.tokens,
            "largest_difference": max(differences),
            "differences": differences,
            "parameters": counts,
        },
        [
            Table("states by layer", ["behind", "pieces differ by", "cosine with the token's embedding"], rows),
            Table("parameters", ["of", "number", "share"], parts),
        ],
        [
            f"from token ids to the last layer by the pieces: states differ from those of {subject.name} by at most "
            f"{max(differences):.1e} of the largest (float64)",
            *cut_line(subject),
        ],
        {
            "states": grid(
                [("", Heat(matrix, names, columns))],
                "cosine with the token's embedding",
                lowest=min(float(matrix.min()), 0),
            )
        },
    )


def _parameters(embeddings: nn.Module, encoder: Any) -> dict[str, int]:
    """Numbers that were learned, by what they are for."""

    def count(*modules: nn.Module) -> int:
        return sum(parameter.numel() for module in modules for parameter in module.parameters())

    layers = list(encoder.layers)
    return {
        "embeddings": count(embeddings),
        "attention": count(*(layer.attention for layer in layers)),
        "feed-forward": count(*(layer.feed_forward for layer in layers)),
        "norms of the layers": count(
            *(part for layer in layers for part in (layer.attention_norm, layer.feed_forward_norm))
        ),
    }
