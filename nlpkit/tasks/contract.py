"""The task contract: what an operation may ask of any task.

A task knows only itself. An operation (fine-tune, evaluate, predict, ...) never names one: it asks.

Three shapes of the same data pass through a task:

- rows: what the user's file holds, any columns;
- examples: a `datasets.Dataset` with the task's own columns (`text`, `label`, ...), checked and parsed, plus
  `where` (file and line), so that every message can say which row it is about;
- features: a `datasets.Dataset` of token ids, one row per model input; `example` is the index of the example that a
  feature comes from, as one example may need several (windows), and `length` its number of tokens; `lost`, where a
  task cuts texts, the number of tokens beyond them that no feature holds.

What comes back from the model passes through more steps: `run` is the forward pass, `reduce` makes what it gives small
on the device, `collect` takes one entry per feature of it on the CPU, `merge` makes them one per example, `score`
judges these and `decode` words them. `answer` and `judge` are `run` and `reduce` together: a task overrides them that
answers in another way than by one forward pass.
"""

from __future__ import annotations

import dataclasses
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

from nlpkit.data.collating import Collator, PaddingCollator
from nlpkit.data.inputs import Content
from nlpkit.options import Config
from nlpkit.reporting import Writing
from nlpkit.tasks import arrays
from nlpkit.tasks.claims import Claim
from nlpkit.tasks.forward import REQUESTS, Forward, Part
from nlpkit.tasks.outputs import Outputs
from nlpkit.tasks.reading import Reader
from nlpkit.tasks.recorded import TaskRecord
from nlpkit.tasks.view import View

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import torch
    from datasets import Dataset
    from transformers import PreTrainedConfig

    from nlpkit.models.bare_config import BareConfig


# feature columns that stay behind when features go to `collate`; `offsets` tells where in the text tokens stand, `lost`
# how many were cut off, `longest` how many the longest of several texts has; `texts` how many texts a feature holds
# where an example has several, and `cut` how many of these lost some; `asked` which of several labels one is about;
# `side` which of two texts it is a part of, 0 or 1; `unwritten` tokens that are lost of what is to be written
BOOKKEEPING = ("length", "example", "offsets", "lost", "longest", "texts", "cut", "asked", "side", "unwritten")
NAN = "nan"  # among what a batch is reduced to: whether the model gave what is no number


@dataclass(frozen=True, eq=False, kw_only=True)
class Task(ABC):
    """One kind of problem. Subclasses are listed in `nlpkit.tasks.registry`.

    A task is its settings: the fields of a dataclass, which never change. What settles one of them returns a new task,
    see `with_`, so that several requests can use one task at the same time.

    Args:
        max_length: tokens per feature. As `from_data` leaves it, what was asked for; None lets
            `features.choose_lengths` choose: `default_max_length`, or as many as the model takes.
        training_length: tokens per feature of the rows that are trained on, where fewer were chosen for these; they
            limit nothing else: a text that is longer than those of training is read as far as the model can.
        model_length: tokens that the model takes, where that is known and limited.
    """

    max_length: int | None = None
    training_length: int | None = None
    model_length: int | None = None

    name: ClassVar[str]
    # What a task with this role can do, as the end of "a task ...", and the commands that need no more of it than that.
    # Commands that train for one task name it, and need no table.
    ability: ClassVar[str] = "known here"
    operations: ClassVar[Sequence[str]] = ("predict", "benchmark")

    # the transformers class that opens its models
    auto_class: ClassVar[str]
    # the ends of the names of the transformers architectures that have a head for the task
    architectures: ClassVar[tuple[str, ...]] = ()
    # what the hub calls the task, None where it has no name for it
    pipeline_tag: ClassVar[str | None] = None
    # the library that the hub is told to open its models with, and tags that its models have there
    library: ClassVar[str] = "transformers"
    hub_tags: ClassVar[Sequence[str]] = ()
    # what a row of its data has a label for, by which layouts of annotation tools are recognised
    content: ClassVar[Content] = "texts"

    # To those who bring data of another task is said which command trains for theirs, and what a labelled row holds.
    trained_by: ClassVar[str] = ""
    reads: ClassVar[str] = ""

    # The options that come with the task. A command keeps what was given of them until it knows the task of the data or
    # the model at hand, and refuses what belongs to another task then: see `nlpkit.tasks.deferred`.
    data_options: ClassVar[type[Config]] = Config  # check-data: what `from_data` reads
    predict_options: ClassVar[type[Config]] = Config  # predict: columns, what is typed (panel "Input"), answers
    evaluate_options: ClassVar[type[Config]] = Config  # evaluate: columns, figures
    explain_options: ClassVar[type[Config] | None] = None  # explain: None for those of predict
    column_options: ClassVar[type[Config]] = Config  # distill, prune, quantize: where the labelled rows hold what

    # what `record` gives and `from_model` is given
    record_type: ClassVar[type[TaskRecord]]
    # The class of its view, by the name that it is imported by: it stands above the task.
    view_class: ClassVar[str] = "nlpkit.tasks.view:View"
    # The class of its reader, by the same kind of name.
    reading_class: ClassVar[str]

    # File name suffix -> format, where the task reads files otherwise than `FORMATS` says: labelled ones, and
    # those that `predict` is given.
    file_formats: ClassVar[Mapping[str, str]] = {}
    input_formats: ClassVar[Mapping[str, str]] = {}
    # whether its data may be documents, queries and judgements, see `nlpkit.data.collections`
    reads_collections: ClassVar[bool] = False
    # whether what a model gives for a feature is small and hangs on its tokens alone, so that it is kept in the cache
    remembered: ClassVar[bool] = False
    # whether its models write texts, token by token behind what they have read: exported ones keep a cache of it
    writes: ClassVar[bool] = False
    # whether its answers are vectors of texts
    embeds: ClassVar[bool] = False
    # Whether its exported models need torch and transformers too: the loop that writes token by token is Transformers'.
    # Others answer by ONNX Runtime, the tokenizers library and numpy alone, see `nlpkit.inference.light`.
    needs_torch: ClassVar[bool] = False
    # beginnings of the names of weights that no answer depends on, so that a model may lack them
    unread_weights: ClassVar[tuple[str, ...]] = ()
    # whether a tokenizer that does not tell where its tokens stand (`is_fast` is false) will do
    slow_tokenizers: ClassVar[bool] = False

    @classmethod
    def view_type(cls) -> type[View[Any]]:
        """The class of `view`."""
        return pkgutil.resolve_name(cls.view_class)

    @property
    def view(self) -> View[Any]:
        """What people see of the task: tables, mistakes, pictures, files of answers."""
        return self.view_type()(self)

    def with_(self, **settings: Any) -> Self:
        """This task with other settings; this one stays as it is.

        Raises:
            TypeError: there is no such setting.
        """
        return dataclasses.replace(self, **settings)

    # --- made from data, from a model folder ---

    @classmethod
    def claims(cls, config: PreTrainedConfig, record: Mapping[str, Any] | None, place: str | Path) -> Claim | None:
        """How surely the task takes a model; None where it cannot.

        Args:
            config: the model's transformers config.
            record: the `task` part of its nlpkit.json, None where it has none.
            place: its folder, or its name on the hub.
        """
        if record and record.get("name") == cls.name:
            return Claim.RECORD
        if any(architecture.endswith(cls.architectures) for architecture in config.architectures or []):
            return Claim.ARCHITECTURE
        return None

    @classmethod
    def lacking(cls, config: PreTrainedConfig) -> str:
        """Why `claims` does not take a model, for messages; "" where its architecture says it."""
        return ""

    @classmethod
    @abstractmethod
    def from_model(cls, config: PreTrainedConfig, record: Mapping[str, Any] | None) -> Task:
        """Restore the task of a model.

        Args:
            config: the model's transformers config.
            record: the `task` part of its nlpkit.json, as `record_type` describes it; None for a plain Transformers
                folder.
        """

    @abstractmethod
    def record(self) -> dict[str, Any]:
        """What nlpkit.json keeps of the task: JSON values from which `from_model` restores it."""

    @classmethod
    def suits(cls, row: Mapping[str, Any]) -> bool:
        """Whether a labelled row looks as if it was made for this task, by its columns and the shapes of its cells."""
        return False

    def attached(self, tokenizer: Any) -> Self:
        """The task with the tokenizer of the model, where reading rows or wording answers needs it.

        Raises:
            UserError: the tokenizer lacks what the task needs.
        """
        return self

    def opened(self, model: Any) -> Self:
        """The task with what the opened model tells of it besides its config."""
        return self

    def configured(self, options: Config) -> Self:
        """The task as a command or a request asks for it: a config with the task's own options for that."""
        return self

    def require_fit(self, config: PreTrainedConfig | BareConfig) -> None:  # noqa: B027 (most tasks need nothing)
        """Stop where the task asks for what a model has not: more dimensions of a vector.

        Args:
            config: of the model.

        Raises:
            UserError: saying what it has.
        """

    def reader(
        self, columns: Sequence[str] | None = None, options: Config | None = None, *, labelled: bool = True
    ) -> Reader[Any]:
        """What reads rows: the columns that are named, else those of training, else a guess, which is told.

        Args:
            columns: of the user's rows; None: they are those that the task was made from.
            options: a config with the task's options for the command at hand, as `evaluate_options`.
            labelled: whether the label is wanted too.

        Raises:
            UserError: a named column does not exist, or none fits.
        """
        reader: Reader[Any] = pkgutil.resolve_name(self.reading_class).of(self, columns, options, labelled=labelled)
        return reader

    def describe(self) -> str:
        """The task in one line, for the plan."""
        return self.name

    # --- rows -> examples -> features ---

    @abstractmethod
    @abstractmethod
    def features(self, tokenizer: Any, examples: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
        """Turn a batch of examples into features; `example` counts from 0 within the batch, in order."""

    @property
    def feature_settings(self) -> str:
        """The settings that features hang on besides those of `record`: part of the key under which they are kept."""
        return ""

    # `max_length` where none is asked for; None: as many tokens as the model takes.
    default_max_length: ClassVar[int | None] = None

    @property
    def stated_length(self) -> int | None:
        """Tokens an input that the model's folder tells other programs of; None: what its tokenizer says, as of an
        encoder that is there to be trained further."""
        return self.max_length

    def cut_in_words(self, texts: int, rows: int, longest: int) -> str:
        """What was left out of texts; "" where all beyond `max_length` is.

        Args:
            texts: that were not read whole.
            rows: of how many.
            longest: tokens of the longest of them.
        """
        return ""

    @property
    def uncut(self) -> str:
        """What a user can do about texts that are cut, besides --max-length."""
        return ""

    def length_report(self, lengths: np.ndarray) -> str:
        """What `max_length` does to these lengths, for the plan."""
        if self.max_length is None:
            return "no limit"
        over = int((lengths > self.max_length).sum())
        return f"{self.max_length} tokens; {over:,} of {len(lengths):,} rows ({over / len(lengths):.1%}) are longer"

    # --- the model ---

    @abstractmethod
    def model_arguments(self) -> dict[str, Any]:
        """Arguments for `from_pretrained` of the auto class: number of labels, their names, ..."""

    def tell_clients(self, config: PreTrainedConfig) -> None:  # noqa: B027 (most tasks need nothing)
        """Write into a config that is saved what other programs than Transformers read there."""

    def extra_files(self, folder: Path, config: PreTrainedConfig) -> None:  # noqa: B027 (most tasks need nothing)
        """Write beside a model, its config and its tokenizer the files that other programs than Transformers read.

        Args:
            folder: in which these are.
            config: of the model.
        """

    def collate(self, tokenizer: Any, *, multiple: int = 1) -> Collator:
        """Pad a list of features to their longest, on the tokenizer's padding side.

        Args:
            tokenizer: of the model.
            multiple: see `PaddingCollator`.
        """
        return PaddingCollator(tokenizer, multiple=multiple, limit=self.model_length)

    # entries of a batch that the model is not given
    withheld: ClassVar[frozenset[str]] = frozenset({"labels"})

    def model_inputs(self, batch: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """The entries of a batch that the model is given."""
        return {name: tensor for name, tensor in batch.items() if name not in self.withheld}

    def run(self, model: Any, batch: Mapping[str, torch.Tensor], want: Collection[Part] = ()) -> Forward:
        """One forward pass: the only place that calls a model of the task.

        Args:
            model: of torch or ONNX Runtime, or what wraps one for training.
            batch: as `collate` makes it, on the model's device.
            want: parts of the model that are wanted besides; an exported model gives none.
        """
        requests = {REQUESTS[part]: True for part in want}
        with self.restricted_head(model, batch):
            outputs = model(**self.model_inputs(batch), **requests)
        return Forward(
            batch,
            self.logits(outputs, batch),
            hidden=outputs["hidden_states"] if "hidden" in want else None,
            attentions=outputs["attentions"] if "attentions" in want else None,
        )

    def graph(self, forward: Callable[..., Any], batch: Mapping[str, torch.Tensor]) -> Mapping[str, Any]:
        """What an exported graph computes of its inputs: by default what the model gives. It is traced.

        A task that computes its answer from what a model gives has that in the graph too, so that whoever runs it
        needs nothing else; `logits` reads it there.

        Args:
            forward: that of the model.
            batch: the inputs of the graph, by name.

        Raises:
            UserError: a graph cannot compute it.
        """
        outputs: Mapping[str, Any] = forward(**batch)
        return outputs

    def restricted_head(self, model: Any, batch: Mapping[str, torch.Tensor]) -> AbstractContextManager[None]:
        """Let the model compute for this batch only those logits that are read, while the block runs."""
        return nullcontext()

    def logits(self, outputs: Any, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """What the task reads of a model's output, see `Forward.logits`."""
        return outputs["logits"]

    def reduce(self, forward: Forward) -> dict[str, torch.Tensor]:
        """What goes to the CPU of a forward pass: here all logits, as float32. What is large is made small here.

        It is made where the logits are. On a GPU nothing may wait for it: no number is read, no shape depends on one (a
        boolean index).
        """
        return {"logits": arrays.float32(forward.logits)}

    def answer(self, model: Any, batch: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """What the answers to a batch are made of, small, on the model's device: here one forward pass, reduced.

        A task that generates its answers overrides it. Where there is an entry `NAN`, it tells whether the model gave
        what is no number.
        """
        return self._checked(self.run(model, batch))

    def _checked(self, forward: Forward) -> dict[str, torch.Tensor]:
        return {**self.reduce(forward), NAN: arrays.has_nan(forward.logits)}

    def collect(self, reduced: Mapping[str, torch.Tensor]) -> Outputs:
        """What `merge` needs of a batch, one entry per row; it stays in memory for all rows of a split.

        Args:
            reduced: as `answer` or `judge` gave it, on the CPU.
        """
        return arrays.on_cpu(reduced["logits"])

    # --- learning from a teacher ---

    # --- judging and answering ---

    def numbers(self, examples: Mapping[str, Sequence[Any]] | Dataset) -> int:
        """How many numbers the merged outputs of examples hold together, where that grows with the labels; else 0."""
        return 0

    @property
    def answer_size(self) -> int:
        """Scores in an answer; of larger ones fewer are in memory at a time."""
        return 1

    @abstractmethod
    def merge(self, outputs: Outputs, features: Mapping[str, Sequence[Any]]) -> Outputs:
        """Combine the outputs of features into one output per example, in example order.

        Args:
            outputs: one entry per feature.
            features: their columns; `example` holds for each the index of its example, in ascending order.
        """

    @abstractmethod
    def decode(self, outputs: Outputs, inputs: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
        """Answers that a person reads: for each merged output a dict with `prediction`, `score`, and more."""

    @property
    def listed(self) -> str:
        """What an answer lists, of which those that are not sure enough are left out; "" where an answer is one."""
        return ""

    def watched(self, inputs: Mapping[str, Any], writing: Writing) -> Self | None:
        """The task that shows the answer to a single input while it is written; None where an answer comes at once.

        Args:
            inputs: what is read of a row, as the reader gives it.
            writing: shows it.
        """
        return None

    @property
    def written_at_most(self) -> int:
        """Tokens that a model computes for one answer at most besides those that it reads: of all texts and beams."""
        return 0

    @property
    def written_at_once(self) -> int:
        """Texts that are written side by side for one answer: of all sequences and beams."""
        return 0

    def unfinished(self, answer: Mapping[str, Any]) -> Sequence[str]:
        """Of each text that was written for an answer, what stopped it before its end; "" where nothing did."""
        return ()

    @property
    def scored_labels(self) -> Sequence[str]:
        """The labels of which an answer tells how sure each is, where that is asked for; none: it tells of none."""
        return ()

    @property
    def score_options(self) -> Mapping[str, Any]:
        """The options of an answer for `label_scores`."""
        return {}

    def label_scores(self, answer: Mapping[str, Any]) -> dict[str, float]:
        """The score of each of `scored_labels`, of an answer that was asked for with `score_options`."""
        return dict(answer["scores"])

    def no_answer(self) -> dict[str, Any]:
        """What stands in the place of an answer where there is none: the names that `decode` gives, without values."""
        return {"prediction": None, "score": None}
