"""How methods are judged over many rows: bounds by hand, agreement, which one is recommended, rows in and out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import write_jsonl

from nlpkit.errors import UserError
from nlpkit.explaining import faithfulness, judging
from nlpkit.explaining.explanation import Attributed, Explanation
from nlpkit.explaining.faithfulness import Faithfulness
from nlpkit.explaining.variants import Variants
from nlpkit.recipes import explain
from nlpkit.tasks.explained import Question, Word

DEVICE = {"device": "cpu", "threads": 1}
WORTH = np.array([0.0, 0.4, 0.1, -0.2, 0.05, 0.3])


class Sum(Variants):
    """An answer that is the sum of what its words are worth."""

    def __init__(self) -> None:
        self.units, self.asked = [(i,) for i in range(len(WORTH))], 0

    def values(self, kept: np.ndarray, *, left_out: bool = False) -> np.ndarray:
        return kept @ WORTH

    removed = masked = values


def test_bounds_are_those_of_the_best_and_of_the_worst_order() -> None:
    best, worst = (faithfulness.measured(Sum(), scores).comprehensiveness for scores in (WORTH, -WORTH))
    assert judging.bound(Sum(), upper=True) == pytest.approx(best)
    assert judging.bound(Sum(), upper=False) == pytest.approx(worst)


def explanation(*, good: float, slow: float) -> Explanation:
    words = [Word("text", i, i + 1, "a", (i,)) for i in range(4)]
    methods = {
        "erasure": Attributed([4.0, 3.0, 2.0, 1.0], Faithfulness(good, 0.1), slow, 8),
        "occlusion": Attributed([1.0, 2.0, 3.0, 4.0], Faithfulness(0.3, 0.1), 1.0, 4),
        "attention": Attributed([4.0, 3.0, 1.0, 2.0], Faithfulness(0.1, 0.4), 0.1, 0),
    }
    return Explanation(Question("positive", [], {}), 0.9, "left out", words, methods, Faithfulness(0.1, 0.2))


def test_the_fastest_method_that_is_not_below_the_best_is_recommended() -> None:
    judged = judging.Judging(["erasure", "occlusion", "attention"], seed=1)
    for good in (0.5, 0.6, 0.55, 0.45):
        judged.take(explanation(good=good, slow=3.0), (0.0, 0.8))
    assert judged.recommended == "erasure"  # slow, but the others are worse on every row
    record = judged.record()
    assert record["methods"]["erasure"]["comprehensiveness"]["mean"] == pytest.approx(0.525)
    assert record["methods"]["erasure"]["of_bounds"] == pytest.approx(0.525 / 0.8)
    agreed = judged.agreement()
    assert agreed["erasure", "occlusion"] == pytest.approx((-1.0, 0.0))
    assert agreed["erasure", "attention"] == pytest.approx((0.8, 1.0))

    equal = judging.Judging(["erasure", "occlusion", "attention"], seed=1)
    for good in (0.2, 0.4, 0.35, 0.25):
        equal.take(explanation(good=good, slow=3.0))
    assert equal.recommended == "occlusion"  # as good, and faster


def test_rows_are_drawn_judged_and_those_left_out_are_counted(trained: Path, tmp_path: Path) -> None:
    texts = ["a lovely story but a boring film", "a good film", "good", "", "a bad end of a dull film", "one fine day"]
    write_jsonl(tmp_path / "rows.jsonl", [{"text": text, "label": "positive"} for text in texts])
    config = explain.Config(
        model=str(trained),
        evaluate=True,
        data=str(tmp_path / "rows.jsonl"),
        method=["erasure", "occlusion"],
        bounds=1,
        output=tmp_path / "judged.json",
        **DEVICE,
    )
    report = explain.run(config)
    record = report.record
    assert record == json.loads((tmp_path / "judged.json").read_text()) and (tmp_path / "judged.png").exists()
    assert record["rows"] == record["drawn"] == 6
    assert record["explanations"] + sum(record["left_out"].values()) == 6 and len(record["left_out"]) == 2
    assert record["bounds_sought"] == 1 and record["recommended"] in ("erasure", "occlusion")
    some = explain.run(config.changed(max_rows=3, bounds=0, output=None))
    assert some.record["drawn"] == 3 and "3 of 6 rows, drawn (seed 42)" in some.lines
    again = explain.run(config.changed(max_rows=3, bounds=0, output=None))
    figures = [one.record["methods"]["erasure"]["comprehensiveness"] for one in (some, again)]
    assert figures[0] == figures[1]


def test_rows_to_judge_on_are_named(trained: Path) -> None:
    with pytest.raises(UserError, match="judges methods on many rows"):
        explain.run(explain.Config(model=str(trained), evaluate=True, texts=["good"], **DEVICE))
