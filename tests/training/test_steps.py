"""What one optimizer step asks of a GPU, on one that is pretended: no waits, no kernels that are not deterministic.

Everything of a run is as `build` makes it, but for its batches, which are collated before, and its figures, of which a
pretended GPU has none.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import every_task
import pretended
import pytest
import torch
from accelerate.utils import send_to_device
from conftest import RunOf, make_model
from pretraining_runs import sources
from teachers import require_teacher, teacher_of
from torch._subclasses.fake_tensor import unset_fake_temporarily
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import TrainerCallback

from nlpkit.data.collating import id_columns
from nlpkit.hardware import devices
from nlpkit.recipes import (
    distill,
    finetune_cls,
    finetune_embed,
    finetune_ner,
    finetune_qa,
    finetune_seq2seq,
    pretrain_mlm,
    prune,
)
from nlpkit.tasks.roles import Trainable
from nlpkit.training import arguments, dropout, padding

pytestmark = pytest.mark.slow

INSIDE = {"hidden_weight": 1.0, "attention_weight": 1.0, "relation_weight": 1.0, "cosine_weight": 1.0}
COMMANDS: dict[str, Any] = {
    "token-classification": finetune_ner,
    "question-answering": finetune_qa,
    "embedding": finetune_embed,
    "text-to-text": finetune_seq2seq,
}

# what torch.use_deterministic_algorithms says raises on CUDA, of what models of text might call; `nll_loss` alone has a
# deterministic kernel, over a further axis it has none
NOT_DETERMINISTIC = {
    "aten.nll_loss2d_forward", "aten.nll_loss2d_backward", "aten.cumsum of fractions", "aten.put", "aten.put_",
    "aten.histc of fractions", "aten.median of fractions", "aten._ctc_loss", "aten._embedding_bag",
    "aten.kthvalue of fractions", "aten.scatter_reduce of fractions",
}  # fmt: skip


class Enough(Exception):
    """The steps that are looked at are done."""


class Loader:
    """Batches that are on the device, as Trainer's own loader gives them."""

    def __init__(self, batches: list[Any]) -> None:
        self.batches, self.batch_size = batches, 4
        self.dataset = self.sampler = self.batch_sampler = None

    def __len__(self) -> int:
        return 100

    def __iter__(self) -> Iterator[Any]:
        return (dict(batch) for batch in self.batches)


class Kernels(TorchDispatchMode):
    """The kernels that are called, and copies to the device, for which the CPU waits as for those from it."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.copies = 0

    def __torch_dispatch__(self, kernel: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = kernel(*args, **(kwargs or {}))
        first, name = args[0] if args else None, str(kernel.overloadpacket)
        numbers = torch.is_tensor(first) and first.is_floating_point()
        self.names.add(f"{name} of fractions" if numbers else name)
        source = args[1] if name == "aten.copy_" else first if name == "aten._to_copy" else None
        self.copies += torch.is_tensor(source) and source.device.type == "cpu" and made.device.type == "cuda"
        return made


@pytest.fixture
def on_gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Builds a run whose device is the pretended GPU from its Trainer's arguments on."""
    monkeypatch.setenv("NLPKIT_CACHE", str(tmp_path / "cache"))
    with ExitStack() as stack:
        made, collator = arguments.training_arguments, padding.collator

        def begun(options: Any, output: Path, device: Any, **rest: Any) -> Any:
            stack.enter_context(pretended.cuda())
            stack.enter_context(pretended.tensors())
            return made(options, output, devices.Device("cuda", "bf16", "cuda"), **rest)

        def with_numbers(*given: Any, **keywords: Any) -> Any:
            with unset_fake_temporarily():
                return collator(*given, **keywords)

        def build(recipe: Any, **options: Any) -> Any:
            monkeypatch.setattr(arguments, "training_arguments", begun)
            monkeypatch.setattr(padding, "collator", with_numbers)
            monkeypatch.setattr(devices, "matmul_rate", lambda device: 1e12)
            monkeypatch.setattr(dropout, "use_cpu_dropout", lambda model: None)
            common = {"device": "cpu", "threads": 1, "batch_size": 4, "max_steps": 100, "logging_steps": 50}
            trainer = recipe.build(recipe.Config(**{**common, "output": tmp_path / "run", **options}))
            if (teacher := teacher_of(trainer)) is not None:
                teacher.teacher.model.to("cuda")
            return getattr(trainer, "trainer", trainer)

        yield build


def length(row: Any) -> list[int]:
    """Of each of its texts."""
    return [len(row[name]) for name in id_columns(row)] if isinstance(row, dict) else [len(row.ids)]


def check(trainer: Any) -> None:
    """Look at two steps of two batches each, one with padding and one without."""
    rows = trainer.train_dataset
    with unset_fake_temporarily():
        found = sorted((rows[i] for i in range(len(rows))), key=length)
        alike = [found[i : i + 2] for i in range(len(found) - 1) if length(found[i]) == length(found[i + 1])]
        batches = [trainer.data_collator(part) for part in (found[:: len(found) // 3], alike[0]) * 2]
    sent = send_to_device(batches, trainer.args.device)
    trainer.args.gradient_accumulation_steps = 2
    trainer.get_train_dataloader = lambda: Loader(sent)
    kernels = Kernels()

    class Stop(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.global_step == 2:
                raise Enough
            kernels.copies = 0  # what stays on the device is sent in the first step

    trainer.add_callback(Stop())
    with kernels, pretended.waits() as waits, pytest.raises(Enough):
        trainer.train()
    assert waits == []
    assert kernels.copies == 0
    assert "aten._fused_adamw_" in kernels.names
    assert not kernels.names & NOT_DETERMINISTIC


def options_of(task: str, run: Path) -> dict[str, Any]:
    return {
        "data": str(run.parent / "data"),
        "model": str(run),
        **({"max_length": 48, "doc_stride": 8} if task == "question-answering" else {}),
    }


@pytest.mark.parametrize("task", [task for task in every_task.kinds(Trainable) if task != "masked-lm"])
def test_fine_tuning(task: str, on_gpu: Any, run_of: RunOf) -> None:
    check(on_gpu(COMMANDS.get(task, finetune_cls), **options_of(task, run_of(task))))


def test_class_weights(on_gpu: Any, run_of: RunOf) -> None:
    options = options_of("classification", run_of("classification"))
    check(on_gpu(finetune_cls, **options, class_weights="balanced", label_smoothing=0.1))


def test_fp16(on_gpu: Any, run_of: RunOf, monkeypatch: pytest.MonkeyPatch) -> None:
    """The scale of the loss is found on the device too."""
    options = options_of("classification", run_of("classification"))
    made = devices.Device
    monkeypatch.setattr(
        devices, "Device", lambda name, _, *rest: made(name, "fp16" if name == "cuda" else "fp32", *rest)
    )
    check(on_gpu(finetune_cls, **options))


def test_pruning(on_gpu: Any, run_of: RunOf) -> None:
    options = {"criterion": "movement", "sparsity": 0.5, "epochs": 2, "distill": True}
    check(on_gpu(prune, model=str(run_of("classification")), **options))


@pytest.mark.parametrize("task", ["regression", "multi-label", "token-classification", "question-answering"])
def test_distillation_from_kept_logits(task: str, on_gpu: Any, run_of: RunOf) -> None:
    trainer = on_gpu(distill, teacher=str(run_of(task)), student_layers="1", measure_seconds=0)
    assert require_teacher(trainer).outputs.logits is not None
    check(trainer)


@pytest.mark.parametrize("task", ["classification", "token-classification", "question-answering", "masked-lm"])
def test_distillation_of_the_inside(task: str, on_gpu: Any, run_of: RunOf, tmp_path: Path) -> None:
    """The teacher runs in the step; the first student is of another width."""
    run, student = run_of(task), {"student_layers": "1"}
    if task == "classification":
        student = {"student": str(make_model(tmp_path / "narrow", hidden_size=16, intermediate_size=32))}
    data = {"data": str(run.parent / "data")} if task == "masked-lm" else {}
    check(on_gpu(distill, teacher=str(run), **student, **INSIDE, **data, measure_seconds=0))


OBJECTIVES: dict[str, dict[str, Any]] = {
    "lines": {"line_by_line": True},
    "documents apart": {"isolate_documents": True},
    "pairs": {"objective": "mlm+nsp"},
    "order": {"objective": "mlm+sop", "arch": "albert"},
}


@pytest.mark.parametrize("name", OBJECTIVES)
def test_pre_training(name: str, on_gpu: Any, tmp_path: Path) -> None:
    shape = {"layers": 1, "hidden_size": 32, "max_length": 16, **sources(tmp_path, 40)}
    check(on_gpu(pretrain_mlm, **shape, **OBJECTIVES[name]))


@pytest.mark.parametrize("full", [True, False], ids=["--full-determinism", ""])
def test_replaced_tokens(full: bool, on_gpu: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their draws have another way without fractions, of which the sums are not deterministic."""
    monkeypatch.setattr(torch, "are_deterministic_algorithms_enabled", lambda: full)
    shape = {"layers": 1, "hidden_size": 32, "max_length": 16, **sources(tmp_path, 40)}
    trainer = on_gpu(pretrain_mlm, **shape, objective="rtd", arch="electra", line_by_line=True)
    if not full:
        monkeypatch.setattr(sys.modules[__name__], "NOT_DETERMINISTIC", set())
    check(trainer)


@pytest.mark.gpu
def test_steps_of_a_real_gpu_do_not_wait(run_of: RunOf, tmp_path: Path) -> None:
    options = options_of("classification", run_of("classification"))
    training = {"device": "cuda", "max_steps": 4, "logging_steps": 50, "output": tmp_path / "run"}
    trainer = finetune_cls.build(finetune_cls.Config(**options, **training))

    class Watch(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            torch.cuda.set_sync_debug_mode(
                {1: "error", 3: "default"}.get(state.global_step, torch.cuda.get_sync_debug_mode())
            )

    trainer.add_callback(Watch())
    trainer.train()


@pytest.mark.gpu
@pytest.mark.parametrize("recipe", [finetune_qa, pretrain_mlm])
def test_full_determinism_on_a_real_gpu(recipe: Any, run_of: RunOf, tmp_path: Path) -> None:
    options: dict[str, Any] = options_of("question-answering", run_of("question-answering"))
    if recipe is pretrain_mlm:
        options = {"layers": 1, "hidden_size": 32, "max_length": 16, "objective": "rtd", "arch": "electra"}
        options |= sources(tmp_path, 40)
    training = {"device": "cuda", "max_steps": 2, "full_determinism": True, "output": tmp_path / "run"}
    try:
        recipe.run(recipe.Config(**options, **training))
    finally:
        torch.use_deterministic_algorithms(False)
