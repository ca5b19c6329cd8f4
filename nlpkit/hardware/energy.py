"""Energy that the machine took: of the GPU through NVML, of the processor through RAPL, where they may be read."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from nlpkit.hardware import nvml

POWERCAP = Path("/sys/class/powercap")
TICK = 0.5  # seconds after which a counter that has not moved is taken as it stands
POLL = 0.001  # seconds between two looks at a counter
SAMPLE = 0.01  # seconds between two readings of a sensor
IDLE = 0.3  # seconds over which the idle draw is taken

Result = TypeVar("Result")


class Counter(Protocol):
    """Tells the energy that work takes; `method` says of what, in words."""

    method: str

    def of(self, work: Callable[[], Result]) -> tuple[Result, float]:
        """Do the work: what it returns, and joules."""


class Rapl:
    """Energy of all processor packages, with whatever else runs on them: Intel's RAPL, which AMD has too.

    Args:
        zones: folders with `energy_uj` and `max_energy_range_uj`, from which the counter starts over at 0.
    """

    method = "all processor packages, with whatever else runs on them (RAPL)"

    def __init__(self, zones: list[Path]) -> None:
        self._zones = zones
        self._ranges = [_number(zone / "max_energy_range_uj") for zone in zones]
        self._last = [_number(zone / "energy_uj") for zone in zones]
        self._total = 0

    def joules(self) -> float:
        """Since the counter began; at least one reading has to fall between two overflows, minutes apart."""
        for i, zone in enumerate(self._zones):
            now = _number(zone / "energy_uj")
            self._total += now - self._last[i] + (self._ranges[i] if now < self._last[i] else 0)
            self._last[i] = now
        return self._total / 1e6

    def of(self, work: Callable[[], Result]) -> tuple[Result, float]:
        """See `Counter`."""
        before = self.joules()
        result = work()
        return result, self.joules() - before


class Ticks:
    """Energy of a GPU by its counter, which moves about ten times per second, often less than once during the work.

    So the work begins when the counter has just moved, and the end is read when it next moves. What the GPU takes while
    idle, in the rest of that time, is not counted.

    Args:
        gpu: that does the work, and now does nothing.
    """

    def __init__(self, gpu: nvml.Gpu) -> None:
        self._gpu = gpu
        first, began = self._tick()
        time.sleep(IDLE)
        last, ended = self._tick()
        self._idle = (last - first) / (ended - began)
        self.method = f"all of the GPU, by whomever, {self._idle:.0f} W of it when idle (NVML's counter)"

    def _tick(self) -> tuple[float, float]:
        """Joules when the counter next moves, and when that was."""
        before, stop = self._now(), time.perf_counter() + TICK
        while (joules := self._now()) == before and time.perf_counter() < stop:
            time.sleep(POLL)
        return joules, time.perf_counter()

    def _now(self) -> float:
        joules = self._gpu.joules()
        assert joules is not None  # as `counter` has asked
        return joules

    def of(self, work: Callable[[], Result]) -> tuple[Result, float]:
        """See `Counter`; the work has ended on the device when it returns."""
        first, began = self._tick()
        start = time.perf_counter()
        result = work()
        busy = time.perf_counter() - start
        last, ended = self._tick()
        return result, max(last - first - (ended - began - busy) * self._idle, 0.0)


class Power:
    """Energy of a GPU without a counter: its power, which a thread reads every 10 ms, over time.

    Args:
        gpu: that does the work, and now does nothing.
    """

    def __init__(self, gpu: nvml.Gpu) -> None:
        self._gpu = gpu
        _, joules = self.of(lambda: time.sleep(IDLE))
        self.method = (
            f"all of the GPU, by whomever, {joules / IDLE:.0f} W of it when idle (power read every 10 ms, NVML)"
        )

    def of(self, work: Callable[[], Result]) -> tuple[Result, float]:
        """See `Counter`; the work has ended on the device when it returns."""
        readings = [self._reading()]
        stop = threading.Event()

        def watch() -> None:
            while not stop.wait(SAMPLE):
                readings.append(self._reading())

        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        try:
            result = work()
        finally:
            stop.set()
            thread.join()
        readings.append(self._reading())
        return result, area(readings)

    def _reading(self) -> tuple[float, float]:
        return time.perf_counter(), self._gpu.watts() or 0.0


def area(readings: Sequence[tuple[float, float]]) -> float:
    """Joules under readings of (seconds, watts), with straight lines between them."""
    pairs = itertools.pairwise(readings)
    return sum((at - before) * (watts + watts_before) / 2 for (before, watts_before), (at, watts) in pairs)


def counter(device: str = "cpu", *, powercap: Path = POWERCAP) -> Counter | None:
    """What counts the energy of a device (as torch names it), None where nothing does; see `available`."""
    if device.partition(":")[0] == "cuda":
        return _of_gpu(nvml.gpu())
    zones = _zones(powercap)
    return Rapl(zones) if device == "cpu" and zones and all(map(_readable, zones)) else None


def available(device: str = "cpu", *, powercap: Path = POWERCAP) -> str:
    """Which counter there is, or why none, in words."""
    if device.partition(":")[0] == "cuda":
        gpu = nvml.gpu()
        if isinstance(gpu, str):
            return f"none: {gpu}"
        if gpu.joules() is not None:
            return "NVML"
        return "NVML, power read every 10 ms" if gpu.watts() is not None else "none: the GPU does not tell"
    zones = _zones(powercap)
    if device != "cpu" or not zones:
        return "none: the machine does not tell"
    if not all(map(_readable, zones)):
        return f"none: {zones[0] / 'energy_uj'} may not be read by this user"
    return f"RAPL, {len(zones)} package{'s' if len(zones) > 1 else ''}"


def _zones(powercap: Path) -> list[Path]:
    """Packages: `intel-rapl:0`, ...; `psys`, the whole board, holds them all, and their parts stand below them."""
    zones = []
    for zone in sorted(powercap.glob("intel-rapl:*")):
        if zone.name.count(":") == 1 and (zone / "energy_uj").exists():
            name = zone / "name"
            if not (name.exists() and name.read_text(encoding="ascii").strip() == "psys"):
                zones.append(zone)
    return zones


def _readable(zone: Path) -> bool:
    try:
        _number(zone / "energy_uj")
        _number(zone / "max_energy_range_uj")
    except OSError:  # since 2020 Linux shows it to root alone
        return False
    return True


def _number(path: Path) -> int:
    return int(path.read_text(encoding="ascii"))


def _of_gpu(gpu: nvml.Gpu | str) -> Counter | None:
    if isinstance(gpu, str):
        return None
    if gpu.joules() is not None:
        return Ticks(gpu)
    return Power(gpu) if gpu.watts() is not None else None
