"""Teach a small model what a large one knows, and show what that costs. Writes a
run folder: the small model, metrics beside the teacher's, model card.

The teacher is any trained model; the student another one (--student), some of the teacher's layers (--student-layers),
or a new one (--student-size). It learns the teacher's logits and the labels (--alpha, --temperature); of an embedder
the vector of each text, also as a table of tokens, which is the fastest (--student static). Where asked, it learns what
happens inside (--hidden-weight, --attention-weight, --relation-weight, --cosine-weight). A model that writes learns its
teacher's words, the texts that it writes, or both (--teach). The data are those that the
teacher was trained on, unless others are named; --unlabelled adds text without labels, --augment changed copies. With
--parallel it learns another language from translations.

Examples: nlpkit distill runs/reviews --student-layers 3
nlpkit distill minilm --parallel train.en,train.de --max-minutes 30
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import field_validator

from nlpkit import reporting
from nlpkit.distillation import parallel, student, unlabelled_rows, written
from nlpkit.distillation.layers import layer_map, mapped_layers
from nlpkit.distillation.options import LogitsOptions
from nlpkit.distillation.parallel import ParallelOptions, ParallelRows
from nlpkit.distillation.student import STATIC, StudentOptions, StudentPlan
from nlpkit.distillation.unlabelled_rows import ExtendedRows, UnlabelledOptions
from nlpkit.distillation.written import WritingOptions
from nlpkit.errors import UserError
from nlpkit.experiment import lifecycle, repeats, spreads, supervised
from nlpkit.experiment.inherited_data import ComparedDataOptions, inherit_data, open_splits, tell_trained_on
from nlpkit.experiment.repeats import RepeatedOptions
from nlpkit.experiment.supervised import Evaluated, SupervisedExperiment
from nlpkit.inference.predictor import Predictor, Trained, open_trained
from nlpkit.measurement import before_after
from nlpkit.metrics.evidence import Judgement
from nlpkit.models import opening
from nlpkit.options import CalibrationOptions, OnlyWith, OpeningOptions, flag_of, option, option_like
from nlpkit.reporting import Report, counted
from nlpkit.runs.few import interval_notes
from nlpkit.tasks import features, registry
from nlpkit.tasks.options import TaskChoiceOptions
from nlpkit.tasks.roles import Teachable

if TYPE_CHECKING:
    from datasets import Dataset

    from nlpkit.distillation.trainer import LossWeights, TeacherOutputs
    from nlpkit.training.trainer import Split

COMMAND = "distill"
ESSENTIAL: tuple[str, ...] = (
    "teacher",
    "student_layers",
    "student",
    "student_size",
    "epochs",
    "unlabelled",
    "parallel",
    "output",
    "resume",
)
WORDS, TEXTS = "words", "texts"  # of --teach, beside both
INSIDE = ("hidden_weight", "attention_weight", "relation_weight", "cosine_weight")


NEEDS = Teachable  # of the task of the model


# Of a static student, whose rows are updated seldom: measured on MiniLM, see docs/measured.md.
STATIC_LEARNING_RATE = 1e-2
SAMPLED = 20_000  # training rows whose teacher's vectors tell how they are made narrower


class DistillationLossOptions(LogitsOptions, StudentOptions):
    """What the student learns."""

    epochs: float = option_like(StudentOptions, "epochs", gt=None, ge=0)
    learning_rate: float = option_like(
        StudentOptions, "learning_rate", shown_default=f"5e-05; {STATIC_LEARNING_RATE:g} of a static student"
    )

    hidden_weight: float = option(
        0.0, "Weight of the hidden states' MSE, layer by layer (TinyBERT: 1); 0 = off.", panel="Loss", ge=0
    )
    attention_weight: float = option(
        0.0, "Weight of the attention scores' MSE, layer by layer (TinyBERT: 1); 0 = off.", panel="Loss", ge=0
    )
    relation_weight: float = option(
        0.0, "Weight of the relations of queries, keys and values (MiniLMv2: 1); 0 = off.", panel="Loss", ge=0
    )
    cosine_weight: float = option(
        0.0, "Weight of 1 - cosine of the last hidden states (DistilBERT: 1); 0 = off.", panel="Loss", ge=0
    )
    layer_map: str | None = option(
        None,
        "Which layer learns from which, as student:teacher, counted from 1 (1:2,2:4,3:6).",
        panel="Loss",
        metavar="MAP",
        shown_default="as deep in either; a cut layer from itself",
        only_with=OnlyWith(("hidden_weight", "attention_weight")),
    )
    relation_layer: int | None = option(
        None,
        "Layer of the teacher whose relations are learnt, from 1.",
        panel="Loss",
        ge=1,
        shown_default="the last",
        only_with="relation_weight",
    )
    relation_heads: int | None = option(
        None,
        "Relation heads (MiniLMv2: 48).",
        panel="Loss",
        ge=1,
        shown_default="the teacher's heads",
        only_with="relation_weight",
    )
    cache_teacher: bool = option(True, "Compute the teacher's logits once and keep them on disk.", panel="Loss")

    @field_validator("layer_map")
    @classmethod
    def _pairs(cls, value: str | None) -> str | None:
        try:
            mapped_layers(value or "1:1")
        except ValueError:
            raise ValueError("write pairs of layers, as 1:2,2:4,3:6") from None
        return value


class Config(
    DistillationLossOptions,
    WritingOptions,
    UnlabelledOptions,
    ParallelOptions,
    before_after.ComparisonOptions,
    ComparedDataOptions,
    CalibrationOptions,
    RepeatedOptions,
    TaskChoiceOptions,
    OpeningOptions,
):
    """Options of `nlpkit distill`."""

    opened: ClassVar[str] = "teacher"

    teacher: str = option(
        ..., "Run folder, model folder or hub name of the teacher.", panel="Input", metavar="TEACHER", positional=True
    )


@dataclass(kw_only=True)
class Distillation(SupervisedExperiment):
    """A run of `distill` before its first step.

    Attributes:
        teacher: as it answers by itself.
        pairs: translations that are learnt from.
        own: rows that are judged as the teacher's task has them, which may be compared with other answers.
    """

    config: Config
    teacher: Predictor
    pairs: ParallelRows | None = None
    own: Mapping[str, Dataset] = field(default_factory=dict)

    @property
    def resumed_by(self) -> str:
        return f"{COMMAND} {self.config.teacher}"

    @property
    def trains(self) -> bool:
        return bool(self.config.epochs)

    def besides(self, seconds: float) -> list[tuple[str, str]]:
        return spreads.planned(self.config.seeds, seconds)

    def compare(self, evaluated: Evaluated) -> dict[str, Any]:
        """Teacher and student on the same rows, and their ancestors."""
        from nlpkit.inference import weights

        split = "test" if "test" in evaluated.metrics else "validation"
        model = weights.copied(self.trainer.model, self.device)
        student = Predictor(self.task, model, self.tokenizer, self.device, lent=False)
        compared = before_after.measure(
            [
                before_after.Side(self.parents["teacher"]["name"], self.teacher, examples=self.own.get(split)),
                before_after.Side(
                    self.parents["model"]["name"],
                    student,
                    judged=Judgement(evaluated.metrics[split], evaluated.evidence[split]),
                ),
            ],
            evaluated.examples[split],
            split,
            seconds=self.config.measure_seconds,
            standing=self.standing_of(split, self.teacher.record),
        )
        record = {"price": compared, "lineage": before_after.lineage(self.teacher.record, compared, COMMAND)}
        if self.pairs is not None:
            sides = [(self.parents["teacher"]["name"], self.teacher), (self.parents["model"]["name"], student)]
            record |= parallel.recorded(sides, self.pairs)
        return record


def build(config: Config) -> Any:
    """The Trainer of this run, ready to train."""
    return _prepare(config).trainer


def run(config: Config) -> Report:
    """Distil and write the run folder; returns the result and what it costs.

    The phases stand in `lifecycle.live`, the loss of a step in `nlpkit.distillation.trainer`, the training step and the
    evaluation loop in `nlpkit.training.trainer`.
    """
    return repeats.run(config, COMMAND, _prepare, _report)


def _prepare(config: Config) -> Distillation:
    """Open the teacher, the data and the student, compute what the teacher gives, and make the Trainer.

    Raises:
        UserError: whatever is wrong with options, data or models.
    """
    from nlpkit.hardware import devices

    config.refuse_unread()
    folder = lifecycle.usable_folder(config, opening.display_name(config.teacher), "distilled")
    device = devices.choose(config)
    teacher = open_trained(
        config.teacher,
        config,
        NEEDS,
        "distill",
        revision=config.model_revision,
        flag="TEACHER",
        exported=False,
        task_name=config.task,
    )
    copied, config = _of_translations(config)
    plan = student.plan_student(config, teacher)
    if copied:
        plan = replace(plan, name=f"{plan.name}-parallel")  # as the teacher, which it begins as, is called
    config = _settled(config, teacher.task, plan)
    weights = _loss_weights(config, teacher, plan)
    config, pairs = config.for_task(type(teacher.task)), None
    if config.parallel:
        reader, loaded, examples, findings, pairs = parallel.open_rows(config, teacher)
        teacher.task = reader.task
    else:
        given, config = config, inherit_data(config, teacher.record, config.teacher)
        reader, loaded, examples, findings = open_splits(config, teacher.task, seed=config.seed)
        tell_trained_on(given, teacher.record, config.teacher, teacher.task, reader, loaded)
        teacher.task = reader.task
        findings += supervised.absent_labels(teacher.task, examples["train"])
    teacher.task = teacher.task.taught()
    task = _settle(config, teacher, plan)
    limit = min((limit for limit in (plan.limit, teacher.limit) if limit), default=None)
    most = min((most for most in (plan.most, teacher.most) if most), default=None)
    if plan.static:  # it reads texts to their end, whatever its teacher reads
        task, lengths = features.choose_lengths(task, plan.tokenizer, examples, None, None, config.seed)
    else:
        writes = min((most for most in map(opening.writes, (plan.config, teacher.config)) if most), default=None)
        task, lengths = features.choose_lengths(
            task, plan.tokenizer, examples, limit, most, config.seed, written=writes
        )
        teacher.task = teacher.task.with_(max_length=task.max_length, training_length=task.training_length)

    # Trainer takes seconds to import, which nobody should wait for to hear of a mistake in the data
    from nlpkit.distillation.trainer import Teacher, TeacherOutputs

    model, new = student.open_student(plan, config, teacher, task)
    if task.writes:
        task = task.for_model(model, plan.tokenizer, device.name)
    if config.teach != TEXTS:
        task = task.comparing()
    size = model.num_parameters()
    lifecycle.require_space(folder, size)
    more = ExtendedRows(examples["train"], pairs.plan if pairs else [])
    if pairs is None:
        more = unlabelled_rows.add_unlabelled(config, teacher, plan.tokenizer, examples["train"])
    findings += more.findings
    answering = Predictor(teacher.task, teacher.model, teacher.tokenizer, device, lent=False, record=teacher.record)
    if config.teach != WORDS:
        told = written.retold(config, answering, more.train)
        more.train = examples["train"] = told.train
        more.plan.append(told.plan)
        findings += told.findings
    ready = supervised.tokenized(task, plan.tokenizer, {**examples, "train": more.train})
    findings += supervised.cut_findings(task, ready)
    if config.teach == TEXTS:
        outputs, computed = TeacherOutputs(), "it does not run while the student trains"
    elif pairs is None:
        outputs, computed = _teacher_outputs(config, weights, answering, task, plan, ready["train"])
    else:
        outputs, computed = _answers_to_first(answering, pairs, ready["train"])
    answers = functools.cache(functools.partial(_answers, outputs, answering, ready["train"]))
    if task.compares_texts:
        task = task.matched(model.config.hidden_size, answers)
    if plan.static:
        _fill(config, model, task, answering, ready["train"], answers)
    judged = bool(task.main_metric)
    task, own = _judged_by_teacher(task, answering, {k: v for k, v in examples.items() if k != "train"}, ready)
    examples |= {split: ready[split].examples for split in own}
    experiment = Distillation(
        config=config,
        command=COMMAND,
        task=task,
        loaded=loaded,
        examples=examples,
        splits={**ready, "train": ready["train"].subset(np.arange(len(examples["train"])))},
        tokenizer=plan.tokenizer,
        device=device,
        folder=folder,
        model=model,
        parameters=size,
        name=_named(plan),
        lengths=lengths,
        parents=_parents(config, teacher, plan, model),
        new_weights=new if plan.given else [],
        findings=findings,
        teacher=answering,
        pairs=pairs,
        own=own,
        unjudged=("train",) if pairs or not judged else (),
    )
    size_of_teacher = f"{teacher.model.num_parameters() / 1e6:.1f} M parameters"
    return experiment.ready(
        ("teacher", f"{opening.display_name(config.teacher)}, {size_of_teacher}; {computed}"),
        ("loss", _described(config, weights, task)),
        *more.plan,
        features=[
            *supervised.cheaper_steps(config, plan.tokenizer, ready, device),
            *([Teacher(answering, weights, outputs)] if config.teach != TEXTS else []),
        ],
        train=ready["train"],
    )


def _judged_by_teacher(
    task: Teachable, teacher: Predictor, judged: Mapping[str, Dataset], ready: dict[str, Split]
) -> tuple[Teachable, dict[str, Dataset]]:
    """The student's task as rows are judged, and these rows as the teacher's task has them; where nothing in them tells
    what is right, the teacher's answers do. Changes the examples in `ready`.

    Args:
        task: of the student, which is matched to its model.
        teacher: its task is changed likewise.
        judged: examples of each split that is judged.
        ready: every split, tokenized.
    """
    import torch

    if task.main_metric:
        return task, {}
    answering = teacher.task

    def answers(rows: Dataset) -> np.ndarray:
        return np.asarray(teacher.outputs(rows[:]))

    answering, own = answering.against(judged, answers)
    with reporting.silent():  # it was told of the teacher
        task, learnt = task.against(judged, lambda rows: task.aimed_at(torch.from_numpy(answers(rows))).numpy())
    teacher.task = answering
    for split, rows in learnt.items():
        ready[split].examples = rows
    return task, own


def _of_translations(config: Config) -> tuple[bool, Config]:
    """Whether the student is a copy of the teacher, as it is with --parallel where none is named; and the options.

    Raises:
        UserError: one that translations leave nothing to read for.
    """
    if not config.parallel:
        return False, config
    for name in ("unlabelled", "augment", *INSIDE):
        if getattr(config, name):
            what = "compares token with token" if name in INSIDE else "adds to the rows that the teacher reads itself"
            raise UserError(
                f"{flag_of(name)} {what}, and with --parallel the teacher reads another text than the student",
                "Leave it out.",
            )
    if config.student is None and config.student_layers is None and config.student_size is None:
        return True, config.changed(student=config.teacher)
    return False, config


def _answers_to_first(teacher: Predictor, pairs: ParallelRows, train: Split) -> tuple[TeacherOutputs, str]:
    """What the teacher says of the first texts, for each row that the student reads; and a line on it for the plan."""
    from nlpkit.distillation.teacher_cache import teacher_logits
    from nlpkit.distillation.trainer import TeacherOutputs

    read = supervised.tokenized(teacher.task, teacher.tokenizer, {"train": pairs.taught})["train"]
    logits = teacher_logits(teacher, read)
    how = "found on disk" if logits.cached else "computed once"
    computed = f"its answers to {len(pairs.taught):,} texts {how}, it does not run while the student trains"
    return TeacherOutputs(logits.shared_by(teacher, read.owner, pairs.teacher_of[train.owner])), computed


def _settled(config: Config, task: Teachable, plan: StudentPlan) -> Config:
    """The options with the defaults that hang on the teacher's task and the student.

    Raises:
        UserError: one that nothing would read.
    """
    _refuse_unwritten(config, task)
    if not task.learns_labels:
        for name in ("alpha", "temperature"):
            if getattr(config, name) != type(config).model_fields[name].default:
                raise UserError(
                    f"{flag_of(name)}: a student of {task.name} learns {task.lesson}, and no labels", "Leave it out."
                )
    if not config.epochs and not plan.static:
        raise UserError("--epochs 0: the student would learn nothing", "Leave it out, or use --student static.")
    if not plan.static:
        return config
    if inside := next((name for name in INSIDE if getattr(config, name)), None):
        raise UserError(f"{flag_of(inside)}: a static student has no layers", "Leave it out.")
    return config if "learning_rate" in config.given else config.changed(learning_rate=STATIC_LEARNING_RATE)


def _refuse_unwritten(config: Config, task: Teachable) -> None:
    """Refuse what a student that writes cannot learn by, and of the others what is for such students.

    Raises:
        UserError: naming it.
    """
    if not task.writes:
        if config.teach != WORDS:
            raise UserError(f"--teach {config.teach}: a model for {task.name} writes no texts", "Leave it out.")
        return
    for name in INSIDE:
        if getattr(config, name):
            raise UserError(
                f"{flag_of(name)} compares the layers of encoders, and a model for {task.name} has a decoder",
                "Leave it out; --teach both learns most from the teacher.",
            )
    if config.augment:
        raise UserError(
            "--augment changes words of a text, for which another one would have to be written",
            "Give more text: --unlabelled FILE --teach texts.",
        )
    if config.unlabelled and config.teach == WORDS:
        raise UserError(
            "--unlabelled: a text without a target has no words to compare with the teacher",
            "Let the teacher write them: --teach texts, or both.",
        )
    if config.teach == TEXTS and (given := {"alpha", "temperature"} & config.given):
        raise UserError(
            f"{flag_of(min(given))}: a student that learns texts compares no distributions",
            "Use --teach both, or leave it out.",
        )


def _settle(config: Config, teacher: Trained, plan: StudentPlan) -> Teachable:
    """The student's own task: what it settles on validation is not the teacher's; both see as much of a text.

    Raises:
        UserError: --max-length is more than the teacher takes.
    """
    task = teacher.task.attached(plan.tokenizer)
    if plan.static:
        task = task.as_table()
    if config.max_length:
        features.require_length(config.max_length, teacher.most, "the teacher")
        return task.with_(max_length=config.max_length, training_length=None)
    lengths = [length for length in (task.max_length, plan.limit) if length]
    return task.with_(max_length=min(lengths, default=None))


def _loss_weights(config: Config, teacher: Trained, plan: StudentPlan) -> LossWeights:
    """The weights of the losses, and the layers that hidden ones compare.

    Raises:
        UserError: the layers or heads do not fit.
    """
    from nlpkit.distillation.trainer import LossWeights
    from nlpkit.models.anatomy import family_of

    if not any(getattr(config, name) for name in INSIDE):
        return LossWeights(config.alpha if teacher.task.learns_labels else 1.0, config.temperature)
    teacher_config = teacher.config
    depth, own_depth = teacher_config.num_hidden_layers, _depth(plan)
    if config.layer_map:
        layers = mapped_layers(config.layer_map)
    elif plan.layers is not None:
        layers = [(own, layer + 1) for own, layer in enumerate(plan.layers, start=1)]
    else:
        layers = layer_map(own_depth, depth)
    if not all(1 <= own <= own_depth and 1 <= theirs <= depth for own, theirs in layers):
        raise UserError(
            f"--layer-map {config.layer_map}: the student has {counted(own_depth, 'layer', 'layers')}, "
            f"the teacher {depth}"
        )
    if config.attention_weight or config.relation_weight:
        for side in (teacher_config, plan.config):
            family_of(side)
    if config.attention_weight and plan.config.num_attention_heads != teacher_config.num_attention_heads:
        raise UserError(
            f"--attention-weight compares head with head: the student has {plan.config.num_attention_heads}, the "
            f"teacher {teacher_config.num_attention_heads}",
            "Use --relation-weight, which asks for no equal numbers.",
        )
    # FNet has none; what asks for some has refused it by now
    heads = config.relation_heads or int(getattr(teacher_config, "num_attention_heads", 1))
    widths = plan.config.hidden_size, teacher_config.hidden_size
    if config.relation_weight and any(width % heads for width in widths):
        raise UserError(
            f"{heads} relation heads do not divide the widths {widths[0]} and {widths[1]}", "Give --relation-heads N."
        )
    if config.relation_layer and config.relation_layer > depth:
        raise UserError(
            f"--relation-layer {config.relation_layer}: the teacher has {counted(depth, 'layer', 'layers')}"
        )
    return LossWeights(
        alpha=config.alpha if teacher.task.learns_labels else 1.0,
        temperature=config.temperature,
        hidden=config.hidden_weight,
        attention=config.attention_weight,
        relation=config.relation_weight,
        cosine=config.cosine_weight,
        layers=layers,
        relation_layer=config.relation_layer or depth,
        relation_heads=heads,
    )


def _depth(plan: StudentPlan) -> int:
    return len(plan.layers) if plan.layers is not None else plan.config.num_hidden_layers


def _teacher_outputs(
    config: Config, weights: LossWeights, teacher: Predictor, task: Teachable, plan: StudentPlan, train: Split
) -> tuple[TeacherOutputs, str]:
    """Where the teacher's side of the training rows comes from, and a line on it for the plan.

    Raises:
        UserError: teacher and student cut texts into other tokens, and a loss compares tokens.
    """
    from nlpkit.distillation.teacher_cache import teacher_logits
    from nlpkit.distillation.trainer import TeacherOutputs

    same = features.same_tokens(teacher.tokenizer, plan.tokenizer)
    read = train
    if not same:
        read = supervised.tokenized(teacher.task, teacher.tokenizer, {"train": train.examples})["train"]
    aligned = same or features.equal_ids(train.features, read.features)
    if not aligned and (weights.inside or not task.one_answer_a_row):
        what = next((flag_of(name) for name in INSIDE if getattr(config, name)), f"the loss of {task.name}")
        raise UserError(
            f"{what} compares token with token, but teacher and student cut texts into different ones",
            "Give a --student with the teacher's tokenizer, or leave out --student-tokenizer"
            + ("; --teach texts asks for no equal ones." if task.writes else "."),
        )
    if not aligned or (config.cache_teacher and task.keeps_logits and not weights.inside):
        logits = teacher_logits(teacher, read)
        how = "found on disk" if logits.cached else "computed once"
        gives = "logits" if task.learns_labels else "vectors"
        computed = f"its {gives} for {len(read.features):,} rows {how}, it does not run while the student trains"
        return TeacherOutputs(logits if aligned else logits.shared_by(teacher, read.owner, train.owner)), computed
    own_rows = None if same or task.renews else read.for_training()
    return TeacherOutputs(features=own_rows), "it runs in every step"


def _answers(outputs: TeacherOutputs, teacher: Predictor, train: Split) -> np.ndarray:
    """What the teacher answers to some of the training rows, evenly spaced among them; shape (rows, any)."""
    from nlpkit.distillation.teacher_cache import teacher_logits

    rows = _sampled(train)
    if outputs.logits is not None:
        return np.asarray(outputs.logits.values[rows])
    return np.asarray(teacher_logits(teacher, replace(train, features=train.features.select(rows))).values)


def _sampled(train: Split) -> np.ndarray:
    count = len(train.features)
    return np.unique(np.linspace(0, count - 1, min(count, SAMPLED)).astype(int))


def _fill(
    config: Config, model: Any, task: Teachable, teacher: Predictor, train: Split, answers: Callable[[], np.ndarray]
) -> None:
    """Make the table of a static student.

    Args:
        model: whose table is filled.
        task: of the student, with its tokenizer's features in `train`.
        answers: gives what the teacher answers to some rows of train.
    """
    import torch

    from nlpkit.distillation import static

    tokens = len(model.embedding.weight)
    ids = train.token_ids()
    probabilities = static.seen(ids, tokens) if config.token_weights == "seen" else static.zipf(tokens)
    vectors = static.narrowed(static.token_vectors(teacher), config.dims)
    table = static.weighted(vectors, probabilities, teacher.tokenizer.all_special_ids)
    texts = [np.asarray(row) for row in train.features.select(_sampled(train))["input_ids"][:]]
    wanted = task.aimed_at(torch.from_numpy(answers())).numpy()
    model.embedding.weight.data.copy_(torch.from_numpy(static.turned(table, texts, wanted)))


def _parents(config: Config, teacher: Trained, plan: StudentPlan, model: Any) -> dict[str, Any]:
    """The models that the student comes from, as the record names them."""
    teacher_parent = lifecycle.parent(config.teacher, config.model_revision, teacher.model.config)
    own: dict[str, Any] = {"name": plan.name, "given": plan.given, "revision": None, "commit": None}
    if plan.given is not None:
        revision = config.model_revision if plan.layers is not None else None
        own = {**lifecycle.parent(plan.given, revision, model.config), "name": plan.name}
    if plan.layers is not None:
        own["layers"] = plan.layers
    if plan.decoder_layers is not None:
        own["decoder_layers"] = plan.decoder_layers
    return {"model": own, "teacher": teacher_parent}


def _named(plan: StudentPlan) -> str:
    kept = ""
    if plan.layers is not None:
        kept = f"layers {', '.join(map(str, plan.layers))}"
        if plan.decoder_layers is not None:
            kept = f"encoder {kept}, decoder layers {', '.join(map(str, plan.decoder_layers))}"
        kept = f" ({kept} of the teacher)"
    return f"{plan.name}{kept}" if plan.given else f"{plan.name}, new"


def _described(config: Config, weights: LossWeights, task: Teachable) -> str:
    soft = f"{weights.alpha:g} x teacher at temperature {weights.temperature:g} + {1 - weights.alpha:g} x labels"
    if not task.learns_labels:
        soft = task.lesson
    if task.writes:
        labels = "targets" if config.teach == WORDS else "the teacher's texts"
        soft = labels if config.teach == TEXTS else soft.replace("labels", labels)
    more = [f"{getattr(config, name):g} x {name.removesuffix('_weight')}" for name in INSIDE if getattr(config, name)]
    pairs = ", ".join(f"{own} from {theirs}" for own, theirs in weights.layers)
    return " + ".join([soft, *more]) + (f"; layers {pairs}" if weights.hidden or weights.attention else "")


def _report(record: Mapping[str, Any], folder: Path) -> Report:
    """What people and machines are told of a finished run."""
    made = registry.task_of_model(opening.load_config(str(folder)), record["task"], str(folder))
    task = registry.require(made, NEEDS, "distill")
    report = supervised.report(dict(record), folder, type(task))
    report.tables.append(before_after.table(record["price"]))
    if record.get("translations"):
        report.tables.append(parallel.table(record["translations"]))
    # of few rows both say the same, and of intervals too
    told = before_after.lines(record["price"], task, brackets=not interval_notes(record))
    report.lines = [*dict.fromkeys([*told, *report.lines])]
    if record["config"].get("student") != STATIC:  # of which there is nothing to compute in fewer bits
        report.next_command = f"nlpkit quantize {folder}"
    if record.get("translations"):  # its record may name no data that `quantize` could judge by
        report.next_command = f'nlpkit embed {folder} "..." "..."'
    return report
