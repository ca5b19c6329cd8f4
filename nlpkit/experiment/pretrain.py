"""Pre-training on running text: the operation behind `pretrain-mlm`, for any objective.

A command gives a `Method`: what is learned, by which model, from which rows. `prepare` opens the model, cuts the corpus
into rows and makes the Trainer; `lifecycle.live` goes on from there. The training step and the evaluation loop stand in
`nlpkit.pretraining.trainer`, the losses in `nlpkit.pretraining.objectives`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nlpkit import limits, process, reporting
from nlpkit.data import pipes
from nlpkit.errors import UserError
from nlpkit.experiment import lifecycle
from nlpkit.hardware import gpus
from nlpkit.metrics.evidence import Judgement
from nlpkit.models import fitting, opening
from nlpkit.pretraining.method import EVALUATIONS, Method, PretrainOptions, rows_per_step
from nlpkit.reporting import Cell, Report, Table, counted, figures
from nlpkit.runs.few import few_rows, interval_notes
from nlpkit.runs.files import ornament
from nlpkit.runs.folder import RunFolder, baselines_of, human_bytes, read_record
from nlpkit.tasks import features
from nlpkit.tokenization import extend

if TYPE_CHECKING:
    from nlpkit.data.corpus import Corpus
    from nlpkit.hardware.devices import Device
    from nlpkit.pretraining.attention import DocumentAttention

UNLIMITED = 10**9  # steps: more than any run has


@dataclass(kw_only=True)
class Pretraining(lifecycle.Experiment[Judgement]):
    """A pre-training run before its first step; its evaluation gives validation metrics.

    Attributes:
        train, validation: rows of tokens.
        attention: None where it is the model's own.
        samples: what the model is tried out with, and
        tried: what it last made of them.
    """

    config: PretrainOptions
    method: Method[Any]
    corpus: Corpus
    train: Any
    validation: Any
    objective: Any
    attention: DocumentAttention | None
    new_weights: list[str]
    samples: Sequence[Any]
    tried: list[dict[str, Any]] = field(default_factory=list)

    @property
    def figures(self) -> dict[str, str]:
        return {"loss": "loss", "accuracy": "accuracy", "tokens_per_second": "tokens/s", "mfu": "MFU"}

    def origin(self) -> dict[str, Any]:
        config, revision = self.config, self.config.model_revision
        model = lifecycle.parent(config.model or self.method.new_name, revision, self.objective.model.config)
        return {
            "task": self.method.task_record(),
            "parents": {
                "model": {**model, "given": config.model},
                "tokenizer": config.tokenizer or config.model,
                "data": self.corpus.record(),
            },
            "rows": {"train": None if config.streaming else len(self.train), "validation": len(self.validation)},
            "findings": [],
        }

    def head(self) -> dict[str, Any]:
        return {**super().head(), "attention": self.attention.name if self.attention else None}

    def evaluate(self) -> Judgement:
        judged: Judgement = self.trainer.measure()
        return judged

    def record(self, evaluated: Judgement) -> dict[str, Any]:
        return {**self.head(), **_results(self, evaluated)}

    def write(self, record: dict[str, Any], evaluated: Judgement) -> None:
        _write(self, record)


# --- prepare, in the order of a run ---


def prepare(method: Method[Any]) -> Pretraining:
    """Open or make the model, cut the corpus into rows, and make the Trainer.

    Raises:
        UserError: whatever is wrong with data or model.
    """
    from nlpkit.hardware import devices

    config = method.config
    name = opening.display_name(config.model or method.new_name)
    folder = lifecycle.usable_folder(config, _data_name(config), name)
    device = devices.choose(config)
    tokenizer = _open_tokenizer(method)
    corpus = method.corpus()

    model, new = _open_model(method, tokenizer, device)
    size = sum(parameter.numel() for parameter in model.parameters())
    lifecycle.require_space(folder, size)
    attention = attention_of(method, model, device, folder)
    train, validation = method.rows(corpus, tokenizer, isolate=attention is not None and not attention.padding)
    samples = method.samples(validation, tokenizer)
    objective = method.objective(model, tokenizer)
    experiment = Pretraining(
        config=config,
        command=method.command,
        method=method,
        corpus=corpus,
        train=train,
        validation=validation,
        tokenizer=tokenizer,
        objective=objective,
        attention=attention,
        device=device,
        folder=folder,
        parameters=size,
        new_weights=new,
        samples=samples,
    )
    experiment.trainer, experiment.steps = _trainer(
        method, objective, attention, train, validation, tokenizer, device, folder
    )
    _try_out_at_evaluations(experiment)
    reporting.current().plan("plan", plan(experiment))
    return experiment


def _data_name(config: PretrainOptions) -> str:
    if not config.data or config.data[0] == "-":
        return "text"
    return pipes.name_of(config.data[0].rstrip("/")).split(".")[0].replace("*", "") or "text"


def _open_tokenizer(method: Method[Any]) -> Any:
    config = method.config
    flag = "--tokenizer" if config.tokenizer else "--model"
    name = opening.resolve(config.tokenizer or config.model or "", flag)
    revision = None if config.tokenizer else config.model_revision
    tokenizer = opening.load_tokenizer(name, revision=revision, trust_remote_code=config.trust_remote_code)
    method.require_tokens(tokenizer, name)
    return tokenizer


def _open_model(method: Method[Any], tokenizer: Any, device: Device) -> tuple[Any, list[str]]:
    """The model with the heads of the objective, and the names of weights that an opened model did not have."""
    import transformers

    from nlpkit.hardware import activations, products
    from nlpkit.training import dropout, parameters

    config = method.config
    transformers.set_seed(config.seed)
    if config.model:
        name = opening.resolve(config.model)
        trust: Any = {"revision": config.model_revision, "trust_remote_code": config.trust_remote_code}
        model_config = opening.load_config(name, **trust)
        features.require_length(config.max_length, opening.takes(model_config), config.model)
    else:
        model_config = method.new_config(tokenizer)
    overrides: Any = parameters.dropout_overrides(model_config, config.dropout)
    method.require_architecture(model_config)
    new: list[str] = []
    if config.model:
        model, new = opening.load_model(name, method.auto_class, allow_pickle=config.allow_pickle, **trust, **overrides)
        if config.tokenizer:
            extend.grow(model, tokenizer, name, **trust)
        hint = "Give one that has the model's own tokens first, as `nlpkit train-tokenizer --extend` writes it."
        fitting.require_vocabulary(model, tokenizer, hint)
    else:
        model_config.update(overrides)
        model = method.new_model(model_config)
    if config.gradient_checkpointing and not model.supports_gradient_checkpointing:
        raise UserError(f"--gradient-checkpointing: {model.config.model_type} cannot recompute its activations")
    parameters.freeze(model, config.freeze)
    if device.name == "cpu" and config.batching != "random":  # see `supervised.cheaper_steps`
        dropout.use_cpu_dropout(model)
        products.use_faster(model)
        activations.use_fused(model)
    return model, new


def attention_of(method: Method[Any], model: Any, device: Device, folder: RunFolder) -> DocumentAttention | None:
    """What keeps the documents of a block apart, and on a GPU what leaves padding out; None where it is the model's own
    attention.
    """
    from nlpkit.pretraining.attention import MASK, attention_for, padding_attention
    from nlpkit.pretraining.batches import keeps_documents_apart

    config = method.config
    if not method.packs:
        gains = device.name == "cuda" and keeps_documents_apart(model)
        return padding_attention(model, device) if gains else None
    if not config.isolate_documents:
        return None
    if not keeps_documents_apart(model):
        reporting.current().note(
            f"{model.config.model_type}: its attention takes no mask of documents, so those of a block see each other"
        )
        return None
    begun = read_record(folder.path) if config.resume else None
    if begun and "attention" not in begun and model.config.model_type not in method.isolated_before:
        reporting.current().warn(
            "the run was begun by an older nlpkit, which may have let the documents of a block see each other in "
            f"{model.config.model_type}; from here on they do not (--no-isolate-documents lets them, --overwrite "
            "begins anew)"
        )
    return attention_for(model, device, begun.get("attention", MASK) if begun else None)


def _steps(config: PretrainOptions, train: Any, validation: Any) -> int:
    """Optimizer steps of the run, as far as steps, tokens and epochs decide them.

    Args:
        validation: a subset of rows, from which the length of a stream's rows is known.
    """
    from nlpkit.training.arguments import steps_per_epoch

    counts = [config.max_steps] if config.max_steps else []
    if config.max_tokens:
        rows = validation.dataset if config.streaming else train
        counts.append(max(math.ceil(config.max_tokens / (float(rows.lengths.mean()) * rows_per_step(config))), 1))
    if counts:
        return min(counts)
    if config.streaming:
        return UNLIMITED  # the minutes are the limit
    return math.ceil(config.epochs * steps_per_epoch(len(train), config, process.world_size()))


def _trainer(
    method: Method[Any],
    objective: Any,
    attention: DocumentAttention | None,
    train: Any,
    validation: Any,
    tokenizer: Any,
    device: Device,
    folder: RunFolder,
) -> tuple[Any, int]:
    """The Trainer of a run and the number of its steps."""
    from transformers.trainer_callback import EarlyStoppingCallback, PrinterCallback

    from nlpkit.hardware.devices import matmul_rate
    from nlpkit.pretraining.trainer import PretrainingTrainer
    from nlpkit.training import arguments as training_arguments
    from nlpkit.training.callbacks import LimitsCallback, MetricsFileCallback
    from nlpkit.training.schedules import Budget

    config = method.config
    steps = _steps(config, train, validation)
    starts = attention is not None and attention.kernel is not None
    # evaluations come by time, see `LimitsCallback`, unless --eval-steps says when
    by_steps = {"eval_strategy": "steps", "save_strategy": "steps", "eval_steps": UNLIMITED, "save_steps": UNLIMITED}
    arguments = training_arguments.training_arguments(
        config,
        folder.checkpoints,
        device,
        main_metric=config.best_metric,
        higher_is_better=config.best_metric == "accuracy",
        steps=steps,
        max_steps=steps,
        logging_steps=training_arguments.interval(config.logging_steps, steps) or min(max(steps // 50, 1), 50),
        **({} if config.eval_steps else by_steps),
        # the position in the stream is part of the checkpoint; Trainer would read and throw away what came before it
        **({"ignore_data_skip": True, "accelerator_config": {"dispatch_batches": False}} if config.streaming else {}),
    )
    training_arguments.try_out(arguments, objective.model, steps)
    trainer = PretrainingTrainer(
        objective=objective,
        attention=attention,
        grouped=method.grouped,
        optimizer_of=method.optimizer,
        schedule=config.schedule,
        peak_flops=matmul_rate(device) if device.name == "cuda" else None,
        budget=Budget(steps, config.max_minutes),
        layer_decay=config.layer_decay,
        model=objective.model,
        args=arguments,
        train_dataset=train,
        eval_dataset=validation,
        data_collator=method.collator(objective.model.config, tokenizer, starts=starts),
        processing_class=tokenizer,
    )
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(MetricsFileCallback(folder))
    trainer.add_callback(
        LimitsCallback(
            trainer,
            checkpoint_minutes=config.checkpoint_minutes,
            evaluations=0 if config.eval_steps else EVALUATIONS,
        )
    )
    if config.early_stopping:
        trainer.add_callback(EarlyStoppingCallback(config.early_stopping))
    return trainer, steps


# --- what is told before and while it trains ---


def _try_out_at_evaluations(experiment: Pretraining) -> None:
    """Show at each evaluation what the model makes of the samples."""
    from transformers import TrainerCallback

    method = experiment.method

    class TryOut(TrainerCallback):
        def on_evaluate(self, args: Any, state: Any, control: Any, **keywords: Any) -> None:
            experiment.tried[:] = method.tried(experiment.objective, experiment.tokenizer, experiment.samples)
            if not state.is_world_process_zero:
                return
            first, *others = method.told(keywords["metrics"], experiment.tried)
            reporting.current().note(f"step {state.global_step:,}: {first}")
            for line in others:
                reporting.current().note(f"    {line}")

    experiment.trainer.add_callback(TryOut())


def plan(experiment: Pretraining) -> list[tuple[str, str]]:
    """What is about to be done, for people."""
    from nlpkit.training import compiling

    config, method, model = experiment.config, experiment.method, experiment.objective.model
    amount = "streamed"
    if not config.streaming:
        lengths = experiment.train.lengths
        amount = f"{len(lengths):,} {method.unit}, {int(lengths.sum()):,} tokens"
    name = opening.display_name(config.model) if config.model else f"{method.new_name}, new"
    shape = f"{model.config.num_hidden_layers} layers of {model.config.hidden_size}"
    new = sorted({weight.split(".")[0] for weight in experiment.new_weights})
    rows = counted(rows_per_step(config), "row", "rows")
    ends = [f"{experiment.steps:,} of {rows}"] if experiment.steps < UNLIMITED else []
    ends += [f"{config.max_minutes:g} minutes"] if config.max_minutes else []
    return [
        ("data", f"{amount}; validation {counted(len(experiment.validation), 'row', 'rows')}"),
        ("objective", method.described()),
        (
            "model",
            f"{name}, {shape}, {experiment.parameters / 1e6:.1f} M parameters"
            + (f"; new, untrained: {', '.join(new)}" if new else ""),
        ),
        ("tokenizer", f"{len(experiment.tokenizer):,} tokens"),
        *([("attention", experiment.attention.described)] if experiment.attention else []),
        ("device", gpus.shown(experiment.device) + _use(experiment)),
        *(compiling.described(experiment.device, experiment.trainer) if config.compile == "auto" else []),
        ("steps", ", at most ".join(ends)),
        ("output", str(experiment.folder.path)),
    ]


def _use(experiment: Pretraining) -> str:
    """What of a GPU the steps can use, where that is little."""
    from nlpkit.training import utilization

    config, trainer = experiment.config, experiment.trainer
    if not experiment.device.name.startswith("cuda"):
        return ""
    length = config.max_length if config.streaming else float(experiment.train.lengths.mean())
    tokens = round(config.batch_size * config.gradient_accumulation_steps * length)
    predicted = experiment.method.predicted(tokens)
    if predicted is None:
        return ""
    flops = trainer.flops(tokens, round(length), predicted)
    step = utilization.estimated(config, experiment.device, experiment.objective.model, flops)
    rows = None if config.streaming else len(experiment.train)
    return utilization.described(config, step, experiment.steps, rows)


# --- the record, the folder and the report ---


def _results(experiment: Pretraining, judged: Judgement) -> dict[str, Any]:
    """What the record says of the training and of the best model."""
    from nlpkit.metrics import intervals

    metrics = {"validation": dict(judged.metrics)}
    trainer = experiment.trainer
    baselines = _baselines(experiment)
    state = trainer.state
    rates = [entry["tokens_per_second"] for entry in state.log_history if "tokens_per_second" in entry]
    return {
        "metrics": metrics,
        **intervals.record({"validation": judged.evidence}, metrics),
        **({"baselines": baselines} if baselines else {}),
        "judged": {"validation": len(experiment.validation)},
        "main_metric": experiment.config.best_metric,
        "table_metrics": list(judged.metrics),
        "samples": experiment.tried,
        "steps": state.global_step,
        "epochs": None if experiment.config.streaming else round(state.epoch or 0.0, 2),
        "best_step": state.best_global_step or state.global_step,
        "parameters": experiment.parameters,
        "tokens_per_second": sorted(rates)[len(rates) // 2] if rates else None,
        "train_seconds": round(trainer.budget.seconds(), 2),
        **({"compile": trainer.compiling.found} if trainer.compiling else {}),
    }


def _baselines(experiment: Pretraining) -> list[dict[str, Any]]:
    """What simpler models make of the validation rows, for the record."""
    from nlpkit.metrics import intervals
    from nlpkit.pretraining.objectives import evidence_of

    objective, made = experiment.objective, []
    found = experiment.method.baselines(experiment.trainer, experiment.tokenizer)
    for name, sums in found.items():
        metrics = {"validation": objective.metrics(sums)}
        told = intervals.record({"validation": evidence_of(objective, sums)}, metrics)
        made.append({"name": name, "metrics": metrics, "metric_intervals": told["metric_intervals"]})
    return made


def _write(experiment: Pretraining, record: dict[str, Any]) -> None:
    """Everything that belongs into the run folder."""
    from nlpkit.experiment import card
    from nlpkit.runs import plots

    trainer, folder = experiment.trainer, experiment.folder
    with folder.staging() as staged:
        for place in experiment.objective.save(staged):
            limits.save_tokenizer(experiment.tokenizer, place, None)  # it is there to be trained further
        trainer.state.save_to_json(str(staged / "trainer_state.json"))
        lifecycle.write_results(staged, record["metrics"], record["train_seconds"])
        history, best = trainer.state.log_history, trainer.state.best_global_step
        pictures = {
            "curves": plots.curves(history, ["accuracy"], best_step=best),
            "perplexity": plots.over_steps(history, "perplexity", log=True, best_step=best),
            "learning_rate": plots.over_steps(history, "learning_rate"),
        }
        drawn = plots.draw({name: plot for name, plot in pictures.items() if plot}, staged / "plots")
        with ornament("the card README.md"):
            card.write(staged / "README.md", record, drawn)
        folder.finish(record, staged, keep_checkpoints=experiment.config.keep_checkpoints)


def report(record: dict[str, Any], folder: Path, next_command: str) -> Report:
    """What people and machines are told of a finished run."""
    names = record["table_metrics"]
    between = record.get("metric_intervals") or {}
    rows: list[list[Cell]] = [
        [split, record["judged"][split], *figures(values, between.get(split), names)]
        for split, values in record["metrics"].items()
    ]
    for base in baselines_of(record):
        ends = base["metric_intervals"]
        rows += [
            [f"{split}: {base['name']}", record["judged"][split], *figures(values, ends.get(split), names)]
            for split, values in base["metrics"].items()
        ]
    rate = f", {record['tokens_per_second']:,.0f} tokens/s" if record.get("tokens_per_second") else ""
    size = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    lines = [
        f"{folder}: best checkpoint at step {record['best_step']} of {record['steps']} by validation "
        f"{record['main_metric']}; {record['train_seconds']:.0f} s of training{rate}",
        *few_rows({split: count for split, count in record["judged"].items() if split != "train"}),
        *interval_notes(record),
        f"model {human_bytes(size)}, card README.md, plots/",
    ]
    return Report(
        {**record, "output": str(folder)},
        [Table("result", ["split", "rows", *names], rows)],
        lines,
        next_command=next_command,
    )
