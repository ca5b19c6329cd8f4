"""Kinds of data that an embedder is trained on and judged by: which texts a row has, what is known of them, which
figure tells how well vectors agree with that, and which losses teach it.

A model may be trained on one kind and judged by another: inference pairs teach, pairs with a score judge.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from nlpkit.data.labels import Labels
from nlpkit.metrics import retrieval, similarity
from nlpkit.tasks.sentence_embedding import judging
from nlpkit.tasks.sentence_embedding.losses import table
from nlpkit.tasks.text_classification.problems import problem_type

if TYPE_CHECKING:
    from datasets import Dataset

    from nlpkit.metrics.evidence import Evidence

LIKENESS = problem_type(Labels("regression", []), 0.5)  # a number per pair; the threshold is of no effect
Judge: TypeAlias = "Callable[[np.ndarray, Dataset, str], Evidence]"
Worst: TypeAlias = "Callable[[np.ndarray, Dataset, str], list[dict[str, Any]]]"


@dataclass(frozen=True, kw_only=True)
class Shape:
    """One kind of data.

    Attributes:
        name: as --shape has it.
        holds: what a row holds, in words.
        columns: of its examples: `text`, `text_pair`, `negatives` (texts), `label`, `vector`.
        main_metric: that vectors are judged by; empty where nothing is known that they could be judged by.
        metrics: the others that are shown.
        judge: what the metrics hang on, of vectors (examples, texts, width), examples, and how vectors are compared.
        worst: where vectors go wrong, of the same, as JSON values; the worst first.
        others: metrics that are not shown unless they are asked for.
        every: whether there are the same metrics by each of `similarity.SIMILARITIES`.
    """

    name: str
    holds: str
    columns: tuple[str, ...]
    main_metric: str = ""
    metrics: tuple[str, ...] = ()
    judge: Judge | None = None
    worst: Worst | None = None
    others: tuple[str, ...] = ()
    every: bool = False

    @property
    def losses(self) -> list[str]:
        """The losses that can learn from it, the default first; none where it is only judged by."""
        return table.suiting(self.name)

    @property
    def table_metrics(self) -> tuple[str, ...]:
        """The columns of the result table."""
        return (self.main_metric, *self.metrics) if self.main_metric else ()

    @property
    def all_metrics(self) -> list[str]:
        """The names of all that `score` gives."""
        own = (*self.table_metrics, *self.others)
        return similarity.names(own) if self.every else list(own)

    def evidence(self, vectors: np.ndarray, examples: Dataset, how: str = "cosine") -> Evidence | None:
        """What the figures hang on; None where there are none.

        Args:
            vectors: of all texts of each example in the order of `texts_of`, shape (examples, texts, width), NaN where
                an example has fewer.
            examples: of this shape, at least one.
            how: vectors are compared, by the model's own similarity.
        """
        return None if self.judge is None else self.judge(vectors, examples, how)

    def score(self, vectors: np.ndarray, examples: Dataset, how: str = "cosine") -> dict[str, float]:
        """The figures."""
        found = self.evidence(vectors, examples, how)
        figures = {} if found is None else found.observed()
        if self.name == "scored-pairs":
            likeness = similarity.of_pairs(vectors[:, 0], vectors[:, 1], how)[:, None]
            known = LIKENESS.score(likeness, np.asarray(examples["label"][:]))
            figures |= {name: known[name] for name in self.table_metrics}
        return figures


def texts_of(examples: Mapping[str, Sequence[Any]]) -> list[list[str]]:
    """The texts of each example in the order in which they are embedded: text, second text, negatives, documents.

    Args:
        examples: columns of equal length; None in the place of a text that an example does not have.
    """
    rows: list[list[str]] = [[text] for text in examples["text"]]
    if "text_pair" in examples:
        for row, text in zip(rows, examples["text_pair"], strict=True):
            row.extend([] if text is None else [text])
    for name in ("negatives", "documents"):
        if name in examples:
            for row, texts in zip(rows, examples[name], strict=True):
                row.extend(texts or ())
    return rows


SHAPES: dict[str, Shape] = {
    shape.name: shape
    for shape in (
        Shape(
            name="scored-pairs",
            holds="two texts and a number that says how alike they are",
            columns=("text", "text_pair", "label"),
            main_metric="spearman",
            metrics=("pearson",),
            judge=judging.scored_pairs,
            worst=judging.worst_scored,
            every=True,
        ),
        Shape(
            name="labelled-pairs",
            holds="two texts, and 1 where they are alike, else 0",
            columns=("text", "text_pair", "label"),
            main_metric="average_precision",
            metrics=("f1", "f1_threshold", "accuracy", "roc_auc"),
            others=("precision", "recall", "accuracy_threshold"),
            judge=judging.labelled_pairs,
            worst=judging.worst_labelled,
            every=True,
        ),
        Shape(
            name="pairs",
            holds="a text and one that belongs to it, perhaps with others that do not",
            columns=("text", "text_pair", "negatives"),
            main_metric="mrr@10",
            metrics=("accuracy@1", "recall@10", "ndcg@10"),
            judge=judging.pairs,
            worst=judging.worst_pairs,
        ),
        Shape(
            name="triplets",
            holds="a text, one that belongs to it and one that does not",
            columns=("text", "text_pair", "negatives"),
            main_metric="accuracy",
            others=("margin",),
            judge=judging.triplets,
            worst=judging.worst_triplets,
            every=True,
        ),
        Shape(
            name="labelled-texts",
            holds="a text and the label of its kind",
            columns=("text", "label"),
            main_metric="neighbour_accuracy",
            judge=judging.labelled_texts,
        ),
        Shape(
            name="translations",
            holds="a text and the same in another language",
            columns=("text", "text_pair", "translated"),
            main_metric="accuracy",
            metrics=("accuracy_forward", "accuracy_backward", "same_language"),
            judge=judging.translations,
            worst=judging.worst_translations,
        ),
        Shape(
            name="retrieval",
            holds="a query, its share of the documents that all search, and those that were judged for it",
            columns=("text", "documents", "document_ids", "judged", "corpus"),
            main_metric=retrieval.MAIN,
            metrics=retrieval.METRICS[1:],
            judge=judging.queries,
            worst=judging.worst_queries,
        ),
        Shape(name="texts", holds="a text alone", columns=("text",)),
        Shape(
            name="before",
            holds="texts, and the vectors that a model gave them before it was changed",
            columns=("text", "before"),
            main_metric="cosine",
            judge=judging.unmoved,
        ),
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
    if "before" in names:
        return SHAPES["before"]
    if "vector" in names:
        return SHAPES["taught"]
    if "negatives" in names and "label" in names:
        return SHAPES["margins"]
    if "documents" in names:
        return SHAPES["retrieval"]
    if "translated" in names:
        return SHAPES["translations"]
    if "negatives" in names:
        return SHAPES["triplets" if getattr(features["negatives"], "length", -1) == 1 else "pairs"]
    if "label" not in names:
        return SHAPES["pairs" if "text_pair" in names else "texts"]
    whole = features["label"].dtype.startswith("int")
    if "text_pair" in names:
        return SHAPES["labelled-pairs" if whole else "scored-pairs"]
    return SHAPES["labelled-texts"]
