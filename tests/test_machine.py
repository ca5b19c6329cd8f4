from __future__ import annotations

import os
from pathlib import Path

import pytest

from nlpkit import machine
from nlpkit.measurement import environment

GIB = 1024**3


def written(root: Path, **files: str) -> Path:
    """A root folder with files, named with `__` for each slash."""
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_x86_processor_with_its_features_and_clock(tmp_path: Path) -> None:
    cpuinfo = (
        "processor\t: 0\nvendor_id\t: GenuineIntel\nmodel name\t: Intel(R) Xeon(R) Gold 6338\ncpu MHz\t\t: 1999.6\n"
        "flags\t\t: fpu avx2 avx512f avx512_vnni amx_bf16\n\nprocessor\t: 1\nmodel name\t: another\n"
    )
    clock = "sys__devices__system__cpu__cpu0__cpufreq__"
    files = {f"{clock}scaling_governor": "powersave\n", f"{clock}cpuinfo_max_freq": "3200000\n"}
    found = machine.processor(written(tmp_path, proc__cpuinfo=cpuinfo, **files))
    assert (found["model"], found["vendor"]) == ("Intel(R) Xeon(R) Gold 6338", "GenuineIntel")
    assert found["features"] == ["avx2", "avx512f", "avx512_vnni", "amx_bf16"]
    assert (found["governor"], found["mhz"], found["max_mhz"], found["virtual"]) == ("powersave", 2000, 3200, False)
    assert 1 <= found["usable_cores"] <= found["logical_cores"]


def test_arm_processor_is_named_by_its_numbers(tmp_path: Path) -> None:
    cpuinfo = "processor\t: 0\nFeatures\t: fp asimd asimddp sve bf16 i8mm\nCPU implementer\t: 0x41\nCPU part\t: 0xd40\n"
    found = machine.processor(written(tmp_path, proc__cpuinfo=cpuinfo))
    assert found["model"] == "implementer 0x41, part 0xd40"
    assert found["features"] == ["asimd", "asimddp", "bf16", "i8mm", "sve"]
    assert (found["governor"], found["mhz"], found["virtual"]) == (None, None, None)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity here")
def test_usable_cores_are_those_of_the_process() -> None:
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert machine.processor()["usable_cores"] == 1
    finally:
        os.sched_setaffinity(0, allowed)


def test_limits_of_a_container_are_the_smallest_around_it(tmp_path: Path) -> None:
    root = written(
        tmp_path,
        proc__self__cgroup="0::/batch/job7\n",
        **{
            "sys__fs__cgroup__batch__cpu.max": "50000 100000\n",
            "sys__fs__cgroup__batch__job7__cpu.max": "max 100000\n",
            "sys__fs__cgroup__batch__memory.max": "max\n",
            "sys__fs__cgroup__batch__job7__memory.max": f"{GIB}\n",
        },
    )
    assert machine.limits(root) == {"cpus": 0.5, "memory_bytes": GIB}


def test_limits_of_control_groups_version_1(tmp_path: Path) -> None:
    """The path is that of the host, the mounted folder the group of the container."""
    root = written(
        tmp_path,
        proc__self__cgroup="5:cpuacct,cpu:/docker/abc\n4:memory:/docker/abc\n0::/\n",
        **{
            "sys__fs__cgroup__cpu__cpu.cfs_quota_us": "25000",
            "sys__fs__cgroup__cpu__cpu.cfs_period_us": "100000",
            "sys__fs__cgroup__memory__memory.limit_in_bytes": str(2 * GIB),
        },
    )
    assert machine.limits(root) == {"cpus": 0.25, "memory_bytes": 2 * GIB}


def test_no_limit_is_none(tmp_path: Path) -> None:
    root = written(
        tmp_path,
        proc__self__cgroup="5:cpu:/\n4:memory:/\n",
        **{
            "sys__fs__cgroup__cpu__cpu.cfs_quota_us": "-1",
            "sys__fs__cgroup__cpu__cpu.cfs_period_us": "100000",
            "sys__fs__cgroup__memory__memory.limit_in_bytes": "9223372036854771712",
        },
    )
    assert machine.limits(root) == {"cpus": None, "memory_bytes": None}
    assert machine.limits(tmp_path / "nothing") == {"cpus": None, "memory_bytes": None}


@pytest.mark.parametrize(
    ("quota", "named", "expected"),
    [
        ("max 100000", None, (4, None)),
        ("150000 100000", None, (2, "CPU limit 1.5")),  # a share of a core is a thread of its own
        ("20000 100000", None, (1, "CPU limit 0.2")),
        ("150000 100000", "1", (1, "OMP_NUM_THREADS")),
        ("max 100000", "3,1", (3, "OMP_NUM_THREADS")),
        ("max 100000", "16", (4, None)),
        ("max 100000", "many", (4, None)),
    ],
)
def test_threads_are_the_least_of_cores_cpu_time_and_what_is_named(
    quota: str, named: str | None, expected: tuple[int, str | None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = written(tmp_path, proc__self__cgroup="0::/job\n", **{"sys__fs__cgroup__job__cpu.max": f"{quota}\n"})
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(4)), raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if named:
        monkeypatch.setenv("OMP_NUM_THREADS", named)
    assert machine.threads(root) == expected


def test_the_device_says_who_limits_its_threads_and_an_option_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from nlpkit import process
    from nlpkit.hardware import devices
    from nlpkit.options import DeviceOptions

    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(4)), raising=False)
    monkeypatch.setattr(machine, "_quotas", lambda _: iter(()))
    monkeypatch.setattr(process, "_RAYON", None)
    monkeypatch.setenv("RAYON_NUM_THREADS", "1")  # which is put back
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert devices.choose(DeviceOptions(device="cpu")).described == "cpu (1 thread by OMP_NUM_THREADS), fp32"
    assert (torch.get_num_threads(), os.environ["RAYON_NUM_THREADS"]) == (1, "1")
    assert devices.choose(DeviceOptions(device="cpu", threads=2)).described == "cpu (2 threads), fp32"
    assert (torch.get_num_threads(), os.environ["RAYON_NUM_THREADS"]) == (2, "2")
    torch.set_num_threads(1)
    # torchrun says 1 where the user has said nothing; each of two processes takes its share of the cores
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert devices.choose(DeviceOptions(device="cpu")).described == "cpu (2 threads), fp32"
    torch.set_num_threads(1)


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program `nvidia-smi` that is found first; its text is the test's."""
    program = tmp_path / "nvidia-smi"
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    return program


def test_gpus_as_the_driver_describes_them(driver: Path) -> None:
    driver.write_text(
        "#!/bin/sh\ncase $1 in *event_reasons*) echo 0x0000000000000044;; "
        "*) echo 'NVIDIA A2, 15356, 570.86.15, 8.6, 210, 1770, [N/A], 40.00, 60.00, 00000000:3B:00.0';; esac\n"
    )
    driver.chmod(0o755)
    (gpu,) = machine.gpus()
    assert gpu == {
        "name": "NVIDIA A2",
        "memory_bytes": 15356 * 1024**2,
        "driver": "570.86.15",
        "compute_capability": "8.6",
        "mhz": 210,
        "max_mhz": 1770,
        "watts": None,
        "max_watts": 40,
        "default_watts": 60,
        "pci": "00000000:3B:00.0",
        "slowed": ["power limit", "temperature (hardware)"],
    }
    assert environment.gpu_line(gpu).endswith(
        "210 of 1770 MHz, limited to 40 of 60 W, slowed by power limit and temperature (hardware)"
    )


def test_an_older_driver_is_asked_by_the_older_name(driver: Path) -> None:
    driver.write_text(
        "#!/bin/sh\ncase $1 in *throttle_reasons*) echo 0x1;; *event_reasons*) exit 2;; "
        "*) echo 'NVIDIA A2, 15356, 470.82, 8.6, 210, 1770, [N/A], 60.00, 60.00, 00000000:3B:00.0';; esac\n"
    )
    driver.chmod(0o755)
    assert machine.gpus()[0]["slowed"] == []
    driver.write_text(driver.read_text().replace("echo 0x1", "exit 2"))
    assert machine.gpus()[0]["slowed"] is None


def test_a_driver_that_fails_has_no_gpus(driver: Path) -> None:
    driver.write_text("#!/bin/sh\necho 'NVIDIA-SMI has failed because it could not talk to the driver'; exit 9\n")
    driver.chmod(0o755)
    assert machine.gpus() == []


def test_a_gpu_that_has_failed_does_not_hide_the_others(driver: Path) -> None:
    driver.write_text(
        "#!/bin/sh\ncase $1 in *reasons*) exit 2;; esac\n"
        "echo 'Unable to determine the device handle for GPU1: 0000:3C:00.0: Unknown Error'\n"
        "echo 'NVIDIA H200, 143771, 580.65, 9.0, ERR!, 1980, N/A, 700.00, 700.00, 00000000:3B:00.0'\n"
    )
    driver.chmod(0o755)
    failed, other = machine.gpus()
    assert environment.gpu_line(failed) == "Unable to determine the device handle for GPU1: 0000:3C:00.0: Unknown Error"
    assert (other["name"], other["mhz"], other["max_mhz"], other["watts"]) == ("NVIDIA H200", None, 1980, None)
