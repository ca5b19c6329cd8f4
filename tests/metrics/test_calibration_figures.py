"""Calibration figures, and the temperature that is fitted and when it is used."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, softmax
from sklearn.metrics import brier_score_loss, log_loss

from nlpkit.metrics import calibration
from nlpkit.metrics.calibration import Decisions


def drawn(rows: int, classes: int, sharper: float, seed: int = 0) -> Decisions:
    """Decisions of a model that is right as often as it says once its logits are divided by `sharper`."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(scale=1.5, size=(rows, classes))
    gold = np.array([rng.choice(classes, p=p) for p in softmax(logits, axis=1)])
    return Decisions((logits * sharper).astype(np.float32), gold, np.arange(rows))


def yes_or_no(rows: int, labels: int, sharper: float) -> Decisions:
    rng = np.random.default_rng(1)
    logits = rng.normal(scale=2, size=rows * labels)
    gold = (rng.random(rows * labels) < expit(logits)).astype(int)
    return Decisions(logits * sharper, gold, np.repeat(np.arange(rows), labels))


@pytest.mark.parametrize("classes", [2, 5])
def test_brier_and_likelihood_are_those_of_scikit_learn(classes: int) -> None:
    made = drawn(400, classes, 2.0)
    figures, probabilities = calibration.figures(made), softmax(made.logits.astype(float), axis=1)
    assert figures["nll"] == pytest.approx(log_loss(made.gold, probabilities, labels=range(classes)))
    assert figures["brier"] == pytest.approx(
        brier_score_loss(made.gold, probabilities[:, 1])
        if classes == 2
        else np.square(probabilities - np.eye(classes)[made.gold]).sum(axis=1).mean()
    )


def test_figures_of_yes_or_no() -> None:
    made = yes_or_no(300, 4, 2.0)
    figures, probabilities = calibration.figures(made), expit(made.logits)
    assert figures["nll"] == pytest.approx(log_loss(made.gold, probabilities))
    assert figures["brier"] == pytest.approx(brier_score_loss(made.gold, probabilities))


def test_the_error_is_the_distance_of_confidence_and_accuracy_in_bins_of_equal_numbers() -> None:
    confidence = np.repeat(np.linspace(0.3, 0.98, calibration.BINS), 20)
    right = np.tile(np.arange(20) < 15, calibration.BINS)  # three in four, in every bin
    assert calibration.expected_error(confidence, right) == pytest.approx(
        np.abs(np.linspace(0.3, 0.98, calibration.BINS) - 0.75).mean()
    )
    bins = calibration.reliability(confidence, right)
    assert [part.count for part in bins] == [20] * calibration.BINS
    assert all(part.low < part.accuracy == 0.75 < part.high for part in bins)


def test_equal_scores_share_a_bin_whatever_the_order_of_rows() -> None:
    confidence, right = np.full(90, 0.8), np.arange(90) < 72
    for order in (slice(None), np.random.default_rng(0).permutation(90)):
        assert calibration.expected_error(confidence[order], right[order]) == pytest.approx(0)


@pytest.mark.parametrize("made", [drawn(4000, 5, 2.5), yes_or_no(1000, 4, 2.5)], ids=["classes", "labels"])
def test_a_model_that_is_too_sure_is_divided_by_what_makes_it_so(made: Decisions) -> None:
    found = calibration.fit(made)
    assert not found.why
    assert found.temperature == pytest.approx(2.5, rel=0.08)
    assert found.after["ece"] < 0.03 < 0.1 < found.before["ece"]
    assert all(found.after[name] < found.before[name] for name in found.before)


def test_a_model_that_is_not_sure_enough_is_sharpened() -> None:
    assert calibration.fit(drawn(4000, 5, 0.5)).temperature == pytest.approx(0.5, rel=0.08)


def test_scores_stay_where_a_temperature_would_be_chance() -> None:
    few = calibration.fit(drawn(calibration.MIN_ROWS - 1, 3, 4.0))
    assert (few.temperature, few.why) == (1.0, "validation has 99 rows, and 100 are needed")
    # a row has several labels, which do not make more rows of it
    assert "60 rows" in calibration.fit(yes_or_no(60, 8, 4.0)).why
    truthful = calibration.fit(drawn(300, 3, 1.0))
    assert (truthful.temperature, truthful.before) == (1.0, truthful.after)
    assert "beyond chance" in truthful.why


def test_answers_that_are_all_right_ask_for_no_temperature() -> None:
    """Of these the likeliest one is 0, which would make every score 1."""
    gold = np.arange(500) % 3
    found = calibration.fit(Decisions(np.eye(3)[gold] * 2.0, gold, np.arange(500)))
    assert (found.temperature, found.why.split(",")[0]) == (1.0, "0 of 500 answers are wrong")


def test_a_label_that_the_model_lacks_is_as_unlikely_as_float32_tells() -> None:
    made = drawn(400, 3, 1.0)
    gold = made.gold.copy()
    gold[:200] = 3
    figures = calibration.figures(Decisions(made.logits, gold, made.row))
    rest = calibration.figures(Decisions(made.logits[200:], gold[200:], made.row[200:]))
    assert figures["nll"] == pytest.approx((rest["nll"] + calibration.UNKNOWN) / 2)
    assert figures["ece"] > 0.2
    alone = calibration.figures(Decisions(made.logits[:200], gold[:200], made.row[:200]))
    expected = np.square(softmax(made.logits[:200].astype(float), axis=1)).sum(axis=1).mean() + 1
    assert alone["brier"] == pytest.approx(expected)


@pytest.mark.parametrize("broken", [np.nan, np.inf])
@pytest.mark.filterwarnings("ignore:invalid value")
def test_a_model_that_has_diverged_is_left_as_it_is(broken: float) -> None:
    made = drawn(300, 3, 2.0)
    made.logits[7, 1] = broken
    found = calibration.fit(made)
    assert found.temperature == 1
    assert "no finite numbers" in found.why
