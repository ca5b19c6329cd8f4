"""Probing classifiers: logistic regression from the states of a layer to a property, and what it is compared with.

That a probe finds a property tells little by itself. It is compared with the same probe for a control task, random
labels that hang on the word alone (Hewitt and Liang 2019, https://arxiv.org/abs/1909.03368: what it learns there it has
learnt by heart; the difference is its selectivity), with a model of the same shape that was never trained, and with
what the word alone says without any model.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nlpkit.errors import UserError
from nlpkit.metrics import intervals, resampled
from nlpkit.probing.material import Examples, Part
from nlpkit.probing.properties import Of, Property
from nlpkit.probing.states import States

INVERSE_PENALTY = 0.01  # C of scikit-learn: the penalty grows as if there were 1/C times as few examples
MOST_STEPS = 100  # of L-BFGS, scikit-learn's own default
TOLERANCE = 1e-3  # of the gradient
FLAT = 1e-6  # deviation of a dimension that says nothing, as a share of the largest
FEWEST = 10  # examples that a probe needs on either side
METRICS = ("accuracy", "f1_macro")


@dataclass(frozen=True)
class Figures:
    """How good answers are.

    Attributes:
        accuracy, f1_macro: from 0 to 1.
        intervals: of both, at 95 %, over sentences that are drawn anew.
    """

    accuracy: float
    f1_macro: float
    intervals: dict[str, tuple[float, float]]

    @classmethod
    def of(cls, predicted: np.ndarray, gold: np.ndarray, units: np.ndarray) -> Figures:
        """Those of class ids, shape (examples,) each.

        Args:
            units: the sentence of each.
        """
        numbers = np.unique(units, return_inverse=True)[1].reshape(-1)
        evidence = replace(resampled.one_label(predicted, gold, None, two=False), units=numbers, unit="sentences")
        observed, ends = evidence.observed(), intervals.of(evidence)
        known = {name: ends[name] for name in METRICS if name in ends}
        return cls(observed["accuracy"], observed["f1_macro"], known)

    def record(self) -> dict[str, Any]:
        """As JSON values."""
        values = {"accuracy": round(self.accuracy, 5), "f1_macro": round(self.f1_macro, 5)}
        return {**values, "intervals": {name: [round(end, 5) for end in ends] for name, ends in self.intervals.items()}}


@dataclass(frozen=True)
class Task:
    """A property as numbers: what is learnt from, and what is judged.

    Attributes:
        name, of: of the property.
        classes: labels of train, sorted; a label that only validation has counts as wrong, whatever is answered.
        rows: of the states of each example, by split, see `Examples`.
        gold: class of each example, by split.
        units: sentence of each example, by split.
        kinds: what each example is to one who knows the words alone, by split: the word, or both of a pair; of
            sentences there are none.
        left_out: why labels are not used, with how many, by split.
        unknown: examples of validation whose label train has not.
    """

    name: str
    of: Of
    classes: list[str]
    rows: tuple[np.ndarray, np.ndarray]
    gold: tuple[np.ndarray, np.ndarray]
    units: tuple[np.ndarray, np.ndarray]
    kinds: tuple[list[tuple[str, ...]], list[tuple[str, ...]]]
    left_out: tuple[Counter[str], Counter[str]]
    unknown: int

    def features(self, states: States, layer: int, side: int) -> np.ndarray:
        """The states that each example is told by, float32 of shape (examples, width), twice as wide of pairs.

        Args:
            states: of the split.
            layer: position among those that the states are of.
            side: 0 for train, 1 for validation.
        """
        values = states.sentences if self.of == "sentences" else states.words
        assert values is not None
        rows = self.rows[side]
        return values[layer][rows.reshape(-1)].reshape(len(rows), -1)


def task_of(one: Property, parts: tuple[Part, Part], states: tuple[States, States]) -> Task:
    """What can be told apart, without the words that the model does not read.

    Raises:
        UserError: what is left are too few examples, or all are of one class.
    """
    kept = [_kept(one, part.examples[one.name], found) for part, found in zip(parts, states, strict=True)]
    for split, examples in zip(("train", "validation"), kept, strict=True):
        if len(examples.labels) < FEWEST:
            why = ", ".join(f"{count:,} {why}" for why, count in examples.left_out.most_common())
            raise UserError(
                f"--label {one.name}: {len(examples.labels)} examples are left in {split}, and a probe needs {FEWEST}"
                f"{f' (left out: {why})' if why else ''}",
                "Raise --max-words, or give more rows.",
            )
    classes = sorted(set(kept[0].labels.tolist()))
    if len(classes) == 1:
        raise UserError(f"--label {one.name}: all words that the model reads are {classes[0]!r} in train")
    numbers = {label: number for number, label in enumerate([*classes, *sorted(set(kept[1].labels) - set(classes))])}
    gold = [np.array([numbers[label] for label in examples.labels], np.int64) for examples in kept]
    of_sentences = one.of == "sentences"
    owners = [
        examples.rows[:, 0] if of_sentences else part.owners[examples.rows[:, 0]]
        for part, examples in zip(parts, kept, strict=True)
    ]
    kinds = [
        [] if of_sentences else [tuple(part.forms[i] for i in row) for row in examples.rows.tolist()]
        for part, examples in zip(parts, kept, strict=True)
    ]
    return Task(
        one.name,
        one.of,
        classes,
        (kept[0].rows, kept[1].rows),
        (gold[0], gold[1]),
        (owners[0], owners[1]),
        (kinds[0], kinds[1]),
        (kept[0].left_out, kept[1].left_out),
        int((gold[1] >= len(classes)).sum()),
    )


def _kept(one: Property, examples: Examples, states: States) -> Examples:
    """The examples whose words have a state; why others have none is added to what is left out."""
    if one.of == "sentences":
        return examples
    cut, silent = (lost[examples.rows].any(axis=1) for lost in (states.cut, states.silent))
    what = "pairs with words" if one.of == "pairs" else "words"
    left_out = examples.left_out.copy()
    left_out.update({f"{what} beyond what the model reads": int(cut.sum())})
    left_out.update({f"{what} that have no token of their own": int((silent & ~cut).sum())})
    keep = ~(cut | silent)
    return Examples(examples.rows[keep], examples.labels[keep], Counter({why: n for why, n in left_out.items() if n}))


# --- probes ---


@dataclass(frozen=True)
class Fitted:
    """A probe that was trained and judged.

    Attributes:
        figures: on validation.
        steps: of the optimizer.
        settled: whether it came to an end before `MOST_STEPS`.
    """

    figures: Figures
    steps: int
    settled: bool


def standardised(train: np.ndarray, others: Sequence[np.ndarray]) -> list[np.ndarray]:
    """All with the mean and deviation of train: 0 and 1 in each dimension there."""
    mean, deviation = scale(train)
    return [(values - mean) / deviation for values in (train, *others)]


def scale(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation in each dimension, shape (width,); 1 where all are the same but for rounding."""
    mean, deviation = features.mean(axis=0), features.std(axis=0)
    deviation[deviation <= FLAT * deviation.max()] = 1
    return mean, deviation


def fit(features: Sequence[np.ndarray], labels: Sequence[np.ndarray], units: np.ndarray) -> Fitted:
    """Learn the labels of train from standardised states, and judge on validation.

    Args:
        features: of train and validation, see `standardised`.
        labels: classes of both.
        units: sentence of each example of validation.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    if len(np.unique(labels[0])) == 1:  # random labels of few words may come out so
        predicted = np.full(len(labels[1]), labels[0][0])
        return Fitted(Figures.of(predicted, labels[1], units), 0, settled=True)
    probe = LogisticRegression(C=INVERSE_PENALTY, max_iter=MOST_STEPS, tol=TOLERANCE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # told once, with how many probes it was
        probe.fit(features[0], labels[0])
    steps = int(probe.n_iter_.max())
    return Fitted(Figures.of(probe.predict(features[1]), labels[1], units), steps, steps < MOST_STEPS)


# --- what they are compared with ---


def control(task: Task, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Random classes that hang on the word alone, of a pair on the first; drawn as often as train has each.

    Args:
        task: of words or pairs.
        seed: of the draw.
    """
    types = sorted({kind[0] for kinds in task.kinds for kind in kinds})
    shares = np.bincount(task.gold[0], minlength=len(task.classes)) / len(task.gold[0])
    drawn = np.random.default_rng(seed).choice(len(task.classes), size=len(types), p=shares)
    of_type = dict(zip(types, drawn.tolist(), strict=True))
    train, validation = (np.array([of_type[kind[0]] for kind in kinds], np.int64) for kinds in task.kinds)
    return train, validation


def known_share(task: Task) -> float:
    """The share of validation whose word, of a pair its first, stands in train: elsewhere a control task is chance."""
    known = {kind[0] for kind in task.kinds[0]}
    return sum(kind[0] in known for kind in task.kinds[1]) / len(task.kinds[1])


def majority(task: Task) -> Figures:
    """The most frequent class for all."""
    often = int(np.bincount(task.gold[0]).argmax())
    return Figures.of(np.full(len(task.gold[1]), often), task.gold[1], task.units[1])


def by_word(task: Task) -> Figures:
    """The most frequent class of the word, of a pair that of both, else of the first; of unknown ones that of all."""
    often = int(np.bincount(task.gold[0]).argmax())
    seen: dict[Hashable, Counter[int]] = {}
    for kind, label in zip(task.kinds[0], task.gold[0].tolist(), strict=True):
        for known in {kind, kind[:1]}:
            seen.setdefault(known, Counter())[label] += 1
    best = {kind: counts.most_common(1)[0][0] for kind, counts in seen.items()}
    predicted = np.array([best.get(kind, best.get(kind[:1], often)) for kind in task.kinds[1]], np.int64)
    return Figures.of(predicted, task.gold[1], task.units[1])


def by_bag(task: Task, parts: tuple[Part, Part]) -> Figures:
    """Of sentences: the same classifier on the words without their order (TF-IDF)."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    texts = [[part.sentences[i].text for i in rows[:, 0].tolist()] for part, rows in zip(parts, task.rows, strict=True)]
    table = TfidfVectorizer(token_pattern=r"\S+", sublinear_tf=True)
    probe = LogisticRegression(max_iter=10 * MOST_STEPS).fit(table.fit_transform(texts[0]), task.gold[0])
    return Figures.of(probe.predict(table.transform(texts[1])), task.gold[1], task.units[1])
