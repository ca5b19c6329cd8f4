from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from nlpkit.measurement import environment

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def here() -> dict[str, Any]:
    """This machine, without torch."""
    return environment.describe(torch=False)


def changed(env: dict[str, Any], part: str, **values: Any) -> dict[str, Any]:
    other = copy.deepcopy(env)
    other[part].update(values)
    return other


def test_without_torch_it_imports_neither_torch_nor_transformers() -> None:
    code = (
        "import sys; from nlpkit.measurement import environment; env = environment.describe(torch=False); "
        "environment.summary(env); assert env['torch'] is None; "
        "heavy = {'torch', 'transformers', 'datasets'} & set(sys.modules); assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_extras_are_those_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    cores = {requirement.split(">=")[0] for requirement in project["dependencies"]}
    declared = {
        name: {re.split(r"\[|>=|==", requirement)[0] for requirement in requirements} - cores
        for name, requirements in project["optional-dependencies"].items()
        if name not in ("dev", "docs")  # what adds no feature
    }
    assert {name: set(packages) for name, packages in environment.EXTRAS.items()} == declared


def test_missing_extra_names_the_package_and_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "EXTRAS", {"track": ("pip", "no-such-package")})
    extra = environment.describe(torch=False)["extras"]["track"]
    assert extra == {"missing": ["no-such-package"], "install": "pip install 'nlpkit[track]'"}


def test_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = {
        "HF_TOKEN": "hf_abcdefghijklmnop",
        "HF_ENDPOINT": "https://me:hunter2@mirror.example",
        "NLPKIT_API_KEY": "hunter2",
        "ORT_NOTE": "x=hf_abcdefghijklmnop",
        "AWS_REGION": "hunter2",  # none of ours
    }
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    env = environment.describe(torch=False)
    shown = json.dumps(env)
    assert "hunter2" not in shown and "abcdefghijklmnop" not in shown
    assert {name: env["variables"].get(name) for name in secrets} == {
        **dict.fromkeys(secrets, "set"),
        "AWS_REGION": None,
    }


def test_who_owns_the_home_folder_is_not_shown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, here: dict[str, Any]
) -> None:
    home = tmp_path / "someone"
    (home / ".cache" / "nlpkit").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("NLPKIT_CACHE", raising=False)
    monkeypatch.setenv("LD_PRELOAD", f"{home}/lib/tcmalloc.so:{home}-else/x.so")
    env = environment.describe(torch=False)
    assert env["caches"]["nlpkit"]["path"] == str(Path("~/.cache/nlpkit"))
    assert env["variables"]["LD_PRELOAD"] == f"~/lib/tcmalloc.so:{home}-else/x.so"
    assert set(env) == set(here)


def test_size_of_a_cache_counts_a_file_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The hub's cache holds each file as a blob, and links to it from every revision."""
    blob = tmp_path / "blobs" / "a"
    blob.parent.mkdir()
    blob.write_bytes(b"x" * 5000)
    (tmp_path / "snapshots").mkdir()
    (tmp_path / "snapshots" / "model").symlink_to(blob)
    monkeypatch.setenv("NLPKIT_CACHE", str(tmp_path))
    cache = environment.describe(torch=False)["caches"]["nlpkit"]
    assert 5000 <= cache["bytes"] < 6000
    assert cache["complete"]
    monkeypatch.setenv("NLPKIT_CACHE", str(tmp_path / "none"))
    assert environment.describe(torch=False)["caches"]["nlpkit"]["bytes"] is None


def test_offline_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    assert not environment.describe(torch=False)["offline"]
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert environment.describe(torch=False)["offline"]


def test_compiler_is_the_one_that_torch_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert environment.describe(torch=False)["compiler"] is None


def test_summary_tells_what_speed_depends_on(here: dict[str, Any]) -> None:
    env = changed(here, "cpu", model="Chip 9", usable_cores=3, logical_cores=8, physical_cores=4, features=["avx2"])
    env["cpu"]["virtual"] = True
    env["limits"] = {"cpus": 1.5, "memory_bytes": 2_000_000_000}
    env["gpus"] = [{"name": "Card", "memory_bytes": 16e9, "compute_capability": "8.6", "driver": "1.2"}]
    assert environment.gpu_line({"name": "Soc", "memory_bytes": None, "compute_capability": None}) == "Soc"
    env["torch"] = {"threads": 3, "gpus": []}
    lines = dict(environment.summary(env))
    assert lines["CPU"] == "Chip 9, 3 of 8 cores (4 physical), time of 1.5, avx2, virtual machine"
    assert lines["memory"].endswith("limited to 2.0 GB")
    assert lines["GPU"] == "Card, 16.0 GB, compute capability 8.6, driver 1.2"
    assert lines["threads"] == "3 of torch"
    assert f"torch {env['versions']['torch']}" in lines["versions"]


def test_same_environment_has_no_differences(here: dict[str, Any]) -> None:
    later = changed(here, "memory", available_bytes=1)
    later["system"]["load_average"] = [9.0, 9.0, 9.0]
    later["caches"] = {}
    later["cpu"]["mhz"] = 1
    assert environment.differences(here, later) == []


def test_differences_name_what_matters_for_speed(here: dict[str, Any]) -> None:
    before = changed(here, "cpu", model="Chip 9", features=["avx2"])
    other = changed(here, "cpu", model="Chip 10", features=["avx2", "avx512f"])
    other["versions"]["torch"] = "9.9"
    other["limits"]["cpus"] = 1.5
    other["gpus"] = [{"name": "Card", "driver": "1.2"}]
    before["variables"], other["variables"] = {"HF_HOME": "/a"}, {"OMP_NUM_THREADS": "1"}
    before["gpus"] = []
    before["limits"]["cpus"] = None
    assert environment.differences(before, other) == [
        "CPU: Chip 9, now Chip 10",
        "CPU time limit: none, now 1.5",
        "CPU features: avx2, now avx2 avx512f",
        "GPU: none, now Card",
        f"torch: {here['versions']['torch']}, now 9.9",
        "OMP_NUM_THREADS: not set, now 1",
    ]


def test_what_only_one_side_tells_is_no_difference(here: dict[str, Any]) -> None:
    with_torch = copy.deepcopy(here)
    with_torch["torch"] = {"threads": 7, "gpus": []}
    assert environment.differences(here, with_torch) == []


@pytest.mark.parametrize(
    ("variables", "kind", "backend"),
    [
        ({}, "NO", None),
        ({"WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "2"}, "MULTI_CPU", "gloo"),
        ({"WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "2", "ACCELERATE_USE_FSDP": "true"}, "FSDP", "gloo"),
    ],
)
def test_what_accelerate_sees_is_in_its_own_words(
    variables: dict[str, str], kind: str, backend: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from accelerate.utils import DistributedType

    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    seen = environment.describe(torch=False)["accelerate"]
    assert DistributedType(seen["distributed_type"]) == kind
    assert (seen["processes"], seen["backend"]) == (int(variables.get("WORLD_SIZE", 1)), backend)
    assert seen["processes_here"] == int(variables.get("LOCAL_WORLD_SIZE", 1))


def test_configuration_of_accelerate_launch_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that `accelerate config` writes; one that is spoilt is named."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HOME", str(tmp_path))
    assert environment.describe(torch=False)["accelerate"]["config"] is None
    file = tmp_path / "accelerate" / "default_config.yaml"
    file.parent.mkdir()
    file.write_text("distributed_type: FSDP\nnum_processes: 8\nnum_machines: 2\nmixed_precision: bf16\n")
    config = environment.describe(torch=False)["accelerate"]["config"]
    assert (config["distributed_type"], config["num_processes"], config["mixed_precision"]) == ("FSDP", 8, "bf16")
    file.write_text("a: [")
    assert "cannot be read" in environment.describe(torch=False)["accelerate"]["config"]["problem"]
