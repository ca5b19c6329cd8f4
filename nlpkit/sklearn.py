"""Estimators of scikit-learn for texts: they fit in a Pipeline, in cross_val_score and in GridSearchCV.

>>> from nlpkit.sklearn import TextClassifier
>>> classifier = TextClassifier(epochs=3).fit(texts, labels)  # doctest: +SKIP
>>> classifier.predict_proba(["What a film!"])  # doctest: +SKIP
"""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import Tags, check_random_state, column_or_1d
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_is_fitted

from nlpkit.api.predictor import Predictor
from nlpkit.options import DEFAULT_MODEL

KEPT = (".json", ".safetensors", ".txt", ".model", ".jinja", ".spm")  # what a model and its tokenizer are made of
TEXT, PAIR, LABEL = "text", "text_pair", "label"
MOST_SEEDS = 2**31 - 1
ANSWERED = 32  # texts of a forward pass, where no batch size was named


class _TextEstimator(BaseEstimator):
    """What classifiers and regressors of texts share; `__init__` only keeps its parameters."""

    def __init__(
        self,
        model: str = DEFAULT_MODEL,
        *,
        epochs: float | None = None,
        learning_rate: float | None = None,
        batch_size: int | None = None,
        max_length: int | None = None,
        validation_share: float = 0.1,
        device: str = "auto",
        random_state: Any = None,
        output: str | PathLike[str] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self.model = model
        self.epochs = epochs
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.max_length = max_length
        self.validation_share = validation_share
        self.device = device
        self.random_state = random_state
        self.output = output
        self.options = options

    def _fit(self, texts: list[Any], labels: list[Any], problem: str) -> None:
        """Fine-tune on texts, or on pairs of them, and keep the model.

        Raises:
            UserError: as `nlpkit.finetune`.
        """
        import nlpkit

        paired = isinstance(texts[0], tuple)
        columns = {TEXT: [text[0] for text in texts], PAIR: [text[1] for text in texts]} if paired else {TEXT: texts}
        named = {"epochs": self.epochs, "learning_rate": self.learning_rate, "batch_size": self.batch_size}
        given = {
            **{name: value for name, value in named.items() if value is not None},
            "model": self.model,
            "max_length": self.max_length,
            "validation_share": self.validation_share,
            "device": self.device,
            "seed": int(check_random_state(self.random_state).randint(MOST_SEEDS)),
            "problem": problem,
            "text_column": TEXT,
            "label_column": LABEL,
            **({"text_pair_column": PAIR} if paired else {}),
            **(self.options or {}),
        }
        with tempfile.TemporaryDirectory(prefix="nlpkit-") as place:
            folder = Path(self.output) if self.output is not None else Path(place) / "run"
            report = nlpkit.finetune(
                "cls", {**columns, LABEL: labels}, output=folder, overwrite=self.output is not None, **given
            )
            self.metrics_ = report.metrics
            self.files_ = {
                path.relative_to(folder).as_posix(): path.read_bytes()
                for path in sorted(folder.iterdir())
                if path.is_file() and path.suffix in KEPT
            }
        self._paired = paired
        self.n_features_in_ = 2 if paired else 1
        self._opened: list[Predictor] = []  # none or one: to open it changes no attribute

    def _predictor(self) -> Predictor:
        """The fitted model, opened once in each process."""
        check_is_fitted(self, "files_")
        if not self._opened:
            folder = tempfile.TemporaryDirectory(prefix="nlpkit-")
            for name, content in self.files_.items():
                (Path(folder.name) / name).write_bytes(content)
            threads = (self.options or {}).get("threads")
            opened = Predictor(folder.name, device=self.device, batch_size=self.batch_size or ANSWERED, threads=threads)
            self._opened.append(opened)
            weakref.finalize(self, folder.cleanup)
        return self._opened[0]

    def _texts(self, X: Any) -> list[Any]:
        """Texts to be answered, of the kind that was fitted.

        Raises:
            ValueError: they are of another kind.
        """
        check_is_fitted(self, "files_")
        texts = texts_of(X)
        if isinstance(texts[0], tuple) != self._paired:
            raise ValueError(
                f"X: it was fitted on {'pairs of texts' if self._paired else 'single texts'}, and given the other"
            )
        return texts

    def __getstate__(self) -> dict[str, Any]:
        """Without the open model, which is opened again from its files."""
        state = dict(super().__getstate__())
        return {**state, "_opened": []} if "_opened" in state else state

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        tags.target_tags.required = True
        return tags


class TextClassifier(ClassifierMixin, _TextEstimator):
    """A fine-tuned encoder that gives texts labels.

    Args:
        model: folder or hub name of the encoder; `minilm` by default.
        epochs: passes over the texts; None: by their number.
        learning_rate: at its peak; None: by the size of the model.
        batch_size: texts per step, and per forward pass when it answers; None: by their number, and 32.
        max_length: tokens per text; None: chosen from the texts.
        validation_share: of the texts that `fit` is given, which pick the best checkpoint and calibrate the scores.
        device: auto, cpu, cuda, ...
        random_state: seed, `RandomState` or None for another one each time.
        output: folder for the run with its record, card and plots; None keeps the model within the estimator alone.
        options: further options of `nlpkit.finetune("cls", ...)`, by name.

    Attributes:
        classes_: the labels in the type of `y`, sorted; of an indicator matrix the numbers of its columns.
        n_features_in_: 1, or 2 of pairs.
        metrics_: of the run, by split.
        files_: of the fitted model: name -> content, the weights as safetensors.
    """

    def fit(self, X: Any, y: Any) -> Self:
        """Fine-tune.

        Args:
            X: texts, shape (n,), or pairs of texts, shape (n, 2): list, array, Series or DataFrame.
            y: labels of any type, shape (n,), or an indicator matrix of 0 and 1, shape (n, labels).

        Raises:
            ValueError: X holds something else than texts, or an empty one; lengths differ, or y has a single label.
            nlpkit.errors.UserError: as `nlpkit.finetune`.
        """
        texts, y = texts_of(X), _targets(y, len(_rows(X)))
        try:
            np.unique(y)
        except TypeError:
            kinds = ", ".join(sorted({type(label).__name__ for label in y.ravel()}))
            raise ValueError(f"y: labels of several types ({kinds}) have no order: give all as text") from None
        check_classification_targets(y)  # of numbers between whole ones it says that they are no labels
        self._multi_label = y.ndim == 2
        if self._multi_label:
            self.classes_ = np.arange(y.shape[1])
            names = np.array([f"label_{i}" for i in self.classes_], dtype=object)
            self._fit(texts, [names[row > 0].tolist() for row in y], "multi-label")
        else:
            self.classes_, ids = np.unique(y, return_inverse=True)
            if len(self.classes_) < 2:
                raise ValueError(f"y: all {len(y)} labels are {self.classes_[0]!r}: there is one class")
            self._fit(texts, [_name(i) for i in ids], "binary" if len(self.classes_) == 2 else "multi-class")
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Labels in the type that they were fitted in, shape (n,); of an indicator matrix one, shape (n, labels)."""
        probabilities = self.predict_proba(X)
        if self._multi_label:
            return (probabilities >= 0.5).astype(int)
        return self.classes_[probabilities.argmax(axis=1)]

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities, shape (n, labels), in the order of `classes_`."""
        predictor = self._predictor()
        found = predictor.predict_proba(self._texts(X))
        columns = {name: i for i, name in enumerate(predictor.labels)}
        wanted = [f"label_{i}" if self._multi_label else _name(i) for i in range(len(self.classes_))]
        given = np.zeros((len(found), len(wanted)))  # a label that no text had is none of the model's
        for place, name in enumerate(wanted):
            if name in columns:
                given[:, place] = found[:, columns[name]]
        return given

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


class TextRegressor(RegressorMixin, _TextEstimator):
    """A fine-tuned encoder that gives texts numbers; parameters and attributes are those of `TextClassifier`."""

    def fit(self, X: Any, y: Any) -> Self:
        """Fine-tune.

        Args:
            X: as for `TextClassifier.fit`.
            y: numbers, shape (n,).

        Raises:
            ValueError: X holds something else than texts, or an empty one; lengths differ, or y holds no numbers.
            nlpkit.errors.UserError: as `nlpkit.finetune`.
        """
        numbers = _targets(y, len(_rows(X))).astype(float)
        if numbers.ndim != 1:
            raise ValueError(f"y: one number per text is wanted, its shape is {numbers.shape}")
        if not np.isfinite(numbers).all():
            raise ValueError(f"y: row {int(np.flatnonzero(~np.isfinite(numbers))[0])} holds NaN or infinity")
        self._fit(texts_of(X), numbers.tolist(), "regression")
        return self

    def predict(self, X: Any) -> np.ndarray:
        """A number for each text, shape (n,)."""
        return np.array(self._predictor().predict(self._texts(X)), dtype=float)


def texts_of(X: Any) -> list[Any]:
    """Texts, or pairs of them as tuples, of whatever scikit-learn hands over.

    Raises:
        ValueError: there is none, one is no text or empty, or there are other than one or two columns.
    """
    rows = _rows(X)
    if not len(rows):
        raise ValueError("X: there are 0 texts (samples), and at least 1 is needed")
    width = rows.shape[1] if rows.ndim == 2 else 1
    if rows.ndim > 2 or width not in (1, 2):
        raise ValueError(f"X: one text per row or two (a pair) are wanted, its shape is {rows.shape}")
    for place, cell in enumerate(rows.ravel().tolist()):
        if not isinstance(cell, str):
            raise ValueError(f"X: row {place // width} holds {cell!r}, which is no text: give strings")
        if not cell.strip():
            raise ValueError(f"X: row {place // width} holds an empty text, which has no answer")
    if width == 2:
        return [tuple(row) for row in rows.tolist()]
    return rows.ravel().tolist()


def _rows(X: Any) -> np.ndarray:
    if isinstance(X, str) or not (hasattr(X, "__array__") or isinstance(X, Sequence)):
        raise ValueError(f"X: a list or an array of texts is wanted, not one {type(X).__name__}")
    return np.asarray(X, dtype=object)


def _targets(y: Any, rows: int) -> np.ndarray:
    """Labels or numbers as an array.

    Raises:
        ValueError: there are none, they are not as many as there are rows, or lists of labels.
    """
    if y is None:
        raise ValueError("requires y to be passed, but the target y is None")
    made = np.asarray(y)
    if len(made) != rows:
        raise ValueError(f"X has {rows} rows and y has {len(made)}: found inputs with inconsistent numbers of samples")
    if made.ndim == 2 and made.shape[1] == 1:
        made = column_or_1d(made, warn=True)
    if made.ndim == 2 and type_of_target(made) != "multilabel-indicator":
        raise ValueError("y: several labels per text are an indicator matrix of 0 and 1 (MultiLabelBinarizer)")
    return made


def _name(number: int) -> str:
    """What the model calls a class: whatever a label is, it is read as nothing else."""
    return f"class_{number}"
