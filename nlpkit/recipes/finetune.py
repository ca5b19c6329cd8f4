"""Fine-tuning, for any task: the operation behind `finetune-cls` and its kin.

Read `run` from top to bottom: load the rows, let the task find columns and labels, check, tokenize, train, measure,
write the run folder.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nlpkit import models, process, reporting
from nlpkit.data import features, splits
from nlpkit.errors import UserError
from nlpkit.options import DataOptions, ModelOptions, OutputOptions, TrainingOptions, option
from nlpkit.recipes import running
from nlpkit.reporting import Report, Table
from nlpkit.runs.folder import RunFolder, human_bytes, read_record, versions
from nlpkit.tasks import outputs as model_outputs
from nlpkit.tasks.base import Finding, Task

if TYPE_CHECKING:
    from datasets import Dataset

    from nlpkit.data.sources import LoadedData
    from nlpkit.tasks.outputs import Outputs
    from nlpkit.training.devices import Device
    from nlpkit.training.trainer import Split

TRAIN_ROWS_JUDGED = 1_000  # the train row of the result table comes from this many rows at most


class FinetuneOptions(OutputOptions, TrainingOptions, ModelOptions, DataOptions):
    """Options of fine-tuning for any task; a recipe's Config adds those of its task."""

    baseline: bool = option(False, "Also train a classical model on the same rows, for comparison.", panel="Output")


@dataclass
class Experiment:
    """Everything that a fine-tuning run is made of, before its first step."""

    config: Any
    command: str
    task: Task
    loaded: LoadedData
    examples: dict[str, Dataset]
    splits: dict[str, Split]
    tokenizer: Any
    device: Device
    trainer: Any  # NlpkitTrainer
    folder: RunFolder
    steps: int
    parameters: int
    new_weights: list[str]
    findings: list[Finding] = field(default_factory=list)


def build(config: Any, command: str, task_class: type[Task]) -> Experiment:
    """Load, check and tokenize the data, open the model, and make the Trainer.

    Raises:
        UserError: whatever is wrong with options, data or model.
    """
    from nlpkit.training import devices

    folder = RunFolder(
        config.output or RunFolder.default_path(splits.short_name(config), models.display_name(config.model))
    )
    if process.is_main_process():
        folder.require_usable(resume=config.resume, overwrite=config.overwrite)
    device = devices.choose(config)
    model_config, tokenizer = _open_tokenizer(config, task_class)
    loaded, task, examples, findings = _open_data(config, task_class)
    limit = models.max_positions(model_config, tokenizer)
    lengths = features.choose_max_length(task, tokenizer, examples, limit, config.seed)
    task.prepare_loss(config, examples["train"])

    # Trainer takes seconds to import, which nobody should wait for to hear of a mistake in the data
    from nlpkit.training import dropout, embeddings
    from nlpkit.training.trainer import Split

    model, new = _open_model(config, model_config, task, tokenizer)
    size = sum(parameter.numel() for parameter in model.parameters())
    if process.is_main_process():
        folder.require_space(4 * size * (1 + 2 * 3))  # the result; two checkpoints of weights and two AdamW moments
    ready = {split: Split(rows, features.featurize(task, tokenizer, rows, split)) for split, rows in examples.items()}
    if (chosen := task.training_rows(examples["train"], config)) is not None:
        ready["train"] = _redrawn(ready["train"], chosen)
    if not process.shards_parameters():
        embeddings.keep_used_rows(model, [split.token_ids() for split in ready.values()])
    if device.name == "cpu":
        dropout.use_cpu_dropout(model)
    trainer, steps = _trainer(config, task, ready, model, tokenizer, device, folder)
    experiment = Experiment(
        config, command, task, loaded, examples, ready, tokenizer, device, trainer, folder, steps, size, new, findings
    )
    reporting.current().plan("plan", _plan(experiment, lengths))
    return experiment


def _open_tokenizer(config: Any, task_class: type[Task]) -> tuple[Any, Any]:
    """The model's config and the tokenizer, which are small: what is wrong with them is said before data are read."""
    name = models.resolve(config.model)
    trust, slow = config.trust_remote_code, task_class.slow_tokenizers
    model_config = models.load_config(name, revision=config.model_revision, trust_remote_code=trust)
    if config.tokenizer:
        named = models.resolve(config.tokenizer, "--tokenizer")
        return model_config, models.load_tokenizer(named, trust_remote_code=trust, slow=slow)
    tokenizer = models.load_tokenizer(name, revision=config.model_revision, trust_remote_code=trust, slow=slow)
    return model_config, tokenizer


def _open_data(config: Any, task_class: type[Task]) -> tuple[LoadedData, Task, dict[str, Dataset], list[Finding]]:
    """Rows, the task that they are for, their examples, and what was found in them; errors among that stop here."""
    loaded = splits.load(config, task_class)
    if "train" not in loaded.splits:
        raise UserError(f"there is no train split; found: {', '.join(loaded.splits)}", "Name it: --train-file FILE.")
    task = task_class.from_data(loaded.splits, config)
    splits.prepare(loaded, task, config, config.seed)
    findings: list[Finding] = []
    examples = splits.examples(loaded, task, findings)
    stop_on_errors(findings)
    examples = {split: rows for split, rows in examples.items() if len(rows) or split in ("train", "validation")}
    findings += task.check(examples)
    stop_on_errors(findings)
    for finding in findings:
        say = reporting.current().warn if finding.level == "warning" else reporting.current().note
        say(str(finding))
    return loaded, task, examples, findings


def _open_model(config: Any, model_config: Any, task: Task, tokenizer: Any) -> tuple[Any, list[str]]:
    """The model with its head, frozen where asked, and the names of its new weights."""
    from transformers import set_seed

    from nlpkit.training import parameters

    # seeded here, so that a new head is the same in a resumed and in a repeated run
    set_seed(config.seed)
    model, new = models.load_model(
        models.resolve(config.model),
        task.auto_class,
        revision=config.model_revision,
        trust_remote_code=config.trust_remote_code,
        allow_pickle=config.allow_pickle,
        **task.model_arguments(),
        **parameters.dropout_overrides(model_config, config.dropout),
    )
    known = model.get_input_embeddings().num_embeddings
    if len(tokenizer) > known:
        raise UserError(
            f"the tokenizer has {len(tokenizer):,} tokens, the model {known:,}",
            "They do not belong together: name the right one with --tokenizer.",
        )
    parameters.freeze(model, config.freeze)
    return model, new


def _plan(experiment: Experiment, lengths: str) -> list[tuple[str, str]]:
    config, model = experiment.config, experiment.trainer.model
    trained = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    size = f"{experiment.parameters / 1e6:.1f} M parameters"
    if trained < experiment.parameters:
        size += f", {trained / 1e6:.1f} M trained (frozen weights and unused token embeddings are not)"
    new = sorted({name.split(".")[0] for name in experiment.new_weights})
    rows = config.batch_size * config.gradient_accumulation_steps * process.world_size()
    return [
        ("data", ", ".join(f"{split} {len(found):,}" for split, found in experiment.examples.items())),
        ("task", experiment.task.describe()),
        ("length", lengths),
        ("model", f"{models.display_name(config.model)}, {size}" + (f"; new: {', '.join(new)}" if new else "")),
        ("device", experiment.device.described),
        ("steps", f"{experiment.steps:,} of {rows} rows, {_estimate(experiment)}"),
        ("output", str(experiment.folder.path)),
    ]


def run(config: Any, command: str, task_class: type[Task]) -> Report:
    """Fine-tune and write the run folder; returns the result table."""
    if config.resume:
        running.require_run_of(command, config.output)
        config = running.resumed(config)
    if config.resume and config.output is not None and RunFolder(config.output).state() == "complete":
        reporting.current().note(f"{config.output} is complete: nothing to resume")
        return _report(read_record(config.output) or {}, config.output, task_class)
    started = time.monotonic()
    experiment = build(config, command, task_class)
    if config.dry_run:
        return Report({"dry_run": True, "config": config.record()}, lines=["dry run: nothing was trained or written"])
    target = running.require_hub_access(config)
    with running.saying_how_to_go_on(command, experiment.folder.path):
        metric = experiment.task.main_metric
        figures = {"loss": "loss", f"eval_{metric}": metric}
        experiment = running.train(experiment, lambda smaller: build(smaller, command, task_class), _head, figures)
        rows, splits_judged = _judged(experiment)
        outputs = _outputs(experiment, splits_judged)
        judged = {name: split.examples for name, split in splits_judged.items()}
        experiment.task.calibrate(outputs["validation"], judged["validation"])
        metrics = {name: experiment.task.score(values, judged[name]) for name, values in outputs.items()}
        baseline = _baseline(experiment, rows, judged) if config.baseline else None
        if not process.is_main_process():
            return Report({})
        record = _record(experiment, metrics, baseline, time.monotonic() - started)
        record["judged"] = {name: len(found) for name, found in judged.items()}
        _write(experiment, record, outputs, judged)
    if target:
        running.push(experiment.folder.path, target, public=config.public)
    report = _report(record, experiment.folder.path, task_class)
    experiment.trainer.accelerator.free_memory()
    return report


# --- the parts of `run`, in order ---


def stop_on_errors(findings: list[Finding]) -> None:
    """Raise the first finding that makes training meaningless.

    Raises:
        UserError: with the finding's message and examples.
    """
    for finding in findings:
        if finding.level == "error":
            raise UserError(str(finding), "`nlpkit check-data` lists everything that was found.")


def _redrawn(train: Split, chosen: np.ndarray) -> Split:
    from nlpkit.training.trainer import Split

    rows = _features_of(train.owner, chosen)
    reporting.current().note(f"train: {len(train.examples):,} rows oversampled to {len(chosen):,}")
    return Split(train.examples, train.features.select(rows))


def _features_of(owner: np.ndarray, examples: np.ndarray) -> np.ndarray:
    """Indices of all features of these examples, which may repeat, in their order.

    Args:
        owner: for each feature its example, ascending, shape (features,).
        examples: shape (n,).
    """
    first = np.searchsorted(owner, examples, side="left")
    count = np.searchsorted(owner, examples, side="right") - first
    start = np.cumsum(count) - count  # where the features of each example begin in the result
    return np.arange(count.sum()) + np.repeat(first - start, count)


def _trainer(
    config: Any, task: Task, ready: dict[str, Split], model: Any, tokenizer: Any, device: Device, folder: RunFolder
) -> tuple[Any, int]:
    from transformers.trainer_callback import EarlyStoppingCallback, PrinterCallback

    from nlpkit.training import arguments as training_arguments
    from nlpkit.training.callbacks import LimitsCallback, MetricsFileCallback
    from nlpkit.training.schedules import Budget
    from nlpkit.training.trainer import NlpkitTrainer

    metric = config.best_metric or task.main_metric
    _require_metric(task, ready["validation"], metric)
    steps = training_arguments.total_steps(len(ready["train"].features), config, process.world_size())
    arguments = training_arguments.training_arguments(
        config,
        folder.checkpoints,
        device,
        main_metric=metric,
        higher_is_better=task.higher_is_better(metric),
        steps=steps,
    )
    trainer = NlpkitTrainer(
        budget=Budget(steps, config.max_minutes),
        task=task,
        splits=ready,
        grouped=config.batching == "length",
        layer_decay=config.layer_decay,
        model=model,
        args=arguments,
        processing_class=tokenizer,
    )
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(MetricsFileCallback(folder))
    trainer.add_callback(LimitsCallback(trainer, checkpoint_minutes=config.checkpoint_minutes))
    if config.early_stopping:
        trainer.add_callback(EarlyStoppingCallback(config.early_stopping))
    return trainer, steps


def _require_metric(task: Task, split: Split, metric: str) -> None:
    """Fail on a misspelt --best-metric now, not after an epoch.

    Raises:
        UserError: naming the nearest metric.
    """
    if metric in ("loss", task.main_metric):
        return
    from nlpkit.options import suggest

    known = task.metric_names(split.examples)
    if metric not in known:
        raise UserError(
            f"--best-metric {metric}: no such metric", suggest(metric, known) or f"One of: {', '.join(known)}"
        )


def _estimate(experiment: Experiment) -> str:
    """A rough training time: 6 FLOPs a weight and token (4 when frozen), at 60 % of a measured matrix product."""
    from nlpkit.cli.console import duration
    from nlpkit.training.devices import matmul_rate

    config, model = experiment.config, experiment.trainer.model
    weights = sum(p.numel() for p in model.parameters()) - model.get_input_embeddings().weight.numel()
    rows = experiment.steps * config.batch_size * config.gradient_accumulation_steps
    tokens = float(experiment.splits["train"].lengths.mean()) * rows
    flops = (6 if config.freeze == "none" else 4) * weights * tokens
    return f"about {duration(flops / (0.6 * matmul_rate(experiment.device)))} of training"


def _judged(experiment: Experiment) -> tuple[dict[str, np.ndarray], dict[str, Split]]:
    """Which examples of each split are judged, and what the model sees of them: all, but of a large train a sample."""
    rows, judged = {}, {}
    for name, split in experiment.splits.items():
        rows[name] = np.arange(len(split.examples))
        if name == "train" and len(split.examples) > TRAIN_ROWS_JUDGED:
            generator = np.random.default_rng(experiment.config.seed)
            rows[name] = np.sort(generator.choice(rows[name], TRAIN_ROWS_JUDGED, replace=False))
            split = split.subset(rows[name])
        judged[name] = split
    return rows, judged


def _outputs(experiment: Experiment, judged: dict[str, Split]) -> dict[str, Outputs]:
    """Outputs of the best model for every split."""
    outputs = {}
    with reporting.current().progress("evaluate", len(judged), "splits") as bar:
        for name, split in judged.items():
            outputs[name] = experiment.trainer.outputs(split)
            bar.advance()
    return outputs


def _baseline(experiment: Experiment, rows: dict[str, np.ndarray], judged: dict[str, Dataset]) -> dict[str, Any] | None:
    start = time.monotonic()
    trained = experiment.task.baseline(experiment.examples, experiment.config.seed)
    if trained is None:
        raise UserError(f"--baseline: there is none for {experiment.task.name}")
    name, outputs = trained
    metrics = {
        split: experiment.task.score(model_outputs.selected(values, rows[split]), judged[split])
        for split, values in outputs.items()
    }
    return {"name": name, "metrics": metrics, "seconds": round(time.monotonic() - start, 2)}


def _head(experiment: Experiment) -> dict[str, Any]:
    """The part of the record that is known before training."""
    config, loaded = experiment.config, experiment.loaded
    return {
        "command": experiment.command,
        "config": config.record(),
        "task": experiment.task.record(),
        "parents": {
            "model": {
                "name": models.display_name(config.model),
                "given": config.model,
                "revision": config.model_revision,
                "commit": getattr(experiment.trainer.model.config, "_commit_hash", None),
            },
            "data": loaded.source.to_record(),
        },
        "rows": {split: len(rows) for split, rows in experiment.examples.items()},
        "findings": [vars(finding) for finding in experiment.findings],
        "seed": config.seed,
        "device": experiment.device.described,
        "processes": process.world_size(),
        "versions": versions(),
    }


def _record(
    experiment: Experiment, metrics: dict[str, Any], baseline: dict[str, Any] | None, seconds: float
) -> dict[str, Any]:
    trainer = experiment.trainer
    runtime = next(
        (entry for entry in reversed(trainer.state.log_history) if "train_runtime" in entry), {"train_runtime": 0.0}
    )
    return {
        **_head(experiment),
        "metrics": metrics,
        "main_metric": experiment.config.best_metric or experiment.task.main_metric,
        "table_metrics": list(experiment.task.table_metrics),
        "baseline": baseline,
        "steps": trainer.state.global_step,
        "best_step": trainer.state.best_global_step,
        "parameters": experiment.parameters,
        "train_seconds": runtime["train_runtime"],
        "train_samples_per_second": runtime.get("train_samples_per_second"),
        "wall_seconds": round(seconds, 2),
    }


def _write(
    experiment: Experiment, record: dict[str, Any], outputs: dict[str, Outputs], judged: dict[str, Dataset]
) -> None:
    """Everything that belongs into the run folder."""
    from nlpkit.runs import card, plots

    task, trainer, folder = experiment.task, experiment.trainer, experiment.folder
    with folder.staging() as staged:
        trainer.model.save_pretrained(staged)
        experiment.tokenizer.save_pretrained(staged)
        trainer.state.save_to_json(str(staged / "trainer_state.json"))
        running.write_results(staged, record["metrics"], record["train_seconds"])
        held_out = "test" if "test" in outputs else "validation"
        record["details"] = {
            split: task.details(outputs[split], judged[split]) for split in outputs if split != "train"
        }
        wrong = task.mistakes(outputs[held_out], judged[held_out])
        with (staged / "errors.jsonl").open("w", encoding="utf-8") as file:
            for entry in wrong:
                file.write(json.dumps({"split": held_out, **entry}, ensure_ascii=False) + "\n")
        (staged / "plots").mkdir()
        drawn = task.plots(outputs, judged | {"train": experiment.examples["train"]})
        drawn["curves"] = plots.curves(trainer.state.log_history, task.table_metrics[:3])
        for name, draw in drawn.items():
            draw(staged / "plots" / f"{name}.png")
        card.write(staged / "README.md", record, drawn)
        folder.finish(record, staged, keep_checkpoints=experiment.config.keep_checkpoints)


def _report(record: dict[str, Any], folder: Path, task_class: type[Task]) -> Report:
    table, lines = result_table(record), []
    best = record["main_metric"]
    lines.append(
        f"{folder}: best checkpoint at step {record['best_step']} of {record['steps']} by validation {best}; "
        f"{record['train_seconds']:.0f} s of training"
        + (f", {record['train_samples_per_second']:.0f} rows/s" if record.get("train_samples_per_second") else "")
    )
    size = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    lines.append(f"model {human_bytes(size)}, card README.md, plots/, mistakes in errors.jsonl")
    return Report({**record, "output": str(folder)}, [table], lines, next_command=task_class.example_call(folder))


def result_table(record: dict[str, Any]) -> Table:
    """A row for each split, and below it the baseline's."""
    names = [name for name in record["table_metrics"] if any(name in m for m in record["metrics"].values())]
    baseline = record.get("baseline")
    model = record["parents"]["model"]["name"]
    rows = []
    for split, metrics in record["metrics"].items():
        rows.append([split, *([model] if baseline else []), record["judged"][split], *(metrics.get(n) for n in names)])
        if baseline:
            base = baseline["metrics"][split]
            rows.append(["", baseline["name"], record["judged"][split], *(base.get(name) for name in names)])
    return Table("result", ["split", *(["model"] if baseline else []), "rows", *names], rows)
