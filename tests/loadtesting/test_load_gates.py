from __future__ import annotations

from typing import Any

import pytest

from nlpkit.errors import UserError
from nlpkit.loadtesting import gates
from nlpkit.loadtesting.options import LoadOptions

WINDOW = {"p99_ms": 60.0, "error_rate": 0.0, "goodput": 90.0, "refusal_p99_ms": None}


def failures(metrics: dict[str, dict[str, Any]], *, searches: bool, **given: list[str]) -> list[str]:
    options = LoadOptions(url="u", **given)
    return gates.failures(gates.of(options, searches=searches), metrics)


def test_a_gate_is_for_every_window_of_a_fixed_schedule() -> None:
    metrics = {"100/s": {**WINDOW, "p99_ms": 20.0}, "200/s": WINDOW}
    assert failures(metrics, searches=False, fail_over=["p99_ms=50", "error-rate=0"]) == [
        "failed: 200/s p99_ms: 60 (--fail-over 50)"
    ]
    assert failures(metrics, searches=False, fail_under=["goodput=91"], fail_over=["refusal_p99_ms=5"]) == [
        "failed: 100/s goodput: 90 (--fail-under 91)",
        "failed: 200/s goodput: 90 (--fail-under 91)",
    ]
    nothing = {"100/s": {**WINDOW, "p99_ms": None}}
    assert failures(nothing, searches=False, fail_over=["p99_ms=50"]) == [
        "failed: 100/s p99_ms: there is none (--fail-over 50)"
    ]


def test_of_a_search_the_knee_is_judged_and_what_is_beyond_it_by_its_own_names() -> None:
    metrics = {"knee": {"knee": 120.0, **WINDOW}, "beyond": {**WINDOW, "goodput": 40.0, "goodput_share": 0.44}}
    assert failures(metrics, searches=True, fail_under=["knee=100", "goodput=80", "beyond_goodput_share=0.95"]) == [
        "failed: beyond goodput_share: 0.44 (--fail-under 0.95)"
    ]
    assert failures({"knee": {"knee": None}}, searches=True, fail_under=["knee=100"]) == [
        "failed: knee knee: there is none (--fail-under 100)"
    ]


@pytest.mark.parametrize(
    ("searches", "gate", "message"),
    [
        (True, "p99=50", "--fail-over p99: no such figure; there are knee, p50_ms"),
        (False, "knee=50", "--fail-over knee: no such figure; the search for the knee has it"),
        (True, "p99_ms=fast", "--fail-over p99_ms=fast: the bound is not a number"),
    ],
)
def test_a_gate_that_cannot_be_judged_is_refused(searches: bool, gate: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        failures({}, searches=searches, fail_over=[gate])
