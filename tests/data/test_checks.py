from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from conftest import rows, write_csv, write_jsonl

from nlpkit.cli.app import main
from nlpkit.recipes import check_data


def check(folder: Path, **values: Any) -> dict[str, dict[str, Any]]:
    """Findings of a folder, by `split` of the message and name."""
    report = check_data.run(check_data.Config(data=str(folder), **({"model": "none"} | values)))
    found = {f"{f['message'].partition(':')[0]} {f['check']}": f for f in report.record["findings"]}
    assert len(found) == len(report.record["findings"])
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """40 train and 10 validation rows with nothing wrong."""
    made = rows(50)
    write_csv(tmp_path / "train.csv", made[:40])
    write_csv(tmp_path / "validation.csv", made[40:])
    return tmp_path


def test_clean_data_have_no_findings(folder: Path, tiny_model: Path) -> None:
    assert check(folder) == {}
    report = check_data.run(check_data.Config(data=str(folder), model=str(tiny_model)))
    assert report.exit_code == 0
    assert report.lines[-1] == "nothing wrong was found"
    assert report.lines[0].startswith("length: ")
    assert report.record["rows"] == {"train": 40, "validation": 10}


def test_duplicates_and_contradictions(folder: Path) -> None:
    made = rows(40)
    again = {"text": f"  {made[3]['text'].upper()} ", "label": made[3]["label"]}  # blanks and case do not hide it
    other = {"text": made[4]["text"], "label": "positive" if made[4]["label"] == "negative" else "negative"}
    write_csv(folder / "train.csv", [*made, again, other])
    found = check(folder)
    duplicates = found["train duplicates"]
    assert (duplicates["level"], duplicates["count"]) == ("warning", 2)
    assert duplicates["message"] == "train: 2 of 42 rows repeat an earlier one"
    path = folder / "train.csv"
    assert duplicates["examples"][0].startswith(f"{path} line 42 = {path} line 5: ")
    contradictions = found["train contradictions"]
    assert contradictions["count"] == 1
    assert contradictions["message"] == "train: 1 repeated row has another label than the first"
    assert contradictions["examples"] == [f"{path} line 43 = {path} line 6: {made[4]['text']}"]


def test_leakage_names_both_places(folder: Path) -> None:
    made = rows(50)
    write_csv(folder / "validation.csv", [*made[40:], made[7], made[8]])
    found = check(folder)["validation leakage"]
    assert (found["level"], found["count"]) == ("warning", 2)
    assert found["message"] == "validation: 2 of 12 rows (16.7%) also stand in train"
    assert found["examples"][0].startswith(f"{folder / 'validation.csv'} line 12 = {folder / 'train.csv'} line 9: ")


def test_a_validation_split_that_is_train_is_an_error(folder: Path) -> None:
    shutil.copy(folder / "train.csv", folder / "validation.csv")
    report = check_data.run(check_data.Config(data=str(folder), model="none"))
    assert report.exit_code == 2
    assert report.record["findings"][0]["check"] == "leakage"
    assert report.record["findings"][0]["level"] == "error"


def test_rows_of_one_text_are_a_warning(tmp_path: Path) -> None:
    """No part of them can be held out apart from the others: a trial run with them is still a trial run."""
    write_csv(tmp_path / "train.csv", [{"text": "the same", "label": "xy"[i % 2]} for i in range(20)])
    report = check_data.run(check_data.Config(data=str(tmp_path / "train.csv"), model="none"))
    assert report.exit_code == 0
    assert "leakage" in [finding["check"] for finding in report.record["findings"] if finding["level"] == "warning"]


def test_only_the_pair_counts_as_the_input(tmp_path: Path) -> None:
    made = [{"sentence1": f"a {i // 2}", "sentence2": f"b {i}", "label": "xy"[i % 2]} for i in range(24)]
    write_csv(tmp_path / "train.csv", made[:20])
    write_csv(tmp_path / "validation.csv", [*made[20:], made[0]])
    found = check(tmp_path)
    assert set(found) == {"validation leakage"}
    assert found["validation leakage"]["count"] == 1


def test_one_class_ends_the_check_with_exit_code_2(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_csv(folder / "train.csv", [{**row, "label": "positive"} for row in rows(40)])
    assert main(["check-data", "--data", str(folder), "--model", "none"]) == 2
    error = capsys.readouterr().err
    assert "all 40 labels in column 'label' are 'positive': there is nothing to learn" in error
    assert "--label-column" in error


def test_one_class_of_several_declared_ones(tmp_path: Path) -> None:
    from datasets import ClassLabel, Dataset, DatasetDict, Features, Value

    kinds = Features({"text": Value("string"), "label": ClassLabel(names=["a", "b"])})
    split = {
        name: Dataset.from_dict({"text": [f"{name} {i}" for i in range(12)], "label": [0] * 12}, features=kinds)
        for name in ("train", "validation")
    }
    DatasetDict(split).save_to_disk(tmp_path / "saved")
    found = check(tmp_path / "saved")["train single-class"]
    assert (found["level"], found["count"]) == ("error", 12)
    assert found["message"] == "train: all 12 rows have the label 'a': there is nothing to learn"


def test_imbalance_rare_and_absent_classes(tmp_path: Path) -> None:
    labels = ["ham"] * 88 + ["spam"] * 8 + ["eggs"] * 12
    write_csv(tmp_path / "train.csv", [{"text": f"train {i}", "label": label} for i, label in enumerate(labels)])
    write_csv(tmp_path / "validation.csv", [{"text": f"val {i}", "label": "ham"} for i in range(10)])
    found = check(tmp_path)
    assert found["train imbalance"]["message"].startswith("train: 'ham' has 11 times the rows of 'spam' (88 to 8)")
    assert found["train rare-class"]["message"] == "train: 1 of 3 classes have fewer than 10 rows"
    assert found["train rare-class"]["examples"] == ["spam: 8 rows"]
    absent = found["validation absent-class"]
    assert (absent["level"], absent["count"]) == ("note", 2)
    assert absent["message"] == "validation: 2 classes of train have no row: eggs, spam"


def test_unknown_labels_in_validation(folder: Path) -> None:
    made = rows(50)[40:]
    write_csv(folder / "validation.csv", [*made, {"text": "the soup", "label": "neutral"}])
    found = check(folder)["validation unknown-label"]
    assert (found["level"], found["count"]) == ("warning", 1)
    assert found["message"] == (
        "validation: 1 of 11 rows have a label that is not in the train split and are left out: neutral 1; "
        "the labels of the train split are negative, positive"
    )
    assert found["examples"] == [f"{folder / 'validation.csv'} line 12: label='neutral'"]


def test_a_validation_split_with_only_unknown_labels_is_an_error(folder: Path) -> None:
    write_csv(folder / "validation.csv", [{"text": f"x {i}", "label": "neutral"} for i in range(4)])
    report = check_data.run(check_data.Config(data=str(folder), model="none"))
    assert report.exit_code == 2
    assert "validation: 4 of 4 rows have a label that is not in the train split: neutral 4" in report.lines[0]


def test_empty_and_missing_texts_and_labels(folder: Path) -> None:
    made: list[dict[str, Any]] = [*rows(40), {"text": "", "label": "positive"}, {"text": "   ", "label": "positive"}]
    write_csv(folder / "train.csv", [*made, {"text": "a film", "label": ""}])
    found = check(folder)
    assert found["train empty-text"]["message"] == "train: 2 of 43 rows have no text and are left out"
    assert [place.partition(":")[0] for place in found["train empty-text"]["examples"]] == [
        f"{folder / 'train.csv'} line 42",
        f"{folder / 'train.csv'} line 43",
    ]
    assert found["train missing-label"]["message"] == "train: 1 of 43 rows have no label and are left out"
    assert found["train missing-label"]["examples"] == [f"{folder / 'train.csv'} line 44: column 'label' is empty"]


def test_null_texts_in_jsonl(folder: Path) -> None:
    (folder / "train.csv").unlink()
    write_jsonl(folder / "train.jsonl", [{"text": None, "label": "positive"}, *rows(40)])
    found = check(folder)["train empty-text"]
    assert found["count"] == 1
    assert found["examples"] == [f"{folder / 'train.jsonl'} line 1: column 'text' is empty"]


def test_of_a_pair_the_empty_column_is_named(tmp_path: Path) -> None:
    made = [{"question1": f"why {i}", "question2": f"how {i}", "label": i % 2} for i in range(20)]
    made[3]["question2"], made[7]["question1"] = "", " "
    write_csv(tmp_path / "train.csv", made)
    write_csv(tmp_path / "validation.csv", made[10:])
    assert check(tmp_path)["train empty-text"]["examples"] == [
        f"{tmp_path / 'train.csv'} line 5: column 'question2' is empty",
        f"{tmp_path / 'train.csv'} line 9: column 'question1' is empty",
    ]


def test_a_test_split_without_labels_is_no_error(folder: Path) -> None:
    write_csv(folder / "test.csv", [{"text": f"unseen {i}"} for i in range(5)])
    assert check(folder) == {}


def test_constant_and_textual_targets_of_a_regression(tmp_path: Path) -> None:
    write_csv(tmp_path / "train.csv", [{"text": f"t {i}", "score": "1.5"} for i in range(10)])
    write_csv(tmp_path / "validation.csv", [{"text": "v 1", "score": "2.5"}, {"text": "v 2", "score": "high"}])
    found = check(tmp_path)
    assert found["train constant-target"]["level"] == "error"
    assert found["validation unknown-label"]["message"].endswith("have a label that is not a number and are left out")


def test_a_label_that_never_occurs_in_multi_label_train(tmp_path: Path) -> None:
    from datasets import ClassLabel, Dataset, DatasetDict, Features, List, Value

    kinds = Features({"text": Value("string"), "labels": List(ClassLabel(names=["a", "b", "c"]))})
    columns = {"text": [f"t {i}" for i in range(6)], "labels": [[0], [1], [0, 1], [], [0], [1]]}
    held = {"text": ["v"], "labels": [[0]]}
    DatasetDict(
        {"train": Dataset.from_dict(columns, features=kinds), "validation": Dataset.from_dict(held, features=kinds)}
    ).save_to_disk(tmp_path / "saved")
    found = check(tmp_path / "saved")["train unused-label"]
    assert found["message"] == "train: 1 label never occurs: c"


def test_truncation_counts_and_names_the_longest(folder: Path, tiny_model: Path) -> None:
    made = rows(40)
    made[10] = {**made[10], "text": "the train was late and " * 8}
    write_csv(folder / "train.csv", made)
    found = check(folder, model=str(tiny_model), max_length=20)["train truncation"]
    assert found["count"] == 1
    assert "1 of 40 rows" in found["message"]
    assert "cut at 20 tokens" in found["message"]
    assert found["examples"] == [f"{folder / 'train.csv'} line 12: 42 tokens"]
    assert check(folder, model=str(tiny_model), max_length=20, long_text="windows") == {}


# --- the command ---


def test_exit_codes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["check-data", "--data", str(folder), "--model", "none"]
    assert main([*command, "--strict"]) == 0
    made = rows(40)
    write_csv(folder / "train.csv", [*made, made[0]])
    assert main(command) == 0
    assert "warning: train: 1 of 41 rows repeat an earlier one" in capsys.readouterr().out
    assert main([*command, "--strict"]) == 1
    shutil.copy(folder / "train.csv", folder / "validation.csv")
    assert main(command) == 2
    assert "error: validation: 41 of 41 rows (100.0%) also stand in train" in capsys.readouterr().out


def test_show_prints_an_example_as_the_model_sees_it(
    folder: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["check-data", "--data", str(folder), "--model", str(tiny_model)]
    assert main([*command, "--show", "2"]) == 0
    out = capsys.readouterr().out
    row = rows(40)[2]
    assert f"example 2 ({folder / 'train.csv'} line 4)" in out
    assert f"text: {row['text']}" in out
    assert f"tokens: [CLS] {row['text']} [SEP]" in out
    assert main([*command, "--show", "40"]) == 2
    assert "--show 40: train has 40 rows, counted from 0" in capsys.readouterr().err


def test_json_carries_findings_and_label_counts(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-data", "--data", str(folder), "--model", "none", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["findings"] == []
    assert record["rows"] == {"train": 40, "validation": 10}
    assert record["task"]["labels"] == ["negative", "positive"]
    assert len(record["data"]["files"]["train"][0]["sha256"]) == 64


def test_label_table(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-data", "--data", str(folder), "--model", "none"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["label", "train", "validation"] in lines
    assert ["negative", "20", "5"] in lines
    assert ["(rows)", "40", "10"] in lines


def test_columns_of_other_splits_may_differ_in_case(folder: Path) -> None:
    write_csv(folder / "validation.csv", [{"Text": row["text"], "LABEL": row["label"]} for row in rows(50)[40:]])
    assert check(folder) == {}


def test_a_validation_split_without_the_label_column_names_split_and_columns(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_csv(folder / "validation.csv", [{"text": "a", "id": 1}])
    assert main(["check-data", "--data", str(folder), "--model", "none"]) == 2
    error = capsys.readouterr().err
    assert "validation: there is no label column 'label'; the columns are text, id" in error


def test_where_no_row_can_be_used_the_reason_is_told_and_no_empty_table(tmp_path: Path) -> None:
    made = [{"text": {"en": row["text"]}, "label": row["label"]} for row in rows(20)]
    path = write_jsonl(tmp_path / "a.jsonl", made)
    report = check_data.run(check_data.Config(data=str(path), model="none"))
    (error,) = [f for f in report.record["findings"] if (f["level"], f["check"]) == ("error", "no-rows")][:1]
    assert error["message"] == "train: none of 18 rows can be used"
    assert error["examples"][0].endswith("column 'text' holds an object, not text")
    assert report.tables == []
