"""A planted allocation is found; what says that memory ran out is known."""

from __future__ import annotations

import time

import numpy as np
import psutil
import pytest
import torch

from nlpkit.hardware import memory

PLANTED = 200_000_000  # bytes


def planted(meter: memory.Meter) -> int:
    """Memory that the meter sees come and go."""
    memory.release()
    before = meter.start()
    buffer = np.ones(PLANTED // 8)
    time.sleep(0.02)  # a thread that looks now and then has to get round to it
    del buffer
    return meter.peak() - before


def test_a_planted_allocation_is_found() -> None:
    meter = memory.meter()
    assert planted(meter) == pytest.approx(PLANTED, rel=0.05)
    # it is gone, and the next one is found anew
    assert meter.in_use() < meter.peak() - 0.9 * PLANTED
    assert planted(meter) == pytest.approx(PLANTED, rel=0.05)


def test_a_planted_allocation_is_found_where_the_system_keeps_no_peak(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_keeps_peak", lambda: False)
    meter = memory.meter()
    assert isinstance(meter, memory.Sampled)
    assert "every millisecond" in meter.method
    assert planted(meter) == pytest.approx(PLANTED, rel=0.05)


def test_memory_in_use_is_what_others_say_it_is() -> None:
    assert memory.meter().in_use() == pytest.approx(psutil.Process().memory_info().rss, rel=0.02)


def test_running_out_of_memory_is_known_for_what_it_is() -> None:
    with pytest.raises(RuntimeError) as error:
        torch.empty(2**60, dtype=torch.uint8)
    assert memory.is_exhausted(error.value)
    with pytest.raises(MemoryError) as error:
        np.empty(2**60, dtype=np.uint8)
    assert memory.is_exhausted(error.value)
    assert not memory.is_exhausted(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
