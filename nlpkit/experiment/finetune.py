"""Fine-tuning, for any task: the operation behind `finetune-cls` and its kin.

`prepare` loads the rows, lets the task find columns and labels, checks, tokenizes and makes the Trainer;
`lifecycle.run` goes on from there. The training step and the evaluation loop stand in `nlpkit.training.trainer`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from nlpkit import reporting
from nlpkit.baselines import fitting
from nlpkit.baselines.lesson import Lesson
from nlpkit.data import splits
from nlpkit.data.findings import Finding
from nlpkit.errors import UserError
from nlpkit.experiment import (
    folds,
    inherited_data,
    lifecycle,
    other_models,
    rate_finder,
    repeats,
    spreads,
    supervised,
)
from nlpkit.experiment.beginnings import Beginning, BeginningOptions, PreTrained
from nlpkit.experiment.supervised import Evaluated, SupervisedExperiment
from nlpkit.metrics import calibration
from nlpkit.models import opening
from nlpkit.options import DataOptions, NotWith, option
from nlpkit.reporting import Report, counted
from nlpkit.runs import records
from nlpkit.runs.folder import RunFolder, read_record
from nlpkit.tasks import features, registry
from nlpkit.tasks import outputs as model_outputs
from nlpkit.tasks.heads import Head
from nlpkit.tasks.roles import Trainable

if TYPE_CHECKING:
    from datasets import Dataset

    from nlpkit.data.sources import LoadedData
    from nlpkit.hardware.devices import Device
    from nlpkit.metrics.evidence import Evidence
    from nlpkit.tasks.contract import Task
    from nlpkit.tasks.reading import Reader
    from nlpkit.training.trainer import Split
    from nlpkit.training.trainer_features import TrainerFeature
    from nlpkit.word_vectors.table import WordVectors

BESIDE = "baseline"  # among the checkpoints, while a network of --baseline is trained
RATED_ROWS = 256  # of validation, on which the model is timed where others stand beside it
ALL_FOUND = "`nlpkit check-data` lists everything that was found."


class FinetuneOptions(rate_finder.RateFinderOptions, BeginningOptions, DataOptions):
    """Options of fine-tuning for any task; a recipe's Config adds those of its task."""

    baseline: bool | Sequence[str] = option(False, "Also train classical models, for comparison.", panel="Output")
    cv: int | None = option(
        None,
        "Cross-validation: cut the rows into N folds, judge each by a model trained on the others; the saved model is "
        "that of the run without it.",
        panel="Evaluation",
        metavar="N",
        ge=2,
        only_with=NotWith(("seeds",), why=" and --seeds: a run has one of them", hint="Run it once with each."),
    )

    @property
    def named_baselines(self) -> Sequence[str]:
        """The classical models that --baseline names; none where it stands alone."""
        return () if isinstance(self.baseline, bool) else self.baseline


class OneBaselineOptions(FinetuneOptions):
    """Options of fine-tuning for a task that has one classical model at most."""

    baseline: bool = option(False, "Also train a classical model, for comparison.", panel="Output")


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What a run of fine-tuning and its folds have in common.

    Attributes:
        task: before its loss, which hangs on the rows that are trained on.
        head: what becomes of the head of the model.
        kind: of the run.
    """

    command: str
    task: Trainable
    loaded: LoadedData
    begin: Beginning
    head: Head
    device: Device
    lengths: str
    kind: type[Finetuning]


@dataclass(kw_only=True)
class Finetuning(SupervisedExperiment):
    """A run of fine-tuning before its first step.

    Attributes:
        parts: what it is made of.
        cut: the folds of --cv; None without.
        baselines: names of the classical models that are trained beside it.
        word_vectors: that those begin with which are made of some; None: nothing is known of words before.
        by_trainer: whether a Trainer trains, and does not only judge.
        judges_train: what judges train rows whatever the options; empty where nothing does.
    """

    by_trainer: ClassVar[bool] = True
    judges_train: ClassVar[str] = ""

    config: FinetuneOptions
    parts: Parts
    cut: folds.Folds | None = None
    baselines: Sequence[str] = ()
    word_vectors: WordVectors | None = None
    _cross_validated: folds.CrossValidated | None = field(init=False, default=None)
    _before: dict[str, model_outputs.Outputs] = field(init=False, default_factory=dict)

    @property
    def trains(self) -> bool:
        return self.by_trainer

    @classmethod
    def settled(cls, config: FinetuneOptions) -> FinetuneOptions:
        """The config with what hangs on other options filled in.

        Raises:
            UserError: they do not go together.
        """
        return config

    @classmethod
    def begun(cls, config: FinetuneOptions, task_class: type[Trainable]) -> Beginning:
        """What a run with such options begins with."""
        return PreTrained(config, task_class)

    @classmethod
    def added(cls, config: FinetuneOptions) -> list[TrainerFeature]:
        """What a run with such options adds to its training."""
        return []

    @classmethod
    def opened(cls, model: Any, config: FinetuneOptions, parts: Parts) -> tuple[FinetuneOptions, list[tuple[str, str]]]:
        """Change a model that was just opened, before anything is made of it; the options with what that settles, and
        lines of the plan on it."""
        return config, []

    @property
    def untold(self) -> Collection[str]:
        return super().untold if self.config.lr_finder is None else rate_finder.UNTOLD

    def besides(self, seconds: float) -> list[tuple[str, str]]:
        if self.config.lr_finder is not None:
            return rate_finder.planned(self.config, self.config.lr_finder)
        lines = self.cut.described(seconds) if self.cut else []
        if named := [name for name in self.baselines if name]:
            lines.append(("baseline", f"{', '.join(named)}, on the same rows"))
        return lines + spreads.planned(self.config.seeds, seconds)

    def before_training(self) -> None:
        """Judge the model to begin with, where it answers already; train and judge the folds of --cv."""
        super().before_training()
        if self.task.answers_untrained:
            import torch

            drawn = torch.get_rng_state()  # opening a loader draws a number
            _, chosen = supervised.chosen(self)
            self._before = {name: self.trainer.outputs(split, anew=True) for name, split in chosen.items()}
            torch.set_rng_state(drawn)
        if self.cut is None:
            return

        def made(
            config: FinetuneOptions, folder: RunFolder, examples: dict[str, Dataset], ready: dict[str, Split]
        ) -> Finetuning:
            return _made(self.parts, config, folder, examples, lambda task: (dict(ready), []))

        judged = folds.train(self, self.config, self.cut, made, self.baselines)
        self._cross_validated = folds.together(self.cut, judged, self.task)

    def compare(self, evaluated: Evaluated) -> dict[str, Any]:
        """The classical model of --baseline, or the model before training, on the same rows; what the folds of --cv
        say."""
        compared: dict[str, Any] = {"baseline": None, **(_baselines(self, evaluated) if self.baselines else {})}
        if self._before:
            name = f"{self.name} before training"
            compared["baseline"] = {
                **_beside(self, evaluated, name, self._before),
                "before": True,
                "details": supervised.held_out_details(self.task, self._before, evaluated.examples),
            }
        return compared | ({"cv": self._cross_validated.record} if self._cross_validated else {})

    def add_files(self, staged: Path) -> None:
        if self._cross_validated:
            folds.write(self._cross_validated.lines, staged)

    def write(self, record: dict[str, Any], evaluated: Evaluated) -> None:
        super().write(record, evaluated)
        if self.cut:
            folds.clear(self.folder)


def run(
    config: FinetuneOptions, command: str, task_class: type[Trainable], kind: type[Finetuning] | None = None
) -> Report:
    """Fine-tune and write the run folder; returns the result table.

    Args:
        kind: of the run, where it is one of its own.
    """

    def prepared(config: FinetuneOptions) -> Finetuning:
        return prepare(config, command, task_class, kind or Finetuning)

    def reported(record: dict[str, Any], folder: Path) -> Report:
        report = supervised.report(record, folder, task_class)
        if record.get("cv"):
            report.tables.append(spreads.of_folds(record))
            report.lines += spreads.said_of_folds(record)
        return report

    if config.lr_finder is not None:
        return rate_finder.run(config, config.lr_finder, prepared)
    return repeats.run(config, command, prepared, reported)


def prepare(
    config: FinetuneOptions, command: str, task_class: type[Trainable], kind: type[Finetuning] = Finetuning
) -> Finetuning:
    """Load, check and tokenize the data, open the model, and make the Trainer.

    Args:
        kind: of the run.

    Raises:
        UserError: whatever is wrong with options, data or model.
    """
    from nlpkit.hardware import devices

    config = kind.settled(config)
    config.refuse_unread()
    begin = kind.begun(config, task_class)
    folder = lifecycle.usable_folder(config, splits.short_name(config), begin.name)
    device = devices.choose(config)
    judges_train = "--cv judges them too" if config.cv else kind.judges_train
    loaded, task, examples, findings, head = _open_data(config, task_class, begin, folder, judges_train)
    examples["train"], more = task.extended(examples["train"], config, other_models.Asking(config, config))
    supervised.settle_findings(more)
    findings += more
    begun = _begun(config, folder, task_class)
    settled = begun is not None and task.max_length is None
    if settled:
        # an earlier nlpkit may have chosen otherwise
        task = task.as_begun(task_class.from_model(begin.config, begun))
    begin.settle(task, examples)
    tokenizer = begin.tokenizer
    limit, most = opening.max_positions(begin.config, tokenizer), opening.takes(begin.config)
    task, lengths = features.choose_lengths(
        task, tokenizer, examples, limit, most, config.seed, settled=settled, written=opening.writes(begin.config)
    )
    parts = Parts(
        command=command,
        task=task,
        loaded=loaded,
        begin=begin,
        head=head,
        device=device,
        lengths=lengths,
        kind=kind,
    )
    cut = None
    if config.cv and begin.learned:
        reporting.current().note(f"--cv: {begin.learned} from all rows, those that a fold is judged on among them")
    if config.cv:
        seed = config.seed if config.shuffle_seed is None else config.shuffle_seed
        cut = folds.plan(config.cv, config, task, loaded, task.reader(options=config), examples, seed)
        for table in folds.tables(cut, task) if config.dry_run else ():
            reporting.current().table(table)

    def ready(task: Trainable) -> tuple[dict[str, Split], list[Finding]]:
        made = supervised.tokenized(task, tokenizer, examples)
        return made, [*findings, *supervised.cut_findings(task, made)]

    return _made(parts, config, folder, examples, ready, cut)


def _made(
    parts: Parts,
    config: FinetuneOptions,
    folder: RunFolder,
    examples: dict[str, Dataset],
    ready: Callable[[Trainable], tuple[dict[str, Split], list[Finding]]],
    cut: folds.Folds | None = None,
) -> Finetuning:
    """The run on some examples, from its model to its Trainer.

    Args:
        examples: by split.
        ready: gives their features, and what was found in the data, once the model is open.
        cut: the folds that are judged before.
    """
    task = parts.task.with_loss(config, examples["train"])
    named = task.require_baseline(config.named_baselines) if config.baseline else ()
    vectors = fitting.require(named, config)
    if cut is not None and len(named) > 1:
        raise UserError(f"--cv: {len(named)} models of --baseline would be trained for each fold", "Name one of them.")
    from nlpkit.training import parameters

    begin, tokenizer = parts.begin, parts.begin.tokenizer
    model, new = begin.model(config, task, parts.head)
    config, notes = parts.kind.opened(model, config, parts)
    if config.batching != "random" and (answer := task.first_answer(examples["train"])) is not None:
        # --batching random trains as a plain Trainer does
        parameters.start_head(model, new, answer)
    size = sum(parameter.numel() for parameter in model.parameters())
    lifecycle.require_space(folder, size)
    task = task.for_model(model, tokenizer, parts.device.name)
    splits_ready, findings = ready(task)
    if (chosen := task.training_rows(examples["train"], config)) is not None:
        splits_ready["train"] = _redrawn(splits_ready["train"], chosen)
    from nlpkit.training import defaults
    from nlpkit.training.own_weights import OwnWeights

    own = task.own_weights
    added: list[TrainerFeature] = []
    if parts.kind.by_trainer:
        config, settled = defaults.settle(config, model, len(splits_ready["train"].features))
        if config.lr_finder is not None:
            settled = [one for one in settled if one.name in rate_finder.READ]
        once, told = _features_once(config, task, model, tokenizer, splits_ready)
        notes += [*told, *defaults.described(settled)]
        whole = bool(own or once)
        added = supervised.cheaper_steps(config, tokenizer, splits_ready, parts.device, embeddings=not whole)
        added += [*once, *parts.kind.added(config)]
    if own:
        added.append(OwnWeights(own))
    return parts.kind(
        config=config,
        command=parts.command,
        task=task,
        loaded=parts.loaded,
        examples=examples,
        splits=splits_ready,
        tokenizer=tokenizer,
        device=parts.device,
        folder=folder,
        model=model,
        parameters=size,
        name=begin.name,
        lengths=parts.lengths,
        parents={"model": begin.parent(model.config)},
        new_weights=new,
        findings=findings,
        parts=parts,
        cut=cut,
        baselines=named,
        word_vectors=vectors,
    ).ready(*notes, features=added)


def _features_once(
    config: FinetuneOptions, task: Trainable, model: Any, tokenizer: Any, ready: Mapping[str, Split]
) -> tuple[list[TrainerFeature], list[tuple[str, str]]]:
    """What spares a frozen encoder, or frozen layers, all epochs but one, where that gives what is above them all it
    reads; and a line of the plan.

    Not with --batching random, whose losses are those of a plain Trainer, digit for digit, with dropout in the encoder.
    """
    if config.freeze in ("none", "embeddings", "0") or config.batching == "random" or not task.has_head:
        return [], []
    from nlpkit.training import frozen, frozen_layers, parameters

    batch = task.collate(tokenizer)(frozen.ends_of(ready["train"]))
    rows = sum(len(ready[split].features) for split in frozen.TRAINED_ON)

    def logits() -> Any:
        return task.run(model, batch).logits

    def told(feature: TrainerFeature, line: str, vectors: int) -> tuple[list[TrainerFeature], list[tuple[str, str]]]:
        if frozen.room_for(vectors, model.config.hidden_size):
            return [feature], [("frozen", line)]
        return [], [("frozen", f"it runs in each epoch, as {vectors:,} vectors do not fit into memory")]

    if config.freeze == "encoder" and (state := frozen.read_by_head(model, logits)) is not None:
        features_once = frozen.FrozenFeatures(state, rows)
        return told(features_once, features_once.described(), rows)
    if config.compile is True or config.gradient_checkpointing or not _reads_again(config, ready):
        return [], []
    count = len(parameters.layers(model)[1]) if config.freeze == "encoder" else int(config.freeze)
    shapes = None if task.loss_reads_padding else frozen_layers.shapes_below(model, count, logits)
    if shapes is None:
        return [], [("frozen", "it runs in each epoch, as more of it is read than a vector for each token")]
    layers_once = frozen_layers.FrozenLayers(shapes, rows)
    tokens = sum(int(ready[split].lengths.sum()) for split in frozen.TRAINED_ON)
    return told(layers_once, layers_once.described(), tokens)


def _reads_again(config: FinetuneOptions, ready: Mapping[str, Split]) -> bool:
    """Whether the run goes through its rows more than once."""
    if config.max_steps is None:
        return config.epochs > 1
    return config.max_steps * config.batch_size * config.gradient_accumulation_steps > len(ready["train"].features)


def _open_data(
    config: FinetuneOptions,
    task_class: type[Trainable],
    begin: Beginning,
    folder: RunFolder,
    judges_train: str,
) -> tuple[LoadedData, Trainable, dict[str, Dataset], list[Finding], Head]:
    """Rows, the task that they are for, their examples, what was found in them (errors among that stop here), and what
    becomes of the model's head."""
    loaded = splits.load(config, task_class)
    if "train" not in loaded.splits:
        raise UserError(f"there is no train split; found: {', '.join(loaded.splits)}", "Name it: --train-file FILE.")
    with registry.pointing_elsewhere(task_class, loaded.splits["train"], "`nlpkit {command}` trains for them."):
        task = task_class.from_data(loaded.splits, config)
        if config.cv and task.apart:
            raise UserError(
                f"--cv cuts train and validation up together, and {task.apart}", "Leave out --cv, or --validation-file."
            )
        task = task.begun_with(begin.config, (begin.record or {}).get("task"), config)
        task, head = _with_head(config, begin, task, folder)
        reader = task.reader(options=config)
        splits.prepare(loaded, reader, config, config.seed)
        findings = [Finding(head.level, "head", head.note)] if head.note else []
        examples = splits.examples(loaded, reader, findings)
    supervised.stop_on_errors(findings, ALL_FOUND)
    findings += _trained_on_before(begin, reader, loaded, judges_train)
    examples = {split: rows for split, rows in examples.items() if len(rows) or split in ("train", "validation")}
    findings += task.check(examples)
    supervised.settle_findings(findings, ALL_FOUND)
    return loaded, task, examples, findings, head


def _trained_on_before(begin: Beginning, reader: Reader[Any], loaded: LoadedData, judges_train: str) -> list[Finding]:
    """Which rows are judged that the model to begin with was trained on for the same task: no training after that makes
    them new to it."""
    record, trained = begin.record, begin.trained
    if record is None or begin.given is None or trained is None or trained.name != reader.task.name:
        return []
    keys = inherited_data.train_keys(record, begin.given, trained)
    findings = []
    for split in loaded.splits:
        if split == "train" and not judges_train:
            continue
        if problem := inherited_data.trained_on(record, begin.given, keys, reader, loaded, split):
            judged = judges_train if split == "train" else "its figures tell how well these were learnt"
            findings.append(Finding("warning", spreads.SEEN_BEFORE, f"{split}: {problem}: {judged}"))
    return findings


def _with_head(config: FinetuneOptions, begin: Beginning, task: Trainable, folder: RunFolder) -> tuple[Trainable, Head]:
    """The task with its labels numbered as the head of the model that is begun with, and what becomes of that."""
    task, head = with_head_of(task, begin.trained)
    begun = _begun(config, folder, type(task))
    if begun is not None:
        # the weights of the checkpoint are numbered as the run was when it began
        task, _ = task.with_head_of(type(task).from_model(begin.config, begun))
    return task, head


def _begun(config: FinetuneOptions, folder: RunFolder, task_class: type[Trainable]) -> dict[str, Any] | None:
    """The record of the task of a run that goes on from a checkpoint, None of others.

    Raises:
        UserError: it is not as tasks of this class write it.
    """
    if not config.resume or not any(folder.checkpoints.glob("checkpoint-*")):
        return None
    if not (begun := (read_record(folder.path) or {}).get("task")):
        return None
    return records.filled(task_class.record_type, begun, folder.path / records.RECORD, ["task"])


def _redrawn(train: Split, chosen: np.ndarray) -> Split:
    from nlpkit.training.trainer import Split

    rows = _features_of(train.owner, chosen)
    reporting.current().note(f"train: {counted(len(train.examples), 'row', 'rows')} oversampled to {len(chosen):,}")
    return Split(train.examples, train.features.select(rows))


def _features_of(example_of: np.ndarray, examples: np.ndarray) -> np.ndarray:
    """Indices of all features of these examples, which may repeat, in their order.

    Args:
        example_of: for each feature its example, ascending, shape (features,).
        examples: shape (n,).
    """
    first = np.searchsorted(example_of, examples, side="left")
    count = np.searchsorted(example_of, examples, side="right") - first
    start = np.cumsum(count) - count  # where the features of each example begin in the result
    return np.arange(count.sum()) + np.repeat(first - start, count)


def _baselines(experiment: Finetuning, evaluated: Evaluated) -> dict[str, Any]:
    """The classical models of --baseline, for the record: as `baseline` the one that is best on validation, and the
    others."""
    config, examples = experiment.config, experiment.examples
    lesson = Lesson(
        task=experiment.task,
        train=examples["train"],
        validation=examples["validation"],
        config=config,
        device=experiment.device,
        folder=experiment.folder.checkpoints / BESIDE,
        vectors=experiment.word_vectors,
    )
    made = []
    for name in experiment.baselines:
        fitted = fitting.fitted(name, lesson)
        outputs = {split: fitted.model.outputs(rows) for split, rows in evaluated.examples.items()}
        without = frozenset() if fitted.model.has_probabilities else calibration.FIGURES
        figures = _beside(experiment, evaluated, fitted.model.name, outputs, without)
        made.append({**figures, **fitted.record(evaluated.examples)})
    task, metric = experiment.task, experiment.task.main_metric
    best = (max if task.higher_is_better(metric) else min)(made, key=lambda base: base["metrics"]["validation"][metric])
    others = [base for base in made if base is not best] + supervised.yardsticks(task, evaluated.examples)
    return {
        "baseline": best,
        **({"baselines": others} if others else {}),
        "rows_per_second": round(_rate(experiment), 1),
    }


def _rate(experiment: Finetuning) -> float:
    """Rows a second that the trained model answers, from their texts on, as those beside it are timed."""
    from nlpkit.training.trainer import Split

    task, rows = experiment.task, experiment.examples["validation"]
    rows = rows.select(range(min(len(rows), RATED_ROWS)))

    def answer() -> None:
        with reporting.silent():
            made = features.featurize(task, experiment.tokenizer, rows, "validation")
            experiment.trainer.outputs(Split(rows, made), anew=True)

    return fitting.rate(answer, len(rows))


def _beside(
    experiment: SupervisedExperiment,
    evaluated: Evaluated,
    name: str,
    outputs: Mapping[str, model_outputs.Outputs],
    without: frozenset[str] = frozenset(),
) -> dict[str, Any]:
    """The record of a model that is compared with the one that was trained.

    Args:
        outputs: of the rows that were evaluated, by split.
        without: metrics that its outputs say nothing of.
    """
    from nlpkit.metrics import intervals

    task = experiment.task
    scores = {split: task.score(values, evaluated.examples[split]) for split, values in outputs.items()}
    metrics = {
        split: {metric: value for metric, value in found.items() if metric not in without}
        for split, found in scores.items()
    }
    evidence = {split: task.evidence(values, evaluated.examples[split]) for split, values in outputs.items()}
    return {
        "name": name,
        "metrics": metrics,
        "metric_intervals": intervals.record(evidence, metrics)["metric_intervals"],
        "differences": _differences(task, evaluated.evidence, evidence),
    }


def _differences(
    task: Trainable, own: Mapping[str, Evidence | None], baseline: Mapping[str, Evidence | None]
) -> dict[str, Any]:
    """The main metric of the model less that of the baseline, and which of them is better, None where the rows do not
    tell; for each split that is held out and has evidence of both."""
    from nlpkit.metrics import paired

    found, metric = {}, task.main_metric
    for split, of_model in own.items():
        of_baseline = baseline.get(split)
        if split != "train" and of_model is not None and of_baseline is not None:
            difference = paired.differences(of_baseline, of_model).get(metric)
            if difference is None:
                continue
            won = (difference.value > 0) == task.higher_is_better(metric)
            better = ("model" if won else "baseline") if difference.told_apart else None
            found[split] = {"metric": metric, **asdict(difference), "better": better}
    return found


def with_head_of(task: Trainable, trained: Task | None) -> tuple[Trainable, Head]:
    """The task with its labels numbered as the head of a model has them, and what becomes of that head.

    Args:
        task: of the data.
        trained: of the model; None of one that no task here is for.
    """
    if not task.has_head:
        return task, Head(True)
    if trained is None:
        return task, Head(False)
    if trained.name != task.name:  # its weights may have the right shape all the same
        return task, Head(False, note=f"the model was trained for {trained.name}: its head is drawn anew")
    return task.with_head_of(trained)
