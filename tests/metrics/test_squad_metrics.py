"""The figures of SQuAD 1.1 and 2.0 against an implementation of their own, written from the published definition."""

from __future__ import annotations

import random
import re
import string
from typing import Any

import numpy as np
import pytest

from nlpkit.metrics import squad

GOLDS = [
    "The Denver Broncos", "denver broncos!", "a", "the", "", "U.S.A.", "usa", "New  York\tCity", "10,000", "10000",
    "an apple a day", "Apple day", "«Élan»", "élan", "theatre", "the-end", "São Paulo", "—", "1/2", "co-op", "it's",
]  # fmt: skip


class Published:
    """The definition, step by step, as the two papers and their scripts describe it."""

    @staticmethod
    def plain(text: str) -> str:
        kept = "".join(letter for letter in text.lower() if letter not in set(string.punctuation))
        return " ".join(re.sub(r"\b(?:a|an|the)\b", " ", kept).split())

    @classmethod
    def f1(cls, prediction: str, gold: str, *, empty_agree: bool) -> float:
        found, wanted = cls.plain(prediction).split(), cls.plain(gold).split()
        if empty_agree and not (found and wanted):
            return float(found == wanted)
        rest, common = list(wanted), 0
        for word in found:
            if word in rest:
                rest.remove(word)
                common += 1
        if not common:
            return 0.0
        precision, recall = common / len(found), common / len(wanted)
        return 2 * precision * recall / (precision + recall)

    @classmethod
    def one(cls, predictions: list[str], golds: list[list[str]]) -> dict[str, float]:
        exact = [max(cls.plain(p) == cls.plain(g) for g in gs) for p, gs in zip(predictions, golds, strict=True)]
        f1 = [max(cls.f1(p, g, empty_agree=False) for g in gs) for p, gs in zip(predictions, golds, strict=True)]
        return {"exact_match": 100 * sum(exact) / len(exact), "f1": 100 * sum(f1) / len(f1)}

    @classmethod
    def two(
        cls, predictions: list[str], odds: list[float], golds: list[list[str]], threshold: float
    ) -> dict[str, float]:
        wanted = [[g for g in gs if cls.plain(g)] or [""] for gs in golds]
        raw = {
            "exact": [
                float(max(cls.plain(p) == cls.plain(g) for g in gs)) for p, gs in zip(predictions, wanted, strict=True)
            ],
            "f1": [max(cls.f1(p, g, empty_agree=True) for g in gs) for p, gs in zip(predictions, wanted, strict=True)],
        }
        out: dict[str, float] = {}
        for name, scores in raw.items():
            final = [
                float(not gs) if odd > threshold else score for score, odd, gs in zip(scores, odds, golds, strict=True)
            ]
            parts = {
                "": range(len(golds)),
                "HasAns_": [i for i, gs in enumerate(golds) if gs],
                "NoAns_": [i for i, gs in enumerate(golds) if not gs],
            }
            for prefix, rows in parts.items():
                if len(rows):
                    out[prefix + name] = 100 * sum(final[i] for i in rows) / len(rows)
                    out[f"{prefix}total"] = len(rows)
            # every question refused, then answered one after the other
            score = best = float(sum(not gs for gs in golds))
            threshold_of_best = 0.0
            for i in sorted(range(len(golds)), key=lambda i: odds[i]):
                if golds[i]:
                    score += scores[i]
                elif predictions[i]:
                    score -= 1
                if score > best:
                    best, threshold_of_best = score, odds[i]
            out[f"best_{name}"] = 100 * best / len(golds)
            out[f"best_{name}_thresh"] = threshold_of_best
        return out


def scored_1(predictions: list[str], golds: list[list[str]]) -> dict[str, float]:
    return squad.SquadScores(keep_in_memory=True).compute(predictions=predictions, references=golds)


def scored_2(predictions: list[str], odds: list[float], golds: list[list[str]], threshold: float) -> dict[str, float]:
    given: list[Any] = [{"text": text, "no_answer": odd} for text, odd in zip(predictions, odds, strict=True)]
    return squad.Squad2Scores(keep_in_memory=True).compute(predictions=given, references=golds, threshold=threshold)


@pytest.mark.parametrize(
    ("prediction", "golds", "exact", "f1"),
    [
        ("denver broncos", ["The Denver Broncos!"], 1, 1),  # articles, punctuation and case do not count
        ("Denver", ["Denver Broncos", "the city"], 0, 2 / 3),  # precision 1, recall 1/2
        ("the U.S.A", ["USA"], 1, 1),
        ("new york", ["New York City", "NYC", "new  york"], 1, 1),  # the best of several gold answers
        ("theatre", ["atre"], 0, 0),  # an article inside of a word stays
        ("one one two", ["one two two"], 0, 2 / 3),  # words count as often as they occur
        ("Élan", ["élan"], 1, 1),
        ("“Élan”", ["élan"], 0, 0),  # only ASCII punctuation goes
        ("1990s", ["the 1990's"], 1, 1),
        ("", ["something"], 0, 0),
    ],
)
def test_hand_computed(prediction: str, golds: list[str], exact: float, f1: float) -> None:
    for match in (squad.match_1, squad.match_2):
        assert match(prediction, golds) == pytest.approx((exact, f1))


def test_where_1_and_2_differ() -> None:
    # nothing is left of either: 1.1 finds them equal and without a common word, 2.0 agrees with itself
    assert squad.match_1("the", ["a"]) == (1, 0)
    assert squad.match_2("the", ["a"]) == (1, 1)
    # 2.0 leaves out gold answers of which nothing is left, if others are there
    assert squad.match_1("an", ["the", "Denver"]) == (1, 0)
    assert squad.match_2("an", ["the", "Denver"]) == (0, 0)
    assert squad.match_2("", []) == (1, 1)
    assert squad.match_2("Denver", []) == (0, 0)


def test_hand_computed_figures_of_2() -> None:
    golds = [["Denver"], ["New York"], [], []]
    scores = scored_2(["Denver", "York", "Paris", "Rome"], [-3.0, 1.0, 0.5, 4.0], golds, 0.75)
    assert scores["exact"] == 50  # Denver, and Rome refused
    assert scores["f1"] == 50
    assert scores["HasAns_exact"] == scores["HasAns_f1"] == 50
    assert scores["NoAns_exact"] == scores["NoAns_f1"] == 50
    assert (scores["total"], scores["HasAns_total"], scores["NoAns_total"]) == (4, 2, 2)
    # all refused 2; Denver answered 3; Paris 2; York 2 2/3 (F1), 2 (exact); Rome 1 2/3
    assert (scores["best_f1"], scores["best_f1_thresh"]) == (75, -3.0)
    assert (scores["best_exact"], scores["best_exact_thresh"]) == (75, -3.0)


def test_no_answer_at_all_may_be_best() -> None:
    scores = scored_2(["Denver", "Rome"], [-2.0, -1.0], [[], []], 0.0)
    assert (scores["f1"], scores["best_f1"], scores["best_f1_thresh"]) == (0, 100, 0.0)
    assert "HasAns_f1" not in scores


def random_case(seed: int) -> tuple[list[str], list[float], list[list[str]]]:
    rng = random.Random(seed)
    words = ["the", "a", "Denver", "denver,", "Broncos", "U.S.", "us", "10", "1.0", "—", "of"]

    def text() -> str:
        return rng.choice([rng.choice(GOLDS), " ".join(rng.choices(words, k=rng.randint(0, 4)))])

    count = rng.randint(1, 40)
    golds = [[text() for _ in range(rng.choice([0, 1, 1, 3]))] for _ in range(count)]
    predictions = [rng.choice([*wanted, text()]) for wanted in golds]
    return predictions, [rng.choice([rng.gauss(0, 3), 0.0, 1.0]) for _ in range(count)], golds


@pytest.mark.parametrize("seed", range(60))
def test_equal_to_the_published_definition(seed: int) -> None:
    predictions, odds, golds = random_case(seed)
    answerable = [wanted or ["x"] for wanted in golds]
    assert scored_1(predictions, answerable) == pytest.approx(Published.one(predictions, answerable))
    threshold = random.Random(seed).choice([0.0, 1.0, -0.7, float("inf")])
    assert scored_2(predictions, odds, golds, threshold) == pytest.approx(
        Published.two(predictions, odds, golds, threshold)
    )


def test_every_pair_of_hard_texts() -> None:
    for prediction in GOLDS:
        for gold in GOLDS:
            expected = Published.one([prediction], [[gold]])
            assert scored_like(squad.match_1(prediction, [gold])) == pytest.approx(tuple(expected.values()))
            two = Published.two([prediction], [0.0], [[gold]], 0.0)
            assert scored_like(squad.match_2(prediction, [gold])) == pytest.approx((two["exact"], two["f1"]))


def scored_like(match: squad.Match) -> tuple[float, float]:
    return 100 * match.exact, 100 * match.f1


@pytest.mark.parametrize("seed", range(10))
def test_the_tuned_threshold_gives_the_best_f1(seed: int) -> None:
    rng = np.random.default_rng(seed)
    margins = rng.normal(size=30)
    golds = [["x"] if rng.random() < 0.6 else [] for _ in margins]
    answers = [str(rng.choice(["x", "y"])) for _ in margins]
    scores = np.array([squad.match_2(answer, wanted).f1 for answer, wanted in zip(answers, golds, strict=True)])
    best = squad.best_threshold(scores, margins, np.array([bool(wanted) for wanted in golds]), answers)
    threshold = squad.separating(margins, best.answered)
    assert (margins <= threshold).sum() == best.answered
    at_it = scored_2(answers, margins.tolist(), golds, threshold)
    assert at_it["f1"] == pytest.approx(at_it["best_f1"]) == pytest.approx(100 * best.score)
