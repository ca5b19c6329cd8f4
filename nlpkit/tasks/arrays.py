"""What a model gives, wherever it is computed: tensors of torch, or numpy's arrays of a graph that runs on the CPU.

A task words its arithmetic once. Where the two libraries call a thing differently, or where one of them would round
otherwise, it stands here: an exported model that is answered without torch gives what it gives with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    import torch

Values: TypeAlias = "torch.Tensor | np.ndarray"


def float32(values: Any) -> Any:
    """The same numbers in float32."""
    return values.astype(np.float32, copy=False) if isinstance(values, np.ndarray) else values.float()


def widest(values: Any) -> Any:
    """The same numbers in float64, in which sums and exponentials are the same in either library once they are rounded
    to float32; in float32 on a GPU of Apple's, which has no other."""
    if isinstance(values, np.ndarray):
        return values.astype(np.float64)
    return values.float() if values.device.type == "mps" else values.double()


def on_cpu(values: Any) -> np.ndarray:
    """An array of values that are on the CPU."""
    return values if isinstance(values, np.ndarray) else values.numpy()


def has_nan(values: Any) -> Any:
    """Whether one of them is no number; of tensors a tensor, which nothing has to wait for."""
    return np.isnan(values).any() if isinstance(values, np.ndarray) else values.isnan().any()


def stacked(values: Sequence[Any], axis: int = -1) -> Any:
    """Values of one shape, along a new axis."""
    if isinstance(values[0], np.ndarray):
        return np.stack(values, axis=axis)
    import torch

    return torch.stack(list(values), dim=axis)


def filled(values: Any, places: Any, value: float) -> Any:
    """The same with a value at some places of the last axis; in place."""
    if isinstance(values, np.ndarray):
        values[..., places] = value
        return values
    return values.index_fill_(-1, places, value)


def counted(count: int, like: Any) -> Any:
    """0, 1, 2, ..., where other values are; on a GPU they are made there, as a copy would be waited for."""
    if isinstance(like, np.ndarray):
        return np.arange(count)
    import torch

    return torch.arange(count, device=like.device)


def beside(array: np.ndarray, like: Any) -> Any:
    """An array where other values are: itself, or a tensor on their device."""
    if isinstance(like, np.ndarray):
        return array
    import torch

    return torch.from_numpy(array).to(like.device)


def at(values: Any, places: Any) -> Any:
    """The entries at places along the second axis.

    Args:
        values: shape (rows, places, ...).
        places: shape (rows, k).

    Returns:
        Shape (rows, k, ...).
    """
    index = places.reshape(*places.shape, *[1] * (values.ndim - 2))
    if isinstance(values, np.ndarray):
        return np.take_along_axis(values, index, axis=1)
    return values.gather(1, index.expand(-1, -1, *values.shape[2:]))


def highest(values: Any, count: int) -> tuple[Any, Any]:
    """The highest values along the last axis, highest first, and their places; of equal ones, in an array, the first.

    Args:
        count: of them, at most as many as there are.
    """
    if not isinstance(values, np.ndarray):
        found = values.topk(count)
        return found.values, found.indices
    some = values
    chosen = np.broadcast_to(np.arange(values.shape[-1]), values.shape)
    if count < values.shape[-1]:
        least = np.partition(values, values.shape[-1] - count, axis=-1)[..., values.shape[-1] - count, None]
        # those above the least of the highest, then the first of those that equal it
        kind = np.where(values > least, 0, np.where(values == least, 1, 2)).astype(np.uint8)
        chosen = np.sort(np.argsort(kind, axis=-1, kind="stable")[..., :count], axis=-1)
        some = np.take_along_axis(values, chosen, axis=-1)
    order = np.argsort(-some, axis=-1, kind="stable")
    return np.take_along_axis(some, order, axis=-1), np.take_along_axis(chosen, order, axis=-1)


def normalized(values: Any) -> Any:
    """Vectors of length 1, along the last axis, as torch's `normalize` makes them."""
    if isinstance(values, np.ndarray):
        return values / np.maximum(np.linalg.norm(values, axis=-1, keepdims=True), 1e-12)
    from torch.nn.functional import normalize

    return normalize(values, dim=-1)


def softmax(logits: Any) -> Any:
    """Probabilities of logits along the last axis."""
    if not isinstance(logits, np.ndarray):
        return logits.softmax(-1)
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """The probability of each logit by itself."""
    with np.errstate(over="ignore"):  # far below 0 it is 0
        return 1 / (1 + np.exp(-logits))
