"""What the norms of a model do to its states, and what layer, RMS and batch norm would each do to the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from nlpkit.errors import UserError
from nlpkit.learn.borrowed import encoder_of
from nlpkit.learn.pictures import lines
from nlpkit.learn.pieces.masks import padding
from nlpkit.learn.pieces.norms import BatchNorm, RMSNorm
from nlpkit.learn.shown import Shown
from nlpkit.learn.subject import BATCH, subject_of
from nlpkit.reporting import Cell, Table

if TYPE_CHECKING:
    from nlpkit.learn.options import LearnOptions


def show(options: LearnOptions) -> Shown:
    """Sizes of the states before and behind the first norm of each layer, and how far other norms are from it.

    Raises:
        UserError: see `subject_of`; or there is one text, and a batch norm is about several.
    """
    subject = subject_of(options, BATCH)
    if len(subject.tokens) < 2:
        raise UserError("a batch norm is about several texts", "Give another: --text twice.")
    embeddings, encoder = encoder_of(subject.model, subject.name)
    visible = padding(subject.there)
    figures: list[dict[str, Any]] = []
    layers: list[Any] = list(encoder.layers)
    with torch.no_grad():
        vectors = embeddings(subject.inputs["input_ids"])
        for number, layer in enumerate(layers, 1):
            summed = vectors + layer.attention(vectors, visible=visible)[0]
            figures.append({"layer": number, **_figures(summed, layer.attention_norm, subject.there)})
            vectors, _ = layer(vectors, visible=visible)
    header = [
        "layer",
        "size before",
        "size behind",
        "mean / size before",
        "RMS norm instead",
        "batch norm",
        "in other company",
    ]
    rows: list[list[Cell]] = [
        [
            str(figure["layer"]),
            f"{figure['smallest_before']:.2f} to {figure['largest_before']:.2f}",
            f"{figure['smallest_behind']:.2f} to {figure['largest_behind']:.2f}",
            f"{figure['mean_share']:.3f}",
            f"{figure['rms_changes']:.3f}",
            f"{figure['batch_changes']:.3f}",
            f"{figure['layer_by_company']:.1e} / {figure['batch_by_company']:.2f}",
        ]
        for figure in figures
    ]
    table = Table("the norm behind attention by layer; sizes are √mean(x²) of a token", header, rows)
    numbers = [figure["layer"] for figure in figures]
    drawn = {
        f"{which} token, {place} the norm": (numbers, [figure[f"{which}_{place}"] for figure in figures])
        for place in ("before", "behind")
        for which in ("largest", "smallest")
    }
    said = [
        "RMS norm, batch norm: how far they are from the layer norm with the same γ and β, as a share of its size",
        "in other company: how far layer / batch norm of the first text change when the batch holds it alone",
    ]
    return Shown(
        {"model": subject.name, "tokens": subject.tokens, "layers": figures},
        [table],
        said,
        {"sizes": lines(drawn, "layer", "√mean(x²) of a token", marked=True)},
    )


def _figures(summed: Tensor, norm: Any, there: Tensor) -> dict[str, float]:
    """Of the sums of shape (texts, length, width) that a layer norm is given."""
    tokens = summed[there]
    width = tokens.shape[-1]
    normed = norm(tokens)
    rms, batch = RMSNorm(width, norm.epsilon).double(), BatchNorm(width, norm.epsilon).double()
    rms.weight = batch.weight = norm.weight
    batch.bias = norm.bias
    before, behind = _size(tokens), _size(normed)
    first = summed[0][there[0]]
    alone = batch(first)
    return {
        "smallest_before": float(before.min()),
        "largest_before": float(before.max()),
        "smallest_behind": float(behind.min()),
        "largest_behind": float(behind.max()),
        "mean_share": float((tokens.mean(dim=-1).abs() / before).mean()),
        "rms_changes": float((_size(rms(tokens) + norm.bias - normed) / behind).mean()),
        "batch_changes": float((_size(batch(tokens) - normed) / behind).mean()),
        "layer_by_company": float((_size(norm(first) - normed[: len(first)])).mean()),
        "batch_by_company": float((_size(alone - batch(tokens)[: len(first)]) / _size(alone)).mean()),
    }


def _size(tokens: Tensor) -> Tensor:
    return tokens.square().mean(dim=-1).sqrt()
