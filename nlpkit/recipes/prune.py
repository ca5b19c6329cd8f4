"""Make a trained model sparse, or smaller, and show what that costs. Writes a run
folder: the pruned model, metrics before and after, model card.

--what weights sets single weights to zero (by magnitude, at random, or by movement while it trains). --what ffn, heads,
layers takes structures out, which makes the model really smaller and faster; --what vocabulary keeps the pieces that
the training data and --vocab-from FILE need. Then the model is trained for --epochs to recover, with --distill from the
unpruned model, and compared with it. The data are those that the model was trained on, unless others are named.

Examples: nlpkit prune runs/reviews --what ffn,layers --target-speedup 2 --distill
nlpkit prune runs/reviews --vocab-from reviews.txt
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nlpkit import process, reporting
from nlpkit.distillation.options import LogitsOptions
from nlpkit.errors import UserError
from nlpkit.experiment import calibration, lifecycle, supervised
from nlpkit.experiment.inherited_data import ComparedDataOptions, inherit_data, open_splits, tell_trained_on
from nlpkit.experiment.supervised import Evaluated, SupervisedExperiment
from nlpkit.inference.predictor import Predictor, Trained, open_trained
from nlpkit.measurement import before_after
from nlpkit.metrics.evidence import Judgement
from nlpkit.models import files, opening
from nlpkit.options import CalibrationOptions, GivenModelOptions, flag_of, option_like
from nlpkit.pruning import prepare, sweep_report
from nlpkit.pruning.prepare import START, CuttingOptions, PrunedModel
from nlpkit.reporting import Cell, Report, Table
from nlpkit.runs.folder import RunFolder, versions
from nlpkit.tasks import features, registry
from nlpkit.tasks.options import TaskChoiceOptions
from nlpkit.tasks.roles import Teachable, Trainable

if TYPE_CHECKING:
    from nlpkit.hardware.devices import Device
    from nlpkit.training.trainer import Split
    from nlpkit.training.trainer_features import TrainerFeature

COMMAND = "prune"
ESSENTIAL: tuple[str, ...] = (
    "model",
    "what",
    "sparsity",
    "target_speedup",
    "max_drop",
    "distill",
    "epochs",
    "output",
    "resume",
)
TARGETS = ("sparsity", "target_speedup", "max_drop", "sweep")
CRITERIA = {"weights": ("magnitude", "random", "movement"), "structures": ("gradient", "magnitude")}


KEPT = 0.05  # A measured speed that is further from the promised one is remarked on.
NEEDS = Trainable  # of the task of the model


class Config(
    ComparedDataOptions,
    CalibrationOptions,
    CuttingOptions,
    TaskChoiceOptions,
    GivenModelOptions,
):
    """Options of `nlpkit prune`; alpha and temperature are by default those of `distill`."""

    alpha: float = option_like(
        LogitsOptions,
        "alpha",
        help="Share of the unpruned model's logits in the loss.",
        panel="Training",
        only_with="distill",
    )
    temperature: float = option_like(
        LogitsOptions,
        "temperature",
        help="Softens the logits (Hinton et al. 2015).",
        panel="Training",
        only_with="distill",
    )


def settled(config: Config) -> Config:
    """The options with the defaults that hang on others.

    Raises:
        UserError: two that do not go together, or one that nothing would read.
    """
    what = list(dict.fromkeys(config.what)) or (["weights"] if not config.vocab_from else [])
    if config.vocab_from and "vocabulary" not in what:
        what.append("vocabulary")
    if "weights" in what and len(what) > 1:
        others = ", ".join(kind for kind in what if kind != "weights")
        raise UserError(
            f"--what: weights and {others} are pruned one after the other",
            f"Prune {others} first, and weights of the run that this makes.",
        )
    targets = [name for name in TARGETS if getattr(config, name)]
    if what == ["vocabulary"]:
        if targets:
            raise UserError(
                f"{flag_of(targets[0])}: nothing but the vocabulary is pruned, whose size the text decides",
                "Add --what ffn,layers for a smaller encoder.",
            )
        return _checked(config.changed(what=what, epochs=config.epochs if "epochs" in config.given else 0))
    if len(targets) != 1:
        named = " and ".join(map(flag_of, targets)) or "no target"
        raise UserError(f"prune was given {named}", f"Give one of {', '.join(map(flag_of, TARGETS))}.")
    kind = "weights" if what == ["weights"] else "structures"
    criterion = config.criterion or CRITERIA[kind][0]
    if criterion not in CRITERIA[kind]:
        raise UserError(f"--criterion {criterion} is not for {kind}", f"One of: {', '.join(CRITERIA[kind])}")
    return _checked(config.changed(what=what, criterion=criterion))


def _checked(config: Config) -> Config:
    """Refuse options that nothing would read, and what movement pruning cannot do.

    Raises:
        UserError: naming them.
    """
    config.refuse_unread()
    if config.criterion == "movement":
        if not config.epochs:
            raise UserError("--criterion movement learns what to remove in training", "Give --epochs.")
        if config.rounds > 1:
            raise UserError("--rounds: movement pruning removes at every step")
        if config.max_drop:
            raise UserError(
                "--max-drop: what movement pruning costs is known after training only", "Give --sparsity or --sweep."
            )
    return config


def _recovered(config: Config, task: Trainable) -> Config:
    """The options with what the model recovers by: where its task learns of no labels beside a teacher, by that alone.

    Raises:
        UserError: the task has no students, or an option would not be read.
    """
    if not config.distill and not (isinstance(task, Teachable) and not task.learns_labels):
        return config
    teachable = registry.require(task, Teachable, "prune --distill")
    if teachable.learns_labels:
        return config
    for name in ("alpha", "temperature"):
        if getattr(config, name) != type(config).model_fields[name].default:
            raise UserError(f"{flag_of(name)}: {task.name} learns {teachable.lesson}, and no labels", "Leave it out.")
    return config.changed(distill=True) if config.epochs else config


@dataclass(kw_only=True)
class Pruning(SupervisedExperiment):
    """A run of `prune` before its first step.

    Attributes:
        trained: the unpruned model with its own task.
        cut: what was done to it.
    """

    config: Config
    trained: Trained
    cut: PrunedModel

    @property
    def resumed_by(self) -> str:
        return f"{COMMAND} {self.config.model}"

    @property
    def trains(self) -> bool:
        return bool(self.config.epochs)

    def head(self) -> dict[str, Any]:
        return {**super().head(), "pruning": self.cut.record}

    def after_training(self) -> None:
        from nlpkit.pruning import masks

        super().after_training()
        if self.cut.sparsifier is not None:
            masks.make_permanent(self.cut.sparsifier.tensors)

    def compare(self, evaluated: Evaluated) -> dict[str, Any]:
        """What was removed and what that costs."""
        return _compared(self, evaluated)


def build(config: Config) -> Any:
    """The Trainer of this run, ready to train."""
    return _prepare(config).trainer


def run(config: Config) -> Report:
    """Prune, recover, compare, and write the run folder; returns the table of before and after.

    The phases stand in `lifecycle.live`, what is removed before training in `nlpkit.pruning.prepare`, what while it
    trains in `nlpkit.pruning.trainer`, the training step and the evaluation loop in `nlpkit.training.trainer`.
    """
    return lifecycle.unless_complete(config, COMMAND, report, _one_or_several)


def _one_or_several(config: Config) -> Report:
    """One run, or with --sweep one for each sparsity."""
    if config.sweep:
        process.require_one(f"{COMMAND} --sweep")
        return _sweep(settled(config))
    return lifecycle.live(config, _prepare, report)


def _prepare(config: Config) -> Pruning:
    """Open model and data, cut the model, and make the Trainer in which it recovers.

    Raises:
        UserError: whatever is wrong with options, model or data.
    """
    from nlpkit.hardware import devices
    from nlpkit.training import parameters

    config = settled(config)
    name = opening.display_name(config.model)
    folder = lifecycle.usable_folder(config, name, "pruned")
    device = devices.choose(config)
    trained = open_trained(
        config.model, config, NEEDS, "prune", revision=config.model_revision, exported=False, task_name=config.task
    )
    config = _recovered(config, trained.task)
    given = config.for_task(type(trained.task))
    config = inherit_data(given, trained.record, config.model)
    reader, loaded, examples, findings = open_splits(config, trained.task, seed=config.seed)
    tell_trained_on(given, trained.record, config.model, trained.task, reader, loaded)
    trained.task = reader.task.taught() if isinstance(reader.task, Teachable) else reader.task
    findings += supervised.absent_labels(trained.task, examples["train"])
    trained.task, lengths = features.choose_lengths(
        trained.task,
        trained.tokenizer,
        examples,
        trained.limit,
        trained.most,
        config.seed,
        written=opening.writes(trained.config),
    )
    lifecycle.require_space(folder, trained.model.num_parameters(), saved=5)  # masks and scores too
    judged = {split: rows for split, rows in examples.items() if split != "train"}
    unjudged = () if trained.task.main_metric else ("train",)  # where nothing is right but the answers of before
    trained.task, judged = trained.task.against(
        judged, lambda rows: Predictor(trained.task, trained.model, trained.tokenizer, device).outputs(rows[:])
    )
    examples |= judged
    cut = prepare.cut(config, trained, examples, device, folder)
    if cut.teacher is not None:
        assert isinstance(cut.task, Teachable), "as `_recovered` requires"
        cut.task = cut.task.comparing()
    # scores of movement pruning are no part of the model, and training may leave out rows of its embeddings
    size = (trained if cut.sparsifier is not None else cut).model.num_parameters()
    ready = supervised.tokenized(cut.task, cut.tokenizer, examples)
    findings += supervised.cut_findings(cut.task, ready, settable=False)
    if config.epochs:
        parameters.freeze(cut.model, config.freeze)
    experiment = Pruning(
        config=config,
        command=COMMAND,
        task=cut.task,
        loaded=loaded,
        examples=examples,
        splits=ready,
        tokenizer=cut.tokenizer,
        device=device,
        folder=folder,
        model=cut.model,
        parameters=size,
        name=name,
        lengths=lengths,
        parents={"model": lifecycle.parent(config.model, config.model_revision, trained.model.config)},
        findings=findings,
        unjudged=unjudged,
        trained=trained,
        cut=cut,
    ).ready(*cut.notes, features=_features(config, cut, ready, device))
    if "structure" in cut.record:
        from nlpkit.pruning.trainer import KeepStart

        experiment.trainer.add_callback(KeepStart(folder.checkpoints / START))
    return experiment


def _features(config: Config, cut: PrunedModel, ready: dict[str, Split], device: Device) -> list[TrainerFeature]:
    """What the recovery adds to its training: masks on weights, and the unpruned model as a teacher."""
    from nlpkit.distillation.teacher_cache import teacher_logits
    from nlpkit.distillation.trainer import LossWeights, Teacher, TeacherOutputs
    from nlpkit.pruning.trainer import GradualPruning

    features: list[TrainerFeature] = []
    if config.epochs:
        whole = "embeddings" in config.include
        features += supervised.cheaper_steps(config, cut.tokenizer, ready, device, embeddings=not whole)
        if cut.sparsifier is not None:
            features.append(GradualPruning(cut.sparsifier))
    if cut.teacher is not None:
        task = cut.task
        assert isinstance(task, Teachable), "as `_prepare` requires"
        teacher = Predictor(task, cut.teacher, cut.tokenizer, device, config.eval_batch_size, lent=False)
        outputs = TeacherOutputs(teacher_logits(teacher, ready["train"]) if task.keeps_logits else None)
        alpha = config.alpha if task.learns_labels else 1.0
        features.append(Teacher(teacher, LossWeights(alpha, config.temperature), outputs))
    return features


def _compared(experiment: Pruning, evaluated: Evaluated) -> dict[str, Any]:
    from nlpkit.inference import weights
    from nlpkit.pruning import masks

    cut, trained, device = experiment.cut, experiment.trained, experiment.device
    pruning = dict(cut.record)
    if cut.sparsifier is not None:
        pruning["zeros"] = masks.zeros(cut.sparsifier.tensors)
    split = "test" if "test" in evaluated.metrics else "validation"
    name = opening.display_name(experiment.config.model)
    before, after = (weights.copied(model, device) for model in (trained.model, experiment.trainer.model))
    sides = [
        before_after.Side(name, Predictor(trained.task, before, trained.tokenizer, device, lent=False)),
        before_after.Side(
            "pruned",
            Predictor(experiment.task, after, cut.tokenizer, device, lent=False),
            judged=Judgement(evaluated.metrics[split], evaluated.evidence[split]),
        ),
    ]
    batch_size = prepare.speed_rows(pruning.get("predicted_rows") or 0)
    cost = before_after.measure(
        sides,
        evaluated.examples[split],
        split,
        seconds=experiment.config.measure_seconds,
        batch_size=batch_size,
        standing=experiment.standing_of(split, trained.record, chose=bool(experiment.config.max_drop)),
    )
    return {
        "pruning": pruning,
        "price": cost,
        "lineage": before_after.lineage(trained.record, cost, COMMAND),
    }


# --- what is said of it ---


def report(record: Mapping[str, Any], folder: Path) -> Report:
    """What people and machines are told of a finished run, or of a finished sweep."""
    if "front" in record:
        return _sweep_report(record, folder)
    task = registry.task_of_model(opening.load_config(str(folder)), record["task"], str(folder))
    tables = [before_after.table(record["price"])]
    if "zeros" in record["pruning"]:
        tables.insert(0, _zeros_table(record["pruning"]["zeros"]))
    lines = [*before_after.lines(record["price"], registry.require(task, NEEDS, "prune")), *_reached(record)]
    lines += calibration.lines(record)
    lines.append(f"{folder}: card README.md, plots/, mistakes in errors.jsonl")
    call = f"nlpkit quantize {reporting.typed(folder)}"
    if opening.load_config(str(folder)).model_type == files.STATIC:  # of which fewer bits make nothing faster
        call = type(task).view_type().example_call(folder)
    return Report({**record, "output": str(folder)}, tables, lines, next_command=call)


def _zeros_table(counts: Mapping[str, Sequence[int]]) -> Table:
    """A row a tensor, and one for all of them."""
    total = {**counts, "all": [sum(pair[i] for pair in counts.values()) for i in (0, 1)]}
    rows: list[list[Cell]] = [[name, count, zeros, f"{zeros / count:.1%}"] for name, (zeros, count) in total.items()]
    return Table("zeros", ["tensor", "entries", "zeros", "share"], rows)


def _reached(record: Mapping[str, Any]) -> list[str]:
    """The target against what was measured, and what zeros are good for."""
    config, pruning, lines = record["config"], record["pruning"], []
    before, after = record["price"]["sides"][:2]
    timed = "rows_per_second" in after
    faster = after["rows_per_second"] / before["rows_per_second"] if timed else None
    if config.get("target_speedup") and "promised_speedup" in pruning:
        predicted, promised = pruning["predicted_speedup"], pruning["promised_speedup"]
        measured = "not measured"
        if faster is not None:
            measured = f"measured {faster:.2f} ({faster / promised - 1:+.1%}) in batches of {after['batch_size']}"
        lines.append(
            f"target: {config['target_speedup']:g} times as fast; predicted {predicted:.2f} by layers alone, promised "
            f"{promised:.2f} by the cut model before training, {measured}"
        )
        if faster is not None and abs(faster / promised - 1) > KEPT:
            lines.append(
                f"that is more than {KEPT:.0%} off what was promised; with nothing else at work on this machine "
                "`nlpkit benchmark` tells which holds"
            )
    if config.get("max_drop") and {"points_lost", "sparsity"} <= pruning.keys():
        lines.append(
            f"target: at most {config['max_drop']:g} points lost on validation; {pruning['points_lost']:.2f} before "
            f"recovery, at a sparsity of {pruning['sparsity']:.1%}"
        )
    if "zeros" in pruning:
        speed = f": {faster:.2f} times the speed of before was measured" if timed else ""
        lines.append(f"zeros among the weights make no dense kernel faster, on a CPU or a GPU{speed}")
    return lines


# --- several sparsities ---


def _sweep(config: Config) -> Report:
    """A run for each sparsity, in folders below --output, and what they lose over what they gain."""
    folder = RunFolder(config.output or RunFolder.default_path(opening.display_name(config.model), "pruned"))
    folder.require_usable(resume=config.resume, overwrite=config.overwrite)
    head = {"command": COMMAND, "config": config.record(), "seed": config.seed, "versions": versions()}
    if not config.dry_run:
        folder.start(head, overwrite=config.overwrite, resume=config.resume)
    points: list[dict[str, Any]] = []
    for sparsity in config.sweep:
        name = f"sparsity-{sparsity:g}"
        reporting.current().note(f"{name} of {', '.join(f'{share:g}' for share in config.sweep)}")
        made = run(config.changed(sweep=[], sparsity=sparsity, output=folder.path / name)).record
        if not config.dry_run:
            points.append({"sparsity": sparsity, "run": name, "price": made["price"]})
    if config.dry_run:
        return lifecycle.dry_run(config)
    record = {**head, "front": points}
    with folder.staging() as staged:
        sweep_report.write(points, staged, faster=config.what != ["weights"])
        folder.finish(record, staged, keep_checkpoints=False)
    return _sweep_report(record, folder.path)


def _sweep_report(record: Mapping[str, Any], folder: Path) -> Report:
    points = record["front"]
    return Report(
        {**record, "output": str(folder)},
        [sweep_report.table(points)],
        [f"{folder}: a run for each sparsity, front.csv, plots/front.png"],
        next_command=f"nlpkit evaluate {reporting.typed(folder / points[0]['run'])}",
    )
