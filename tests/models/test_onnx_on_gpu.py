"""Where a model in ONNX Runtime runs: on the GPU that was found, or on the CPU with a word, never in silence."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pretended
import pytest
import torch

from nlpkit import reporting
from nlpkit.cli.app import main
from nlpkit.errors import RunError, UserError
from nlpkit.hardware import memory, providers
from nlpkit.inference.predictor import TrainedModelOptions, open_predictor
from nlpkit.measurement import environment
from nlpkit.models import onnx
from nlpkit.recipes import env, quantize
from nlpkit.tasks.forward import Forward

OLD = tuple(map(int, metadata.version("transformers").split(".")[:2])) < (5, 21)
pytestmark = [pytest.mark.slow, pytest.mark.skipif(OLD, reason="this transformers has no quantizers for its exporters")]

CPU, CUDA = onnx.PROVIDERS["cpu"], onnx.PROVIDERS["cuda"]
# as ONNX Runtime 1.31 for CUDA writes it where the libraries of CUDA are missing, after which it goes on with the CPU
REFUSED = (
    "\x1b[1;31m2026-01-01 [E:onnxruntime:Default, provider_bridge_ort.cc:2458 operator()] [ONNXRuntimeError] : 1 : "
    "FAIL : Failed to load library /x/libonnxruntime_providers_cuda.so with error: libcublasLt.so.13: cannot open "
    "shared object file: No such file or directory\n\x1b[m\n"
)
TEXTS = ["a good film", "awful soup and a rude clerk", ""]


@pytest.fixture(autouse=True)
def asked_anew() -> Iterator[None]:
    providers.obstacle.cache_clear()
    yield
    providers.obstacle.cache_clear()


@pytest.fixture
def for_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """ONNX Runtime as it is installed for the CPU, also on a machine that has the other."""
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: [CPU])
    monkeypatch.setattr(providers, "_installed", lambda: ["onnxruntime"])


@pytest.fixture(scope="module")
def folders(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A classifier in ONNX, in float32 and in int8."""
    place = tmp_path_factory.mktemp("placed")
    for to in ("onnx-fp32", "onnx-int8"):
        options = {"model": str(trained), "output": place / to, "to": to, "device": "cpu", "threads": 1}
        quantize.run(quantize.Config.model_validate({**options, "measure_seconds": 0, "max_eval_samples": 8}))
    return {to: place / to for to in ("onnx-fp32", "onnx-int8")}


def runtime(writes: str = "", opened: tuple[str, ...] = (CPU,), error: Exception | None = None) -> Any:
    """An ONNX Runtime that is built for CUDA 12; its sessions run with `opened` whatever they are asked for."""

    def session(*_: Any, **given: Any) -> Any:
        os.write(2, writes.encode())
        if error is not None:
            raise error
        return SimpleNamespace(get_providers=lambda: list(opened))

    def preload() -> None:
        print("Failed to load libcurand.so.10: libcurand.so.10: cannot open shared object file")

    return SimpleNamespace(
        __version__="1.99",
        cuda_version="12.8",
        get_available_providers=lambda: [CUDA, CPU],
        preload_dlls=preload,
        InferenceSession=session,
    )


def test_a_provider_that_gives_up_in_silence_is_found_out(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(providers, "require_runtime", lambda: runtime(REFUSED))
    with pretended.cuda():
        found = providers.obstacle("cuda")
    assert found is not None
    assert found.message == (
        "ONNX Runtime does not run on cuda: libcurand.so.10, libcublasLt.so.13 cannot be loaded "
        "(onnxruntime-gpu 1.99 is for CUDA 12.8, torch for CUDA 13.0)"
    )
    assert "pip install 'onnxruntime-gpu[cuda,cudnn]' (for CUDA 13, as torch)" in found.hint
    assert capfd.readouterr() == ("", ""), "what ONNX Runtime prints is heard, not shown"


def test_a_driver_that_refuses_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    failed = RuntimeError("CUDA failure 35: CUDA driver version is insufficient for CUDA runtime version\nmore")
    silent = runtime(error=failed)
    silent.preload_dlls = lambda: None
    monkeypatch.setattr(providers, "require_runtime", lambda: silent)
    found = providers.obstacle("cuda")
    assert found is not None
    assert "CUDA failure 35: CUDA driver version is insufficient for CUDA runtime version" in found.message


def test_a_provider_that_works_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(providers, "require_runtime", lambda: runtime(opened=(CUDA, CPU)))
    assert providers.obstacle("cuda") is None


@pytest.mark.usefixtures("for_cpu")
@pytest.mark.parametrize(
    ("installed", "said"),
    [
        (["onnxruntime"], "the onnxruntime that is installed is for the CPU"),
        (["onnxruntime", "onnxruntime-gpu"], "are both installed, and the files of the first are over those of the"),
    ],
)
def test_packages_that_clash_are_named(monkeypatch: pytest.MonkeyPatch, installed: list[str], said: str) -> None:
    monkeypatch.setattr(providers, "_installed", lambda: installed)
    monkeypatch.setattr(torch.version, "cuda", "12.6")
    found = providers.obstacle("cuda")
    assert found is not None and said in found.message
    assert found.hint.startswith(
        "pip uninstall -y onnxruntime onnxruntime-gpu; pip install 'onnxruntime-gpu[cuda,cudnn]<1.27' (for CUDA 12"
    )


def test_what_is_left_of_two_packages_when_one_is_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", ModuleType("onnxruntime"))
    with pytest.raises(UserError, match="installed in part: onnxruntime or onnxruntime-gpu was removed"):
        providers.require_runtime()


def test_env_says_that_a_provider_does_not_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it was built with is listed all the same."""
    monkeypatch.setattr(providers, "obstacle", lambda kind: providers.Obstacle(f"not on {kind}", "Mend it."))
    monkeypatch.setattr(environment, "_providers", lambda: [CUDA, CPU])
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    described = environment.describe()
    assert described["onnxruntime_on_cuda"] is None, "there is no GPU"
    with pretended.cuda():
        assert environment._onnxruntime_on_cuda() == "not on cuda. Mend it."
    row = dict(env._software({**described, "onnxruntime_on_cuda": "not on cuda. Mend it."}))["onnxruntime"]
    assert row == f"{CUDA}, {CPU}; not on cuda. Mend it."


@pytest.mark.usefixtures("for_cpu")
def test_auto_falls_back_to_the_cpu_with_a_word(folders: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    """On a machine with a GPU and an ONNX Runtime for the CPU; the answers are those of the CPU, and records say so."""
    model = str(folders["onnx-fp32"])
    wanted = open_predictor(TrainedModelOptions(model=model, device="cpu", threads=1)).outputs({"text": TEXTS})
    with pretended.cuda(), reporting.listening() as said:
        predictor = open_predictor(TrainedModelOptions(model=model, threads=1))
        assert np.array_equal(predictor.outputs({"text": TEXTS}), wanted)
    assert predictor.device.described == "cpu (1 thread), ONNX Runtime"
    (warning,) = said.warnings
    assert warning.startswith("--device auto: the CPU runs the ONNX model, not the GPU: ONNX Runtime does not run on")
    with pretended.cuda():
        assert main(["predict", model, "a good film", "--device", "cuda"]) == 2
    assert "the onnxruntime that is installed is for the CPU" in capsys.readouterr().err


@pytest.mark.usefixtures("for_cpu")
def test_evaluate_names_what_ran(folders: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    with pretended.cuda():
        assert main(["evaluate", str(folders["onnx-fp32"]), "--threads", "1", "--json"]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["device"] == "cpu (1 thread), ONNX Runtime"
    assert "the CPU runs the ONNX model" in printed.err


@pytest.mark.usefixtures("for_cpu")
@pytest.mark.parametrize("to", [None, "onnx-fp16", "onnx-fp32"])
def test_quantize_looks_at_the_provider_before_it_exports(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, to: Any
) -> None:
    def never(*_: Any, **__: Any) -> Any:
        raise AssertionError("a model was opened")

    monkeypatch.setattr(quantize, "open_trained", never)
    config = {"model": str(trained), "output": tmp_path / "run", "to": to}
    with pretended.cuda(), pytest.raises(UserError, match="does not run on cuda"):
        quantize.run(quantize.Config.model_validate({**config, "device": "cuda"}))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("to", "chosen"), [(None, "onnx-int8"), ("onnx-int8", "onnx-int8"), ("fp16", "fp16")])
def test_what_quantize_takes_a_gpu_for(trained: Path, monkeypatch: pytest.MonkeyPatch, to: Any, chosen: str) -> None:
    """int8 of ONNX goes to the CPU, even where ONNX Runtime runs on the GPU, and so does what cannot run there."""
    works = to == "onnx-int8"
    monkeypatch.setattr(
        providers, "obstacle", lambda kind: None if works else providers.Obstacle("it does not", "Mend it.")
    )
    config = quantize.Config.model_validate({"model": str(trained), "to": to, "threads": 1})
    with pretended.cuda(), reporting.listening() as said:
        source = quantize._open(config)
    assert source.to == chosen
    assert source.device.name == ("cuda" if to == "fp16" else "cpu")
    assert len([text for text in said.warnings if "the CPU runs the ONNX model" in text]) == (to != "fp16")


def test_a_session_that_leaves_the_device_is_refused(folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the provider could be loaded before: the graph that is opened counts."""
    model = open_predictor(TrainedModelOptions(model=str(folders["onnx-fp32"]), device="cpu", threads=1)).model
    monkeypatch.setattr(onnx, "obstacle", lambda kind: None)
    monkeypatch.setattr(model, "_providers", lambda: [CPU], raising=False)
    model.to("cuda")
    with pytest.raises(UserError, match="runs it with CPUExecutionProvider, not on cuda"):
        model(input_ids=torch.ones(1, 3, dtype=torch.int64))


def test_a_graph_that_does_not_fit(folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no damaged file, and `benchmark` goes on with the other models."""
    model = open_predictor(TrainedModelOptions(model=str(folders["onnx-fp32"]), device="cpu", threads=1)).model

    def full(*_: Any, **__: Any) -> Any:
        raise RuntimeError("bfc_arena.cc:376 Failed to allocate memory for requested buffer of size 93763584\nmore")

    monkeypatch.setattr(model.runtime, "InferenceSession", full)
    model.close()
    with pytest.raises(RunError, match="out of memory while it was opened: bfc_arena") as error:
        model(input_ids=torch.ones(1, 3, dtype=torch.int64))
    assert memory.is_exhausted(error.value)


def test_a_gpu_of_another_maker(monkeypatch: pytest.MonkeyPatch) -> None:
    """torch calls it cuda."""
    monkeypatch.setattr(torch.version, "hip", "6.4")
    found = providers.obstacle("cuda")
    assert found is not None and "this one is AMD's" in found.message


def test_products_that_stay_on_the_cpu_are_counted(folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a session whose provider takes nothing, all of them; with --device auto the CPU is taken, else it is said."""
    monkeypatch.setattr(onnx, "PROVIDERS", {**onnx.PROVIDERS, "cuda": CPU})
    monkeypatch.setattr(onnx.OnnxModel, "_providers", lambda self: [CPU])
    monkeypatch.setattr(onnx, "obstacle", lambda kind: None)
    from nlpkit.models.files import exported_file
    from nlpkit.models.opening import load_config

    file = exported_file(folders["onnx-int8"])
    assert file is not None
    model = onnx.OnnxModel(file, load_config(str(folders["onnx-int8"]))).to("cuda")
    if not hasattr(model.session, "get_provider_graph_assignment_info"):
        pytest.skip("this ONNX Runtime does not tell where nodes run")
    assert "matrix products of" in model.left_to_cpu and "MatMulInteger" in model.left_to_cpu
    options = TrainedModelOptions(model=str(folders["onnx-int8"]), threads=1)
    with pretended.cuda(), reporting.listening() as said:
        assert open_predictor(options).device.name == "cpu"
        named = onnx.placed(model, predictor_device(), options.model_copy(update={"device": "cuda"}))
    assert named.described == "cuda (NVIDIA H200), ONNX Runtime"
    assert "the CPU runs the ONNX model" in said.warnings[0] and said.warnings[1].endswith("runs all of it there")


def predictor_device() -> Any:
    from nlpkit.hardware import devices
    from nlpkit.options import DeviceOptions

    return devices.choose(DeviceOptions(device="cuda"))


def test_bound_tensors_are_not_copied(folders: dict[str, Path]) -> None:
    """What runs on a GPU, here on the CPU: the answers of a plain run, read from where ONNX Runtime has them."""
    predictor = open_predictor(TrainedModelOptions(model=str(folders["onnx-fp32"]), device="cpu", threads=1))
    model = predictor.model
    ids = torch.randint(5, 20, (3, 14))[:, ::2].contiguous()
    batch = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "token_type_ids": torch.zeros_like(ids)}
    wanted = model(**batch).logits
    given = {name: batch[name] for name in model.inputs}
    names = [item.name for item in model.session.get_outputs()]
    (found,) = onnx.bound(model.session, given, names, torch.device("cpu"))
    kept = found.clone()
    onnx.bound(model.session, {**given, "input_ids": ids + 1}, names, torch.device("cpu"))
    assert torch.equal(found, kept), "a later call does not write over it"
    assert torch.equal(kept, wanted)
    with pytest.raises(RuntimeError, match="data type"):
        onnx.bound(model.session, {name: tensor.int() for name, tensor in given.items()}, names, torch.device("cpu"))


def test_torch_and_the_session_wait_for_each_other(folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Inputs are there before the graph reads them, and outputs before torch does; the CPU waits for neither."""
    model = open_predictor(TrainedModelOptions(model=str(folders["onnx-fp32"]), device="cpu", threads=1)).model
    ids = torch.randint(5, 20, (2, 7))
    batch = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    wanted, found = model(**batch).logits, []

    class Stream:
        cuda_stream = 77

        def __init__(self, name: Any) -> None:
            self.name = name

        def wait_stream(self, other: Any) -> None:
            found.append(f"{self.name} waits for {other.name}")

    real = onnx.bound
    monkeypatch.setattr(onnx, "bound", lambda *given: (found.append("runs"), real(*given))[1])
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: Stream("torch"))
    model._stream = Stream("session")
    assert torch.equal(model(**batch).logits, wanted)
    assert found == ["session waits for torch", "runs", "torch waits for session"]
    monkeypatch.setattr(torch.cuda, "Stream", Stream)
    model.place = "cuda:1"
    assert model._providers() == [
        (CUDA, {"device_id": "1", "user_compute_stream": "77", "use_tf32": "0"}),
        CPU,
    ]
    # of several processes each has a GPU of its own, which torch calls cuda
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 3)
    model.place = "cuda"
    assert model._providers()[0][1]["device_id"] == "3"


def test_numbers_too_large_for_the_file_are_told_of(folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Its arithmetic is not that of --precision."""
    predictor = open_predictor(TrainedModelOptions(model=str(folders["onnx-fp32"]), device="cpu", threads=1))
    monkeypatch.setattr(
        type(predictor.task), "run", lambda task, model, batch: Forward(batch, torch.full((1, 2), torch.nan))
    )
    with pytest.raises(UserError, match=r"no number .NaN., on cpu .1 thread., ONNX Runtime") as error:
        predictor.outputs({"text": TEXTS[:1]})
    assert error.value.hint is not None and "quantize --to onnx-fp32" in error.value.hint


def test_tf32_is_named() -> None:
    from nlpkit.hardware.devices import Device

    model = onnx.OnnxModel(Path("model.onnx"), None)  # type: ignore[arg-type]
    named = onnx.device_of(model, Device("cuda", "tf32", "cuda (NVIDIA H200), tf32"))
    assert named == onnx.device_of(model, named) == Device("cuda", "tf32", "cuda (NVIDIA H200), ONNX Runtime in TF32")


@pytest.mark.gpu
def test_answers_of_the_gpu(folders: dict[str, Path], trained: Path, tmp_path: Path) -> None:
    """Float32 as on the CPU, bound to the GPU; float16 close to it; of int8 it is known what the GPU leaves."""
    if (found := providers.obstacle("cuda")) is not None:
        pytest.skip(found.message)
    model = str(folders["onnx-fp32"])
    wanted = open_predictor(TrainedModelOptions(model=model, device="cpu")).outputs({"text": TEXTS})
    predictor = open_predictor(TrainedModelOptions(model=model, device="cuda"))
    assert predictor.model.session.get_providers()[0] == CUDA
    assert predictor.model.left_to_cpu == ""
    batch = predictor.batch([{"input_ids": [5, 6, 7], "attention_mask": [1, 1, 1]}])
    assert predictor.run(batch).logits.device.type == "cuda"
    for _ in range(20):  # one call's memory is the next one's
        assert np.allclose(predictor.outputs({"text": TEXTS}), wanted, atol=2e-3)
    half = {"model": str(trained), "output": tmp_path / "fp16", "to": "onnx-fp16", "device": "cuda"}
    quantize.run(quantize.Config.model_validate({**half, "measure_seconds": 0}))
    answers = open_predictor(TrainedModelOptions(model=str(tmp_path / "fp16"), device="cuda")).outputs({"text": TEXTS})
    assert np.allclose(answers, wanted, atol=2e-2)
    with reporting.listening() as said:
        found_on = open_predictor(TrainedModelOptions(model=str(folders["onnx-int8"]))).device.name
    if hasattr(predictor.model.session, "get_provider_graph_assignment_info"):
        assert found_on == "cpu" and any("matrix products" in text for text in said.warnings)
