"""What attention tells, by itself and weighed by its gradient.

By itself it is no explanation: a head may look at a token whose value changes nothing. It stands here to be compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nlpkit.errors import UserError
from nlpkit.explaining.variants import Variants
from nlpkit.models import attention

UNITS = 1_000_000  # of flow, which is counted in whole numbers, for an attention of 1


@dataclass(frozen=True)
class Seen:
    """Attention of one input; in a model of encoder and decoder that of the encoder.

    Attributes:
        shares: of each layer, shape (heads, tokens, tokens); a row is what a token looks at.
        gradients: of the answer by `shares`, likewise; 0 where the answer does not hang on them.
        read: how much the answer hangs on each token of the last layer, shape (tokens,), its sum 1: of most
            classifiers on the first alone, of a mean pooling on all.
        looked_at: how much a decoder looks at each token that the encoder read, shape (tokens,): the mean over the
            tokens that it writes and the heads of the last layer but one, which tells best what stands for what
            (Garg et al. 2019, https://arxiv.org/abs/1909.02074); None without an encoder.
    """

    shares: Sequence[np.ndarray]
    gradients: Sequence[np.ndarray]
    read: np.ndarray
    looked_at: np.ndarray | None = None


def seen(variants: Variants) -> Seen:
    """The attention of the whole input, with its gradients.

    Raises:
        UserError: the model has none, or it is not that of tokens to tokens of one text.
    """
    import torch

    model = variants.predictor.model
    attention.require(model, type(model).__name__)
    with attention.eager(model):
        forward = variants.forward(variants.batch, ["attentions"])
        value = variants.task.explained(forward, variants.question.target).sum()
    given = list(forward.read or forward.attentions or ())
    if not given or any(shares.shape[-1] != shares.shape[-2] for shares in given):
        raise UserError(
            f"{type(model).__name__} has no attention of a text to itself from which words could be judged",
            "Use --method occlusion.",
        )
    gradients = torch.autograd.grad(value, given, allow_unused=True)
    shares = [layer[0].detach().double().cpu().numpy() for layer in given]
    slopes = [
        np.zeros_like(layer) if gradient is None else gradient[0].double().cpu().numpy()
        for layer, gradient in zip(shares, gradients, strict=True)
    ]
    weight = np.abs(slopes[-1]).sum((0, 2))
    read = weight / weight.sum() if weight.sum() > 0 else np.full(len(weight), 1 / len(weight))
    looked_at = None
    if forward.read and forward.attentions:
        crossing = forward.attentions[max(len(forward.attentions) - 2, 0)][0]
        looked_at = crossing.detach().double().mean((0, 1)).cpu().numpy()
    return Seen(shares, slopes, read, looked_at)


def last_layer(variants: Variants, seed: int) -> np.ndarray:
    """Attention of the last layer, mean of its heads, from the tokens that the answer is read from; of a decoder what
    it looks at in the text."""
    found = seen(variants)
    if found.looked_at is not None:
        return variants.of_units(found.looked_at)
    return variants.of_units(found.read @ found.shares[-1].mean(0))


def _mixed(shares: np.ndarray) -> np.ndarray:
    """Mean of the heads, half of it the token itself, which the residual connection brings along."""
    return 0.5 * shares.mean(0) + 0.5 * np.eye(shares.shape[-1])


def rollout(variants: Variants, seed: int) -> np.ndarray:
    """Attention multiplied through all layers (Abnar and Zuidema 2020, https://arxiv.org/abs/2005.00928)."""
    found = seen(variants)
    row = found.read
    for shares in reversed(found.shares):
        row = row @ _mixed(shares)
    return variants.of_units(row)


def flow(variants: Variants, seed: int) -> np.ndarray:
    """The largest flow from a token to the answer, attention being the width of the pipes (Abnar and Zuidema 2020)."""
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import maximum_flow

    found = seen(variants)
    tokens, layers = len(found.read), len(found.shares)
    # nodes: tokens of the input, of each layer, then the answer
    starts, ends, widths = [], [], []
    for layer, shares in enumerate(found.shares):
        row, column = np.nonzero(np.ones((tokens, tokens)))
        starts.append(column + layer * tokens)
        ends.append(row + (layer + 1) * tokens)
        widths.append(_mixed(shares)[row, column])
    answer = (layers + 1) * tokens
    starts.append(np.arange(tokens) + layers * tokens)
    ends.append(np.full(tokens, answer))
    widths.append(found.read)
    capacity = np.round(np.concatenate(widths) * UNITS).astype(np.int32)
    graph = csr_matrix((capacity, (np.concatenate(starts), np.concatenate(ends))), shape=(answer + 1, answer + 1))
    return (
        np.array([sum(maximum_flow(graph, place, answer).flow_value for place in unit) for unit in variants.units])
        / UNITS
    )


def weighted_rollout(variants: Variants, seed: int) -> np.ndarray:
    """Rollout of attention times its gradient, as far as that speaks for the answer (Chefer et al. 2021,
    https://arxiv.org/abs/2103.15679)."""
    found = seen(variants)
    relevance = np.eye(len(found.read))
    for shares, gradients in zip(found.shares, found.gradients, strict=True):
        relevance += np.maximum(shares * gradients, 0).mean(0) @ relevance
    return variants.of_units(found.read @ relevance)
