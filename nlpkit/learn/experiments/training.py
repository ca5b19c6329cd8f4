"""How every variant is trained, and how it is judged: one loop, without anything that a variant could profit from.

Gradients are not clipped: clipping mends what warm-up and the place of the norm are compared by.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from nlpkit.hardware.timing import synchronizer
from nlpkit.learn.experiments.text import Windows
from nlpkit.learn.pieces.schedules import linear

POINTS = 10  # of a curve
DECAY = 0.01  # of the weights, as AdamW has it by default
JUDGED_TOGETHER = 64  # windows


@dataclass(frozen=True)
class Course:
    """What a training came to.

    Attributes:
        curve: steps so far, from 0 on, and the loss of the first part there: see `judge`.
        losses: of all parts, at the end.
        seconds: of the steps, without those in which it was judged.
        seconds_judged: those, of one point of the curve.
    """

    curve: list[tuple[int, float]]
    losses: list[float]
    seconds: float
    seconds_judged: float


@dataclass(frozen=True)
class Schedule:
    """How a model is trained.

    Attributes:
        steps: of the optimizer.
        rate: the highest learning rate, of AdamW.
        warmup: share of the steps in which the rate rises to it; after that it goes down to 0 in a straight line.
        precision: fp32, tf32, bf16 or fp16, in which products are computed; weights stay float32.
    """

    steps: int
    rate: float
    warmup: float
    precision: str


def train(
    model: nn.Module, batches: Iterator[Windows], schedule: Schedule, judged: Windows, ends: Sequence[int]
) -> Course:
    """Train a model on the device where it is; it ends early where the loss is no number any more.

    Args:
        model: bytes, shape (batch, length), to logits, shape (batch, length, 256).
        batches: without end.
        judged, ends: see `judge`.
    """
    device = next(model.parameters()).device.type
    optimizer = torch.optim.AdamW(model.parameters(), lr=schedule.rate, weight_decay=DECAY)
    scaler = torch.amp.GradScaler(device, enabled=schedule.precision == "fp16")  # gradients of fp16 underflow
    synchronize = synchronizer(device)
    steps, seconds = schedule.steps, 0.0
    losses = judge(model, judged, ends, schedule.precision)
    curve, seconds_judged = [(0, losses[0])], 0.0
    shown = {max(round(steps * point / POINTS), 1) for point in range(1, POINTS + 1)}
    for step in range(1, steps + 1):
        began = time.perf_counter()
        for group in optimizer.param_groups:
            group["lr"] = schedule.rate * linear(step - 1, steps, round(schedule.warmup * steps))
        inputs, targets = (part.to(device) for part in next(batches))
        with autocast(device, schedule.precision):
            loss = F.cross_entropy(model(inputs).flatten(0, 1).float(), targets.flatten())
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad()
        synchronize()
        seconds += time.perf_counter() - began
        if step in shown:
            began = time.perf_counter()
            losses = judge(model, judged, ends, schedule.precision)
            seconds_judged += time.perf_counter() - began
            curve.append((step, losses[0]))
            if not math.isfinite(losses[0]):
                break
    return Course(curve, losses, seconds, seconds_judged / (len(curve) - 1))


@torch.no_grad()
def judge(model: nn.Module, windows: Windows, ends: Sequence[int], precision: str = "fp32") -> list[float]:
    """Nats a byte in each part of the windows.

    Args:
        windows: bytes that are read and those that come next, each of shape (windows, length).
        ends: where the parts end, the last one at the length: at (64, 128) they are bytes 1 to 64, and 65 to 128.
    """
    device = next(model.parameters()).device.type
    model.eval()
    sums, count = torch.zeros(windows[0].shape[1], dtype=torch.float64), len(windows[0])
    for inputs, targets in zip(*(part.split(JUDGED_TOGETHER) for part in windows), strict=True):
        with autocast(device, precision):
            logits = model(inputs.to(device)).float()
        each = F.cross_entropy(logits.transpose(1, 2), targets.to(device), reduction="none")
        sums += each.double().sum(0).cpu()
    model.train()
    return [float(sums[start:end].mean()) / count for start, end in itertools.pairwise((0, *ends))]


def autocast(device: str, precision: str) -> contextlib.AbstractContextManager[object]:
    """Where products are computed in half precision, if they are."""
    if precision not in ("bf16", "fp16"):
        return contextlib.nullcontext()
    return torch.autocast(device, torch.bfloat16 if precision == "bf16" else torch.float16)
