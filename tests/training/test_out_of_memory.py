"""A device without memory, pretended on the CPU: the failed run is gone before the next is built, the steps are those
of a run begun with the smaller batch, and an evaluation that does not fit costs no step."""

from __future__ import annotations

import json
import random
import weakref
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from conftest import RunOf, rows, sentence, write_csv
from teachers import teacher_of

from nlpkit.errors import RunError, UserError
from nlpkit.hardware import devices, memory
from nlpkit.recipes import distill, finetune_cls, pretrain_mlm, prune
from nlpkit.tasks.text_classification.task import TextClassification
from nlpkit.training.trainer import NlpkitTrainer, ResumableTrainer

FIXED: dict[str, Any] = {"device": "cpu", "threads": 1, "learning_rate": 3e-3, "logging_steps": 1}
SAID = "CUDA out of memory. Tried to allocate 20.00 MiB."


def finetuning(tiny_model: Path, run_of: RunOf, folder: Path, **options: Any) -> None:
    write_csv(folder / "train.csv", rows(64, 1))
    write_csv(folder / "validation.csv", rows(17, 2))
    fixed = {**FIXED, "data": str(folder), "model": str(tiny_model), "max_steps": 6, "batch_size": 16}
    finetune_cls.run(finetune_cls.Config(**{**fixed, **options}))


def distilling(tiny_model: Path, run_of: RunOf, folder: Path, **options: Any) -> None:
    """With the teacher in every step: it is as large as the student."""
    fixed: dict[str, Any] = {**FIXED, "student_layers": "1", "hidden_weight": 1.0, "attention_weight": 1.0}
    fixed |= {"max_steps": 4, "batch_size": 16, "measure_seconds": 0}
    distill.run(distill.Config(teacher=str(run_of("classification")), **{**fixed, **options}))


def pruning(tiny_model: Path, run_of: RunOf, folder: Path, **options: Any) -> None:
    fixed: dict[str, Any] = {**FIXED, "what": "weights", "sparsity": 0.5, "distill": True}
    fixed |= {"max_steps": 4, "batch_size": 16, "measure_seconds": 0, "epochs": 1}
    prune.run(prune.Config(model=str(run_of("classification")), **{**fixed, **options}))


def pretraining(tiny_model: Path, run_of: RunOf, folder: Path, **options: Any) -> None:
    rng = random.Random(3)
    (folder / "text.txt").write_text("\n".join(sentence(rng, "positive", 20) for _ in range(200)), encoding="utf-8")
    fixed: dict[str, Any] = {**FIXED, "max_length": 32, "max_steps": 4, "batch_size": 16, "eval_steps": 4}
    pretrain_mlm.run(pretrain_mlm.Config(model=str(tiny_model), data=str(folder / "text.txt"), **{**fixed, **options}))


COMMANDS: list[Callable[..., None]] = [finetuning, distilling, pruning, pretraining]


def once(monkeypatch: pytest.MonkeyPatch, what: str, at: int) -> list[weakref.ref[Any]]:
    """Let `what` of a Trainer fail once, at a step; what the run held then: Trainer, model, gradients, moments."""
    original = getattr(ResumableTrainer, what)
    held: list[weakref.ref[Any]] = []

    def fails(self: Any, *arguments: Any, **keywords: Any) -> Any:
        out = original(self, *arguments, **keywords)  # so that gradients are there
        if self.state.global_step == at and not held:
            moments = [value for state in self.optimizer.state.values() for value in state.values()]
            gradients = [parameter.grad for parameter in self.model.parameters() if parameter.grad is not None]
            assert moments and (gradients or what == "evaluate")
            teacher = teacher_of(self)
            taught = [] if teacher is None else [teacher.teacher.model]
            held.extend(map(weakref.ref, [self, self.model, self.optimizer, *taught, *moments, *gradients]))
            raise torch.OutOfMemoryError(SAID)
        return out

    monkeypatch.setattr(ResumableTrainer, what, fails)
    return held


def at_the_second_build(monkeypatch: pytest.MonkeyPatch, found: Callable[[], list[Any]]) -> list[list[Any]]:
    """What `found` gives when another run begins to be built."""
    original, seen = devices.choose, []

    def choose(options: Any) -> Any:
        seen.append(found())
        return original(options)

    monkeypatch.setattr(devices, "choose", choose)
    return seen


def losses(run: Path) -> list[tuple[int, float]]:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [(line["step"], line["loss"]) for line in lines if "loss" in line]


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_the_failed_run_is_gone_before_the_next_is_built(
    command: Callable[..., None],
    tiny_model: Path,
    run_of: RunOf,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    smaller = {"batch_size": 8, "gradient_accumulation_steps": 2}
    command(tiny_model, run_of, tmp_path, output=tmp_path / "smaller", **smaller)
    with monkeypatch.context() as patch:
        held = once(patch, "training_step", at=2)
        seen = at_the_second_build(patch, lambda: [type(ref()) for ref in held if ref() is not None])
        command(tiny_model, run_of, tmp_path, output=tmp_path / "run")
    assert seen == [[], []]  # of the first build, and of the second
    assert len(held) > 10
    assert losses(tmp_path / "run") == losses(tmp_path / "smaller")
    made = [(tmp_path / run / "model.safetensors").read_bytes() for run in ("run", "smaller")]
    assert made[0] == made[1]


@pytest.mark.gpu
def test_a_step_that_does_not_fit_leaves_no_memory_taken(
    tiny_model: Path, run_of: RunOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real one: a step of 4,096 rows of 52 tokens keeps about a gigabyte for its gradients."""
    rng = random.Random(5)
    labels = ("negative", "positive")
    made = [{"text": sentence(rng, labels[i % 2], 48), "label": labels[i % 2]} for i in range(4096)]
    train = write_csv(tmp_path / "long.csv", made)
    seen = at_the_second_build(monkeypatch, lambda: [torch.cuda.memory_allocated()])
    _, total = torch.cuda.mem_get_info()
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + 2**28) / total)
    try:
        finetuning(
            tiny_model, run_of, tmp_path, output=tmp_path / "run", device="cuda", precision="fp32", data=None,
            train_file=str(train), validation_file=str(tmp_path / "validation.csv"), batch_size=4096, max_steps=2,
        )  # fmt: skip
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    config = json.loads((tmp_path / "run" / "nlpkit.json").read_text())["config"]
    assert config["batch_size"] < 4096 == config["batch_size"] * config["gradient_accumulation_steps"]
    # besides what cuBLAS keeps to work in
    assert len(seen) > 1 and max(taken for [taken] in seen) < seen[0][0] + 2**26


@pytest.mark.slow
@pytest.mark.parametrize(("command", "within"), [(finetuning, True), (finetuning, False), (pretraining, False)])
def test_an_evaluation_that_does_not_fit_is_done_in_smaller_batches(
    command: Callable[..., None],
    within: bool,
    tiny_model: Path,
    run_of: RunOf,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Within training or after it; with a batch of one row, which could not be halved: no step is done again."""
    options: dict[str, Any] = {"batch_size": 1, "eval_batch_size": 8, "eval_steps": 2, "max_steps": 4}
    command(tiny_model, run_of, tmp_path, output=tmp_path / "whole", **options)
    original, sizes, steps = ResumableTrainer._prepare_inputs, [], []

    def prepared(self: Any, inputs: Any) -> Any:
        made = original(self, inputs)
        if self.model.training:
            steps.append(self.state.global_step)
        else:
            sizes.append(len(inputs["input_ids"]))
            if sizes[-1] > 3 and self.is_in_train is within:
                raise torch.OutOfMemoryError(SAID)
        return made

    with monkeypatch.context() as patch:
        patch.setattr(ResumableTrainer, "_prepare_inputs", prepared)
        command(tiny_model, run_of, tmp_path, output=tmp_path / "run", **options)
    assert steps == [0, 1, 2, 3]
    assert max(sizes) > 4 and {4, 2} <= set(sizes)
    assert losses(tmp_path / "run") == losses(tmp_path / "whole")
    made, whole = ((tmp_path / run / "model.safetensors").read_bytes() for run in ("run", "whole"))
    assert made == whole
    metrics = [json.loads((tmp_path / run / "nlpkit.json").read_text())["metrics"] for run in ("run", "whole")]
    assert metrics[0]["validation"] == pytest.approx(metrics[1]["validation"], abs=1e-5)


def test_a_loader_that_is_kept_with_its_workers_is_made_anew() -> None:
    """It would go on with batches of its own size."""
    made: Any = SimpleNamespace(
        args=SimpleNamespace(per_device_eval_batch_size=4, device=torch.device("cpu")), _eval_dataloaders={"eval": 4}
    )

    def judge() -> int:
        if vars(made).setdefault("_eval_dataloaders", {"eval": made.args.per_device_eval_batch_size})["eval"] > 1:
            raise torch.OutOfMemoryError(SAID)
        return 7

    assert ResumableTrainer.halving_batches(made, judge) == 7


def test_an_evaluation_in_which_one_row_does_not_fit_is_one_message(
    tiny_model: Path, run_of: RunOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spent(*_: Any, **__: Any) -> Any:
        raise RuntimeError("MPS backend out of memory (MPS allocated: 18.1 GB)")

    monkeypatch.setattr(NlpkitTrainer, "_run", spent)
    with pytest.raises(RunError, match=r"in an evaluation with --eval-batch-size 1: MPS .*\nLower --max-length"):
        finetuning(tiny_model, run_of, tmp_path, output=tmp_path / "run", eval_batch_size=4)


@pytest.mark.parametrize(
    "said",
    [
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
        "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
        "CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported at some other API call",
        "MPS backend out of memory (MPS allocated: 18.1 GB, other allocations: 1.2 GB, max allowed: 18.1 GB)",
        "Invalid buffer size: 24.00 GiB",
    ],
)
def test_what_libraries_say_of_it(said: str) -> None:
    assert memory.is_exhausted(RuntimeError(said))


def test_a_workspace_that_does_not_fit_halves_the_batch_too(
    tiny_model: Path, run_of: RunOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = NlpkitTrainer.training_step

    def step(self: Any, model: Any, inputs: Any, *more: Any, **keywords: Any) -> Any:
        if len(inputs["input_ids"]) > 8:
            raise RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`")
        return original(self, model, inputs, *more, **keywords)

    monkeypatch.setattr(NlpkitTrainer, "training_step", step)
    finetuning(tiny_model, run_of, tmp_path, output=tmp_path / "run", max_steps=2)
    config = json.loads((tmp_path / "run" / "nlpkit.json").read_text())["config"]
    assert (config["batch_size"], config["gradient_accumulation_steps"]) == (8, 2)


def test_batches_whose_rows_are_compared_with_one_another_are_neither_halved_nor_accumulated(
    tiny_model: Path, run_of: RunOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A loss over smaller batches would be another one, which nothing would tell."""
    monkeypatch.setattr(TextClassification, "divisible_batches", False)
    with pytest.raises(UserError, match="--gradient-accumulation-steps 2: the loss of text-classification compares"):
        finetuning(tiny_model, run_of, tmp_path, output=tmp_path / "run", gradient_accumulation_steps=2)
    once(monkeypatch, "training_step", 1)
    with pytest.raises(RunError, match="out of memory with --batch-size 16"):
        finetuning(tiny_model, run_of, tmp_path, output=tmp_path / "run")
