"""The queries and keys that an attention comes from, and what else goes into it.

They are noted where a model compares them: in the function of its architecture that computes eager attention, behind
what turns them by their positions (Llama, ModernBERT); or, of a model without that function (MPNet), at its
projections, which are found by their names. That they are the right ones is shown by numbers: the softmax of their
products must give the attention that the model gave, where a bias by distance alone may be added (T5, MPNet). Of an
architecture that compares other things (DeBERTa) nothing is found, and nothing is claimed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch

EAGER = "eager_attention_forward"  # as the modules of Transformers call it
PROJECTIONS = (("query", "key"), ("q_lin", "k_lin"), ("q", "k"), ("q_proj", "k_proj"))
CLOSE = 0.01  # by which attention, as products give it, and its logarithm may be off
SMALLEST = 1e-36  # attention below which float32 does not tell its logarithm
FEWEST_ROWS = 3  # of fewer rows any numbers would pass for a bias by distance


@dataclass(frozen=True)
class Vectors:
    """Queries and keys of one layer.

    Attributes:
        queries: shape (heads, rows, size).
        keys: shape (heads, columns, size).
        scale: what a product is multiplied by.
        bias: what is added to a scaled product by distance, shape (heads, rows + columns - 1): the middle, at
            rows - 1, is of a token and itself, where it is 0, and the next of the token behind it; None: nothing.
        causal: whether no row sees the columns behind it.
    """

    queries: np.ndarray
    keys: np.ndarray
    scale: float
    bias: np.ndarray | None
    causal: bool

    def first(self, count: int) -> Vectors:
        """Of the first rows and columns alone."""
        rows, columns = self.queries.shape[1], self.keys.shape[1]
        kept_rows, kept_columns = min(rows, count), min(columns, count)
        bias = None if self.bias is None else self.bias[:, rows - kept_rows : rows - 1 + kept_columns]
        return replace(self, queries=self.queries[:, :count], keys=self.keys[:, :count], bias=bias)


@dataclass(frozen=True)
class Call:
    """What was compared once: query (1, rows, width), key (1, columns, width), heads beside each other, and the scale
    that the model names, if any."""

    query: torch.Tensor
    key: torch.Tensor
    scaling: float | None


@contextmanager
def recorded(model: Any) -> Iterator[list[Call]]:
    """What a model compares while the block runs, in order; a module that runs several times (ALBERT) has as many
    calls, and one that is noted in both ways two of each."""
    calls: list[Call] = []
    with ExitStack() as stack:
        for name in {type(module).__module__ for module in model.modules()}:
            stack.enter_context(_noting_eager(sys.modules[name], calls))
        for module in model.modules():
            inside = dict(module.named_children())
            for query, key in PROJECTIONS:
                if {query, key} <= inside.keys():
                    stack.enter_context(_noting_projections(module, inside[query], inside[key], calls))
        yield calls


@contextmanager
def _noting_eager(place: Any, calls: list[Call]) -> Iterator[None]:
    """Note what the function for eager attention is given, where a module of Transformers has one.

    Attention modules look it up there by its name each time, and there is no other place at which queries and keys are
    as they are compared.
    """
    function = getattr(place, EAGER, None)
    if function is None:
        yield
        return

    def noting(module: Any, query: Any, key: Any, value: Any, *rest: Any, **more: Any) -> Any:
        shared = key.repeat_interleave(query.shape[1] // key.shape[1], dim=1)  # several heads may have one key
        beside = [part.detach().transpose(1, 2).flatten(2) for part in (query, shared)]
        calls.append(Call(beside[0], beside[1], more.get("scaling")))
        return function(module, query, key, value, *rest, **more)

    setattr(place, EAGER, noting)
    try:
        yield
    finally:
        setattr(place, EAGER, function)


@contextmanager
def _noting_projections(module: Any, query: Any, key: Any, calls: list[Call]) -> Iterator[None]:
    """Note what the projections of an attention module give."""
    half: dict[str, torch.Tensor] = {}

    def keep(name: str, output: torch.Tensor) -> None:
        half[name] = output.detach()
        if len(half) == 2:
            calls.append(Call(half.pop("query"), half.pop("key"), getattr(module, "scaling", None)))

    hooks = (
        query.register_forward_hook(lambda _, __, output: keep("query", output)),
        key.register_forward_hook(lambda _, __, output: keep("key", output)),
    )
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def found(calls: Sequence[Call], attentions: Sequence[np.ndarray]) -> tuple[Vectors | None, ...]:
    """The queries and keys of each layer, those that give its attention; None where none do.

    Args:
        calls: of all layers, and of other stacks, in any order.
        attentions: of each layer, shape (heads, rows, columns).
    """
    left = list(calls)
    made: list[Vectors | None] = []
    for attention in attentions:
        fitting = ((i, fit) for i, call in enumerate(left) if (fit := _fitted(call, attention)) is not None)
        i, vectors = next(fitting, (None, None))
        if i is not None:
            del left[i]
        made.append(vectors)
    return tuple(made)


def _fitted(call: Call, attention: np.ndarray) -> Vectors | None:
    """The vectors of a call in heads, where they give the attention."""
    heads, rows, columns = attention.shape
    width = call.query.shape[-1]
    if (call.query.shape[1:], call.key.shape[1:]) != ((rows, width), (columns, width)) or width % heads:
        return None
    size = width // heads
    queries, keys = (
        part[0].float().cpu().numpy().reshape(-1, heads, size).swapaxes(0, 1) for part in (call.query, call.key)
    )
    products = queries.astype(np.float64) @ keys.swapaxes(1, 2)
    seen = np.ones((rows, columns), bool)
    causal = rows == columns > 1 and not attention[:, np.triu(seen, 1)].any()
    seen = np.tril(seen) if causal else seen
    told = (attention > SMALLEST) & seen
    logarithms = np.log(np.where(told, attention, 1.0), dtype=np.float64)
    for scale in dict.fromkeys(scale for scale in (call.scaling, size**-0.5, 1.0) if scale is not None):
        rest = np.where(told, logarithms - scale * products, np.nan)
        bias = None
        if _spread(rest) > CLOSE:
            bias = _by_distance(rest) if rows >= FEWEST_ROWS else None
            if bias is None:
                continue
        made = Vectors(queries, keys, scale, bias, causal)
        if np.allclose(_softmax(made, products), attention, rtol=0, atol=CLOSE):
            return made
    return None


def _softmax(vectors: Vectors, products: np.ndarray) -> np.ndarray:
    """The attention that vectors give, whose products are known."""
    scores = products * vectors.scale
    rows, columns = scores.shape[1:]
    distances = np.arange(columns) - np.arange(rows)[:, None]
    if vectors.bias is not None:
        scores = scores + vectors.bias[:, distances + rows - 1]
    if vectors.causal:
        scores = np.where(distances > 0, -np.inf, scores)
    powers = np.exp(scores - scores.max(axis=2, keepdims=True))
    shares: np.ndarray = powers / powers.sum(axis=2, keepdims=True)
    return shares


def _spread(rest: np.ndarray) -> float:
    """How far numbers of shape (heads, rows, columns) are from being the same in all of a row; NaN is left out."""
    return float(np.max(np.nanmax(rest, axis=2) - np.nanmin(rest, axis=2)))


def _by_distance(rest: np.ndarray) -> np.ndarray | None:
    """The part of numbers that hangs on the distance from row to column, where they are such a part and a constant of
    each row; None where they are not. A distance at which no number is known has 0.

    Args:
        rest: shape (heads, rows, columns), NaN where a number is not known.
    """
    heads, rows, columns = rest.shape
    bias = np.zeros((heads, rows + columns - 1), np.float32)
    places = np.arange(columns) - np.arange(rows)[:, None] + rows - 1
    for head in range(heads):
        known = ~np.isnan(rest[head])
        by_distance, by_row = np.full(rows + columns - 1, np.nan), np.full(rows, np.nan)
        by_distance[rows - 1] = 0.0
        # what is known of one row tells of its distances, and these of other rows, until nothing new is told
        while True:
            told = known & ~np.isnan(by_distance[places])
            new_rows = np.flatnonzero(np.isnan(by_row) & told.any(axis=1))
            for row in new_rows:
                by_row[row] = np.mean((rest[head, row] - by_distance[places[row]])[told[row]])
            told = known & ~np.isnan(by_row)[:, None] & np.isnan(by_distance[places])
            for distance in np.unique(places[told]):
                here = told & (places == distance)
                by_distance[distance] = np.mean((rest[head] - by_row[:, None])[here])
            if not told.any():
                if not np.isnan(by_row).any():
                    break
                by_row[np.flatnonzero(np.isnan(by_row))[0]] = 0.0  # which has nothing in common with those before
        expected = by_distance[places] + by_row[:, None]
        if np.max(np.abs(rest[head] - expected)[known]) > CLOSE:
            return None
        bias[head] = np.nan_to_num(by_distance)
    return bias
