"""Norms: what keeps states of one size from layer to layer. They differ in what the mean is taken over."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class LayerNorm(nn.Module):
    """(x - μ) / √(σ² + ε) · γ + β over the width of each token (Ba et al. 2016, https://arxiv.org/abs/1607.06450).

    No token's result hangs on another, nor on the batch.

    Args:
        width: of the states.
        epsilon: 1e-5 in torch, 1e-12 in BERT.
    """

    def __init__(self, width: int, epsilon: float = 1e-5) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))
        self.epsilon = epsilon

    def forward(self, states: Tensor) -> Tensor:
        """Shape (..., width) to the same."""
        centred = states - states.mean(dim=-1, keepdim=True)
        variance = centred.square().mean(dim=-1, keepdim=True)
        return centred / (variance + self.epsilon).sqrt() * self.weight + self.bias


class RMSNorm(nn.Module):
    """x / √(mean(x²) + ε) · γ: the size without the mean (Zhang and Sennrich 2019, https://arxiv.org/abs/1910.07467;
    T5, Llama).

    Args:
        width: of the states.
        epsilon: 1e-6 in T5 and Llama.
    """

    def __init__(self, width: int, epsilon: float = 1e-6) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.epsilon = epsilon

    def forward(self, states: Tensor) -> Tensor:
        """Shape (..., width) to the same."""
        return states / (states.square().mean(dim=-1, keepdim=True) + self.epsilon).sqrt() * self.weight


class BatchNorm(nn.Module):
    """(x - μ) / √(σ² + ε) · γ + β over all tokens of the batch, a mean for each number of the width (Ioffe and Szegedy
    2015, https://arxiv.org/abs/1502.03167).

    In training a token's result hangs on its neighbours in the batch, padding among them; afterwards the running mean
    of the training stands for them.

    Args:
        width: of the states.
        epsilon: 1e-5 in torch.
        momentum: share of a batch in the running mean; 0.1 in torch.
    """

    running_mean: Tensor
    running_variance: Tensor

    def __init__(self, width: int, epsilon: float = 1e-5, momentum: float = 0.1) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))
        self.register_buffer("running_mean", torch.zeros(width))
        self.register_buffer("running_variance", torch.ones(width))
        self.epsilon, self.momentum = epsilon, momentum

    def forward(self, states: Tensor) -> Tensor:
        """Shape (..., width) to the same."""
        mean, variance = self.running_mean, self.running_variance
        if self.training:
            tokens = states.flatten(end_dim=-2)
            mean, variance = tokens.mean(dim=0), tokens.var(dim=0, correction=0)
            with torch.no_grad():
                self.running_mean.lerp_(mean, self.momentum)
                self.running_variance.lerp_(tokens.var(dim=0), self.momentum)
        return (states - mean) / (variance + self.epsilon).sqrt() * self.weight + self.bias
