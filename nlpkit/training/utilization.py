"""How much of a GPU's arithmetic a training step can use, told before the first one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from nlpkit import process
from nlpkit.hardware import toolchain
from nlpkit.hardware.devices import Device, matmul_rate
from nlpkit.options import MOST_ROWS, BatchOptions, TrainingOptions

REACHED = 0.6  # of the rate of a large matrix product, by a step that is bound by its arithmetic
# Kernels of forward and backward, counted operator by operator (all but views and empty tensors) with transformers 5.23
# and torch 2.13: BERT, RoBERTa and DistilBERT have 111 to 115 a layer under autocast, which casts weights and inputs,
# ModernBERT 82, DeBERTa-v2 169; in float32 68 to 72, 56 and 128. The rest are embeddings, head and loss.
A_LAYER = {"fp32": 72, "tf32": 72, "bf16": 115, "fp16": 115}
THE_REST = {"fp32": 50, "tf32": 50, "bf16": 60, "fp16": 60}
AN_UPDATE = 15  # clipping and fused AdamW
# that Python and the driver need for a kernel, where the GPU is done before the next one comes: 6 to 8 us are usual
LAUNCH_SECONDS = 7e-6
MOST_TIMES = 8  # that a batch is named which is larger: it takes other learning rates, and memory
STEPS_AN_EPOCH = 16  # that a larger batch should leave, or the model hardly learns
WORTH_COMPILING = 120.0  # seconds of training: compiling takes about a minute


@dataclass(frozen=True)
class Step:
    """What an optimizer step is made of.

    Attributes:
        flops: operations of forward and backward.
        rate: of matrix products on the device, in FLOP/s.
        kernels: that are launched one by one; 0 where that is not what takes time.
    """

    flops: float
    rate: float
    kernels: int = 0

    @property
    def computing(self) -> float:
        """Seconds of its arithmetic."""
        return self.flops / (REACHED * self.rate)

    @property
    def launching(self) -> float:
        """Seconds of starting its kernels."""
        return self.kernels * LAUNCH_SECONDS

    @property
    def seconds(self) -> float:
        """Of the step: one goes on beside the other."""
        return max(self.computing, self.launching)

    @property
    def share(self) -> float:
        """Of the rate that the device reaches in matrix products."""
        return self.flops / self.rate / self.seconds


def estimated(config: TrainingOptions, device: Device, model: Any, flops: float) -> Step:
    """The step of a run.

    Args:
        model: a transformers model.
        flops: of all batches of the step, forward and backward.
    """
    layers = getattr(model.config, "num_hidden_layers", None)
    kernels = 0
    # compiled, there are fewer, and how many depends on the compiler
    if device.name.startswith("cuda") and layers and config.compile is not True:
        a_batch = A_LAYER[device.precision] * layers + THE_REST[device.precision]
        kernels = config.gradient_accumulation_steps * a_batch + AN_UPDATE
    return Step(flops, matmul_rate(device), kernels)


def described(config: TrainingOptions, step: Step, steps: int, rows: int | None) -> str:
    """What stands in the plan behind the device: nothing, unless launching kernels takes longer than computing them.

    Args:
        steps: of the run.
        rows: that are trained on, None where that is not known.
    """
    if step.launching <= step.computing:
        return ""
    used = f"about {100 * step.share:.0f} %" if step.share >= 0.01 else "less than 1 %"
    seconds = min(steps * step.seconds, 60 * (config.max_minutes or math.inf))
    compiles = seconds >= WORTH_COMPILING and toolchain.missing_to_compile("cuda") is None
    ways = [*_larger(config, step, rows), *(["--compile"] if compiles else [])]
    more = f"{' or '.join(ways)} would use more" if ways else "its kernels take longer to launch than to run"
    return f"; {used} of this GPU's peak at {config.batch_size} rows: {more}"


def _larger(config: BatchOptions, step: Step, rows: int | None) -> list[str]:
    """The flags of a batch for which computing takes as long as launching, as far as the rows allow."""
    wanted = min(math.ceil(math.log2(step.launching / step.computing)), MOST_TIMES.bit_length() - 1)
    accumulated = config.gradient_accumulation_steps
    if accumulated % 2 == 0:  # first what leaves the steps as they are
        times = 2 ** min(wanted, (accumulated & -accumulated).bit_length() - 1)
        flags = f"--batch-size {config.batch_size * times} --gradient-accumulation-steps {accumulated // times}"
        return [flags] if config.batch_size * times <= MOST_ROWS else []
    an_epoch = (rows or 0) // (config.batch_size * accumulated * process.world_size())
    room = an_epoch // STEPS_AN_EPOCH if rows is not None else 2**wanted
    times = 2 ** min(wanted, max(room, 1).bit_length() - 1)
    return [f"--batch-size {config.batch_size * times}"] if 1 < times <= MOST_ROWS // config.batch_size else []
