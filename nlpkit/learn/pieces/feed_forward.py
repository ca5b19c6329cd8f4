"""The feed-forward network of a layer: the same for each token, without a look at the others; and its activations."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

Activation = Callable[[Tensor], Tensor]


def relu(x: Tensor) -> Tensor:
    """max(x, 0) (Vaswani et al. 2017): what is negative is lost, and gives no gradient."""
    return x.clamp(min=0)


def leaky_relu(x: Tensor, slope: float = 0.01) -> Tensor:
    """x where it is positive, else slope · x (Maas et al. 2013): what is negative keeps a small gradient."""
    return torch.where(x > 0, x, slope * x)


def gelu(x: Tensor) -> Tensor:
    """x Φ(x), with the share Φ of a normal distribution that is smaller than x (Hendrycks and Gimpel 2016,
    https://arxiv.org/abs/1606.08415; BERT)."""
    return x * 0.5 * (1 + (x / math.sqrt(2)).erf())


def gelu_tanh(x: Tensor) -> Tensor:
    """GELU without an error function: x/2 (1 + tanh(√(2/π) (x + 0.044715 x³))) (the same paper; GPT-2)."""
    return x * 0.5 * (1 + (math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)).tanh())


def silu(x: Tensor) -> Tensor:
    """x σ(x), called swish too (https://arxiv.org/abs/1710.05941; Llama, within SwiGLU)."""
    return x * x.sigmoid()


class FeedForward(nn.Module):
    """f(x W₁ + b₁) W₂ + b₂ (Vaswani et al. 2017, section 3.3).

    Args:
        width: of the states.
        inner: neurons between; four times the width in the paper.
        activation: f.
    """

    def __init__(self, width: int, inner: int, activation: Activation = relu) -> None:
        super().__init__()
        self.up = nn.Linear(width, inner)
        self.down = nn.Linear(inner, width)
        self.activation = activation

    def forward(self, states: Tensor) -> Tensor:
        """Shape (..., width) to the same."""
        return self.down(self.activation(self.up(states)))


class GatedFeedForward(nn.Module):
    """(f(x W) ⊙ x V) W₂ without biases: SwiGLU with `silu` (Shazeer 2020, https://arxiv.org/abs/2002.05202; Llama).

    Of as many parameters as `FeedForward` with two thirds of its neurons.

    Args:
        width: of the states.
        inner: neurons between.
        activation: f, of what opens and closes the neurons.
    """

    def __init__(self, width: int, inner: int, activation: Activation = silu) -> None:
        super().__init__()
        self.gate = nn.Linear(width, inner, bias=False)
        self.up = nn.Linear(width, inner, bias=False)
        self.down = nn.Linear(inner, width, bias=False)
        self.activation = activation

    def forward(self, states: Tensor) -> Tensor:
        """Shape (..., width) to the same."""
        return self.down(self.activation(self.gate(states)) * self.up(states))
