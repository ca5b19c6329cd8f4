"""The task contract: what an operation may ask of any task.

A task knows only itself. An operation (fine-tune, evaluate, predict, ...) never names one: it asks.

Three shapes of the same data pass through a task:

- rows: what the user's file holds, any columns;
- examples: a `datasets.Dataset` with the task's own columns (`text`, `label`, ...), checked and parsed, plus
  `where` (file and line), so that every message can say which row it is about;
- features: a `datasets.Dataset` of token ids, one row per model input; `example` is the index of the example that a
  feature comes from, as one example may need several (windows), and `length` its number of tokens.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

if TYPE_CHECKING:
    import numpy as np
    import torch
    from datasets import Dataset

    from nlpkit.data.sources import LoadedData
    from nlpkit.options import TextColumnOptions
    from nlpkit.runs.plots import Plot


@dataclass
class Finding:
    """Something noticed about a data set.

    Attributes:
        level: `error` means that training would be meaningless.
        check: short name, stable, for machines (`empty-text`, `leakage`, ...).
        message: one sentence with counts.
        examples: where, with the offending value; a few.
    """

    level: Literal["error", "warning", "note"]
    check: str
    message: str
    count: int = 0
    examples: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        shown = "".join(f"\n    {example}" for example in self.examples)
        return f"{self.message}{shown}"


class Task(ABC):
    """One kind of problem. Subclasses are listed in `nlpkit.tasks.registry`."""

    name: ClassVar[str]
    # the transformers class that opens its models
    auto_class: ClassVar[str]

    # --- made from data, from a model folder ---

    @classmethod
    @abstractmethod
    def from_data(cls, splits: Mapping[str, Dataset], options: Any) -> Task:
        """Find columns and labels in the rows of the splits; guesses are told to the reporter.

        Raises:
            UserError: a named column does not exist, no column fits, or the labels make no sense.
        """

    @classmethod
    @abstractmethod
    def from_model(cls, config: Any, record: Mapping[str, Any] | None) -> Task:
        """Restore the task of a model.

        Args:
            config: the model's transformers config.
            record: the `task` part of its nlpkit.json, None for a plain Transformers folder.
        """

    @abstractmethod
    def record(self) -> dict[str, Any]:
        """What nlpkit.json keeps of the task: JSON values from which `from_model` restores it."""

    @property
    @abstractmethod
    def input_columns(self) -> list[str]:
        """Columns that a row must have for prediction, the main text first."""

    @abstractmethod
    def typed_columns(self, count: int) -> list[str]:
        """The input columns that `count` typed texts fill.

        Raises:
            UserError: the model takes another number of texts.
        """

    @abstractmethod
    def bind(self, columns: Sequence[str], options: TextColumnOptions, *, labelled: bool) -> None:
        """Settle which of these columns are read: those named, else those of training, else a guess.

        `labelled` asks for the label too; `options` is a `ColumnOptions` then.

        Raises:
            UserError: a named column does not exist, or none fits.
        """

    @property
    def balance_column(self) -> str | None:
        """Column of the rows by which a held-out split is stratified and a sample balanced."""
        return None

    # --- rows -> examples -> features ---

    @abstractmethod
    def labelled(self, columns: Sequence[str]) -> bool:
        """Whether rows with these columns can be judged: public test files often come without labels."""

    @abstractmethod
    def examples(self, rows: Dataset, split: str, origin: LoadedData, findings: list[Finding] | None = None) -> Dataset:
        """Parse labelled rows into examples; rows that cannot be used are left out and put into `findings`."""

    @abstractmethod
    def inputs(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The unlabelled part of an example from one row of a user's file, for prediction.

        Raises:
            ValueError: what is wrong with this row, in a few words.
        """

    @abstractmethod
    def check(self, examples: Mapping[str, Dataset]) -> list[Finding]:
        """Look for what would spoil training or its figures."""

    @abstractmethod
    def features(self, tokenizer: Any, examples: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
        """Turn a batch of examples into features; `example` counts from 0 within the batch."""

    @abstractmethod
    def token_lengths(self, tokenizer: Any, examples: Mapping[str, Sequence[Any]]) -> list[int]:
        """Tokens of each example before any truncation, special tokens included."""

    max_length: int | None = None  # tokens a feature; set once from data or flag

    def length_report(self, lengths: np.ndarray) -> str:
        """What the chosen `max_length` does to these lengths, for the plan."""
        if self.max_length is None:
            return "no limit"
        over = int((lengths > self.max_length).sum())
        return f"{self.max_length} tokens; {over:,} of {len(lengths):,} rows ({over / len(lengths):.1%}) are longer"

    # --- the model ---

    @abstractmethod
    def model_arguments(self) -> dict[str, Any]:
        """Arguments for `from_pretrained` of the auto class: number of labels, their names, ..."""

    def prepare_loss(self, options: Any, train: Dataset) -> None:  # noqa: B027 (most tasks need nothing)
        """Settle what the loss takes from the options and the training examples (class weights, ...)."""

    @abstractmethod
    def loss(self, logits: torch.Tensor, labels: torch.Tensor, items: torch.Tensor | int | None) -> torch.Tensor:
        """The training loss.

        Args:
            logits: the model's output for a batch.
            labels: as `features` gives them.
            items: label entries in all batches of the optimizer step, over all processes; None in evaluation, where
                the mean over this batch is meant.
        """

    def collate(self, tokenizer: Any) -> Callable[[list[dict[str, Any]]], dict[str, torch.Tensor]]:
        """Pad a list of features to their longest, on the tokenizer's padding side."""
        from nlpkit.training.batching import PaddingCollator

        return PaddingCollator(tokenizer)

    # --- judging and answering ---

    main_metric: str
    lower_is_better: ClassVar[frozenset[str]] = frozenset({"loss", "mse", "rmse", "mae"})
    table_metrics: Sequence[str] = ()  # columns of the result table, in order

    @abstractmethod
    def pool(self, outputs: np.ndarray, example: np.ndarray) -> np.ndarray:
        """Combine the outputs of features into one output an example, in example order."""

    @abstractmethod
    def score(self, outputs: np.ndarray, examples: Dataset) -> dict[str, float]:
        """Metrics of pooled outputs against the examples' labels."""

    def details(self, outputs: np.ndarray, examples: Dataset) -> dict[str, Any]:
        """Figures beyond one number a metric (a per-class report), as JSON values."""
        return {}

    @abstractmethod
    def decode(self, outputs: np.ndarray, inputs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Answers that a person reads: for each pooled output a dict with `prediction`, `score`, and more."""

    def mistakes(self, outputs: np.ndarray, examples: Dataset) -> list[dict[str, Any]]:
        """Wrong answers, the most confident first."""
        return []

    def plots(self, outputs: Mapping[str, np.ndarray], examples: Mapping[str, Dataset]) -> dict[str, Plot]:
        """Pictures for the run folder, by file name."""
        return {}

    def baseline(self, examples: Mapping[str, Dataset], seed: int) -> tuple[str, dict[str, np.ndarray]] | None:
        """A classical model trained on the same rows: its name and its outputs per split, None if there is none."""
        return None

    def oversample(self, examples: Dataset, seed: int) -> np.ndarray | None:
        """Example indices in which rare labels are as frequent as the most frequent, None if it has no labels."""
        return None

    def higher_is_better(self, metric: str) -> bool:
        """Whether a larger value of `metric` is a better one."""
        return metric not in self.lower_is_better
