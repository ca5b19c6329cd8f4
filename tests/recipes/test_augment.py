"""Copies of rows in a file that training reads: counted, apart from what is judged, and beside their row."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from nlpkit import reporting
from nlpkit.data import splits
from nlpkit.errors import UserError
from nlpkit.options import DataOptions
from nlpkit.probing import material
from nlpkit.recipes import augment, check_data, probe
from nlpkit.tasks import registry

WORDS = "film story actor song scene music plot picture house garden river town night day child friend"
NOUNS = WORDS.split()
LABELS = ("good", "bad")


def reviews(path: Path, count: int = 40, rare: int | None = None) -> Path:
    """Rows of different words; every second one is bad, or as many as `rare` says."""
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["id", "text", "label"])
        for i in range(count):
            text = f"the {NOUNS[i % 16]} and the {NOUNS[i // 16 % 16]} were quick, {i} times"
            out.writerow([i, text, LABELS[i % 2 if rare is None else i < rare]])
    return path


def run(**given: Any) -> augment.Report:
    return augment.run(augment.Config(**{"seed": 1, **given}))


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def held_out(*paths: Path, task: str = "text-classification", **options: Any) -> tuple[Any, Any]:
    """Train and validation as a training command makes them of files."""
    kind = registry.task_class(task)
    config = check_data.Config(task=task, train_file=[*map(str, paths)], **options).for_task(kind)
    loaded = splits.load(config, kind)
    reader = kind.from_data(loaded.splits, config).reader(options=config)
    splits.prepare(loaded, reader, config, seed=1)
    return loaded.splits["train"], loaded.splits["validation"]


def test_rows_in_are_rows_out_and_rows_that_are_named(tmp_path: Path) -> None:
    data = reviews(tmp_path / "rows.csv")
    report = run(data=str(data), copies=4, output=tmp_path / "out.csv")
    rows, before = read(tmp_path / "out.csv"), read(data)
    assert [{name: row[name] for name in before[0]} for row in rows[:40]] == before
    assert {row["augmented_by"] for row in rows[:40]} == {""}
    own = {row["augmented_from"]: row for row in rows[:40]}
    assert len(own) == 40
    for row in rows[40:]:
        source = own[row["augmented_from"]]
        assert (row["id"], row["label"]) == (source["id"], source["label"])
        assert row["text"] != source["text"]
    assert len({row["text"] for row in rows}) == len(rows)
    found = report.record["operations"]
    assert set(found) == {"synonyms", "insert", "swap", "delete"}
    assert report.record["rows"] == {"read": 40, "copies": len(rows) - 40, "written": len(rows), "not_changeable": 0}
    assert sum(sum(counts.values()) for counts in found.values()) == report.record["wanted"] == 160


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    data = reviews(tmp_path / "rows.csv")
    for name, seed in {"one": 3, "two": 3, "three": 4}.items():
        run(data=str(data), by=["swap", "keyboard"], copies=2, seed=seed, output=tmp_path / f"{name}.csv")
    one, two, three = ((tmp_path / f"{name}.csv").read_bytes() for name in ("one", "two", "three"))
    assert one == two != three


def test_no_copy_is_a_row_that_is_judged(tmp_path: Path) -> None:
    train, validation = tmp_path / "train.csv", tmp_path / "validation.csv"
    train.write_text("text,label\none two,a\nthree four,b\nfive six,a\n")
    validation.write_text("text,label\nTwo  ONE,b\nfour three,a\n")
    report = run(data=str(tmp_path), by=["swap"], copies=1, output=tmp_path / "out.csv")
    assert [row["text"] for row in read(tmp_path / "out.csv")] == ["one two", "three four", "five six", "six five"]
    assert report.record["operations"]["swap"] == {"copies": 1, "unchanged": 0, "duplicate": 0, "held_out": 2}


def test_copies_stay_with_their_row_and_only_rows_as_they_were_are_judged(tmp_path: Path) -> None:
    run(data=str(reviews(tmp_path / "rows.csv")), copies=4, output=tmp_path / "out.csv")
    with reporting.listening() as heard:
        train, validation = held_out(tmp_path / "out.csv", validation_share=0.2)
    assert not set(train["augmented_from"][:]) & set(validation["augmented_from"][:])
    assert set(validation["augmented_by"][:]) == {None}
    assert 4 <= len(validation) <= 12
    assert any("changed copies of them left out" in note for note in heard.notes)
    with pytest.raises(UserError, match="--hold-out rows"):
        held_out(tmp_path / "out.csv", hold_out="rows")


def test_copies_alone_stay_with_rows_from_another_file(tmp_path: Path) -> None:
    data = reviews(tmp_path / "rows.csv")
    run(data=str(data), by=["swap"], copies=2, only_copies=True, output=tmp_path / "copies.csv")
    assert all(row["augmented_by"] for row in read(tmp_path / "copies.csv"))
    train, validation = held_out(data, tmp_path / "copies.csv")
    numbers = set(train["id"][:]), set(validation["id"][:])
    assert not numbers[0] & numbers[1]
    assert len(numbers[0] | numbers[1]) == 40
    assert set(validation["augmented_by"][:]) == {None}


def test_copies_of_rows_that_are_judged_are_refused(tmp_path: Path) -> None:
    data = reviews(tmp_path / "rows.csv", 6)
    run(data=str(data), by=["swap"], copies=1, output=tmp_path / "out.csv")
    with pytest.raises(UserError, match="train has 6 copies of 6 rows of validation"):
        held_out(tmp_path / "out.csv", validation_file=[str(data)])


def test_folds_are_not_judged_on_copies(tmp_path: Path) -> None:
    run(data=str(reviews(tmp_path / "rows.csv", 6)), by=["swap"], copies=1, output=tmp_path / "out.csv")
    kind = registry.task_class("text-classification")
    loaded = splits.load(check_data.Config(data=str(tmp_path / "out.csv")), kind)
    with pytest.raises(UserError, match="--cv: 6 rows of train are changed copies"):
        splits.refuse_copies(loaded, "--cv")
    checked = check_data.run(check_data.Config(data=str(tmp_path / "out.csv"), model="none", suspects=3))
    assert checked.record["suspects"]["said"].startswith("not looked for: 5 rows of train are changed copies")
    for given in ({"data": "out.csv"}, {"train_file": "rows.csv", "validation_file": "out.csv"}):
        files = {name: str(tmp_path / file) for name, file in given.items()}
        with pytest.raises(UserError, match=r"probe: 6 rows of (train|validation) are changed copies"):
            material.load(probe.Config(model="minilm", **files))


def test_a_file_is_written_as_the_rows_were(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text('text;label\n"a; b";x\nc d;y\n')
    run(data=str(tmp_path / "rows.csv"), by=["swap"], copies=1, output=tmp_path / "out.csv")
    lines = (tmp_path / "out.csv").read_text().splitlines()
    assert lines[0] == "text;label;augmented_from;augmented_by"
    assert [line.rsplit(";", 2)[0] for line in lines[1:]] == ['"a; b";x', "c d;y", '"b; a";x', "d c;y"]


def test_running_text_is_to_be_judged_on_text_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "lines.txt").write_text("one two three\nfour five six\n")
    report = run(task="fill-mask", data=str(tmp_path / "lines.txt"), by=["swap"], copies=1, output=tmp_path / "o.csv")
    assert report.next_command == f"nlpkit pretrain-mlm --data {tmp_path / 'o.csv'}"
    assert any("--validation-file FILE" in line for line in report.lines)
    assert [row["augmented_by"] for row in read(tmp_path / "o.csv")] == ["", "", "swap", "swap"]


def test_balance_makes_classes_even(tmp_path: Path) -> None:
    data = reviews(tmp_path / "rows.csv", rare=7)
    report = run(data=str(data), by=["swap"], balance=True, output=tmp_path / "out.csv")
    assert report.record["classes"] == {
        "good": {"rows": 33, "with_copies": 33},
        "bad": {"rows": 7, "with_copies": 33},
    }
    with pytest.raises(UserError, match="--balance makes as many copies as it takes"):
        run(data=str(data), balance=True, copies=2, output=tmp_path / "out.csv", overwrite=True)


def test_tags_and_their_columns_go_with_their_words_to_conll_and_back(tmp_path: Path) -> None:
    sentences = ["Ann NNP I-PER\nsings VBZ O\nin IN O\nOslo NNP I-LOC\n", "Bob NNP I-PER\nJay NNP I-PER\nrests VBZ O\n"]
    path = tmp_path / "train.conll"
    path.write_text("\n".join(sentences))
    given: dict[str, Any] = {"task": "token-classification", "by": ["mentions"], "copies": 1, "rate": 1}
    run(**given, data=str(path), output=tmp_path / "out.conll")
    written = (tmp_path / "out.conll").read_text().split("\n\n")
    assert written[0].endswith("Ann\tNNP\tB-PER\nsings\tVBZ\tO\nin\tIN\tO\nOslo\tNNP\tB-LOC")
    copy = "# augmented_by = mentions\nBob\tNNP\tB-PER\nJay\tNNP\tI-PER\nsings\tVBZ\tO\nin\tIN\tO\nOslo\tNNP\tB-LOC"
    assert written[2].partition("\n")[2] == copy
    kind = registry.task_class("token-classification")
    loaded = splits.load(DataOptions(data=str(tmp_path / "out.conll")), kind)
    assert loaded.splits["train"]["augmented_by"][:] == ["", "", "mentions", "mentions"]
    sources = loaded.splits["train"]["augmented_from"][:]
    assert sources[:2] == sources[2:]


def test_spans_of_a_text_follow_its_words(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    rows = [
        {"text": "Ann met Bob Jay, twice.", "entities": [[0, 3, "PER"], [8, 15, "PER"]]},
        {"text": "Eve  slept.", "entities": [[0, 3, "PER"]]},
    ]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    run(task="token-classification", data=str(path), by=["delete", "mentions"], copies=2, output=tmp_path / "o.jsonl")
    for line in (tmp_path / "o.jsonl").read_text().splitlines():
        row = json.loads(line)
        covered = {row["text"][span["start"] : span["end"]] for span in row["entities"]}
        assert covered
        assert covered <= {"Ann", "Bob Jay", "Eve"}


def test_questions_change_and_their_answers_stay(tmp_path: Path) -> None:
    context = "Ann sings in Oslo."
    asked = {"id": "7", "question": "Where does Ann sing?", "answers": [{"text": "Oslo", "answer_start": 13}]}
    document = {"data": [{"title": "Ann", "paragraphs": [{"context": context, "qas": [asked]}]}]}
    path = tmp_path / "train.json"
    path.write_text(json.dumps(document))
    run(task="question-answering", data=str(path), by=["swap"], copies=1, output=tmp_path / "out.json")
    (paragraph,) = json.loads((tmp_path / "out.json").read_text())["data"][0]["paragraphs"]
    first, copy = paragraph["qas"]
    assert paragraph["context"] == context
    assert (first["id"], copy["id"]) == ("7", "7-1")
    assert first["answers"] == copy["answers"] == asked["answers"]
    assert sorted(copy["question"][:-1].split()) == sorted(asked["question"][:-1].split())
    loaded = splits.load(DataOptions(data=str(tmp_path / "out.json")), registry.task_class("question-answering"))
    assert loaded.splits["train"]["augmented_by"][:] == ["", "swap"]
    with pytest.raises(UserError, match="train has 1 copy of 1 row of validation"):
        held_out(tmp_path / "out.json", task="question-answering", validation_file=[str(path)])
    again = {"data": str(tmp_path / "out.json"), "output": tmp_path / "more.json"}
    run(task="question-answering", by=["swap"], copies=1, **again)
    (paragraph,) = json.loads((tmp_path / "more.json").read_text())["data"][0]["paragraphs"]
    assert [question["id"] for question in paragraph["qas"]] == ["7", "7-1", "7-2", "7-1-1"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"output": "out.txt"}, "not written in that format"),
        ({"output": "out.conll"}, "CoNLL holds words with a tag each"),
        ({"output": "out.csv", "by": ["mentions"]}, "--by mentions works on words with tags"),
        ({"output": "out.csv", "by": ["swap"], "keyboard": "qwertz"}, "--keyboard is read with --by keyboard only"),
        ({"task": "zero-shot-classification", "output": "out.csv"}, "whose rows can be copied with other words"),
        ({}, "--output is missing"),
    ],
)
def test_what_cannot_be_made_is_refused(given: dict[str, Any], said: str, tmp_path: Path) -> None:
    if "output" in given:
        given = {**given, "output": tmp_path / given["output"]}
    with pytest.raises(UserError) as error:
        run(data=str(reviews(tmp_path / "rows.csv", 4)), **given)
    assert said in error.value.message


def test_a_dry_run_shows_copies_and_writes_nothing(tmp_path: Path) -> None:
    report = run(data=str(reviews(tmp_path / "rows.csv", 8)), by=["swap", "ocr"], dry_run=True)
    assert [example["operation"] for example in report.record["examples"]] == ["swap"] * 3 + ["ocr"] * 3
    assert [path.name for path in tmp_path.iterdir()] == ["rows.csv"]
