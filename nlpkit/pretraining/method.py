"""What a pre-training command gives: options, and what is learned by which model from which rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, TypeVar

from nlpkit import process
from nlpkit.errors import UserError
from nlpkit.options import Interval, ModelOptions, RunOptions, flag_of, option, option_like
from nlpkit.pretraining.text import RunningTextOptions
from nlpkit.training.schedules import TIMED

if TYPE_CHECKING:
    import numpy as np
    from transformers import PreTrainedConfig

    from nlpkit.data.corpus import Corpus
    from nlpkit.pretraining.objectives import Objective

EVALUATIONS = 10  # per run, unless --eval-steps
LEARNING_RATE = {"new": 5e-4, "continued": 5e-5}


class PretrainOptions(RunOptions, ModelOptions, RunningTextOptions):
    """Options of pre-training for any objective; a recipe's Config adds those of its own."""

    model: str | None = option_like(  # type: ignore[assignment]
        ModelOptions,
        "model",
        None,
        "Folder or hub name of the model to go on with; without it a new one is made.",
        shown_default="from scratch",
    )
    model_revision: str | None = option_like(ModelOptions, "model_revision", only_with="model")
    allow_pickle: bool = option_like(ModelOptions, "allow_pickle", only_with="model")
    learning_rate: float = option_like(
        RunOptions,
        "learning_rate",
        LEARNING_RATE["new"],
        "Peak learning rate.",
        shown_default="5e-4 from scratch (ELECTRA paper), 5e-5 with --model",
    )
    weight_decay: float = option_like(
        RunOptions, "weight_decay", 0.01, "AdamW weight decay (BERT paper); not on biases, norms."
    )
    max_tokens: int | None = option(None, "Stop after N tokens, whatever --epochs says.", panel="Training", ge=1)
    max_minutes: float | None = option_like(
        RunOptions, "max_minutes", help="Stop after N minutes of training; the learning rate is at its end by then."
    )
    eval_steps: Interval = option_like(RunOptions, "eval_steps", shown_default=f"{EVALUATIONS} times per run")
    best_metric: Literal["loss", "accuracy"] = option(
        "loss", "Validation metric that picks the best checkpoint.", panel="Training"
    )


C = TypeVar("C", bound=PretrainOptions)


class Method(ABC, Generic[C]):
    """What a pre-training command learns, by which model and from which rows: all that differs between such commands.

    Args:
        config: with what depends on other options filled in.
    """

    command: ClassVar[str]
    auto_class: str  # of transformers, with the heads of the objective
    isolated_before: ClassVar[Sequence[str]] = ()  # model types whose documents every nlpkit has kept apart

    def __init__(self, config: C) -> None:
        self.config = config

    # --- the model ---

    @property
    @abstractmethod
    def new_name(self) -> str:
        """What a model from scratch is called."""

    @abstractmethod
    def new_config(self, tokenizer: Any) -> PreTrainedConfig:
        """The config of a model from scratch; the tokenizer learns how long its texts may be."""

    def new_model(self, config: PreTrainedConfig) -> Any:
        """A model from scratch, with random weights."""
        import transformers

        return getattr(transformers, self.auto_class).from_config(config)

    def require_architecture(self, config: PreTrainedConfig) -> None:
        """Stop at a model that lacks what the objective needs.

        Raises:
            UserError: naming what it lacks.
        """

    @abstractmethod
    def require_tokens(self, tokenizer: Any, name: str) -> None:
        """Stop at a tokenizer that lacks a special token which the objective needs.

        Args:
            name: of the tokenizer, for messages.

        Raises:
            UserError: naming the token.
        """

    # --- the rows ---

    @property
    @abstractmethod
    def packs(self) -> bool:
        """Whether a row may hold several documents."""

    @property
    @abstractmethod
    def grouped(self) -> bool:
        """Whether rows differ in length, so that batches of rows of like length save padding."""

    @property
    @abstractmethod
    def unit(self) -> str:
        """What a row is called, in the plural."""

    def corpus(self) -> Corpus:
        """The text of --data, as the objective reads it."""
        from nlpkit.data.corpus import Corpus

        return Corpus(self.config)

    @abstractmethod
    def rows(self, corpus: Corpus, tokenizer: Any, *, isolate: bool) -> tuple[Any, Any]:
        """Training rows and validation rows.

        Args:
            isolate: rows tell which document each token belongs to.

        Raises:
            UserError: there is too little text.
        """

    @abstractmethod
    def collator(self, config: PreTrainedConfig, tokenizer: Any, *, starts: bool) -> Callable[..., dict[str, Any]]:
        """What makes batches of rows.

        Args:
            config: of the model.
            starts: see `MaskingCollator`.
        """

    # --- the objective ---

    @abstractmethod
    def objective(self, model: Any, tokenizer: Any) -> Objective:
        """Loss, metrics, and what is saved."""

    @abstractmethod
    def described(self) -> str:
        """What is learned, for the plan."""

    @abstractmethod
    def predicted(self, tokens: int) -> int | None:
        """How many of so many tokens the vocabulary head predicts; None where the cost of a step is not estimated."""

    def optimizer(self, model: Any, arguments: Any, decayed: set[str]) -> Any:
        """What changes the weights in a step; None: what `arguments` say, AdamW unless asked otherwise.

        Args:
            model: that is trained.
            arguments: of the Trainer.
            decayed: names of the parameters with weight decay.
        """
        return None

    # --- what is shown while it trains ---

    @abstractmethod
    def samples(self, validation: Any, tokenizer: Any) -> Sequence[Any]:
        """What the model is tried out with at each evaluation.

        Raises:
            UserError: a text that the user gave for it cannot be used.
        """

    @abstractmethod
    def tried(self, objective: Any, tokenizer: Any, samples: Sequence[Any]) -> list[dict[str, Any]]:
        """What the model makes of the samples, for the record."""

    @abstractmethod
    def told(self, metrics: Mapping[str, float], tried: Sequence[dict[str, Any]]) -> list[str]:
        """An evaluation in lines for people; `metrics` have the prefix `eval_`."""

    # --- the record ---

    def baselines(self, trainer: Any, tokenizer: Any) -> Mapping[str, np.ndarray]:
        """What simpler models, learnt from the same text, make of the same validation rows: by the name of each, what
        the objective sums up of every row.

        Args:
            trainer: that has trained the model, a `PretrainingTrainer`.
        """
        return {}

    @abstractmethod
    def task_record(self) -> dict[str, Any] | None:
        """What `predict` and `evaluate` need of a model that answers by itself; None of others."""


def require_start(config: PretrainOptions) -> None:
    """Stop where there is neither a model to go on with nor a tokenizer for a new one.

    Raises:
        UserError: saying how to get one.
    """
    if not config.model and not config.tokenizer:
        raise UserError(
            "a model from scratch needs a --tokenizer, and --model goes on with a trained one",
            "Make a tokenizer with `nlpkit train-tokenizer`, or name one.",
        )


def settled(config: C) -> C:
    """The config with what depends on other options filled in, whatever the objective.

    Raises:
        UserError: a combination of options means nothing.
    """
    if config.streaming and not (config.max_steps or config.max_tokens or config.max_minutes):
        raise UserError(
            "--streaming: how long the corpus is cannot be known beforehand",
            "Say when to stop: --max-steps, --max-tokens or --max-minutes.",
        )
    if [*config.data, *config.validation_file].count("-") > (0 if config.streaming else 1):
        where = "--streaming: " if config.streaming else ""
        raise UserError(f"{where}standard input can be read only once", "Write it to a file, and pass that.")
    if config.streaming and config.trainer.get("dataloader_num_workers"):
        raise UserError("--trainer dataloader_num_workers: a stream has one reader", "Leave it out with --streaming.")
    for name in (
        ("eval_steps", "logging_steps") if config.streaming and not (config.max_steps or config.max_tokens) else ()
    ):
        if (getattr(config, name) or 1) < 1:
            raise UserError(
                f"{flag_of(name)} {getattr(config, name)}: a stream has no number of steps to take a share of"
            )
    if config.max_minutes and config.schedule not in TIMED:
        raise UserError(
            f"--schedule {config.schedule} goes by steps, whose number --max-minutes leaves open",
            f"Use one of: {', '.join(TIMED)}.",
        )
    if config.trainer.get("label_smoothing_factor"):
        raise UserError("--trainer label_smoothing_factor: the losses of pre-training have no label smoothing")
    if "learning_rate" not in config.given:
        config = config.changed(learning_rate=LEARNING_RATE["continued" if config.model else "new"])
    return config


def rows_per_step(config: PretrainOptions) -> int:
    """Rows of an optimizer step, in all processes."""
    return config.batch_size * config.gradient_accumulation_steps * process.world_size()
