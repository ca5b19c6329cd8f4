"""Energy is read from the counters of a made-up machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from nlpkit.hardware import energy


def zone(powercap: Path, name: str, microjoules: int, *, called: str = "package-0", most: int = 1_000_000) -> Path:
    folder = powercap / name
    folder.mkdir(parents=True)
    for file, value in (("energy_uj", microjoules), ("max_energy_range_uj", most), ("name", called)):
        (folder / file).write_text(f"{value}\n", encoding="ascii")
    return folder


def test_packages_are_added_and_their_parts_are_not(tmp_path: Path) -> None:
    first, second = zone(tmp_path, "intel-rapl:0", 100), zone(tmp_path, "intel-rapl:1", 100)
    core = zone(tmp_path, "intel-rapl:0:0", 0, called="core")
    board = zone(tmp_path, "intel-rapl:2", 0, called="psys")
    counter = energy.counter(powercap=tmp_path)
    assert counter is not None
    before = counter.joules()
    for folder, value in ((first, 500_100), (second, 250_100), (core, 400_000), (board, 900_000)):
        (folder / "energy_uj").write_text(str(value), encoding="ascii")
    assert counter.joules() - before == pytest.approx(0.75)
    assert energy.available(powercap=tmp_path) == "RAPL, 2 packages"


def test_a_counter_that_starts_over_goes_on(tmp_path: Path) -> None:
    folder = zone(tmp_path, "intel-rapl:0", 900_000)
    counter = energy.counter(powercap=tmp_path)
    assert counter is not None
    for value in (100_000, 300_000):
        (folder / "energy_uj").write_text(str(value), encoding="ascii")
        counter.joules()
    assert counter.joules() == pytest.approx(0.4)


def test_a_machine_that_does_not_tell(tmp_path: Path) -> None:
    assert energy.counter(powercap=tmp_path) is None
    assert energy.available(powercap=tmp_path) == "none: the machine does not tell"


def test_a_counter_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = zone(tmp_path, "intel-rapl:0", 100)
    real = Path.read_text

    def refused(path: Path, *arguments: str, **keywords: str) -> str:
        if path.name == "energy_uj":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *arguments, **keywords)

    monkeypatch.setattr(Path, "read_text", refused)
    assert energy.counter(powercap=tmp_path) is None
    assert energy.available(powercap=tmp_path) == f"none: {folder / 'energy_uj'} may not be read by this user"
