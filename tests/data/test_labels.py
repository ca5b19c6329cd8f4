"""What a label is, from the cells that people write: decided on all rows, said, and the same in any order."""

from __future__ import annotations

import random
from collections import Counter
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from conftest import write_jsonl
from datasets import ClassLabel, Dataset, Features, Value
from hearing import Heard

from nlpkit.data import draws, look_alikes, splits
from nlpkit.data.findings import Finding
from nlpkit.data.labels import Labels, natural_order
from nlpkit.data.sources import LoadedData, Source
from nlpkit.errors import UserError
from nlpkit.recipes import check_data, finetune_cls
from nlpkit.tasks.text_classification import label_cells
from nlpkit.tasks.text_classification.task import TextClassification


def rows_of(values: list[Any], **columns: Any) -> Dataset:
    return Dataset.from_dict({"text": [f"text number {i}" for i in range(len(values))], "label": values, **columns})


def read(
    values: list[Any],
    *,
    findings: list[Finding] | None = None,
    beside: dict[str, list[Any]] | None = None,
    **given: Any,
) -> tuple[TextClassification, dict[str, list[Any]]]:
    """The task of these labels, and what each split's rows have."""
    splits = {"train": rows_of(values), **{name: rows_of(found) for name, found in (beside or {}).items()}}
    task = TextClassification.from_data(splits, finetune_cls.Config(**given))
    origin = LoadedData(dict(splits), Source(""), [])
    found = {name: task.reader().examples(rows, name, origin, findings)["label"][:] for name, rows in splits.items()}
    return task, {name: list(labels) for name, labels in found.items()}


# --- 0 or 1 for each label ---


@pytest.mark.parametrize(
    "write",
    [
        lambda flags: flags,
        lambda flags: [float(flag) for flag in flags],
        lambda flags: [bool(flag) for flag in flags],
        lambda flags: str(flags),
        lambda flags: f"[{' '.join(map(str, flags))}]",
        lambda flags: f"[{' '.join(f'{flag}.' for flag in flags)}]",
        lambda flags: f"[{' '.join(str(bool(flag)) for flag in flags)}]",
        lambda flags: f"tensor({flags})",
        lambda flags: f"array({flags}, dtype=int32)",
        lambda flags: " ".join(map(str, flags)),
        lambda flags: ",".join(map(str, flags)),
    ],
)
def test_a_number_for_each_label_is_a_label_a_place(write: Any, heard: Heard) -> None:
    flags = [[1, 0, 0, 1], [0, 0, 0, 0], [0, 1, 0, 0], [1, 1, 0, 1]]
    task, found = read([write(row) for row in flags])
    assert task.labels.problem == "multi-label"
    assert task.labels.names == ["LABEL_0", "LABEL_1", "LABEL_2", "LABEL_3"]
    assert found["train"] == [[float(flag) for flag in row] for row in flags]
    assert any("--label-names" in note for note in heard.notes)
    task, found = read([write(row) for row in flags], label_names=["rude", "threat", "spam", "ad"])
    assert task.labels.names == ["rude", "threat", "spam", "ad"]
    assert found["train"][0] == [1.0, 0.0, 0.0, 1.0]


def test_rows_with_another_number_of_flags_are_an_error_with_their_places() -> None:
    findings: list[Finding] = []
    read([[1, 0, 0], [1, 1], [0, 1, 1], []], findings=findings)
    assert [(f.check, f.level, f.count) for f in findings] == [("unreadable-label", "error", 2)]
    assert findings[0].examples == [
        "train row 2: label=[1, 1] holds 2 numbers for 3 labels",
        "train row 4: label=[] holds 0 numbers for 3 labels",
    ]


def test_flags_in_one_split_and_names_in_another_are_refused() -> None:
    with pytest.raises(UserError, match=r"3 cells are numbers 0 or 1 for each label \(\[0, 0, 1\]\), 2 are not"):
        read([[1, 0, 1], [0, 0, 1], [1, 1, 0]], beside={"test": [["a"], ["b"]]})


def test_a_label_that_stands_twice_in_a_cell_is_told(heard: Heard) -> None:
    read([[3, -1, -1], [5, 3, -1]] * 3)
    assert any("3 cells name a label twice, such as [3, -1, -1]" in said for said in heard.warnings)


def test_names_for_another_number_of_flags_are_refused() -> None:
    with pytest.raises(UserError, match="--label-names gives 2 names; column 'label' has 0 or 1 for 3 labels"):
        read([[1, 0, 0], [0, 1, 1]], label_names=["a", "b"])


def test_ids_of_labels_in_lists_are_no_flags() -> None:
    task, found = read([[0], [1], [0, 1], []])
    assert task.labels.names == ["0", "1"]
    assert found["train"] == [[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.0, 0.0]]


def test_one_flag_in_every_row_is_one_label_a_row_unless_asked_otherwise(heard: Heard) -> None:
    flags = [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 0]]
    task, found = read(flags)
    assert (task.labels.problem, found["train"]) == ("single-label", [0, 1, 2, 0])
    assert any("--problem multi-label" in note for note in heard.notes)
    assert read(flags, problem="multi-label")[0].labels.problem == "multi-label"


def test_an_object_of_flags_names_its_labels() -> None:
    task, found = read([{"spam": 0, "rude": 1}, {"spam": 1, "rude": 1}, {"spam": 0, "rude": 0}])
    assert task.labels.names == ["rude", "spam"]
    assert found["train"] == [[1.0, 0.0], [1.0, 1.0], [0.0, 0.0]]


def test_an_object_whose_numbers_are_an_id_and_a_label_is_no_object_of_flags() -> None:
    task, found = read([{"id": 0, "label": 1}, {"id": 1, "label": 0}, {"id": 0, "label": 0}])
    assert (task.labels.problem, task.labels.names) == ("single-label", ["0", "1"])
    assert found["train"] == [1, 0, 0]


@pytest.mark.parametrize("odd", ["{[1]}", "[1 (2)]", "{{}}", "[" * 5000 + "]" * 5000, "[\\d]", "()", "{1: 2}"])
@pytest.mark.filterwarnings("error")
def test_names_that_are_odd_as_code_are_names(odd: str) -> None:
    assert read([odd, "a"] * 3)[0].labels.problem in ("single-label", "multi-label")


def test_probabilities_are_no_labels() -> None:
    with pytest.raises(UserError, match=r"lists of numbers such as \[0.2, 0.8\]"):
        read([[0.2, 0.8], [0.5, 0.5]])


# --- a column of 0 and 1 for each label ---

FLAGS = {"rude": ["0", "1", "1", None], "threat": ["0.0", "1", "0", "1"], "spam": ["true", "false", "0", "0"]}


def test_columns_of_flags() -> None:
    rows = Dataset.from_dict({"id": list("abcd"), "text": ["w", "x", "y", "z"], **FLAGS})
    task = TextClassification.from_data({"train": rows}, finetune_cls.Config(label_columns="rude,threat,spam"))
    findings: list[Finding] = []
    found = task.reader().examples(rows, "train", LoadedData({"train": rows}, Source(""), []), findings)
    assert task.labels.problem == "multi-label"
    assert found["label"][:] == [[0.0, 0.0, 1.0], [1.0, 1.0, 0.0], [1.0, 0.0, 0.0]]
    assert [(f.check, f.count) for f in findings] == [("missing-label", 1)]
    assert task.record()["columns"]["labels"] == ["rude", "threat", "spam"]
    # a model that was trained so reads them again, by name
    again = TextClassification.from_model(_config(task), task.record())
    options = check_data.Config().for_task(TextClassification)
    reader = again.reader(["text", "spam", "rude", "threat"], options)
    swapped = rows.select_columns(["text", "spam", "rude", "threat"])
    assert (
        reader.examples(swapped, "test", LoadedData({"test": swapped}, Source(""), []))["label"][:] == found["label"][:]
    )


def _config(task: TextClassification) -> Any:
    names = task.labels.names
    return SimpleNamespace(id2label=dict(enumerate(names)), num_labels=len(names), problem_type=None)


def test_columns_in_which_no_row_is_full_are_no_empty_label_column() -> None:
    rows = Dataset.from_dict({"text": ["a", "b"], "rude": ["x", None], "spam": [None, "x"]})
    with pytest.raises(UserError, match="every row has an empty cell in one of the columns rude, spam"):
        TextClassification.from_data({"train": rows}, finetune_cls.Config(label_columns=["rude", "spam"]))


def test_columns_of_flags_whose_labels_are_kept_back_or_lacking_in_data_for_a_model() -> None:
    train = Dataset.from_dict({"text": ["a", "b"], "rude": [1, 0], "spam": [1, 1]})
    task = TextClassification.from_data({"train": train}, finetune_cls.Config(label_columns=["rude", "spam"]))
    model = TextClassification.from_model(_config(task), task.record())
    for flags, expected in (([1, -1], [[1.0, 0.0]]), ([-1, -1], [])):
        rows = Dataset.from_dict({"text": ["a", "b"], "rude": flags, "spam": [0 if flag > 0 else -1 for flag in flags]})
        assert model.reader().examples(rows, "test", LoadedData({"test": rows}, Source(""), []))["label"][:] == expected
    with pytest.raises(UserError, match="columns of 0 and 1, rude, spam; there is no spam here"):
        model.reader(["text", "rude"], finetune_cls.Config())


def test_columns_of_flags_that_are_not_named_are_named_in_the_message() -> None:
    rows = Dataset.from_dict({"id": [1, 2], "text": ["x", "y"], "rude": [0, 1], "spam": [1, 1], "name": ["a", "b"]})
    with pytest.raises(UserError) as error:
        TextClassification.from_data({"train": rows}, finetune_cls.Config())
    assert "rude, spam hold 0 and 1" in error.value.message
    assert "--label-columns rude,spam" in (error.value.hint or "")


def test_a_flag_that_is_none_is_named_with_its_row() -> None:
    rows = Dataset.from_dict({"text": ["x", "y", "z"], "a": ["0", "1", "0.7"], "b": ["1", "1", "0"]})
    task = TextClassification.from_data({"train": rows}, finetune_cls.Config(label_columns=["a", "b"]))
    findings: list[Finding] = []
    assert len(task.reader().examples(rows, "train", LoadedData({"train": rows}, Source(""), []), findings)) == 2
    assert [(f.check, f.level) for f in findings] == [("unreadable-label", "error")]
    assert findings[0].examples == ["train row 3: a, b=['0.7', '0'] holds '0.7', neither 0 nor 1"]


# --- lists, objects, bytes ---


@pytest.mark.parametrize(
    "values",
    [
        [["pos"], ["neg"], ["pos"]],
        ['["pos"]', '["neg"]', '["pos"]'],
        ["['pos']", "['neg']", "['pos']"],
        ["('pos',)", "('neg',)", "('pos',)"],
        [{"id": 1, "name": "pos"}, {"id": 0, "name": "neg"}, {"id": 1, "name": "pos"}],
        [{"label": "pos", "score": 0.9}, {"label": "neg", "score": 0.6}, {"label": "pos", "score": 0.5}],
        ["{'id': 1, 'name': 'pos'}", "{'id': 0, 'name': 'neg'}", "{'id': 1, 'name': 'pos'}"],
        ['{"neg": "0", "pos": "1"}', '{"neg": "1", "pos": "0"}', '{"neg": "0", "pos": "1"}'],
        [[{"text": "pos"}], [{"text": "neg"}], [{"text": "pos"}]],
        [b"pos", b"neg", b"pos"],
    ],
)
def test_one_label_however_it_is_wrapped(values: list[Any]) -> None:
    task, found = read(values)
    assert task.labels.problem == "single-label"
    assert task.labels.names == ["neg", "pos"]
    assert found["train"] == [1, 0, 1]


def test_a_list_of_one_in_one_split_and_of_two_in_another_is_multi_label() -> None:
    task, found = read([["a"], ["b"]], beside={"test": [["a", "b"]]})
    assert task.labels.problem == "multi-label"
    assert found["test"] == [[1.0, 1.0]]


def test_lists_for_classes_are_refused_where_a_row_has_two() -> None:
    with pytest.raises(UserError, match=r"1 of 2 rows do not have exactly one label, such as \['a', 'b'\]"):
        read([["a"], ["a", "b"]], problem="multi-class")


def test_lists_as_numpy_prints_them() -> None:
    task, _ = read(["['a' 'b']", "['c']", "['a'\n 'c']"])
    assert task.labels.names == ["a", "b", "c"]


def test_objects_without_a_name_are_refused() -> None:
    with pytest.raises(UserError, match="objects with the fields id, weight"):
        read([{"id": 3, "weight": 2.5}, {"id": 1, "weight": 0.5}])


def test_lists_in_lists_are_refused() -> None:
    with pytest.raises(
        UserError, match="2 of 2 labels in column 'label' cannot be read; the first holds a list in a list"
    ):
        read([[["a"]], [["b"]]])


def test_bytes_that_are_no_text_are_left_out_and_named() -> None:
    findings: list[Finding] = []
    _, found = read([b"a", b"b", b"\xff\xfe"], findings=findings)
    assert found["train"] == [0, 1]
    assert [(f.check, f.count) for f in findings] == [("unreadable-label", 1)]


def test_texts_in_bytes_are_decoded_and_lists_are_no_texts() -> None:
    rows = Dataset.from_dict({"text": ["Zoë".encode(), b"b"], "label": ["x", "y"]})
    task = TextClassification.from_data({"train": rows}, finetune_cls.Config())
    assert task.reader().examples(rows, "train", LoadedData({"train": rows}, Source(""), []))["text"][0] == "Zoë"
    assert task.reader().inputs({"text": "Zoë".encode()}) == {"text": "Zoë"}


# --- brackets, mixtures ---


@pytest.mark.parametrize("order", [0, 1, 2, 3])
def test_a_class_in_brackets_is_a_class_wherever_it_stands(order: int, heard: Heard) -> None:
    values = ["[NOISE]", "speech", "music"] * 4
    random.Random(order).shuffle(values)
    task, _ = read(values)
    assert task.labels.problem == "single-label"
    assert task.labels.names == ["[NOISE]", "music", "speech"]
    assert any("4 cells in brackets are names as they stand" in note for note in heard.notes)


def test_only_names_in_brackets_are_names() -> None:
    assert read(["[NOISE]", "[SPEECH]"] * 3)[0].labels.names == ["[NOISE]", "[SPEECH]"]


def test_bare_words_in_brackets_are_lists_where_one_has_a_comma() -> None:
    task, found = read(["[a, b]", "[a]", "[b]"])
    assert task.labels.names == ["a", "b"]
    assert found["train"] == [[1.0, 1.0], [1.0, 0.0], [0.0, 1.0]]


def test_the_empty_set_of_python_holds_no_label(heard: Heard) -> None:
    task, found = read(["{'a', 'b'}", "set()", "{'b'}"])
    assert task.labels.names == ["a", "b"]
    assert found["train"] == [[1.0, 1.0], [0.0, 0.0], [0.0, 1.0]]
    assert not heard.warnings


def test_what_a_model_knows_as_a_name_is_no_list_in_data_for_it() -> None:
    task, _ = read(["[NOISE]", "speech"] * 3)
    model = TextClassification.from_model(_config(task), task.record())
    rows = rows_of(["[NOISE]", '["speech"]'])
    assert model.reader().examples(rows, "test", LoadedData({"test": rows}, Source(""), []))["label"][:] == [0, 1]


def test_a_mixture_of_lists_and_names_is_named(heard: Heard) -> None:
    task, found = read(['["a", "b"]', "a", "c", '["c"]'])
    assert task.labels.names == ["a", "b", "c"]
    assert found["train"][1] == [1.0, 0.0, 0.0]
    assert any("2 cells hold lists" in said and "2 do not (a)" in said for said in heard.warnings)


# --- numbers: classes or to predict ---


def test_numbers_compare_as_numbers_over_splits() -> None:
    task, found = read(["1.0", "0.0", "1.0"], beside={"test": ["1", "0", "01", "1.00"]})
    assert task.labels.names == ["0", "1"]
    assert found["test"] == [1, 0, 1, 1]


def test_1_and_1_0_in_one_split_are_one_class(heard: Heard) -> None:
    task, found = read(["1.0", "0", "1", "0.0", "other"] * 3)
    assert task.labels.names == ["0", "1", "other"]
    assert found["train"][:5] == [1, 0, 1, 0, 2]
    assert any("0.0 is 0, 1.0 is 1" in note for note in heard.notes)


def test_ids_with_noughts_in_front_stay_what_they_are() -> None:
    task, found = read(["01", "1", "02"] * 4, beside={"test": ["1", "01", "2"]})
    assert task.labels.names == ["01", "1", "02"]
    assert found["test"] == [1, 0, 2]


def test_versions_among_texts_stay_as_written() -> None:
    assert read(["1.0", "2.0", "next"] * 4)[0].labels.names == ["1.0", "2.0", "next"]


@pytest.mark.parametrize(
    ("values", "problem", "said"),
    [
        ([float(i % 12) for i in range(60)], "single-label", "12 whole numbers from 0 to 11 are classes"),
        ([float(7 * i % 200) for i in range(100)], "regression", "written as floats, are numbers to predict"),
        ([i % 5 + 1 for i in range(20)], "single-label", "5 whole numbers from 1 to 5 are classes"),
        ([0.5, 1.25, 2.0] * 5, "regression", "numbers to predict"),
    ],
)
def test_what_whole_numbers_are_taken_for_is_said(values: list[Any], problem: str, said: str, heard: Heard) -> None:
    assert read(values)[0].labels.problem == problem
    assert any(said in line and "--problem" in line for line in heard.notes + heard.warnings)


@pytest.mark.parametrize("bad", ["nan", "NA", "n/a", "inf", "-inf", "1e60"])
def test_a_number_that_is_none_is_left_out_and_counted(bad: str) -> None:
    findings: list[Finding] = []
    values = [f"{i / 4}" for i in range(30)]
    task, found = read([*values[:7], bad, *values[7:]], findings=findings)
    assert task.labels.problem == "regression"
    assert found["train"] == [i / 4 for i in range(30)]
    assert [(f.check, f.count) for f in findings] == [("missing-label", 1)]
    assert findings[0].examples == [f"train row 8: label={bad!r}"]


def test_floats_that_are_no_numbers_are_left_out_too() -> None:
    findings: list[Finding] = []
    _, found = read([0.5, float("nan"), float("inf"), 1.5, -float("inf"), 2.25], findings=findings)
    assert found["train"] == [0.5, 1.5, 2.25]
    assert [(f.check, f.count) for f in findings] == [("missing-label", 3)]


def test_a_few_words_among_numbers_leave_their_rows_out_and_many_ask_for_a_choice(heard: Heard) -> None:
    numbers = [f"{i / 4}" for i in range(38)]
    findings: list[Finding] = []
    task, found = read([*numbers, "good", "bad"], findings=findings)
    assert (task.labels.problem, len(found["train"])) == ("regression", 38)
    assert [(f.check, f.count) for f in findings] == [("unknown-label", 2)]
    assert any("38 numbers to predict, and 2 cells that are none (bad 1, good 1)" in said for said in heard.warnings)
    with pytest.raises(UserError, match="holds 38 numbers and 8 texts such as 'bad'") as error:
        read([*numbers, *["bad", "good"] * 4])
    assert "--problem multi-class" in (error.value.hint or "")


@pytest.mark.parametrize(
    ("values", "numbers"),
    [
        (["1,5", "2,0", "3,25"], [1.5, 2.0, 3.25]),
        (["1,5", "2.5", "-0,5", "3"], [1.5, 2.5, -0.5, 3.0]),
        (["1.234,5", "2.000,0", "0,5", "12"], [1234.5, 2000.0, 0.5, 12.0]),
        (["1,234.5", "2,000.25", "3.5"], [1234.5, 2000.25, 3.5]),
        (["\u22121.5", "0.5", "1.25"], [-1.5, 0.5, 1.25]),
        ([Decimal("1.5"), Decimal("2.0"), Decimal("0.5")], [1.5, 2.0, 0.5]),
    ],
)
def test_decimal_commas_and_decimals_are_numbers(values: list[Any], numbers: list[float]) -> None:
    task, found = read(values)
    assert task.labels.problem == "regression"
    assert found["train"] == numbers


def test_lists_of_numbers_with_commas_are_no_decimals() -> None:
    """As GoEmotions writes them; a column of tenths has commas with a smaller number behind them."""
    values = ["27", "2,5", "5", "2", "2,27", "4", "4,5", "0", "0,27"] * 3
    task, _ = read(values)
    assert task.labels.names == ["0", "2", "4", "5", "27", "0,27", "2,27", "2,5", "4,5"]
    counts = Counter(values)
    (finding,) = look_alikes.several_in_one(task.labels.names, counts)
    assert finding.count == 12 and finding.message.endswith("(--label-delimiter ',')")
    assert read(values, label_delimiter=",")[0].labels.names == ["0", "2", "4", "5", "27"]
    assert read(["2", "5", "3", "2,5", "2,3", "3,2", "3"] * 3)[0].labels.problem == "regression"
    assert read(["1", "5", "2", "1,5", "2,5"] * 3)[0].labels.problem == "regression"


def test_decimal_commas_are_said_and_what_may_be_thousands_is_warned_of(heard: Heard) -> None:
    read(["1,5", "2,0", "3,25"])
    assert any(
        "3 cells are read as numbers with a decimal comma" in note and "(1,5 is 1.5;" in note for note in heard.notes
    )
    read(["1,500", "2,250", "3,125"])
    assert any("1,500 is 1.5" in said for said in heard.warnings)
    assert read(["1,5", "2,0", "1,5", "2,0"], problem="multi-class")[0].labels.names == ["1,5", "2,0"]


def test_classes_with_decimal_commas_are_found_again_by_the_model_trained_on_them() -> None:
    values = ["1,0", "2,0", "1,0", "2,0"]
    task, found = read(values)
    assert (task.labels.problem, task.labels.names) == ("single-label", ["1", "2"])
    model = TextClassification.from_model(_config(task), task.record())
    rows = rows_of(values)
    assert (
        model.reader().examples(rows, "test", LoadedData({"test": rows}, Source(""), []))["label"][:] == found["train"]
    )


def test_words_for_nothing_are_classes_among_classes() -> None:
    names = ["N/A", "NA", "nan", "none", "null"]
    task, found = read(names * 3)
    assert task.labels.names == names
    assert len(found["train"]) == 15


def test_minus_one_is_a_class_where_train_has_it_and_kept_back_where_a_whole_split_has_it() -> None:
    assert read([-1, 0, 1] * 4)[0].labels.names == ["-1", "0", "1"]
    findings: list[Finding] = []
    _, found = read([0, 1] * 4, beside={"test": [-1, -1]}, findings=findings)
    assert found["test"] == []
    assert [(f.check, f.level, f.count) for f in findings] == [("unlabelled", "note", 2)]


# --- order ---


def test_the_order_of_names_is_total() -> None:
    names = ["nan", "inf", "-inf", "1e5", "١", "1_0", "b", "a", "2", "10", "NaN", "-1", "0.5"]
    expected = ["-1", "0.5", "2", "10", "1e5", *sorted(["nan", "inf", "-inf", "١", "1_0", "b", "a", "NaN"])]
    for seed in range(20):
        shuffled = random.Random(seed).sample(names, len(names))
        assert natural_order(shuffled) == expected


@pytest.mark.parametrize(
    "values",
    [
        ["nan", "b", "a", "2", "10"],
        ["1.0", "1", "2", "x"],
        [["a"], ["b"], ["a", "b"]],
        ['["a"]', "b", "[c]", "d"],
        ["[NOISE]", "a", '["b", "c"]'],
        ["0.5", "1.5", "NA", "2.5", "3.5"],
        ["1,5", "2", "3,25", "NA"],
        [[1, 0], [1, 1], [0, 1]],
        [0.0, 1.0, 2.0],
    ],
)
def test_the_order_of_rows_changes_neither_problem_nor_labels(values: list[Any]) -> None:
    seen = set()
    for seed in range(8):
        shuffled = values * 4
        random.Random(seed).shuffle(shuffled)
        labels = read(shuffled)[0].labels
        seen.add((labels.problem, tuple(labels.names)))
    assert len(seen) == 1


# --- labels of another split, or of a model ---


def test_labels_that_train_lacks_are_named_with_the_nearest() -> None:
    findings: list[Finding] = []
    _, found = read(["neg", "pos"] * 5, beside={"test": ["negative", "pos", "negative", "other"]}, findings=findings)
    assert found["test"] == [1]
    assert findings[0].level == "warning"
    assert findings[0].message == (
        "test: 3 of 4 rows have a label that is not in the train split and are left out: negative 2 (nearest: neg), "
        "other 1; the labels of the train split are neg, pos"
    )


def test_a_split_with_no_label_of_train_is_an_error() -> None:
    findings: list[Finding] = []
    read(["neg", "pos"] * 5, beside={"test": ["negative", "positive"]}, findings=findings)
    assert [(f.check, f.level) for f in findings] == [("unknown-label", "error")]


def test_labels_that_are_spelt_otherwise_are_found_and_counted() -> None:
    findings: list[Finding] = []
    _, found = read(["café", "bar"] * 3, beside={"test": ["CAFÉ", "cafe\u0301", "bar\u200b", "bar"]}, findings=findings)
    assert found["test"] == [1, 1, 0, 0]
    assert [(f.check, f.level, f.count) for f in findings] == [("respelt-label", "note", 3)]


def test_an_emoji_is_one_label_in_colour_and_as_text() -> None:
    heart = "\u2764"
    task, found = read([f"{heart}\ufe0f", "x"] * 2, beside={"test": [heart, "x"]})
    assert found["test"] == [task.labels.id_of(f"{heart}\ufe0f"), task.labels.id_of("x")]
    assert look_alikes.alike([heart, f"{heart}\ufe0f"], {heart: 3, f"{heart}\ufe0f": 4}, "labels")


def test_spelling_decides_where_two_labels_differ_by_it_alone() -> None:
    labels = Labels("single-label", ["Spam", "ham", "spam"])
    assert [labels.id_of(name) for name in ("Spam", "spam", "HAM")] == [0, 2, 1]
    with pytest.raises(KeyError):
        labels.id_of("SPAM")


def test_a_model_without_names_may_have_fewer_labels_than_the_data_declare(heard: Heard) -> None:
    features = Features({"text": Value("string"), "label": ClassLabel(names=["a", "b", "c"])})
    rows = Dataset.from_dict({"text": ["x", "y", "z"], "label": [1, 0, 2]}, features=features)
    model = SimpleNamespace(id2label={0: "LABEL_0", 1: "LABEL_1"}, num_labels=2, problem_type=None)
    task = TextClassification.from_model(model, None)
    findings: list[Finding] = []
    reader = task.reader(["text", "label"], check_data.Config().for_task(TextClassification))
    found = reader.examples(rows, "test", LoadedData({"test": rows}, Source(""), []), findings)
    assert found["label"][:] == [1, 0]
    assert [(f.check, f.count) for f in findings] == [("unknown-label", 1)]
    taken = "the labels of the model have no names and are taken by their numbers (LABEL_0 = a, LABEL_1 = b)"
    assert heard.warnings == [taken]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0, 1, 0, 1], [1, 0, 1, 0]),
        ([[1, 0], [1, 1], [0, 1], [0, 0]], [[0.0, 1.0], [1.0, 1.0], [1.0, 0.0], [0.0, 0.0]]),
    ],
)
def test_a_model_numbered_otherwise_than_its_data_reads_numbers_as_in_training(
    values: list[Any], expected: list[Any], heard: Heard
) -> None:
    rows = {"train": rows_of(values)}
    task = TextClassification.from_data(rows, finetune_cls.Config(label_names=["pos", "neg"]))
    task, _ = task.with_head_of(TextClassification(Labels(task.labels.problem, ["neg", "pos"])))
    origin = LoadedData(dict(rows), Source(""), [])
    assert task.reader().examples(rows["train"], "train", origin)["label"][:] == expected
    model = TextClassification.from_model(_config(task), task.record())
    assert model.reader().examples(rows["train"], "test", origin)["label"][:] == expected
    assert not heard.warnings


def test_names_for_numbers(heard: Heard) -> None:
    task, found = read([0, 1, 1, 0], label_names=["neg", "pos"])
    assert task.labels.names == ["neg", "pos"]
    assert found["train"] == [0, 1, 1, 0]
    # the same file, for the model that came of it
    again = TextClassification.from_model(_config(task), task.record())
    rows = rows_of(["1", "0"])
    assert again.reader().examples(rows, "test", LoadedData({"test": rows}, Source(""), []))["label"][:] == [1, 0]
    assert any("0 is neg, 1 is pos, as in training" in said for said in heard.notes)
    for values in ([1, 2], [0, 1, 2]):
        with pytest.raises(
            UserError, match="labels in column 'label' cannot be read; the first holds 2: there are names"
        ):
            read(values * 3, label_names=["neg", "pos"])
    with pytest.raises(UserError, match="--label-names neg,pos: column 'label' also holds other"):
        read(["neg", "pos", "other"], label_names=["neg", "pos"])


def test_rows_that_are_held_out_are_stratified_by_classes_that_are_written_as_floats() -> None:
    rows = rows_of([float(i % 10 == 0) for i in range(100)])
    for seed in range(5):
        _, held = draws.hold_out(rows, 20, stratify_by="label", seed=seed, groups=np.arange(100))
        assert sum(held["label"]) == 2


def test_rows_that_are_drawn_for_training_are_balanced_by_classes_that_are_written_as_floats(
    heard: Heard,
) -> None:
    parts = {"train": rows_of([float(i % 10 == 0) for i in range(200)]), "validation": rows_of([0.0, 1.0])}
    for hold_out, rare, said in (("texts", 15, ", balanced by label"), ("rows", 3, "")):
        config = finetune_cls.Config(max_train_samples=30, hold_out=hold_out)
        task = TextClassification.from_data(parts, config)
        loaded = LoadedData(dict(parts), Source(""), [])
        splits.prepare(loaded, task.reader(), config, 1)
        assert abs(sum(loaded.splits["train"]["label"]) - rare) <= (3 if hold_out == "rows" else 0)
        assert heard.notes[-1] == f"train: 30 rows drawn (seed 1{said})"


# --- labels that look alike ---


def pairs_of(**counts: int) -> list[str]:
    found = look_alikes.alike(list(counts), counts, "labels") + look_alikes.several_in_one(list(counts), counts)
    return [example for finding in found for example in finding.examples]


def test_labels_that_look_alike_are_told_with_their_counts() -> None:
    assert pairs_of(Spam=12, spam=3, ham=9) == ["'Spam' (12) and 'spam' (3), which differ in case"]
    assert pairs_of(**{"pos": 5, "pos\u200b": 4, "neg": 9}) == [
        "'pos' (5) and 'pos\\u200b' (4), which differ in blanks or marks"
    ]
    assert "accent" in pairs_of(**{"caf\u00e9": 3, "cafe\u0301": 3})[0]
    assert pairs_of(spm=2, spam=40, ham=40) == ["'spm' (2) and 'spam' (40), one letter apart"]
    assert pairs_of(**{"01": 3, "1": 4}) == ["'01' (3) and '1' (4), which are one number"]
    assert pairs_of(**{"a": 3, "b": 4, "a, b": 5}) == ["a, b"]


@pytest.mark.parametrize(
    "counts",
    [
        {"pos": 100, "neg": 3, "neu": 90},
        {"ham": 100, "spam": 3},
        {"sci.med": 3, "sci.space": 90},
        {"1": 3, "11": 90, "111": 30},
        {"class_a": 3, "class_b": 90},
        {"A": 3, "A-": 90, "A+": 90},
        {"v1.0": 1, "v2.0": 30},
        {"science": 30, "silence": 20},
        {"Washington, DC": 3, "Portland, OR": 90, "Salem, OR": 4},
        {"R&B": 3, "R": 90},
    ],
)
def test_labels_that_are_merely_near_are_not_told(counts: dict[str, int]) -> None:
    assert pairs_of(**counts) == []


def test_codes_are_alike_in_spelling_only() -> None:
    counts = {"NNP": 900, "NNPS": 3, "nnp": 4}
    (found,) = look_alikes.alike(list(counts), counts, "tags", slips=False)
    assert found.examples == ["'NNP' (900) and 'nnp' (4), which differ in case"]


def test_check_data_tells_of_labels_that_look_alike(tmp_path: Path) -> None:
    labels = ["Mahnung", "mahnung", "Rechnung"]
    write_jsonl(tmp_path / "train.jsonl", [{"text": f"text {i}", "label": labels[i % 3]} for i in range(60)])
    report = check_data.run(check_data.Config(data=str(tmp_path / "train.jsonl"), model="none"))
    found = {finding["check"]: finding for finding in report.record["findings"]}
    assert found["alike-labels"]["examples"] == ["'Mahnung' (20) and 'mahnung' (20), which differ in case"]


def test_survey_says_nothing_of_plain_names() -> None:
    assert label_cells.survey(["a", "b", None, 3, True], "label") == label_cells.Cells()
