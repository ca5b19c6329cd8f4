"""A benchmark against an older one."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_up import BIG, OPENED, SMALL, WOBBLE, launches, lengths_document, measurement, rows_document
from scipy import stats

from nlpkit.errors import UserError
from nlpkit.measurement import comparison, environment
from nlpkit.measurement.results import document
from nlpkit.measurement.spec import Point, Subject


@pytest.fixture(scope="module")
def here() -> dict[str, Any]:
    return environment.describe(torch=False)


def record(made: dict[str, Any], here: dict[str, Any]) -> dict[str, Any]:
    return {"command": "benchmark", "environment": here, **made}


def test_change_of_each_figure(here: dict[str, Any]):
    old, new = record(rows_document(), here), record(rows_document(slower=2.0), here)
    found = comparison.compare(old, new)
    assert found.warnings == []
    small = next(entry for entry in found.record if (entry["subject"], entry["batch_size"]) == ("small", 1))
    assert small["throughput"]["change"] == pytest.approx(0.5)
    assert small["p95"]["change"] == pytest.approx(2)
    assert small["memory"]["change"] == 1
    times = [10 * drift * wobble for drift, wobble in zip((1.0, 1.1, 0.95, 1.05, 0.9), WOBBLE, strict=True)]
    expected = stats.ttest_ind(np.log(np.multiply(times, 2)), np.log(times), equal_var=False).confidence_interval()
    assert small["throughput"]["interval"] == pytest.approx([math.exp(-expected.high), math.exp(-expected.low)])
    rows = {row[0]: row for row in found.tables[0].rows if row[1] == "1 x rows"}
    half = (math.exp(-expected.low) - math.exp(-expected.high)) / 2
    assert rows["small"][2:5] == ["50.1", "100.3", f"0.500x ±{half:.3f}"]
    # times differ by 5 % between launches, memory by nothing
    assert rows["big"][4] == "1x (0.89 to 1.1), not certain"
    assert rows["big"][7] == "no change"


def test_size_and_metric_of_models(here: dict[str, Any]):
    old, new = record(rows_document(), here), record(rows_document(), here)
    new["subjects"][1] = {**new["subjects"][1], "bytes": 66_000_000, "metrics": {"accuracy": 0.93}}
    table = comparison.compare(old, new).tables[1]
    assert table.rows[1] == ["small", "66.0 MB", "264.0 MB", "1.50", "1.50", 0.93, 0.94]


def test_what_is_on_one_side_only_and_another_machine(here: dict[str, Any]):
    old, new = record(rows_document(), here), record(rows_document(), here)
    old["environment"] = {**here, "cpu": {**here["cpu"], "model": "Z80"}}
    new["subjects"] = [{**subject, "device": "cpu (8 threads), fp32"} for subject in new["subjects"][:2]]
    new["points"], new["rows"] = new["points"][:1], 400
    said = "\n".join(comparison.compare(old, new).warnings)
    assert "Z80" in said
    assert "big: on cpu (2 threads), fp32, now cpu (8 threads), fp32" in said
    assert "models of the older benchmark only: tiny" in said
    assert "sizes of the older benchmark only: 32 x rows" in said
    assert "other rows: validation (500), now validation (400)" in said


def test_a_point_that_no_longer_fits_shows_its_status(here: dict[str, Any]):
    fits = document([Subject("full", "x")], {}, {}, launches("full", 0.1, WOBBLE, length=4096))
    found = comparison.compare(record(fits, here), record(lengths_document(), here))
    (row,) = found.tables[0].rows
    assert row[:2] == ["full", "1 x 4096 tokens"]
    assert row[2] == "out of memory"
    assert row[4:] == [None, None, None, None]


def test_single_launches_give_changes_without_interval(here: dict[str, Any]):
    old, new = (record(document([BIG], OPENED, {}, [measurement("big", s)]), here) for s in (0.01, 0.02))
    found = comparison.compare(old, new)
    assert found.record[0]["throughput"] == {
        "old": pytest.approx(100),
        "new": pytest.approx(50),
        "change": pytest.approx(0.5),
        "interval": None,
    }
    assert found.tables[0].rows[0][4] == "0.500x"


def test_reads_a_folder_and_a_file(tmp_path: Path, here: dict[str, Any]):
    made = record(rows_document(), here)
    (tmp_path / "nlpkit.json").write_text(json.dumps({"schema_version": 1, **made}), encoding="utf-8")
    (tmp_path / "old.json").write_text(json.dumps(made), encoding="utf-8")
    assert comparison.read(tmp_path)["points"] == comparison.read(tmp_path / "old.json")["points"] == made["points"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not valid JSON"),
        ("[]", "is not the record of a run"),
        ('{"command": "evaluate"}', "is not of `nlpkit benchmark`"),
        ('{"command": "benchmark", "status": "running"}', "without results"),
    ],
)
def test_what_is_no_benchmark_is_refused(tmp_path: Path, text: str, message: str):
    (tmp_path / "old.json").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=message):
        comparison.read(tmp_path / "old.json")
    with pytest.raises(UserError, match="no such file"):
        comparison.read(tmp_path / "older.json")
    with pytest.raises(UserError, match=r"no nlpkit\.json"):
        comparison.read(tmp_path)


def test_nothing_in_common_is_found_before_anything_is_measured(here: dict[str, Any]):
    old = record(rows_document(), here)
    rows, tokens = Point("inference", 1, None), Point("inference", 1, 64)
    comparison.require_common(old, [SMALL], [tokens, rows])
    for subjects, points in (([Subject("other", "x")], [rows]), ([BIG], [tokens])):
        with pytest.raises(UserError, match=r"nothing in common .* big, small, tiny at 1 x rows; 32 x rows"):
            comparison.require_common(old, subjects, points)
