"""Energy that the machine took: of the GPU through NVML, of the processor through RAPL, where they may be read."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any, Protocol

POWERCAP = Path("/sys/class/powercap")


class Counter(Protocol):
    """Counts energy upwards from any value."""

    def joules(self) -> float:
        """Since the counter began."""


class Rapl:
    """Energy of all processor packages, with whatever else runs on them: Intel's RAPL, which AMD has too.

    Args:
        zones: folders with `energy_uj` and `max_energy_range_uj`, from which the counter starts over at 0.
    """

    def __init__(self, zones: list[Path]) -> None:
        self._zones = zones
        self._ranges = [_number(zone / "max_energy_range_uj") for zone in zones]
        self._last = [_number(zone / "energy_uj") for zone in zones]
        self._total = 0

    def joules(self) -> float:
        """See `Counter`; at least one reading has to fall between two overflows, minutes apart."""
        for i, zone in enumerate(self._zones):
            now = _number(zone / "energy_uj")
            self._total += now - self._last[i] + (self._ranges[i] if now < self._last[i] else 0)
            self._last[i] = now
        return self._total / 1e6


class Nvml:
    """Energy of the GPU that torch uses.

    Args:
        nvml: the module pynvml.
        handle: of the GPU.
    """

    def __init__(self, nvml: Any, handle: Any) -> None:
        self._nvml, self._handle = nvml, handle

    def joules(self) -> float:
        """See `Counter`; the driver updates it about ten times a second."""
        return float(self._nvml.nvmlDeviceGetTotalEnergyConsumption(self._handle)) / 1e3


def counter(device: str = "cpu", *, powercap: Path = POWERCAP) -> Counter | None:
    """What counts the energy of a device (as torch names it), None where nothing does; see `available`."""
    if device == "cuda":
        return _nvml()
    zones = _zones(powercap)
    return Rapl(zones) if device == "cpu" and zones and all(map(_readable, zones)) else None


def available(device: str = "cpu", *, powercap: Path = POWERCAP) -> str:
    """Which counter there is, or why none, in words."""
    if device == "cuda":
        if importlib.util.find_spec("pynvml") is None:
            return "none: the package nvidia-ml-py is not installed"
        return "NVML" if _nvml() else "none: the GPU does not tell"
    zones = _zones(powercap)
    if device != "cpu" or not zones:
        return "none: the machine does not tell"
    if not all(map(_readable, zones)):
        return f"none: {zones[0] / 'energy_uj'} may not be read by this user"
    return f"RAPL, {len(zones)} package{'s' if len(zones) > 1 else ''}"


def _zones(powercap: Path) -> list[Path]:
    """Packages: `intel-rapl:0`, ...; `psys`, the whole board, holds them all, and their parts stand below them."""
    found = []
    for zone in sorted(powercap.glob("intel-rapl:*")):
        if zone.name.count(":") == 1 and (zone / "energy_uj").exists():
            name = zone / "name"
            if not (name.exists() and name.read_text(encoding="ascii").strip() == "psys"):
                found.append(zone)
    return found


def _readable(zone: Path) -> bool:
    try:
        _number(zone / "energy_uj")
        _number(zone / "max_energy_range_uj")
    except OSError:  # since 2020 Linux shows it to root alone
        return False
    return True


def _number(path: Path) -> int:
    return int(path.read_text(encoding="ascii"))


def _nvml() -> Nvml | None:
    import torch

    try:
        import pynvml

        pynvml.nvmlInit()
        # by its name, as CUDA_VISIBLE_DEVICES numbers them anew
        uuid = f"GPU-{torch.cuda.get_device_properties(0).uuid}"
        found = Nvml(pynvml, pynvml.nvmlDeviceGetHandleByUUID(uuid))
        found.joules()
    except ImportError:
        return None
    except pynvml.NVMLError:  # older than Volta, or a sandbox without the driver's library
        return None
    return found
