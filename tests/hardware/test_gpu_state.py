"""Clock, temperature and company of a GPU while models are measured on it, as a made-up driver tells them."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
from made_up import BIG, OPENED, SMALL, measurement

from nlpkit import machine
from nlpkit.hardware import nvml
from nlpkit.measurement import recorded, tables
from nlpkit.measurement.results import document
from nlpkit.measurement.spec import Measurement
from nlpkit.measurement.sweep import ALONE

COOL = {"mhz": 1980, "celsius": 40, "watts": 310.5, "slowed": []}
HOT = {"mhz": 1215, "celsius": 84, "watts": 699.0, "slowed": ["power limit", "temperature (software)"]}


class Driver:
    """A stand-in for pynvml, with the function of older packages for what slows a GPU."""

    NVML_CLOCK_SM, NVML_TEMPERATURE_GPU = 1, 0

    class NVMLError(Exception):
        pass

    def nvmlDeviceGetClockInfo(self, handle: str, clock: int) -> int:
        assert clock == self.NVML_CLOCK_SM
        return 1215

    def nvmlDeviceGetTemperature(self, handle: str, sensor: int) -> int:
        raise self.NVMLError("Not Supported")

    def nvmlDeviceGetPowerUsage(self, handle: str) -> int:
        return 699_000

    def nvmlDeviceGetCurrentClocksThrottleReasons(self, handle: str) -> int:
        return 0x24


def test_what_the_driver_tells_and_what_it_does_not() -> None:
    state = nvml.Gpu(Driver(), "handle").state()
    assert state == {**HOT, "celsius": None}
    assert state["slowed"] == [machine.SLOWED[0x04], machine.SLOWED[0x20]]


def turn(before: Any, after: Any, strangers: list[int] | None = None) -> dict[str, Any]:
    return {"before": before, "after": after, "strangers": strangers}


def slowed_sweep() -> list[Measurement]:
    """Two launches: big was slowed in two of four turns and had company in one; of small nothing is known."""
    first = nvml.course([turn(COOL, COOL), turn(COOL, HOT)])
    second = nvml.course([turn(HOT, COOL, [17]), turn(COOL, COOL, [])])
    return [
        *(measurement("big", 0.02, launch=launch, gpu=gpu) for launch, gpu in enumerate((first, second))),
        *(measurement("small", 0.01, launch=launch) for launch in (0, 1)),
    ]


def test_a_slowed_gpu_stands_in_table_sentence_and_files(tmp_path: Path) -> None:
    made = document([BIG, SMALL], OPENED, {}, slowed_sweep())
    big, small = made["points"][0]["results"]
    assert small["gpu"] is None
    assert big["gpu"] == {
        "mhz": [1980, 1980],
        "celsius": [40, 40],
        "watts": [310.5, 310.5],
        "turns": 4,
        "shared": 1,
        "slowed": {"power limit": 2, "temperature (software)": 2},
    }
    table = tables.tables(made)[1]
    assert [row[table.header.index("GPU")] for row in table.rows] == ["slowed, shared", None]
    assert tables.sentences(made)[-2:] == [
        "big, 1 x rows: the clock of the GPU was kept down by power limit in 2 of 4 turns, temperature (software) in 2 "
        "of 4 turns (1,980 MHz, 40 °C, 310 W)",
        "big, 1 x rows: other processes were on the GPU in 1 of 4 turns",
    ]
    rows = tables.csv_rows(made)
    assert [row["gpu_slowed"] for row in rows] == ["power limit: 2; temperature (software): 2", None]
    with (tmp_path / "rows.csv").open("w", newline="") as file:
        csv.DictWriter(file, list(rows[0])).writerows(rows)  # all have the same columns
    recorded._Point.model_validate(made["points"][0])
    for found in slowed_sweep():
        assert Measurement.from_json(found.to_json()) == found


@pytest.mark.parametrize("gpu", [None, nvml.course([turn(COOL, COOL, [])])])
def test_a_gpu_that_was_left_alone_takes_no_room(gpu: Any) -> None:
    made = document([BIG], OPENED, {}, [measurement("big", 0.02, gpu=gpu)])
    assert "GPU" not in tables.tables(made)[1].header
    assert not [said for said in tables.sentences(made) if "GPU" in said]
    assert ("gpu_slowed" in tables.csv_rows(made)[0]) == (gpu is not None)


def test_what_was_measured_without_the_others_is_said_beside_its_figures() -> None:
    made = document([BIG], OPENED, {}, [measurement("big", 0.02), measurement("big", 0.02, launch=1, message=ALONE)])
    (result,) = made["points"][0]["results"]
    assert (result["status"], result["message"]) == ("ok", f"1 of 2 launches: {ALONE}") and result["p50_ms"] == 20.0
    assert tables.sentences(made) == [f"big, 1 x rows: 1 of 2 launches: {ALONE}"]
