"""Text classification: binary, multi-class, multi-label and regression, each with single texts or pairs."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from nlpkit import reporting
from nlpkit.data import columns as column_names
from nlpkit.data import labels as label_values
from nlpkit.data.findings import Finding
from nlpkit.data.glue import glue_task
from nlpkit.data.ignored import IGNORED
from nlpkit.data.labels import NUMBERS, Labels, Problem
from nlpkit.data.layouts import registry as layouts
from nlpkit.data.places import user_columns
from nlpkit.errors import UserError
from nlpkit.models import opening
from nlpkit.options import ColumnOptions, Config, TextColumnOptions
from nlpkit.tasks import heads
from nlpkit.tasks.abstaining import Abstaining
from nlpkit.tasks.classical import Classical
from nlpkit.tasks.contract import Task
from nlpkit.tasks.explained import Question, readings_of, require_places, unknown_target
from nlpkit.tasks.forward import Forward, Loss
from nlpkit.tasks.heads import Head
from nlpkit.tasks.options import MarginOptions
from nlpkit.tasks.recorded import TaskRecord
from nlpkit.tasks.roles import Augmentable, Explainable, Teachable
from nlpkit.tasks.text_classification import baseline, features, label_cells, label_columns
from nlpkit.tasks.text_classification.label_cells import Cells
from nlpkit.tasks.text_classification.label_columns import NOT_PUBLIC, Places
from nlpkit.tasks.text_classification.options import (
    MEANS,
    ClassificationAnswerOptions,
    ClassificationJudgeOptions,
    ClassificationLossOptions,
    ClassificationOptions,
)
from nlpkit.tasks.text_classification.problems import PROBLEM_TYPES, ProblemType, problem_type
from nlpkit.tasks.text_classification.record import ClassificationRecord

if TYPE_CHECKING:
    import torch
    from datasets import Dataset
    from transformers import PreTrainedConfig

    from nlpkit.metrics.calibration import Decisions
    from nlpkit.metrics.evidence import Evidence
    from nlpkit.options import TrainingOptions
    from nlpkit.word_vectors.table import WordVectors


@dataclass(frozen=True, eq=False)
class TextClassification(Teachable, Augmentable, Explainable):
    """See the module's docstring.

    Args:
        labels: the label scheme.
        text: name of the text column in the user's rows.
        pair: name of the second text's column, None for single texts.
        label: name of the label column, None when the task came from a model without a record.
        label_columns: names of the columns of 0 and 1, one for each label, in place of `label`.
        threshold: multi-label decision threshold on the sigmoid.
        long_text: what happens to texts beyond `max_length`.
        metrics: names of the metrics that matter most, the main one first (GLUE sets them).
        foreign: whether the model comes from elsewhere, which does not say whether it takes pairs.
        numbered: names that numbers or places were given in training, in their order.
        declared: whether the rows hold numbers of labels, and their column the names.
        class_weights: weight of each class in the loss, None for 1 each.
        label_smoothing: share of the target that is spread over all classes in the loss.
        all_scores: whether an answer has the score of every label; "columns": each as an entry of its own.
        per_class: whether `evaluate` shows the figures of each label.
        abstaining: which answers are given; None for all.
        cells: how the labels are written in the rows that the task was made from; None of one that a model restored.
        labels_of: where the labels come from, for messages.
    """

    labels: Labels
    _: dataclasses.KW_ONLY
    text: str = "text"
    pair: str | None = None
    label: str | None = None
    label_columns: Sequence[str] = ()
    threshold: float = 0.5
    long_text: str = "truncate"
    metrics: Sequence[str] = ()
    foreign: bool = False
    numbered: Sequence[str] = ()
    declared: bool = False
    class_weights: Sequence[float] | None = None
    label_smoothing: float = 0.0
    all_scores: bool | str = True
    per_class: bool = False
    abstaining: Abstaining | None = None
    cells: Cells | None = None
    labels_of: str = "the model"
    # Class weights by the device that they were copied to, see `_weights_on`.
    _weights: dict[torch.device, torch.Tensor] = field(init=False, repr=False, default_factory=dict)

    name: ClassVar[str] = "text-classification"
    auto_class: ClassVar[str] = "AutoModelForSequenceClassification"
    architectures: ClassVar[tuple[str, ...]] = ("ForSequenceClassification",)
    pipeline_tag: ClassVar[str | None] = "text-classification"
    trained_by: ClassVar[str] = "finetune-cls"
    reads: ClassVar[str] = "a text, or two, and a label"
    data_options: ClassVar[type[Config]] = ClassificationOptions
    predict_options: ClassVar[type[Config]] = ClassificationAnswerOptions
    evaluate_options: ClassVar[type[Config]] = ClassificationJudgeOptions
    column_options: ClassVar[type[Config]] = ColumnOptions
    record_type: ClassVar[type[TaskRecord]] = ClassificationRecord
    view_class: ClassVar[str] = "nlpkit.tasks.text_classification.view:ClassificationView"
    reading_class: ClassVar[str] = "nlpkit.tasks.text_classification.reading:TextReader"

    def __post_init__(self) -> None:
        if self.pair and self.long_text != "truncate":
            raise UserError("--long-text head-tail and windows are for single texts; pairs are truncated")

    @cached_property
    def problem(self) -> ProblemType:
        """What the labels ask for, and all that depends on it."""
        return problem_type(self.labels, self.threshold, self.abstaining)

    @property
    def paired(self) -> bool | None:
        """Whether the model takes pairs of texts; None where it does not say."""
        return None if self.foreign else self.pair is not None

    @property
    def main_metric(self) -> str:
        return self.table_metrics[0]

    @property
    def table_metrics(self) -> list[str]:
        return list(dict.fromkeys([*self.metrics, *self.problem.metrics]))

    # --- made from data, from a model folder ---

    @classmethod
    def from_data(cls, splits: Mapping[str, Dataset], options: Config) -> TextClassification:
        own = ClassificationOptions.of(options)
        train = splits.get("train") or next(iter(splits.values()))
        columns = user_columns(train.column_names)
        glue = glue_task(getattr(options, "data", None), getattr(options, "data_config", None))
        text, pair = text_columns(columns, own, glue.columns if glue else None, train)
        places = label_columns.settle(train, own, {text, pair})
        declared = label_columns.class_names(train, places.column) if places.column else None
        cells, labels = _scheme_of(train, splits, places, own, declared)
        return cls(
            labels,
            text=text,
            pair=pair,
            label=places.column,
            label_columns=places.columns,
            threshold=own.threshold,
            max_length=own.max_length,
            long_text=own.long_text,
            metrics=glue.metrics if glue else (),
            numbered=own.label_names,
            declared=bool(declared or cells.names) and not labels.numeric,
            cells=cells,
            labels_of="the train split",
        )

    @classmethod
    def from_model(cls, config: PreTrainedConfig, record: Mapping[str, Any] | None) -> TextClassification:
        names = opening.label_names(config)
        if record:
            labels = Labels(record["problem"], list(record["labels"]), record.get("label_delimiter"))
            columns = record["columns"]
            return cls(
                labels,
                text=columns["text"],
                pair=columns["text_pair"],
                label=columns["label"],
                label_columns=columns.get("labels", ()),
                threshold=record["threshold"],
                max_length=record["max_length"],
                training_length=record.get("training_length"),
                long_text=record["long_text"],
                metrics=record["metrics"],
                numbered=record.get("label_names", ()),
            )
        problem = _problem_of(config)
        return cls(Labels(problem, [] if problem in NUMBERS else names), foreign=True)

    def record(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "problem": self.labels.problem,
            "labels": self.labels.names,
            "label_delimiter": self.labels.delimiter,
            "label_names": list(self.numbered),
            "columns": {
                "text": self.text,
                "text_pair": self.pair,
                "label": self.label,
                "labels": list(self.label_columns),
            },
            "threshold": self.threshold,
            "max_length": self.max_length,
            "training_length": self.training_length,
            "long_text": self.long_text,
            "metrics": [self.main_metric],
        }

    @classmethod
    def suits(cls, row: Mapping[str, Any]) -> bool:
        columns = list(row)
        text = column_names.guess(columns, column_names.TEXT_NAMES) or column_names.guess_pair(columns)
        label = column_names.guess(columns, column_names.LABEL_NAMES)
        if text is None or label is None or isinstance(row[label], dict):
            return False
        parts = row[label] if isinstance(row[label], list) else []
        return not any(isinstance(part, list | dict) for part in parts)

    def configured(self, options: Config) -> Self:
        if isinstance(options, ClassificationAnswerOptions):
            if options.all_scores and not self.problem.has_classes:
                reporting.current().warn("--all-scores: this model gives a number, and has no labels with scores")
            return self.with_(all_scores=options.all_scores, abstaining=self.asked_to_abstain(options))
        if isinstance(options, ClassificationJudgeOptions):
            return self.with_(per_class=options.per_class)
        return self

    def asked_to_abstain(self, options: MarginOptions) -> Abstaining | None:
        """Which answers a command asks for, see `Abstaining.asked`.

        Raises:
            UserError: there is no answer that could be left out, or no place for what is to stand instead.
        """
        abstaining = Abstaining.asked(options, self.labels.names)
        if abstaining is not None and not self.problem.has_classes:
            flag = "--min-score" if options.min_score is not None else "--min-margin"
            raise UserError(f"{flag}: this model gives a number, which has no score", "Leave it out.")
        if options.min_margin is not None and not self.problem.has_one_label:
            raise UserError(
                "--min-margin: each of several labels is judged by itself, and none is next to another",
                "Use --min-score, which leaves out each label below it.",
            )
        if abstaining is not None and abstaining.instead is not None and not self.problem.has_one_label:
            raise UserError(
                "--abstain-label: with several labels per row those below --min-score are left out one by one",
                "Leave it out.",
            )
        return abstaining

    @property
    def listed(self) -> str:
        return "labels" if self.problem.has_classes and not self.problem.has_one_label else ""

    def margins(self, outputs: np.ndarray) -> np.ndarray | None:
        return self.problem.margins(outputs)

    def sureness(self, outputs: np.ndarray, examples: Dataset) -> tuple[np.ndarray, np.ndarray] | None:
        from nlpkit.metrics import calibration

        decided = self.decisions(outputs, examples) if self.problem.has_one_label else None
        return None if decided is None else calibration.confidences(decided)

    def describe(self) -> str:
        names = self.labels.names
        shown = ", ".join(names[:6]) + (", ..." if len(names) > 6 else "")
        return f"{self.name}, {self.labels.problem}" + (f", {len(names)} labels ({shown})" if names else "")

    # --- rows -> examples -> features ---

    def check(self, examples: Mapping[str, Dataset]) -> list[Finding]:
        from nlpkit.data import checks, look_alikes

        keyed = {split: self._keys(rows) for split, rows in examples.items()}
        labels = {split: list(rows["label"][:]) for split, rows in examples.items()}
        places = {split: rows["where"][:] for split, rows in examples.items()}
        findings = checks.duplicates(keyed, labels, places) + checks.leakage(keyed, places)
        names = self.labels.names
        if self.problem.has_classes:
            rows_per_label = sum(
                (self.problem.counts(np.asarray(ids)) for ids in labels.values() if ids), np.zeros(1, int)
            )
            counts = dict(zip(names, rows_per_label.tolist(), strict=True))
            findings += look_alikes.alike(names, counts, "labels") + look_alikes.several_in_one(names, counts)
        return findings + (self.problem.findings(labels) if "train" in examples else [])

    def absent_labels(self, examples: Dataset) -> list[str]:
        counts = self.problem.counts(np.asarray(examples["label"][:]))
        return [name for name, count in zip(self.labels.names, counts, strict=False) if not count]

    @property
    def uncut(self) -> str:
        """Windows, of single texts; training settles that."""
        return "" if self.pair else "--long-text windows of training"

    def length_findings(self, tokenizer: Any, examples: Mapping[str, Dataset]) -> list[Finding]:
        from nlpkit.data import checks
        from nlpkit.tasks.features import LENGTH_SAMPLE, remedy

        if self.max_length is None or self.long_text == "windows":
            return []
        samples = {split: rows[:LENGTH_SAMPLE] for split, rows in examples.items()}
        lengths = {split: self.token_lengths(tokenizer, rows) for split, rows in samples.items()}
        places = {split: rows["where"] for split, rows in samples.items()}
        limits = dict.fromkeys(samples, self.max_length)
        if "train" in limits:
            limits["train"] = self.training_length or self.max_length
        advice = {split: remedy(self, limit) for split, limit in limits.items()}
        return checks.truncation(lengths, places, limits, advice)

    def _keys(self, examples: Dataset) -> list[str]:
        texts = examples["text"][:]
        return [f"{a}\t{b}" for a, b in zip(texts, examples["text_pair"][:], strict=True)] if self.pair else list(texts)

    def token_lengths(self, tokenizer: Any, examples: Mapping[str, Sequence[Any]]) -> list[int]:
        return features.token_lengths(tokenizer, examples)

    def features(self, tokenizer: Any, examples: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
        """Features of texts or of pairs, see `features.of_texts`."""
        return features.of_texts(tokenizer, examples, self.max_length, self.long_text)

    # --- the model ---

    def model_arguments(self) -> dict[str, Any]:
        names = self.labels.names or ["score"]
        return {
            "num_labels": self.labels.size,
            "id2label": dict(enumerate(names)),
            "label2id": {name: i for i, name in enumerate(names)},
            "problem_type": self.problem.hf_name,
        }

    def tell_clients(self, config: PreTrainedConfig) -> None:
        """CrossEncoder of sentence-transformers puts a sigmoid on one output and nothing on several, unless told.

        Of classes it gives logits by its own convention, with `apply_softmax=True` their probabilities. The second
        entry is the one that its versions before 4 read.
        """
        if self.paired:
            entries: Any = config
            entries.sentence_transformers = {"activation_fn": self.problem.activation}
            entries.sbert_ce_default_activation_function = self.problem.activation

    def with_head_of(self, trained: Task) -> tuple[Self, Head]:
        assert isinstance(trained, TextClassification)
        task, head = self, heads.fitted(self.labels.names, trained.labels.names, numbered=self.declared)
        if head.names:
            task = self.with_(labels=dataclasses.replace(self.labels, names=head.names))
        if head.kept and self.labels.problem != trained.labels.problem:
            note = f"{head.note}; it was trained for {trained.labels.problem} and is for {self.labels.problem} now"
            head = dataclasses.replace(head, note=note)
        return task, head

    def strata(self, examples: Dataset) -> np.ndarray | None:
        return np.asarray(examples["label"][:]) if self.problem.has_one_label else None

    def first_answer(self, train: Dataset) -> np.ndarray | None:
        """Of scores their mean: from 0 on, the first steps would drive all answers up together, and the encoder too."""
        if self.labels.problem != "regression":
            return None
        scores = np.asarray(train["label"][:], dtype=np.float64)
        known = scores[scores != IGNORED]
        return known.mean(keepdims=True) if len(known) else None

    def with_loss(self, options: Config, train: Dataset) -> Self:
        """With label smoothing and the loss weight of each class.

        Balanced weights are scikit-learn's n / (classes * count), which keeps the mean weight of a training row at 1.

        Raises:
            UserError: the problem has no classes, or the weights file does not name exactly the classes.
        """
        own = ClassificationLossOptions.of(options)
        flags = {"--class-weights": own.class_weights != "none", "--label-smoothing": own.label_smoothing > 0}
        for flag, given in flags.items():
            if given and not self.problem.has_one_label:
                raise UserError(f"{flag} is for single-label classification, not for {self.labels.problem}")
        weights = self.class_weights
        if own.class_weights == "balanced":
            counts = np.bincount(train["label"][:], minlength=self.labels.size)
            weights = (counts.sum() / (self.labels.size * np.maximum(counts, 1))).tolist()
        elif own.class_weights != "none":
            weights = _read_class_weights(own.class_weights, self.labels.names)
        return self.with_(class_weights=weights, label_smoothing=own.label_smoothing)

    def loss(self, forward: Forward) -> Loss:
        logits, labels = forward.logits.float(), forward.batch["labels"]
        # The sum is over weighted rows, the entries are plain rows: the mean weight of a row is 1 by construction.
        total = self.problem.loss(logits, labels, self._weights_on(logits.device), self.label_smoothing)
        return Loss(total, (labels != IGNORED).sum())

    def _weights_on(self, device: torch.device) -> torch.Tensor | None:
        """Class weights on the device, copied there once: each copy waits for it."""
        import torch

        if self.class_weights and device not in self._weights:
            self._weights[device] = torch.tensor(self.class_weights, device=device)
        return self._weights.get(device)

    # --- learning from a teacher ---

    one_answer_a_row: ClassVar[bool] = True

    def soft_loss(self, student: Forward, teacher: Forward, temperature: float) -> Loss:
        """T^2 KL per row, or per label of a row where there may be several; of scores the squared difference."""
        import torch

        each = self.problem.soft_loss(student.logits, teacher.logits, temperature)
        return Loss(each.sum(), torch.tensor(each.numel()))

    def soft_entries(self, batch: Mapping[str, torch.Tensor]) -> int:
        return len(batch["input_ids"]) * self.problem.soft_entries

    changeable: ClassVar[tuple[str, ...]] = ("text", "text_pair")

    def without_label(self, example: Mapping[str, Any]) -> dict[str, Any]:
        return {**example, "label": self.problem.no_label}

    # --- judging and answering ---

    def merge(self, outputs: np.ndarray, features: Mapping[str, Sequence[Any]]) -> np.ndarray:
        """Mean of the logits over the windows of an example."""
        example = np.asarray(features["example"])
        if len(example) == 0:
            return outputs
        count = np.bincount(example)
        if len(count) == len(example):  # one window each
            return outputs
        total = np.zeros((len(count), outputs.shape[1]), dtype=np.float64)
        np.add.at(total, example, outputs)
        return total / count[:, None]

    def numbers(self, examples: Mapping[str, Sequence[Any]] | Dataset) -> int:
        return len(examples["text"]) * self.labels.size

    @property
    def answer_size(self) -> int:
        return self.labels.size if self.all_scores else 1

    def decisions(self, outputs: np.ndarray, examples: Dataset) -> Decisions | None:
        return self.problem.decisions(outputs, np.asarray(examples["label"][:]))

    def score(self, outputs: np.ndarray, examples: Dataset) -> dict[str, float]:
        return self.problem.score(outputs, np.asarray(examples["label"][:]), self._groups(examples))

    def evidence(self, outputs: np.ndarray, examples: Dataset) -> Evidence:
        return self.problem.evidence(outputs, np.asarray(examples["label"][:]), self._groups(examples))

    def _groups(self, examples: Dataset) -> np.ndarray | None:
        """Which rows share their first text, the query of a pair; None where no metric hangs on that."""
        if not (self.problem.ranks and self.pair):
            return None
        return np.unique(np.asarray(examples["text"][:], dtype=str), return_inverse=True)[1].reshape(-1)

    @property
    def metric_notes(self) -> Mapping[str, str]:
        return self.problem.metric_notes

    def possible_metrics(self) -> Collection[str]:
        return self.problem.possible_metrics()

    def metric_names(self, examples: Dataset) -> Collection[str]:
        outputs = np.random.default_rng(0).normal(size=(len(examples), self.labels.size))
        return self.score(outputs, examples)

    def details(self, outputs: np.ndarray, examples: Dataset) -> dict[str, Any]:
        return self.problem.details(outputs, np.asarray(examples["label"][:]))

    def decode(self, outputs: np.ndarray, inputs: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
        for answer in self.problem.answers(outputs, scores=bool(self.all_scores)):
            if self.all_scores == "columns":
                answer.update(self._given(answer.pop("scores", {})))
            yield answer

    @property
    def scored_labels(self) -> Sequence[str]:
        return list(self.model_arguments()["id2label"].values())

    @property
    def score_options(self) -> Mapping[str, Any]:
        return {"all_scores": True} if self.problem.has_classes else {}

    def label_scores(self, answer: Mapping[str, Any]) -> dict[str, float]:
        if self.problem.has_classes:
            return super().label_scores(answer)
        return dict.fromkeys(self.scored_labels, answer["prediction"])  # a number, of which there is one

    def _given(self, scores: Mapping[str, float | None]) -> dict[str, Any]:
        """The scores of all labels as an answer has them: not at all, as one entry, or as one for each label."""
        if self.all_scores == "columns":
            return {f"score_{name}": score for name, score in scores.items()}
        return {"scores": dict(scores)} if self.all_scores else {}

    def no_answer(self) -> dict[str, Any]:
        names = self._given(dict.fromkeys(self.labels.names)) if self.problem.has_classes else {}
        margin = ["margin"] if self.abstaining is not None and self.abstaining.margin is not None else []
        return {**super().no_answer(), **dict.fromkeys([*margin, *names])}

    # --- explaining ---

    @property
    def answers_flip(self) -> bool:
        return self.problem.has_classes

    def questions(
        self, tokenizer: Any, example: Mapping[str, Any], outputs: np.ndarray, asked: str | None = None
    ) -> list[Question]:
        """How sure the model is of its label, of each of several, or how high its number is."""
        require_places(tokenizer)
        texts = {name: str(example[name]) for name in ("text", "text_pair") if example.get(name) is not None}
        made = self.features(tokenizer, {name: [text] for name, text in texts.items()})
        placed = features.places(tokenizer, texts, self.max_length, self.long_text)
        readings = readings_of(made, placed, texts)
        return [
            Question(name, readings, {"label": label}, texts)
            for label, name in self.asked_labels(outputs, asked).items()
        ]

    def asked_labels(self, outputs: np.ndarray, asked: str | None) -> dict[int, str]:
        """The columns of the logits that are explained, with the names of their labels."""
        names = list(self.model_arguments()["id2label"].values())
        if asked is not None:
            if asked not in names:
                raise unknown_target(asked, "label of the model", names)
            return {names.index(asked): asked}
        predicted = self.problem.predicted(outputs)[0] if self.problem.has_classes else 0
        chosen = np.flatnonzero(predicted) if np.ndim(predicted) else np.array([predicted])
        if not len(chosen):  # of several labels none is sure enough: why not even the likeliest
            chosen = outputs[0].argmax(keepdims=True)
        return {int(label): names[int(label)] for label in chosen}

    def explained(self, forward: Forward, target: Mapping[str, Any]) -> torch.Tensor:
        return self.problem.sureness_of(forward.logits.float(), target["label"])

    def require_baseline(self, named: Sequence[str] = ()) -> Sequence[str]:
        baseline.require_few(self.labels)
        return baseline.chosen(self.problem, named)

    def baseline(self, train: Dataset, seed: int, name: str = "", vectors: WordVectors | None = None) -> Classical:
        if name == MEANS:
            return baseline.MeanOfWords(self.problem, self._keys, train, seed, vectors)
        usual = next(iter(self.problem.estimators))
        return baseline.Linear(self.problem, name or usual, self._keys, train, seed)

    def over_words(self, most: int) -> Self:
        return super().over_words(most).with_(long_text="truncate")

    def texts_read(self, examples: Dataset) -> list[str]:
        return [*examples["text"][:], *(examples["text_pair"][:] if self.pair else [])]

    def training_rows(self, examples: Dataset, options: TrainingOptions) -> np.ndarray | None:
        return self.oversample(examples, options.seed) if ClassificationLossOptions.of(options).oversample else None

    def oversample(self, examples: Dataset, seed: int) -> np.ndarray:
        """Example indices in which rare labels are as frequent as the most frequent.

        Raises:
            UserError: the rows have no single label each.
        """
        if not self.problem.has_one_label:
            raise UserError(f"--oversample is for single-label classification, not for {self.labels.problem}")
        gold = np.asarray(examples["label"][:])
        generator = np.random.default_rng(seed)
        most = np.bincount(gold).max()
        chosen = [np.arange(len(gold))]
        for label in np.unique(gold):
            rows = np.flatnonzero(gold == label)
            chosen.append(generator.choice(rows, size=most - len(rows), replace=most - len(rows) > len(rows)))
        return np.concatenate(chosen)


def text_columns(
    columns: Sequence[str],
    options: TextColumnOptions,
    known: tuple[str, str | None] | None,
    rows: Dataset | None = None,
) -> tuple[str, str | None]:
    """The columns of the text and, of pairs, of the second one: those named, those known, else a guess, which is told.

    Args:
        known: where the data set is known.
        rows: for the message where none looks like text.

    Raises:
        UserError: a named column does not exist, or none looks like text.
    """
    reporter = reporting.current()
    named = options.text_column
    if named:
        second = options.text_pair_column
        first = column_names.require(named, columns, "text")
        return first, column_names.require(second, columns, "text pair") if second else None
    if known:
        return known
    text: str | None
    guessed = column_names.guess_pair(columns)
    pair: str | None = None
    if options.text_pair_column:
        pair = column_names.require(options.text_pair_column, columns, "text pair")
        others = [name for name in columns if name != pair]
        text = guessed[0] if guessed and guessed[1] == pair else column_names.guess(others, column_names.TEXT_NAMES)
    elif guessed:
        reporter.note(
            f"text pair: columns '{guessed[0]}' and '{guessed[1]}' (guessed; --text-column, --text-pair-column)"
        )
        return guessed
    else:
        text = column_names.guess(columns, column_names.TEXT_NAMES)
    if text is None:
        longest = column_names.wordiest(rows, columns) if rows is not None else None
        way = f"Name it: --text-column '{longest}' has the longest texts." if longest else "Name it with --text-column."
        raise UserError(
            f"no column looks like text; the columns are {', '.join(columns)}", f"{way} {layouts.known('texts')}"
        )
    reporter.note(f"text: column '{text}' (guessed; --text-column)")
    return text, pair


def _problem_of(config: PreTrainedConfig) -> Problem:
    """What a model from elsewhere was trained for, as its config has it.

    One output to which CrossEncoder is told to apply a sigmoid is a relevance.
    """
    if config.num_labels == 1 and _told_activation(config).endswith(".Sigmoid"):
        return "relevance"
    by_transformers: dict[str, Problem] = {
        kind.hf_name: name for name, kind in PROBLEM_TYPES.items() if name != "relevance"
    }
    return by_transformers.get(config.problem_type or "", "regression" if config.num_labels == 1 else "single-label")


def _told_activation(config: PreTrainedConfig) -> str:
    """What the config tells CrossEncoder to put on logits; "" where it tells nothing."""
    told = getattr(config, "sentence_transformers", None)
    named = told.get("activation_fn") if isinstance(told, dict) else None
    return str(named or getattr(config, "sbert_ce_default_activation_function", None) or "")


def _scheme_of(
    train: Dataset,
    splits: Mapping[str, Dataset],
    places: Places,
    options: ClassificationOptions,
    declared: list[str] | None,
) -> tuple[Cells, Labels]:
    """How the labels of these splits are written, and what they are.

    Args:
        declared: names that the column has for its numbers.

    Raises:
        UserError: they make no sense, or --label-names does not fit them.
    """
    values = {id(rows): places.cells(rows) for rows in splits.values() if places.stand_in(rows.column_names)}
    everything = [value for trained in values.values() for value in trained if value is not NOT_PUBLIC]
    if places.columns:
        cells = label_cells.of_columns(everything, places.columns)
    else:
        numbers = options.problem == "auto" or options.problem in NUMBERS
        cells = label_cells.survey(everything, places.shown, delimiter=options.label_delimiter, numbers=numbers)
    cells = label_columns.named(cells, options.label_names, places)
    trained = label_columns.trained_on(cells, values[id(train)], options.label_names, places)
    other_values = [value for key, split in values.items() if key != id(train) for value in split]
    labels = label_values.detect(
        trained,
        places.shown,
        other_labels=label_columns.readable(cells, other_values),
        problem=options.problem,
        one_each=cells.one_each,
        delimiter=options.label_delimiter,
        class_names=list(cells.names) or declared,
    )
    if options.label_names:
        label_columns.require_named(labels, trained, places)
    return cells, labels


def _read_class_weights(path: str, names: Sequence[str]) -> list[float]:
    from nlpkit.data import by_label

    weights = by_label.read(path, names, "--class-weights", "Or say balanced, or none.")
    for name, weight in weights.items():
        if not isinstance(weight, int | float) or isinstance(weight, bool) or not 0 <= weight < float("inf"):
            raise UserError(f"--class-weights: {path} gives {name} the weight {weight!r}: use a number from 0 up")
    return [float(weights[name]) for name in names]
