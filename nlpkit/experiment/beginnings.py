"""What a model is fine-tuned from: pre-trained weights, or none."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nlpkit.data import pieces
from nlpkit.errors import UserError
from nlpkit.experiment import lifecycle
from nlpkit.experiment.repeats import RepeatedOptions
from nlpkit.models import fitting, opening
from nlpkit.options import ModelOptions, flag_of
from nlpkit.runs.folder import read_record
from nlpkit.tasks import registry
from nlpkit.tasks.features import BATCH
from nlpkit.tasks.heads import Head
from nlpkit.tokenization import extend

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedConfig

    from nlpkit.pretraining.encoder_decoders import EncoderDecoderOptions
    from nlpkit.tasks.contract import Task
    from nlpkit.tasks.roles import Trainable
    from nlpkit.tokenization.joint import JointTokenizerOptions


class BeginningOptions(RepeatedOptions, ModelOptions):
    """Which model a run begins with, and what is trained of it."""


class Beginning(ABC):
    """A model before it is fine-tuned. What is wrong with its config and its tokenizer is said before data are read.

    Attributes:
        name: for people.
        given: what the user called it; None of one without weights.
        revision: of a hub model.
        place: the folder or hub name that it is opened from; None where there is none.
        config: of the model; what hangs on the tokenizer is settled with that.
        tokenizer: None until `settle`, where it is learned from the rows.
        record: of the run that made it; None where there is none.
        trained: the task that it was trained for; None where there is none.
        learned: what of it was learned from the rows in `settle`; "" for nothing.
    """

    name: str
    given: str | None
    revision: str | None = None
    place: str | None = None
    config: PreTrainedConfig
    tokenizer: Any
    record: dict[str, Any] | None = None
    trained: Task | None = None
    learned: str = ""

    def settle(self, task: Trainable, examples: Mapping[str, Dataset]) -> None:  # noqa: B027 (weights need nothing)
        """Learn from the examples what is learned from them, before they become tokens."""

    def parent(self, config: PreTrainedConfig) -> dict[str, Any]:
        """How the record names it.

        Args:
            config: of the model that was opened.
        """
        return {**lifecycle.parent(self.given or self.name, self.revision, config), "given": self.given}

    @abstractmethod
    def model(self, options: BeginningOptions, task: Trainable, head: Head) -> tuple[Any, list[str]]:
        """The model with its head, and the names of its new weights.

        Args:
            options: of this run, one of several folds maybe.
        """


class PreTrained(Beginning):
    """A model folder or hub model.

    Args:
        options: which one.
        task_class: of the task.
    """

    place: str

    def __init__(self, options: BeginningOptions, task_class: type[Trainable]) -> None:
        self.given, self.revision = options.model, options.model_revision
        self.name = opening.display_name(options.model)
        self.place = opening.resolve(options.model)
        trust, slow = options.trust_remote_code, task_class.slow_tokenizers
        self.config = opening.load_config(self.place, revision=self.revision, trust_remote_code=trust)
        if options.tokenizer:
            named = opening.resolve(options.tokenizer, "--tokenizer")
            self.tokenizer = opening.load_tokenizer(named, trust_remote_code=trust, slow=slow)
        else:
            self.tokenizer = opening.load_tokenizer(
                self.place, revision=self.revision, trust_remote_code=trust, slow=slow
            )
        self.record = read_record(self.place)
        self.trained = registry.known_task(self.config, (self.record or {}).get("task"), self.place)

    def model(self, options: BeginningOptions, task: Trainable, head: Head) -> tuple[Any, list[str]]:
        """See `Beginning.model`; frozen where asked."""
        from transformers import set_seed

        from nlpkit.training import parameters

        # seeded here, so that a new head is the same in a resumed and in a repeated run
        set_seed(options.seed)
        model, new = opening.load_model(
            self.place,
            task.auto_class,
            revision=self.revision,
            trust_remote_code=options.trust_remote_code,
            allow_pickle=options.allow_pickle,
            **task.model_arguments(),
            **parameters.dropout_overrides(self.config, options.dropout),
        )
        if not head.kept:
            new = sorted([*new, *parameters.renew_head(model, new)])
        if options.tokenizer:
            trust = options.trust_remote_code
            extend.grow(model, self.tokenizer, self.place, revision=self.revision, trust_remote_code=trust)
        fitting.fit(model, self.tokenizer)
        parameters.freeze(model, options.freeze)
        return model, new


class Paired(Beginning):
    """An encoder and a decoder that are there, joined; the attention of the one to the other is new.

    Args:
        options: of the run.
        shape: names both.
    """

    def __init__(self, options: BeginningOptions, shape: EncoderDecoderOptions) -> None:
        from nlpkit.pretraining import encoder_decoders

        assert shape.encoder is not None and shape.decoder is not None
        for name in ("tokenizer", "model_revision"):
            if value := getattr(options, name):
                raise UserError(
                    f"{flag_of(name)} {value} is for one model, not for --encoder and --decoder", "Leave it out."
                )
        self.given, self.both = None, (shape.encoder, shape.decoder)
        self.name = "-to-".join(map(opening.display_name, self.both))
        self.pair = encoder_decoders.pair_of(*self.both, trust_remote_code=options.trust_remote_code)
        self.config, self.tokenizer = self.pair.config, self.pair.tokenizer

    def parent(self, config: PreTrainedConfig) -> dict[str, Any]:
        return {**super().parent(config), "encoder": self.both[0], "decoder": self.both[1]}

    def model(self, options: BeginningOptions, task: Trainable, head: Head) -> tuple[Any, list[str]]:
        from transformers import set_seed

        from nlpkit.pretraining.encoder_decoders import joined
        from nlpkit.training import parameters

        set_seed(options.seed)
        for config in (self.config.encoder, self.config.decoder):
            for name, value in parameters.dropout_overrides(config, options.dropout).items():
                setattr(config, name, value)
        model, new = joined(self.pair, allow_pickle=options.allow_pickle, trust_remote_code=options.trust_remote_code)
        fitting.fit(model, self.tokenizer)
        parameters.freeze(model, options.freeze)
        return model, new


LEAST_POSITIONS, MOST_POSITIONS = 512, 2_048  # that a new model has, for the longest text of train, unless asked for


class FromScratch(Beginning):
    """An encoder-decoder without weights, with the tokenizer that is named, or one that is learned from the rows.

    Args:
        options: of the run.
        shape: architecture and dimensions.
        pieces: of the tokenizer.
    """

    def __init__(self, options: BeginningOptions, shape: EncoderDecoderOptions, pieces: JointTokenizerOptions) -> None:
        from transformers import CONFIG_MAPPING

        if options.freeze != "none":
            raise UserError(
                f"--freeze {options.freeze} without --model: layers that were not trained would stay so",
                "Leave it out.",
            )
        self.shape, self.pieces = shape, pieces
        self.name, self.given = _name(shape), None
        self.named = options.tokenizer
        self.tokenizer = None
        if options.tokenizer:
            place = opening.resolve(options.tokenizer, "--tokenizer")
            self.tokenizer = opening.load_tokenizer(place, trust_remote_code=options.trust_remote_code)
        self.config = CONFIG_MAPPING[shape.arch]()  # of the tokenizer's size once that is known

    def settle(self, task: Trainable, examples: Mapping[str, Dataset]) -> None:
        from nlpkit.pretraining.encoder_decoders import new_config
        from nlpkit.tokenization import joint

        pairs = task.texts_learned(examples["train"])
        if self.tokenizer is None:
            self.tokenizer = joint.learned(pairs, self.pieces)
            self.learned = "the tokenizer is learned"
        else:
            self.tokenizer = joint.made_ready(self.tokenizer, str(self.named), [target for _, target in pairs])
        self.config = new_config(self.shape, self.tokenizer, self._positions(pairs, task.longest_asked or 0))

    def _positions(self, pairs: Sequence[tuple[str, str]], asked: int) -> int:
        """Tokens that the model takes: those of the longest text of train, within bounds; or those asked for."""
        if self.shape.max_positions:
            return asked
        texts, longest = [text for pair in pairs for text in pair], LEAST_POSITIONS
        for start, end in pieces.chunks({"texts": texts}, BATCH):
            longest = max(longest, *map(len, self.tokenizer(texts[start:end], verbose=False)["input_ids"]))
        return max(min(longest, MOST_POSITIONS), asked)

    def model(self, options: BeginningOptions, task: Trainable, head: Head) -> tuple[Any, list[str]]:
        from transformers import set_seed

        from nlpkit.pretraining.encoder_decoders import new_model
        from nlpkit.training import parameters

        set_seed(options.seed)
        for name, value in parameters.dropout_overrides(self.config, options.dropout).items():
            setattr(self.config, name, value)
        return new_model(self.config), []


def _name(shape: EncoderDecoderOptions) -> str:
    """Architecture and size; dimensions of its own are not called after the grid's."""
    own = ("encoder_layers", "decoder_layers", "hidden_size", "heads", "intermediate_size")
    return shape.arch if any(getattr(shape, name) for name in own) else f"{shape.arch}-{shape.size}"
