"""From start and end logits to the best answers of each question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nlpkit.tasks import arrays

if TYPE_CHECKING:
    import torch

SPAN = np.dtype([("start", np.int32), ("end", np.int32), ("score", np.float32)])
"""A span and its score, the sum of its start and its end logit. No answer is the span from -1 to -1.

Out of `as_array` a span runs from its first to its last token, both counted within the passage; out of `merged` it
holds the characters [start, end) of the context.
"""


def best_spans(logits: Any, passage: Any, cls: Any, *, count: int, longest: int) -> dict[str, Any]:
    """The best spans of each window, exactly: all pairs of start and end are weighed, not those of the best of each.

    The best end within reach of each start is a sliding maximum, and the best `count` spans start at the `count` starts
    whose best end is best; so memory grows with tokens, not with their square.

    Args:
        logits: of start and end, shape (rows, tokens, 2).
        passage: positions [first, end) of the context, shape (rows, 2).
        cls: position of the token that stands for no answer, shape (rows,).
        count: spans to keep.
        longest: tokens a span has at most.

    Returns:
        `null`, the scores of no answer, shape (rows,); of the best spans, best first, `score`, `start` and `end`, which
        count tokens of the passage; shape (rows, up to count). What is no span has the score -inf.
    """
    logits = arrays.float32(logits)
    null = arrays.at(logits, cls[:, None])[:, 0].sum(1)
    place, width = arrays.counted(logits.shape[1], logits), min(longest, logits.shape[1])
    outside = (place < passage[:, :1]) | (place >= passage[:, 1:])
    start, ahead, reachable = (_within_arrays if isinstance(logits, np.ndarray) else _within)(logits, outside, width)
    _, starts = arrays.highest(start + reachable, min(count, start.shape[1]))
    # a row of ends for each start, flat: the k-th is `k % width` tokens behind its start
    ends = _flat(starts[..., None] + arrays.counted(width, logits))
    scores = _flat(arrays.at(start, starts)[..., None] + arrays.at(ahead, ends).reshape(*starts.shape, width))
    score, chosen = arrays.highest(scores, min(count, scores.shape[1]))
    first = passage[:, :1]
    return {
        "null": null,
        "score": score,
        "start": arrays.at(starts, chosen // width) - first,
        "end": arrays.at(ends, chosen) - first,
    }


def _within(logits: torch.Tensor, outside: torch.Tensor, width: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Logits of starts in the passage, (rows, tokens); of ends, (rows, tokens + width - 1); and the best end within
    reach of each start, (rows, tokens): all -inf outside of it."""
    import torch
    import torch.nn.functional as F

    start, end = logits.masked_fill(outside[..., None], -torch.inf).unbind(-1)
    ahead = F.pad(end, (0, width - 1), value=-torch.inf)
    return start, ahead, F.max_pool1d(ahead[:, None], width, stride=1)[:, 0]


def _within_arrays(logits: np.ndarray, outside: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """As `_within`."""
    start, end = np.moveaxis(np.where(outside[..., None], np.float32(-np.inf), logits), -1, 0)
    ahead = np.pad(end, ((0, 0), (0, width - 1)), constant_values=-np.inf)
    return start, ahead, np.lib.stride_tricks.sliding_window_view(ahead, width, axis=1).max(axis=-1)


def _flat(values: Any) -> Any:
    """One row of each row's values."""
    return values.reshape(len(values), -1)


def as_array(best: Mapping[str, Any], *, count: int) -> np.ndarray:
    """What `best_spans` gives, brought to the CPU, as `SPAN` of shape (rows, 1 + count): no answer, then the spans.

    Where there are fewer, spans from -1 to -1 with the score -inf.
    """
    spans = np.full((len(best["null"]), 1 + count), np.array((-1, -1, -np.inf), SPAN))
    spans["score"][:, 0] = arrays.on_cpu(best["null"])
    kept = spans[:, 1 : 1 + best["score"].shape[1]]
    kept["score"] = arrays.on_cpu(best["score"])
    valid = np.isfinite(kept["score"])
    for name in ("start", "end"):
        kept[name] = np.where(valid, arrays.on_cpu(best[name]), -1)
    return spans


def merged(spans: np.ndarray, example: np.ndarray, offsets: Sequence[Any], *, count: int) -> list[np.ndarray]:
    """The windows of each example brought together, in characters of its context.

    A span that several windows see counts once, with its best score. The score of no answer is the least of the
    windows', as in BERT's SQuAD script and the example script of Transformers: a question has no answer only if no
    window has one.

    Args:
        spans: of `best_spans`, shape (windows, 1 + n).
        example: of each window, ascending from 0 without gaps, shape (windows,).
        offsets: for each window the characters (start, end) of each token of its passage, flat.
        count: spans to keep.

    Returns:
        For each example `SPAN` of shape (1 + up to count,): no answer, then the best spans, best first; none of blanks
        alone.
    """
    if not len(spans):
        return []
    sizes = np.array([len(of_window) for of_window in offsets])
    flat = np.concatenate([np.asarray(of_window, np.int32) for of_window in offsets])
    window, place = np.nonzero(np.isfinite(spans["score"][:, 1:]))
    chosen = spans[window, place + 1]
    before = (np.cumsum(sizes) - sizes)[window]
    example_of, start, end = example[window], flat[before + 2 * chosen["start"]], flat[before + 2 * chosen["end"] + 1]
    score = chosen["score"]
    order = np.lexsort((-score, end, start, example_of))
    order = order[(start < end)[order]]
    example_of, start, end, score = example_of[order], start[order], end[order], score[order]
    first = np.ones(len(order), bool)
    first[1:] = (np.diff(example_of) != 0) | (np.diff(start) != 0) | (np.diff(end) != 0)
    order = np.flatnonzero(first)
    order = order[np.lexsort((-score[order], example_of[order]))]
    rank = np.arange(len(order)) - np.searchsorted(example_of[order], example_of[order])
    order, rank = order[rank < count], rank[rank < count]
    owners = example_of[order]
    number = int(example[-1]) + 1
    heads = np.arange(number) + np.searchsorted(owners, np.arange(number))  # where each example begins in `out`
    out = np.empty(len(order) + number, dtype=SPAN)
    places = heads[owners] + 1 + rank
    out["start"][places], out["end"][places], out["score"][places] = start[order], end[order], score[order]
    out["start"][heads] = out["end"][heads] = -1
    out["score"][heads] = np.minimum.reduceat(spans["score"][:, 0], np.searchsorted(example, np.arange(number)))
    return np.split(out, heads[1:])


def probabilities(outputs: Sequence[np.ndarray]) -> list[np.ndarray]:
    """For each example the softmax over the scores of its spans, no answer among them."""
    if not outputs:
        return []
    heads = np.cumsum([0, *map(len, outputs)])[:-1]
    sizes = np.array([len(candidates) for candidates in outputs])
    scores = np.concatenate([candidates["score"] for candidates in outputs]).astype(np.float64)
    weights = np.exp(scores - np.repeat(np.maximum.reduceat(scores, heads), sizes))
    return np.split(weights / np.repeat(np.add.reduceat(weights, heads), sizes), heads[1:])


def null_margin(spans: np.ndarray) -> float:
    """How far the score of no answer is above that of the best span; infinite where there is no span."""
    return float(spans["score"][0] - spans["score"][1]) if len(spans) > 1 else float("inf")


def less_sure_of_none(spans: np.ndarray, threshold: float) -> np.ndarray:
    """The same spans, with the score of no answer lower by `threshold`."""
    spans = spans.copy()
    spans["score"][0] -= threshold
    return spans
