"""Which device, which GPU and which arithmetic a run takes: on machines that are not there, see `pretended`."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pretended
import pytest
import torch
from hearing import Heard
from pretended import H200, T4, Card

from nlpkit import process
from nlpkit.errors import UserError
from nlpkit.hardware import arithmetic, devices, gpus
from nlpkit.options import DeviceOptions, TrainingOptions

P100 = Card("Tesla P100-PCIE-16GB", (6, 0), 16 * pretended.GIB)


@pytest.fixture(autouse=True)
def as_a_user_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("ACCELERATE_")]:
        monkeypatch.delenv(name)
    for name in ("CUDA_VISIBLE_DEVICES", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "NVIDIA_TF32_OVERRIDE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(devices, "_used", None)


def choose(device: str = "auto", **options: Any) -> devices.Device:
    return devices.choose(DeviceOptions(device=device, threads=1, **options))


def of_rank(monkeypatch: pytest.MonkeyPatch, rank: int, world: int = 2, local: int | None = None) -> None:
    for name, value in {
        "RANK": rank,
        "LOCAL_RANK": rank,
        "WORLD_SIZE": world,
        "LOCAL_WORLD_SIZE": local or world,
    }.items():
        monkeypatch.setenv(name, str(value))


# --- which GPU ---


def test_one_process_takes_one_gpu_and_tells_of_the_others() -> None:
    with pretended.cuda(H200, T4, T4):
        device = choose("cuda:1")
        assert device.described == "cuda (Tesla T4), fp16"
        assert torch.cuda.device_count() == 1
        assert gpus.shown(device) == (
            "cuda (Tesla T4), fp16; 2 of 3 GPUs idle (torchrun --nproc-per-node 3 -m nlpkit ... uses all)"
        )


def test_numbers_are_those_of_the_driver_unless_the_user_orders_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    with pretended.cuda():
        choose()
        assert os.environ["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"
        assert os.environ["PYTORCH_ALLOC_CONF"] == "expandable_segments:True"
    monkeypatch.setenv("CUDA_DEVICE_ORDER", "FASTEST_FIRST")
    monkeypatch.setenv("PYTORCH_CUDA_ALLOC_CONF", "max_split_size_mb:64")
    with pretended.cuda():
        choose()
        assert os.environ["CUDA_DEVICE_ORDER"] == "FASTEST_FIRST"
        assert "PYTORCH_ALLOC_CONF" not in os.environ


def test_on_the_cpu_no_variable_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,3")
    before = {name: value for name, value in os.environ.items() if name not in ("RAYON_NUM_THREADS",)}
    monkeypatch.setattr("nlpkit.machine.has_nvidia_driver", lambda: False)
    assert choose("auto").name == "cpu"
    assert {name: value for name, value in os.environ.items() if name not in ("RAYON_NUM_THREADS",)} == before


@pytest.mark.parametrize(
    ("device", "visible", "message"),
    [
        ("cuda:7", None, "--device cuda:7: there is no such GPU"),
        ("cuda:1", "1", "CUDA_VISIBLE_DEVICES=1 has no GPU 1"),
        ("cuda", "", "--device cuda: torch finds no such device here"),
        ("cuda:-1", None, "not a device"),
    ],
)
def test_a_gpu_that_is_not_there_is_one_message(
    device: str, visible: str | None, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    with pretended.cuda(H200, H200), pytest.raises(UserError, match=message):
        choose(device)


def test_a_process_that_lets_others_compute_refuses_what_is_not_there_and_begins_nothing() -> None:
    with pretended.cuda() as machine:
        devices.require(DeviceOptions(device="cuda"))
        with pytest.raises(UserError, match="--device cuda:1: there is no such GPU"):
            devices.require(DeviceOptions(device="cuda:1"))
        assert not machine.initialized and "CUDA_VISIBLE_DEVICES" not in os.environ
    with pytest.raises(UserError, match="not a device"):
        devices.require(DeviceOptions(device="gpu"))


def test_another_gpu_in_the_same_process_is_refused_and_the_same_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1,0")
    with pretended.cuda(H200, T4):
        choose("cuda:0")
        assert choose("cuda").described.startswith("cuda (Tesla T4)")
        with pytest.raises(UserError, match="--device cuda:1: this process works on GPU 1 since an earlier run"):
            choose("cuda:1")
        # a process that this one begins is asked the same, and counts as the user does
        monkeypatch.setattr(devices, "_used", None)
        assert devices.visible() == "1,0"
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")  # as somebody says anew
        assert devices.visible() == "0"


def test_cuda_that_somebody_else_has_begun_keeps_its_gpus() -> None:
    with pretended.cuda(H200, T4) as machine:
        machine.begin()
        with pytest.raises(UserError, match="CUDA is in use in this process, with 2 GPUs"):
            choose()
    with pretended.cuda(H200) as machine:
        machine.begin()
        assert choose("cuda:0").name == "cuda"
    with pretended.cuda(H200, T4) as machine:
        machine._seen = machine.visible()[:1]  # `torch.cuda.is_available()` asks the driver, and begins nothing
        with pytest.raises(UserError, match="GPU 1 is asked for, and CUDA gives this process another"):
            choose("cuda:1")


def test_gpus_that_stay_in_spite_of_the_choice_are_refused() -> None:
    """A variable of ROCm may leave several, which a Trainer would drive with DataParallel."""
    with pretended.cuda(H200, T4) as machine:
        machine._seen = machine.visible()
        with pytest.raises(UserError, match="torch finds 2 GPUs where CUDA_VISIBLE_DEVICES=0 names one"):
            choose()


def test_each_process_takes_the_gpu_of_its_local_rank(monkeypatch: pytest.MonkeyPatch) -> None:
    of_rank(monkeypatch, 1)
    with pretended.cuda(H200, T4, T4) as machine:
        device = choose()
        assert (device.name, device.index, machine.current) == ("cuda", 1, 1)
        assert gpus.shown(device).startswith("cuda (Tesla T4), fp16, 2 processes; 1 of 3 GPUs idle")
        with pretended.tensors():
            assert torch.nn.Linear(2, 2).to(device.name).weight.device == torch.device("cuda:1")


def test_processes_see_all_gpus_although_what_began_them_worked_on_one(monkeypatch: pytest.MonkeyPatch) -> None:
    with pretended.cuda(H200, T4) as machine:
        choose("cuda:0")
        of_rank(monkeypatch, 1)
        machine.initialized, machine._seen = False, None  # in a process of its own
        assert choose().described == "cuda (Tesla T4), fp16"
        assert "CUDA_VISIBLE_DEVICES" not in os.environ


@pytest.mark.parametrize("built", [("sm_75", "sm_80", "compute_120"), ("sm_61",)])
def test_a_gpu_that_torch_has_no_kernels_for(built: tuple[str, ...], heard: Heard) -> None:
    with pretended.cuda(P100) as machine:
        machine.architectures = built
        lacking = r"torch .* has no kernels for Tesla P100-PCIE-16GB \(compute capability 6.0\), but for " + built[0]
        with pytest.raises(UserError, match=lacking):
            choose("cuda")
        assert choose().name == "cpu"
        assert re.match(lacking, heard.warnings[0]) and heard.warnings[0].endswith("; the CPU is used")
        machine.architectures = ("sm_50", "compute_50")
        assert choose().name == "cuda"


def test_a_batch_system_shows_each_process_its_own_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    of_rank(monkeypatch, 1)
    with pretended.cuda(H200):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
        assert choose().index == 0
        assert os.environ["LOCAL_RANK"] == "0"  # by which accelerate finds the GPU


def test_two_processes_on_the_only_gpu_of_a_machine_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """NCCL would say that it is there twice."""
    of_rank(monkeypatch, 1)
    with pretended.cuda(H200), pytest.raises(UserError, match="2 processes on a machine where torch finds 1 GPU"):
        choose()


@pytest.mark.parametrize(
    ("rank", "device", "message"),
    [
        (2, "auto", "3 processes on a machine where torch finds 2 GPUs"),
        (0, "cuda:1", "each takes the GPU of its LOCAL_RANK"),
        (0, "mps", "--device mps is for one process"),
        (None, "auto", "LOCAL_RANK is not"),
    ],
)
def test_processes_without_a_gpu_of_their_own(
    rank: int | None, device: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_rank(monkeypatch, rank or 0, 3)
    if rank is None:
        monkeypatch.delenv("LOCAL_RANK")
    with pretended.cuda(H200, H200), pytest.raises(UserError, match=message):
        choose(device)


def test_cores_are_shared_by_the_processes_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nlpkit.machine.threads", lambda: (8, None))
    monkeypatch.setattr(process, "_RAYON", "1")
    of_rank(monkeypatch, 0, world=16, local=4)
    before = torch.get_num_threads()
    assert devices.choose(DeviceOptions(device="cpu")).described == "cpu (2 threads), fp32"
    torch.set_num_threads(before)


def test_a_gpu_that_torch_cannot_use_is_told_of(heard: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    devices._tell_of_unused_gpus.cache_clear()
    monkeypatch.setattr("nlpkit.machine.has_nvidia_driver", lambda: True)
    monkeypatch.setattr("nlpkit.machine.gpus", lambda: [{"name": "NVIDIA L4"}])
    for name in ("CUDA_DEVICE_ORDER", "PYTORCH_ALLOC_CONF"):
        monkeypatch.setenv(name, "")  # which are put back
    assert choose().name == "cpu"
    assert heard.warnings == ["torch does not find the GPU of this machine (NVIDIA L4): it is built without CUDA "
                    "(pytorch.org says which to install)"]  # fmt: skip
    devices._tell_of_unused_gpus.cache_clear()


# --- which arithmetic ---


@pytest.mark.parametrize(("card", "precision"), [(H200, "bf16"), (T4, "fp16"), (P100, "fp32")])
def test_the_arithmetic_is_one_that_the_gpu_has_units_for(card: Card, precision: str) -> None:
    with pretended.cuda(card):
        assert choose().precision == precision


def test_bf16_that_is_emulated_is_told_of(heard: Heard) -> None:
    with pretended.cuda(T4):
        assert choose(precision="bf16").precision == "bf16"
    assert heard.warnings == ["Tesla T4 has no units for bf16, which it emulates slowly: --precision fp16 is faster"]


def test_fp16_has_a_scaler(tmp_path: Path) -> None:
    with pretended.cuda(T4):
        args = arguments(tmp_path, choose())
        assert args.fp16 and not args.bf16


@pytest.mark.parametrize(("card", "device"), [(T4, "cuda"), (H200, "cpu")])
def test_tf32_where_there_is_none_is_refused(card: Card, device: str) -> None:
    with pretended.cuda(card), pytest.raises(UserError, match="--precision tf32"):
        choose(device, precision="tf32")


def test_what_the_environment_forces_is_told_of(heard: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", "1")
    with pretended.cuda():
        choose(precision="fp32")
    assert heard.warnings == [
        "NVIDIA_TF32_OVERRIDE=1: NVIDIA's libraries compute in TF32, whatever --precision fp32 says"
    ]


@pytest.mark.parametrize("precision", ["fp32", "tf32", "bf16"])
@pytest.mark.parametrize("compile", [False, True])
def test_a_precision_is_one_arithmetic_compiled_or_not(
    precision: str, compile: bool, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """transformers turns TF32 on with torch_compile, accelerate once more when the Trainer is made."""
    from transformers import AutoModelForSequenceClassification

    from nlpkit.training.trainer import ResumableTrainer

    monkeypatch.setattr("nlpkit.hardware.toolchain.missing_to_compile", lambda device: None)
    monkeypatch.setattr(torch.nn.Module, "to", lambda self, *_, **__: self)  # a Trainer places its model
    with pretended.cuda():
        device = choose(precision=precision)
        args = arguments(tmp_path, device, compile=compile)
        assert arithmetic.computes_in_tf32() == (precision == "tf32")
        model = AutoModelForSequenceClassification.from_pretrained(tiny_model)
        ResumableTrainer(model=model, args=args, eval_dataset=[{}])
        assert arithmetic.computes_in_tf32() == (precision == "tf32")
        assert torch.backends.cudnn.allow_tf32 == (precision == "tf32")
        assert torch.get_float32_matmul_precision() == ("high" if precision == "tf32" else "highest")
        found = gpus.recorded(device)["gpu"]
        assert (found["tf32"], found["number"], found["driver"]) == (precision == "tf32", 0, "580.65")
    assert gpus.recorded(choose("cpu")) == {}


# --- what a Trainer is told of it ---


def arguments(folder: Path, device: devices.Device, more: dict[str, Any] | None = None, **options: Any) -> Any:
    from nlpkit.options import RunOptions
    from nlpkit.training.arguments import training_arguments

    config = RunOptions(**options)
    return training_arguments(
        config, folder, device, main_metric="loss", higher_is_better=False, steps=1, **(more or {})
    )


def test_several_processes_look_for_unused_parameters_with_recomputed_activations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = choose("cpu")
    assert arguments(tmp_path, device, gradient_checkpointing=True).ddp_find_unused_parameters is None
    monkeypatch.setattr("nlpkit.process.world_size", lambda: 2)
    assert arguments(tmp_path, device, gradient_checkpointing=True).ddp_find_unused_parameters
    within = {"gradient_checkpointing_kwargs": {"use_reentrant": True}}
    given = arguments(tmp_path, device, gradient_checkpointing=True, trainer=within)
    assert given.ddp_find_unused_parameters is None


def test_copies_do_not_wait_on_a_gpu_whatever_else_is_set(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"even_batches": false}')
    streamed = {"accelerator_config": {"dispatch_batches": False}}
    with pretended.cuda():
        device = choose()
        for given in ({"even_batches": False}, str(tmp_path / "a.json")):
            found = arguments(tmp_path, device, streamed, trainer={"accelerator_config": given}).accelerator_config
            assert (found.non_blocking, found.even_batches, found.dispatch_batches) == (True, False, False)
        waits = arguments(tmp_path, device, trainer={"accelerator_config": {"non_blocking": False}})
        assert not waits.accelerator_config.non_blocking
        with pytest.raises(UserError, match="nlpkit sets dispatch_batches itself"):
            arguments(tmp_path, device, streamed, trainer={"accelerator_config": {"dispatch_batches": True}})
    assert not arguments(tmp_path, choose("cpu")).accelerator_config.non_blocking
    with pytest.raises(UserError, match=r"accelerator_config=none\.json: "):
        arguments(tmp_path, choose("cpu"), trainer={"accelerator_config": "none.json"})


def test_compiling_without_a_compiler_is_refused_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    device = choose("cpu")
    for asked in ({"compile": True}, {"trainer": {"torch_compile_mode": "default"}}):
        with pytest.raises(UserError, match=r"--compile needs a C\+\+ compiler .* on cpu"):
            arguments(tmp_path, device, **asked)
    assert arguments(tmp_path, device, compile=True, trainer={"torch_compile_backend": "aot_eager"}).torch_compile


# --- what `accelerate launch` was asked for ---


def test_the_launcher_is_followed_where_nothing_is_said_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """TrainingArguments take its arithmetic where they are told neither bf16 nor fp16: float32 would train in it."""
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "bf16")
    followed, said = choose("cpu"), choose("cpu", precision="fp32")
    assert (followed.precision, said.precision) == ("bf16", "fp32")
    assert arguments(tmp_path, followed).mixed_precision == "bf16"
    assert arguments(tmp_path, said).mixed_precision == "no"
    assert os.environ["ACCELERATE_MIXED_PRECISION"] == "bf16"
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "fp8")
    with pytest.raises(UserError, match="`accelerate launch` was asked for fp8"):
        choose("cpu")


def test_the_launcher_leaves_gpus_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCELERATE_USE_CPU", "True")
    with pretended.cuda():
        assert choose().name == "cpu"
        with pytest.raises(UserError, match="--device cuda: `accelerate launch` was asked for the CPU"):
            choose("cuda")


def test_a_launcher_that_compiles_is_told_how_it_is_done_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ACCELERATE_DYNAMO_BACKEND", "INDUCTOR")
    with pytest.raises(UserError, match="`accelerate launch` was asked to compile with inductor"):
        arguments(tmp_path, choose("cpu"))
    monkeypatch.setenv("ACCELERATE_DYNAMO_BACKEND", "NO")
    arguments(tmp_path, choose("cpu"))


# --- on a real GPU ---


@pytest.mark.gpu
def test_what_is_recorded_is_what_the_driver_tells() -> None:
    found = gpus.recorded(choose("cuda"))["gpu"]
    assert found["name"] == torch.cuda.get_device_name()
    assert found["number"] is not None and found["driver"] and found["cudnn"]


def test_cublas_is_deterministic_from_the_first_product_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """torch looks once, at the first product: a teacher's or that of a measurement come before a Trainer says so."""
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    for full in (False, True):
        with pretended.cuda():
            devices.choose(TrainingOptions(full_determinism=full))
            assert os.environ.get("CUBLAS_WORKSPACE_CONFIG") == (":16:8" if full else None)


@pytest.mark.gpu
def test_blocks_of_memory_grow() -> None:
    code = (
        "from nlpkit.options import DeviceOptions; from nlpkit.training import devices; "
        "devices.choose(DeviceOptions(device='cuda')); import torch; torch.ones(9, device='cuda'); "
        "assert all(block['is_expandable'] for block in torch.cuda.memory_snapshot())"
    )
    given = {name: value for name, value in os.environ.items() if "ALLOC_CONF" not in name}
    done = subprocess.run([sys.executable, "-c", code], env=given, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["fp32", "tf32"])
def test_products_have_the_digits_that_a_precision_promises(precision: str) -> None:
    device = choose("cuda", precision=precision)
    generator = torch.Generator().manual_seed(0)
    a = torch.randn(512, 512, generator=generator)
    wrong = ((a.to(device.name) @ a.to(device.name)).cpu().double() - a.double() @ a.double()).abs().max().item()
    assert wrong < 1e-3 if precision == "fp32" else 1e-3 < wrong < 1
