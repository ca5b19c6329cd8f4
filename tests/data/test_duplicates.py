"""Equal texts stay on one side of a hold-out, and texts that are nearly equal are counted."""

from __future__ import annotations

import json
import random
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import rows, write_csv, write_jsonl
from datasets import Dataset
from every_task import tagged
from hearing import Heard

from nlpkit.data import checks, draws, duplicates, splits
from nlpkit.data.spelling import folded
from nlpkit.errors import UserError
from nlpkit.options import read_config_file
from nlpkit.recipes import check_data, finetune_cls
from nlpkit.runs.folder import read_record


def prepared(path: Path, task: str, **options: Any) -> tuple[list[str], list[str], Dataset]:
    """Normalised texts of train and of what was held out, and the latter."""
    config = check_data.Config(task=task, data=str(path), **options)
    kind = check_data.registry.task_class(task)
    config = config.for_task(kind)
    loaded = splits.load(config, kind)
    made = kind.from_data(loaded.splits, config).reader()
    splits.prepare(loaded, made, config, seed=3)
    train, held = (loaded.splits[split] for split in ("train", "validation"))
    return list(made.keys(train)), list(made.keys(held)), held


def test_equal_texts_of_classes_are_held_out_together_and_classes_keep_their_share(tmp_path: Path) -> None:
    made = [{**row, "text": row["text"].upper() if i % 3 else row["text"]} for i, row in enumerate(rows(120) * 3)]
    train, held, rest = prepared(write_csv(tmp_path / "data.csv", made), "text-classification", validation_share=0.2)
    assert not set(train) & set(held)
    assert len(train) + len(held) == 360
    assert Counter(rest["label"][:]) == {"positive": 36, "negative": 36}  # 72 rows: 24 texts, three times each


@pytest.mark.parametrize("hold_out", ["rows", "texts"])
def test_questions_on_one_context_only_are_said_to_be_on_both_sides(
    hold_out: str, tmp_path: Path, heard: Heard
) -> None:
    made = [
        {"question": f"Which is {i}?", "context": "one two three", "answers": {"text": ["two"], "answer_start": [4]}}
        for i in range(20)
    ]
    prepared(write_jsonl(tmp_path / "data.jsonl", made), "question-answering", hold_out=hold_out)
    assert len(heard.warnings) == 1
    assert "those that are held out are trained on too" in heard.warnings[0]
    assert not any("whole groups" in note for note in heard.notes)


def test_equal_texts_of_every_other_task_are_held_out_together(tmp_path: Path) -> None:
    sentences = tagged(40, 1) + "\n"
    (tmp_path / "data.conll").write_text(sentences * 3, encoding="utf-8")
    (tmp_path / "data.txt").write_text("".join(f"{row['text']}\n" for row in rows(40) * 3), encoding="utf-8")
    scores = [{"text": row["text"], "label": i / 7} for i, row in enumerate(rows(40) * 3)]
    several = [{"text": row["text"], "label": [row["label"], "b"][: 1 + i % 2]} for i, row in enumerate(rows(40) * 3)]
    pairs = [{"sentence1": "one", "sentence2": row["text"], "label": row["label"]} for row in rows(40) * 3]
    for task, path in {
        "token-classification": tmp_path / "data.conll",
        "fill-mask": tmp_path / "data.txt",
        **{"text-classification": write_jsonl(tmp_path / "scores.jsonl", scores)},
    }.items():
        train, held, _ = prepared(path, task)
        assert not set(train) & set(held)
        assert 12 <= len(held) <= 14 and len(train) + len(held) == 120
    for name, made in {"several": several, "pairs": pairs}.items():
        train, held, _ = prepared(write_jsonl(tmp_path / f"{name}.jsonl", made), "text-classification")
        assert not set(train) & set(held)
        assert 11 <= len(held) <= 14


def test_rows_of_one_author_are_held_out_together(tmp_path: Path) -> None:
    made = [{**row, "author": "" if i < 4 else f"a{i % 12}"} for i, row in enumerate(rows(120))]
    options = {"group_column": "author", "validation_share": 0.2}
    path = write_csv(tmp_path / "data.csv", made)
    *_, held = prepared(path, "text-classification", **options)
    authors = Counter(cell for cell in held["author"][:] if cell)
    assert 15 <= len(held) <= 30
    assert all(count == sum(row["author"] == author for row in made) for author, count in authors.items())
    with pytest.raises(UserError, match="there is no column 'autor'") as refused:
        prepared(path, "text-classification", group_column="autor")
    assert "author" in str(refused.value.hint)


def test_what_is_together_by_text_or_by_column_is_together() -> None:
    by_text, by_column = np.array([0, 1, 1, 2, 3, 4]), np.array([0, 0, 1, 2, 3, 3])
    assert duplicates.joined(by_text, by_column).tolist() == [0, 0, 0, 1, 2, 2]


def test_texts_without_repetition_are_drawn_as_ever(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "data.csv", rows(90))
    texts, held = (prepared(path, "text-classification", hold_out=what)[1] for what in ("texts", "rows"))
    assert texts == held


def test_a_text_that_most_rows_have_is_not_held_out(tmp_path: Path) -> None:
    made = [*rows(20), *[{"text": "OK", "label": "positive"}] * 50, *[{"text": "ok", "label": "negative"}] * 10]
    train, held, _ = prepared(write_csv(tmp_path / "data.csv", made), "text-classification")
    assert "ok" in train and "ok" not in held
    assert 1 <= len(held) <= 8


def test_rows_of_one_text_cannot_be_kept_apart(heard: Heard) -> None:
    data = Dataset.from_dict({"text": ["same"] * 10, "label": [0, 1] * 5})
    groups = duplicates.groups(duplicates.keys(data, ["text"]))
    rest, held = draws.hold_out(data, 2, stratify_by="label", seed=0, groups=groups)
    assert (len(rest), len(held)) == (8, 2)
    assert "those that are held out are trained on too" in heard.warnings[0]


def test_the_draw_is_the_same_everywhere() -> None:
    data = Dataset.from_dict({"n": list(range(30)), "label": [i // 3 % 2 for i in range(30)]})
    groups = np.array([i // 3 for i in range(30)])
    for label, expected in (("label", [21, 22, 23, 24, 25, 26]), (None, [0, 1, 2, 21, 22, 23, 24, 25, 26])):
        held = draws.hold_out(data, 0.25, stratify_by=label, seed=7, groups=groups)[1]
        assert held["n"][:] == expected, label


def test_a_run_of_before_keeps_the_rows_that_it_held_out(tmp_path: Path) -> None:
    """Its record does not say how they were drawn: by rows."""
    config = finetune_cls.Config(data="rows.csv").record()
    assert config["hold_out"] == "texts"
    old = {name: value for name, value in config.items() if name != "hold_out"}
    path = tmp_path / "nlpkit.json"
    path.write_text(json.dumps({"schema_version": 1, "command": "finetune-cls", "config": old}), encoding="utf-8")
    record = read_record(tmp_path)
    assert record is not None and record["config"]["hold_out"] == "rows"
    assert read_config_file(path, "finetune-cls", finetune_cls.Config.model_fields)["hold_out"] == "rows"
    path.write_text(json.dumps({"schema_version": 1, "command": "finetune-cls", "config": config}), encoding="utf-8")
    assert read_config_file(path, "finetune-cls", finetune_cls.Config.model_fields)["hold_out"] == "texts"


def test_texts_that_are_nearly_the_same() -> None:
    long = "the quick brown fox jumps over the lazy dog and runs away from the old farm near a river in spring"
    train = ["something else entirely that shares nothing", long, "short text", "a b c d e f g h"]
    others = [f"{long} again!", long.replace("brown", "red"), "short texts", long, "the dog", ""]
    normal = [[folded(text) for text in part] for part in (train, others)]
    assert duplicates.near(*normal) == ([(0, 1), (1, 1)], True)
    for text in ("", "one", "\u65e5\u672c\u8a9e\u306e\u6587"):
        assert duplicates.near([text], ["other", text]) == ([], True)
    without_blanks = "".join(chr(0x4E00 + i) for i in range(20))
    assert duplicates.near([without_blanks], [f"{without_blanks}{chr(0x5000)}"]) == ([(0, 0)], True)


def test_nearness_is_the_jaccard_similarity_of_neighbouring_words() -> None:
    """All pairs that a comparison of everything with everything finds."""
    generator = random.Random(1)
    words = [f"w{i}" for i in range(40)]
    base = [generator.choices(words, k=generator.randint(1, 30)) for _ in range(60)]
    changed = [[generator.choice(words) if generator.random() < 0.05 else word for word in text] for text in base]
    train, others = ([" ".join(text) for text in part] for part in (base, changed))

    def pairs(text: str) -> set[tuple[str, str]]:
        found = ["", *text.split(), ""]
        return set(pairwise(found))

    expected = {
        i
        for i, one in enumerate(others)
        for other in train
        if one != other and len(pairs(one) & pairs(other)) >= 0.8 * len(pairs(one) | pairs(other))
    }
    assert {i for i, _ in duplicates.near(train, others)[0]} == expected
    assert expected


def test_near_duplicates_are_reported_with_their_places() -> None:
    text = "this is a rather long review of a small hotel by the sea which I liked a lot because of its garden"
    keys = {"train": [text, "another"], "validation": [text + "!", "nothing of that kind", text]}
    places = {"train": ["a.csv line 2", "a.csv line 3"], "validation": [f"b.csv line {i}" for i in (2, 3, 4)]}
    leaked, near = checks.leakage({**keys, "validation": [keys["validation"][0], "x", text]}, places)
    assert (leaked.check, leaked.count) == ("leakage", 1)
    assert (near.check, near.level, near.count) == ("near-leakage", "note", 1)
    assert near.examples[0].startswith("b.csv line 2 ~ a.csv line 2: this is a rather")


def test_texts_after_one_pattern_are_not_compared_without_end() -> None:
    text = "the order number {} of the customer {} came late and broken in its box and so he now wants all of it back"
    made = [text.format(i, 7 * i) for i in range(90)]
    assert duplicates.near(made[:60], made[60:], comparisons=500) == ([], False)
    assert duplicates.near(made[:60], made[60:])[1]


def test_a_text_that_has_a_twin_is_not_met_again() -> None:
    text = "dear customer your order {} is on its way and will be with you within three days thank you for buying here"
    made = [text.format(i) for i in range(90)]
    found, complete = duplicates.near(made[:60], made[60:], comparisons=30)
    assert complete
    assert found == [(i, 0) for i in range(30)]
    assert duplicates.near(made[:60], made[:60], comparisons=0) == ([], True)


def held_out(texts: list[str], labels: list[int]) -> list[Counter[int]]:
    """Rows of each class that three seeds hold out, a tenth; no text stands on both sides."""
    rows = Dataset.from_dict({"text": texts, "label": labels})
    groups = duplicates.groups(duplicates.keys(rows, ["text"]))
    found = []
    for seed in range(3):
        rest, held = draws.hold_out(rows, 0.1, stratify_by="label", seed=seed, groups=groups)
        assert not set(rest["text"]) & set(held["text"])
        found.append(Counter(held["label"]))
    return found


def test_a_rare_class_whose_texts_repeat_is_held_out_too() -> None:
    """One row in ten is spam, of five texts with twenty rows each: more than the ten rows that are wanted."""
    spam = [i % 10 == 0 for i in range(1000)]
    texts = [f"spam {i // 10 % 5}" if found else f"ham {i}" for i, found in enumerate(spam)]
    assert held_out(texts, [int(found) for found in spam]) == [Counter({0: 90, 1: 20})] * 3
    # a class of one text stays where it can be learnt
    alone = ["spam" if found else f"ham {i}" for i, found in enumerate(spam)]
    assert held_out(alone, [int(found) for found in spam]) == [Counter({0: 100})] * 3


def test_as_many_rows_as_are_wanted_are_held_out_although_no_class_has_room_for_a_text() -> None:
    pairs = held_out([f"text {i // 2}" for i in range(200)], [i // 4 for i in range(200)])
    assert [(found.total(), max(found.values())) for found in pairs] == [(20, 2)] * 3
    generator = random.Random(0)
    several = held_out([f"text {i // 5}" for i in range(1000)], [generator.randrange(28) for _ in range(1000)])
    assert [found.total() for found in several] == [100] * 3
