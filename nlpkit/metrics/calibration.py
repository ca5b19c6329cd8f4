"""Whether a model is right as often as its scores say, and the temperature that makes it so.

Temperature scaling (Guo et al. 2017, On Calibration of Modern Neural Networks, https://arxiv.org/abs/1706.04599)
divides all logits by one number, fitted on rows that were not trained on. It changes how sure a model is, not what it
answers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from nlpkit.reporting import counted

BINS = 15
"""Of the calibration error, as in Guo et al. 2017; here of equal numbers of decisions (Nguyen and O'Connor 2015), as
bins of equal width leave most of them nearly empty for a good model."""
MIN_ROWS = 100
"""Rows that a temperature takes: its standard error is 15 % from so many of three classes, 24 % from half of them."""
MIN_WRONG = 10
"""Wrong decisions that it takes: without any, the likeliest temperature is 0, at which all scores are 1."""
SURELY = 1.96  # standard errors: the gain is above 0 with its whole 95 % interval
LOG_BOUNDS = (-3.0, 3.0)  # of the logarithm of a temperature: 0.05 to 20
UNKNOWN = float(-np.log(np.finfo(np.float32).eps))  # nats, of a right answer that a model cannot give: 15.9
PART = 2**22  # probabilities in memory at a time
MOST = 2**24  # logits that a temperature is fitted on
FIGURES = frozenset({"ece", "brier", "nll"})  # that scores have which say how likely an answer is, see `figures`


@dataclass(frozen=True)
class Decisions:
    """Decisions of a model as logits, and what would have been right.

    Attributes:
        logits: shape (n, classes), of which one is right, scored by softmax; or (n,), each yes or no, by sigmoid.
        gold: shape (n,): the class, beyond the last one where the model lacks it; or 0 and 1.
        row: the row of the user's data that each is about, shape (n,): decisions about one row are no independent
            evidence.
    """

    logits: np.ndarray
    gold: np.ndarray
    row: np.ndarray

    def __len__(self) -> int:
        return len(self.gold)

    @property
    def classes(self) -> int:
        """Of which one is right; 0 where each decision is yes or no."""
        return self.logits.shape[1] if self.logits.ndim > 1 else 0

    def parts(self) -> Iterator[Decisions]:
        """Some at a time: what is computed of all of them takes several times their memory."""
        size = max(PART // max(self.classes, 1), 1)
        for start in range(0, len(self), size):
            yield self.chosen(slice(start, start + size))

    def chosen(self, which: slice | np.ndarray) -> Decisions:
        """Some of the decisions."""
        return Decisions(self.logits[which], self.gold[which], self.row[which])

    def divided(self, temperature: float | np.ndarray) -> Decisions:
        """With logits that are divided, by one number or by one for each decision."""
        by = np.asarray(temperature, dtype=np.float64)
        return Decisions(self.logits / (by[..., None] if self.classes and by.ndim else by), self.gold, self.row)

    def known(self) -> Decisions:
        """Those whose right class the model has: of another one no logit tells."""
        return self.chosen(self.gold < self.classes) if self.classes else self


@dataclass(frozen=True)
class Bin:
    """Decisions of like confidence.

    Attributes:
        confidence: their mean score.
        accuracy: the share of them that is right.
        low, high: 95 % interval of that share (Wilson 1927).
        count: how many there are.
    """

    confidence: float
    accuracy: float
    low: float
    high: float
    count: int


@dataclass(frozen=True)
class Fit:
    """What a temperature does for the scores of a model.

    Attributes:
        temperature: 1 where none was fitted.
        rows: that it was fitted on.
        before, after: calibration figures of these rows.
        why: the reason to leave the scores as they are; empty where the temperature is to be used.
    """

    temperature: float
    rows: int
    before: dict[str, float]
    after: dict[str, float]
    why: str = ""


def confidences(decisions: Decisions) -> tuple[np.ndarray, np.ndarray]:
    """The score of each decision, and whether it is right: of a class the probability of the one that is answered, of
    yes or no that of yes, which is right where the answer is yes."""
    if not decisions.classes:
        return _sigmoid(decisions.logits), decisions.gold == 1
    scores = [_softmax(part.logits).max(axis=1) for part in decisions.parts()]
    return np.concatenate(scores), decisions.logits.argmax(axis=1) == decisions.gold


def probabilities_of_gold(decisions: Decisions) -> np.ndarray:
    """The probability of what is right in each decision, shape (n,); next to 0 of a class that the model lacks."""
    return np.exp(-_losses(decisions))


def contradicted(decisions: Decisions) -> np.ndarray:
    """Whether the model decides otherwise than what is right, bool of shape (n,)."""
    return _answered(decisions) != decisions.gold


def figures(decisions: Decisions) -> dict[str, float]:
    """Calibration figures: `ece`, `brier` and `nll`; none of no decisions.

    - ece: expected calibration error: the mean distance between the score and the share that is right, over `BINS` bins
      of equal numbers of decisions.
    - brier: the mean squared distance of the probabilities to the truth (Brier 1950); summed over classes, and halved
      for two, as scikit-learn has it.
    - nll: the mean negative logarithm of the probability of what is right, in nats; `UNKNOWN` of a class that the model
      lacks, whose probability is 0.
    """
    if not len(decisions):
        return {}
    return {
        "ece": expected_error(*confidences(decisions)),
        "brier": _brier(decisions),
        "nll": float(_losses(decisions).mean()),
    }


def mean_loss(decisions: Decisions) -> float:
    """The figure `nll` of those decisions whose right class the model has."""
    return float(_losses(decisions.known()).mean())


def expected_error(confidence: np.ndarray, right: np.ndarray) -> float:
    """Mean distance between confidence and accuracy, over bins; from 0 to 1."""
    bin_of = _bins(confidence)
    gap = np.bincount(bin_of, confidence) - np.bincount(bin_of, right)
    return float(np.abs(gap).sum() / len(confidence))


def reliability(confidence: np.ndarray, right: np.ndarray) -> list[Bin]:
    """The bins that `expected_error` is over, by confidence."""
    from scipy.stats import binomtest

    bin_of = _bins(confidence)
    made = []
    for number in np.unique(bin_of):
        inside = bin_of == number
        count, correct = int(inside.sum()), int(right[inside].sum())
        low, high = binomtest(correct, count).proportion_ci(method="wilson")
        made.append(Bin(float(confidence[inside].mean()), correct / count, float(low), float(high), count))
    return made


def fit(decisions: Decisions) -> Fit:
    """The temperature of the greatest likelihood, and whether scores divided by it are truer beyond chance.

    It is used where there are `MIN_ROWS` rows and `MIN_WRONG` wrong decisions, and where rows gain whose temperature
    was fitted on others: each half is judged by the temperature of the other one, and the mean gain of a row in
    likelihood must be above 0 with its whole 95 % interval.
    """
    before = figures(decisions)
    known = decisions.known()
    rows = len(np.unique(known.row))
    wrong = int(contradicted(known).sum())
    if not np.isfinite(decisions.logits).all():
        return Fit(1.0, rows, before, before, "the model gives logits that are no finite numbers")
    if rows < MIN_ROWS:
        return Fit(
            1.0, rows, before, before, f"validation has {counted(rows, 'row', 'rows')}, and {MIN_ROWS} are needed"
        )
    if wrong < MIN_WRONG:
        why = f"{wrong} of {len(known):,} answers are wrong, of the {MIN_WRONG} at least that show how sure those are"
        return Fit(1.0, rows, before, before, why)
    halves = np.random.default_rng(0).permutation(int(known.row.max()) + 1)[known.row] % 2
    others = np.array([fitted(known.chosen(halves == half)) for half in (1, 0)])[halves]
    gained = np.bincount(known.row, _losses(known) - _losses(known.divided(others)))[np.unique(known.row)]
    if gained.mean() <= SURELY * gained.std(ddof=1) / np.sqrt(rows):
        return Fit(1.0, rows, before, before, "no temperature makes them truer beyond chance")
    temperature = fitted(known)
    return Fit(temperature, rows, before, figures(decisions.divided(temperature)))


def fitted(decisions: Decisions) -> float:
    """The temperature under which the right answers are likeliest; the likelihood is convex in its inverse."""
    from scipy.optimize import minimize_scalar

    some = decisions.chosen(slice(None, None, -(-decisions.logits.size // MOST)))
    found = minimize_scalar(
        lambda log: float(_losses(some.divided(np.exp(log))).mean()),
        bounds=LOG_BOUNDS,
        method="bounded",
        options={"xatol": 1e-5},
    )
    return float(np.exp(found.x))


def _answered(decisions: Decisions) -> np.ndarray:
    return decisions.logits.argmax(axis=1) if decisions.classes else (decisions.logits >= 0).astype(np.int64)


def _losses(decisions: Decisions) -> np.ndarray:
    """Negative logarithm of the probability of what is right, shape (n,)."""
    if not decisions.classes:
        sign = np.where(decisions.gold == 1, 1.0, -1.0)
        return np.logaddexp(0.0, -sign * decisions.logits.astype(np.float64))
    from scipy.special import logsumexp

    losses = []
    for part in decisions.parts():
        logits = part.logits.astype(np.float64)
        has = part.gold < part.classes
        given = logits[np.arange(len(part)), np.where(has, part.gold, 0)]
        losses.append(np.where(has, logsumexp(logits, axis=1) - given, UNKNOWN))
    return np.concatenate(losses)


def _brier(decisions: Decisions) -> float:
    if not decisions.classes:
        return float(np.square(_sigmoid(decisions.logits) - decisions.gold).mean())
    total = 0.0
    for part in decisions.parts():
        probabilities = _softmax(part.logits)
        has = part.gold < decisions.classes
        given = probabilities[np.arange(len(part)), np.where(has, part.gold, 0)]
        total += float((np.square(probabilities).sum(axis=1) - 2 * given * has + 1).sum())
    return total / len(decisions) / (2 if decisions.classes == 2 else 1)


def _bins(confidence: np.ndarray) -> np.ndarray:
    """The bin of each, by confidence; equal ones are in one bin, in whatever order they come."""
    bins = min(BINS, len(confidence))
    edges = np.sort(confidence)[[len(confidence) * i // bins for i in range(1, bins)]]
    return np.searchsorted(edges, confidence, side="right")


def _softmax(logits: np.ndarray) -> np.ndarray:
    from scipy.special import softmax

    return softmax(logits.astype(np.float64), axis=1)


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    from scipy.special import expit

    return expit(logits.astype(np.float64))
