"""What masks hide: padding from every token, and from each token what stands behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from nlpkit.errors import UserError
from nlpkit.learn.measures import by_head
from nlpkit.learn.pictures import MOST_DRAWN, Heat, grid, tokens_named
from nlpkit.learn.pieces.attention import scaled_dot_product
from nlpkit.learn.pieces.masks import causal, padding
from nlpkit.learn.shown import Shown
from nlpkit.learn.shows.attention import cut_line, drawn_layers
from nlpkit.learn.subject import BATCH, Attended, Subject, subject_of
from nlpkit.reporting import Cell, Table

if TYPE_CHECKING:
    from nlpkit.learn.options import LearnOptions
    from nlpkit.runs.plots import Plot


def show(options: LearnOptions) -> Shown:
    """The masks of a batch, and where the weights would go without them.

    Raises:
        UserError: see `subject_of`; or the texts are of one length, so that nothing is padded.
    """
    subject = subject_of(options, BATCH)
    lengths = subject.lengths()
    if min(lengths) == max(lengths):
        raise UserError(
            f"all texts have {lengths[0]} tokens: there is no padding to hide",
            "Give texts of two lengths: --text twice.",
        )
    short = lengths.index(min(lengths))
    drawn = drawn_layers(subject, options.layer or 1)[0]
    writes = _is_causal(subject)
    equal = [_equal(subject, layer, writes) for layer in subject.layers]
    rows: list[list[Cell]] = []
    figures = []
    for number, layer in enumerate(subject.layers, 1):
        to_padding, to_later = _hidden(subject, layer, short)
        figures.append({"layer": number, "to_padding": to_padding, "to_later": to_later})
        rows.append([str(number), f"{to_padding:.3f}", f"{to_later:.3f}"])
    alone, read = _changes(subject, short)
    record = {
        "model": subject.name,
        "tokens": subject.tokens,
        "causal": writes,
        "masks_equal": all(equal),
        "layers": figures,
        "shortest_text": short,
        "difference_alone": alone,
        "difference_padding_read": read,
    }
    table = Table(
        f"weights that the masks hide, of the text of {lengths[short]} tokens beside one of {max(lengths)}",
        ["layer", "to padding, without a mask", "to later tokens, without the causal mask"],
        rows,
    )
    what = "padding & causal" if writes else "padding"
    lines = [
        f"the masks of {subject.name} are those of the piece ({what}) in {sum(equal)} of {len(equal)} layers"
        + ("" if all(equal) else "; the other layers have another mask, as a window of neighbours"),
        f"its states of the shorter text by itself and in the batch differ by {alone:.1e} of the largest; with the "
        f"padding read as text by {read:.2g}",
        *cut_line(subject),
    ]
    pictures = {"masks": _masks(subject, short), f"hidden-layer-{drawn + 1}": _picture(subject, short, drawn)}
    return Shown(record, [table], lines, pictures)


def _is_causal(subject: Subject) -> bool:
    """Whether no layer of a model gives weight to a later token."""
    return not any(
        bool(weights.triu(1)[subject.there[:, None, :].expand(weights.shape[:-1])].any()) for weights in subject.weights
    )


def _equal(subject: Subject, layer: Attended, writes: bool) -> bool:
    """Whether the mask that a layer was given is the piece's, for all queries that are no padding."""
    length = subject.there.shape[1]
    ours = padding(subject.there).expand(-1, 1, length, length)
    ours = ours & causal(length) if writes else ours
    theirs = torch.ones_like(ours) if layer.visible is None else layer.visible.expand_as(ours)
    return bool((ours == theirs)[:, 0][subject.there].all())


def _without(layer: Attended, visible: Tensor | None) -> Tensor:
    """The weights of a layer under another mask."""
    return scaled_dot_product(layer.query, layer.key, layer.value, visible=visible, bias=layer.bias, scale=layer.scale)[
        1
    ]


def _hidden(subject: Subject, layer: Attended, text: int) -> tuple[float, float]:
    """Mean weight that the tokens of a text give to padding without a mask, and to later tokens without the causal."""
    one = subject.there[text : text + 1]
    unmasked = _without(layer, None)[text : text + 1]
    padded = by_head((unmasked * ~one[:, None, None, :]).sum(dim=-1), one)
    masked = _without(layer, padding(subject.there))[text : text + 1]
    later = by_head(masked.triu(1).sum(dim=-1), one)
    return float(padded.mean()), float(later.mean())


def _changes(subject: Subject, text: int) -> tuple[float, float]:
    """How far the last states of a text are from those in the batch, as a share of the largest: by itself, and with
    the padding read as text."""
    there = subject.there[text]
    batched = subject.states[-1][text][there]
    ids = subject.inputs["input_ids"]
    with torch.no_grad():
        alone = subject.model(input_ids=ids[text : text + 1, there], attention_mask=there[None, there].long())
        read = subject.model(input_ids=ids, attention_mask=torch.ones_like(ids))
    largest = batched.abs().max()
    found = (alone.last_hidden_state[0], read.last_hidden_state[text][there])
    apart = [float((states - batched).abs().max() / largest) for states in found]
    return apart[0], apart[1]


def _names(subject: Subject, text: int) -> list[str]:
    return tokens_named(subject.tokens[text])[:MOST_DRAWN]


def _masks(subject: Subject, text: int) -> Plot:
    """The masks of a text themselves."""
    names = _names(subject, text)
    length = len(names)
    padded = padding(subject.there[text : text + 1])[0, 0].expand(length, -1)[:, :length]
    drawn = {"padding": padded, "causal": causal(length), "padding & causal": padded & causal(length)}
    panels = [(title, Heat(mask.double().numpy(), names, names, "query", "key")) for title, mask in drawn.items()]
    return grid(panels, "1: the query may see the key", columns=3)


def _picture(subject: Subject, text: int, number: int) -> Plot:
    """Weights of a layer, in the mean over its heads, without a mask and with each."""
    names = _names(subject, text)
    layer, length = subject.layers[number], subject.there.shape[1]
    hidden = padding(subject.there)
    drawn = {"no mask": None, "padding": hidden, "padding & causal": hidden & causal(length)}
    panels = []
    for title, visible in drawn.items():
        mean = _without(layer, visible)[text].mean(dim=0)[: len(names), : len(names)]
        panels.append((title, Heat(mean.numpy(), names, names, "query", "key")))
    return grid(panels, f"mean weight over the heads, layer {number + 1}", columns=3)
