"""What is measured: a model on a backend (`Subject`), at a size of input (`Point`), and what came of it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Self, get_args

from nlpkit.errors import UserError
from nlpkit.models import opening
from nlpkit.nearby import expanded
from nlpkit.options import NotWith, OpeningOptions, SeedOptions, as_number, option, option_like
from nlpkit.tasks.options import TaskChoiceOptions

Backend = Literal["torch", "torch-compile", "onnx", "onnx-int8"]
Mode = Literal["inference", "training", "prefill", "decode"]
MODES: tuple[Mode, ...] = get_args(Mode)  # in the order of tables
WRITING: tuple[Mode, ...] = ("prefill", "decode")  # of models that write: prompts read, and tokens written behind them
Status = Literal["ok", "out of memory", "too long", "failed"]


HAS_WEIGHTS = NotWith(("config_only",), why=" says nothing to --config-only")


class SubjectOptions(TaskChoiceOptions, OpeningOptions):
    """How what is measured is opened, or made with random weights."""

    config_only: bool = option(
        False,
        "Random weights; a NAME may be a model type (bert, longformer), which stands for its default config.",
        panel="Input",
    )
    seed: int = option_like(
        SeedOptions, "seed", help="Seed of random weights and inputs, and of the hold-out.", panel="Method"
    )
    tokenizer: str | None = option_like(OpeningOptions, "tokenizer", only_with=HAS_WEIGHTS)
    allow_pickle: bool = option_like(OpeningOptions, "allow_pickle", only_with=HAS_WEIGHTS)
    task: str | None = option_like(TaskChoiceOptions, "task", only_with=HAS_WEIGHTS)


@dataclass(frozen=True)
class Subject:
    """One model on one backend.

    Attributes:
        name: for tables; no two subjects of a sweep share it.
        model: folder, hub name, or, where weights are random, a model type of transformers.
        overrides: of the model's config.
        backend: what runs it.
    """

    name: str
    model: str
    overrides: Mapping[str, Any] = field(default_factory=dict)
    backend: Backend = "torch"

    @property
    def exported(self) -> bool:
        """Whether it runs in ONNX Runtime, which does not train."""
        return self.backend.startswith("onnx")

    def to_json(self) -> dict[str, Any]:
        """JSON values from which `from_json` makes it again."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """See `to_json`."""
        return cls(**values)


@dataclass(frozen=True)
class Point:
    """What a model is given: so many inputs at once, of an exact length or rows of the data at their own lengths.

    Attributes:
        length: tokens an input; None for rows.
    """

    mode: Mode
    batch_size: int
    length: int | None

    def __str__(self) -> str:
        inputs = "rows" if self.length is None else f"{self.length} tokens"
        return f"{self.mode}, {self.batch_size} x {inputs}"

    @property
    def weight(self) -> int:
        """Tokens a call, about: what is small is measured first."""
        return self.batch_size * (self.length or 64) * (3 if self.mode == "training" else 1)


@dataclass(frozen=True)
class Opened:
    """A subject that is ready, in one launch of its process.

    Attributes:
        device: described, for people: `cpu (2 threads), fp32`.
        architecture: class name of the model.
        parameters: of the model; of the one that was exported, where it was.
        bytes: of the weights on disk (and of the graph, where it was exported); None where none are there.
        load_seconds: from files to a model on its device, without the imports.
        max_length: tokens an input may have, None for any number.
        idle_bytes: resident memory of the process (CPU) or allocated memory (GPU) before the first input.
        task: name, None for a plain encoder.
        main_metric: of the task.
        higher_is_better: of that metric.
        memory_method: what is counted as memory, in words.
        energy_method: what energy is of, in words; nothing where no counter tells it.
        remarks: what else bears on the figures, such as another device than was asked for.
    """

    device: str
    architecture: str
    parameters: int
    bytes: int | None
    load_seconds: float
    max_length: int | None
    idle_bytes: int
    task: str | None = None
    main_metric: str | None = None
    higher_is_better: bool = True
    memory_method: str = ""
    energy_method: str = ""
    remarks: Sequence[str] = ()


@dataclass(frozen=True)
class Measurement:
    """What one launch of a subject's process showed at a point: a line of `measurements.jsonl`.

    Attributes:
        launch: counted from 0.
        subject: its name.
        status: `ok`, or why there is no figure.
        message: more of that, for people.
        turns: seconds of each call, turn by turn; a turn is one or more passes over the inputs of the point.
        calls: of a pass: 1 for a synthetic batch, the number of batches for rows.
        samples: inputs of a pass.
        tokens: of a pass, without padding.
        warm_up_calls, warm_up_seconds, stable: calls that were made before, and whether their times had settled.
        peak_bytes: most resident memory of the process (CPU), or allocated memory (GPU), while the point was measured.
        before_bytes: the same just before.
        joules: of each turn, None where the machine does not tell.
        flops: floating-point operations of a pass, counted; None where they cannot be.
        peak_flops: FLOP/s of dense matrix products, measured beside it.
        gpu: how the GPU was meanwhile, see `nvml.course`; None where it does not tell, and on a CPU.
    """

    launch: int
    point: Point
    subject: str
    status: Status = "ok"
    message: str | None = None
    turns: Sequence[Sequence[float]] = ()
    calls: int = 1
    samples: int = 0
    tokens: int = 0
    warm_up_calls: int = 0
    warm_up_seconds: float = 0.0
    stable: bool = True
    peak_bytes: int | None = None
    before_bytes: int | None = None
    joules: Sequence[float] | None = None
    flops: float | None = None
    peak_flops: float | None = None
    gpu: Mapping[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """JSON values from which `from_json` makes it again; seconds to a tenth of a microsecond."""
        return {**asdict(self), "turns": [[round(seconds, 7) for seconds in turn] for turn in self.turns]}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """See `to_json`."""
        return cls(**{**values, "point": Point(**values["point"])})


def parse_model(text: str) -> tuple[str, str, dict[str, Any]]:
    """A MODEL argument: `[LABEL=]NAME[:KEY=VALUE,...]`.

    Args:
        text: for example `runs/trec`, `bigbird:attention_type=original_full`, `German=distilbert:vocab_size=31102`.

    Returns:
        Label, name, overrides of the config (values read as YAML reads them).

    Raises:
        UserError: an override is not of the form key=value, or its value is broken YAML.
    """
    if _is_folder(text):
        return opening.display_name(text), text, {}
    label, equals, rest = text.partition("=")
    if not equals or ":" in label:
        label, rest = "", text
    name, _, settings = rest.partition(":")
    overrides = {}
    for part in _parts(settings):
        key, equals, value = part.partition("=")
        if not equals or not key.strip():
            raise UserError(f"{text}: '{part}' is not of the form key=value", "Write NAME:KEY=VALUE,KEY=VALUE.")
        try:
            overrides[key.strip()] = _value(value)
        except ValueError as error:
            raise UserError(f"{text}: {key.strip()}: {error}", "Write NAME:KEY=VALUE,KEY=VALUE.") from None
    shown = opening.display_name(name)
    return label or (f"{shown}:{settings}" if settings else shown), name, overrides


def _is_folder(text: str) -> bool:
    try:
        return expanded(text).is_dir()
    except OSError:  # longer than the name of a file may be
        return False


def _parts(text: str) -> list[str]:
    """Split at commas that are not inside brackets."""
    return [part for part in re.split(r",(?![^\[\]]*\])", text) if part.strip()]


def _value(text: str) -> Any:
    import yaml

    try:
        return as_number(yaml.safe_load(text))
    except yaml.YAMLError:
        raise ValueError(f"'{text}' is no value of YAML") from None
