"""Scaled dot-product attention in every layer of a model: by the piece, beside the model's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from nlpkit.errors import UserError
from nlpkit.learn.measures import by_head, entropy
from nlpkit.learn.pictures import MOST_DRAWN, Heat, grid, tokens_named
from nlpkit.learn.shown import Shown
from nlpkit.learn.subject import Subject, subject_of
from nlpkit.reporting import Cell, Table

if TYPE_CHECKING:
    from nlpkit.learn.options import LearnOptions
    from nlpkit.runs.plots import Plot

NEIGHBOURS = {"the token before": -1, "itself": 0, "the token behind": 1}


def show(options: LearnOptions) -> Shown:
    """Weights of all heads, how far they are from the model's, and what they look at.

    Raises:
        UserError: see `subject_of`; or the model has no such layer.
    """
    subject = subject_of(options)
    drawn = drawn_layers(subject, options.layer)
    figures = [_figures(subject, number) for number in range(len(subject.layers))]
    pictures: dict[str, Plot] = {f"attention-layer-{number + 1}": picture(subject, number) for number in drawn}
    differences = subject.differences()
    apart = {
        "weights": max(weights for weights, _ in differences),
        "states": max(states for _, states in differences),
    }
    record = {
        "model": subject.name,
        "tokens": subject.tokens,
        "largest_difference": apart,
        "layers": [
            {"layer": number + 1, "difference_of_weights": weights, "difference_of_states": states, **values}
            for number, ((weights, states), values) in enumerate(zip(differences, figures, strict=True))
        ],
    }
    lines = [
        f"the piece in the place of the attention of {subject.name}: weights differ by at most "
        f"{apart['weights']:.1e}, states by {apart['states']:.1e} of the largest (float64)"
    ]
    lines += cut_line(subject)
    return Shown(record, [_table(subject, figures), _sharpest(subject, drawn)], lines, pictures)


def drawn_layers(subject: Subject, layer: int | None) -> list[int]:
    """Numbers from 0 of the layers that are drawn.

    Raises:
        UserError: there is no such layer.
    """
    if layer is None:
        return list(range(len(subject.layers)))
    if layer > len(subject.layers):
        raise UserError(f"--layer {layer}: {subject.name} has {len(subject.layers)} layers", "They count from 1.")
    return [layer - 1]


def cut_line(subject: Subject) -> list[str]:
    """What is said where a text is longer than a picture."""
    longest = max(subject.lengths())
    return [f"pictures show the first {MOST_DRAWN} of {longest} tokens"] if longest > MOST_DRAWN else []


def picture(subject: Subject, layer: int, text: int = 0) -> Plot:
    """All heads of a layer, of one text."""
    length = min(subject.lengths()[text], MOST_DRAWN)
    there = subject.there[text]
    names = tokens_named([token for token, is_there in zip(subject.tokens[text], there, strict=True) if is_there])[
        :length
    ]
    weights = subject.layers[layer].weights[text][:, there][:, :, there][:, :length, :length].numpy()
    panels = [(f"head {head + 1}", Heat(matrix, names, names, "query", "key")) for head, matrix in enumerate(weights)]
    return grid(panels, f"weight of a key (columns) for a query (rows), layer {layer + 1}")


def _figures(subject: Subject, layer: int) -> dict[str, list[float]]:
    """Of each head: entropy in bits, and the share of the weights on itself, on neighbours, on special tokens."""
    weights = subject.layers[layer].weights
    found = {"entropy": by_head(entropy(weights), subject.there).tolist()}
    position = torch.arange(weights.shape[-1])
    for name, offset in NEIGHBOURS.items():
        near = position[None, :] - position[:, None] == offset
        found[name] = by_head((weights * near).sum(dim=-1), subject.there).tolist()
    special = subject.special[:, None, None, :]
    found["special tokens"] = by_head((weights * special).sum(dim=-1), subject.there).tolist()
    return found


def _table(subject: Subject, figures: list[dict[str, list[float]]]) -> Table:
    """A row a layer: differences, and means over the heads."""
    header = ["layer", "weights differ by", "states differ by", "entropy of heads", *NEIGHBOURS, "special tokens"]
    rows: list[list[Cell]] = []
    for number, ((weights, states), values) in enumerate(zip(subject.differences(), figures, strict=True), 1):
        heads = values["entropy"]
        means = [f"{sum(values[name]) / len(values[name]):.2f}" for name in (*NEIGHBOURS, "special tokens")]
        rows.append(
            [str(number), f"{weights:.1e}", f"{states:.1e}", f"{min(heads):.2f} to {max(heads):.2f} bits", *means]
        )
    return Table("attention by layer: what heads look at, on average", header, rows)


def _sharpest(subject: Subject, layers: list[int]) -> Table:
    """Of the head of the layers shown that looks at the fewest tokens: what each token of the first text looks at."""
    spread = {
        (layer, head): value
        for layer in layers
        for head, value in enumerate(by_head(entropy(subject.layers[layer].weights), subject.there).tolist())
    }
    layer, head = min(spread, key=lambda place: spread[place])
    weights = subject.layers[layer].weights[0, head]
    tokens = subject.tokens[0]
    rows: list[list[Cell]] = []
    for query in subject.there[0].nonzero().flatten().tolist()[:MOST_DRAWN]:
        values, keys = weights[query].topk(min(3, len(tokens)))
        seen = [f"{tokens[key]} {value:.2f}" for value, key in zip(values.tolist(), keys.tolist(), strict=True)]
        rows.append([tokens[query], *seen, *[""] * (3 - len(seen))])
    title = f"the head that looks at the fewest: layer {layer + 1}, head {head + 1} ({spread[layer, head]:.2f} bits)"
    return Table(title, ["query", "looks at", "then", "then"], rows, to_left=True)
