"""Measure models side by side on the same labelled rows: quality, size and speed.

Every model answers the same rows, by turns, so that what else the machine does hits all alike. Factors are against the
first model. Rows come from --data, else from what the first model that tells it was trained on.

Example: nlpkit benchmark runs/teacher runs/student runs/student-int8
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nlpkit import models
from nlpkit.errors import UserError
from nlpkit.inference.predictor import Predictor, Trained, open_trained
from nlpkit.options import DeviceOptions, OpeningOptions, Strings, option, suggest
from nlpkit.recipes import price, trained
from nlpkit.reporting import Report

COMMAND = "benchmark"
SEED = 42  # of the hold-out, where neither the options nor a record tell one


class Config(price.PriceOptions, trained.TrainedDataOptions, OpeningOptions, DeviceOptions):
    """Options of `nlpkit benchmark`."""

    models: Strings = option(
        ...,
        "Run folders, model folders or hub names, the reference first.",
        panel="Input",
        metavar="MODEL",
        positional=True,
    )
    split: str = option("validation", "Split to measure on.", panel="Data")
    batch_size: int = option(32, "Inputs a forward pass, while the metrics are measured.", panel="Device", ge=1)


def run(config: Config) -> Report:
    """Measure every model; returns one table, the factors against the first model in it."""
    from nlpkit.training import devices

    device = devices.choose(config)
    opened = [open_trained(name, config, revision=config.model_revision) for name in config.models]
    _require_one_task(opened)
    told = next((model for model in opened if (model.record or {}).get("config")), opened[0])
    config = trained.inherit_data(config, told.record, told.name)
    sides = []
    for name, model in zip(_short_names(config.models), opened, strict=True):
        # a model's labels have numbers of its own
        _, found, _ = trained.open_splits(config, model.task, seed=SEED, needs=())
        if config.split not in found:
            hint = suggest(config.split, found) or f"There are {', '.join(found)}."
            raise UserError(f"--split {config.split}: there are no such rows", hint)
        predictor = Predictor.of(model.task, model.model, model.tokenizer, device, config.batch_size)
        folder = Path(model.place)
        size = price.weight_bytes(folder) if folder.is_dir() else None
        sides.append(price.Side(name, predictor, size, examples=found[config.split]))
    examples: Any = sides[0].examples
    cost = price.measure(sides, examples, config.split, seconds=config.measure_seconds)
    record = {"models": config.models, "data": config.data, "device": device.described, **cost}
    return Report(record, [price.comparison(cost, opened[0].task)], price.remarks(cost))


def _require_one_task(opened: list[Trained]) -> None:
    first = opened[0]
    for other in opened[1:]:
        if other.task.name != first.task.name or other.task.main_metric != first.task.main_metric:
            raise UserError(
                f"{other.name} is for {other.task.name} ({other.task.main_metric}), "
                f"{first.name} for {first.task.name} ({first.task.main_metric})",
                "Compare models of one task.",
            )


def _short_names(names: list[str]) -> list[str]:
    """The last parts of the names, as they are where two would be alike."""
    short = [models.display_name(name) for name in names]
    return short if len(set(short)) == len(short) else names
