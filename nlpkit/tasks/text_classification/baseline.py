"""The classical model beside a text classifier: TF-IDF of words and word pairs with a linear model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from nlpkit.data.labels import Labels
from nlpkit.errors import UserError
from nlpkit.tasks.text_classification.problems import ProblemType

NAME = "TF-IDF + linear"
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


def outputs(
    problem: ProblemType, texts: Mapping[str, Sequence[str]], gold: np.ndarray, seed: int
) -> dict[str, np.ndarray]:
    """Train on the split "train", and give for each split logits as a model does, shape (rows, labels).

    Args:
        problem: its `linear_model` learns.
        texts: of each split.
        gold: the labels of train.
        seed: of the linear model.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline

    vectors = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"\S+")
    pipeline = make_pipeline(vectors, problem.linear_model(seed))
    pipeline.fit(texts["train"], problem.linear_targets(gold))
    return {split: problem.linear_outputs(pipeline, rows) for split, rows in texts.items()}
