"""Texts with their labels in other layouts than a table: fastText, a file of labels, a folder a class."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from conftest import rows, write_csv

from nlpkit import reporting
from nlpkit.data import sources
from nlpkit.data.inputs import Content, Reading, Wanted
from nlpkit.errors import UserError
from nlpkit.recipes import check_data

TEXTS = [("a fine day", "good"), ("rain again", "bad"), ("so warm", "good"), ("cold soup", "bad")]


def write(path: Path, content: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    return path


def load(
    data: Path, content: Content = "texts", *, labelled: bool = True, **more: Any
) -> tuple[sources.LoadedData, str]:
    """The splits, and what was said."""
    with reporting.listening() as said:
        loaded = sources.load(str(data), reading=Reading(wanted=Wanted(content, labelled)), **more)
    return loaded, "\n".join([*said.notes, *said.warnings])


def pairs(loaded: sources.LoadedData, split: str = "train") -> list[tuple[str, Any]]:
    found = loaded.splits[split]
    return list(zip(found["text"][:], found["label"][:], strict=True))


# --- fastText ---


def test_fasttext(tmp_path: Path) -> None:
    lines = [f"__label__{label} {text}\n" for text, label in TEXTS]
    loaded, said = load(write(tmp_path / "train.txt", "".join(lines)))
    assert pairs(loaded) == [(text, [label]) for text, label in TEXTS]
    assert "read as fastText's lines" in said
    report = check_data.run(check_data.Config(data=str(write(tmp_path / "more.txt", "".join(lines * 3))), model="none"))
    assert report.record["task"]["problem"] == "single-label"


def test_fasttext_with_several_labels_anywhere_and_with_none(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", "__label__a __label__b two of them\nnone at all\nat the end __label__c\n")
    loaded, said = load(path)
    assert pairs(loaded) == [("two of them", ["a", "b"]), ("none at all", []), ("at the end", ["c"])]
    assert "1 of 3 rows have no __label__ (line 2)" in said


def test_fasttext_with_labels_that_no_blank_parts(tmp_path: Path) -> None:
    loaded, _ = load(write(tmp_path / "a.txt", "__label__a,__label__b two of them\n__label__c__label__b so\n"))
    assert pairs(loaded) == [("two of them", ["a", "b"]), ("so", ["c", "b"])]


def test_a_row_without_text_among_fasttext_stays_to_be_named(tmp_path: Path) -> None:
    lines = [{"text": f"__label__{label} {text}"} for text, label in TEXTS]
    made = "".join(json.dumps(row) + "\n" for row in [*lines, {"text": None}])
    loaded, _ = load(write(tmp_path / "a.jsonl", made))
    assert pairs(loaded) == [*((text, [label]) for text, label in TEXTS), (None, [])]


def test_a_text_that_speaks_of_the_prefix_is_no_fasttext(tmp_path: Path) -> None:
    loaded, said = load(write(tmp_path / "a.txt", "write __label__x in front\nof each line\n"), labelled=False)
    assert loaded.splits["train"]["text"][:] == ["write __label__x in front", "of each line"]
    assert "fastText" not in said


# --- a file of labels ---


@pytest.mark.parametrize(
    ("texts", "labels"),
    [
        ("train.txt", "train.labels"),
        ("train.txt", "train.label"),
        ("train.txt", "train_labels.txt"),
        ("train_text.txt", "train_labels.txt"),
        ("X_train.txt", "y_train.txt"),
        ("text.txt", "label.txt"),
        ("texts.txt", "labels.txt"),
    ],
)
def test_labels_in_a_file_of_their_own(texts: str, labels: str, tmp_path: Path) -> None:
    path = write(tmp_path / texts, "".join(f"{text}\n" for text, _ in TEXTS))
    write(tmp_path / labels, "".join(f"{label}\n" for _, label in TEXTS))
    for data in (tmp_path, path):  # the folder, and the file of texts alone
        loaded, said = load(data)
        assert pairs(loaded) == TEXTS
        assert loaded.where("train", 2) == f"{path} line 3"
        assert f"{texts}: read with the labels in {tmp_path / labels}, line by line" in said
    assert [Path(info.path).name for info in loaded.source.files["train"]] == [texts, labels]


def test_a_blank_line_keeps_its_place(tmp_path: Path) -> None:
    write(tmp_path / "train.txt", "a\n\nc\n\n")
    write(tmp_path / "train.labels", "x\ny\nz\n")
    assert pairs(load(tmp_path)[0]) == [("a", "x"), ("", "y"), ("c", "z")]


def test_files_of_other_lengths_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "train.txt", "a\nb\nc\n")
    write(tmp_path / "train.labels", "x\ny\n")
    with pytest.raises(UserError, match=r"not line-aligned: .*train.txt 3, .*train.labels 2 lines"):
        load(tmp_path)


def test_texts_to_answer_for_need_no_labels(tmp_path: Path) -> None:
    write(tmp_path / "train.txt", "a\nb\nc\n")
    write(tmp_path / "train.labels", "x\n")
    assert load(tmp_path, labelled=False)[0].splits["train"].num_rows == 3


# --- a folder a class ---


def imdb(folder: Path, splits: tuple[str, ...] = ("train", "test")) -> Path:
    """Reviews as IMDb ships them."""
    for split in splits:
        for number, (text, label) in enumerate(TEXTS):
            write(folder / split / label / f"{number}_7.txt", f"{text} in {split}\n")
        write(folder / split / "urls.txt", "http://somewhere\n")
    write(folder / "train" / "unsup" / "0_0.txt", "nobody knows")
    write(folder / "imdb.vocab", "the\n")
    return folder


def test_a_folder_a_class(tmp_path: Path) -> None:
    loaded, said = load(imdb(tmp_path))
    assert list(loaded.splits) == ["train", "test"]
    assert pairs(loaded, "test") == [
        ("rain again in test", "bad"),
        ("cold soup in test", "bad"),
        ("a fine day in test", "good"),
        ("so warm in test", "good"),
    ]
    assert loaded.where("test", 1) == f"{tmp_path / 'test' / 'bad' / '3_7.txt'} line 1"
    assert f"{tmp_path / 'train'}: one folder per class, one text per file: bad 2, good 2" in said
    assert "unsup: 1 text without a label, left out" in said
    assert "1 text file beside the folders is left out: urls.txt" in said
    assert len(loaded.source.files["train"]) == 1  # and not one for each text


def test_a_folder_a_class_as_one_split(tmp_path: Path) -> None:
    folder = imdb(tmp_path)
    assert len(load(folder / "train")[0].splits["train"]) == 4
    loaded, _ = load(folder / "train", test_files=[str(folder / "test")])
    assert {split: len(found) for split, found in loaded.splits.items()} == {"train": 4, "test": 4}


def test_a_table_beside_folders_of_texts_is_what_is_meant(tmp_path: Path) -> None:
    for name in ("notes", "drafts"):
        write(tmp_path / name / "1.txt", "a text")
    write_csv(tmp_path / "reviews.csv", rows(3))
    loaded, said = load(tmp_path)
    assert len(loaded.splits["train"]) == 3
    assert "folders of texts beside reviews.csv are left out" in said


def test_files_with_numbers_for_names_come_in_their_order(tmp_path: Path) -> None:
    for number in (10, 9, 100):
        write(tmp_path / "sci.space" / str(number), f"text {number}")
    write(tmp_path / "sci.med" / "1", "text")
    write(tmp_path / "sci.med" / "figure.pdf", "")
    loaded, said = load(tmp_path)
    assert loaded.splits["train"]["text"][:] == ["text", "text 9", "text 10", "text 100"]
    assert "sci.med: 1 of 2 entries are no text files and are left out, such as figure.pdf" in said


def test_the_content_of_a_folder_is_its_fingerprint(tmp_path: Path) -> None:
    folder = imdb(tmp_path)
    before = load(folder)[0].splits["train"]._fingerprint
    assert load(folder)[0].splits["train"]._fingerprint == before
    write(folder / "train" / "good" / "0_7.txt", "another text")
    assert load(folder)[0].splits["train"]._fingerprint != before


def test_folders_of_code_are_no_classes(tmp_path: Path) -> None:
    write(tmp_path / "docs" / "index.txt", "a manual")
    for name in ("a.py", "b.py", "requirements.txt"):
        write(tmp_path / "src" / name, "")
    with pytest.raises(UserError, match="no data files in this folder") as error:
        load(tmp_path)
    assert "one folder per class: train/pos/1.txt" in str(error.value)


def test_a_file_that_does_not_decode_is_named(tmp_path: Path) -> None:
    folder = imdb(tmp_path)
    (folder / "train" / "bad" / "1_7.txt").write_bytes("caf\u00e9".encode("latin-1"))
    with pytest.raises(UserError, match=re.escape(str(folder / "train" / "bad" / "1_7.txt"))):
        load(folder)


def test_a_folder_a_split(tmp_path: Path) -> None:
    for split, count in (("train", 6), ("test", 2)):
        (tmp_path / split).mkdir()
        write_csv(tmp_path / split / "part-0.csv", rows(count))
    (tmp_path / "more").mkdir()
    write_csv(tmp_path / "more" / "part-0.csv", rows(2))
    loaded, said = load(tmp_path)
    assert {split: len(found) for split, found in loaded.splits.items()} == {"train": 6, "test": 2}
    assert "folders not named after a split, left out: more" in said
    write_csv(tmp_path / "train" / "other.csv", rows(2))
    with pytest.raises(UserError, match="several files could be train"):
        load(tmp_path)


# --- tables of pandas ---


@pytest.mark.parametrize("orient", ["columns", "index", "split", "table", "records"])
def test_json_of_pandas(orient: str, tmp_path: Path) -> None:
    texts, labels = zip(*TEXTS, strict=True)
    document: Any = {
        "columns": {"text": dict(enumerate(texts)), "label": dict(enumerate(labels))},
        "index": {i: {"text": text, "label": label} for i, (text, label) in enumerate(TEXTS)},
        # as many rows as columns, and as index: lists of one length
        "split": {"columns": ["text", "label"], "index": [0, 1], "data": [list(pair) for pair in TEXTS[:2]]},
        "table": {"schema": {"fields": []}, "data": [{"text": text, "label": label} for text, label in TEXTS]},
        "records": [{"text": text, "label": label} for text, label in TEXTS],
    }[orient]
    loaded, said = load(write(tmp_path / "a.json", json.dumps(document)))
    assert pairs(loaded) == (TEXTS[:2] if orient == "split" else TEXTS)
    assert ("read as a table of pandas" in said) == (orient in ("columns", "index", "split"))


def test_objects_that_are_no_rows_stay_refused(tmp_path: Path) -> None:
    for document in ({"a": {"x": 1}, "b": {"x": 2}}, {"train": {"x": 1}}, {"1": {"0": "a"}}):
        with pytest.raises(UserError, match="holds no rows"):
            load(write(tmp_path / "a.json", json.dumps(document)))
