"""Options of where the arithmetic is done."""

from __future__ import annotations

from typing import Literal

from nlpkit.options.declaring import Config, option
from nlpkit.options.values import MOST_THREADS


class DeviceOptions(Config):
    """Where the arithmetic is done."""

    device: str = option("auto", "auto, cpu, cuda, cuda:1, mps.", panel="Device", metavar="NAME")
    precision: Literal["auto", "fp32", "tf32", "bf16", "fp16"] = option(
        "auto", "Arithmetic of the forward pass.", panel="Device", shown_default="bf16 or fp16 on GPU, fp32 on CPU"
    )
    threads: int | None = option(
        None,
        "CPU threads of torch.",
        panel="Device",
        ge=1,
        le=MOST_THREADS,
        shown_default="as cores, CPU time and OMP_NUM_THREADS allow",
    )
