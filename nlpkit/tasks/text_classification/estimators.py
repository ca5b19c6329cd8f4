"""The estimators of scikit-learn that classical models end in, by the names that `--baseline` has for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

# what an estimator has learnt, as scikit-learn names it
LEARNT = ("coef_", "intercept_", "feature_log_prob_", "class_log_prior_")


class Estimator(NamedTuple):
    """One of them.

    Attributes:
        row: what tables call it, behind what it reads.
        described: what it is.
        make: gives a new one, of a seed.
    """

    row: str
    described: str
    make: Callable[[int], Any]


def _logistic(seed: int) -> Any:
    """With little regularization: texts are short, and rare words tell most."""
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(max_iter=1000, C=10.0, random_state=seed)


def _svm(seed: int) -> Any:
    """With squared hinge loss, as in LIBLINEAR (Fan et al. 2008); texts by SVM are Joachims' (1998)."""
    from sklearn.svm import LinearSVC

    return LinearSVC(random_state=seed)


def _bayes(seed: int) -> Any:
    """By the complement of each class, which is made for TF-IDF and uneven classes (Rennie et al. 2003)."""
    from sklearn.naive_bayes import ComplementNB

    return ComplementNB()


def _ridge(seed: int) -> Any:
    from sklearn.linear_model import Ridge

    return Ridge(random_state=seed)


OF_LABELS: Mapping[str, Estimator] = {
    "logistic": Estimator("linear", "logistic regression", _logistic),
    "svm": Estimator("SVM", "linear support vector machine", _svm),
    "bayes": Estimator("naive Bayes", "complement naive Bayes", _bayes),
}
OF_NUMBERS: Mapping[str, Estimator] = {"ridge": Estimator("linear", "ridge regression", _ridge)}


def learnt_bytes(estimator: Any) -> int:
    """Bytes of what a trained estimator has learnt; of one for several labels, of all that it is made of."""
    parts = getattr(estimator, "estimators_", [estimator])
    return sum(getattr(part, name).nbytes for part in parts for name in LEARNT if hasattr(part, name))
