"""Conditions under which CI fails, and those that noise must not trip."""

from __future__ import annotations

import math
from typing import Any

import pytest
from made_up import (
    BIG,
    DRIFT,
    OPENED,
    SCORES,
    SMALL,
    WOBBLE,
    launches,
    lengths_document,
    measurement,
    opened,
    rows_document,
    rows_sweep,
)

from nlpkit.errors import UserError
from nlpkit.measurement import gates
from nlpkit.measurement.results import document
from nlpkit.measurement.spec import Subject


def judged(text: str, made: dict[str, Any], old: dict[str, Any] | None = None) -> gates.Judgement:
    return gates.judge([gates.parse(text)], made, old)


@pytest.mark.parametrize(
    ("text", "name", "sign", "bound", "relative"),
    [
        ("throughput<0.95x", "throughput", "<", 0.95, True),
        ("p95 > 20ms", "p95", ">", 20, False),
        ("p50>=1.5s", "p50", ">=", 1500, False),
        ("memory>1.5GB", "memory", ">", 1.5e9, False),
        ("size<=300kB", "size", "<=", 3e5, False),
        ("load>500ms", "load", ">", 0.5, False),
        ("parameters>3e7", "parameters", ">", 3e7, False),
        ("tokens<100", "tokens", "<", 100, False),
        ("accuracy<90%", "accuracy", "<", 0.9, False),
        ("eval_f1<.5", "eval_f1", "<", 0.5, False),
    ],
)
def test_conditions(text: str, name: str, sign: str, bound: float, relative: bool):
    found = gates.parse(text)
    assert (found.name, found.sign, found.relative) == (name, sign, relative)
    assert found.bound == pytest.approx(bound)


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("throughput", "not of the form", "For example"),
        ("throughput=0.95x", "not of the form", "For example"),
        ("throughput<fast", "not of the form", "For example"),
        ("troughput<0.95x", "no such metric", "'throughput'"),
        ("P95>20ms", "no such metric", "'p95'"),
        ("p95>20", "p95 has a unit", "p95>20ms, p95>20s, p95>20x"),
        ("p95>20MB", "'MB' is no unit of p95", "p95>20ms"),
        ("throughput<95%", "'%' is no unit of throughput", "throughput<95, throughput<95x"),
    ],
)
def test_bad_conditions_are_refused_at_once(text: str, message: str, hint: str):
    with pytest.raises(UserError, match=message) as error:
        gates.parse(text)
    assert hint in str(error.value.hint)


def test_conditions_that_could_not_be_judged_are_refused():
    def require(text: str, **said: Any) -> None:
        gates.require_judgeable(
            [gates.parse(text)], said.get("metrics", ()), models=said.get("models", 2), compared=False
        )

    require("accuracy<0.9", metrics=["accuracy"])
    with pytest.raises(UserError, match=r"no such metric; there are .*accuracy") as error:
        require("acuracy<0.9", metrics=["accuracy"])
    assert error.value.hint == "Did you mean 'accuracy'?"
    require("acuracy<0.9", metrics=None)  # not known yet
    with pytest.raises(UserError, match="only one model"):
        require("throughput<0.9x", models=1)


def test_relative_to_the_first_model():
    found = judged("throughput<3x", rows_document())
    assert [line.split(": ")[1] for line in found.failures] == ["small, 1 x rows", "small, 32 x rows"]
    assert found.failures[0] == (
        "failed: small, 1 x rows: throughput 2x (1.96 to 2.04) of big, --fail-if throughput<3x"
    )
    assert found.doubts == []
    assert judged("throughput<1.5x", rows_document()) == gates.Judgement()


def test_a_bound_inside_the_interval_is_a_doubt_and_passes():
    found = judged("throughput<2.01x", rows_document())
    assert found.failures == []
    assert [line.split(":")[0] for line in found.doubts] == ["within the noise", "within the noise"]


def test_the_estimate_decides_where_there_is_one_launch():
    made = document([BIG, SMALL], OPENED, {}, [m for m in rows_sweep() if m.launch == 0 and m.subject != "tiny"])
    assert len(judged("throughput<2.03x", made).failures) == 2  # 2 / 0.99 = 2.02
    assert judged("throughput<2.01x", made) == gates.Judgement()


def test_relative_latency_and_memory_are_paired_by_launch():
    big = launches("big", 0.02, (1.0,) * 5)
    made = document([BIG, SMALL], OPENED, {}, [*big, *launches("small", 0.03, WOBBLE, peak_bytes=600_000_000)])
    # the drift of the machine, 20 % from launch to launch, is in both
    assert max(DRIFT) / min(DRIFT) > 1.2
    assert len(judged("p95>1.4x", made).failures) == 1
    assert judged("memory>1.1x", made).failures == [
        "failed: small, 1 x rows: memory 1.2x (1.2 to 1.2) of big, --fail-if memory>1.1x"
    ]


def test_relative_to_an_older_benchmark():
    old, new = rows_document(), rows_document(slower=2.0)
    found = judged("throughput<0.9x", new, old)
    assert [line.split(": ")[1] for line in found.failures] == ["small, 1 x rows", "small, 32 x rows"]
    assert "of what it was" in found.failures[0]
    assert judged("throughput<0.9x", old, old) == gates.Judgement()
    # 5 % slower is within what the machine did between launches
    found = judged("throughput<1x", rows_document(slower=1.05), old)
    assert found.failures == []
    assert len(found.doubts) == 2


def test_figures_that_are_not_relative():
    made = rows_document()
    assert judged("p50>15ms", made).failures[0] == "failed: big, 1 x rows: p50 20 ms, --fail-if p50>15ms"
    assert len(judged("p50>15ms", made).failures) == 4
    assert judged("size>300MB", made).failures == ["failed: big: size 440.0 MB, --fail-if size>300MB"]
    assert judged("load>2s", made) == gates.Judgement()
    assert len(judged("size>0.2x", made).failures) == 1


def test_metrics_of_the_task():
    made = rows_document()
    assert judged("accuracy<90%", made).failures == ["failed: tiny: accuracy 0.7600, --fail-if accuracy<90%"]
    assert judged("f1<0.98x", made).failures == ["failed: tiny: f1 0.745x of big, --fail-if f1<0.98x"]


def test_a_metric_that_is_not_a_number_fails():
    scores = {"big": {"metrics": {"accuracy": 0.9, "auc": math.nan}, "split": "test", "rows": 5}}
    made = document([BIG], OPENED, scores, [measurement("big", 0.01)])
    assert judged("auc<0.1", made).failures == ["failed: big: auc is not a number, --fail-if auc<0.1"]


def test_per_cent_of_a_metric_that_is_counted_in_per_cent():
    scores = {"big": {"metrics": {"f1": 88.2}, "split": "test", "rows": 5}}
    made = document([BIG], {"big": opened("big", 9, 9, metric="f1")}, scores, [measurement("big", 0.01)])
    (line,) = judged("f1<90%", made).failures
    assert "f1 is 88.2, which is not a share" in line
    assert judged("f1<90", made).failures == ["failed: big: f1 88.2000, --fail-if f1<90"]


def test_out_of_memory_fails_unless_it_was_so_before():
    made = lengths_document()
    (line,) = judged("p50>10s", made).failures
    assert line == "failed: full, 1 x 4096 tokens: p50 is unknown: out of memory, --fail-if p50>10s"
    assert judged("throughput<0.5x", made, made) == gates.Judgement()
    fits = document([Subject("full", "x")], {}, {}, launches("full", 0.1, WOBBLE, length=4096))
    assert len(judged("throughput<0.5x", made, fits).failures) == 1


def test_a_condition_about_nothing_fails():
    other = document([Subject("other", "x")], {}, {}, [measurement("other", 0.01)])
    assert judged("throughput<0.9x", rows_document(), other).failures == [
        "failed: nothing to judge by --fail-if throughput<0.9x"
    ]
    assert "nothing to judge" in judged("accuracy<0.9", document([BIG], OPENED, {}, rows_sweep()[:1])).failures[0]


def test_a_failing_condition_among_others():
    conditions = [gates.parse(text) for text in ("accuracy<0.5", "size>300MB", "p95>1s")]
    assert len(gates.judge(conditions, rows_document()).failures) == 1
    assert SCORES["tiny"]["metrics"]["accuracy"] > 0.5


def test_no_metric_of_a_task_is_taken_for_a_misspelt_figure() -> None:
    from nlpkit.tasks.masked_lm.task import MaskedLanguageModeling
    from nlpkit.tasks.question_answering.task import QuestionAnswering

    names = {*MaskedLanguageModeling.table_metrics, *QuestionAnswering.table_metrics}
    names |= {"accuracy", "precision", "recall", "f1", "mcc", "f1_macro", "roc_auc"}
    names |= {"mse", "rmse", "mae", "r2", "pearson", "spearman"}
    for name in names:
        assert gates.parse(f"{name}<0.5").name == name
