"""Rows given from Python: read as a table of parquet is, under a name made of their content."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from conftest import rows, write_jsonl

from nlpkit import reporting
from nlpkit.data import memory, pipes, sources
from nlpkit.data.inputs import Reading, Wanted
from nlpkit.data.readers import read_rows, read_table
from nlpkit.errors import UserError

ROWS = [{"text": "a", "label": "x"}, {"text": None, "label": "y"}]


def held_rows(value: Any) -> list[dict[str, Any]]:
    return [row for _, row in memory.rows(memory.hold(value))]


def test_the_same_rows_have_one_name_in_whatever_form_they_come() -> None:
    from datasets import Dataset

    columns = {"text": ["a", None], "label": ["x", "y"]}
    forms = [ROWS, columns, pd.DataFrame(ROWS), pd.DataFrame(ROWS, index=["p", "q"]), Dataset.from_list(ROWS)]
    forms.append(pa.table(columns))
    assert len({memory.hold(form) for form in [*forms, (["a", None], pd.Series(["x", "y"]))]}) == 1
    assert memory.hold(ROWS) != memory.hold(ROWS[::-1])


def test_cells_of_pandas_and_numpy_are_the_plain_values_that_files_have() -> None:
    frame = pd.DataFrame(
        {
            "category": pd.Categorical(["x", None, "x"]),
            "whole": pd.array([1, None, 3], dtype="Int64"),
            "float": [1.5, float("nan"), 2.0],
            "day": pd.to_datetime(["2020-01-02", None, "2020-01-04"]),
            "none": [None, pd.NA, np.nan],
            3: np.array([1, 2, 3], dtype=np.int32),
        }
    )
    first, second, _ = held_rows(frame)
    assert first == {
        "category": "x",
        "whole": 1,
        "float": 1.5,
        "day": datetime.datetime(2020, 1, 2),
        "none": None,
        "3": 1,
    }
    assert [second[name] for name in ("category", "whole", "float", "day", "none")] == [None] * 5
    listed = [{"n": np.int64(1), "tags": np.array(["a", "b"])}, {"n": pd.NA, "tags": {"c"}}]
    assert held_rows(listed) == [{"n": 1, "tags": ["a", "b"]}, {"n": None, "tags": ["c"]}]


def test_a_column_of_several_kinds_is_text_and_told_with_counts() -> None:
    with reporting.listening() as heard:
        made = read_table(memory.hold(pd.DataFrame({"label": ["a", 1, 2.5]})))
        assert made["label"].to_pylist() == ["a", "1", "2.5"]
    assert heard.notes == [
        "column 'label' holds numbers (2) and text (1): all are read as text "
        "(data position 0 is the first of the rarest kind)"
    ]


def test_splits_and_classes_of_a_data_set_are_kept_and_places_count_from_0() -> None:
    from datasets import ClassLabel, Dataset, DatasetDict

    labelled = Dataset.from_dict({"text": ["a", "b", "c"], "label": [0, 1, 0]})
    labelled = labelled.cast_column("label", ClassLabel(names=["no", "yes"]))
    loaded = sources.load(memory.hold(DatasetDict({"train": labelled.select([2, 1]), "dev": labelled})))
    assert {split: rows["text"][:] for split, rows in loaded.splits.items()} == {
        "train": ["c", "b"],
        "validation": ["a", "b", "c"],
    }
    assert loaded.splits["train"].features["label"].names == ["no", "yes"]
    assert loaded.where("validation", 2) == "data position 2"
    assert sources.load(memory.hold({"train": ROWS, "test": pd.DataFrame(ROWS)})).splits.keys() == {"train", "test"}


def test_rows_of_annotation_tools_are_read_as_in_json_files(tmp_path: Path) -> None:
    entities = {"text": "Paris is old", "entities": [[0, 5, "LOC"]]}
    doccano = {"id": 1, "text": "Paris is old", "label": [[0, 5, "LOC"]]}
    reading = Reading(wanted=Wanted("words", labelled=True))
    for row in (entities, doccano):
        file = write_jsonl(tmp_path / "rows.jsonl", [row])
        expected = read_table(file, reading).to_pylist()
        for value in ([row], pd.DataFrame([row])):
            assert read_table(memory.hold(value), reading).to_pylist() == [{**expected[0], "__line__": 0}]


def test_the_record_names_them_by_content_and_nothing_is_written(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    name = memory.hold(pd.DataFrame(ROWS))
    source = sources.load(name).source.to_record()
    assert (source["spec"], source["kind"]) == (name, "memory")
    assert name == f"memory:{source['files']['train'][0]['sha256'][:16]}"
    assert [row.values for row in read_rows(name)] == ROWS
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ([], "expected rows, found list"),
        (pd.DataFrame({"text": []}), "hold no rows"),
        (pd.DataFrame([["a", "b"]], columns=["t", "t"]), "two columns 't'"),
        ((["a"], ["x", "y"]), "1 text and 2 labels"),
        ({"text": ["a"], "label": ["x", "y"]}, "text 1, label 2"),
        ({"train": ROWS, "training": ROWS}, "the split 'train' twice"),
    ],
)
def test_what_are_no_rows_is_refused(value: Any, said: str) -> None:
    with pytest.raises(UserError, match=said):
        memory.hold(value)


def test_running_text_may_come_from_memory() -> None:
    from nlpkit.data.corpus import Corpus
    from nlpkit.options import CorpusOptions

    names = [memory.hold(pd.DataFrame({"text": ["one\ntwo", None]})), memory.hold({"text": ["three"]})]
    corpus = Corpus(CorpusOptions(data=names))
    assert [batch.texts for batch in corpus.batches()] == [["one", "two", "three"]]
    assert [file["path"] for file in corpus.record()["files"]] == names
    assert corpus.record()["kind"] == "memory"
    assert corpus.size


def test_what_is_a_name_or_another_option_is_no_rows() -> None:
    others = ["rows.csv", Path("rows.csv"), ["a.csv", "b.csv"], {"accuracy": 0.9}, [1, 8], None, 3]
    assert not any(map(memory.is_rows, others))


def test_another_process_is_told_to_give_the_data() -> None:
    gone = "memory:0123456789abcdef"
    for use in (lambda: sources.load(gone), lambda: list(read_rows(gone)), lambda: sources.expand(gone)):
        with pytest.raises(UserError, match=f"{gone}: rows that a Python process had"):
            use()
    with pytest.raises(UserError, match="cannot be handed to the processes"):
        pipes.lasting(memory.hold(ROWS))


def test_what_was_used_longest_ago_is_let_go(monkeypatch: Any) -> None:
    first, second = memory.hold(rows(8)), memory.hold(rows(9))
    memory.held(first)
    monkeypatch.setattr(memory, "KEPT_BYTES", memory.held(first).bytes)
    memory.let_go()
    assert (memory.is_held(first), memory.is_held(second)) == (True, False)


def test_options_of_files_are_refused_beside_rows() -> None:
    with pytest.raises(UserError, match="Leave out --format"):
        read_table(memory.hold(ROWS), Reading(format="csv"))
