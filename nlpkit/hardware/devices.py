"""Which device and arithmetic a run uses."""

from __future__ import annotations

import functools
import importlib.util
import os
import re
import sys
from dataclasses import dataclass
from typing import Any, NamedTuple

from nlpkit import machine, process, reporting
from nlpkit.errors import UserError
from nlpkit.hardware import arithmetic
from nlpkit.hardware.timing import synchronizer, timed
from nlpkit.options import DeviceOptions, TrainingOptions
from nlpkit.reporting import counted

ARCHITECTURE = re.compile(r"(sm|compute)_(\d+)")  # as torch names what it has kernels for
RATE_SECONDS = 0.5  # that measuring the rate of matrix products may take
# "1 of 0,1": that CUDA_VISIBLE_DEVICES was narrowed to 1, and what it was before; for processes that this one starts
_NARROWED = "NLPKIT_VISIBLE_GPU"
_SHOWN_BY = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES")
_used: str | None = None  # CUDA_VISIBLE_DEVICES as this process asked CUDA with it, which reads it once


@dataclass(frozen=True)
class Device:
    """A chosen device.

    Attributes:
        name: its kind as torch names it: cpu, cuda, mps. Of several GPUs that a process sees, cuda is its own one.
        precision: fp32, tf32, bf16 or fp16.
        described: for people and records, with the chip's name and thread count.
        index: of a GPU, among those that the process sees.
    """

    name: str
    precision: str
    described: str
    index: int | None = None


def choose(options: DeviceOptions) -> Device:
    """Resolve `--device`, `--precision` and `--threads`; call before anything touches CUDA.

    From here on "cuda" is the GPU of this process: of several, the one of its LOCAL_RANK.

    Raises:
        UserError: the device is not there, it has no such arithmetic, or the process works on another GPU already.
    """
    wanted, index = _parsed(options.device)
    several = process.world_size() > 1
    if several and index:
        raise UserError(
            f"--device {options.device}: of several processes each takes the GPU of its LOCAL_RANK",
            "Leave the number out; CUDA_VISIBLE_DEVICES=0,2 says which GPUs there are.",
        )
    if several and wanted == "mps":
        raise UserError("--device mps is for one process: several cannot train together there", "Use --device cpu.")
    if process.launched_for_cpu():
        if wanted not in ("auto", "cpu"):
            raise UserError(f"--device {options.device}: `accelerate launch` was asked for the CPU", "Leave out --cpu.")
        wanted = "cpu"
    process.prepare_gpus(deterministic=isinstance(options, TrainingOptions) and options.full_determinism)
    if several:
        _widen()  # what began them may have worked on one
    narrowed = _narrow(int(index or 0), options.device) if wanted in ("auto", "cuda") and not several else None
    import torch

    threads, by = _threads(options)
    torch.set_num_threads(threads)
    process.limit_tokenizers(threads)
    mps = torch.backends.mps.is_available() and not several
    available = {"cuda": torch.cuda.is_available(), "mps": mps, "cpu": True}
    name = wanted if wanted != "auto" else next(kind for kind in ("cuda", "mps", "cpu") if available[kind])
    if not available["cuda"]:
        _widen()
    if not available[name]:
        raise _no_such_device(options.device, name, index)
    if wanted == "auto" and name != "cuda":
        _tell_of_unused_gpus()
    number = _take_gpu(narrowed) if name == "cuda" else None
    if number is not None and (lacking := _without_kernels(number)):
        if wanted == "cuda" or several:
            raise UserError(f"--device {options.device}: {lacking}", "pytorch.org says which has; or --device cpu.")
        reporting.current().warn(f"{lacking}; the CPU is used")
        name, number = "cpu", None
    precision = arithmetic.choose(options.precision, name)
    chip = torch.cuda.get_device_name() if name == "cuda" else f"{counted(threads, 'thread', 'threads')}{by}"
    return Device(name, precision, f"{name} ({chip}), {precision}", number)


class Cpu(NamedTuple):
    """The CPU, for what runs there without torch."""

    device: Device
    threads: int


def only_cpu(options: DeviceOptions) -> bool:
    """Whether the CPU alone can be meant, as it is named, or as torch, which knows of GPUs, or a GPU is not there."""
    wanted, _ = _parsed(options.device)
    if wanted == "auto" and not process.launched_for_cpu():
        return not machine.has_gpu() or importlib.util.find_spec("torch") is None
    return wanted in ("auto", "cpu")


def cpu(options: DeviceOptions) -> Cpu:
    """The CPU as `choose` gives it, without torch; where `only_cpu`.

    Raises:
        UserError: it has no such arithmetic.
    """
    threads, by = _threads(options)
    process.limit_tokenizers(threads)
    precision = arithmetic.choose(options.precision, "cpu")
    described = f"cpu ({counted(threads, 'thread', 'threads')}{by}), {precision}"
    if options.device == "auto" and machine.has_gpu():
        reporting.current().note("--device auto: the CPU is used, as torch, which finds GPUs, is not installed")
    return Cpu(Device("cpu", precision, described), threads)


def _threads(options: DeviceOptions) -> tuple[int, str]:
    """How many threads this process computes with, and what says so, as the end of a description."""
    cores, why = machine.threads()
    # OMP_NUM_THREADS is for each process, what the machine leaves for all of them
    shared = cores if why == "OMP_NUM_THREADS" else max(cores // process.local_world_size(), 1)
    return options.threads or shared, f" by {why}" if why and not options.threads else ""


def require(options: DeviceOptions) -> None:
    """See that `--device` names one that is there; for a process that computes nothing, as it takes no memory of a GPU.

    Raises:
        UserError: it does not.
    """
    wanted, index = _parsed(options.device)
    if wanted in ("auto", "cpu") or _used is not None:  # CUDA tells a process that works on a GPU of no other
        return
    process.prepare_gpus()
    import torch

    there = torch.cuda.device_count() if wanted == "cuda" else int(torch.backends.mps.is_available())
    if int(index or 0) >= there:
        raise _no_such_device(options.device, wanted, index)


def _parsed(device: str) -> tuple[str, str]:
    """The kind of a device and its number, "" where none is named.

    Raises:
        UserError: it is none.
    """
    wanted, _, index = device.partition(":")
    if wanted not in ("auto", "cpu", "cuda", "mps") or (index and not (wanted == "cuda" and index.isdecimal())):
        raise UserError(f"--device '{device}': not a device", "Use auto, cpu, cuda, cuda:N or mps.")
    return wanted, index


def _narrow(chosen: int, device: str) -> str | None:
    """Leave this process one GPU: more would be driven by DataParallel, for which there are torchrun and accelerate.

    Returns:
        What CUDA_VISIBLE_DEVICES is now; None where the user has left no GPU.

    Raises:
        UserError: there is no such GPU among those that the user has left, or the process works on another already.
    """
    before = visible()
    if before == "":
        return None
    left = before.split(",") if before is not None else None
    if left is not None and chosen >= len(left):
        raise UserError(
            f"--device {device}: CUDA_VISIBLE_DEVICES={before} has no GPU {chosen}", "Its GPUs are counted from 0."
        )
    target = left[chosen].strip() if left else str(chosen)
    if target != (_used or target):
        raise UserError(
            f"--device {device}: this process works on GPU {_used} since an earlier run, and CUDA gives it no other",
            "Begin a process of its own for another GPU.",
        )
    torch: Any = sys.modules.get("torch")
    if _used is None and torch and torch.cuda.is_initialized() and os.environ.get("CUDA_VISIBLE_DEVICES") != target:
        if chosen or torch.cuda.device_count() > 1:
            raise UserError(
                f"--device {device}: CUDA is in use in this process, with {torch.cuda.device_count()} GPUs; a run "
                "works on one",
                f"Set CUDA_VISIBLE_DEVICES={target} before the process begins.",
            )
        return target  # it has this one only
    os.environ[_NARROWED] = f"{target} of {'all' if before is None else before}"
    os.environ["CUDA_VISIBLE_DEVICES"] = target
    return target


def visible() -> str | None:
    """CUDA_VISIBLE_DEVICES as the user has set it: before a run narrowed it here, or in the process that began this."""
    narrowed, _, before = os.environ.get(_NARROWED, "").partition(" of ")
    now = os.environ.get("CUDA_VISIBLE_DEVICES")
    if not before or now != narrowed:
        return now
    return None if before == "all" else before


def _widen() -> None:
    """Take back what `_narrow` did, here or in the process that began this."""
    before = visible()
    if os.environ.pop(_NARROWED, None) is None:
        return
    os.environ.pop("CUDA_VISIBLE_DEVICES", None)
    if before is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = before


def _no_such_device(device: str, name: str, index: str) -> UserError:
    gpus = machine.gpus() if name == "cuda" else []
    if index and visible() is None and 0 < len(gpus) <= int(index):
        last = f" to cuda:{len(gpus) - 1}" if len(gpus) > 1 else ""
        return UserError(f"--device {device}: there is no such GPU", f"The machine has cuda:0{last}.")
    why = f": {why_unused()}" if gpus and visible() is None else ""
    return UserError(f"--device {device}: torch finds no such device here{why}", "Use --device auto or cpu.")


def why_unused() -> str:
    """Why torch does not find a GPU that the driver lists."""
    import torch

    if torch.version.cuda is None:
        return "it is built without CUDA (pytorch.org says which to install)"
    return f"it is built for CUDA {torch.version.cuda}, which the driver may be too old for"


@functools.cache
def _tell_of_unused_gpus() -> None:
    """Say once that the CPU works although there is a GPU: nobody would see it but by the time that it takes."""
    if visible() is None and machine.has_nvidia_driver() and (gpus := machine.gpus()):
        reporting.current().warn(f"torch does not find the GPU of this machine ({gpus[0]['name']}): {why_unused()}")


def _take_gpu(narrowed: str | None) -> int:
    """Make "cuda" the GPU of this process, before anything is placed; its number among those that it sees.

    Raises:
        UserError: there are more processes than GPUs, what began them does not number them, or CUDA gives another GPU.
    """
    import torch

    global _used
    if process.world_size() == 1:
        _require_own_gpu(narrowed)
        _used = narrowed
        return 0
    rank, count = process.local_rank(), torch.cuda.device_count()
    if rank is None:
        raise UserError(
            "WORLD_SIZE is set, LOCAL_RANK is not: no process would know its GPU",
            f"Begin them with torchrun --nproc-per-node {count} -m nlpkit ...",
        )
    # a batch system may show each process one GPU, its own, by one of these variables
    own = count == 1 and any(os.environ.get(name) for name in _SHOWN_BY)
    if rank >= count and not own:
        raise UserError(
            f"{process.local_world_size()} processes on a machine where torch finds "
            f"{reporting.counted(count, 'GPU', 'GPUs')}",
            f"Begin as many: torchrun --nproc-per-node {count} -m nlpkit ...",
        )
    number = rank % count
    os.environ["LOCAL_RANK"] = str(number)  # accelerate takes it for the number of a GPU, in DDP and where it waits
    torch.cuda.set_device(number)
    return number


def _without_kernels(number: int) -> str | None:
    """In words, that torch was built without kernels for a GPU: every one would fail."""
    import torch

    major, minor = torch.cuda.get_device_capability(number)
    codes = [match for match in map(ARCHITECTURE.match, torch.cuda.get_arch_list()) if match]
    if torch.version.cuda is None or not codes:
        return None
    # binaries run on later GPUs of the same major version, PTX is compiled for any later one
    runs = [
        10 * major + minor >= int(code[2]) and (code[1] == "compute" or int(code[2]) // 10 == major) for code in codes
    ]
    if any(runs):
        return None
    return (
        f"torch {torch.__version__} has no kernels for {torch.cuda.get_device_name(number)} (compute capability "
        f"{major}.{minor}), but for {', '.join(code[0] for code in codes)}"
    )


def _require_own_gpu(narrowed: str | None) -> None:
    """See that CUDA has taken notice: it reads its variables when it is first asked, which may have been before.

    Raises:
        UserError: it has not.
    """
    import torch

    count = torch.cuda.device_count()
    if count > 1:
        raise UserError(
            f"torch finds {count} GPUs where CUDA_VISIBLE_DEVICES={narrowed} names one",
            "Let HIP_VISIBLE_DEVICES, or what began the process, leave it one.",
        )
    number = int(narrowed) if narrowed and narrowed.isdecimal() else 0
    if number == 0 or os.environ.get("CUDA_DEVICE_ORDER") != "PCI_BUS_ID":
        return
    known, place = machine.gpus(), address(torch.cuda.get_device_properties(0))
    if place and number < len(known) and known[number]["pci"] not in (None, place):
        raise UserError(
            f"GPU {number} is asked for, and CUDA gives this process another: it was asked for GPUs before the run",
            f"Set CUDA_VISIBLE_DEVICES={narrowed} before the process begins.",
        )


def address(properties: Any) -> str | None:
    """The PCI address of a GPU as its driver writes it, 00000000:3B:00.0, of what torch tells of it."""
    if not hasattr(properties, "pci_bus_id"):  # a build for ROCm
        return None
    return f"{properties.pci_domain_id:08X}:{properties.pci_bus_id:02X}:{properties.pci_device_id:02X}.0"


def moved(began: Any, device: Device) -> str | None:
    """In words, that a run goes on with another chip or arithmetic than it began with; threads are none.

    Args:
        began: what its record says, see `Device.described`.
    """
    if not isinstance(began, str) or (before := without_threads(began)) == (now := without_threads(device.described)):
        return None
    return (
        f"the run began with {before} and goes on with {now}: its weights will not be those of a run without the "
        "interruption"
    )


def without_threads(described: str) -> str:
    """A device as it is described, see `Device.described`, but for its threads and what said how many."""
    return re.sub(r" \(\d+ threads?[^)]*\)", "", described)


@functools.cache
def matmul_rate(device: Device) -> float:
    """The dense matrix-product rate in FLOP/s that plans and MFU go by, measured once per process."""
    return measured_matmul_rate(device)


def measured_matmul_rate(device: Device) -> float:
    """Dense matrix-product rate here and now, in FLOP/s: the best of a few short chains of products.

    A chain, as a single product on a GPU would mostly measure its launch. A GPU is given larger ones as far as the time
    allows: an H200 reaches its rate at 8192 only, for which one without units for the arithmetic takes many seconds.
    """
    import torch

    from nlpkit.hardware import products

    sizes, chain = ((2048, 4096, 8192), 10) if device.name == "cuda" else ((768,), 1)
    kind = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(device.precision, torch.float32)
    wait = synchronizer(device.name)

    by_one_dnn = device.name == "cpu" and kind == torch.float32 and products.is_faster()

    def chained(a: torch.Tensor, count: int) -> None:
        product = a
        for _ in range(count):
            product = products.product(product, a) if by_one_dnn else product @ a

    # random, as zeros and ones draw less power and let a GPU clock higher; not from the random numbers of the run
    generator = torch.Generator(device.name).manual_seed(0)
    best, spent = 0.0, 0.0
    for size in sizes:
        operations = 2 * chain * size**3
        if best and spent + operations / best > RATE_SECONDS:
            break
        a = torch.randn(size, size, device=device.name, dtype=kind, generator=generator) / size**0.5
        chained(a, 1)  # for which libraries are loaded
        for _ in range(3):
            if best and spent + operations / best > RATE_SECONDS:
                break
            (seconds,) = timed([functools.partial(chained, a, chain)], 1, wait)
            best, spent = max(best, operations / seconds), spent + seconds
    return best
