"""nlpkit.sklearn: estimators that keep scikit-learn's conventions, as far as these are about texts."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import rows
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, ShuffleSplit, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import Tags, estimator_checks
from sklearn.utils.estimator_checks import check_estimator

from nlpkit.sklearn import TextClassifier, TextRegressor

ROWS = rows(96)
TEXTS = [row["text"] for row in ROWS]
GOOD = np.array([row["label"] == "positive" for row in ROWS])


def parameters(model: Path, **others: Any) -> dict[str, Any]:
    options = {"threads": 1, **others.pop("options", {})}
    quick = {"epochs": 5, "learning_rate": 5e-3, "batch_size": 16, "random_state": 0, "device": "cpu"}
    return {"model": str(model), **quick, "options": options, **others}


@pytest.fixture(scope="module")
def fitted(tiny_model: Path) -> TextClassifier:
    return TextClassifier(**parameters(tiny_model)).fit(TEXTS, GOOD)


def test_it_learns_and_answers_in_the_type_of_the_labels(fitted: TextClassifier) -> None:
    assert fitted.classes_.tolist() == [False, True]
    assert fitted.score(TEXTS, GOOD) > 0.85
    probabilities = fitted.predict_proba(TEXTS[:5])
    assert probabilities.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert fitted.predict(TEXTS[:5]).dtype == bool
    assert fitted.predict(TEXTS[:5]).tolist() == (probabilities[:, 1] > 0.5).tolist()
    assert fitted.metrics_["validation"]["accuracy"] > 0.5


def test_a_fitted_one_is_pickled_with_its_weights_as_safetensors(fitted: TextClassifier, tmp_path: Path) -> None:
    (tmp_path / "estimator.pkl").write_bytes(pickle.dumps(fitted))
    again = pickle.loads((tmp_path / "estimator.pkl").read_bytes())
    assert "model.safetensors" in again.files_
    assert np.array_equal(again.predict_proba(TEXTS), fitted.predict_proba(TEXTS))


def test_a_clone_keeps_its_parameters_and_is_not_fitted(fitted: TextClassifier) -> None:
    copy = clone(fitted)
    assert copy.get_params() == fitted.get_params()
    assert not hasattr(copy, "files_")
    assert copy.set_params(learning_rate=1e-5).learning_rate == 1e-5
    check_estimator(copy)


@pytest.mark.slow
@pytest.mark.parametrize("labels", [["b", "a", "ü/,x"], [3, 1, 2], [1.5, 0.5, 2.5]], ids=["text", "int", "float"])
def test_labels_of_any_type_come_back(labels: list[Any], tiny_model: Path) -> None:
    y = np.array(labels * 20) if not isinstance(labels[0], float) else np.array([str(label) for label in labels * 20])
    made = TextClassifier(**parameters(tiny_model, options={"max_steps": 1})).fit(np.array(TEXTS[:60]), y)
    assert made.classes_.tolist() == sorted(set(y.tolist()))
    assert set(made.predict(TEXTS[:9]).tolist()) <= set(y.tolist())


@pytest.mark.slow
def test_several_labels_are_an_indicator_matrix(tiny_model: Path) -> None:
    y = np.stack([GOOD, [len(text) < 40 for text in TEXTS]], axis=1).astype(int)
    made = TextClassifier(**parameters(tiny_model, epochs=15)).fit(TEXTS, y)
    assert made.predict_proba(TEXTS[:4]).shape == (4, 2)
    assert set(np.unique(made.predict(TEXTS))) <= {0, 1}
    assert (made.predict(TEXTS) == y).mean() > 0.7


@pytest.mark.slow
def test_numbers_and_pairs(tiny_model: Path) -> None:
    pairs = [[text, "the film"] for text in TEXTS]
    made = TextRegressor(**parameters(tiny_model)).fit(pairs, GOOD + 0.25)
    assert made.n_features_in_ == 2
    assert made.predict(pairs[:3]).shape == (3,)
    assert made.score(pairs, GOOD + 0.25) > 0
    with pytest.raises(ValueError, match="fitted on pairs of texts"):
        made.predict(TEXTS)


@pytest.mark.slow
def test_it_is_a_step_of_pipelines_and_searches(tiny_model: Path) -> None:
    plain = TextClassifier(**parameters(tiny_model, options={"max_steps": 2}))
    steps = make_pipeline(FunctionTransformer(lambda texts: [text.lower() for text in texts]), plain)
    once = ShuffleSplit(1, test_size=0.5, random_state=0)
    assert len(cross_val_score(steps, TEXTS, GOOD, cv=once, error_score="raise")) == 1
    grid = {"textclassifier__learning_rate": [1e-4, 5e-3]}
    search = GridSearchCV(steps, grid, cv=once, error_score="raise", refit=False).fit(TEXTS, GOOD)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


class OfNumbers(TextClassifier):
    """Makes words of the numbers that scikit-learn's checks come with, so that they can be run on texts."""

    def fit(self, X: Any, y: Any) -> OfNumbers:
        super().fit(self._words(X), y)
        return self

    def _texts(self, X: Any) -> list[Any]:
        return super()._texts(self._words(X))

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array, tags.input_tags.one_d_array = True, False
        return tags

    def _words(self, X: Any) -> list[str]:
        words = [row["text"].split()[-1] for row in ROWS]
        return [" ".join(words[int(abs(value) * 7) % len(words)] for value in row[:4]) for row in np.asarray(X)]


@pytest.mark.slow
@pytest.mark.parametrize(
    "check", ["dict_unchanged", "classifiers_regression_target", "supervised_y_2d", "fit_idempotent"]
)
def test_checks_of_scikit_learn_that_a_table_of_numbers_is_for(check: str, tiny_model: Path) -> None:
    made = OfNumbers(**parameters(tiny_model, options={"max_steps": 1}))
    getattr(estimator_checks, f"check_{check}")("OfNumbers", made)


@pytest.mark.parametrize(
    ("X", "y", "said"),
    [
        ([1, 2], ["a", "b"], "row 0 holds 1, which is no text"),
        (["good", " "], ["a", "b"], "row 1 holds an empty text"),
        (["good", "bad"], ["a"], "X has 2 rows and y has 1"),
        (["good", "bad"], ["a", "a"], "there is one class"),
        ("good", ["a"], "not one str"),
        ([], [], "0 texts"),
        ([["a", "b", "c"]], ["a"], "its shape is"),
        (["good", "bad"], None, "target y is None"),
        (["good", "bad"], [0.5, 1.5], "Unknown label type: continuous"),
        (["good", "bad"], np.array([None, "a"], dtype=object), r"labels of several types \(NoneType, str\)"),
    ],
)
def test_what_is_no_text_or_no_label_is_refused(X: Any, y: Any, said: str, tiny_model: Path) -> None:
    with pytest.raises(ValueError, match=said):
        TextClassifier(**parameters(tiny_model)).fit(X, y)


def test_a_number_that_is_none_is_refused(tiny_model: Path) -> None:
    """Left out with its text, it would be counted by nobody who reads no log."""
    with pytest.raises(ValueError, match="row 1 holds NaN"):
        TextRegressor(**parameters(tiny_model)).fit(TEXTS[:3], [1.0, float("nan"), 2.0])


def test_weights_of_rows_are_refused(tiny_model: Path) -> None:
    with pytest.raises(TypeError, match="sample_weight"):
        TextClassifier(**parameters(tiny_model)).fit(TEXTS, GOOD, sample_weight=np.ones(96))  # type: ignore[call-arg]
