"""From a subject to an open model as its backend runs it: in torch, or in ONNX Runtime, which may need an export."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from nlpkit import reporting
from nlpkit.errors import UserError
from nlpkit.hardware import timing, toolchain
from nlpkit.inference.predictor import open_trained
from nlpkit.inference.weights import Weights
from nlpkit.measurement import export_cache, loading
from nlpkit.measurement.loading import Model
from nlpkit.models import files, fitting, opening
from nlpkit.models.onnx import opened, placed
from nlpkit.runs.folder import read_record
from nlpkit.tasks import registry
from nlpkit.tasks.contract import Task

if TYPE_CHECKING:
    from nlpkit.hardware.devices import Device
    from nlpkit.measurement.spec import Subject, SubjectOptions
    from nlpkit.options import DeviceOptions


def open_model(
    subject: Subject,
    options: SubjectOptions,
    device: Device,
    chosen_for: DeviceOptions | None = None,
    *,
    trains: bool = False,
) -> Model:
    """Open what a subject names, as its backend runs it, but for compilation.

    Args:
        chosen_for: the options that the device was chosen for; see `onnx.placed`.
        trains: whether it is to be trained, for which its weights stay in float32.

    Raises:
        UserError: it cannot be opened, its config has no such entry, it is exported already and cannot be changed, or
            what compiles it is missing.
    """
    if subject.backend == "torch-compile" and (missing := toolchain.missing_to_compile(device.name)):
        raise UserError(
            f"{subject.name}: torch-compile needs {missing} on {device.name}", "Install it, or leave it out."
        )
    _wake(device)
    if not subject.exported:
        return loading.open_torch(subject, options, device, trains=trains)
    place = Path(subject.model if options.config_only else opening.resolve(subject.model, "MODEL"))
    if files.exported_file(place) is None:
        model = _open_exported(export_cache.exported_folder(subject, options), options, device, chosen_for)
        if model.device.name != "cpu" and device.precision in ("bf16", "fp16"):
            reporting.current().warn(
                f"the backend {subject.backend} exports in float32, and torch answers in {device.precision} here; "
                "`nlpkit quantize --to onnx-fp16` exports in float16"
            )
        return model
    if subject.overrides:
        raise UserError(f"{subject.name}: {place} is exported: its config cannot be changed", "Leave out :KEY=VALUE.")
    return _open_exported(place, options, device, chosen_for)


def _wake(device: Device) -> None:
    """Make the context of a GPU, which takes longer than to load many a model and is no part of that."""
    torch.zeros(1, device=device.name)
    timing.synchronizer(device.name)()


def _open_exported(place: Path, options: SubjectOptions, device: Device, chosen_for: DeviceOptions | None) -> Model:
    """Open a folder that holds an exported model; with a task and a tokenizer, where it has them."""
    config = opening.load_config(str(place))
    task: Task | None = None
    tokenizer, most = None, opening.takes(config)
    limit = most
    record = read_record(place)
    task_record = (record or {}).get("task")
    if not options.config_only and registry.known_task(config, task_record, place, named=options.task) is not None:
        trained = open_trained(str(place), options, Task, "benchmark", task_name=options.task)
        net, task, tokenizer, limit = trained.model, trained.task, trained.tokenizer, trained.limit
    else:
        file = files.exported_file(place)
        assert file is not None
        net = opened(file, config)
        if not options.config_only:
            tokenizer = loading.tokenizer_of(str(place), options)
            if tokenizer is not None:
                fitting.fit(net, tokenizer)
            limit = opening.max_positions(config, tokenizer)
    device = placed(net, device, chosen_for)
    net.close()
    start = time.perf_counter()
    weights = Weights(net, device, lent=False)
    net.session  # noqa: B018 (opens it)
    return Model(weights, config, task, tokenizer, limit, most, place, time.perf_counter() - start)
