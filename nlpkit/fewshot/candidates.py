"""The ways to learn from few labels that are compared: what each is fitted by, and what it says of other rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from nlpkit.fewshot import heads, states, tuning
from nlpkit.fewshot.states import Head, States
from nlpkit.models import mean_layer

if TYPE_CHECKING:
    from datasets import Dataset

    from nlpkit.tasks.roles import Trainable

STRENGTH = 1.0  # scikit-learn's C, over states of length 1
COUNTS = (4, 16)  # as how many rows a text counts that says what a label means
STEPS = 40  # of 16 rows, in which an encoder is trained
RATE = 1e-4  # of so few steps; on product reviews better than the 5e-5 of the BERT paper


@dataclass
class Bench:
    """What all candidates work with.

    Attributes:
        task: of the model.
        model: as it is prepared, see `tuning.prepare`; fitting a candidate changes it.
        tokenizer: of the model.
        parts: features of train and of other rows with labels, as the task makes them.
        labels: of all these features, int of shape (features,).
        described: features of texts that say what the labels mean; None where there are none.
        meant: their labels.
        size: how many labels there are.
        seed: of all that is drawn.
        batch_size: rows of a forward pass without training.
    """

    task: Trainable
    model: Any
    tokenizer: Any
    parts: Sequence[Dataset]
    labels: np.ndarray
    described: Dataset | None
    meant: np.ndarray
    size: int
    seed: int
    batch_size: int
    features: Dataset = field(init=False)
    frozen: States = field(init=False)
    frozen_described: States | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        from datasets import concatenate_datasets

        self.changed = False
        tuning.freeze(self.model)
        self.features = concatenate_datasets([states.read_of(part) for part in self.parts])
        self.begun_with = tuning.Weights(self.model)
        self.frozen = self.states(self.features)
        if self.described is not None:
            self.frozen_described = self.states(self.described, told=False)

    def states(self, features: Dataset, *, told: bool = True) -> States:
        """Of the model as it is.

        Args:
            told: see `states.computed`.
        """
        return states.computed(self.task, self.model, self.tokenizer, features, self.batch_size, told=told)

    def restored(self) -> None:
        """Give the model the weights that it began with."""
        if self.changed:
            self.begun_with.restore(self.model)
        self.changed = False

    def few(self, rows: np.ndarray, *, count: int) -> tuning.Few:
        """Rows to train the encoder on, and as about how many more each label's texts stand among them."""
        features, labels = states.read_of(self.features.select(rows)).to_list(), self.labels[rows]
        if count and self.described is not None:
            shared = np.bincount(self.meant, minlength=self.size)[self.meant]
            places = np.repeat(np.arange(len(self.meant)), np.maximum(np.rint(count / shared).astype(int), 1))
            features += states.read_of(self.described.select(places)).to_list()
            labels = np.append(labels, self.meant[places])
        return tuning.Few(features, labels, self.task.collate(self.tokenizer))


class Candidate(ABC):
    """One way to learn from few labels.

    Attributes:
        name: for people.
        trains_encoder: whether it takes long.
        saved: whether a stock classifier can hold what it learns.
        usual: of those that are judged, the one with the largest is kept where no other is clearly better.
    """

    name: str
    trains_encoder: ClassVar[bool] = False
    saved: ClassVar[bool] = True
    usual: int = 0

    @abstractmethod
    def fit(self, bench: Bench, rows: np.ndarray) -> None:
        """Learn from some rows; the model may be changed."""

    @abstractmethod
    def logits(self, bench: Bench, rows: np.ndarray) -> np.ndarray:
        """What was learnt, of other rows; shape (rows, labels)."""

    @abstractmethod
    def put(self, bench: Bench) -> None:
        """Leave in the model what was learnt."""


class OverStates(Candidate):
    """A head over the states of the encoder as it is."""

    fitted: heads.FittedHead

    def logits(self, bench: Bench, rows: np.ndarray) -> np.ndarray:
        return self.fitted.logits(bench.frozen.of(rows))

    def put(self, bench: Bench) -> None:
        bench.restored()
        self.fitted.put(Head(bench.model))


@dataclass
class Frozen(OverStates):
    """Logistic regression over the states of the encoder as it is.

    Args:
        count: as how many rows each text counts that says what a label means; 0 learns from the rows alone.
    """

    count: int = 0

    def __post_init__(self) -> None:
        self.name = "frozen encoder" + counting(self.count)
        self.usual = int(self.count == COUNTS[0])

    def fit(self, bench: Bench, rows: np.ndarray) -> None:
        self.fitted = _linear(bench, bench.frozen.of(rows), rows, bench.frozen_described, self.count)


class Nearest(OverStates):
    """The labels of the nearest rows."""

    name = "nearest neighbours over a frozen encoder"
    saved = False

    def fit(self, bench: Bench, rows: np.ndarray) -> None:
        self.fitted = heads.Neighbours(bench.frozen.last[rows], bench.labels[rows], bench.size)


class TwoLayers(OverStates):
    """The square layer and that of the labels, learnt anew."""

    name = "MLP over a frozen encoder"

    def fit(self, bench: Bench, rows: np.ndarray) -> None:
        before = bench.frozen.before
        assert before is not None, "the model has a square layer"
        activation = mean_layer.activation(bench.model)
        self.fitted = heads.hidden(before[rows], bench.labels[rows], bench.size, activation=activation, seed=bench.seed)


class TrainedEncoder(Candidate):
    """The encoder is trained too."""

    trains_encoder = True

    def put(self, bench: Bench) -> None:
        """The model is as `fit` left it."""


@dataclass
class Contrastive(TrainedEncoder):
    """The encoder learns which rows share their label, then a logistic regression over its states.

    Args:
        count: as of `Frozen`.
    """

    count: int = 0

    def __post_init__(self) -> None:
        self.name = "contrastive encoder" + counting(self.count)
        self.usual = 2

    def fit(self, bench: Bench, rows: np.ndarray) -> None:
        bench.restored()
        bench.changed = True
        few = bench.few(rows, count=self.count)
        lesson = tuning.contrastive(bench.task, bench.model, few, bench.seed)
        tuning.train(lesson, steps=STEPS, rate=RATE, seed=bench.seed)
        known = bench.states(bench.features.select(rows), told=False)
        meant = None if bench.described is None else bench.states(bench.described, told=False)
        self.fitted = _linear(bench, known, rows, meant, self.count)
        self.fitted.put(Head(bench.model))

    def logits(self, bench: Bench, rows: np.ndarray) -> np.ndarray:
        return self.fitted.logits(bench.states(bench.features.select(rows), told=False))


class FineTuned(TrainedEncoder):
    """Encoder and head learn the labels together."""

    name = "fine-tuned encoder"

    def fit(self, bench: Bench, rows: np.ndarray) -> None:
        bench.restored()
        bench.changed = True
        few = bench.few(rows, count=0)
        lesson = tuning.labelled(bench.task, bench.model, few, bench.seed)
        tuning.train(lesson, steps=STEPS, rate=RATE, seed=bench.seed)

    def logits(self, bench: Bench, rows: np.ndarray) -> np.ndarray:
        found = bench.states(bench.features.select(rows), told=False)
        return heads.of_model(bench.model).logits(found)


def counting(count: int) -> str:
    """How a way is called in which what labels mean counts as so many rows."""
    return f", label texts as {count} rows" if count else ""


def _linear(bench: Bench, known: States, rows: np.ndarray, meant: States | None, count: int) -> heads.Linear:
    """A logistic regression over the states of rows and, where they count, of what the labels mean."""
    inputs, labels = known.last, bench.labels[rows]
    weights = np.ones(len(labels))
    if meant is not None and count:
        texts = np.bincount(bench.meant, minlength=bench.size)  # of each label, which share its rows
        inputs, labels = np.concatenate([inputs, meant.last]), np.append(labels, bench.meant)
        weights = np.append(weights, count / texts[bench.meant])
    return heads.linear(inputs, labels, bench.size, strength=STRENGTH, weights=weights)
