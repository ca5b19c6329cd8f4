"""Options of a training run."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import field_validator

from nlpkit.errors import UserError
from nlpkit.options.declaring import Config, option, option_like
from nlpkit.options.device import DeviceOptions
from nlpkit.options.values import MOST_ROWS, AtCommas, Interval, Pairs

Seeds = Annotated[list[int], AtCommas]

# Groups are put together from the last base to the first: that is the order of their options in `--help-all`.


class StoppingOptions(Config):
    """When training ends."""

    epochs: float = option(3.0, "Passes over the train split.", panel="Training", gt=0)
    max_steps: int | None = option(
        None, "Stop after N optimizer steps, whatever --epochs says; -1: do not.", panel="Training", ge=1
    )
    max_minutes: float | None = option(None, "Stop training after N minutes of wall time.", panel="Training", gt=0)
    early_stopping: int | None = option(
        None, "Stop after N evaluations without a better metric.", panel="Training", ge=1
    )

    @field_validator("max_steps", mode="before")
    @classmethod
    def _no_limit(cls, value: Any) -> Any:
        return None if str(value).strip() == "-1" else value  # as Trainer has it


class BatchOptions(Config):
    """Which rows make a step."""

    batch_size: int = option(32, "Rows per step on each device.", panel="Training", ge=1, le=MOST_ROWS)
    eval_batch_size: int = option(
        64, "Rows per step on each device, in evaluation.", panel="Training", ge=1, le=MOST_ROWS
    )
    gradient_accumulation_steps: int = option(1, "Batches summed before a step.", panel="Training", ge=1, le=MOST_ROWS)
    batching: Literal["length", "random"] = option(
        "length", "Batches of rows of like length; or of random rows, as a plain Trainer trains.", panel="Training"
    )


class StepOptions(BatchOptions, StoppingOptions):
    """How many steps a run has."""


class OptimizerOptions(Config):
    """How weights are changed in a step."""

    learning_rate: float = option(
        5e-5, "Peak learning rate (BERT paper: 2e-5 to 5e-5; smaller models take more).", panel="Optimizer", gt=0
    )
    schedule: Literal[
        "linear",
        "cosine",
        "constant",
        "wsd",
        "cosine_with_restarts",
        "cosine_with_min_lr",
        "cosine_warmup_with_min_lr",
        "polynomial",
        "inverse_sqrt",
        "reduce_lr_on_plateau",
        "greedy",
    ] = option(
        "linear",
        "Course of the learning rate after warm-up; wsd: constant, then down in the last 10 %; --trainer "
        "lr_scheduler_kwargs={...} is for the others, which are those of transformers.",
        panel="Optimizer",
    )
    warmup: float = option(
        0.06, "Warm-up: a share of all steps if below 1 (RoBERTa paper: 0.06), else steps.", panel="Optimizer", ge=0
    )
    weight_decay: float = option(0.0, "AdamW weight decay; biases and norms are exempt.", panel="Optimizer", ge=0)
    max_grad_norm: float = option(1.0, "Clip the gradient to this L2 norm; 0 = off.", panel="Optimizer", ge=0)
    layer_decay: float = option(
        1.0,
        "Learning rate factor per layer, from the head down (ELECTRA: 0.8); 1 = off.",
        panel="Optimizer",
        gt=0,
        le=1,
    )

    @field_validator("schedule", mode="before")
    @classmethod
    def _short_name(cls, value: Any) -> Any:
        name = str(value).replace("-", "_")
        return {"constant_with_warmup": "constant", "warmup_stable_decay": "wsd"}.get(name, name)


class OptimizerChoiceOptions(Config):
    """Which optimizer, where there is a choice."""

    optimizer: Literal["adamw", "muon"] = option(
        "adamw",
        "AdamW; or Muon for matrices within layers (Jordan et al. 2024), with AdamW for all else.",
        panel="Optimizer",
    )


def require_one_optimizer(optimizer: str, options: TrainingOptions) -> None:
    """Raises UserError: options ask for Muon, and for what is of AdamW alone.

    Args:
        optimizer: that was chosen.
        options: of the run.
    """
    if optimizer == "muon" and (options.layer_decay < 1 or "optim" in options.trainer):
        other = "--layer-decay" if options.layer_decay < 1 else "--trainer optim"
        raise UserError(f"{other} with --optimizer muon: it is of AdamW alone", "Give one of them.")


class WeightOptions(Config):
    """Which weights are trained, and how much of them drops out."""

    freeze: str = option(
        "none", "Keep fixed: none, embeddings, encoder, or N (embeddings and first N layers).", panel="Training"
    )
    dropout: float | None = option(
        None, "Dropout probability everywhere.", panel="Training", ge=0, lt=1, shown_default="the model's"
    )

    @field_validator("freeze")
    @classmethod
    def _known_part(cls, value: str) -> str:
        if value not in ("none", "embeddings", "encoder") and not value.isdecimal():
            raise ValueError("use none, embeddings, encoder or a number of layers")
        return value


class ComputeOptions(DeviceOptions):
    """How a step is computed, where that changes its costs and not what is computed."""

    gradient_checkpointing: bool = option(False, "Save memory: recompute activations.", panel="Device")
    compile: Literal["auto"] | bool = option(
        False, "torch.compile the model, or (auto) only if steps of a long run find it faster.", panel="Device"
    )

    @field_validator("compile", mode="before")
    @classmethod
    def _switch_or_auto(cls, value: Any) -> Any:
        word = str(value).lower()
        known = dict.fromkeys(("true", "1", "on", "yes"), True) | dict.fromkeys(("false", "0", "off", "no"), False)
        if word != "auto" and word not in known:
            raise ValueError("use auto, true or false; on the command line the flag alone is true")
        return known.get(word, word)


class SeedOptions(Config):
    """What is drawn."""

    seed: int = option(42, "Seed of initialisation, order and dropout.", panel="Training", ge=0, le=2**32 - 1)


class SeedsOptions(Config):
    """With which seeds a run is repeated."""

    seeds: Seeds = option(
        [],
        "Train once with each of these seeds, keep the model that is best on validation, show the spread; the rows "
        "that are held out are those of --seed.",
        panel="Training",
        metavar="N,N,...",
    )

    @field_validator("seeds")
    @classmethod
    def _several(cls, value: list[int]) -> list[int]:
        if len(value) == 1:
            raise ValueError(f"this is one seed ({value[0]}), not how many; name two at least, as in 1,2,3")
        if len(set(value)) < len(value):
            raise ValueError("name each seed once")
        if any(not 0 <= seed < 2**32 for seed in value):
            raise ValueError("a seed is a number from 0 to 4294967295")
        return value


class DeterminismOptions(SeedOptions):
    """Whether a run can be repeated digit for digit."""

    full_determinism: bool = option(False, "Deterministic kernels on GPU too (slower).", panel="Training")


class EvaluationOptions(Config):
    """When a run is evaluated and logged, and what is best."""

    eval_steps: Interval = option(
        None,
        "Evaluate and save every N steps; below 1: a share of all steps.",
        panel="Evaluation",
        metavar="N",
        shown_default="each epoch",
    )
    logging_steps: Interval = option(
        None,
        "Log the loss every N steps; below 1: a share of all steps.",
        panel="Evaluation",
        metavar="N",
        shown_default="50 times per run",
    )
    best_metric: str | None = option(
        None, "Metric that picks the best checkpoint.", panel="Evaluation", metavar="NAME", shown_default="the task's"
    )

    @field_validator("best_metric", mode="before")
    @classmethod
    def _plain_metric(cls, value: Any) -> Any:
        return value.removeprefix("eval_") if isinstance(value, str) else value  # as Trainer logs it


class CalibrationOptions(Config):
    """Whether the scores of a trained model are made to mean something."""

    calibrate: bool = option(
        True,
        "Divide logits by a temperature fitted on validation, where that makes scores truer (Guo et al. 2017).",
        panel="Evaluation",
    )


class JudgedSplitsOptions(Config):
    """Which splits a trained model is judged on."""

    judge_test: bool = option(
        True, "Judge the model on the test split, too; a search of options leaves it for its end.", panel="Evaluation"
    )


class CheckpointOptions(Config):
    """When a run is saved so that it can go on."""

    checkpoint_minutes: float = option(
        10.0, "Also save a checkpoint when the last is N minutes old.", panel="Evaluation", gt=0
    )


class TrainerOptions(Config):
    """What else `TrainingArguments` has."""

    trainer: Pairs = option(
        {}, "Any other TrainingArguments field (repeatable).", panel="Training", metavar="KEY=VALUE"
    )


class TrainingOptions(
    TrainerOptions,
    CheckpointOptions,
    EvaluationOptions,
    DeterminismOptions,
    WeightOptions,
    OptimizerOptions,
    StepOptions,
    ComputeOptions,
):
    """What every training run shares. Defaults are Trainer's unless the help names another source."""


class SettledOptions(TrainingOptions):
    """Options of a fine-tuning, of which those that are not given are settled once model and rows are known.

    What they become stands in `nlpkit.training.defaults`, and in the record of the run.

    Attributes:
        answers: what the head answers for, by which the rate is chosen.
    """

    answers: ClassVar[Literal["text", "token"]] = "text"

    epochs: float = option_like(TrainingOptions, "epochs", shown_default="by rows")
    eval_steps: Interval = option_like(
        TrainingOptions, "eval_steps", shown_default="each epoch; each tenth of all where more than 10 are chosen"
    )
    batch_size: int = option_like(TrainingOptions, "batch_size", shown_default="16; 32 from 2,000 rows on")
    learning_rate: float = option_like(
        TrainingOptions, "learning_rate", help="Peak learning rate.", shown_default="by task and model size"
    )
