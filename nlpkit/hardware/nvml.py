"""What NVIDIA's driver tells of the GPU that torch uses: memory by process, energy and power, through NVML."""

from __future__ import annotations

import contextlib
import importlib.util
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from nlpkit import machine


class Gpu:
    """A GPU, as the driver knows it.

    Args:
        nvml: the module pynvml.
        handle: of the GPU.
    """

    def __init__(self, nvml: Any, handle: Any) -> None:
        self._nvml, self._handle = nvml, handle

    def processes(self) -> dict[int, int | None]:
        """Bytes that each process has there, by its id; None where the driver does not tell (Windows).

        In a container the ids may be those of the machine around it, or there may be none.
        """
        processes = self._nvml.nvmlDeviceGetComputeRunningProcesses(self._handle)
        return {process.pid: process.usedGpuMemory for process in processes}

    def own_bytes(self) -> int | None:
        """Of this process, CUDA's context with it; None where the driver does not tell them apart."""
        with contextlib.suppress(self._nvml.NVMLError):
            return self.processes().get(os.getpid())
        return None

    def strangers(self) -> list[int] | None:
        """Other processes there, but for relatives of this one; None where it cannot be told, as this process is not
        among those that the driver names though it uses the GPU."""
        try:
            processes = self.processes()
        except self._nvml.NVMLError:
            return None
        return sorted(set(processes) - _relatives()) if os.getpid() in processes else None

    def joules(self) -> float | None:
        """That it has taken since the driver was loaded, updated about ten times a second; None before Volta."""
        with contextlib.suppress(self._nvml.NVMLError):
            return float(self._nvml.nvmlDeviceGetTotalEnergyConsumption(self._handle)) / 1e3
        return None

    def watts(self) -> float | None:
        """That it takes now; None where it has no such sensor."""
        with contextlib.suppress(self._nvml.NVMLError):
            return float(self._nvml.nvmlDeviceGetPowerUsage(self._handle)) / 1e3
        return None

    def state(self) -> dict[str, Any]:
        """How it is now: `mhz` of its cores, `celsius`, `watts`, and `slowed`, of `machine.SLOWED` what keeps its clock
        down; each None where the driver does not tell.
        """
        bits = self._asked("nvmlDeviceGetCurrentClocksEventReasons")
        if bits is None:  # as it was called until 2023
            bits = self._asked("nvmlDeviceGetCurrentClocksThrottleReasons")
        return {
            "mhz": self._asked("nvmlDeviceGetClockInfo", self._nvml.NVML_CLOCK_SM),
            "celsius": self._asked("nvmlDeviceGetTemperature", self._nvml.NVML_TEMPERATURE_GPU),
            "watts": self.watts(),
            "slowed": None if bits is None else [reason for bit, reason in machine.SLOWED.items() if bits & bit],
        }

    def _asked(self, function: str, *more: Any) -> int | None:
        with contextlib.suppress(self._nvml.NVMLError, AttributeError):  # a package that is older than the function
            return int(getattr(self._nvml, function)(self._handle, *more))
        return None


def course(turns: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """How a GPU was while a model was measured, given `before`, `after` and `strangers` of each turn: see `Gpu`.

    Returns:
        mhz, celsius, watts: [before the first turn, behind the last].
        turns: how many there were.
        slowed: in how many the clock was kept down, by what.
        shared: in how many other processes were there.
        None where nothing was told.
    """
    if not turns:
        return None
    slowed: Counter[str] = Counter()
    for turn in turns:
        slowed.update(dict.fromkeys([*(turn["before"]["slowed"] or ()), *(turn["after"]["slowed"] or ())], 1))
    return {
        **{name: [turns[0]["before"][name], turns[-1]["after"][name]] for name in ("mhz", "celsius", "watts")},
        "turns": len(turns),
        "slowed": dict(slowed),
        "shared": sum(bool(turn["strangers"]) for turn in turns),
    }


def gpu() -> Gpu | str:
    """The GPU that torch uses, or in words why the driver tells nothing of it."""
    import torch

    if importlib.util.find_spec("pynvml") is None:
        return "the package nvidia-ml-py is not installed"
    import pynvml

    try:
        pynvml.nvmlInit()
        # by its name, as CUDA_VISIBLE_DEVICES numbers them anew
        uuid = f"GPU-{torch.cuda.get_device_properties(torch.cuda.current_device()).uuid}"
        return Gpu(pynvml, pynvml.nvmlDeviceGetHandleByUUID(uuid))
    except pynvml.NVMLError as error:  # a sandbox without the driver's library, a part of a GPU (MIG)
        return f"the driver does not tell: {error}"


def sharing() -> list[str]:
    """That others use the GPU too, or that nothing tells whether they do, a sentence each."""
    card = gpu()
    strangers = None if isinstance(card, str) else card.strangers()
    if strangers is None:
        return ["whether other processes use this GPU too is not known: speed and energy may be theirs in part"]
    if not strangers:
        return []
    who = ", ".join(map(str, strangers))
    return [f"other processes use this GPU too ({who}): speed suffers by them, and energy is theirs in part"]


def _relatives() -> set[int]:
    """Processes of the command that this one belongs to: itself, what started it, and what that has started."""
    import psutil

    pids = {os.getpid(), os.getppid()}
    with contextlib.suppress(psutil.Error):
        pids |= {child.pid for child in psutil.Process(os.getppid()).children(recursive=True)}
    return pids
