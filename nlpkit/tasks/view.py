"""What people see of a task: tables and examples of its data, its answers, mistakes and pictures, files of answers."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, Protocol, TypeVar

from nlpkit.reporting import Table, typed
from nlpkit.tasks.outputs import Outputs
from nlpkit.tasks.reading import Reader

if TYPE_CHECKING:
    from datasets import Dataset

    from nlpkit.data.writers import Format
    from nlpkit.metrics.calibration import Decisions
    from nlpkit.runs.plots import Plot


class Featured(Protocol):
    """What every view reads of its task."""

    def features(self, tokenizer: Any, examples: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
        """See `Task.features`."""

    def decode(self, outputs: Outputs, inputs: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
        """See `Task.decode`."""


TaskShown = TypeVar("TaskShown", bound=Featured)

Shown = Literal["labels", "spans", "passage", "fills", "vectors", "texts", "results"]
"""How a page draws answers: scores of labels as bars, spans coloured in the text, an answer marked in its passage,
words in the places of masks, how like the vectors of several texts are, texts as they are written, what a search
found."""


class View(Generic[TaskShown]):
    """See the module's docstring; a task whose data and answers these defaults show well needs no class of its own.

    Args:
        task: whose data and answers are shown.
    """

    def __init__(self, task: TaskShown) -> None:
        self.task = task

    def tables(self, examples: Mapping[str, Dataset]) -> list[Table]:
        """What is in the examples of each split, for `check-data`."""
        return [Table("rows", ["split", "rows"], [[split, len(rows)] for split, rows in examples.items()])]

    def shown(self, tokenizer: Any, example: Mapping[str, Any]) -> list[str]:
        """Lines that show one example as the model sees it."""
        lines = [f"{name}: {value}" for name, value in example.items() if name != "where"]
        made = self.task.features(tokenizer, {name: [value] for name, value in example.items()})
        return lines + [f"tokens: {' '.join(tokenizer.convert_ids_to_tokens(ids))}" for ids in made["input_ids"]]

    def detail_tables(self, split: str, details: Mapping[str, Any]) -> list[Table]:
        """Tables that `evaluate` was asked to show of `details`."""
        return []

    @classmethod
    def result_tables(cls, record: Mapping[str, Any]) -> list[Table]:
        """Tables that stand below the result of a training.

        Args:
            record: of the run.
        """
        return []

    @classmethod
    def result_plots(cls, record: Mapping[str, Any]) -> dict[str, Plot]:
        """Pictures that are drawn of the record of a training, by file name."""
        return {}

    def answer_tables(self, rows: Sequence[Mapping[str, Any]], answers: Sequence[Mapping[str, Any]]) -> list[Table]:
        """Answers to typed rows, at least one, as `predict` prints them; an answer may be an `error`."""
        body: list[list[Any]] = []
        for row, answer in zip(rows, answers, strict=True):
            prediction = answer["prediction"]
            if isinstance(prediction, list):
                prediction = ", ".join(prediction) or "(none)"
            if prediction is None:
                prediction = answer.get("error") or "(not sure enough)"
            body.append([*row.values(), prediction, answer.get("score")])
        return [Table("predictions", [*rows[0], "prediction", "score"], body)]

    def watched_tables(self, answer: Mapping[str, Any]) -> list[Table]:
        """What stands below an answer that was seen while it was written, see `Task.watched`."""
        return []

    def answer_formats(self, reader: Callable[[], Reader[Any]]) -> Mapping[str, Format]:
        """Files of answers that only this task writes, text or not: file name suffix -> format.

        Args:
            reader: gives what reads the rows that are answered; it is asked when the first answer is written, as which
                columns are read may be known only then.
        """
        return {}

    @classmethod
    def example_call(cls, folder: Path) -> str:
        """The shell command that asks a model in `folder` something."""
        return f'nlpkit predict {typed(folder)} "..."'

    # How a page draws what `decode` gives.
    shown_as: ClassVar[Shown] = "labels"
    # What a form holds before anything is typed: inputs that show what the model does, each with a text for each column
    # that is read, the main text first. Several stand for a model whose answers are compared.
    example_inputs: ClassVar[Sequence[Sequence[str]]] = (("The film is shorter than its trailer makes you fear.",),)

    def example_rows(self, columns: Sequence[str]) -> list[dict[str, str]]:
        """Rows with the `example_inputs`.

        Args:
            columns: that the reader of the rows reads, the main text first.
        """
        return [dict(zip(columns, texts[: len(columns)], strict=True)) for texts in self.example_inputs]

    def example_options(self) -> dict[str, Any]:
        """Options of the task that these are asked about with: what one would rather not look for, or must say."""
        return {}

    def gold(self, examples: Dataset) -> list[Any]:
        """The label of each example as `decode` words a prediction, as far as there are words for it."""
        return list(examples["label"][:])

    # The folder of `drawn_rows` in that of a run, and what is seen there; "" where there is none.
    rows_folder: ClassVar[str] = ""
    rows_seen: ClassVar[str] = ""

    def drawn_rows(self, model: Any, outputs: Outputs, examples: Dataset) -> dict[str, Plot]:
        """Pictures of single rows that a trained model is asked for once more, by file name.

        Args:
            model: in torch, as it was judged.
            outputs: of the examples, merged.
        """
        return {}

    # --- the model card; `recorded` is the `task` part of a nlpkit.json, as `Task.record` gives it ---

    @classmethod
    def purpose(cls, recorded: Mapping[str, Any]) -> str:
        """What such a model does, as a sentence."""
        return f"A model for {recorded['name'].replace('-', ' ')}."

    @classmethod
    def transformers_code(cls, recorded: Mapping[str, Any]) -> list[str]:
        """Lines of Python that ask the model in this folder something without nlpkit; none: there is no short way."""
        return []

    @classmethod
    def other_code(cls, recorded: Mapping[str, Any]) -> tuple[str, list[str]] | None:
        """Another library that opens the folder, and lines of Python for it; None: the card names none."""
        return None

    @classmethod
    def onnx_code(cls, recorded: Mapping[str, Any], file: str) -> list[str]:
        """The same for a model that was exported to `file`, a path within the folder."""
        return []

    @classmethod
    def longer_texts(cls, recorded: Mapping[str, Any]) -> str:
        """What becomes of texts that are longer than `max_length`."""
        return "what is beyond is not read"

    def label_counts(self, examples: Mapping[str, Dataset]) -> dict[str, dict[str, int]]:
        """How often each label occurs in the examples of each split; nothing of a task without labels."""
        return {}

    def mistakes(self, outputs: Outputs, examples: Dataset) -> list[dict[str, Any]]:
        """Wrong answers, the most confident first."""
        return []

    def judged_answers(self, outputs: Outputs, examples: Dataset) -> list[dict[str, Any]] | None:
        """What was answered to judged examples, as `decode` words it; None where their outputs do not tell."""
        return list(self.task.decode(outputs, [examples[i] for i in range(len(examples))]))

    def plots(self, outputs: Mapping[str, Outputs], examples: Mapping[str, Dataset]) -> dict[str, Plot]:
        """Pictures for the run folder, by file name."""
        return {}


def reliability_drawn(decisions: Decisions | None, split: str) -> dict[str, Plot]:
    """A picture of how often answers of a split are right, by their score; none where there are no such answers."""
    from nlpkit.metrics import calibration
    from nlpkit.runs import plots

    if decisions is None or not len(decisions):
        return {}
    scores, right = calibration.confidences(decisions)
    bins = [dataclasses.astuple(one) for one in calibration.reliability(scores, right)]
    return {"reliability": plots.reliability(bins, scores, split, calibration.expected_error(scores, right))}
