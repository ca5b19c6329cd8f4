"""Which device and arithmetic a run uses."""

from __future__ import annotations

import functools
import os
import time
from dataclasses import dataclass

from nlpkit import process
from nlpkit.errors import UserError
from nlpkit.measurement import machine
from nlpkit.measurement.timing import synchronizer
from nlpkit.options import DeviceOptions

# as the user set it, before a run narrows it to one GPU
_VISIBLE = os.environ.get("CUDA_VISIBLE_DEVICES")


RATE_SECONDS = 0.5  # that measuring the rate of matrix products may take


@dataclass(frozen=True)
class Device:
    """A chosen device.

    Attributes:
        name: as torch names it: cpu, cuda, mps.
        precision: fp32, bf16 or fp16.
        described: for people and records, with the chip's name and thread count.
    """

    name: str
    precision: str
    described: str


def choose(options: DeviceOptions) -> Device:
    """Resolve `--device`, `--precision` and `--threads`; call before anything touches CUDA.

    Raises:
        UserError: the device is not there, or it has no such arithmetic.
    """
    wanted, _, index = options.device.partition(":")
    if wanted not in ("auto", "cpu", "cuda", "mps") or (index and not (wanted == "cuda" and index.isdecimal())):
        raise UserError(f"--device '{options.device}': not a device", "Use auto, cpu, cuda, cuda:N or mps.")
    if process.world_size() == 1 and wanted in ("auto", "cuda"):
        # one process trains on one GPU: more would be driven by DataParallel; use torchrun or accelerate for those
        chosen = int(index or 0)
        visible = _VISIBLE.split(",") if _VISIBLE is not None else None
        if visible is None:
            os.environ["CUDA_VISIBLE_DEVICES"] = str(chosen)
        elif _VISIBLE and chosen >= len(visible):
            raise UserError(f"--device {options.device}: CUDA_VISIBLE_DEVICES={_VISIBLE} has no GPU {chosen}")
        elif _VISIBLE:
            os.environ["CUDA_VISIBLE_DEVICES"] = visible[chosen]
    import torch

    cores, why = machine.threads()
    # OMP_NUM_THREADS is for each process, what the machine leaves for all of them
    shared = cores if why == "OMP_NUM_THREADS" else max(cores // process.world_size(), 1)
    torch.set_num_threads(options.threads or shared)
    process.limit_tokenizers(torch.get_num_threads())
    found = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    name = wanted if wanted != "auto" else next(kind for kind in ("cuda", "mps", "cpu") if found[kind])
    if not found[name]:
        raise UserError(f"--device {options.device}: torch finds no such device here", "Use --device auto or cpu.")
    precision = options.precision
    if precision == "auto":
        precision = "fp32"
        if name == "cuda":
            precision = "bf16" if torch.cuda.is_bf16_supported() else "fp16"
    if precision == "fp16" and name == "cpu":
        raise UserError("--precision fp16 needs a GPU", "Use bf16 or fp32 on the CPU.")
    by = f" by {why}" if why and not options.threads else ""
    chip = torch.cuda.get_device_name() if name == "cuda" else f"{torch.get_num_threads()} threads{by}"
    return Device(name, precision, f"{name} ({chip}), {precision}")


@functools.cache
def matmul_rate(device: Device) -> float:
    """The dense matrix-product rate in FLOP/s that plans and MFU go by, measured once a process."""
    return measured_matmul_rate(device)


def measured_matmul_rate(device: Device) -> float:
    """Dense matrix-product rate here and now, in FLOP/s: the best of a few short chains of products.

    A chain, as a single product on a GPU would mostly measure its launch. A GPU is given larger ones as far as the time
    allows: an H200 reaches its rate at 8192 only, for which one without units for the arithmetic takes many seconds.
    """
    import torch

    sizes, chain = ((2048, 4096, 8192), 10) if device.name == "cuda" else ((768,), 1)
    kind = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[device.precision]
    wait = synchronizer(device.name)
    # random, as zeros and ones draw less power and let a GPU clock higher; not from the random numbers of the run
    generator = torch.Generator(device.name).manual_seed(0)
    best, spent = 0.0, 0.0
    for size in sizes:
        operations = 2 * chain * size**3
        if best and spent + operations / best > RATE_SECONDS:
            break
        a = torch.randn(size, size, device=device.name, dtype=kind, generator=generator) / size**0.5
        product = a @ a  # for which libraries are loaded
        for _ in range(3):
            if best and spent + operations / best > RATE_SECONDS:
                break
            wait()
            start = time.perf_counter()
            for _ in range(chain):
                product = product @ a
            wait()
            seconds = time.perf_counter() - start
            best, spent = max(best, operations / seconds), spent + seconds
    return best
