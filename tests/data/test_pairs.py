"""Texts and what is to be written for them: which columns are read, which rows are left out, what is odd."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conftest import write_jsonl
from datasets import Dataset

from nlpkit import reporting
from nlpkit.data import pairs, sources
from nlpkit.data.findings import Finding
from nlpkit.errors import UserError


def read(
    tmp_path: Path, rows: list[dict[str, Any]], split: str = "train", **more: Any
) -> tuple[Dataset, list[Finding]]:
    loaded = sources.load(None, **{f"{split}_files": [str(write_jsonl(tmp_path / "rows.jsonl", rows))]})
    findings: list[Finding] = []
    columns = more.pop("columns", pairs.Columns("text", ("target",)))
    return pairs.read(loaded.splits[split], split, loaded, columns, findings, **more), findings


# --- columns ---


@pytest.mark.parametrize(
    ("columns", "text", "target"),
    [
        (["id", "article", "highlights"], "article", "highlights"),
        (["dialogue", "summary", "id"], "dialogue", "summary"),
        (["source", "source_labels", "paper_id", "target", "title"], "source", "target"),
        (["Subject Line", "Email Body"], "Email Body", "Subject Line"),
        (["de", "en"], "en", "de"),
        (["deu", "eng"], "eng", "deu"),
        (["id", "en", "tr"], "en", "tr"),
        (["en", "id"], "en", "id"),  # Indonesian
        (["fr", "de"], "fr", "de"),
        (["zh-Hans", "pt_BR"], "zh-Hans", "pt_BR"),
        (["british", "bavarian"], "british", "bavarian"),
        (["review", "title", "stars"], "review", "title"),
    ],
)
def test_columns_by_their_names(columns: list[str], text: str, target: str) -> None:
    with reporting.listening() as said:
        assert pairs.columns_of(columns) == pairs.Columns(text, (target,))
    assert said.notes == [
        f"text: column '{text}' (guessed; --text-column)",
        f"to be written: column '{target}' (guessed; --target-columns)",
    ]


@pytest.mark.parametrize(
    ("named", "found"),
    [
        ({"targets": ["en"]}, ("de", ("en",))),
        ({"text": "de"}, ("de", ("en",))),
        ({"text": "DE", "targets": ["en"]}, ("de", ("en",))),
    ],
)
def test_one_column_that_is_named_turns_the_direction(named: dict[str, Any], found: tuple[Any, ...]) -> None:
    made = pairs.columns_of(["de", "en"], **named)
    assert (made.text, made.targets) == found


def test_several_answers_and_a_prefix_are_named() -> None:
    made = pairs.columns_of(["text", "ref1", "ref2", "task"], targets=["ref1", "ref2"], prefix="task")
    assert made == pairs.Columns("text", ("ref1", "ref2"), "task")


def test_of_three_languages_one_is_to_be_named() -> None:
    with pytest.raises(UserError, match="the columns de, fr may each be what is to be written for 'en'") as error:
        pairs.columns_of(["de", "en", "fr"])
    assert "--target-columns de" in (error.value.hint or "")
    assert pairs.columns_of(["de", "en", "fr"], targets=["fr"]) == pairs.Columns("en", ("fr",))
    assert pairs.columns_of(["de", "en", "fr"], labelled=False).text == "en"


def test_columns_that_are_not_known() -> None:
    with pytest.raises(UserError, match="no column is known to hold the texts; the columns are a, b, c"):
        pairs.columns_of(["a", "b", "c"])
    with pytest.raises(UserError, match="there is no target column 'fr'"):
        pairs.columns_of(["de", "en"], targets=["fr"])
    assert pairs.columns_of(["text", "score_a", "score_b"]).targets == ()


# --- rows ---


def test_sentences_are_joined_and_answers_kept_apart(tmp_path: Path) -> None:
    rows = [
        {"text": ["One.", " Two. ", ""], "target": ["a", "b", "a", " "]},
        {"text": ["Three."], "target": ["c"]},
    ]
    made, findings = read(tmp_path, rows)
    assert made["text"][:] == ["One. Two.", "Three."]
    assert made["targets"][:] == [["a", "b"], ["c"]]
    assert made["where"][1].endswith("rows.jsonl line 2")
    told = [finding.message for finding in findings]
    assert told == [
        "train: 2 texts are lists of sentences, joined by blanks",
        "train: 1 of 2 rows have several right answers",
    ]


def test_lists_as_csv_spells_them(tmp_path: Path) -> None:
    rows = [{"text": "['One.', 'Two.']", "target": '["a", "b"]'}, {"text": "[Music] plays", "target": "[laughs]"}]
    made, _ = read(tmp_path, rows)
    assert made["text"][:] == ["One. Two.", "[Music] plays"]
    assert made["targets"][:] == [["a", "b"], ["[laughs]"]]


def test_each_row_is_used_or_named(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"text": "a dog", "target": "ein Hund"},
        {"text": " ", "target": "nichts"},
        {"text": "a cat", "target": None},
        {"text": "a cow", "target": [""]},
        {"text": "7", "target": "sieben"},
    ]
    made, findings = read(tmp_path, rows)
    (lacking,) = findings
    assert (lacking.level, lacking.check, lacking.count) == ("warning", "empty-side", 3)
    assert "rows.jsonl line 2: column 'text' is empty" in lacking.examples[0]
    assert "rows.jsonl line 3: column 'target' is empty" in lacking.examples[1]
    assert len(made) + lacking.count == len(rows)


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_split_without_a_pair_is_an_error(split: str, tmp_path: Path) -> None:
    _, findings = read(tmp_path, [{"text": "", "target": "x"}, {"text": "a", "target": ""}], split)
    assert [(finding.level, finding.check) for finding in findings] == [("warning", "empty-side"), ("error", "no-rows")]


def test_columns_of_several_answers_and_of_what_stands_before(tmp_path: Path) -> None:
    rows = [
        {"text": "a", "one": "x", "two": "y", "task": "to German: "},
        {"text": "b", "one": None, "two": "z", "task": "to French: "},
        {"text": "c", "one": "x", "two": "z", "task": None},
    ]
    made, findings = read(tmp_path, rows, columns=pairs.Columns("text", ("one", "two"), "task"))
    assert made["targets"][:] == [["x", "y"], ["z"]]
    assert made["prefix"][:] == ["to German: ", "to French: "]
    assert findings[0].examples[0].endswith("line 3: column 'task' is empty")


def test_what_is_to_be_written_must_be_known(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="what is to be written is not known"):
        read(tmp_path, [{"text": "a"}], columns=pairs.Columns("text"))


# --- rules ---

ROWS = [
    {"text": "one two three", "target": "eins zwei drei"},
    {"text": "one two three", "target": "eins zwei drei"},
    {"text": "Berlin", "target": "Berlin"},
    {"text": "yes", "target": "a b c d e f g h i j"},
    {"text": "w " * 20, "target": "v " * 20},
]


def test_rows_of_train_that_are_left_out_by_rule(tmp_path: Path) -> None:
    rules = pairs.Rules(length_ratio=9, max_words=19, drop_copies=True, drop_repeats=True)
    made, findings = read(tmp_path, ROWS, rules=rules)
    assert made["text"][:] == ["one two three"]
    assert [finding.message for finding in findings] == [
        "train: 1 of 5 rows are left out: they repeat an earlier one (--drop-repeats)",
        "train: 1 of 5 rows are left out: to be written as they are read (--drop-copies)",
        "train: 1 of 5 rows are left out: one side has more than 9 times the words of the other (--length-ratio)",
        "train: 1 of 5 rows are left out: a side has more than 19 words (--max-words)",
    ]
    assert len(made) + sum(finding.count for finding in findings) == len(ROWS)
    judged, findings = read(tmp_path, ROWS, "validation", rules=rules)  # all of them
    assert (len(judged), findings) == (len(ROWS), [])


@pytest.mark.parametrize(
    ("text", "count"), [("a dog, running", 3), ("", 0), ("我喜欢狗", 4), ("iPhone 手机", 3), ("né à Ulm", 3)]
)
def test_words(text: str, count: int) -> None:
    assert pairs.words(text) == count


# --- what is odd ---


def test_what_is_noticed(tmp_path: Path) -> None:
    train = [{"text": f"sentence {i}", "target": f"Satz {i}"} for i in range(40)]
    train += [train[3], {"text": "sentence 4", "target": "noch ein Satz"}, {"text": "Ulm", "target": "Ulm"}]
    train += [{"text": "hm", "target": "a b c d e f g h i j"}]
    path = write_jsonl(
        tmp_path / "val.jsonl", [{"text": "Sentence 7", "target": "Satz sieben"}, train[0] | {"text": "new"}]
    )
    loaded = sources.load(
        None, train_files=[str(write_jsonl(tmp_path / "train.jsonl", train))], validation_files=[str(path)]
    )
    columns = pairs.Columns("text", ("target",))
    examples = {split: pairs.read(rows, split, loaded, columns) for split, rows in loaded.splits.items()}
    told = {finding.check: finding for finding in pairs.noticed(examples)}
    assert {name: finding.count for name, finding in told.items()} == {
        "leakage": 1,
        "repeats": 1,
        "several-rows": 1,
        "copies": 1,
        "unlike-lengths": 1,
    }
    assert "val.jsonl line 1 = " in told["leakage"].examples[0]
    assert "train.jsonl line 41 = " in told["repeats"].examples[0]
    assert told["several-rows"].examples == ["sentence 4: Satz 4 | noch ein Satz"]
    assert "1 and 10 words" in told["unlike-lengths"].examples[0]


def test_summaries_are_shorter_than_their_texts_as_a_rule(tmp_path: Path) -> None:
    rows = [{"text": f"{i} " * 50, "target": "short"} for i in range(9)]
    made, _ = read(tmp_path, rows)
    assert pairs.noticed({"train": made}) == []
