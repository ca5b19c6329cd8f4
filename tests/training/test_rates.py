"""How fast a device multiplies matrices: on pretended ones, whose products move a pretended clock."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from nlpkit.hardware import devices, timing
from nlpkit.hardware.devices import Device


class Gpu:
    """Multiplies at a rate that depends on the size; its first product of all takes `setup` seconds."""

    def __init__(self, rates: dict[int, float], setup: float = 2.0) -> None:
        self.rates, self.now, self.waiting, self.sizes = rates, 0.0, setup, []

    def matrix(self, rows: int, *_: Any, **__: Any) -> Gpu:
        self.rows = rows
        return self

    def __truediv__(self, number: float) -> Gpu:
        return self

    def __matmul__(self, other: Gpu) -> Gpu:
        self.sizes.append(self.rows)
        self.waiting += 2 * self.rows**3 / self.rates[self.rows]
        return self

    def wait(self) -> None:
        self.now, self.waiting = self.now + self.waiting, 0.0


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> Any:
    def measured(gpu: Gpu) -> float:
        monkeypatch.setattr(torch, "Generator", lambda device: torch.default_generator)
        monkeypatch.setattr(torch, "randn", gpu.matrix)
        monkeypatch.setattr(devices, "synchronizer", lambda name: gpu.wait)
        monkeypatch.setattr(timing.time, "perf_counter", lambda: gpu.now)
        with torch.random.fork_rng():
            return devices.measured_matmul_rate(Device("cuda", "bf16", "pretended"))

    return measured


def test_a_fast_gpu_is_measured_at_the_size_where_it_is_fastest(measured: Any) -> None:
    gpu = Gpu({2048: 300e12, 4096: 600e12, 8192: 790e12})
    assert measured(gpu) == pytest.approx(790e12)
    assert gpu.now < 2.2  # 2 s of them are the first product's


@pytest.mark.parametrize("rate", [0.5e12, 2e12, 8e12, 25e12])
def test_a_slow_gpu_is_not_kept_for_seconds(rate: float, measured: Any) -> None:
    gpu = Gpu(dict.fromkeys((2048, 4096, 8192), rate))
    assert measured(gpu) == pytest.approx(rate)
    assert gpu.now - 2.0 < 1.2
    assert 8192 not in gpu.sizes


def test_plans_and_mfu_go_by_one_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    rates = iter([1e12, 2e12])
    monkeypatch.setattr(devices, "measured_matmul_rate", lambda device: next(rates))
    devices.matmul_rate.cache_clear()
    try:
        first, other = Device("cuda", "bf16", "a"), Device("cuda", "fp32", "a")
        assert [devices.matmul_rate(device) for device in (first, first, other)] == [1e12, 1e12, 2e12]
    finally:
        devices.matmul_rate.cache_clear()


@pytest.mark.gpu
def test_the_rate_of_a_real_gpu() -> None:
    kinds = {"fp32": torch.float32, "bf16": torch.bfloat16}
    rates = {name: devices.measured_matmul_rate(Device("cuda", name, "")) for name in kinds}
    assert 1e11 < rates["fp32"] <= 1.2 * rates["bf16"] < 1e16
