"""What people read of a benchmark."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from typing import Any

import pytest
from made_up import BIG, OPENED, TURNS, WOBBLE, launches, lengths_document, measurement, rows_document

from nlpkit.cli.console import PlainReporter
from nlpkit.measurement import environment, tables
from nlpkit.measurement.results import document
from nlpkit.measurement.spec import Subject


@pytest.fixture(scope="module")
def here() -> dict[str, Any]:
    return environment.describe(torch=False)


def record(made: dict[str, Any], here: dict[str, Any]) -> dict[str, Any]:
    config = {"seconds": 1.0, "sample_rows": 128, "split": "validation"}
    return {"command": "benchmark", "config": config, "environment": here, **made}


def shown(made: dict[str, Any]) -> list[str]:
    out = io.StringIO()
    for table in tables.tables(made):
        PlainReporter(out).table(table)
    return out.getvalue().splitlines()


def test_tables_of_rows():
    lines = shown(rows_document())
    assert lines[0] == "models (validation, 500 rows)"
    assert lines[3].split() == ["small", "0.9400", "98.9%", "66.00", "M", "264.0", "MB", "1.50", "300.0", "MB"]
    assert "inference, 1 x rows" in lines
    small = lines[lines.index("inference, 1 x rows") + 3]
    assert small.split() == ["small", "9.90", "11.1", "11.1", "11.1", "100", "2,005", "500.0", "MB", "2.00x", "±0.04"]


def test_tables_of_lengths():
    lines = shown(lengths_document())
    start = lines.index("inference, batch size 1")
    rows = [line.split() for line in lines[start + 1 : start + 14]]
    assert rows[0][:4] == ["model", "tokens", "p50", "ms"]
    assert rows[1][:3] == ["full", "128", "0.99"]
    assert rows[2][-2:] == ["0.250x", "±0.003"]
    assert rows[6][-2:] == ["no", "difference"]  # 512 tokens, where they meet
    assert rows[11] == ["full", "4096", "out", "of", "memory"]
    assert lines[-2].split() == ["full", "inference", "1", "2.00", "±0.00", "2.00", "±0.00"]
    assert max(map(len, lines)) <= 110


def test_one_model_has_no_speed_but_says_what_failed():
    only = document([BIG], OPENED, {}, [measurement("big", 0.01, length=8)])
    assert "speed" not in tables.tables(only)[1].header
    made = lengths_document()
    made["subjects"] = made["subjects"][:1]
    for point in made["points"]:
        point["results"] = point["results"][:1]
    table = tables.tables(made)[1]
    assert table.header[-1] == "status"
    assert table.rows[-1][-1] == "out of memory"


def test_backends_have_a_column_where_they_differ():
    both = [Subject("a (torch)", "a"), Subject("a (onnx)", "a", {}, "onnx")]
    made = document(both, {}, {}, launches("a (torch)", 0.1, WOBBLE))
    assert tables.tables(made)[0].header[1] == "backend"


def test_sentences_say_where_one_overtakes_and_what_is_missing():
    assert tables.sentences(lengths_document()) == [
        "sparse is faster than full from about 512 tokens on (inference, batch size 1)",
        "full, 1 x 4096 tokens: out of memory: 64.0 GB are needed",
    ]


def test_what_bears_on_the_figures_of_a_model_is_said(here: dict[str, Any]):
    """Of each launch once: where it ran, who else was there, and what energy is of."""
    first, *others = OPENED["big"]
    told = [replace(one, energy_method="the whole GPU") for one in (replace(first, remarks=["shared"]), *others)]
    told[1] = replace(told[1], remarks=["shared", "on the CPU"])
    made = document([BIG], {"big": told}, {}, [measurement("big", 0.01, length=8, joules=[1.0] * TURNS)])
    assert tables.sentences(made) == ["big: shared", "big: on the CPU"]
    assert "energy, while calls are made: the whole GPU" in tables.method(record(made, here))


def test_method_states_launches_and_doubts_outliers_and_what_did_not_settle(here: dict[str, Any]):
    said = "\n".join(tables.method(record(rows_document(), here)))
    assert "started 5 times" in said
    assert "128 of validation" in said
    assert not tables.doubts(record(rows_document(), here))
    stalled = [[0.01] * 9 + [0.5]]
    one = measurement("big", 0.01, turns=stalled, stable=False)
    made = record(document([BIG], OPENED, {}, [one]), here)
    said = "\n".join(tables.doubts(made))
    assert "outliers: 1 of 10 calls" in said
    assert "the largest is 500 ms (big, 1 x rows, p50 10.0 ms)" in said
    assert "not settled after the warm-up: big (1 x rows)" in said


def test_markdown_page_has_result_environment_and_method(here: dict[str, Any]):
    page = tables.markdown(record(rows_document(), here))
    assert "| small | 0.9400 | 98.9% | 66.00 M | 264.0 MB | 1.50 | 300.0 MB |" in page
    assert rows_document()["recommendation"] in page
    assert page.index("## Environment") < page.index(environment.cpu_line(here)) < page.index("## Method")
    for line in page.splitlines():
        if line.startswith("| "):
            assert line.count("|") in (8, 10)


def test_files_hold_every_figure(tmp_path, here: dict[str, Any]):
    tables.write(record(lengths_document(), here), tmp_path)
    with (tmp_path / "benchmark.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 12
    assert (rows[1]["name"], rows[1]["length"], float(rows[1]["speed"])) == ("sparse", "128", pytest.approx(0.25))
    assert float(rows[1]["speed_interval_low"]) < 0.25 < float(rows[1]["speed_interval_high"])
    assert (rows[10]["status"], rows[10]["p50_ms"]) == ("out of memory", "")
    assert (tmp_path / "benchmark.md").read_text(encoding="utf-8").startswith("# Benchmark")
    assert {path.name for path in (tmp_path / "plots").iterdir()} == {
        "time-over-length-inference.png",
        "memory-over-length-inference.png",
    }


def test_a_benchmark_without_results_can_be_written(tmp_path, here: dict[str, Any]):
    tables.write(record(document([BIG], {}, {}, []), here), tmp_path)
    assert "big: not opened." in (tmp_path / "benchmark.md").read_text(encoding="utf-8")
