"""One vector of each row, from the states of its tokens.

All of it is traced into exported graphs as it stands: no shape and no branch depends on a number in a tensor.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from nlpkit.errors import UserError


def averaged(states: torch.Tensor | Sequence[torch.Tensor], layers: int) -> torch.Tensor:
    """The states that are pooled, float32, shape (rows, tokens, width).

    Args:
        states: of the last layer, or of each layer, where those of several are averaged.
        layers: of how many of the last layers the mean is taken.

    Raises:
        UserError: the model has fewer layers.
    """
    if isinstance(states, torch.Tensor):
        return states.float()
    if len(states) < layers:
        raise UserError(
            f"vectors are to average the last {layers} layers, and the model has {len(states) - 1}", "Ask for fewer."
        )
    return torch.stack([layer.float() for layer in states[-layers:]]).mean(0)


def without_prompt(mask: torch.Tensor, prompt_tokens: torch.Tensor) -> torch.Tensor:
    """A mask, shape (rows, tokens), with 0 at the tokens of each row's prompt.

    Args:
        prompt_tokens: how many tokens at the beginning of each row are the prompt's, shape (rows,).
    """
    places = torch.arange(mask.shape[1], device=mask.device)
    return mask * (places >= (_first(mask) + prompt_tokens).unsqueeze(1)).to(mask.dtype)


def pooled(way: str, states: torch.Tensor, kept: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """One vector of each row, float32, shape (rows, width).

    Args:
        way: one of `folder.names.POOLINGS`.
        states: shape (rows, tokens, width).
        kept: 1 for each token that is pooled, shape (rows, tokens).
        mask: the same with those of the prompt.
    """
    if way in ("cls", "last_token"):
        # The last place with a token is the first of the mirrored row.
        place = _first(kept) if way == "cls" else kept.shape[1] - 1 - _first(kept.flip(1))
        return states.gather(1, place.view(-1, 1, 1).expand(-1, 1, states.shape[-1])).squeeze(1)
    weights = kept.unsqueeze(-1).to(states.dtype)
    if way == "max":
        return states.masked_fill(weights == 0, -torch.inf).amax(1)
    if way == "weighted_mean":  # a token counts as much as its place in the text, from 1 (SGPT, arXiv 2202.08904)
        places = torch.arange(1, kept.shape[1] + 1, device=kept.device) - _first(mask).unsqueeze(1)
        weights = weights * places.unsqueeze(-1).to(states.dtype)
    entries = weights.sum(1).clamp(min=1)
    return (states * weights).sum(1) / (entries.sqrt() if way == "mean_sqrt_len" else entries)


def _first(mask: torch.Tensor) -> torch.Tensor:
    """Where the first token of each row stands, shape (rows,), as padding may go to the left."""
    return mask.to(torch.int32).argmax(1)
