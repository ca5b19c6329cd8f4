"""The document of a benchmark, from measurements whose figures are known."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
from made_up import (
    BIG,
    DRIFT,
    OPENED,
    SCORES,
    SMALL,
    TINY,
    WOBBLE,
    launches,
    lengths_document,
    measurement,
    opened,
    rows_document,
    rows_sweep,
)

from nlpkit.measurement import tables
from nlpkit.measurement.results import document
from nlpkit.measurement.spec import Measurement, Point, Subject
from nlpkit.measurement.statistics import quantile


def result(made: dict, subject: str, **point: object) -> dict:
    return next(
        found
        for size in made["points"]
        if all(size[key] == value for key, value in point.items())
        for found in size["results"]
        if found["subject"] == subject
    )


def geometric_mean(values: list[float]) -> float:
    return math.exp(sum(map(math.log, values)) / len(values))


def test_models():
    made = rows_document()
    assert (made["main_metric"], made["split"], made["rows"]) == ("accuracy", "validation", 500)
    small = made["subjects"][1]
    assert (small["name"], small["bytes"], small["parameters"]) == ("small", 264_000_000, 66_000_000)
    assert small["load_seconds"] == 1.5  # the median: not the slow one of a cold disk
    assert small["kept"] == pytest.approx(0.94 / 0.95)
    assert json.loads(json.dumps(made, allow_nan=False)) == made


def test_figures_at_a_size():
    made = rows_document()
    big, small = (result(made, name, batch_size=32) for name in ("big", "small"))
    assert (big["launches"], big["calls"], big["outliers"]) == (5, 5 * 4 * 10, 0)
    assert big["p50_ms"] == pytest.approx(320)
    assert (big["min_ms"], big["max_ms"]) == (pytest.approx(288), pytest.approx(352))
    seconds = 0.320 * geometric_mean(list(DRIFT))
    assert big["ms_a_pass"] == big["ms_a_call"] == pytest.approx(1e3 * seconds)
    assert big["samples_per_second"] == pytest.approx(32 / seconds)
    assert big["tokens_per_second"] == pytest.approx(32 * 20 / seconds)
    assert (big["peak_bytes"], big["working_bytes"]) == (500_000_000, 100_000_000)
    assert (big["speed"], big["speed_interval"], big["verdict"]) == (1, None, None)
    # drift hits both alike: the interval of the speed is that of the processes, of the time that of the machine too
    low, high = small["speed_interval"]
    assert small["speed"] == pytest.approx(2 / geometric_mean(list(WOBBLE)))
    assert small["verdict"] == "faster"
    assert high / low < 1.05
    assert big["ms_interval"][1] / big["ms_interval"][0] > 1.15


def test_interval_of_speed_by_hand():
    speeds = [2 / wobble for wobble in WOBBLE]
    logs = [math.log(speed) for speed in speeds]
    mean = sum(logs) / 5
    half = quantile(4) * math.sqrt(sum((log - mean) ** 2 for log in logs) / 4 / 5)
    found = result(rows_document(), "small", batch_size=1)["speed_interval"]
    assert found == pytest.approx([math.exp(mean - half), math.exp(mean + half)])


def test_rows_are_judged_call_by_call():
    # a pass is two inputs, of 10 and 30 ms; once the short one takes 200 ms
    turns = [[0.010, 0.030] * 5, [0.010, 0.030] * 5]
    turns[1] = [0.200, *turns[1][1:]]
    made = document([BIG], OPENED, {}, [measurement("big", 0.01, turns=turns, calls=2, samples=2, tokens=50)])
    found = result(made, "big")
    assert found["ms_a_pass"] == pytest.approx(40)
    assert found["ms_a_call"] == pytest.approx(20)
    assert found["samples_per_second"] == pytest.approx(50)
    assert (found["outliers"], found["largest_outlier_ms"]) == (1, pytest.approx(200))
    assert found["p50_ms"] == pytest.approx(30)  # 9 calls of 10, 10 of 30, 1 of 200
    assert found["ms_interval"] is None


def test_a_single_launch_gives_no_interval_and_no_verdict():
    made = document([BIG, SMALL], OPENED, SCORES, [m for m in rows_sweep() if m.launch == 0 and m.subject != "tiny"])
    found = result(made, "small", batch_size=1)
    assert found["speed"] == pytest.approx(2 / WOBBLE[0])
    assert (found["speed_interval"], found["verdict"], found["ms_interval"]) == (None, None, None)


def test_share_of_peak_and_energy():
    first = measurement("big", 0.010, batch_size=4, flops=2e8, peak_flops=1e11, joules=[1.0] * 4)
    made = document([BIG], OPENED, {}, [first, measurement("big", 0.010, batch_size=8, peak_flops=2e11)])
    found = result(made, "big", batch_size=4)
    assert made["peak_flops"] == 2e11
    assert found["flops_per_sample"] == 5e7
    assert found["share_of_peak"] == pytest.approx(2e8 / 0.010 / 2e11)
    assert found["joules_per_sample"] == pytest.approx(4 / (4 * 10 * 4))
    assert result(made, "big", batch_size=8)["joules_per_sample"] is None


def test_out_of_memory_is_a_result_without_figures():
    found = result(lengths_document(), "full", length=4096)
    assert (found["status"], found["message"]) == ("out of memory", "64.0 GB are needed")
    assert found["p50_ms"] is found["speed"] is found["peak_bytes"] is None
    assert found.keys() == result(lengths_document(), "full", length=128).keys()
    assert result(lengths_document(), "sparse", length=4096)["speed"] is None


def test_launches_that_failed_are_left_out_and_said():
    lost = Measurement(5, Point("inference", 1, None), "big", "failed", "killed")
    found = result(document([BIG], OPENED, {}, [*launches("big", 0.02, WOBBLE), lost]), "big")
    assert (found["status"], found["launches"]) == ("ok", 5)
    assert found["message"] == "1 of 6 launches: failed: killed"


def test_growth_and_crossing_of_efficient_attention():
    made = lengths_document()
    growth = {entry["subject"]: entry for entry in made["growth"]}
    assert growth["full"]["time_exponent"] == pytest.approx(2)
    assert growth["sparse"]["time_exponent"] == pytest.approx(1)
    assert growth["full"]["memory_exponent"] == pytest.approx(2)
    assert growth["sparse"]["memory_exponent"] == pytest.approx(1)
    (crossing,) = made["crossings"]
    assert (crossing["faster"], crossing["slower"]) == ("sparse", "full")
    assert crossing["length"] == pytest.approx(512)


def test_no_crossing_between_equal_models():
    """Estimates of equal models cross at random; only measurable differences count."""
    measured = []
    for k, length in enumerate((64, 128, 256, 512)):
        own = WOBBLE[k:] + WOBBLE[:k]
        measured += launches("big", 0.001 * length, (1.0,) * 5, length=length)
        measured += launches("small", (0.00101 if k % 2 else 0.00099) * length, [w * w for w in own], length=length)
    made = document([BIG, SMALL], OPENED, {}, measured)
    assert {found["verdict"] for size in made["points"] for found in size["results"]} == {None, "not certain"}
    assert made["crossings"] == []


def test_recommendation_names_smallest_fastest_best_and_knee():
    assert rows_document()["recommendation"] == (
        "Smallest: tiny (44.0 MB); fastest: tiny (3.99 ms per call at 1 x rows, 5.00 times as fast as big); "
        "best accuracy: big (0.9500); between the fastest and the best: small (9.97 ms per call, accuracy 0.9400)."
    )
    assert rows_document()["front"]["knee"] == "small"


def test_recommendation_does_not_call_equal_models_faster():
    measured = launches("big", 0.02, (1.0,) * 5) + launches("small", 0.02, WOBBLE)
    made = document([BIG, SMALL], OPENED, {}, measured)
    assert sorted(made["picks"]["fastest"]) == ["big", "small"]
    assert "no difference between" in made["recommendation"]
    assert "best" not in made["recommendation"]


def test_what_two_launches_cannot_tell_is_not_called_equal():
    """One model is 23 times as fast in the mean of two launches that differ widely."""
    measured = launches("big", 0.0164, (0.2, 5.0)) + launches("small", 0.0007, (1.0, 1.0))
    made = document([BIG, SMALL], OPENED, {}, measured)
    (result,) = (found for found in made["points"][0]["results"] if found["subject"] == "small")
    assert result["verdict"] == "not certain" and result["speed"] == pytest.approx(0.0164 / 0.0007)
    assert (made["picks"]["fastest"], made["picks"]["perhaps"]) == (["small"], ["big"])
    assert "fastest: small (0.734 ms per call" in made["recommendation"]
    assert "23.43 times as fast as big), not certain against big: more --launches tell" in made["recommendation"]
    (row,) = (row for row in tables.tables(made)[1].rows if row[0] == "small")
    assert row[-1] == "23.4x (3.1e-08 to 1.8e+10), not certain"


def test_recommendation_by_the_middle_length_and_parameters():
    made = lengths_document()
    assert made["recommendation"].startswith("All of one size (127.0 M parameters); fastest: sparse (")
    assert "at 1 x 1024 tokens, 2.00 times as fast as full" in made["recommendation"]


def test_recommendation_of_one_model_says_what_it_does():
    made = document([BIG], OPENED, SCORES, [m for m in rows_sweep() if m.subject == "big"])
    assert made["recommendation"] == (
        "big: 440.0 MB, 19.9 ms per call at 1 x rows, 50.1 samples/s, 500.0 MB of memory, accuracy 0.9500."
    )


def test_lower_is_better():
    known = {
        name: [replace(one, main_metric="perplexity", higher_is_better=False) for one in ones]
        for name, ones in OPENED.items()
    }
    values = {"big": 5.0, "small": 6.0, "tiny": 60.0}
    scores = {name: {"metrics": {"perplexity": value}, "split": "test", "rows": 9} for name, value in values.items()}
    made = document([BIG, SMALL, TINY], known, scores, rows_sweep())
    assert made["picks"]["best"] == ["big"]
    assert [point["on_front"] for point in made["front"]["points"]] == [True, True, True]
    assert made["front"]["knee"] == "small"
    assert made["subjects"][1]["kept"] is None


def test_metrics_that_are_no_numbers_and_negative_ones():
    scores = {
        "big": {"metrics": {"accuracy": -0.2, "auc": math.nan}, "split": "validation", "rows": 9},
        "small": {"metrics": {"accuracy": -0.5, "auc": 0.5}, "split": "validation", "rows": 9},
    }
    made = document([BIG, SMALL], OPENED, scores, [m for m in rows_sweep() if m.subject != "tiny"])
    assert made["subjects"][0]["metrics"] == {"accuracy": -0.2, "auc": None}
    assert made["picks"]["best"] == ["big"]
    assert [point["value"] for point in made["front"]["points"]] == [-0.5, -0.2]


def test_nothing_measured_yet():
    made = document([BIG, SMALL], {}, {}, [])
    assert (made["points"], made["front"], made["picks"]["fastest"]) == ([], None, [])


def test_training_alone_is_judged_by_training():
    slow = launches("a", 0.2, WOBBLE, mode="training", length=64) + launches(
        "b", 0.1, WOBBLE, mode="training", length=64
    )
    known = {name: opened(name, 10, None, metric=None) for name in "ab"}
    made = document([Subject("a", "bert"), Subject("b", "bert")], known, {}, slow)
    assert "fastest: b (" in made["recommendation"]
    assert "at training, 1 x 64 tokens" in made["recommendation"]
