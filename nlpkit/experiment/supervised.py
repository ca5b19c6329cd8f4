"""One supervised training run of any task: what fine-tuning, distillation and recovery after pruning share.

The parts stand in the order in which a run needs them.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from nlpkit import limits, process, reporting
from nlpkit.data.findings import SHOWN, Finding
from nlpkit.errors import UserError
from nlpkit.experiment import calibration, lifecycle
from nlpkit.hardware import gpus
from nlpkit.metrics import confused
from nlpkit.models import fitting
from nlpkit.options import BatchOptions, JudgedSplitsOptions, suggest
from nlpkit.reporting import Cell, Report, Table, counted, figures, rate, titled
from nlpkit.runs import costs, standing
from nlpkit.runs.few import against_baseline, chosen_by_validation, few_rows, few_steps, interval_notes, with_figures
from nlpkit.runs.files import ornament
from nlpkit.runs.folder import RunFolder, human_bytes
from nlpkit.tasks import features
from nlpkit.tasks.roles import Judged, Trainable

if TYPE_CHECKING:
    from datasets import Dataset

    from nlpkit.data.sources import LoadedData
    from nlpkit.hardware.devices import Device
    from nlpkit.metrics.evidence import Evidence, Judgement
    from nlpkit.options import RunOptions
    from nlpkit.runs.plots import Plot
    from nlpkit.tasks.outputs import Outputs
    from nlpkit.training.trainer import Split
    from nlpkit.training.trainer_features import TrainerFeature
    from nlpkit.training.utilization import Step

FEW_TO_TRAIN = 1_000  # rows below which a classical model is often as good
TRAIN_ROWS_EVALUATED = 1_000  # the train row of the result table comes from this many rows at most


@dataclass
class Evaluated:
    """The outputs of the best model on each split, and how good they are.

    Attributes:
        rows: which examples of the split were evaluated (indices): all, or a sample of a large train split.
        examples: those examples.
        outputs: merged, one per example.
        metrics: of these outputs.
        evidence: what these hang on, None where there is no telling.
    """

    rows: dict[str, np.ndarray]
    examples: dict[str, Dataset]
    outputs: dict[str, Outputs]
    metrics: dict[str, dict[str, float]]
    evidence: dict[str, Evidence | None]


@dataclass(kw_only=True)
class SupervisedExperiment(lifecycle.Experiment[Evaluated]):
    """A supervised run before its first step: what a command prepares, and the phases that all of them share.

    Attributes:
        splits: the tokenized splits, with the examples that are evaluated.
        name: the name of the trained model, for people.
        lengths: how long the texts are, for people; see `features.choose_lengths`.
        parents: the models that the trained model comes from, for the record.
        unjudged: splits that are not evaluated: nothing can be said of their rows, as they have no labels, or they are
            left for later (--no-judge-test).
        calibration: what the record says of the scores, known with the evaluation.
    """

    config: RunOptions
    task: Trainable
    loaded: LoadedData
    examples: dict[str, Dataset]
    splits: dict[str, Split]
    model: Any
    name: str
    lengths: str
    parents: dict[str, Any]
    new_weights: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    unjudged: tuple[str, ...] = ()
    calibration: dict[str, Any] | None = field(default=None, init=False)

    @property
    def labelled(self) -> dict[str, Dataset]:
        """The examples of the splits that are judged."""
        return {split: rows for split, rows in self.examples.items() if split not in self.unjudged}

    def ready(
        self, *notes: tuple[str, str], features: Sequence[TrainerFeature] = (), train: Split | None = None
    ) -> Self:
        """Make the Trainer, and show the plan.

        Args:
            notes: lines of the plan, shown behind the model.
            features: what the run adds to its training.
            train: rows to train on; those of `splits` by default.
        """
        if not JudgedSplitsOptions.of(self.config).judge_test:
            self.unjudged = (*self.unjudged, "test")
        splits = self.splits if train is None else {**self.splits, "train": train}
        self.trainer, self.steps = make_trainer(
            self.config, self.task, splits, self.model, self.tokenizer, self.device, self.folder, features
        )
        lines = plan(self, *notes)
        reporting.current().plan("plan", [line for line in lines if line[0] not in self.untold])
        return self

    @property
    def untold(self) -> Collection[str]:
        """Names of the lines of the plan on what such a run does not do."""
        return () if self.trains else ("steps",)

    def besides(self, seconds: float) -> list[tuple[str, str]]:
        """Lines of the plan on what is trained besides the model.

        Args:
            seconds: that the training of the model takes, roughly.
        """
        return []

    def add_files(self, staged: Path) -> None:
        """Write what else belongs into the run folder."""

    @property
    def figures(self) -> dict[str, str]:
        return {"loss": "loss", f"eval_{self.task.main_metric}": self.task.main_metric}

    def origin(self) -> dict[str, Any]:
        return {
            "task": self.task.record(),
            "parents": {**self.parents, "data": self.loaded.source.to_record()},
            "rows": {split: len(rows) for split, rows in self.examples.items()},
            "findings": [vars(finding) for finding in self.findings],
        }

    def before_training(self) -> None:
        for feature in self.trainer.features:
            feature.begin(self.trainer)

    def after_training(self) -> None:
        for feature in self.trainer.features:
            feature.after_training(self.trainer.model)

    def evaluate(self) -> Evaluated:
        """Measure the best model on every split, after calibrating the task on validation."""
        rows, parts = chosen(self)
        examples = {name: split.examples for name, split in parts.items()}
        validation = self.trainer.outputs(parts["validation"])
        self.task = self.task.with_conventions(validation)
        validation, self.calibration = calibration.calibrate(
            self.config, self.task, self.trainer, parts["validation"], validation
        )
        outputs = _outputs(self, parts, validation)
        self.task = self.task.calibrated(validation, examples["validation"])
        metrics = {name: self.task.score(values, examples[name]) for name, values in outputs.items()}
        evidence = {name: self.task.evidence(values, examples[name]) for name, values in outputs.items()}
        return Evaluated(rows, examples, outputs, metrics, evidence)

    @property
    def checkpoints_judged(self) -> int:
        """How many checkpoints validation has chosen among."""
        metric = self.config.best_metric or self.task.main_metric
        return sum(f"eval_{metric}" in entry for entry in self.trainer.state.log_history)

    def standing_of(self, split: str, before: Mapping[str, Any] | None, *, chose: bool = False) -> standing.Standing:
        """What the rows of a split have decided before they judge.

        Args:
            before: the record of the model that the run began with, None where it has none.
            chose: whether something besides the checkpoint was chosen by validation.
        """
        chose = chose or self.checkpoints_judged > 1
        return standing.Standing.of(split, self.loaded.source.to_record(), before, chose=chose)

    def record(self, evaluated: Evaluated) -> dict[str, Any]:
        return {**self.head(), **_results(self, evaluated)}

    def write(self, record: dict[str, Any], evaluated: Evaluated) -> None:
        write(self, record, evaluated)


# --- before training ---


def stop_on_errors(findings: list[Finding], hint: str | None = None) -> None:
    """Raise the first finding that makes training, or a judgement, meaningless.

    Args:
        hint: what to do besides what the finding says.

    Raises:
        UserError: with the finding's message and examples.
    """
    for finding in findings:
        if finding.level == "error":
            raise UserError(str(finding), hint)


def settle_findings(findings: list[Finding], hint: str | None = None) -> None:
    """Tell what was found in the data; an error among it ends the run.

    Args:
        hint: as for `stop_on_errors`.

    Raises:
        UserError: see `stop_on_errors`.
    """
    stop_on_errors(findings, hint)
    for finding in findings:
        say = reporting.current().warn if finding.level == "warning" else reporting.current().note
        say(str(finding))


def absent_labels(task: Trainable, train: Dataset) -> list[Finding]:
    """Which labels of a model no row has that it, or what learns from it, is trained on; told to the reporter."""
    names = task.absent_labels(train)
    if not names:
        return []
    shown = ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")
    message = f"train: no row has {len(names):,} of the model's labels: {shown}; they may be forgotten"
    findings = [Finding("warning", "absent-class", message, len(names))]
    settle_findings(findings)
    return findings


def tokenized(task: Trainable, tokenizer: Any, examples: Mapping[str, Dataset]) -> dict[str, Split]:
    """Each split with its features.

    Raises:
        UserError: what the model would say of one takes too much memory.
    """
    from nlpkit.training.trainer import Split

    for split, rows in examples.items():
        if split != "train":  # of which a part is judged
            features.require_room(task, rows, len(rows), split)
    made = {}
    for split, rows in examples.items():
        reads = task.for_training() if split == "train" else task
        made[split] = Split(rows, features.featurize(reads, tokenizer, rows, split))
    return made


def cut_findings(task: Trainable, ready: Mapping[str, Split], *, settable: bool = True) -> list[Finding]:
    """Which texts are not read to their end, told to the reporter; where train has a shorter limit by choice, a note.

    Args:
        settable: see `features.remedy`.
    """
    per_split = []
    for split, made in ready.items():
        chosen = split == "train" and task.training_length not in (None, task.max_length)
        cut = features.cut_of(task.for_training() if split == "train" else task, features.Columns(made.features))
        per_split.append(cut.finding(task, split, "note" if chosen else "warning", settable=settable))
    findings = [finding for finding in per_split if finding is not None]
    for split, made in ready.items():
        findings += task.also_cut(features.Columns(made.features), split)
    settle_findings(findings)
    return findings


def cheaper_steps(
    config: BatchOptions, tokenizer: Any, ready: Mapping[str, Split], device: Device, *, embeddings: bool = True
) -> list[TrainerFeature]:
    """What lets steps cost less and teach the same: embeddings of the pieces in use, dropout and products that are fast
    on a CPU.

    Not with --batching random, whose losses are those of a plain Trainer, digit for digit: embeddings and products
    round otherwise, dropout draws other random numbers.

    Args:
        ready: every split, tokenized.
        embeddings: False leaves the embeddings whole.
    """
    from nlpkit.training.dropout import CheapDropout
    from nlpkit.training.embeddings import UsedRows
    from nlpkit.training.products import FastProducts

    if config.batching == "random":
        return []
    features: list[TrainerFeature] = []
    if embeddings:
        features.append(UsedRows(tokenizer, [*ready.values()]))
    if device.name == "cpu":
        features += [CheapDropout(), FastProducts()]
    return features


def make_trainer(
    config: RunOptions,
    task: Trainable,
    ready: dict[str, Split],
    model: Any,
    tokenizer: Any,
    device: Device,
    folder: RunFolder,
    features: Sequence[TrainerFeature],
) -> tuple[Any, int]:
    """The Trainer of a run and the number of its steps.

    Args:
        ready: the tokenized splits `train` and `validation`; any others are evaluated after training.
        features: what the run adds to its training.

    Raises:
        UserError: --best-metric or --trainer names something that does not exist.
    """
    from transformers.trainer_callback import EarlyStoppingCallback, PrinterCallback

    from nlpkit.training import arguments as training_arguments
    from nlpkit.training.callbacks import LimitsCallback, MetricsFileCallback
    from nlpkit.training.schedules import Budget
    from nlpkit.training.trainer import NlpkitTrainer

    for feature in features:
        feature.change_model(model)
    metric = config.best_metric or task.main_metric
    if metric == "loss" and not task.validation_loss:
        raise UserError(
            f"--best-metric loss: rows that are judged have none in {task.name}", f"Use {task.main_metric}."
        )
    if metric not in ("loss", task.main_metric):
        require_metric("--best-metric", metric, task.while_training().metric_names(ready["validation"].examples))
    steps = training_arguments.total_steps(len(ready["train"].features), config, process.world_size())
    arguments = training_arguments.training_arguments(
        config,
        folder.checkpoints,
        device,
        main_metric=metric,
        higher_is_better=task.higher_is_better(metric),
        steps=steps,
    )
    training_arguments.try_out(arguments, model, steps)
    trainer = NlpkitTrainer(
        budget=Budget(steps, config.max_minutes),
        schedule=config.schedule,
        task=task,
        splits=ready,
        grouped=config.batching == "length",
        layer_decay=config.layer_decay,
        model=model,
        args=arguments,
        processing_class=tokenizer,
        features=features,
    )
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(MetricsFileCallback(folder))
    trainer.add_callback(LimitsCallback(trainer, checkpoint_minutes=config.checkpoint_minutes))
    if config.early_stopping:
        trainer.add_callback(EarlyStoppingCallback(config.early_stopping))
    return trainer, steps


def require_metric(flag: str, metric: str, known: Collection[str]) -> None:
    """Fail on a misspelt metric now, not after an epoch or all rows.

    Args:
        flag: the option that names it.
        known: the names that there are.

    Raises:
        UserError: naming the nearest metric.
    """
    if metric not in known:
        raise UserError(f"{flag} {metric}: no such metric; there are {', '.join(known)}", suggest(metric, known))


def plan(experiment: SupervisedExperiment, *more: tuple[str, str]) -> list[tuple[str, str]]:
    """What is about to be done, for people.

    Args:
        more: further lines, shown behind the model.
    """
    from nlpkit.reporting import duration
    from nlpkit.training import compiling, utilization

    config, model = experiment.config, experiment.trainer.model
    trained = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    size = f"{experiment.parameters / 1e6:.1f} M parameters"
    if trained < experiment.parameters:
        size += f", {trained / 1e6:.1f} M trained (frozen weights and unused token embeddings are not)"
    new = sorted({name.split(".")[0] for name in experiment.new_weights})
    rows = config.batch_size * config.gradient_accumulation_steps * process.world_size()
    step = _step(experiment)
    use = utilization.described(config, step, experiment.steps, len(experiment.splits["train"].features))
    seconds = experiment.steps * step.seconds
    takes = f"about {duration(seconds)} of training"
    if config.max_minutes and seconds > 60 * config.max_minutes:
        limit = f"at most {config.max_minutes:g} minutes of training"
        takes = f"{limit} (--max-minutes; all take about {duration(seconds)})"
        seconds = 60 * config.max_minutes
    return [
        ("data", ", ".join(f"{split} {len(examples):,}" for split, examples in experiment.examples.items())),
        ("task", experiment.task.describe()),
        ("length", experiment.lengths),
        ("model", f"{experiment.name}, {size}" + (f"; new: {', '.join(new)}" if new else "")),
        *more,
        ("device", gpus.shown(experiment.device) + use),
        *(compiling.described(experiment.device, experiment.trainer) if config.compile == "auto" else []),
        ("steps", f"{experiment.steps:,} of {counted(rows, 'row', 'rows')}, {takes}"),
        *experiment.besides(seconds),
        ("output", str(experiment.folder.path)),
    ]


def _step(experiment: SupervisedExperiment) -> Step:
    """A rough step: 6 FLOPs a weight and token (4 when frozen). Where what is frozen runs once, a trained weight and
    token or, of a head alone, row; and its share of that one pass."""
    from nlpkit.training import frozen, utilization

    config, model = experiment.config, experiment.trainer.model
    weights = sum(p.numel() for p in model.parameters()) - _looked_up(model)
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    rows = config.batch_size * config.gradient_accumulation_steps
    tokens = float(experiment.splits["train"].lengths.mean()) * rows
    flops = (6 if config.freeze == "none" else 4) * weights * tokens
    for feature in experiment.trainer.features:
        if feature.replaces_encoder or feature.spares_frozen:
            read = sum(int(experiment.splits[split].lengths.sum()) for split in frozen.TRAINED_ON)
            once = 2.0 * (weights - trained) * read / max(experiment.steps, 1)
            flops = once + 6.0 * (rows if feature.replaces_encoder else tokens) * trained
    return utilization.estimated(config, experiment.device, model, flops)


def _looked_up(model: Any) -> int:
    """Weights that no product is computed with."""
    table = fitting.token_table(model)
    return 0 if table is None else table.numel()


# --- evaluation ---


def chosen(experiment: SupervisedExperiment) -> tuple[dict[str, np.ndarray], dict[str, Split]]:
    """Which examples of each split are evaluated, with their features: all, or a sample of a large train split."""
    from nlpkit.training.trainer import Split

    rows: dict[str, np.ndarray] = {}
    parts: dict[str, Split] = {}
    for name, split in experiment.splits.items():
        if name in experiment.unjudged:
            continue
        rows[name] = np.arange(len(split.examples))
        most = experiment.task.watched_rows or TRAIN_ROWS_EVALUATED
        if name == "train" and len(split.examples) > most:
            generator = np.random.default_rng(experiment.config.seed)
            rows[name] = np.sort(generator.choice(rows[name], most, replace=False))
            split = split.subset(rows[name])
        if name == "train" and experiment.task.judged_by_writing:
            # as rows are read that are judged: what is learned may be several features of a row
            split = Split(
                split.examples, features.featurize(experiment.task, experiment.tokenizer, split.examples, name)
            )
        parts[name] = split
    return rows, parts


def _outputs(experiment: SupervisedExperiment, parts: dict[str, Split], validation: Outputs) -> dict[str, Outputs]:
    """Outputs of the best model for every split; those of validation are there."""
    outputs = {}
    with reporting.current().progress("evaluate", len(parts), "splits") as bar:
        for name, split in parts.items():
            outputs[name] = validation if name == "validation" else experiment.trainer.outputs(split)
            bar.advance()
    return outputs


# --- the record and the folder ---


def _results(experiment: SupervisedExperiment, evaluated: Evaluated) -> dict[str, Any]:
    """What the record says of the training and of the best model."""
    from nlpkit.metrics import intervals

    trainer = experiment.trainer
    runtime = next(
        (entry for entry in reversed(trainer.state.log_history) if "train_runtime" in entry), {"train_runtime": 0.0}
    )
    # Trainer tells of this session alone, and of the steps that were planned
    trained = trainer.budget.before + runtime["train_runtime"]
    epochs = trainer.state.epoch or 0.0
    rows = epochs * len(trainer.splits["train"].features)
    metric = experiment.config.best_metric or experiment.task.main_metric
    return {
        "metrics": evaluated.metrics,
        **intervals.record(evaluated.evidence, evaluated.metrics),
        "main_metric": metric,
        "table_metrics": list(experiment.task.table_metrics),
        "judged": {name: len(examples) for name, examples in evaluated.examples.items()},
        "metric_notes": dict(experiment.task.metric_notes),
        "calibration": experiment.calibration,
        **({"baselines": beside} if (beside := yardsticks(experiment.task, evaluated.examples)) else {}),
        "label_counts": experiment.task.view.label_counts(experiment.labelled),
        "steps": trainer.state.global_step,
        "epochs": round(epochs, 2),
        "best_step": trainer.state.best_global_step,
        "checkpoints_judged": experiment.checkpoints_judged,
        "parameters": experiment.parameters,
        "train_seconds": round(trained, 4),
        "train_samples_per_second": round(rows / trained, 3) if trained else None,
        **({"compile": trainer.compiling.found} if trainer.compiling else {}),
    }


def yardsticks(task: Judged, examples: Mapping[str, Dataset]) -> list[dict[str, Any]]:
    """What answers that take no model are worth, as records have it: see `Judged.yardsticks`.

    Args:
        examples: of each split that is judged.
    """
    from nlpkit.metrics import intervals

    by_name: dict[str, dict[str, Judgement]] = {}
    for split, rows in examples.items():
        for name, judged in task.yardsticks(rows).items() if split != "train" else ():
            by_name.setdefault(name, {})[split] = judged
    made = []
    for name, of_splits in by_name.items():
        metrics = {split: dict(judged.metrics) for split, judged in of_splits.items()}
        told = intervals.record({split: judged.evidence for split, judged in of_splits.items()}, metrics)
        made.append({"name": name, "metrics": metrics, "metric_intervals": told["metric_intervals"]})
    return made


def beside(record: Mapping[str, Any], split: str, judged: int, names: Sequence[str]) -> list[list[Cell]]:
    """Rows of a table for what a record has beside the model on a split, see `yardsticks`."""
    return [
        [base["name"], judged, *figures(base["metrics"][split], base["metric_intervals"].get(split), names)]
        for base in record.get("baselines") or ()
        if split in base["metrics"]
    ]


def write(experiment: SupervisedExperiment, record: dict[str, Any], evaluated: Evaluated) -> None:
    """Everything that belongs into the run folder; adds the task's details to the record."""
    from nlpkit.experiment import card
    from nlpkit.runs import plots

    task, trainer, folder = experiment.task, experiment.trainer, experiment.folder
    with folder.staging() as staged:
        task.tell_clients(trainer.model.config)
        trainer.model.save_pretrained(staged)
        limits.save_tokenizer(experiment.tokenizer, staged, task.stated_length)
        task.extra_files(staged, trainer.model.config)
        trainer.state.save_to_json(str(staged / "trainer_state.json"))
        lifecycle.write_results(staged, record["metrics"], record["train_seconds"])
        held_out = "test" if "test" in evaluated.outputs else "validation"
        record["details"] = held_out_details(task, evaluated.outputs, evaluated.examples)
        with ornament("errors.jsonl"):
            wrong = task.view.mistakes(evaluated.outputs[held_out], evaluated.examples[held_out])
            lines = [json.dumps({"split": held_out, **entry}, ensure_ascii=False) + "\n" for entry in wrong]
            (staged / "errors.jsonl").write_text("".join(lines), encoding="utf-8")
        experiment.add_files(staged)
        pictures: dict[str, plots.Plot] = {}
        with ornament("plots/"):
            train = {split: rows for split, rows in experiment.labelled.items() if split == "train"}
            pictures = task.view.plots(evaluated.outputs, evaluated.examples | train)
            pictures |= task.view.result_plots(record)
        if curves := _curves(experiment):
            pictures["curves"] = curves
        drawn = plots.draw(pictures, staged / "plots")
        if task.view.rows_folder:
            with ornament(f"{task.view.rows_folder}/"):
                rows = task.view.drawn_rows(trainer.model, evaluated.outputs[held_out], evaluated.examples[held_out])
                if rows:
                    plots.draw(rows, staged / task.view.rows_folder)
        with ornament("the card README.md"):
            card.write(staged / "README.md", record, drawn)
        folder.finish(record, staged, keep_checkpoints=experiment.config.keep_checkpoints)


def held_out_details(
    task: Trainable, outputs: Mapping[str, Outputs], examples: Mapping[str, Dataset]
) -> dict[str, dict[str, Any]]:
    """Figures beyond one number a metric, of each split but train."""
    return {split: task.details(found, examples[split]) for split, found in outputs.items() if split != "train"}


def _curves(experiment: SupervisedExperiment) -> Plot | None:
    """Loss and validation metrics of the training: those beside the main one that are of its scale."""
    from nlpkit.runs import plots

    task, state = experiment.task, experiment.trainer.state
    main = experiment.config.best_metric or task.main_metric
    alike = [
        name
        for name in dict.fromkeys([task.main_metric, *task.table_metrics])
        if task.higher_is_better(name) == task.higher_is_better(task.main_metric)
    ]
    shown = list(dict.fromkeys([main, *alike]))[:3] if main != "loss" else alike[:3]
    return plots.curves(state.log_history, shown, best_step=state.best_global_step, notes=task.metric_notes)


def report(record: dict[str, Any], folder: Path, task_class: type[Trainable]) -> Report:
    """What people and machines are told of a finished run."""
    table, lines = result_table(record), []
    best = record["main_metric"]
    step, steps = record.get("best_step"), record["steps"]
    taken = ""
    if steps:
        chosen_at = f"best checkpoint at step {step} of {steps} by validation {best}; "
        taken = f"{steps} steps; " if step is None else chosen_at
    lines.append(
        f"{folder}: {taken}{record['train_seconds']:.0f} s of training"
        + (f", {rate(speed, 'rows', 0)}" if (speed := record.get("train_samples_per_second")) else "")
    )
    lines += few_steps(record, task_class.lower_is_better)
    lines += [*costs.lines(record), *calibration.lines(record)]
    lines += few_rows({split: count for split, count in record["judged"].items() if split != "train"})
    lines += [*interval_notes(record), *chosen_by_validation(record), *against_baseline(record)]
    if (record.get("config") or {}).get("baseline") is False and _has_baseline(task_class) and _trained_on_few(record):
        lines.append("few rows to train on: --baseline tells whether a classical model, in seconds, does as well")
    size = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    lines.append(f"model {human_bytes(size)}, card README.md, plots/, mistakes in errors.jsonl")
    return Report(
        {**record, "output": str(folder)},
        [
            table,
            *([cost] if (cost := costs.table(record)) else []),
            *_confused(record),
            *task_class.view_type().result_tables(record),
        ],
        lines,
        next_command=task_class.view_type().example_call(folder),
    )


def _confused(record: Mapping[str, Any]) -> list[Table]:
    """The labels that are taken for one another most often, on the split that stands for new rows."""
    details = record.get("details") or {}
    held_out = next((split for split in ("test", "validation") if split in details), None)
    return [] if held_out is None else confused.tables(held_out, details[held_out])


def _has_baseline(task_class: type[Trainable]) -> bool:
    """Whether there is a classical model for a task."""
    return task_class.baseline is not Judged.baseline


def _trained_on_few(record: Mapping[str, Any]) -> bool:
    rows = record.get("rows")
    return isinstance(rows, dict) and 0 < (rows.get("train") or 0) < FEW_TO_TRAIN


def result_table(record: dict[str, Any]) -> Table:
    """A row for each split, and below it the baseline's; above it that of the model before training."""
    names = [name for name in record["table_metrics"] if any(name in m for m in record["metrics"].values())]
    baseline, others = record.get("baseline"), record.get("baselines")
    model = (record["parents"].get("model") or {}).get("name")
    between = record.get("metric_intervals") or {}
    rows: list[list[Cell]] = []
    for split in with_figures(record["metrics"], names):
        metrics, judged = record["metrics"][split], record["judged"][split]
        own: list[Cell] = [
            *([model] if baseline or others else []),
            judged,
            *figures(metrics, between.get(split), names),
        ]
        both = [own]
        if baseline:
            ends = (baseline.get("metric_intervals") or {}).get(split)
            both.append([baseline["name"], judged, *figures(baseline["metrics"].get(split, {}), ends, names)])
        if baseline and baseline.get("before"):
            own[0] = "trained"
            both.reverse()
        both += beside(record, split, judged, names)
        named = standing.title(split, standing.drawn_in(record, split))
        rows += [[named if i == 0 else "", *cells] for i, cells in enumerate(both)]
    header = [
        "split",
        *(["model"] if baseline or others else []),
        "rows",
        *titled(names, record.get("metric_notes", {})),
    ]
    return Table("result", header, rows)
