"""The steps of `gpu_check.py`; each runs in a process of its own, which begins with the libraries imported."""

from __future__ import annotations

import contextlib
import gc
import hashlib
import itertools
import statistics
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import gpu_inputs
import numpy as np
import sides
import torch
import transformers
from gpu_watch import Watch

from nlpkit.errors import UserError
from nlpkit.experiment import finetune
from nlpkit.hardware import devices, memory, nvml
from nlpkit.measurement import environment, worker
from nlpkit.options import DeviceOptions
from nlpkit.recipes import benchmark, distill, finetune_cls, finetune_qa, pretrain_mlm
from nlpkit.tasks.text_classification.task import TextClassification
from nlpkit.training import embeddings
from nlpkit.training import trainer as trainers

# FLOP/s of dense matrix products in bf16 (fp16 where a card has no bf16), summed in float32, by the makers' data
# sheets; the first name that stands in the card's
DATASHEETS = {
    "B200": 2250e12,
    "GH200": 990e12,
    "H200": 989e12,
    "H100 PCIe": 756e12,
    "H100": 989e12,
    "A100": 312e12,
    "A10G": 70e12,
    "A10": 125e12,
    "A30": 165e12,
    "L40S": 362e12,
    "L40": 181e12,
    "L4": 121e12,
    "RTX 4090": 165e12,
    "RTX 3090": 71e12,
    "V100": 125e12,
    "T4": 65e12,
}
GIGABYTE = 1e9
NO_GPU = "there is no GPU"
QUIET: dict[str, Any] = {"logging_steps": 10, "max_eval_samples": 64, "warmup": 0.0}


class Out(Protocol):
    """Takes the figures of a step, one by one."""

    def put(self, name: str, value: Any, unit: str = "", reason: str = "") -> None:
        """A figure; None needs the reason why there is none."""


class Sizes:
    """How much is done.

    Attributes:
        tiny: whether there is no GPU: the script is tried, nothing is measured.
    """

    def __init__(self, spec: Mapping[str, Any]) -> None:
        self.device: str = spec["device"]
        self.tiny = self.device == "cpu"
        self.folder = Path(spec["folder"])
        self.inputs: dict[str, Any] = spec.get("inputs", {})
        self.rounds = 1 if self.tiny else 3
        self.precision = "fp32" if self.tiny else "auto"
        self._runs = itertools.count()

    @property
    def shared(self) -> dict[str, Any]:
        """Options of every training run, with a new folder each time."""
        output = self.folder / f"run-{next(self._runs)}"
        return {**QUIET, "device": self.device, "precision": self.precision, "eval_steps": 10**9, "output": output}

    def chosen(self) -> devices.Device:
        """Device and arithmetic, as the commands choose them."""
        return devices.choose(DeviceOptions(device=self.device, precision=self.precision))


def offered(sizes: Sizes, name: str, precision: str) -> tuple[devices.Device | None, str]:
    """A device in an arithmetic, which torch then computes float32 in; None with the reason why there is none."""
    if name == "cuda" and sizes.device != "cuda":
        return None, NO_GPU
    try:
        return devices.choose(DeviceOptions(device=name, precision=precision)), ""
    except UserError as error:
        return None, error.message


def freed() -> None:
    """Give back what the run before held."""
    gc.collect()
    memory.release()


# --- the machine ---


def machine(spec: Mapping[str, Any], out: Out) -> dict[str, Any]:
    """What the figures come from, and the rates that they are compared with."""
    sizes = Sizes(spec)
    cuda = sizes.device == "cuda"
    if cuda:
        start = time.perf_counter()
        torch.zeros(1, device="cuda")
        torch.cuda.synchronize()
        out.put("context", time.perf_counter() - start, "s")
    for precision in ("bf16", "fp16", "tf32", "fp32"):
        device, why = offered(sizes, "cuda", precision)
        rate = None if device is None else devices.measured_matmul_rate(device) / 1e12
        out.put(f"matmul {precision}", rate, "TFLOP/s", why)
    name = torch.cuda.get_device_name() if cuda else "CPU"
    sheet = next((rate for card, rate in DATASHEETS.items() if card in name), None)
    reason = f"{name} is not in the script's table" if cuda else NO_GPU
    out.put("datasheet", sheet and sheet / 1e12, "TFLOP/s", reason)
    process_memory(out, cuda)
    shared = attempted(nvml.sharing) if cuda else []
    return {"name": name, "datasheet": sheet, "shared": shared, "environment": attempted(environment.describe)}


def attempted(ask: Callable[[], Any]) -> Any:
    """What the driver or the system tells; an error in words, as no figure depends on it."""
    try:
        return ask()
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def process_memory(out: Out, cuda: bool) -> None:
    """Whether the driver tells the memory of this process: 512 MiB more must be 512 MiB more."""
    found = attempted(nvml.gpu) if cuda else NO_GPU
    before = planted = after = None
    if not isinstance(found, str):
        before = found.own_bytes()
        planted = torch.zeros(2**29, dtype=torch.uint8, device="cuda")
        torch.cuda.synchronize()
        after = found.own_bytes()
    why = found if isinstance(found, str) else "the driver does not name this process"
    grown = None if before is None or after is None else (after - before) / GIGABYTE
    out.put("memory of this process by the driver, planted 0.537", grown, "GB", why)
    del planted


def condition() -> Any:
    """Clock, temperature and power of the GPU, and what keeps its clock down; in words why the driver does not tell."""
    found = attempted(nvml.gpu) if torch.cuda.is_available() else NO_GPU
    return found if isinstance(found, str) else attempted(found.state)


def inputs(spec: Mapping[str, Any], out: Out) -> dict[str, Any]:
    """Rows, text, questions, tokenizer and weights."""
    sizes = Sizes(spec)
    given = Path(spec["data"]) if spec.get("data") else None
    made = gpu_inputs.make(sizes.folder, given, tiny=sizes.tiny)
    for part, seconds in made["seconds"].items():
        out.put(part, seconds, "s")
    out.put("pieces of the tokenizer", made["pieces"])
    return made


# --- fine-tuning ---


def finetune_config(sizes: Sizes, batch: int, rows: int, **more: Any) -> finetune_cls.Config:
    """Of a run over `rows` rows at most."""
    options = {
        **sizes.shared,
        "data": sizes.inputs["data"],
        "model": sizes.inputs["model"],
        "batch_size": batch,
        "max_train_samples": rows,
        "max_length": 128,
        "epochs": 2,
    }
    return finetune_cls.Config(**(options | more))


def built(config: finetune_cls.Config) -> Any:
    """The experiment of `nlpkit finetune-cls`, before its first step."""
    return finetune.prepare(config, finetune_cls.COMMAND, TextClassification)


def stock_trainer(experiment: Any, sizes: Sizes, batch: int) -> Any:
    """The stock Trainer over the same rows: random order, DataCollatorWithPadding, bf16 on a GPU, else defaults."""
    from datasets import Dataset

    rows, tokenizer = experiment.examples["train"], experiment.tokenizer
    made = tokenizer(list(rows["text"]), truncation=True, max_length=128)
    dataset = Dataset.from_dict({**made, "labels": list(rows["label"])})
    labels = experiment.trainer.model.config.num_labels
    model = transformers.AutoModelForSequenceClassification.from_pretrained(sizes.inputs["model"], num_labels=labels)
    arguments = transformers.TrainingArguments(
        output_dir=str(sizes.folder / "stock"),
        per_device_train_batch_size=batch,
        num_train_epochs=2,
        bf16=experiment.device.precision == "bf16",
        fp16=experiment.device.precision == "fp16",
        use_cpu=sizes.tiny,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )
    return transformers.Trainer(model=model, args=arguments, train_dataset=dataset, processing_class=tokenizer)


def second_epoch(trainer: Any) -> dict[str, float]:
    """Train two epochs and measure the second."""
    watch = Watch(trainer, epoch=1)
    trainer.train()
    return {
        "rows/s": watch.rows / watch.seconds,
        "tokens/s": watch.tokens / watch.seconds,
        "flops": watch.flops(trainer.model) / watch.seconds,
        "waiting": watch.wait_share,
        "peak": watch.peak / GIGABYTE,
        "padding": 1 - watch.tokens / sum(size for _, size, *_ in watch.batches),
    }


def utilization(spec: Mapping[str, Any], out: Out, device: Any, rate: float, side: str = "") -> None:
    """MFU by the measured rate of matrix products, and by the data sheet's."""
    if device.name == "cpu":
        out.put(f"{side}MFU", None, "%", NO_GPU)
        out.put(f"{side}MFU of the data sheet", None, "%", NO_GPU)
        return
    out.put(f"{side}MFU", 100 * rate / devices.matmul_rate(device), "%")
    sheet = spec["machine"]["datasheet"]
    reason = "the card is not in the script's table"
    out.put(f"{side}MFU of the data sheet", sheet and 100 * rate / sheet, "%", reason)


def finetuning(spec: Mapping[str, Any], out: Out, batch: int) -> None:
    """nlpkit beside the stock Trainer, by turns; the second of two epochs is measured."""
    sizes = Sizes(spec)
    rows = (96 if batch == 32 else 512) if sizes.tiny else (3_200 if batch == 32 else 12_800)
    found: dict[str, list[dict[str, float]]] = {"a": [], "b": []}
    device = sizes.chosen()
    for _, side in sides.in_turns("ab", sizes.rounds):
        experiment = built(finetune_config(sizes, batch, rows))
        if side == "a":
            found[side].append(second_epoch(experiment.trainer))
        else:
            trainer = stock_trainer(experiment, sizes, batch)
            del experiment.trainer
            freed()
            found[side].append(second_epoch(trainer))
            del trainer
        del experiment
        freed()
    for side, name in (("a", ""), ("b", "stock ")):
        middle = {key: statistics.median(run[key] for run in found[side]) for key in found[side][0]}
        for key in ("rows/s", "tokens/s"):
            out.put(f"{name}{key}", middle[key], key)
        utilization(spec, out, device, middle["flops"], name)
        out.put(f"{name}waiting for data", 100 * middle["waiting"], "%")
        out.put(f"{name}padding", 100 * middle["padding"], "%")
        out.put(f"{name}peak memory", middle["peak"] if not sizes.tiny else None, "GB", NO_GPU)
    ratios = [mine["rows/s"] / theirs["rows/s"] for mine, theirs in zip(found["a"], found["b"], strict=True)]
    out.put("ratio", statistics.median(ratios), "nlpkit / stock Trainer")
    out.put("ratio, smallest", min(ratios), "nlpkit / stock Trainer")
    out.put("ratio, largest", max(ratios), "nlpkit / stock Trainer")


def compiled(spec: Mapping[str, Any], out: Out) -> None:
    """Fine-tuning at 32 rows, without --compile and with it."""
    from torch._dynamo.utils import counters

    sizes = Sizes(spec)
    rows = 64 if sizes.tiny else 3_200
    # on a CPU a compiler of C++ would work for longer than all else: the graphs are made, and run as they are, with the
    # dropout of GPUs, as the one for CPUs breaks them
    backend: dict[str, Any] = {"trainer": {"torch_compile_backend": "eager"}, "batching": "random"}
    found = {}
    for on in (False, True):
        config = finetune_config(sizes, 32, rows, compile=on, **(backend if on and sizes.tiny else {}))
        experiment = built(config)
        start = time.perf_counter()
        found[on] = second_epoch(experiment.trainer)
        out.put(f"rows/s, compile {'on' if on else 'off'}", found[on]["rows/s"], "rows/s")
        if on:
            out.put("two epochs with compiling", time.perf_counter() - start, "s")
            out.put("graphs", counters["stats"]["unique_graphs"])
        del experiment
        freed()
    out.put("ratio", found[True]["rows/s"] / found[False]["rows/s"], "on / off")


# --- pre-training ---


def pretrain_config(sizes: Sizes, **more: Any) -> pretrain_mlm.Config:
    """Of a run from scratch."""
    shape = {"layers": 2, "hidden_size": 32, "heads": 2, "intermediate_size": 64} if sizes.tiny else {"size": "base"}
    options = {
        **sizes.shared,
        "data": [sizes.inputs["corpus"]],
        "tokenizer": sizes.inputs["tokenizer"],
        **shape,
    }
    return pretrain_mlm.Config(**(options | more))


def pretraining(spec: Mapping[str, Any], out: Out, length: int) -> None:
    """Blocks of one length, with documents apart and without."""
    sizes = Sizes(spec)
    device = sizes.chosen()
    first, last = (1, 3) if sizes.tiny else (10, 35)
    batch = 2
    if not sizes.tiny:  # 128 rows of 512 tokens take about 40 GB
        batch = 128 if torch.cuda.get_device_properties(0).total_memory > 60e9 else 32
    out.put("rows of a step", batch)
    for apart in (True, False):
        name = "documents apart: " if apart else "not apart: "
        options = {"max_length": length, "batch_size": batch, "max_steps": last + 1, "isolate_documents": apart}
        experiment = pretrain_mlm.build(pretrain_config(sizes, **options))
        watch = Watch(experiment.trainer, steps=(first, last), profile=True)
        experiment.trainer.train()
        out.put(f"{name}tokens/s", watch.tokens / watch.seconds, "tokens/s")
        utilization(spec, out, device, watch.flops(experiment.trainer.model) / watch.seconds, name)
        out.put(f"{name}waiting for data", 100 * watch.wait_share, "%")
        out.put(f"{name}peak memory", watch.peak / GIGABYTE if not sizes.tiny else None, "GB", NO_GPU)
        out.put(f"{name}attention", ", ".join(watch.attention()[:4]) or None, "", "no kernel of such a name")
        launched = sum(count for _, count in watch.kernels or ()) if not sizes.tiny else 0
        out.put(f"{name}kernels a step", launched or None, "", NO_GPU if sizes.tiny else "the profiler named none")
        del experiment, watch
        freed()


# --- what a run must not do ---


def equality(spec: Mapping[str, Any], out: Out) -> None:
    """One trained classifier in other arithmetics: answers that differ, and by how much probabilities do."""
    import copy

    from nlpkit.inference.predictor import Predictor

    sizes = Sizes(spec)
    experiment = built(finetune_config(sizes, 32, 64 if sizes.tiny else 1_600, epochs=1, max_eval_samples=400))
    Watch(experiment.trainer, epoch=0)
    experiment.trainer.train()
    model = experiment.trainer.model
    embeddings.restore_all_rows(model)
    model.to("cpu")
    rows = experiment.examples["validation"]
    first = None
    for name, precision in (("cpu", "fp32"), ("cpu", "bf16"), ("cuda", "fp32"), ("cuda", "tf32"), ("cuda", "bf16")):
        if (name, precision) == ("cpu", "bf16") and not sizes.tiny:
            continue  # for minutes, on a CPU without units for it
        device, why = offered(sizes, name, precision)
        differing, largest = None, None
        if device is not None:
            predictor = Predictor(experiment.task, copy.deepcopy(model), experiment.tokenizer, device)
            logits = torch.as_tensor(np.asarray(predictor.outputs(rows[:]))).double()
            found = torch.softmax(logits, dim=-1)
            del predictor
            freed()
            if first is None:
                first = found
                continue
            differing, largest = int((found.argmax(-1) != first.argmax(-1)).sum()), float((found - first).abs().max())
        out.put(f"{name} {precision}: answers that differ", differing, f"of {len(rows)}, from cpu fp32", why)
        out.put(f"{name} {precision}: largest difference of a probability", largest, "", why)


def out_of_memory(spec: Mapping[str, Any], out: Out) -> None:
    """A run whose batch does not fit: what the tries after the first still hold of it; pretended on a CPU."""
    sizes = Sizes(spec)
    tries: list[int] = []
    models: list[weakref.ref[Any]] = []
    alive: list[int] = []
    train = trainers.ResumableTrainer.train

    def noted(self: Any, *arguments: Any, **keywords: Any) -> Any:
        gc.collect()
        alive.append(sum(model() is not None for model in models))
        tries.append(0 if sizes.tiny else torch.cuda.memory_allocated())
        models.append(weakref.ref(self.model))
        if sizes.tiny and len(tries) == 1:
            self.training_step = refused
        return train(self, *arguments, **keywords)

    def refused(*_: Any, **__: Any) -> Any:
        raise torch.OutOfMemoryError("pretended")

    if not sizes.tiny:  # room for the weights and AdamW, not for 1,024 rows
        total = torch.cuda.get_device_properties(0).total_memory
        torch.cuda.set_per_process_memory_fraction(min(8e9 / total, 1.0))
    batch, rows = (32, 64) if sizes.tiny else (1_024, 2_048)
    with patched(trainers.ResumableTrainer, "train", noted):
        report = finetune_cls.run(finetune_config(sizes, batch, rows, max_steps=2))
    if len(tries) < 2:
        raise RuntimeError(f"{batch} rows fit, so there was no second try")
    out.put("tries", len(tries))
    out.put("earlier models alive in a later try", max(alive))
    out.put("held before the first try", tries[0] / GIGABYTE if not sizes.tiny else None, "GB", NO_GPU)
    out.put("held before a later try", max(tries[1:]) / GIGABYTE if not sizes.tiny else None, "GB", NO_GPU)
    out.put("steps of the run", report.record["steps"])


@contextlib.contextmanager
def patched(owner: Any, name: str, value: Any) -> Iterator[None]:
    """`owner.name` is `value` within the block."""
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)


def waits(spec: Mapping[str, Any], out: Out) -> None:
    """What waits for the GPU in a training step, as torch's own watch for it says."""
    sizes = Sizes(spec)
    first, last = (1, 3) if sizes.tiny else (6, 12)
    # a line of the log reads the loss, in the step that it is about
    small = {"max_steps": last, "batch_size": 4 if sizes.tiny else 16, "logging_steps": 10**6}
    shape: dict[str, Any] = {} if sizes.tiny else {"size": "mini"}

    def teacher() -> Any:
        finetune_cls.run(finetune_config(sizes, 16, 64, max_steps=2, output=sizes.folder / "teacher"))
        options = {**sizes.shared, **small, "data": sizes.inputs["data"], "student_layers": "1"}
        # the teacher runs in every step
        options |= {"hidden_weight": 1.0, "cosine_weight": 1.0}
        return distill.build(distill.Config(teacher=str(sizes.folder / "teacher"), **options))

    kinds: dict[str, Callable[[], Any]] = {
        "fine-tuning": lambda: (
            built(finetune_config(sizes, rows=256, batch=small["batch_size"], max_steps=last)).trainer
        ),
        "pre-training": lambda: pretrain_mlm.build(pretrain_config(sizes, **small, **shape, max_length=64)).trainer,
        "replaced tokens": lambda: (
            pretrain_mlm.build(
                pretrain_config(sizes, **small, **shape, max_length=64, arch="electra", objective="rtd")
            ).trainer
        ),
        "distillation": teacher,
    }
    for name, build in kinds.items():
        trainer = build()
        watch = Watch(trainer, steps=(first, last), count_waits=True)
        trainer.train()
        count = sum(watch.waits.values()) / (last - first)
        out.put(f"{name}: waits a step", None if sizes.tiny else count, "", NO_GPU)
        for place, times in watch.waits.most_common(3):
            out.put(f"{name}: {place}", times / (last - first), "a step")
        del trainer, watch
        freed()


def determinism(spec: Mapping[str, Any], out: Out) -> None:
    """`finetune-qa --full-determinism` twice: the same weights, bit for bit."""
    sizes = Sizes(spec)
    sums = set()
    for number in range(2):
        output = sizes.folder / f"qa-{number}"
        config = finetune_qa.Config(
            **(sizes.shared | {"output": output, "max_eval_samples": 4 if sizes.tiny else 16}),
            train_file=[sizes.inputs["questions"]],
            model=sizes.inputs["model"],
            max_steps=2 if sizes.tiny else 3,
            batch_size=4,
            max_length=48 if sizes.tiny else 256,
            doc_stride=16,
            full_determinism=True,
        )
        finetune_qa.run(config)
        sums.add(hashlib.sha256((output / "model.safetensors").read_bytes()).hexdigest())
        freed()
    out.put("runs", 2)
    out.put("different results", len(sums))


def latencies(spec: Mapping[str, Any], out: Out) -> None:
    """What `nlpkit benchmark` times of a model, against CUDA events around the same calls."""
    from nlpkit.measurement.spec import Subject

    sizes = Sizes(spec)
    model = sizes.inputs["model"]
    config = benchmark.Config(models=[model], device=sizes.device, precision=sizes.precision)
    process = worker.Worker()

    def ask(op: str, **values: Any) -> dict[str, Any]:
        answer = process.answer({"op": op, **values})
        if "error" in answer:
            raise RuntimeError(answer["message"])
        return answer

    ask("open", subject=Subject("model", model).to_json(), config=config.record())
    for batch, length in ((1, 16), (4, 16)) if sizes.tiny else ((1, 32), (32, 128), (256, 128)):
        ask("prepare", point={"mode": "inference", "batch_size": batch, "length": length})
        passes = min(max(round(0.3 / ask("warm", seconds=2.0)["pass_seconds"]), 5), 200)
        told = statistics.median(ask("turn", passes=passes)["seconds"]) * 1e3
        own = statistics.median(by_events(process, passes, cuda=not sizes.tiny))
        point = f"{batch} x {length}"
        out.put(f"{point}: benchmark", told, "ms")
        out.put(f"{point}: {'by CUDA events' if not sizes.tiny else 'by the clock'}", own, "ms")
        out.put(f"{point}: ratio", told / own)


def by_events(worker: worker.Worker, passes: int, *, cuda: bool) -> list[float]:
    """Milliseconds of each call of the point that is prepared."""
    found = []
    for _ in range(passes):
        for call in worker._prepared.calls:
            if not cuda:
                start = time.perf_counter()
                call()
                found.append((time.perf_counter() - start) * 1e3)
                continue
            before, after = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            before.record()
            call()
            after.record()
            torch.cuda.synchronize()
            found.append(before.elapsed_time(after))
    return found


STEPS: dict[str, Callable[[Mapping[str, Any], Out], dict[str, Any] | None]] = {
    "machine": machine,
    "inputs": inputs,
    "finetune-32": lambda spec, out: finetuning(spec, out, 32),
    "finetune-256": lambda spec, out: finetuning(spec, out, 256),
    "pretrain-128": lambda spec, out: pretraining(spec, out, 128),
    "pretrain-512": lambda spec, out: pretraining(spec, out, 512),
    "equality": equality,
    "out-of-memory": out_of_memory,
    "waits": waits,
    "determinism": determinism,
    "benchmark": latencies,
    "compile": compiled,
}
# what most of them import while they run: once, before their processes are forked
LIBRARIES = (
    "evaluate",
    "matplotlib.pyplot",
    "sklearn.metrics",
    "transformers.models.auto.modeling_auto",
    "transformers.models.bert.modeling_bert",
    "nlpkit.measurement.workloads",
    "nlpkit.pretraining.trainer",
    "nlpkit.runs.plots",
    "nlpkit.training.arguments",
    "nlpkit.distillation.trainer",
)
