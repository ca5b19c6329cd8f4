"""Dropout whose random numbers cost a fifth, on the CPU.

torch draws one float for each element from a serial generator; for a small encoder that is a tenth of a training step.
Here one 64-bit draw of the same generator decides four elements, 16 bits each. The probability is exact to 1/65,536,
and as torch's generator is used, a resumed run draws the same masks.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from nlpkit.training.trainer_features import TrainerFeature

STEPS = 2**16


class _Dropout(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, p: float) -> torch.Tensor:
        draws = torch.empty((x.numel() + 3) // 4, dtype=torch.int64).random_(-(2**63), None)
        keep = draws.view(torch.int16)[: x.numel()].view(x.shape) >= round(p * STEPS) - STEPS // 2
        ctx.save_for_backward(keep)
        ctx.scale = 1 / (1 - p)
        # the same product serves both ways: elements, mask, scale
        return torch.ops.aten.native_dropout_backward(x, keep, ctx.scale)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:
        (keep,) = ctx.saved_tensors
        return torch.ops.aten.native_dropout_backward(gradients[0], keep, ctx.scale), None


class CpuDropout(nn.Dropout):
    """nn.Dropout for CPU tensors (Srivastava et al. 2014, JMLR 15); other tensors get the usual one."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Zero elements with probability `p` and scale the others by 1 / (1 - p), in training; shape as given."""
        # compiled code draws within its own loops, and would be broken off at each of these
        usual = not self.training or self.p == 0 or self.p == 1 or x.device.type != "cpu"
        if usual or torch.compiler.is_compiling():
            return super().forward(x)
        return _Dropout.apply(x, self.p)


_usual = F.dropout


def _dropout(input: torch.Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> torch.Tensor:
    """As torch.nn.functional.dropout."""
    usual = not training or inplace or not 0 < p < 1 or input.device.type != "cpu"
    if usual or torch.compiler.is_compiling():
        return _usual(input, p, training, inplace)
    made: torch.Tensor = _Dropout.apply(input, p)
    return made


class CheapDropout(TrainerFeature):
    """Trains with `CpuDropout`, which stays: in evaluation it does nothing."""

    replaces = True

    def change_model(self, model: Any) -> None:
        use_cpu_dropout(model)

    def attach(self, trainer: Any) -> None:
        # what is computed again in the backward pass has to draw as the forward pass did, outside of the block
        self.replaces = not trainer.args.gradient_checkpointing

    @contextmanager
    def forward_pass(self) -> Iterator[None]:
        """With layers that call the function (BART, Marian) as those that have a module for it."""
        usual = F.dropout
        if self.replaces:
            F.dropout = _dropout
        try:
            yield
        finally:
            F.dropout = usual


def use_cpu_dropout(model: nn.Module) -> None:
    """Replace every nn.Dropout of a model in place."""
    for module in list(model.modules()):
        for name, child in module.named_children():
            if type(child) is nn.Dropout:
                setattr(module, name, CpuDropout(child.p).train(child.training))
