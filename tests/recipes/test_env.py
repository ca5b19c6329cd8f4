"""`nlpkit env`."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import metadata
from types import ModuleType

import pytest
from conftest import Run

from nlpkit import machine

pytestmark = pytest.mark.slow


def test_table_shows_machine_software_and_network(nlpkit: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    done = nlpkit("env")
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    groups = [line[2:].split(" ")[0] for line in lines[2:] if line[2] != " "]
    assert groups == ["machine", "software", "extras", "accelerate", "network", "caches", "variables"]
    assert f"torch {metadata.version('torch')}" in done.stdout
    assert "offline: only files and what is in the caches" in done.stdout
    assert any(line.split() == ["OMP_NUM_THREADS", "1"] for line in lines)


def test_json_is_one_document(nlpkit: Run) -> None:
    done = nlpkit("env", "--json", env={"OMP_NUM_THREADS": "1"})
    env = json.loads(done.stdout)
    assert env["torch"]["threads"] == 1
    assert env["versions"]["transformers"] == metadata.version("transformers")
    assert env["offline"] is True
    assert done.stderr == ""


def test_what_decides_the_speed_of_a_gpu_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    import pretended

    from nlpkit.measurement import environment
    from nlpkit.recipes import env

    monkeypatch.setattr(environment, "_energy", lambda gpu: {})
    monkeypatch.setattr(environment, "missing_to_compile", {"cpu": None, "cuda": "the package triton"}.get)
    with pretended.cuda(), monkeypatch.context() as patch:
        known = machine.gpus()[0] | {"max_watts": 500, "default_watts": 700, "slowed": ["power limit"]}
        patch.setattr(machine, "gpus", lambda: [known])
        (table,) = env.run(env.Config()).tables
    lines = {name: text for _, name, text in table.rows}
    assert lines["GPU"] == "NVIDIA H200, 151.4 GB, driver 580.65, limited to 500 of 700 W, slowed by power limit"
    assert lines["CUDA"] == "runtime 13.0, cuDNN none, NCCL none, float32 is exact unless --precision tf32 is given"
    assert lines["compile"].endswith("; --compile on a GPU lacks the package triton")


def test_transformers_is_not_imported() -> None:
    code = (
        "import sys; from nlpkit.recipes import env; env.run(env.Config()); "
        "assert 'torch' in sys.modules and not {'transformers', 'datasets'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_what_is_left_of_onnx_runtime_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from nlpkit.recipes import env

    monkeypatch.setitem(sys.modules, "onnxruntime", ModuleType("onnxruntime"))
    (table,) = env.run(env.Config()).tables
    (text,) = [text for _, name, text in table.rows if name == "onnxruntime"]
    assert text.startswith("installed in part")
