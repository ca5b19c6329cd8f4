"""Kinds of data that an embedder is trained on and judged by: which texts a row has, what is known of them, which
figure tells how well vectors agree with that, and which losses teach it.

A model may be trained on one kind and judged by another: inference pairs teach, pairs with a score judge.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from nlpkit.data.labels import Labels
from nlpkit.tasks.sentence_embedding.losses import table
from nlpkit.tasks.text_classification.problems import problem_type

if TYPE_CHECKING:
    from datasets import Dataset

    from nlpkit.metrics.evidence import Evidence

LIKENESS = problem_type(Labels("regression", []), 0.5)  # a number per pair; the threshold is of no effect
NEAR_ZERO = 1e-12  # length below which a vector is not divided, as `torch.nn.functional.normalize` has it
DEPTH = 10  # of a ranking, as MRR@10 has it
BLOCK = 1_024  # rows that are compared with all others at a time


@dataclass(frozen=True, kw_only=True)
class Shape:
    """One kind of data.

    Attributes:
        name: as --shape has it.
        holds: what a row holds, in words.
        columns: of its examples: `text`, `text_pair`, `negatives` (texts), `label`, `vector`.
        main_metric: that vectors are judged by; empty where nothing is known that they could be judged by.
        metrics: the others that are shown.
        judge: what the metrics hang on, of vectors (examples, texts, width) and examples.
    """

    name: str
    holds: str
    columns: tuple[str, ...]
    main_metric: str = ""
    metrics: tuple[str, ...] = ()
    judge: Callable[[np.ndarray, Dataset], Evidence] | None = None

    @property
    def losses(self) -> list[str]:
        """The losses that can learn from it, the default first; none where it is only judged by."""
        return table.suiting(self.name)

    @property
    def table_metrics(self) -> tuple[str, ...]:
        """The columns of the result table."""
        return (self.main_metric, *self.metrics) if self.main_metric else ()

    def evidence(self, vectors: np.ndarray, examples: Dataset) -> Evidence | None:
        """What the figures hang on; None where there are none.

        Args:
            vectors: of all texts of each example in the order of `texts_of`, shape (examples, texts, width), NaN where
                an example has fewer.
            examples: of this shape, at least one.
        """
        return None if self.judge is None else self.judge(vectors, examples)

    def score(self, vectors: np.ndarray, examples: Dataset) -> dict[str, float]:
        """The figures."""
        if self.name == "scored-pairs":
            known = LIKENESS.score(_cosines(vectors), np.asarray(examples["label"][:]))
            return {name: known[name] for name in self.table_metrics}
        found = self.evidence(vectors, examples)
        return {} if found is None else found.observed()


def texts_of(examples: Mapping[str, Sequence[Any]]) -> list[list[str]]:
    """The texts of each example in the order in which they are embedded: text, second text, negatives.

    Args:
        examples: columns of equal length; None in the place of a text that an example does not have.
    """
    rows: list[list[str]] = [[text] for text in examples["text"]]
    if "text_pair" in examples:
        for row, text in zip(rows, examples["text_pair"], strict=True):
            row.extend([] if text is None else [text])
    if "negatives" in examples:
        for row, texts in zip(rows, examples["negatives"], strict=True):
            row.extend(texts or ())
    return rows


# --- figures ---


def _cosines(vectors: np.ndarray) -> np.ndarray:
    """The cosine of each pair, shape (examples, 1), of vectors (examples, 2, width)."""
    lengths = np.maximum(np.linalg.norm(vectors[:, :2], axis=-1), NEAR_ZERO)
    return ((vectors[:, 0] * vectors[:, 1]).sum(-1) / lengths.prod(-1))[:, None]


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), NEAR_ZERO)


def _of_rows(values: Mapping[str, np.ndarray]) -> Evidence:
    """Figures that are means over rows."""
    from nlpkit.metrics.evidence import Evidence, Extremes

    names, sums = list(values), np.stack(list(values.values()), axis=1).astype(np.float64)

    def figures(weights: np.ndarray) -> Mapping[str, np.ndarray]:
        means = weights @ sums / weights.sum(axis=1, keepdims=True)
        return dict(zip(names, means.T, strict=True))

    return Evidence(np.arange(len(sums)), figures, extremes=dict.fromkeys(names, Extremes()))


def _scored_pairs(vectors: np.ndarray, examples: Dataset) -> Evidence:
    every = LIKENESS.evidence(_cosines(vectors), np.asarray(examples["label"][:]))

    def figures(weights: np.ndarray) -> Mapping[str, np.ndarray]:
        found = every.figures(weights)
        return {name: found[name] for name in ("spearman", "pearson")}

    return replace(every, figures=figures)


def _labelled_pairs(vectors: np.ndarray, examples: Dataset) -> Evidence:
    """Average precision of cosines; and the ROC AUC."""
    from nlpkit.metrics.evidence import Evidence, Extremes

    alike = np.asarray(examples["label"][:]) > 0
    order = np.argsort(-_cosines(vectors)[:, 0], kind="stable")
    true = alike[order]

    def figures(weights: np.ndarray) -> Mapping[str, np.ndarray]:
        drawn = weights[:, order]
        hits, seen = np.cumsum(drawn * true, axis=1), np.cumsum(drawn, axis=1)
        precision = hits / np.maximum(seen, 1)
        total = hits[:, -1]
        found = (precision * drawn * true).sum(axis=1) / np.maximum(total, 1)
        return {"average_precision": np.where(total > 0, found, np.nan)}

    return Evidence(np.arange(len(true)), figures, extremes={"average_precision": Extremes()})


def _triplets(vectors: np.ndarray, examples: Dataset) -> Evidence:
    """How often an anchor is more alike to its positive than to each of its negatives."""
    unit = _unit(vectors)
    cosines = (unit[:, :1] * unit[:, 1:]).sum(-1)
    return _of_rows({"accuracy": cosines[:, 0] > np.nanmax(cosines[:, 1:], axis=1)})


def _pairs(vectors: np.ndarray, examples: Dataset) -> Evidence:
    """Where the positive of each anchor stands among all positives; one that is the same text is as good."""
    unit = _unit(vectors)
    positives = examples["text_pair"][:]
    first: dict[str, int] = {}
    number = np.array([first.setdefault(text, len(first)) for text in positives])
    documents = unit[np.unique(number, return_index=True)[1], 1]
    ranks = np.empty(len(unit))
    for start in range(0, len(unit), BLOCK):
        cosines = unit[start : start + BLOCK, 0] @ documents.T
        own = cosines[np.arange(len(cosines)), number[start : start + BLOCK]]
        ranks[start : start + BLOCK] = (cosines > own[:, None]).sum(axis=1) + 1
    return _of_rows({f"mrr@{DEPTH}": np.where(ranks <= DEPTH, 1 / ranks, 0), "accuracy@1": ranks == 1})


def _labelled_texts(vectors: np.ndarray, examples: Dataset) -> Evidence:
    """How often the text that is most alike has the same label."""
    unit, labels = _unit(vectors[:, 0]), np.asarray(examples["label"][:])
    right = np.zeros(len(unit))
    for start in range(0, len(unit), BLOCK):
        cosines = unit[start : start + BLOCK] @ unit.T
        cosines[np.arange(len(cosines)), start + np.arange(len(cosines))] = -np.inf
        right[start : start + BLOCK] = labels[cosines.argmax(axis=1)] == labels[start : start + BLOCK]
    return _of_rows({"neighbour_accuracy": right})


SHAPES: dict[str, Shape] = {
    shape.name: shape
    for shape in (
        Shape(
            name="scored-pairs",
            holds="two texts and a number that says how alike they are",
            columns=("text", "text_pair", "label"),
            main_metric="spearman",
            metrics=("pearson",),
            judge=_scored_pairs,
        ),
        Shape(
            name="labelled-pairs",
            holds="two texts, and 1 where they are alike, else 0",
            columns=("text", "text_pair", "label"),
            main_metric="average_precision",
            judge=_labelled_pairs,
        ),
        Shape(
            name="pairs",
            holds="a text and one that belongs to it, perhaps with others that do not",
            columns=("text", "text_pair", "negatives"),
            main_metric=f"mrr@{DEPTH}",
            metrics=("accuracy@1",),
            judge=_pairs,
        ),
        Shape(
            name="triplets",
            holds="a text, one that belongs to it and one that does not",
            columns=("text", "text_pair", "negatives"),
            main_metric="accuracy",
            judge=_triplets,
        ),
        Shape(
            name="labelled-texts",
            holds="a text and the label of its kind",
            columns=("text", "label"),
            main_metric="neighbour_accuracy",
            judge=_labelled_texts,
        ),
        Shape(name="texts", holds="a text alone", columns=("text",)),
        Shape(
            name="taught",
            holds="a text and the vector that it should have",
            columns=("text", "vector"),
        ),
        Shape(
            name="margins",
            holds="a text, one that belongs to it, others, and by how much the first is preferred to each of these",
            columns=("text", "text_pair", "negatives", "label"),
        ),
    )
}
"""Name -> kind of examples. Rows of inference pairs (--shape nli) become `triplets` or `pairs`."""


def of_examples(examples: Dataset) -> Shape:
    """The shape of examples, by their columns and what is in these."""
    features = examples.features
    names = set(features)
    if "vector" in names:
        return SHAPES["taught"]
    if "negatives" in names and "label" in names:
        return SHAPES["margins"]
    if "negatives" in names:
        return SHAPES["triplets" if getattr(features["negatives"], "length", -1) == 1 else "pairs"]
    if "label" not in names:
        return SHAPES["pairs" if "text_pair" in names else "texts"]
    whole = features["label"].dtype.startswith("int")
    if "text_pair" in names:
        return SHAPES["labelled-pairs" if whole else "scored-pairs"]
    return SHAPES["labelled-texts"]
