"""Intervals of metrics: where they lie, what they do where draws tell nothing, and that they are of the right rows."""

from __future__ import annotations

import numpy as np
import pytest

from nlpkit.metrics import classification, intervals, paired, resampled, retrieval, squad, tagging
from nlpkit.metrics.evidence import Evidence


def judged(problem: str, rows: int, classes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Predictions, labels and outputs that are right more often than not."""
    rng = np.random.default_rng(seed)
    if problem == "regression":
        gold = rng.normal(size=rows).round(1)
        outputs = (gold + rng.normal(size=rows))[:, None]
        return outputs[:, 0], gold, outputs
    if problem == "multi-label":
        gold = (rng.random((rows, classes)) < 0.4).astype(float)
        wrong = rng.random((rows, classes)) < 0.2
        return np.abs(gold - wrong).astype(np.int64), gold, gold
    gold = rng.integers(0, classes, rows)
    outputs = rng.normal(size=(rows, classes))
    outputs[np.arange(rows), gold] += 1
    return outputs.argmax(axis=1), gold, outputs


@pytest.mark.parametrize(
    ("problem", "classes"), [("single-label", 2), ("single-label", 7), ("multi-label", 4), ("regression", 1)]
)
def test_draws_of_rows_are_scored_as_these_rows_are(problem: str, classes: int) -> None:
    """The figures of each draw are those of the metric of these rows, so that the intervals are of the same metric."""
    predicted, gold, outputs = judged(problem, 23, classes)
    evidence = resampled.of(problem, predicted, gold, outputs)
    assert evidence.observed() == pytest.approx(classification.compute(problem, predicted, gold, outputs))
    rows = np.random.default_rng(1).integers(0, 23, 23)
    drawn = np.bincount(evidence.kinds[rows], minlength=evidence.kind_count)[None].astype(float)
    figures = {name: float(values[0]) for name, values in evidence.figures(drawn).items()}
    expected = classification.compute(problem, predicted[rows], gold[rows], outputs[rows])
    if problem == "single-label" and classes == 7:  # a class that neither side names is none of this draw
        assert len(set(gold[rows]) | set(predicted[rows])) <= 7
    assert figures == pytest.approx(expected)


def test_constant_predictions_have_no_interval_of_a_correlation() -> None:
    evidence = resampled.of("regression", np.zeros(20), np.arange(20.0), np.zeros((20, 1)))
    assert evidence.observed()["pearson"] == evidence.observed()["spearman"] == 0
    assert {"pearson", "spearman"}.isdisjoint(intervals.of(evidence))


def test_all_rows_right_is_not_certainty() -> None:
    """A draw of rows that are all right is all right: the lower end comes from the number of rows."""
    labels = np.arange(19) % 2
    outputs = np.eye(2)[labels]
    found = intervals.of(resampled.of("single-label", labels, labels, outputs))
    assert found["accuracy"] == pytest.approx((0.8318, 1), abs=1e-4)  # Wilson's of 19 of 19
    for name in ("f1", "f1_macro", "mcc", "roc_auc"):
        assert 0.4 < found[name][0] < 0.95 and found[name][1] == 1
    assert found["roc_auc"][0] < found["f1_macro"][0]  # of 9 rows of one class


def test_wilson_is_that_of_the_textbook() -> None:
    """Newcombe 1998, table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29."""
    known = {
        (81, 263): (0.2553, 0.3662),
        (15, 148): (0.0624, 0.1605),
        (0, 20): (0.0, 0.1611),
        (1, 29): (0.0061, 0.1718),
    }
    for (hits, trials), interval in known.items():
        assert intervals.wilson(hits / trials, trials) == pytest.approx(interval, abs=1e-4)


def test_rows_of_one_unit_count_as_one_draw() -> None:
    """Ten questions about each of 12 contexts that are all right or all wrong tell no more than 12 would."""
    right = np.repeat(np.arange(12) % 3 > 0, 10).astype(float)
    matches = [squad.Match(value, value) for value in right]
    together = intervals.of(squad.evidence_1(matches, np.repeat(np.arange(12), 10)))
    apart = intervals.of(squad.evidence_1(matches, np.arange(120)))
    for name in ("exact_match", "f1"):
        width, narrow = (float(np.diff(found[name])[0]) for found in (together, apart))
        assert 2.5 < width / narrow < 4.5


def test_entities_of_a_sentence_belong_together() -> None:
    gold = [["B-A", "O", "B-A"], ["O", "B-B"], ["B-A"], ["O", "O"]] * 5
    predicted = [["B-A", "O", "O"], ["O", "B-B"], ["B-B"], ["O", "B-A"]] * 5
    evidence = tagging.evidence(predicted, gold, plain=False)
    assert evidence.observed() == pytest.approx(tagging.compute(predicted, gold, plain=False))
    assert evidence.unit == "sentences"
    low, high = intervals.of(evidence)["f1"]
    assert low < evidence.observed()["f1"] < high
    plain = tagging.evidence(predicted, gold, plain=True)
    assert plain.observed() == pytest.approx(tagging.compute(predicted, gold, plain=True))


def test_squad_2_draws_are_scored_as_these_questions_are() -> None:
    rng = np.random.default_rng(0)
    texts = ["the red house", "a house", "", "nothing"]
    answers = [texts[i] for i in rng.integers(0, 4, 40)]
    golds = [[texts[i]] if i < 2 else [] for i in rng.integers(0, 4, 40)]
    no_answer = rng.normal(size=40).round(1)
    units = np.repeat(np.arange(10), 4)

    def evidence(rows: np.ndarray) -> Evidence:
        chosen, wanted = [answers[i] for i in rows], [golds[i] for i in rows]
        raw = [squad.match_2(answer, gold) for answer, gold in zip(chosen, wanted, strict=True)]
        has = np.array([bool(gold) for gold in wanted])
        return squad.evidence_2(raw, [bool(answer) for answer in chosen], no_answer[rows], has, units[rows], 0.2)

    rows = np.arange(40)
    scored = squad.Squad2Scores().compute(
        predictions=[{"text": text, "no_answer": score} for text, score in zip(answers, no_answer, strict=True)],
        references=golds,
        threshold=0.2,
    )
    figures = evidence(rows).observed()
    assert figures == pytest.approx({name: scored[name] for name in figures})
    assert {"exact", "f1", "best_f1", "HasAns_f1", "NoAns_exact"} <= figures.keys()
    assert intervals.of(evidence(rows)).keys() == figures.keys()


def test_the_same_rows_always_have_the_same_interval() -> None:
    predicted, gold, outputs = judged("single-label", 300, 3)
    evidence = resampled.of("single-label", predicted, gold, outputs)
    assert intervals.of(evidence) == intervals.of(evidence)


def test_models_on_the_same_rows_are_told_apart_by_the_rows_on_which_they_differ() -> None:
    """Of 100 rows 80 and 90 are right: intervals overlap, the test does not."""
    gold = np.arange(100) % 2
    rows = np.arange(100)
    worse, better = np.where(rows < 20, 1 - gold, gold), np.where(rows < 10, 1 - gold, gold)
    first, second = (resampled.of("single-label", labels, gold, np.eye(2)[labels]) for labels in (worse, better))
    assert intervals.of(first)["accuracy"][1] > intervals.of(second)["accuracy"][0]
    found = paired.differences(first, second)
    accuracy = found["accuracy"]
    assert (accuracy.test, accuracy.only_first, accuracy.only_second) == (paired.MCNEMAR, 0, 10)
    assert accuracy.p == pytest.approx(2 / 2**10)
    assert accuracy.value == pytest.approx(0.1) and accuracy.told_apart
    assert accuracy.interval is not None and 0 < accuracy.interval[0] < 0.1 < accuracy.interval[1]
    assert found["f1_macro"].test == paired.BOOTSTRAP and found["f1_macro"].told_apart
    assert found["f1_macro"].value == pytest.approx(second.observed()["f1_macro"] - first.observed()["f1_macro"])
    back = paired.differences(second, first)
    assert back["accuracy"].value == pytest.approx(-0.1) and back["f1_macro"].value == -found["f1_macro"].value


def test_equal_models_are_not_told_apart() -> None:
    predicted, gold, outputs = judged("single-label", 60, 3)
    evidence = resampled.of("single-label", predicted, gold, outputs)
    for difference in paired.differences(evidence, evidence).values():
        assert difference.value == 0 and difference.p == 1 and not difference.told_apart


def test_different_rows_cannot_be_compared() -> None:
    one, other = (resampled.of("single-label", *judged("single-label", rows, 3)) for rows in (20, 21))
    with pytest.raises(ValueError, match="20 and 21 rows"):
        paired.differences(one, other)


def test_where_all_rows_have_the_same_figure_nothing_tells_of_others() -> None:
    """Rounding alone would make an interval of some 1e-16."""
    alike = retrieval.of_queries({"ndcg@10": np.full(37, 0.63092975), "mrr@10": np.linspace(0.2, 0.9, 37)})
    assert list(intervals.of(alike)) == ["mrr@10"]
    worse = retrieval.of_queries({"ndcg@10": np.full(37, 0.31), "mrr@10": np.linspace(0.1, 0.9, 37)})
    found = paired.differences(alike, worse)
    assert found["ndcg@10"].interval is None and found["mrr@10"].interval is not None
    assert found["ndcg@10"].told_apart
