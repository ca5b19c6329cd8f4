"""`--lr-finder`: rates are tried, drawn and suggested, and nothing else is left behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hearing import Heard

from nlpkit.errors import UserError
from nlpkit.recipes import finetune_cls
from nlpkit.training import range_test
from nlpkit.training.range_test import Tried


def test_a_tenth_of_where_the_loss_is_smallest() -> None:
    falls = [1.0] * 12 + [0.9, 0.5, 0.4, 0.35, 0.6, 1.2]
    steps = [Tried(10 ** (-6 + i / 4), loss, loss) for i, loss in enumerate(falls)]
    found = range_test.found(steps)
    assert found is not None
    assert found.smallest.rate == steps[15].rate and found.steepest.rate == steps[13].rate
    assert found.suggested == pytest.approx(steps[15].rate / 10, rel=0.02)  # two digits of it
    assert range_test.found([Tried(step.rate, 1.0, 1.0) for step in steps]) is None  # it never fell
    assert range_test.found(steps[:8]) is None


def test_it_leaves_a_picture_alone(
    tiny_model: Path, reviews: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, heard: Heard
) -> None:
    monkeypatch.setattr(range_test, "STEPS", 40)
    monkeypatch.chdir(tmp_path)
    asked: dict[str, Any] = {
        "data": str(reviews),
        "model": str(tiny_model),
        "device": "cpu",
        "threads": 1,
        "compile": "auto",
    }
    report = finetune_cls.run(finetune_cls.Config(**asked, lr_finder="plots/rates.png"))
    assert [str(path) for path in Path().rglob("*") if path.is_file()] == ["plots/rates.png"]
    (plan,) = heard.plans
    assert plan["range test"].startswith("40 steps of 16 rows") and plan["picture"] == "plots/rates.png"
    assert not {"steps", "compile", "output"} & plan.keys()  # of a training, which does not take place
    told = report.record["lr_finder"]
    rates = [step["rate"] for step in told["steps"]]
    assert rates[0] == 1e-6 and rates[1] / rates[0] == pytest.approx(1e5 ** (1 / 39))
    assert min(told["steps"][10:], key=lambda step: step["smoothed"])["rate"] == told["smallest_loss_at"]
    assert f"--learning-rate {told['learning_rate']:g}" in report.lines[2]
    never_rose = told["smallest_loss_at"] == rates[-1]
    assert never_rose == any("still fell at the highest rate" in line for line in report.lines)
    with pytest.raises(UserError, match=r"rates\.png is there"):
        finetune_cls.run(finetune_cls.Config(**asked, lr_finder="plots/rates.png"))
    for more in ({"cv": 3}, {"baseline": True}):
        with pytest.raises(UserError, match="trains nothing that is judged"):
            finetune_cls.run(finetune_cls.Config(**asked, lr_finder="other.png", **more))
