"""What a text is asked for: one label of several, any number of labels, or a number.

Everything in which the three differ once the labels are read stands here: loss, predictions, metrics, answers, and how
labels are counted and drawn. `problem_type` gives the one of a label scheme.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from nlpkit.data.findings import SHOWN, Finding
from nlpkit.data.ignored import IGNORED
from nlpkit.data.labels import Labels
from nlpkit.data.labels import Problem as Name
from nlpkit.reporting import Table, counted
from nlpkit.tasks import arrays
from nlpkit.tasks.abstaining import ABSTAINED, Abstaining
from nlpkit.tasks.outputs import exact
from nlpkit.tasks.text_classification.estimators import OF_LABELS, OF_NUMBERS, Estimator

if TYPE_CHECKING:
    import torch
    from datasets import List, Value

    from nlpkit.metrics.calibration import Decisions
    from nlpkit.metrics.evidence import Evidence
    from nlpkit.runs.plots import Plot

PART = 2**22  # probabilities in memory at a time
SCORED = 50  # labels of which a mistake has the score
SHOWN_LABELS = 20  # rows of the label table
UNKNOWN = "(no label of the model)"


@dataclass(frozen=True)
class ProblemType(ABC):
    """See the module's docstring.

    Args:
        labels: the label scheme.
        threshold: probability from which a label is given, where there may be several.
        abstaining: which answers are given; None for all.
    """

    labels: Labels
    threshold: float
    abstaining: Abstaining | None = None

    hf_name: ClassVar[str]  # what transformers calls it in a config
    has_classes: ClassVar[bool] = True  # a prediction is made of labels, which have scores
    has_one_label: ClassVar[bool] = False  # each row has one label, so that these can be weighted and balanced
    ranks: ClassVar[bool] = False  # of rows that share their first text the metrics tell how well they are ordered
    # what CrossEncoder of sentence-transformers is to put on the logits
    activation: ClassVar[str] = "torch.nn.modules.linear.Identity"

    @property
    @abstractmethod
    def metrics(self) -> Sequence[str]:
        """The metrics of the result table, the main one first."""

    @property
    def metric_notes(self) -> Mapping[str, str]:
        """See `Task.metric_notes`."""
        return {}

    @abstractmethod
    def column_type(self) -> Value | List:
        """The type of the column `label` of examples."""

    @property
    def no_label(self) -> Any:
        """A cell of the column `label` that the loss leaves out."""
        return IGNORED

    # --- the model ---

    @abstractmethod
    def loss(
        self, logits: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor | None, smoothing: float
    ) -> torch.Tensor:
        """The loss in nats, or squared units of the target, summed over the rows that have a label.

        Args:
            logits: float32, shape (rows, labels).
            labels: ids (rows,), indicators (rows, labels) or numbers (rows,); -100 where a row has no label.
            weights: of each label, shape (labels,); of no effect but where a row has one label.
            smoothing: share of the target that is spread over all labels; of no effect but where a row has one label.
        """

    @abstractmethod
    def soft_loss(self, student: torch.Tensor, teacher: torch.Tensor, temperature: float) -> torch.Tensor:
        """What a student's logits lose against a teacher's, `soft_entries` per row, in one dimension."""

    @property
    def soft_entries(self) -> int:
        """How many entries `soft_loss` compares per row."""
        return 1

    def sureness_of(self, logits: torch.Tensor, label: int) -> torch.Tensor:
        """The probability of one label, shape (rows,), of logits (rows, labels); here a number that is none."""
        return logits[:, label]

    # --- judging ---

    def margins(self, outputs: np.ndarray) -> np.ndarray | None:
        """See `Judged.margins`."""
        return None

    @abstractmethod
    def predicted(self, outputs: np.ndarray) -> np.ndarray:
        """Class ids (rows,), indicators (rows, labels) or numbers (rows,)."""

    def compared(self, outputs: np.ndarray, gold: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Predictions and labels in one shape; a label that the model lacks is one more class, which it never gives."""
        return self.predicted(outputs), gold

    def score(self, outputs: np.ndarray, gold: np.ndarray, queries: np.ndarray | None = None) -> dict[str, float]:
        """The metrics of logits (rows, labels) against the labels of the examples.

        Args:
            queries: which rows belong together, as numbers from 0, shape (rows,); read where a problem `ranks`.
        """
        from nlpkit.metrics import calibration

        scores, decided = self._measured(outputs, gold), self.decisions(outputs, gold)
        return scores if decided is None else {**scores, **calibration.figures(decided)}

    def _measured(self, outputs: np.ndarray, gold: np.ndarray) -> dict[str, float]:
        """The metrics of the answers; those of the scores are beside them."""
        from nlpkit.metrics import classification as metrics

        return metrics.compute(self.labels.problem, *self.compared(outputs, gold), outputs)

    def decisions(self, outputs: np.ndarray, gold: np.ndarray) -> Decisions | None:
        """See `Judged.decisions`; a label of a row with several is one of its own."""
        return None

    def evidence(self, outputs: np.ndarray, gold: np.ndarray, queries: np.ndarray | None = None) -> Evidence:
        """See `Judged.evidence`, and `score`."""
        from nlpkit.metrics import resampled

        return resampled.of(self.labels.problem, *self.compared(outputs, gold), outputs)

    def possible_metrics(self) -> Collection[str]:
        """Names of the metrics that `score` gives on some rows or other: all of them where both of two labels occur."""
        return self.score(np.zeros((2, self.labels.size)), np.arange(2) % self.labels.size)

    def details(self, outputs: np.ndarray, gold: np.ndarray) -> dict[str, Any]:
        """Figures of each label."""
        from nlpkit.metrics import classification as metrics

        return {"per_class": metrics.per_class(*self.compared(outputs, gold), self.labels.names)}

    @abstractmethod
    def wrong(self, outputs: np.ndarray, gold: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Which rows (of `outputs`) are wrong, and how sure each row, wrong or right, is of its answer."""

    # --- answering ---

    @abstractmethod
    def answers(self, outputs: np.ndarray, *, scores: bool) -> Iterator[dict[str, Any]]:
        """Answers with `prediction` and `score`, and with `scores` those of all labels."""

    @abstractmethod
    def mistaken(self, output: np.ndarray) -> dict[str, Any]:
        """The answer of one output (labels,), with the scores of the likeliest labels."""

    @abstractmethod
    def named(self, label: Any) -> Any:
        """The label of an example as people read it."""

    # --- data ---

    def counts(self, gold: np.ndarray) -> np.ndarray:
        """Rows per label, shape (labels,), from the labels of examples."""
        return np.zeros(0, dtype=int)

    @abstractmethod
    def findings(self, labels: Mapping[str, Sequence[Any]]) -> list[Finding]:
        """What would spoil training, from the labels of the examples of each split; train is one of these."""

    def table(self, gold: Mapping[str, np.ndarray]) -> Table:
        """Rows per label and split."""
        counts = {split: self.counts(values) for split, values in gold.items()}
        body: list[list[Any]] = [
            [label, *(int(of_split[i]) for of_split in counts.values())] for i, label in enumerate(self.labels.names)
        ]
        total: list[Any] = ["(rows)", *(len(values) for values in gold.values())]
        shown = body[:SHOWN_LABELS]
        if hidden := len(body) - len(shown):
            shown.append([f"({hidden} more)", *(int(of_split[SHOWN_LABELS:].sum()) for of_split in counts.values())])
        return Table("labels", ["label", *counts], [*shown, total], whole=[*body, total])

    @abstractmethod
    def distribution(self, gold: Mapping[str, np.ndarray], column: str | None) -> Plot:
        """A picture of the labels of each split; `column` is where they stand."""

    def predictions_drawn(self, outputs: np.ndarray, gold: np.ndarray, split: str) -> dict[str, Plot]:
        """Pictures of the predictions against the labels of a split, by file name."""
        return {}

    # the estimators that learn the same from features of a text, the usual one first
    estimators: ClassVar[Mapping[str, Estimator]]

    def estimator(self, name: str, seed: int) -> Any:
        """One of `estimators` of scikit-learn, as these labels take it."""
        return self.estimators[name].make(seed)

    def linear_targets(self, gold: np.ndarray) -> np.ndarray:
        """The labels of examples as this estimator learns them."""
        return gold

    @abstractmethod
    def linear_outputs(self, model: Any, texts: Sequence[str]) -> np.ndarray:
        """What a trained pipeline with this estimator gives for texts, as logits (rows, labels)."""


class _Classes(ProblemType):
    """What one label and several labels have in common."""

    @abstractmethod
    def probabilities(self, outputs: np.ndarray) -> np.ndarray:
        """The probability of each label, shape (rows, labels), from logits of that shape."""

    @abstractmethod
    def _given(self, probabilities: np.ndarray) -> dict[str, Any]:
        """`prediction` and `score` of probabilities (labels,)."""

    def _sure(self, abstaining: Abstaining, answer: dict[str, Any], probabilities: np.ndarray) -> dict[str, Any]:
        """An answer without what the model is not sure enough of."""
        return abstaining.applied(answer)

    def answers(self, outputs: np.ndarray, *, scores: bool) -> Iterator[dict[str, Any]]:
        scored = range(self.labels.size) if scores else None
        for part in _parts(outputs):
            yield from (self._answer(row, scored) for row in self.probabilities(part))

    def mistaken(self, output: np.ndarray) -> dict[str, Any]:
        (row,) = self.probabilities(output[None])
        return self._answer(row, np.sort(np.argsort(-row, kind="stable")[:SCORED]).tolist())

    def _answer(self, probabilities: np.ndarray, scored: Iterable[int] | None) -> dict[str, Any]:
        answer = self._given(probabilities)
        if self.abstaining is not None:
            answer = self._sure(self.abstaining, answer, probabilities)
        if scored is not None:
            answer["scores"] = {self.labels.names[i]: exact(probabilities[i]) for i in scored}
        return answer

    def distribution(self, gold: Mapping[str, np.ndarray], column: str | None) -> Plot:
        from nlpkit.runs import plots

        counts = {split: self.counts(values) for split, values in gold.items()}
        return plots.grouped_bars(self.labels.names, counts, f"share of {self.unit}")

    unit: ClassVar[str]  # what `counts` counts

    estimators = OF_LABELS

    def linear_outputs(self, model: Any, texts: Sequence[str]) -> np.ndarray:
        # a class that train lacks has no column
        if not hasattr(model, "predict_proba"):
            margins = model.decision_function(texts)
            if margins.ndim == 1:  # of two classes there is one: how far a text is on the side of the second
                margins = np.stack([-margins, margins], axis=1)
            full = np.full((len(texts), self.labels.size), margins.min(initial=0.0) - 1.0)
            full[:, model.classes_] = margins
            return full
        full = np.full((len(texts), self.labels.size), 1e-7)
        full[:, model.classes_] = np.clip(model.predict_proba(texts), 1e-7, 1 - 1e-7)
        return self._logits(full)

    @abstractmethod
    def _logits(self, probabilities: np.ndarray) -> np.ndarray:
        """Logits that have these probabilities."""


class SingleLabel(_Classes):
    """One label of several."""

    hf_name = "single_label_classification"
    has_one_label = True
    unit = "rows"

    @property
    def metrics(self) -> Sequence[str]:
        return ("accuracy", "f1_macro") if self.labels.size > 2 else ("accuracy", "f1")

    @property
    def metric_notes(self) -> Mapping[str, str]:
        """Of two classes precision, recall and F1 are of the second one."""
        if self.labels.size != 2:
            return {}
        return dict.fromkeys(("precision", "recall", "f1"), f"of the label '{self.labels.names[1]}'")

    def column_type(self) -> Value:
        from datasets import Value

        return Value("int64")

    def loss(
        self, logits: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor | None, smoothing: float
    ) -> torch.Tensor:
        """Cross-entropy; the sum is over weighted rows."""
        import torch.nn.functional as F

        return F.cross_entropy(logits, labels, weight=weights, label_smoothing=smoothing, reduction="sum")

    def soft_loss(self, student: torch.Tensor, teacher: torch.Tensor, temperature: float) -> torch.Tensor:
        """T^2 KL per row."""
        from nlpkit.tasks import soft_losses

        return soft_losses.soft_targets(student, teacher, temperature)

    def probabilities(self, outputs: np.ndarray) -> np.ndarray:
        return arrays.softmax(outputs.astype(np.float64))

    def sureness_of(self, logits: torch.Tensor, label: int) -> torch.Tensor:
        return logits.softmax(-1)[:, label]

    def predicted(self, outputs: np.ndarray) -> np.ndarray:
        return outputs.argmax(axis=1)

    def margins(self, outputs: np.ndarray) -> np.ndarray | None:
        return np.concatenate([margins(self.probabilities(part)) for part in _parts(outputs)])

    def decisions(self, outputs: np.ndarray, gold: np.ndarray) -> Decisions:
        from nlpkit.metrics.calibration import Decisions

        return Decisions(outputs, gold, np.arange(len(gold)))

    def _measured(self, outputs: np.ndarray, gold: np.ndarray) -> dict[str, float]:
        return super()._measured(outputs, self._judged(outputs, gold))

    def evidence(self, outputs: np.ndarray, gold: np.ndarray, queries: np.ndarray | None = None) -> Evidence:
        return super().evidence(outputs, self._judged(outputs, gold))

    def _judged(self, outputs: np.ndarray, gold: np.ndarray) -> np.ndarray:
        """The labels as they are judged: an unknown one beside two classes counts as the class not predicted, so that
        the figures stay those of two classes."""
        return np.where(gold == self.labels.size, 1 - self.predicted(outputs), gold) if self.labels.size == 2 else gold

    def details(self, outputs: np.ndarray, gold: np.ndarray) -> dict[str, Any]:
        """Besides, which labels are taken for which."""
        from nlpkit.metrics import confused

        return {**super().details(outputs, gold), "confused": confused.pairs(*self._confusion(outputs, gold))}

    def _confusion(self, outputs: np.ndarray, gold: np.ndarray) -> tuple[list[str], np.ndarray]:
        """Names, and how often each label (rows) was taken for each (columns)."""
        from nlpkit.metrics import classification as metrics

        names = list(self.labels.names)
        if gold.size and int(gold.max()) == len(names):
            names.append(UNKNOWN)
        return metrics.confusion(gold, self.predicted(outputs), names)

    def wrong(self, outputs: np.ndarray, gold: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        wrong = np.flatnonzero(outputs.argmax(axis=1) != gold)
        return wrong, np.concatenate([self.probabilities(part).max(axis=1) for part in _parts(outputs)])

    def _sure(self, abstaining: Abstaining, answer: dict[str, Any], probabilities: np.ndarray) -> dict[str, Any]:
        if abstaining.margin is None:
            return abstaining.applied(answer)
        return abstaining.applied({**answer, "margin": exact(margins(probabilities[None])[0])})

    def _given(self, probabilities: np.ndarray) -> dict[str, Any]:
        best = int(probabilities.argmax())
        return {"prediction": self.labels.names[best], "score": exact(probabilities[best])}

    def named(self, label: int) -> str:
        return self.labels.names[label]

    def counts(self, gold: np.ndarray) -> np.ndarray:
        return np.bincount(gold, minlength=self.labels.size)

    def findings(self, labels: Mapping[str, Sequence[Any]]) -> list[Finding]:
        from nlpkit.data import checks

        return checks.classes(self.labels.names, labels)

    def predictions_drawn(self, outputs: np.ndarray, gold: np.ndarray, split: str) -> dict[str, Plot]:
        from nlpkit.metrics import confused
        from nlpkit.runs import plots

        names, matrix, part = confused.core(*self._confusion(outputs, gold))
        return {"confusion_matrix": plots.confusion(matrix, names, split, part=part)}

    def _logits(self, probabilities: np.ndarray) -> np.ndarray:
        return np.log(probabilities)


class MultiLabel(_Classes):
    """Any number of labels, each given from a probability of `threshold`."""

    hf_name = "multi_label_classification"
    activation = "torch.nn.modules.activation.Sigmoid"
    unit = "labels given"
    metrics = ("f1_micro", "f1_macro", "subset_accuracy")

    def column_type(self) -> List:
        from datasets import List, Value

        return List(Value("float32"))

    @property
    def no_label(self) -> list[float]:
        return [float(IGNORED)] * self.labels.size

    def possible_metrics(self) -> Collection[str]:
        none = np.zeros((2, self.labels.size))
        return self.score(none, none.astype(int))

    def loss(
        self, logits: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor | None, smoothing: float
    ) -> torch.Tensor:
        """Binary cross-entropy of each label."""
        import torch.nn.functional as F

        known = labels != IGNORED
        return F.binary_cross_entropy_with_logits(
            logits, labels.to(logits.dtype), weight=known.to(logits.dtype), reduction="sum"
        )

    def soft_loss(self, student: torch.Tensor, teacher: torch.Tensor, temperature: float) -> torch.Tensor:
        """T^2 KL of each label of a row."""
        from nlpkit.tasks import soft_losses

        return soft_losses.soft_labels(student, teacher, temperature).flatten()

    @property
    def soft_entries(self) -> int:
        return self.labels.size

    def probabilities(self, outputs: np.ndarray) -> np.ndarray:
        return arrays.sigmoid(outputs.astype(np.float64))

    def sureness_of(self, logits: torch.Tensor, label: int) -> torch.Tensor:
        return logits[:, label].sigmoid()

    def predicted(self, outputs: np.ndarray) -> np.ndarray:
        return np.concatenate([self.probabilities(part) >= self.threshold for part in _parts(outputs)]).astype(np.int64)

    def compared(self, outputs: np.ndarray, gold: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        predicted = self.predicted(outputs)
        if gold.ndim > 1 and gold.shape[1] > self.labels.size:
            predicted = np.pad(predicted, ((0, 0), (0, 1)))
        return predicted, gold

    def decisions(self, outputs: np.ndarray, gold: np.ndarray) -> Decisions:
        from nlpkit.metrics.calibration import Decisions

        own = gold[:, : self.labels.size].astype(np.int64)  # a further column is of labels that the model lacks
        return Decisions(outputs.ravel(), own.ravel(), np.repeat(np.arange(len(gold)), self.labels.size))

    def wrong(self, outputs: np.ndarray, gold: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        wrong = np.flatnonzero((self.predicted(outputs) != gold).any(axis=1))
        return wrong, np.abs(self.probabilities(outputs) - gold).max(axis=1)

    def _given(self, probabilities: np.ndarray) -> dict[str, Any]:
        chosen = [self.labels.names[i] for i in np.flatnonzero(probabilities >= self.threshold).tolist()]
        return {"prediction": chosen, "score": exact(probabilities.max())}

    def _sure(self, abstaining: Abstaining, answer: dict[str, Any], probabilities: np.ndarray) -> dict[str, Any]:
        chosen = np.flatnonzero(probabilities >= self.threshold)
        sure = [self.labels.names[i] for i in chosen.tolist() if probabilities[i] >= abstaining.least]
        left_out = len(chosen) - len(sure)
        return {**answer, "prediction": sure, **({ABSTAINED: left_out} if left_out else {})}

    def named(self, label: Sequence[float]) -> list[str]:
        return [name for name, on in zip(self.labels.names, label, strict=True) if on]

    def counts(self, gold: np.ndarray) -> np.ndarray:
        return gold.sum(axis=0).astype(int) if gold.ndim > 1 else np.zeros(self.labels.size, dtype=int)

    def findings(self, labels: Mapping[str, Sequence[Any]]) -> list[Finding]:
        counts = np.asarray(labels["train"]).sum(axis=0)
        never = [name for name, count in zip(self.labels.names, counts, strict=True) if count == 0]
        if not never:
            return []
        lead = counted(len(never), "label never occurs", "labels never occur")
        return [Finding("warning", "unused-label", f"train: {lead}: {', '.join(never[:SHOWN])}", len(never))]

    def linear_targets(self, gold: np.ndarray) -> np.ndarray:
        return gold.astype(np.int64)

    def estimator(self, name: str, seed: int) -> Any:
        from sklearn.multiclass import OneVsRestClassifier

        return OneVsRestClassifier(super().estimator(name, seed))

    def _logits(self, probabilities: np.ndarray) -> np.ndarray:
        return np.log(probabilities / (1 - probabilities))


class Regression(ProblemType):
    """A number."""

    hf_name = "regression"
    has_classes = False
    metrics: Sequence[str] = ("pearson", "spearman", "rmse")

    def column_type(self) -> Value:
        from datasets import Value

        return Value("float32")

    def loss(
        self, logits: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor | None, smoothing: float
    ) -> torch.Tensor:
        """The squared difference."""
        import torch.nn.functional as F

        known = labels != IGNORED
        return (F.mse_loss(logits.squeeze(-1), labels.to(logits.dtype), reduction="none") * known).sum()

    def soft_loss(self, student: torch.Tensor, teacher: torch.Tensor, temperature: float) -> torch.Tensor:
        """The squared difference of the scores; a number has no temperature."""
        return (student.float() - teacher.float()).square().flatten()

    def predicted(self, outputs: np.ndarray) -> np.ndarray:
        return outputs[:, 0].astype(np.float64)

    def details(self, outputs: np.ndarray, gold: np.ndarray) -> dict[str, Any]:
        return {}

    def wrong(self, outputs: np.ndarray, gold: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Every row, by how far it is off."""
        return np.arange(len(gold)), np.abs(outputs[:, 0] - gold)

    def answers(self, outputs: np.ndarray, *, scores: bool) -> Iterator[dict[str, Any]]:
        yield from ({"prediction": exact(value), "score": None} for value in outputs[:, 0])

    def mistaken(self, output: np.ndarray) -> dict[str, Any]:
        (answer,) = self.answers(output[None], scores=False)
        return answer

    def named(self, label: float) -> float:
        return label

    def findings(self, labels: Mapping[str, Sequence[Any]]) -> list[Finding]:
        train = labels["train"]
        if np.std(train) != 0:
            return []
        message = f"train: every target is {train[0]}: there is nothing to learn"
        return [Finding("error", "constant-target", message, len(train))]

    def table(self, gold: Mapping[str, np.ndarray]) -> Table:
        """Mean and spread of the numbers in each split."""
        rows: list[list[Any]] = [
            [split, len(values), float(np.mean(values)), float(np.std(values))] for split, values in gold.items()
        ]
        return Table("targets", ["split", "rows", "mean", "std"], rows)

    def distribution(self, gold: Mapping[str, np.ndarray], column: str | None) -> Plot:
        from nlpkit.runs import plots

        return plots.histograms(gold, column or "score")

    def predictions_drawn(self, outputs: np.ndarray, gold: np.ndarray, split: str) -> dict[str, Plot]:
        from nlpkit.runs import plots

        return {"predicted_over_gold": plots.scatter(gold, outputs[:, 0], split)}

    estimators = OF_NUMBERS

    def linear_outputs(self, model: Any, texts: Sequence[str]) -> np.ndarray:
        return model.predict(texts)[:, None]


class Relevance(Regression):
    """How relevant a passage is to a query, from 0 to 1: one output with a sigmoid, learned with binary cross-entropy.

    This is what CrossEncoder of sentence-transformers is, with one label (Nogueira and Cho 2019,
    https://arxiv.org/abs/1901.04085, score a passage with a query so).
    """

    # with one output: binary cross-entropy in training, a sigmoid in pipelines
    hf_name = "multi_label_classification"
    activation = "torch.nn.modules.activation.Sigmoid"
    ranks = True
    metrics = ("spearman", "average_precision", "roc_auc", "ndcg@10", "mrr@10")

    def possible_metrics(self) -> Collection[str]:
        return self.score(np.zeros((4, 1)), np.arange(4) % 2, np.arange(4) // 2)

    def loss(
        self, logits: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor | None, smoothing: float
    ) -> torch.Tensor:
        """Binary cross-entropy against a label from 0 to 1."""
        import torch.nn.functional as F

        known = labels != IGNORED
        targets = (labels * known).to(logits.dtype)
        return (F.binary_cross_entropy_with_logits(logits.squeeze(-1), targets, reduction="none") * known).sum()

    def soft_loss(self, student: torch.Tensor, teacher: torch.Tensor, temperature: float) -> torch.Tensor:
        """T^2 KL of the two distributions over relevant and not."""
        from nlpkit.tasks import soft_losses

        return soft_losses.soft_labels(student, teacher, temperature).flatten()

    def predicted(self, outputs: np.ndarray) -> np.ndarray:
        return arrays.sigmoid(outputs[:, 0].astype(np.float64))

    def score(self, outputs: np.ndarray, gold: np.ndarray, queries: np.ndarray | None = None) -> dict[str, float]:
        return self.evidence(outputs, gold, queries).observed()

    def evidence(self, outputs: np.ndarray, gold: np.ndarray, queries: np.ndarray | None = None) -> Evidence:
        """Of the logits: their order is that of the scores, which far from 0.5 run into one another."""
        from nlpkit.metrics import reranking

        return reranking.of(outputs[:, 0], gold, queries)

    def wrong(self, outputs: np.ndarray, gold: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Every row, by how far it is off."""
        return np.arange(len(gold)), np.abs(self.predicted(outputs) - gold)

    def answers(self, outputs: np.ndarray, *, scores: bool) -> Iterator[dict[str, Any]]:
        yield from ({"prediction": exact(value), "score": None} for value in self.predicted(outputs))

    def predictions_drawn(self, outputs: np.ndarray, gold: np.ndarray, split: str) -> dict[str, Plot]:
        return super().predictions_drawn(self.predicted(outputs)[:, None], gold, split)

    def linear_outputs(self, model: Any, texts: Sequence[str]) -> np.ndarray:
        from scipy.special import logit

        return logit(np.clip(model.predict(texts), 1e-7, 1 - 1e-7))[:, None]


PROBLEM_TYPES: dict[Name, type[ProblemType]] = {
    "single-label": SingleLabel,
    "multi-label": MultiLabel,
    "regression": Regression,
    "relevance": Relevance,
}


def margins(probabilities: np.ndarray) -> np.ndarray:
    """How far the highest probability of each row is from the second, shape (rows,); it is the probability itself
    where there is one label alone.

    Args:
        probabilities: of labels of which one holds, shape (rows, labels).
    """
    best = np.sort(probabilities, axis=1)[:, -2:]
    return best[:, -1] - (best[:, 0] if best.shape[1] > 1 else 0.0)


def problem_type(labels: Labels, threshold: float = 0.5, abstaining: Abstaining | None = None) -> ProblemType:
    """What the labels of a scheme ask for, see `ProblemType`."""
    return PROBLEM_TYPES[labels.problem](labels, threshold, abstaining)


def _parts(outputs: np.ndarray) -> Iterator[np.ndarray]:
    """Some rows at a time: with many labels what is computed of all of them takes several times their memory."""
    rows = max(PART // outputs.shape[1], 1)
    return (outputs[start : start + rows] for start in range(0, max(len(outputs), 1), rows))
