"""`nlpkit compress`: from limits to a run within them, that every command and stock transformers open."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoModelForSequenceClassification

from nlpkit.compression.chain import Chain, Effort
from nlpkit.compression.shapes import Shape
from nlpkit.errors import UserError
from nlpkit.recipes import compress, evaluate
from nlpkit.runs.folder import read_record

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("forked_trials")]
QUICK: dict[str, Any] = {"threads": 1, "device": "cpu", "measure_seconds": 0.05, "epochs": 1, "to": "none"}


def test_it_ends_with_a_run_within_the_limits(trained: Path, tmp_path: Path) -> None:
    folder = tmp_path / "small"
    config = compress.Config(model=str(trained), max_size="55kB", max_drop=50, branches=1, output=folder, **QUICK)
    report = compress.run(config)
    record = read_record(folder)
    assert record is not None and report.exit_code == 0, report.lines
    found = record["compression"]
    made = next(item for item in found["candidates"] if item["name"] == found["chosen"])
    assert (folder / "model.safetensors").stat().st_size == made["figures"]["size"] <= 55_000
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    assert model.config.num_hidden_layers == made["shape"]["layers"]
    assert model.config.intermediate_size == round(64 * made["shape"]["share"])
    # the price is of rows that chose nothing, and is what evaluate finds there
    assert record["price"]["split"] == "test" and len(record["price"]["sides"]) == 2
    judged = evaluate.run(evaluate.Config(model=str(folder), save=False, threads=1, device="cpu")).record
    assert judged["metrics"]["test"]["accuracy"] == record["metrics"]["test"]["accuracy"]
    assert "Made of binary, by `nlpkit compress`" in (folder / "README.md").read_text()
    with (folder / "front.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["model"] for row in rows] == ["binary", found["chosen"]]
    again = compress.run(compress.Config(model=str(trained), output=folder, resume=True))
    assert again.lines == report.lines
    with pytest.raises(UserError, match="--max-size was 55kB, now 50kB"):
        compress.run(compress.Config(model=str(trained), output=folder, resume=True, max_size="50kB"))


def test_limits_are_asked_for_and_refused_before_any_training(trained: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no limit"):
        compress.run(compress.Config(model=str(trained), output=tmp_path / "a", **QUICK))
    with pytest.raises(UserError, match="10MB"):
        compress.Config(model=str(trained), max_size="ten")
    with pytest.raises(UserError, match="so small and fast") as error:
        compress.run(compress.Config(model=str(trained), max_size="1kB", output=tmp_path / "b", **QUICK))
    assert "one layer" in str(error.value)


def test_heads_go_too_where_the_result_is_a_graph(trained: Path, tmp_path: Path) -> None:
    shared = {"threads": 1, "device": "cpu"}
    chain = Chain(str(trained), 2, ["ffn", "heads"], tmp_path, "onnx-int8", 1e-3, True, shared)
    made = chain.run(Shape(2, 0.5), Effort("short", 0.5))
    pruned = read_record(made.steps[0])
    assert pruned is not None and pruned["config"]["what"] == ["ffn", "heads"]
    kept = pruned["pruning"]["structure"]
    weights = [4 * 16 * 32 * layer["heads"] + 2 * 32 * layer["neurons"] for layer in kept["layers"]]
    assert 0.3 < sum(weights) / (2 * (4 * 16 * 32 * 2 + 2 * 32 * 64)) <= 0.51  # biases besides
    judged = evaluate.run(evaluate.Config(model=str(made.folder), save=False, **shared)).record
    assert judged["metrics"]["test"]["accuracy"] > 0.5
