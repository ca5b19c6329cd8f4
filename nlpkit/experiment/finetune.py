"""Fine-tuning, for any task: the operation behind `finetune-cls` and its kin.

Read `run` from top to bottom: load the rows, let the task find columns and labels, check, tokenize, train, measure,
write the run folder.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from nlpkit import process, reporting
from nlpkit.data import splits
from nlpkit.data.findings import Finding
from nlpkit.errors import UserError
from nlpkit.experiment import lifecycle
from nlpkit.experiment import supervised as runs
from nlpkit.experiment.supervised import Experiment, Judged
from nlpkit.models import fitting, opening
from nlpkit.options import DataOptions, ModelOptions, RunOptions, option
from nlpkit.reporting import Report
from nlpkit.runs import lock, records
from nlpkit.runs.folder import RunFolder, read_record
from nlpkit.tasks import features, registry
from nlpkit.tasks import outputs as model_outputs
from nlpkit.tasks.contract import Task
from nlpkit.tasks.heads import Head
from nlpkit.training import together

if TYPE_CHECKING:
    from nlpkit.tasks.contract import Task

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedConfig

    from nlpkit.data.sources import LoadedData
    from nlpkit.training.trainer import Split

ALL_FOUND = "`nlpkit check-data` lists everything that was found."


class FinetuneOptions(RunOptions, ModelOptions, DataOptions):
    """Options of fine-tuning for any task; a recipe's Config adds those of its task."""

    baseline: bool = option(False, "Also train a classical model, for comparison.", panel="Output")


def build(config: FinetuneOptions, command: str, task_class: type[Task]) -> Experiment:
    """Load, check and tokenize the data, open the model, and make the Trainer.

    Raises:
        UserError: whatever is wrong with options, data or model.
    """
    from nlpkit.hardware import devices

    folder = RunFolder(
        config.output or RunFolder.default_path(splits.short_name(config), opening.display_name(config.model))
    )
    if process.is_main_process():
        folder.require_usable(resume=config.resume, overwrite=config.overwrite)
    device = devices.choose(config)
    model_config, tokenizer = _open_tokenizer(config, task_class)
    loaded, task, examples, findings, head = _open_data(config, task_class, model_config, folder)
    begun = _begun(config, folder, task_class)
    settled = begun is not None and task.max_length is None
    if settled:
        # an earlier nlpkit may have chosen otherwise
        was = task_class.from_model(model_config, begun)
        task.max_length, task.training_length = was.max_length, was.training_length
    limit, most = opening.max_positions(model_config, tokenizer), opening.takes(model_config)
    lengths = features.choose_max_length(task, tokenizer, examples, limit, most, config.seed, settled=settled)
    task.prepare_loss(config, examples["train"])
    if config.baseline:
        task.require_baseline()

    model, new = _open_model(config, model_config, task, tokenizer, head)
    size = sum(parameter.numel() for parameter in model.parameters())
    if process.is_main_process():
        folder.require_space(4 * size * (1 + 2 * 3))  # the result; two checkpoints of weights and two AdamW moments
    ready = runs.tokenized(task, tokenizer, examples)
    findings += runs.cut_findings(task, ready)
    if (chosen := task.training_rows(examples["train"], config)) is not None:
        ready["train"] = _redrawn(ready["train"], chosen)
    runs.cheapen(config, model, tokenizer, ready, device)
    trainer, steps = runs.make_trainer(config, task, ready, model, tokenizer, device, folder)
    experiment = Experiment(
        config=config,
        command=command,
        task=task,
        loaded=loaded,
        examples=examples,
        splits=ready,
        tokenizer=tokenizer,
        device=device,
        trainer=trainer,
        folder=folder,
        steps=steps,
        parameters=size,
        parents={"model": runs.parent(config.model, config.model_revision, model)},
        new_weights=new,
        findings=findings,
    )
    reporting.current().plan("plan", runs.plan(experiment, opening.display_name(config.model), lengths))
    return experiment


def _open_tokenizer(config: FinetuneOptions, task_class: type[Task]) -> tuple[Any, Any]:
    """The model's config and the tokenizer, which are small: what is wrong with them is said before data are read."""
    name = opening.resolve(config.model)
    trust, slow = config.trust_remote_code, task_class.slow_tokenizers
    model_config = opening.load_config(name, revision=config.model_revision, trust_remote_code=trust)
    if config.tokenizer:
        named = opening.resolve(config.tokenizer, "--tokenizer")
        return model_config, opening.load_tokenizer(named, trust_remote_code=trust, slow=slow)
    tokenizer = opening.load_tokenizer(name, revision=config.model_revision, trust_remote_code=trust, slow=slow)
    return model_config, tokenizer


def _open_data(
    config: FinetuneOptions, task_class: type[Task], model_config: PreTrainedConfig, folder: RunFolder
) -> tuple[LoadedData, Task, dict[str, Dataset], list[Finding], Head]:
    """Rows, the task that they are for, their examples, what was found in them (errors among that stop here), and what
    becomes of the model's head."""
    loaded = splits.load(config, task_class)
    if "train" not in loaded.splits:
        raise UserError(f"there is no train split; found: {', '.join(loaded.splits)}", "Name it: --train-file FILE.")
    with registry.pointing_elsewhere(task_class, loaded.splits["train"], "`nlpkit {command}` trains for them."):
        task = task_class.from_data(loaded.splits, config)
        head = _head(config, model_config, task, folder)
        splits.prepare(loaded, task, config, config.seed)
        findings = [Finding(head.level, "head", head.said)] if head.said else []
        examples = splits.examples(loaded, task, findings)
    runs.stop_on_errors(findings, ALL_FOUND)
    examples = {split: rows for split, rows in examples.items() if len(rows) or split in ("train", "validation")}
    findings += task.check(examples)
    runs.settle_findings(findings, ALL_FOUND)
    return loaded, task, examples, findings, head


def _head(config: FinetuneOptions, model_config: PreTrainedConfig, task: Task, folder: RunFolder) -> Head:
    """What becomes of the head of the model that is begun with; the task numbers its labels accordingly."""
    place = opening.resolve(config.model)
    record = read_record(place) or {}
    head = of_trained(task, registry.known_task(model_config, record.get("task"), place))
    begun = _begun(config, folder, type(task))
    if begun is not None:
        # the weights of the checkpoint are numbered as the run was when it began
        task.take_head(type(task).from_model(model_config, begun))
    return head


def _begun(config: FinetuneOptions, folder: RunFolder, task_class: type[Task]) -> dict[str, Any] | None:
    """The record of the task of a run that goes on from a checkpoint, None of others.

    Raises:
        UserError: it is not as tasks of this class write it.
    """
    if not config.resume or not any(folder.checkpoints.glob("checkpoint-*")):
        return None
    if not (begun := (read_record(folder.path) or {}).get("task")):
        return None
    return records.filled(task_class.record_type, begun, folder.path / records.RECORD, ["task"])


def _open_model(
    config: FinetuneOptions, model_config: PreTrainedConfig, task: Task, tokenizer: Any, head: Head
) -> tuple[Any, list[str]]:
    """The model with its head, frozen where asked, and the names of its new weights."""
    from transformers import set_seed

    from nlpkit.training import parameters

    # seeded here, so that a new head is the same in a resumed and in a repeated run
    set_seed(config.seed)
    model, new = opening.load_model(
        opening.resolve(config.model),
        task.auto_class,
        revision=config.model_revision,
        trust_remote_code=config.trust_remote_code,
        allow_pickle=config.allow_pickle,
        **task.model_arguments(),
        **parameters.dropout_overrides(model_config, config.dropout),
    )
    if not head.kept:
        new = sorted([*new, *parameters.renew_head(model, new)])
    fitting.fit(model, tokenizer)
    parameters.freeze(model, config.freeze)
    return model, new


@lock.given_back()
@together.ending_together()
def run(config: FinetuneOptions, command: str, task_class: type[Task]) -> Report:
    """Fine-tune and write the run folder; returns the result table."""
    config, done = lifecycle.taken_up(config, command)
    if done is not None:
        return runs.report(*done, task_class)
    started = time.monotonic()
    experiment = build(config, command, task_class)
    if config.dry_run:
        return Report({"dry_run": True, "config": config.record()}, lines=["dry run: nothing was trained or written"])
    target = lifecycle.require_hub_access(config, experiment.folder.path)
    with lifecycle.saying_how_to_go_on(command, experiment.folder.path):
        experiment = runs.train(experiment, lambda smaller: build(smaller, command, task_class))
        judged = runs.judge(experiment)
        baseline = _baseline(experiment, judged) if config.baseline else None
        if not process.is_main_process():
            return Report({})
        record = {**runs.record_of(experiment, judged, time.monotonic() - started), "baseline": baseline}
        runs.write(experiment, record, judged)
    if target:
        lifecycle.push(experiment.folder.path, target, public=config.public)
    report = runs.report(record, experiment.folder.path, task_class)
    experiment.trainer.accelerator.free_memory()
    return report


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


def _baseline(experiment: Experiment, judged: Judged) -> dict[str, Any]:
    start = time.monotonic()
    trained = experiment.task.baseline(experiment.examples, experiment.config.seed)
    if trained is None:
        raise UserError(f"--baseline: there is none for {experiment.task.name}")
    name, outputs = trained
    metrics = {
        split: experiment.task.score(model_outputs.selected(values, judged.rows[split]), judged.examples[split])
        for split, values in outputs.items()
    }
    return {"name": name, "metrics": metrics, "seconds": round(time.monotonic() - start, 2)}


def of_trained(task: Task, trained: Task | None) -> Head:
    """What becomes of the head of a model; the task numbers its labels accordingly.

    Args:
        task: of the data.
        trained: of the model; None of one that no task here is for.
    """
    if trained is None:
        return Head(False)
    if trained.name != task.name:  # its weights may have the right shape all the same
        return Head(False, said=f"the model was trained for {trained.name}: its head is drawn anew")
    return task.take_head(trained)
