"""What a driver tells of a GPU, with figures by hand: bytes of this process, who else is there, joules, watts."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from types import ModuleType, SimpleNamespace
from typing import Any

import pretended
import pytest
import torch

from nlpkit.hardware import energy, memory, nvml

MEGABYTE = 1_000_000
IDLE, BUSY = 70.0, 500.0  # watts


class Driver(ModuleType):
    """A stand-in for pynvml: one GPU.

    Attributes:
        processes: bytes by process id.
        counts: whether it has a counter of energy.
        feels: whether it has a sensor of power.
    """

    class NVMLError(Exception):
        """As pynvml's."""

    def __init__(self) -> None:
        super().__init__("pynvml")
        self.__spec__ = SimpleNamespace(name="pynvml")  # type: ignore[assignment]
        self.processes: Mapping[int, int | None] = {}
        self.counts = self.feels = True
        self.now, self.ticked, self.drawn = 0.0, 0.0, 0.0
        self.watts = IDLE
        self.asked: list[str] = []

    def nvmlInit(self) -> None:
        """Nothing."""

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> str:
        self.asked.append(uuid)
        return "handle"

    def nvmlDeviceGetComputeRunningProcesses(self, handle: str) -> list[Any]:
        return [SimpleNamespace(pid=pid, usedGpuMemory=used) for pid, used in self.processes.items()]

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: str) -> int:
        if not self.counts:
            raise self.NVMLError("Not Supported")
        return round(self.ticked * 1e3)

    def nvmlDeviceGetPowerUsage(self, handle: str) -> int:
        if not self.feels:
            raise self.NVMLError("Not Supported")
        return round(self.watts * 1e3)

    def sleep(self, seconds: float) -> None:
        """Time passes; the counter moves ten times a second."""
        for _ in range(round(seconds * 1000)):
            self.now += 0.001
            self.drawn += self.watts * 0.001
            if round(self.now * 1000) % 100 == 0:
                self.ticked = self.drawn

    def perf_counter(self) -> float:
        return self.now


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Driver]:
    """Of the GPU of a pretended machine; its clock is that of `energy`."""
    found = Driver()
    monkeypatch.setitem(sys.modules, "pynvml", found)
    monkeypatch.setattr(energy, "time", found)
    with pretended.cuda():
        yield found


def test_energy_of_work_shorter_than_a_tick(driver: Driver) -> None:
    """What came before is not in it, nor what the GPU takes while the counter is waited for."""
    counter = energy.counter("cuda")
    assert counter is not None
    assert counter.method == "all of the GPU, by whomever, 70 W of it when idle (NVML's counter)"
    driver.watts = BUSY  # another model
    driver.sleep(0.34)
    driver.watts = IDLE

    def work() -> str:
        driver.watts = BUSY
        driver.sleep(0.03)
        driver.watts = IDLE
        return "done"

    result, joules = counter.of(work)
    assert result == "done"
    assert joules == pytest.approx(0.03 * BUSY, abs=0.2)
    assert driver.asked == [f"GPU-{'0' * 8}"]


def test_energy_of_long_work(driver: Driver) -> None:
    counter = energy.counter("cuda:0")
    assert counter is not None

    def work() -> None:
        driver.watts = BUSY
        driver.sleep(2.155)
        driver.watts = IDLE

    assert counter.of(work)[1] == pytest.approx(2.155 * BUSY, abs=0.2)


def test_power_is_read_where_there_is_no_counter(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    assert energy.area([(1.0, 100.0), (1.5, 300.0), (2.0, 300.0)]) == 0.5 * 200 + 0.5 * 300
    driver.counts = False
    driver.watts = 250.0
    counter = energy.counter("cuda")
    assert counter is not None and "250 W of it when idle (power read" in counter.method
    assert counter.of(lambda: driver.sleep(0.4))[1] == pytest.approx(0.4 * 250)
    assert energy.available("cuda") == "NVML, power read every 10 ms"
    driver.feels = False
    assert energy.counter("cuda") is None
    assert energy.available("cuda") == "none: the GPU does not tell"
    driver.counts = driver.feels = True
    assert energy.available("cuda") == "NVML"


def test_memory_of_this_process_alone(driver: Driver) -> None:
    driver.processes = {os.getpid(): 700 * MEGABYTE, 1: 90_000 * MEGABYTE}
    meter = memory.meter("cuda:0", exported=True)
    assert meter.start() == 700 * MEGABYTE
    driver.processes = {os.getpid(): 1_100 * MEGABYTE, 1: 20_000 * MEGABYTE}
    assert meter.peak() == 1_100 * MEGABYTE
    assert meter.method.startswith("memory of the process on the GPU as the driver counts it (NVML)")
    assert isinstance(memory.meter("cuda:0"), memory.Allocated)


@pytest.mark.parametrize("processes", [{}, {123_456_789: 5 * MEGABYTE}, {os.getpid(): None}])
def test_memory_where_the_driver_does_not_know_this_process(
    driver: Driver, monkeypatch: pytest.MonkeyPatch, processes: dict[int, int | None]
) -> None:
    """In a container, or on Windows: the growth of the whole, which is said; never the whole."""
    driver.processes = processes
    used = [40_000 * MEGABYTE]
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (90_000 * MEGABYTE - used[0], 90_000 * MEGABYTE))
    meter = memory.meter("cuda", exported=True, before=memory.whole_gpu())
    used[0] += 300 * MEGABYTE
    assert meter.start() == 300 * MEGABYTE
    used[0] += 200 * MEGABYTE
    assert meter.peak() == 500 * MEGABYTE
    assert meter.method.startswith("growth of the memory in use on the whole GPU since before the model was opened")


def test_who_else_uses_the_gpu_is_named(driver: Driver) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as beside:
        # what the same command has started takes turns with it
        driver.processes = {os.getpid(): 1, beside.pid: 1}
        assert nvml.sharing() == []
        beside.kill()
    driver.processes = {os.getpid(): 1, 999_999_999: 1}
    (said,) = nvml.sharing()
    assert "other processes use this GPU too (999999999)" in said
    driver.processes = {999_999_999: 1}
    (said,) = nvml.sharing()
    assert said.startswith("whether other processes use this GPU too is not known")


@pytest.mark.gpu
def test_a_gpu_takes_more_when_it_works() -> None:
    if isinstance(gpu := nvml.gpu(), str):
        pytest.skip(gpu)
    counter = energy.counter("cuda")
    assert counter is not None
    a = torch.randn(8192, 8192, device="cuda", dtype=torch.float16)

    def work() -> None:
        for _ in range(200):
            a @ a
        torch.cuda.synchronize()

    work()
    _, busy = counter.of(work)
    _, idle = counter.of(lambda: None)
    assert busy > 10 * idle
    own = gpu.own_bytes()
    assert own is None or own >= a.numel() * 2
