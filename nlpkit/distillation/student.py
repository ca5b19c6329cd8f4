"""Which model learns from a teacher: another one, some layers of the teacher, a new one, or a table of its tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from nlpkit import reporting
from nlpkit.distillation.layers import LayerChoice, chosen_layers
from nlpkit.errors import UserError
from nlpkit.models import fitting, opening, stacks
from nlpkit.options import OnlyWith, OpeningOptions, TrainingOptions, option, option_like
from nlpkit.pretraining.architectures import Architecture, ArchitectureOptions, Size, new_config
from nlpkit.reporting import counted
from nlpkit.runs.folder import read_record
from nlpkit.tasks import registry
from nlpkit.tasks.options import LengthOptions
from nlpkit.tokenization import extend

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

    from nlpkit.inference.predictor import Trained
    from nlpkit.tasks.contract import Task

STATIC = "static"  # as a --student: a table of token vectors, see `static`
LONGEST = 512  # tokens that a new student takes where its teacher sets no limit; as BERT


OF_STATIC = OnlyWith(("student",), (STATIC,))


class StudentOptions(TrainingOptions, OpeningOptions):
    """Where the student comes from: one of the first three."""

    student: str | None = option(
        None,
        "Encoder that learns; `static`: a table of tokens.",
        panel="Student",
        metavar="MODEL",
    )
    student_layers: str | None = option(
        None,
        "How many of the teacher's layers, or which (0,2,5).",
        panel="Student",
        metavar="N|LIST",
    )
    student_decoder_layers: str | None = option(
        None,
        "The same of the teacher's decoder, where it has an encoder too.",
        panel="Student",
        metavar="N|LIST",
        shown_default="as --student-layers; all where that is not given",
    )
    student_size: Size | None = option(
        None,
        "A new student: tiny 2 layers of width 128, mini 4/256, small 4/512, medium 8/512, base 12/768.",
        panel="Student",
    )
    layer_choice: LayerChoice = option(
        "even",
        "Which layers --student-layers N takes; even: as DistilBERT did.",
        panel="Student",
        only_with=OnlyWith(("student_layers", "student_decoder_layers")),
    )
    student_arch: Architecture = option(
        "bert", "Architecture of --student-size.", panel="Student", only_with="student_size"
    )
    dims: int = option(
        256, "Numbers in a vector of a static student (model2vec: 256).", panel="Student", ge=1, only_with=OF_STATIC
    )
    token_weights: Literal["seen", "zipf"] = option(
        "seen",
        "How frequent a token of a static student is: as in the texts that are trained on, or by its rank alone.",
        panel="Student",
        only_with=OF_STATIC,
    )
    student_tokenizer: str | None = option(
        None,
        "Tokenizer of the student.",
        panel="Student",
        metavar="PATH|NAME",
        shown_default="that of --student, else the teacher's",
    )
    max_length: int | None = option_like(
        LengthOptions, "max_length", help="Tokens per input.", panel="Model", shown_default="as the teacher"
    )


@dataclass(frozen=True)
class StudentPlan:
    """A student before it is opened.

    Attributes:
        name: for tables and the record.
        given: the model that it begins with, None for a new one.
        config: of its model.
        tokenizer: its own.
        layers: of the teacher, which it keeps; None where it has others.
        decoder_layers: those of the teacher's decoder, where `layers` are its encoder's.
        limit, most: see `Trained`.
        trained_for: the task that its head was trained for, None of an encoder.
        order: for each label of the teacher its number in the student's head; None where they are numbered alike.
        static: whether it is a table of token vectors.
    """

    name: str
    given: str | None
    config: PreTrainedConfig
    tokenizer: Any
    layers: list[int] | None = None
    decoder_layers: list[int] | None = None
    limit: int | None = None
    most: int | None = None
    trained_for: str | None = None
    order: list[int] | None = None
    static: bool = False


def plan_student(options: StudentOptions, teacher: Trained) -> StudentPlan:
    """What the options ask for, as far as it is known without weights and data.

    Args:
        teacher: open.

    Raises:
        UserError: not exactly one way to get a student is named, the teacher has no such layers, the student cannot be
            opened, or it was trained for other labels.
    """
    of_teacher = options.student_layers is not None or options.student_decoder_layers is not None
    ways = [options.student is not None, of_teacher, options.student_size is not None]
    if sum(ways) != 1:
        choice = "one of them" if any(ways) else "which model learns"
        raise UserError(f"name {choice}: --student MODEL, --student-layers N or --student-size SIZE")
    if options.student == STATIC and not Path(STATIC).is_dir():
        return _static(options, teacher)
    if options.student is not None:
        return _another(options.student, options, teacher)
    tokenizer = _tokenizer(options, options.student_tokenizer) if options.student_tokenizer else teacher.tokenizer
    if of_teacher:
        layers, of_decoder = _of_teacher(options, teacher.config)
        counts = "-".join(str(len(kept)) for kept in (layers, of_decoder) if kept is not None)
        name = f"{opening.display_name(teacher.name)}-{counts}-layers"
        return StudentPlan(
            name, teacher.name, teacher.config, tokenizer, layers, of_decoder, teacher.limit, teacher.most
        )
    assert options.student_size is not None
    if stacks.writes(teacher.config):
        raise UserError(
            f"--student-size {options.student_size} makes an encoder, and the teacher writes",
            "Keep some of its layers (--student-layers, --student-decoder-layers), or name another model that writes: "
            "--student MODEL.",
        )
    longest = min(options.max_length or teacher.limit or LONGEST, teacher.most or LONGEST, LONGEST)
    architecture = ArchitectureOptions(arch=options.student_arch, size=options.student_size)
    config = new_config(architecture, tokenizer, longest)
    return StudentPlan(
        f"{options.student_arch}-{options.student_size}", None, config, tokenizer, limit=longest, most=longest
    )


def _static(options: StudentOptions, teacher: Trained) -> StudentPlan:
    """A table with a vector for each of the teacher's tokens."""
    from nlpkit.models.static import StaticConfig, plain_tokenizer

    if options.student_tokenizer:
        raise UserError(
            "--student-tokenizer: a static student has a vector for each token of its teacher", "Leave it out."
        )
    tokenizer = plain_tokenizer(teacher.tokenizer)
    config = StaticConfig(len(tokenizer), options.dims)
    return StudentPlan(f"{opening.display_name(teacher.name)}-{STATIC}", None, config, tokenizer, static=True)


def _tokenizer(options: OpeningOptions, name: str) -> Any:
    place = opening.resolve(name, "--student-tokenizer")
    return opening.load_tokenizer(place, trust_remote_code=options.trust_remote_code, flag="--student-tokenizer")


def _another(student: str, options: StudentOptions, teacher: Trained) -> StudentPlan:
    if student in get_args(Size) and not Path(student).exists():
        raise UserError(f"--student {student} names a size, not a model", f"Did you mean --student-size {student}?")
    place = opening.resolve(student, "--student")
    config = opening.load_config(place, trust_remote_code=options.trust_remote_code)
    tokenizer = _tokenizer(options, options.student_tokenizer or place)
    own = registry.known_task(config, (read_record(place) or {}).get("task"), place)
    order = _order(own, teacher.task) if own is not None else None
    name = opening.display_name(student)
    return StudentPlan(
        name,
        student,
        config,
        tokenizer,
        limit=opening.max_positions(config, tokenizer),
        most=opening.takes(config),
        trained_for=own.name if own is not None else None,
        order=order,
    )


def _order(own: Task, task: Task) -> list[int] | None:
    """`StudentPlan.order` of a student that was trained for a task.

    Raises:
        UserError: for the teacher's, with other labels: its head says something else.
    """
    own_labels, teacher_labels = (
        list((own_task.model_arguments().get("id2label") or {}).values()) for own_task in (own, task)
    )
    if own.name != task.name or own_labels == teacher_labels:
        return None
    if sorted(own_labels) != sorted(teacher_labels) or len(set(teacher_labels)) < len(teacher_labels):
        raise UserError(
            f"teacher and student label sets differ: {_shown(teacher_labels)} and {_shown(own_labels)}",
            "Give as --student an encoder without a head, or a model with the teacher's labels.",
        )
    reporting.current().note(
        f"the student's labels, {_shown(own_labels)}, are put in the teacher's order, {_shown(teacher_labels)}"
    )
    return [own_labels.index(name) for name in teacher_labels]


def _shown(names: Sequence[str]) -> str:
    return "(" + ", ".join(names[:6]) + (", ..." if len(names) > 6 else "") + ")"


def _of_teacher(options: StudentOptions, config: PreTrainedConfig) -> tuple[list[int], list[int] | None]:
    """The teacher's layers that a student keeps; of one with an encoder and a decoder those of either."""
    of_encoder, of_decoder = options.student_layers, options.student_decoder_layers
    depths = stacks.depths(config) if stacks.writes(config) else {}
    if "encoder" not in depths:
        if of_encoder is None or of_decoder is not None:
            raise UserError(
                f"--student-decoder-layers: {config.model_type} has layers on one side alone", "Use --student-layers."
            )
        return _layers("--student-layers", of_encoder, config.num_hidden_layers, options.layer_choice), None
    of_decoder = of_decoder if of_decoder is not None else of_encoder
    kept = list(range(depths["encoder"]))
    if of_encoder is not None:
        kept = _layers("--student-layers", of_encoder, depths["encoder"], options.layer_choice, "encoder ")
    assert of_decoder is not None, "as one of the options is given"
    flag = "--student-decoder-layers" if options.student_decoder_layers is not None else "--student-layers"
    return kept, _layers(flag, of_decoder, depths["decoder"], options.layer_choice, "decoder ")


def _layers(flag: str, text: str, depth: int, choice: LayerChoice, side: str = "") -> list[int]:
    """The teacher's layers that an option means, of one side where it has two."""
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        raise UserError(f"{flag} {text}: give a number of layers, or their indices (0,2,5)") from None
    if len(numbers) > 1:
        if sorted(set(numbers)) != numbers or numbers[0] < 0 or numbers[-1] >= depth:
            raise UserError(f"{flag} {text}: the teacher's {side}layers are 0 to {depth - 1}, each once, ascending")
        return numbers
    if not 1 <= numbers[0] <= depth:
        raise UserError(
            f"{flag} {text}: the teacher has {counted(depth, f'{side}layer', f'{side}layers')}", f"Give 1 to {depth}."
        )
    return chosen_layers(depth, numbers[0], choice)


def open_student(plan: StudentPlan, options: StudentOptions, teacher: Trained, task: Task) -> tuple[Any, list[str]]:
    """The student with a head for the task, frozen where asked, and the names of its new weights.

    Raises:
        UserError: it cannot be opened, or its tokenizer has more tokens than it knows.
    """
    from transformers import set_seed

    from nlpkit.distillation import layers
    from nlpkit.models import surgery
    from nlpkit.training import parameters

    # seeded here, so that what is new is the same in a resumed and in a repeated run
    set_seed(options.seed)
    dropout = parameters.dropout_overrides(plan.config, options.dropout)
    if plan.static:
        from nlpkit.models.static import StaticConfig, StaticModel

        assert isinstance(plan.config, StaticConfig)
        model, new = StaticModel(plan.config), []
    elif plan.given is None:
        for name, value in dropout.items():
            setattr(plan.config, name, value)
        model = layers.untrained(plan.config, task.auto_class, task.model_arguments())
        new = [name for name, _ in model.named_parameters()]
    else:
        place = opening.resolve(plan.given) if plan.layers is None else teacher.place
        model, new = opening.load_model(
            place,
            task.auto_class,
            revision=options.model_revision if plan.layers is not None else None,
            trust_remote_code=options.trust_remote_code,
            allow_pickle=options.allow_pickle,
            **task.model_arguments(),
            **dropout,
        )
        if plan.layers is None and plan.trained_for != task.name:  # weights of the right shape may be another head's
            new = sorted([*new, *parameters.renew_head(model, new)])
        if plan.order is not None:
            parameters.reorder_head(model, plan.order)
    if plan.layers is not None and plan.decoder_layers is not None:
        stacks.keep(model, {"encoder": plan.layers, "decoder": plan.decoder_layers})
    elif plan.layers is not None and stacks.writes(model.config):
        stacks.keep(model, {"decoder": plan.layers})
    elif plan.layers is not None:
        surgery.keep_layers(model, plan.layers)
    if plan.given is not None and options.student_tokenizer:
        revision = options.model_revision if plan.layers is not None else None
        extend.grow(model, plan.tokenizer, place, revision=revision, trust_remote_code=options.trust_remote_code)
    fitting.fit(model, plan.tokenizer, flag="--student-tokenizer")
    parameters.freeze(model, options.freeze)
    return model, new
