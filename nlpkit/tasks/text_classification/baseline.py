"""The classical models beside a text classifier: TF-IDF of words and word pairs, with an estimator of scikit-learn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from nlpkit import reporting
from nlpkit.data.labels import Labels
from nlpkit.errors import UserError
from nlpkit.tasks.classical import Classical, Words
from nlpkit.tasks.text_classification import estimators
from nlpkit.tasks.text_classification.options import ALL, NETWORKS
from nlpkit.tasks.text_classification.problems import ProblemType

if TYPE_CHECKING:
    from datasets import Dataset

MOST_LABELS = 1_000


def require_few(labels: Labels) -> None:
    """Stop where the labels are so many that the model takes too much memory.

    Raises:
        UserError: there are more than `MOST_LABELS`.
    """
    if labels.size > MOST_LABELS:
        raise UserError(
            f"--baseline: TF-IDF with a linear model has a weight for each label and each pair of words, which for "
            f"{labels.size:,} labels takes too much memory (at most {MOST_LABELS:,})",
            "Leave out --baseline.",
        )


def chosen(problem: ProblemType, named: Sequence[str]) -> list[str]:
    """The classical models that are trained, of those that are named; where none is, the usual one of the problem.

    Raises:
        UserError: one is named that does not learn what the rows are labelled with.
    """
    if not named:
        return [next(iter(problem.estimators))]
    known = [*problem.estimators, *NETWORKS]
    others = [name for name in (*estimators.OF_LABELS, *estimators.OF_NUMBERS) if name not in known]
    if ALL in named:
        if not problem.has_classes:
            reporting.current().note(f"--baseline all: {', '.join(known)}; {', '.join(others)} are for labels")
        return known
    for name in named:
        if name in others:
            raise UserError(
                f"--baseline {name}: it is not for {problem.labels.problem}, which these rows are for",
                f"There are {', '.join(known)}.",
            )
    return list(dict.fromkeys(named))


class Linear(Classical):
    """TF-IDF of words and word pairs with an estimator.

    Args:
        problem: what is learnt.
        name: of the estimator, one of `problem.estimators`.
        texts: gives the text of each example.
        train: the examples to learn from.
        seed: of the estimator.
    """

    def __init__(
        self, problem: ProblemType, name: str, texts: Callable[[Dataset], Sequence[str]], train: Dataset, seed: int
    ) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.pipeline import make_pipeline

        self.problem, self.texts = problem, texts
        self.vectors = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"\S+")
        estimator = problem.estimator(name, seed)
        self.pipeline = make_pipeline(self.vectors, estimator)
        self.pipeline.fit(texts(train), problem.linear_targets(np.asarray(train["label"][:])))
        kind, terms = problem.estimators[name], self.vectors.vocabulary_
        self.name = f"TF-IDF + {kind.row}"
        self.described = f"{kind.described} on {len(terms):,} words and pairs of words"
        spelt = sum(len(term.encode("utf-8", "surrogatepass")) for term in terms)
        self.bytes = spelt + self.vectors.idf_.nbytes + estimators.learnt_bytes(estimator)
        self.has_probabilities = not problem.has_classes or hasattr(estimator, "predict_proba")

    def outputs(self, examples: Dataset) -> np.ndarray:
        """Logits as a model gives them, shape (rows, labels)."""
        return self.problem.linear_outputs(self.pipeline, self.texts(examples))

    def words(self, examples: Dataset) -> Words:
        lower, cut = self.vectors.build_preprocessor(), self.vectors.build_tokenizer()
        words = [word for text in self.texts(examples) for word in cut(lower(text))]
        return Words(sum(word not in self.vectors.vocabulary_ for word in words), len(words))
