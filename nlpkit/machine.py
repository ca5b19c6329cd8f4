"""What the machine is: processor, memory, GPUs, and how much of them this process may use.

What Linux says is read below `root`, so that a machine can be described that is not this one.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path("/")
# vector and matrix instructions that the kernels of oneDNN, MKL, XNNPACK and ONNX Runtime choose by
FEATURES = (
    "avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_tile", "amx_int8", "amx_bf16",
    "neon", "asimd", "asimddp", "bf16", "i8mm", "sve", "sve2", "sme",
)  # fmt: skip
# our name -> that of `nvidia-smi --query-gpu`, and the factor to our unit (None: a text)
GPU_FIELDS: dict[str, tuple[str, int | None]] = {
    "name": ("name", None),
    "memory_bytes": ("memory.total", 1024**2),
    "driver": ("driver_version", None),
    "compute_capability": ("compute_cap", None),
    "mhz": ("clocks.sm", 1),
    "max_mhz": ("clocks.max.sm", 1),
    "watts": ("power.draw", 1),
    "max_watts": ("power.limit", 1),
    "default_watts": ("power.default_limit", 1),
    "pci": ("pci.bus_id", None),
}
GPU_SECONDS = 10.0  # a driver that has to wake its GPUs takes a few
# Why the clock of a GPU is not as high as it goes: bits of NVML's nvmlClocksEventReasons, without those of one that has
# nothing to do, or whose clock was set
SLOWED = {
    0x04: "power limit",
    0x08: "hardware slowdown",
    0x10: "clocks kept like those of other GPUs",
    0x20: "temperature (software)",
    0x40: "temperature (hardware)",
    0x80: "power supply",
    0x100: "clocks of a display",
}
SLOWED_FIELDS = ("clocks_event_reasons.active", "clocks_throttle_reasons.active")  # newer drivers, older ones


def processor(root: Path = ROOT) -> dict[str, Any]:
    """Model, cores and clock of the CPU.

    Returns:
        `model`, `vendor`, `architecture`; `physical_cores`, `logical_cores`, `usable_cores` (those that the process
        may run on); `features` (of `FEATURES`; Linux); `governor`, `mhz`, `max_mhz` and `virtual` (whether it is a
        virtual machine), each None where the system does not tell.
    """
    import psutil

    fields = _cpuinfo(root)
    flags = (fields.get("flags") or fields.get("Features") or "").split()
    clock = root / "sys/devices/system/cpu/cpu0/cpufreq"
    return {
        "model": _model(fields),
        "vendor": fields.get("vendor_id"),
        "architecture": platform.machine(),
        "physical_cores": psutil.cpu_count(logical=False),
        "logical_cores": psutil.cpu_count(),
        "usable_cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "features": [name for name in FEATURES if name in flags],
        "governor": _text(clock / "scaling_governor"),
        "mhz": _kilo(clock / "scaling_cur_freq") or _rounded(fields.get("cpu MHz")),
        "max_mhz": _kilo(clock / "cpuinfo_max_freq"),
        "virtual": "hypervisor" in flags if fields.get("flags") else None,  # only x86 has such a flag
    }


def threads(root: Path = ROOT) -> tuple[int, str | None]:
    """How many threads this process is to compute with, and what says so where that is not the cores it may run on.

    The least of these cores, the CPU time that control groups leave it, and OMP_NUM_THREADS.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limits: list[tuple[int, str | None]] = [(cores, None)]
    limits += [
        (max(math.ceil(quota / period), 1), f"CPU limit {quota / period:g}")
        for quota, period in _quotas(root)
        if quota > 0 and period > 0
    ]
    named = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    # torchrun sets 1 for each of its processes where the user has set nothing
    by_torchrun = "TORCHELASTIC_RUN_ID" in os.environ and named == "1"
    if named.isdecimal() and int(named) > 0 and not by_torchrun:
        limits.append((int(named), "OMP_NUM_THREADS"))
    return min(limits, key=lambda limit: limit[0])


def memory() -> dict[str, int]:
    """Bytes of main memory: `total_bytes`, and `available_bytes` without swapping."""
    import psutil

    physical = psutil.virtual_memory()
    return {"total_bytes": physical.total, "available_bytes": physical.available}


def limits(root: Path = ROOT) -> dict[str, Any]:
    """What the control groups of a container or a batch system leave of the machine (Linux).

    Returns:
        `cpus` (CPU seconds per second) and `memory_bytes`, each None where nothing is taken away.
    """
    import psutil

    shares = [quota / period for quota, period in _quotas(root) if quota > 0 and period > 0]
    sizes = [size for size in _sizes(root) if size < psutil.virtual_memory().total]
    cpus = min(shares, default=None)
    return {
        "cpus": cpus if cpus is not None and cpus < (os.cpu_count() or 1) else None,
        "memory_bytes": min(sizes, default=None),
    }


def has_nvidia_driver() -> bool:
    """Whether there is an NVIDIA driver, without asking it."""
    return Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi") is not None


def has_gpu() -> bool:
    """Whether there is a driver of NVIDIA's or AMD's, or a processor of Apple's, whose GPU torch uses."""
    of_apple = sys.platform == "darwin" and platform.machine() == "arm64"
    return of_apple or has_nvidia_driver() or Path("/dev/kfd").exists()


def gpus() -> list[dict[str, Any]]:
    """The NVIDIA GPUs of the machine as their driver describes them, whether or not torch can use them.

    Returns:
        For each the keys of `GPU_FIELDS`, None where the driver does not tell, and `slowed`, of `SLOWED` what keeps its
        clock down now; nothing without a driver.
    """
    lines = _asked_of_driver(",".join(field for field, _ in GPU_FIELDS.values()))
    if not lines:
        return []
    reasons = next(filter(None, map(_asked_of_driver, SLOWED_FIELDS)), [])
    return [
        {**_gpu(line), "slowed": _slowed(reason)}
        for line, reason in itertools.zip_longest(lines, reasons[: len(lines)], fillvalue="")
    ]


def _asked_of_driver(fields: str) -> list[str]:
    """The line of each GPU; none without a driver that answers, or where it does not know a field."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    command = [program, f"--query-gpu={fields}", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=GPU_SECONDS, check=True)
    except (OSError, subprocess.SubprocessError):
        return []  # the program is there, a driver that answers is not
    return [line for line in done.stdout.splitlines() if line.strip()]


def _slowed(bits: str) -> list[str] | None:
    try:
        active = int(bits.strip(), 16)
    except ValueError:
        return None  # [N/A], or the driver knows neither field
    return [reason for bit, reason in SLOWED.items() if active & bit]


def _gpu(line: str) -> dict[str, Any]:
    texts = [text.strip() for text in line.split(", ")]
    if len(texts) != len(GPU_FIELDS):  # of a GPU that has failed the driver says that it has
        return {**dict.fromkeys(GPU_FIELDS), "name": line.strip()}
    facts: dict[str, Any] = {}
    for (name, (_, factor)), text in zip(GPU_FIELDS.items(), texts, strict=True):
        facts[name] = None if text.startswith("[") else text  # [N/A], [Not Supported]
        if factor is not None:
            try:
                facts[name] = round(float(text) * factor)
            except ValueError:  # the same, or ERR!
                facts[name] = None
    return facts


def _cpuinfo(root: Path) -> dict[str, str]:
    """The first processor of /proc/cpuinfo; {} where there is none."""
    fields: dict[str, str] = {}
    for line in (_text(root / "proc/cpuinfo") or "").splitlines():
        name, colon, value = line.partition(":")
        if colon:
            fields.setdefault(name.strip(), value.strip())
    return fields


def _model(fields: dict[str, str]) -> str:
    if name := fields.get("model name"):
        return name
    if "CPU part" in fields:  # Arm has numbers in place of names
        return f"implementer {fields.get('CPU implementer')}, part {fields['CPU part']}"
    if platform.system() == "Darwin":
        command = ["sysctl", "-n", "machdep.cpu.brand_string"]
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            return subprocess.run(command, capture_output=True, text=True, timeout=5, check=True).stdout.strip()
    return platform.processor() or platform.machine()


def _quotas(root: Path) -> Iterator[tuple[int, int]]:
    """CPU time and the period it is for, in microseconds, of each control group that the process is in."""
    for folder in _groups(root, "cpu"):
        quota, _, period = (_text(folder / "cpu.max") or "").partition(" ")  # version 2
        if quota.isdecimal():
            yield int(quota), int(period)
        old, of = _text(folder / "cpu.cfs_quota_us"), _text(folder / "cpu.cfs_period_us")  # version 1; -1: no limit
        if old and of:
            yield int(old), int(of)


def _sizes(root: Path) -> Iterator[int]:
    for folder in _groups(root, "memory"):
        for name in ("memory.max", "memory.limit_in_bytes"):
            text = _text(folder / name) or ""
            if text.isdecimal():  # not `max`
                yield int(text)


def _groups(root: Path, controller: str) -> Iterator[Path]:
    """Folders of the control groups that the process is in, and of those around them."""
    for line in (_text(root / "proc/self/cgroup") or "").splitlines():
        number, controllers, path = line.split(":", 2)
        if number != "0" and controller not in controllers.split(","):
            continue
        mounted = root / "sys/fs/cgroup" / (controller if number != "0" else "")
        # in a container the path is often that of the host, and the mounted folder is the group itself
        group = mounted / path.strip("/")
        yield group
        yield from (folder for folder in group.parents if folder.is_relative_to(mounted))


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None


def _kilo(path: Path) -> int | None:
    text = _text(path)
    return round(int(text) / 1000) if text and text.isdecimal() else None


def _rounded(text: str | None) -> int | None:
    return round(float(text)) if text else None
