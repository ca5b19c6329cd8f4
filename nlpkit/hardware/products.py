"""Products of linear layers, also those of GPT-2, on a CPU, by the library that is the faster one there.

torch computes products in float32 with MKL. On AMD's processors with AVX-512 MKL keeps to older instructions, while
oneDNN, which torch brings as well, uses what is there: two to four times the rate for the layers of small encoders
(`benchmarks/products.py`). Both round differently by some 1e-7 of a number; neither is closer to the exact product.
"""

from __future__ import annotations

import functools
import os
import sys
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from nlpkit import machine

LEAST = 2**22  # multiplications: of fewer, calling oneDNN costs more than it saves
# oneDNN keeps what it has prepared for each shape, a megabyte or so, 1,024 times by default. Batches have many shapes;
# preparing anew costs a twentieth of the products of an encoder.
KEPT = 128


@functools.cache
def is_faster() -> bool:
    """Whether oneDNN is the faster library on this machine: an AMD processor with AVX-512, where torch has MKL."""
    return (
        torch.backends.mkl.is_available()
        and torch.backends.mkldnn.is_available()
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
        and torch.backends.cpu.get_cpu_capability() == "AVX512"
        and machine.processor().get("vendor") == "AuthenticAMD"
    )


def product(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    """x @ weight.T + bias by oneDNN, without gradients.

    Args:
        x: shape (..., in), float32 on the CPU.
        weight: shape (out, in).
        bias: shape (out,).
    """
    made: torch.Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    return made


def fastest(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    """x @ weight.T + bias by the library that is the faster one for it on this machine, without gradients.

    Args:
        x: shape (rows, in), of any type and on any device.
        weight: shape (out, in).
        bias: shape (out,).
    """
    if is_faster() and _suits(x, weight):
        return product(x, weight, bias)
    return F.linear(x, weight, bias)


class _Linear(torch.autograd.Function):
    """`product` of rows, x of shape (rows, in), with its gradients, which are products as well."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        ctx.save_for_backward(x, weight)
        return product(x, weight, bias)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        given = gradients[0].contiguous()  # a sum spreads one number over strides of 0
        of_x = of_weight = of_bias = None
        if ctx.needs_input_grad[0]:
            of_x = product(given, weight.t())
        if ctx.needs_input_grad[1]:
            of_weight = product(given.t(), x.t())
        if ctx.needs_input_grad[2]:
            of_bias = given.sum(0)
        return of_x, of_weight, of_bias


class CpuLinear(nn.Linear):
    """nn.Linear by oneDNN where that is meant to be faster: of enough float32 numbers on the CPU."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """As of nn.Linear: shape (..., in) to (..., out)."""
        return _by_rows(x, self.weight, self.bias) if _suits(x, self.weight) else super().forward(x)


@functools.cache
def _cpu_conv1d() -> Any:
    """As `CpuLinear`, of the layers of GPT-2, whose weights have the shape (in, out)."""
    from transformers.pytorch_utils import Conv1D

    class CpuConv1D(Conv1D):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            weight = self.weight.t()
            return _by_rows(x, weight, self.bias) if _suits(x, weight) else super().forward(x)

    return CpuConv1D


def _by_rows(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    """`product`, with gradients where they are wanted."""
    if not torch.is_grad_enabled():
        return product(x, weight, bias)
    # of rows, as of more dimensions oneDNN gives a view, which models could not change in place
    made: torch.Tensor = _Linear.apply(x.reshape(-1, x.shape[-1]), weight, bias)
    return made.view(*x.shape[:-1], len(weight))


def _suits(x: torch.Tensor, weight: torch.Tensor) -> bool:
    """Whether oneDNN can compute this product here, and calling it pays."""
    return (
        x.numel() * len(weight) >= LEAST
        and x.device.type == "cpu"
        and x.dtype == weight.dtype == torch.float32
        and type(x) is torch.Tensor
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()
        and not torch.jit.is_tracing()
    )


def use_faster(model: Any, *, always: bool = False) -> None:
    """Have the linear layers of a model compute with the faster library, in place; nothing else of them changes.

    Args:
        always: with oneDNN, whether or not it is faster on this machine.
    """
    if not always and not is_faster():
        return
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", str(KEPT))  # read at the first product
    layers = getattr(sys.modules.get("transformers.pytorch_utils"), "Conv1D", None)
    for module in model.modules():
        if type(module) is nn.Linear:
            module.__class__ = CpuLinear
        elif layers is not None and type(module) is layers:
            module.__class__ = _cpu_conv1d()
