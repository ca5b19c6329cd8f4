"""Which runs are answered without torch, why others are not, and what is said where torch is not installed."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path

import pytest
from conftest import make_model

from nlpkit import limits, machine
from nlpkit.errors import UserError
from nlpkit.hardware import devices
from nlpkit.inference import light
from nlpkit.models import bare, fitting, opening
from nlpkit.options import DeviceOptions
from nlpkit.runs.files import write_json

TASK = {"name": "fill-mask", "columns": {"text": "text"}, "max_length": 48, "mlm_probability": 0.15,
        "mask_split": [0.8, 0.1, 0.1]}  # fmt: skip
CPU = DeviceOptions(device="cpu")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as `quantize` leaves one, but for its graph."""
    folder = make_model(tmp_path_factory.mktemp("light") / "run")
    for weights in folder.glob("*.safetensors"):
        weights.unlink()
    limits.save_tokenizer(opening.load_tokenizer(str(folder)), folder, 48)
    (folder / "model.onnx").write_bytes(b"a graph" * 100)
    config = json.loads((folder / "config.json").read_text())
    write_json(folder / "config.json", {**config, fitting.FIRST_POSITION: 0})
    write_json(folder / "nlpkit.json", {"schema_version": 1, "command": "quantize", "task": TASK})
    assert not bare.write(folder)
    return folder


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "run"))


def test_what_is_known_is_what_transformers_says(run: Path) -> None:
    known = light.found(str(run), CPU)
    assert isinstance(known, bare.Bare)
    config = opening.load_config(str(run))
    for name in (*bare.NUMBERS, "architectures", "id2label", "problem_type", "model_type", "num_labels"):
        assert getattr(known.config, name) == getattr(config, name, None), name
    assert opening.takes(known.config) == opening.takes(config)
    assert opening.label_names(known.config) == opening.label_names(config)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "tokenizer_config.json"])
def test_a_file_that_was_changed_is_left_to_transformers(run: Path, name: str) -> None:
    (run / name).write_text((run / name).read_text() + "\n")
    assert light.why_torch(run) == f"its {name} was changed since it was exported"
    assert light.found(str(run), CPU) is None


def test_a_file_that_was_added_is_left_to_transformers(run: Path) -> None:
    (run / "added_tokens.json").write_text("{}")
    assert light.why_torch(run) == "its added_tokens.json was changed since it was exported"


def test_what_else_needs_torch(run: Path, tmp_path: Path) -> None:
    assert "token by token" in str(light.why_torch(run, "text-generation"))
    assert "no record" in str(light.why_torch(tmp_path))
    assert "no record" in str(light.why_torch("owner/name"))
    (run / bare.RUNTIME).unlink()
    assert light.why_torch(run) == f"it has no {bare.RUNTIME}"
    (run / "model.onnx").unlink()
    assert light.why_torch(run) == "it holds no graph for ONNX Runtime"


def test_damage_is_named(run: Path) -> None:
    document = json.loads((run / bare.RUNTIME).read_text())
    document["tokenizer"]["padding_side"] = "middle"
    write_json(run / bare.RUNTIME, document)
    with pytest.raises(UserError, match=r"nlpkit_runtime.json: tokenizer.padding_side"):
        light.found(str(run), CPU)
    write_json(run / bare.RUNTIME, {**document, "schema_version": 2})
    assert light.why_torch(run) == f"its {bare.RUNTIME} is of another version"


def test_the_device_settles_it(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert light.found(str(run), DeviceOptions(device="cuda")) is None
    monkeypatch.setattr(machine, "has_gpu", lambda: True)
    assert light.found(str(run), DeviceOptions(device="auto")) is None
    assert light.found(str(run), CPU, tokenizer="other") is None
    monkeypatch.setattr(machine, "has_gpu", lambda: False)
    assert light.found(str(run), DeviceOptions(device="auto")) is not None


def test_where_torch_is_not_installed(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "torch" else real(name))
    monkeypatch.setattr(machine, "has_gpu", lambda: True)
    assert light.found(str(run), DeviceOptions(device="auto")) is not None
    with pytest.raises(UserError, match=r"needs torch and transformers.*: it is to run on --device cuda"):
        light.found(str(run), DeviceOptions(device="cuda"))
    (run / bare.RUNTIME).unlink()
    with pytest.raises(UserError, match=r"not installed here: it has no nlpkit_runtime.json") as error:
        light.found(str(run), CPU)
    assert error.value.hint is not None and "nlpkit quantize" in error.value.hint


def test_the_cpu_is_described_as_with_torch() -> None:
    options = DeviceOptions(device="cpu", threads=2)
    device, threads = devices.cpu(options)
    assert (device, threads) == (devices.choose(options), 2)


def test_what_is_needed_is_what_is_installed() -> None:
    """Each of them is pinned: a service installs no other versions than the tests have."""
    pins = (Path(__file__).parents[2] / "constraints.txt").read_text().lower()
    assert all(f"\n{name}==" in pins for name in light.DISTRIBUTIONS)
