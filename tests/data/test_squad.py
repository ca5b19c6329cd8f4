from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import write_csv, write_jsonl
from qa_models import asked, nested, write_squad

from nlpkit.data import squad
from nlpkit.data.readers import Reading, read_rows, read_table
from nlpkit.data.squad import Answer, Spot
from nlpkit.errors import UserError


def read(path: Path) -> list[dict[str, Any]]:
    return [row.values for row in read_rows(path, Reading("squad"))]


# --- files ---


def test_a_row_for_each_question_in_the_order_of_the_file(tmp_path: Path) -> None:
    rows = asked(3)
    found = read(write_squad(tmp_path / "train.json", rows))
    assert found == [
        {key: {"title": "made", **row}[key] for key in ("id", "title", "context", "question", "answers")}
        for row in rows
    ]


def test_unknown_keys_and_plausible_answers_are_passed_over(tmp_path: Path) -> None:
    document = nested(asked(3, unanswerable=True), impossible=True)
    entry = document["data"][0]["paragraphs"][0]["qas"][0]
    entry["plausible_answers"] = [{"text": "train", "answer_start": 4}]
    entry["note"] = {"seen": [1, "two"]}
    path = tmp_path / "train.json"
    path.write_text(json.dumps(document))
    first, second, _ = read(path)
    assert list(first) == ["id", "title", "context", "question", "answers", "is_impossible"]
    assert (first["answers"], first["is_impossible"]) == ({"text": [], "answer_start": []}, True)
    assert (len(second["answers"]["text"]), second["is_impossible"]) == (1, False)


def test_questions_without_answers_are_told_from_those_that_have_none(tmp_path: Path) -> None:
    document = nested(asked(2))
    del document["data"][0]["paragraphs"][1]["qas"][0]["answers"]
    path = tmp_path / "test.json"
    path.write_text(json.dumps(document))
    assert [row["answers"] is None for row in read(path)] == [False, True]
    for paragraph in document["data"][0]["paragraphs"]:
        paragraph["qas"][0].pop("answers", None)
    path.write_text(json.dumps(document))
    assert "answers" not in read(path)[0]


def test_a_table_counts_questions(tmp_path: Path) -> None:
    rows = asked(5, unanswerable=True)
    table = read_table(write_squad(tmp_path / "train.json", rows), Reading("squad"))
    assert table["__line__"].to_pylist() == [1, 2, 3, 4, 5]
    assert table["answers"].to_pylist() == [row["answers"] for row in rows]


@pytest.mark.parametrize("wrap", [lambda rows: rows, lambda rows: {"data": rows}])
def test_flat_json_is_read_as_ever(wrap: Any, tmp_path: Path) -> None:
    rows = asked(3)
    path = tmp_path / "train.json"
    path.write_text(json.dumps(wrap(rows)))
    assert read(path) == rows


def test_packed_and_one_object_a_line(tmp_path: Path) -> None:
    import gzip

    rows = asked(2)
    packed = tmp_path / "train.json.gz"
    packed.write_bytes(gzip.compress(json.dumps(nested(rows)).encode()))
    assert [row["id"] for row in read(packed)] == ["q0", "q1"]
    assert read(write_jsonl(tmp_path / "lines.json", rows)) == rows


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda data: data[0]["paragraphs"][1].pop("context"), r"data\[0\].paragraphs\[1\] has no text 'context'"),
        (
            lambda data: data[0]["paragraphs"][0]["qas"][0].pop("question"),
            r"paragraphs\[0\].qas\[0\] has no text 'question'",
        ),
        (lambda data: data[0]["paragraphs"][0].update(qas=None), r"paragraphs\[0\] has no list 'qas'"),
        (lambda data: data.append({"title": "empty"}), r"data\[1\] has no list 'paragraphs'"),
        (
            lambda data: data[0]["paragraphs"][1]["qas"][0].update(answers=[{"answer_start": 3}]),
            r"paragraphs\[1\].qas\[0\]: answers without 'text'",
        ),
        (
            lambda data: data[0]["paragraphs"][1]["qas"][0]["answers"][0].update(answer_start="here"),
            r"paragraphs\[1\].qas\[0\]: an answer starts at 'here'",
        ),
    ],
)
def test_what_is_missing_is_named(break_it: Any, message: str, tmp_path: Path) -> None:
    document = nested(asked(2))
    break_it(document["data"])
    path = tmp_path / "train.json"
    path.write_text(json.dumps(document))
    with pytest.raises(UserError, match=message):
        read(path)


# --- answers in a cell ---


@pytest.mark.parametrize(
    ("cell", "start", "answers"),
    [
        ({"text": ["a", "b"], "answer_start": [3, 9]}, None, [("a", 3), ("b", 9)]),
        ({"text": "a", "answer_start": 3}, None, [("a", 3)]),
        ({"text": [], "answer_start": []}, None, []),
        ({"text": " ", "answer_start": 3}, None, [(" ", 3)]),  # an answer that is lost, not a question without one
        ([{"text": "", "answer_start": 3}], None, [("", 3)]),
        ({"text": None, "answer_start": None}, None, []),
        ([{"text": "a", "answer_start": 3}, {"text": "b", "start": 4}], None, [("a", 3), ("b", 4)]),
        (["a", "b"], None, [("a", None), ("b", None)]),
        (["a", "b"], [1, 2], [("a", 1), ("b", 2)]),
        ([], None, []),
        ("a b", "12", [("a b", 12)]),
        ("a", None, [("a", None)]),
        ("a", 7.0, [("a", 7)]),
        ("a", "7.0", [("a", 7)]),  # as pandas writes it where the column has gaps
        (None, None, []),
        ("  ", None, []),
        ('{"text": ["a"], "answer_start": [3]}', None, [("a", 3)]),
        ("{'text': ['a'], 'answer_start': [3]}", None, [("a", 3)]),
        ('["a", "b"]', None, [("a", None), ("b", None)]),
        ("[sic] a", 5, [("[sic] a", 5)]),
    ],
)
def test_answers_in_the_shapes_people_keep_them(cell: Any, start: Any, answers: list[Any]) -> None:
    assert squad.answers_of(cell, start) == answers


@pytest.mark.parametrize(
    ("cell", "start", "message"),
    [
        ({"answer": "a"}, None, "answers without 'text': answer"),
        ({"text": ["a", "b"], "answer_start": [3]}, None, "2 answers but 1 starts"),
        ("a", "soon", "starts at 'soon', which is not a whole number"),
        ("a", 3.5, "starts at 3.5, which is not a whole number"),
        ("a", "inf", "starts at 'inf', which is not a whole number"),
        ("{'text': array(['a'], dtype=object), 'answer_start': array([3])}", None, "neither JSON nor Python: {'text'"),
        ('[{"text": "a"}, {"text":', None, "neither JSON nor Python"),
    ],
)
def test_cells_that_cannot_be_read(cell: Any, start: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        squad.answers_of(cell, start)


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        (None, False),
        (float("nan"), False),
        ("", False),
        (True, True),
        (0, False),
        ("True", True),
        ("False", False),
        ("false ", False),
        ("1", True),
        ("0.0", False),
    ],
)
def test_impossible_or_not(cell: Any, said: bool) -> None:
    assert squad.is_true(cell) is said


def test_a_cell_that_does_not_say_whether() -> None:
    with pytest.raises(ValueError, match="is_impossible is 'maybe', neither true nor false"):
        squad.is_true("maybe")


# --- where an answer stands ---

FAR = "x" * (2 * squad.NEARBY)


@pytest.mark.parametrize(
    ("context", "text", "start", "spot"),
    [
        ("the train was late", "train", 4, Spot(4, 9, False)),
        ("the train was late", "train", 1, Spot(4, 9, True)),  # the only one
        (f"the train {FAR}{FAR}", "train", len(FAR), Spot(4, 9, True)),  # even if far away
        (f"a train {FAR} the train", "train", 5, Spot(2, 7, True)),  # the only one nearby
        ("a train, a train", "train", 3, None),  # two nearby
        (f"a train {FAR}{FAR} train {FAR}{FAR}", "train", len(FAR) + 20, None),  # several, none nearby
        ("the train was late", "bus", 4, None),
        ("the train was late", " train ", 3, Spot(4, 9, False)),  # blanks are no part of it
        ("the train was late", "train", None, Spot(4, 9, False)),  # nobody said where
        ("a train, a train", "train", None, None),
        ("the train was late", "train", -1, Spot(4, 9, True)),
        ("the train was late", "  ", 3, None),
        ("aaa", "aa", 5, None),  # twice, one over the other
        ("I ❤️ Zoë’s café", "Zoë’s", 5, Spot(5, 10, False)),
    ],
)
def test_where_an_answer_stands(context: str, text: str, start: int | None, spot: Spot | None) -> None:
    found = squad.locate(context, Answer(text, start))
    assert found == spot
    if found:
        assert context[found.start : found.end] == text.strip()


def test_a_csv_row_in_one_and_in_two_columns(tmp_path: Path) -> None:
    row = asked(1)[0]
    one = write_csv(tmp_path / "one.csv", [{**row, "answers": json.dumps(row["answers"])}])
    (found,) = read_rows(one)
    assert squad.answers_of(found.values["answers"]) == [(row["answers"]["text"][0], row["answers"]["answer_start"][0])]
