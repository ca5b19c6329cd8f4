"""One vector of each row, from the states of its tokens that a graph gave as an array; see `pooling`, which is torch's.

Sums are in float64, and what is pooled is rounded to float32 once.
"""

from __future__ import annotations

import numpy as np


def without_prompt(mask: np.ndarray, prompt_tokens: np.ndarray) -> np.ndarray:
    """A mask, shape (rows, tokens), with 0 at the tokens of each row's prompt.

    Args:
        prompt_tokens: how many tokens at the beginning of each row are the prompt's, shape (rows,).
    """
    return mask * (np.arange(mask.shape[1]) >= (_first(mask) + prompt_tokens)[:, None])


def pooled(way: str, states: np.ndarray, kept: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """One vector of each row, float64, shape (rows, width).

    Args:
        way: one of `folder.names.POOLINGS`.
        states: shape (rows, tokens, width).
        kept: 1 for each token that is pooled, shape (rows, tokens).
        mask: the same with those of the prompt.
    """
    states = states.astype(np.float64)
    if way in ("cls", "last_token"):
        place = _first(kept) if way == "cls" else kept.shape[1] - 1 - _first(kept[:, ::-1])
        return states[np.arange(len(states)), place]
    weights = kept[..., None].astype(np.float64)
    if way == "max":
        return np.where(weights == 0, -np.inf, states).max(axis=1)
    if way == "weighted_mean":
        weights = weights * (np.arange(1, kept.shape[1] + 1) - _first(mask)[:, None])[..., None]
    entries = weights.sum(axis=1).clip(min=1)
    return (states * weights).sum(axis=1) / (np.sqrt(entries) if way == "mean_sqrt_len" else entries)


def _first(mask: np.ndarray) -> np.ndarray:
    """Where the first token of each row stands, shape (rows,), as padding may go to the left."""
    return mask.argmax(axis=1)
