"""One file with several splits: parts of a JSON document, or a column that names the split of each row."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import rows, write_csv
from qa_models import asked, nested

from nlpkit import reporting
from nlpkit.data import sources
from nlpkit.data.inputs import FORMATS, Reading, Wanted
from nlpkit.data.readers import read_rows
from nlpkit.errors import UserError


def sizes(path: Path, reading: Reading | None = None, **more: Any) -> tuple[dict[str, int], str]:
    """Rows of each split, and what was said."""
    with reporting.listening() as said:
        loaded = sources.load(str(path), reading=reading or Reading(), **more)
    return {split: len(found) for split, found in loaded.splits.items()}, "\n".join([*said.notes, *said.warnings])


def write(path: Path, document: Any) -> Path:
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


@pytest.mark.parametrize("counts", [(6, 2, 3), (4, 4, 4)])  # as columns of a table, the latter are of one length
def test_parts_of_a_json_document(counts: tuple[int, int, int], tmp_path: Path) -> None:
    names = ("train", "dev", "test")
    document = {name: rows(count) for name, count in zip(names, counts, strict=True)}
    found, said = sizes(write(tmp_path / "all.json", {"version": "1.0", **document}))
    assert found == dict(zip(("train", "validation", "test"), counts, strict=True))
    assert "holds the splits train, validation, test" in said


def test_parts_in_a_layout_of_their_own(tmp_path: Path) -> None:
    squad = {"train": nested(asked(4)), "validation": nested(asked(2))["data"]}
    reading = Reading(formats={**FORMATS, ".json": "squad"}, wanted=Wanted("questions", True))
    assert sizes(write(tmp_path / "squad.json", squad), reading)[0] == {"train": 4, "validation": 2}
    spacy = {"train": [["Ann saw", {"entities": [[0, 3, "PER"]]}]] * 3, "test": [["Rome", {"entities": []}]]}
    reading = Reading(wanted=Wanted("words", True))
    assert sizes(write(tmp_path / "spacy.json", spacy), reading)[0] == {"train": 3, "test": 1}


def test_rows_to_answer_for_are_those_of_all_parts(tmp_path: Path) -> None:
    path = write(tmp_path / "all.json", {"train": rows(3), "test": rows(2)})
    assert [row.line for row in read_rows(path)] == [1, 2, 3, 4, 5]


def test_a_column_that_names_the_split(tmp_path: Path) -> None:
    names = ["train", "train", "dev", "TEST", "train"]
    path = write_csv(tmp_path / "all.csv", [{**row, "Split": name} for row, name in zip(rows(5), names, strict=True)])
    found, said = sizes(path)
    assert found == {"train": 3, "validation": 1, "test": 1}
    assert "'Split' tells the split of each row: train 3, validation 1, test 1" in said
    loaded = sources.load(str(path))
    assert loaded.where("test", 0) == f"{path} line 5"
    assert "Split" not in loaded.splits["train"].column_names


@pytest.mark.parametrize("names", [["train"] * 4, ["train", "test", "unknown", "train"], ["train", "test", "", "test"]])
def test_a_column_that_does_not_name_the_split_of_each_row(names: list[str], tmp_path: Path) -> None:
    path = write_csv(tmp_path / "all.csv", [{**row, "split": name} for row, name in zip(rows(4), names, strict=True)])
    found, said = sizes(path)
    assert found == {"train": 4}
    # most rows are named, so that the others may be a slip, and what is held out is trained on
    assert ("all rows are of one split" in said) == (len(set(names)) > 1)


def test_a_file_that_was_named_for_one_split_gives_that(tmp_path: Path) -> None:
    path = write(tmp_path / "all.json", {"train": rows(5), "test": rows(2)})
    assert sizes(path, test_files=[str(path)])[0] == {"train": 5, "test": 2}
    with pytest.raises(UserError, match="holds rows of train and test, none of validation"):
        sizes(path, validation_files=[str(path)])
