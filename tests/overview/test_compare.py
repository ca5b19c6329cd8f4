"""`nlpkit compare`: what differs between runs, and how models are tested on the same rows."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import every_task
import numpy as np
import pytest
from conftest import RunOf, rows, write_csv

from nlpkit import reporting
from nlpkit.errors import UserError
from nlpkit.overview import same_rows
from nlpkit.recipes import compare, evaluate
from nlpkit.tasks.roles import Judged

DEVICE: dict[str, Any] = {"device": "cpu", "threads": 1}


def compared(*runs: Path, **options: Any) -> Any:
    return compare.run(compare.Config(runs=[str(run) for run in runs], **DEVICE, **options))


def shaken(run: Path, to: Path, strength: float = 0.2, seed: int = 0) -> Path:
    """The run with noise in its weights: it answers some rows otherwise. Without strength it is a copy."""
    from safetensors.numpy import load_file, save_file

    shutil.copytree(run, to)
    if strength:
        rng = np.random.default_rng(seed)
        weights = load_file(to / "model.safetensors")
        noisy = {
            name: weight + rng.normal(0, strength, weight.shape).astype(weight.dtype)
            for name, weight in weights.items()
        }
        save_file(noisy, to / "model.safetensors", {"format": "pt"})
    return to


@pytest.mark.parametrize("kind", every_task.kinds(Judged))
def test_every_task_is_compared_on_the_rows_that_the_first_run_held_out(
    kind: str, run_of: RunOf, tmp_path: Path
) -> None:
    run = run_of(kind)
    options: dict[str, Any] = {"split": "validation"}
    if not (run / "nlpkit.json").is_file():  # a plain Transformers model does not tell its data
        options["data"] = str(run.parent / "data")
    record = compared(run, shaken(run, tmp_path / "other"), output=tmp_path / "rows.jsonl", **options).record
    own = evaluate.run(evaluate.Config(model=str(run), save=False, **DEVICE, **options)).record
    assert record["metrics"][str(run)] == own["metrics"]["validation"]
    assert record["rows"] == own["rows"]["validation"]
    (one,) = record["comparisons"]
    metric = record["main_metric"]
    first, second = (record["metrics"][name][metric] for name in record["runs"])
    assert one["differences"][metric]["value"] == pytest.approx(second - first)
    assert 0 <= one["differences"][metric]["p"] <= 1
    if one["counts"] is not None:
        assert sum(one["counts"].values()) == record["rows"]
        alone = one["counts"]["only_first"] + one["counts"]["only_second"]
        assert alone == record["rows_that_differ"]
        assert len((tmp_path / "rows.jsonl").read_text(encoding="utf-8").splitlines()) == alone


def test_a_model_is_not_told_apart_from_itself(trained: Path, tmp_path: Path) -> None:
    record = compared(trained, shaken(trained, tmp_path / "copy", 0)).record
    (one,) = record["comparisons"]
    assert one["better"] is None and one["agreement"] == 1 and "not told apart" in one["verdict"]
    assert one["differences"]["accuracy"]["p"] == 1 and record["rows_that_differ"] == 0
    assert record["split"] == "test" and record["rows"] == 32


def test_what_is_worse_is_told_with_the_rows_and_fails_the_gate(trained: Path, tmp_path: Path) -> None:
    """The gate holds for what is better; both sides of it are the same models."""
    bad = shaken(trained, tmp_path / "bad", 3.0)
    report = compared(trained, bad, fail_if="worse", output=tmp_path / "rows.csv")
    (one,) = report.record["comparisons"]
    assert one["better"] == "worse" and report.exit_code == 1 and "--fail-if worse" in report.failure
    assert one["differences"]["accuracy"]["test"] == "McNemar's exact test"
    written = list(csv.DictReader((tmp_path / "rows.csv").open(encoding="utf-8")))
    assert len(written) == one["counts"]["only_first"] + one["counts"]["only_second"] > 0
    for row in written:
        assert row["label"] in ("positive", "negative") and "test.csv line" in row["where"]
        for name in map(str, (trained, bad)):
            assert (row[f"{name} right"] == "true") == (row[f"{name} prediction"] == row["label"])
    table = next(table for table in report.tables if table.title.startswith("rows that one has right"))
    assert len(table.rows) <= 5 and all("(0." in str(row[2]) or "(1." in str(row[2]) for row in table.rows)
    better = compared(bad, trained, fail_if="worse")
    assert better.exit_code == 0 and better.record["comparisons"][0]["better"] == "better"


def test_runs_may_be_called_as_the_columns_of_the_rows_are(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    runs = [shaken(trained, Path(name), strength) for name, strength in (("text", 0), ("label", 3.0), ("where", 3.0))]
    report = compared(*runs, output=Path("rows.csv"))
    written = list(csv.DictReader(Path("rows.csv").read_text(encoding="utf-8").splitlines()))
    assert len(written) == report.record["rows_that_differ"] > 0
    for row in written:
        assert row["text"] and row["label"] in ("positive", "negative") and "test.csv line" in row["where"]
        for run in runs:
            assert (row[f"{run} right"] == "true") == (row[f"{run} prediction"] == row["label"])
    table = next(table for table in report.tables if table.title.startswith("rows that one has right"))
    assert [line[:2] for line in table.rows] == [[row["text"], row["label"]] for row in written[:5]]


def test_rows_that_a_run_was_trained_on_are_counted(trained: Path, reviews: Path, tmp_path: Path) -> None:
    other = shaken(trained, tmp_path / "other")
    with reporting.listening() as heard:
        record = compared(trained, other, data=str(reviews / "train.csv")).record
    assert "96 of 96 rows are among those" in record["trained_on"][str(trained)]
    assert any("was trained on rows knows them" in warning for warning in heard.warnings)
    assert compared(trained, other, data=str(reviews / "test.csv")).record["trained_on"] == {}


def test_several_runs_are_corrected_for_their_number(trained: Path, tmp_path: Path) -> None:
    others = [shaken(trained, tmp_path / str(i), 0.3, seed=i) for i in range(2)]
    report = compared(trained, *others)
    p = [each["differences"]["accuracy"]["p"] for each in report.record["comparisons"]]
    adjusted = [each["differences"]["accuracy"]["p_adjusted"] for each in report.record["comparisons"]]
    assert adjusted == same_rows.holm(p) and any("Holm" in line for line in report.lines)


def test_holm_is_that_of_the_paper() -> None:
    *adjusted, unknown = same_rows.holm([0.01, 0.04, 0.03, None])
    assert adjusted == pytest.approx([0.03, 0.06, 0.06]) and unknown is None
    assert same_rows.holm([0.6, 0.7]) == [1.0, 1.0]


def test_rows_that_a_model_cannot_take_are_left_out_for_all(trained: Path, run_of: RunOf, tmp_path: Path) -> None:
    made = [*rows(24, seed=9), {"text": "", "label": "positive"}]
    data = write_csv(tmp_path / "new.csv", made)
    record = compared(trained, run_of("classification"), data=str(data)).record
    assert record["rows"] == 24


def test_labels_are_matched_by_name(trained: Path, tmp_path: Path) -> None:
    """The second model is the first with its labels in the other order."""
    from safetensors.numpy import load_file, save_file

    turned = shaken(trained, tmp_path / "turned", 0)
    weights = load_file(turned / "model.safetensors")
    weights |= {name: weight[::-1].copy() for name, weight in weights.items() if name.startswith("classifier.")}
    save_file(weights, turned / "model.safetensors", {"format": "pt"})
    for name, key in (("config.json", None), ("nlpkit.json", "task")):
        document = json.loads((turned / name).read_text(encoding="utf-8"))
        if key is None:
            document["id2label"] = {"0": "positive", "1": "negative"}
            document["label2id"] = {"positive": 0, "negative": 1}
        else:
            document["task"]["labels"] = ["positive", "negative"]
        (turned / name).write_text(json.dumps(document), encoding="utf-8")
    with reporting.listening() as heard:
        report = compared(trained, turned)
    (one,) = report.record["comparisons"]
    assert one["agreement"] == 1 and one["differences"]["accuracy"]["value"] == 0
    assert "roc_auc" in one["differences"] and not {"f1", "precision", "recall"} & one["differences"].keys()
    assert any("f1: left out" in warning for warning in heard.warnings)
    assert not any(str(row[0]).startswith("f1 ") for table in report.tables for row in table.rows)
    chosen_by_f1 = shaken(trained, tmp_path / "first", 0), turned
    for run in chosen_by_f1:
        document = json.loads((run / "nlpkit.json").read_text(encoding="utf-8"))
        document["task"]["metrics"] = ["f1"]
        (run / "nlpkit.json").write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(UserError, match=r"f1 of .*turned is of the label 'negative'"):
        compared(*chosen_by_f1)


def test_labels_that_a_model_lacks_are_told_and_left_out_for_all_if_asked(trained: Path, tmp_path: Path) -> None:
    data = write_csv(tmp_path / "new.csv", [*rows(18, seed=9), {"text": "a film", "label": "mixed"}])
    other = shaken(trained, tmp_path / "other")
    with pytest.raises(UserError, match="not in the model"):
        compared(trained, other, data=str(data))
    with reporting.listening() as heard:
        report = compared(trained, other, data=str(data), unknown_labels="skip", per_class=True)
    assert report.record["rows"] == 18
    assert sum("mixed" in warning for warning in heard.warnings) == 1  # both models lack it
    by_label = [table.title for table in report.tables if table.title.endswith("by label")]
    assert [title.split(",")[0] for title in by_label] == [str(trained), str(other)]


def test_what_cannot_be_compared_is_refused(trained: Path, run_of: RunOf, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="two runs or more"):
        compared(trained)
    with pytest.raises(UserError, match="given twice"):
        compared(trained, trained)
    with pytest.raises(UserError, match="token-classification"):
        compared(trained, run_of("token-classification"))
    with pytest.raises(UserError, match="judged by"):
        compared(trained, run_of("regression"))
    with pytest.raises(UserError, match="unknown format"):
        compared(trained, run_of("classification"), output=tmp_path / "rows.txt")


def test_figures_of_tokens_do_not_compare_between_tokenizers(run_of: RunOf, tmp_path: Path) -> None:
    run = run_of("masked-lm")
    other = shaken(run, tmp_path / "other", 0)
    task = {"name": "fill-mask", "columns": {"text": "text"}, "max_length": 48, "mlm_probability": 0.6}
    task |= {"mask_split": [0.8, 0.1, 0.1]}
    (other / "nlpkit.json").write_text(json.dumps({"status": "complete", "command": "prune", "task": task}))
    with pytest.raises(UserError, match="about other tokens of the rows"):
        compared(run, other, data=str(run.parent / "data"), split="validation")
    document = json.loads((other / "tokenizer.json").read_text(encoding="utf-8"))
    vocabulary = document["model"]["vocab"]
    vocabulary["good"], vocabulary["bad"] = vocabulary["bad"], vocabulary["good"]
    (other / "tokenizer.json").write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(UserError, match="other tokens"):
        compared(run, other, data=str(run.parent / "data"), split="validation")


def test_records_alone_are_compared_without_models(trained: Path, run_of: RunOf, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(trained, other, ignore=shutil.ignore_patterns("*.safetensors"))
    record = json.loads((other / "nlpkit.json").read_text(encoding="utf-8"))
    record["config"] |= {"learning_rate": 1e-3, "seed": 7}
    record["versions"] |= {"torch": "0.1"}
    record["metric_notes"] = {"f1": "of the label 'negative'"}
    record["parents"]["data"]["files"]["test"][0]["sha256"] = "0" * 64
    del record["config"]["epochs"]  # of a record without it, the run did what is done by default
    (other / "nlpkit.json").write_text(json.dumps(record), encoding="utf-8")
    report = compared(trained, other, judge=False)
    assert report.record["options"]["--learning-rate"] == [5e-3, 1e-3]
    assert report.record["options"]["--seed"] == [42, 7]
    assert report.record["options"].keys() == {"--learning-rate", "--seed", "--epochs"}
    assert report.record["surroundings"]["torch"][1] == "0.1"
    assert report.record["data"]["test"][1] == "32 rows, 2 of 4 files the same"
    figures = next(table for table in report.tables if table.title.startswith("figures in the records"))
    by_label = {row[1]: [cell is not None for cell in row[2:]] for row in figures.rows if row[0] == "test"}
    assert by_label["f1 of the label 'positive'"] == [True, False]
    assert by_label["f1 of the label 'negative'"] == [False, True]
    with pytest.raises(UserError, match="judge"):
        compared(trained, other, judge=False, fail_if="worse")
