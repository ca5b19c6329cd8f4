"""The same queries and keys divided into 1, 2, 4, 8 and 12 heads: what more heads can look at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from nlpkit import reporting
from nlpkit.learn.measures import by_head, entropy
from nlpkit.learn.pictures import MOST_DRAWN, Heat, grid, lines, tokens_named
from nlpkit.learn.pieces.attention import scaled_dot_product
from nlpkit.learn.pieces.multi_head import join_heads, split_heads
from nlpkit.learn.shown import Shown
from nlpkit.learn.shows.attention import cut_line, drawn_layers
from nlpkit.learn.subject import Attended, Subject, subject_of
from nlpkit.reporting import Cell, Table

if TYPE_CHECKING:
    from nlpkit.learn.options import LearnOptions
    from nlpkit.runs.plots import Plot

COUNTS = (1, 2, 4, 8, 12)
PANELS = 4  # heads of each count that are drawn


def show(options: LearnOptions) -> Shown:
    """Entropies and likeness of the heads, by their number and layer.

    Raises:
        UserError: see `subject_of`.
    """
    subject = subject_of(options)
    first = subject.layers[0]
    width = first.query.shape[1] * first.query.shape[3]
    counts = sorted({count for count in (*COUNTS, subject.heads) if width % count == 0})
    if left_out := [count for count in COUNTS if width % count]:
        reporting.current().note(
            f"left out: {', '.join(map(str, left_out))} heads, which do not divide the width {width}"
        )
    if first.bias is not None:
        reporting.current().note("the bias of positions is left out: it is one for each head that the model has")
    drawn = drawn_layers(subject, options.layer or 1)[0]
    figures: list[dict[str, int | float]] = []
    rows: list[list[Cell]] = []
    for count in counts:
        cells: list[Cell] = [f"{count}{' (its own)' if count == subject.heads else ''}", str(width // count)]
        for number, layer in enumerate(subject.layers, 1):
            weights = divided(layer, count)
            spread = by_head(entropy(weights), subject.there)
            alike = _likeness(weights, subject.there)
            figures.append({"heads": count, "layer": number, "entropy": float(spread.mean()), "likeness": alike})
            cells.append(f"{spread.mean():.2f}" + (f" / {alike:.2f}" if count > 1 else ""))
        rows.append(cells)
    header = ["heads", "width of one", *(f"layer {number}" for number in range(1, len(subject.layers) + 1))]
    table = Table("entropy in bits / cosine of two heads, on average", header, rows)
    by_layer = {
        f"{count} heads" if count > 1 else "1 head": (
            [figure["layer"] for figure in figures if figure["heads"] == count],
            [figure["entropy"] for figure in figures if figure["heads"] == count],
        )
        for count in counts
    }
    pictures = {
        "entropy": lines(by_layer, "layer", "mean entropy of a head, bits", marked=True),
        f"heads-layer-{drawn + 1}": _picture(subject, drawn, counts),
    }
    said = [
        f"{subject.name} has {subject.heads} heads: other divisions join what it keeps apart, or part what it joins",
        *cut_line(subject),
    ]
    return Shown({"model": subject.name, "tokens": subject.tokens, "heads": figures}, [table], said, pictures)


def divided(layer: Attended, heads: int) -> Tensor:
    """The weights of a layer with its queries and keys divided into so many heads, shape (texts, heads, length,
    length); the scores are scaled by the root of the new width."""
    query, key, value = (split_heads(join_heads(part), heads) for part in (layer.query, layer.key, layer.value))
    return scaled_dot_product(query, key, value, visible=layer.visible)[1]


def _likeness(weights: Tensor, there: Tensor) -> float:
    """The mean cosine of the weights of two heads for the same query; 1 with one head."""
    heads = weights.shape[1]
    rows = torch.nn.functional.normalize(weights.transpose(1, 2)[there], dim=-1)  # (queries, heads, keys)
    cosines = rows @ rows.transpose(1, 2)
    others = ~torch.eye(heads, dtype=torch.bool)
    return float(cosines[:, others].mean()) if heads > 1 else 1.0


def _picture(subject: Subject, number: int, counts: list[int]) -> Plot:
    """The first heads of each division, of the first text."""
    there = subject.there[0]
    names = tokens_named([token for token, here in zip(subject.tokens[0], there, strict=True) if here])[:MOST_DRAWN]
    panels: list[tuple[str, Heat | None]] = []
    for count in counts:
        weights = divided(subject.layers[number], count)[0][:, there][:, :, there]
        for place in range(PANELS):
            if place >= count:
                panels.append(("", None))
                continue
            matrix = weights[place, : len(names), : len(names)].numpy()
            panels.append((f"head {place + 1} of {count}", Heat(matrix, names, names, "query", "key")))
    return grid(panels, f"the first heads of each division, layer {number + 1}", columns=PANELS)
