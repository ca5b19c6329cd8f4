from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import write_csv, write_jsonl
from qa_models import asked, nested, write_squad

from nlpkit import reporting
from nlpkit.data import squad
from nlpkit.data.inputs import Reading, Wanted
from nlpkit.data.readers import read_rows, read_table
from nlpkit.data.squad import Answer, Spot
from nlpkit.errors import UserError
from nlpkit.reporting import counted
from nlpkit.tasks.question_answering.question_reader import QuestionReader


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


# --- paragraphs in other wrappings ---


def paragraphs(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows as paragraphs with one question each."""
    return [paragraph for article in nested(rows)["data"] for paragraph in article["paragraphs"]]


@pytest.mark.parametrize("wrap", [list, lambda found: {"version": "2", "data": found}])
def test_paragraphs_without_articles(wrap: Any, tmp_path: Path) -> None:
    rows = asked(4)
    path = tmp_path / "train.json"
    path.write_text(json.dumps(wrap(paragraphs(rows))))
    assert [(row["id"], row["question"], row["answers"]) for row in read(path)] == [
        (row["id"], row["question"], row["answers"]) for row in rows
    ]


def test_one_answer_to_a_question_as_in_korquad(tmp_path: Path) -> None:
    rows = asked(2)
    found = paragraphs(rows)
    for paragraph in found:
        for entry in paragraph["qas"]:
            entry["answer"] = {**entry.pop("answers")[0], "html_answer_text": "<b>", "html_answer_start": 9}
    path = tmp_path / "train.json"
    path.write_text(json.dumps({"data": [{"title": "t", "raw_html": "<p>", **paragraph} for paragraph in found]}))
    assert [row["answers"] for row in read(path)] == [row["answers"] for row in rows]
    assert read(path)[0]["title"] == "t"


def told(path: Path, content: Any, labelled: bool = True) -> tuple[list[Any], str]:
    """The rows of a file as they are read for some content, and what was said."""
    with reporting.listening() as said:
        rows = list(read_rows(path, Reading(wanted=Wanted(content, labelled))))
    return rows, "\n".join([*said.notes, *said.warnings])


def test_paragraphs_and_articles_a_line(tmp_path: Path) -> None:
    rows = asked(3)
    for name, lines in (("a", paragraphs(rows)), ("b", nested(rows)["data"])):
        found, said = told(write_jsonl(tmp_path / f"{name}.jsonl", lines), "questions")
        assert [(row.values["question"], row.values["answers"]) for row in found] == [
            (row["question"], row["answers"]) for row in rows
        ]
        assert f"3 questions in {counted(len(lines), 'row', 'rows')}" in said


def mrqa(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows as MRQA writes them: gold texts, and where they were detected."""
    lines: list[dict[str, Any]] = [{"header": {"dataset": "made", "split": "train"}}]
    for row in rows:
        (text,), (start,) = row["answers"]["text"], row["answers"]["answer_start"]
        detected = [{"text": text, "char_spans": [[start, start + len(text) - 1]], "token_spans": [[0, 0]]}]
        entry = {"qid": row["id"], "question": row["question"], "answers": [text.upper(), "other"]}
        lines.append({"id": "", "context": row["context"], "qas": [{**entry, "detected_answers": detected}]})
    return lines


def test_mrqa(tmp_path: Path) -> None:
    rows = asked(3)
    found, said = told(write_jsonl(tmp_path / "train.jsonl", mrqa(rows)), "questions")
    assert [row.line for row in found] == [2, 3, 4]
    assert [row.values["id"] for row in found] == [row["id"] for row in rows]
    for row, given in zip(found, rows, strict=True):
        (text,), (start,) = given["answers"]["text"], given["answers"]["answer_start"]
        assert row.values["answers"] == {"text": [text, "other"], "answer_start": [start, None]}
    assert "1 header line of MRQA is left out" in said


def test_a_damaged_paragraph_among_others_is_a_row_with_its_error(tmp_path: Path) -> None:
    lines = [*paragraphs(asked(2)), {"context": "alone"}, {"qas": []}]
    path = write_jsonl(tmp_path / "train.jsonl", lines)
    found = list(read_rows(path, Reading(wanted=Wanted("questions")), on_error="keep"))
    assert [row.error is None for row in found] == [True, True, False, False]
    assert "line 3" in str(found[2].error)
    with pytest.raises(UserError, match=r"train.jsonl line 3: row has no list 'paragraphs'"):
        told(path, "questions")


@pytest.mark.parametrize("content", ["texts", "words"])
def test_questions_are_no_texts(content: Any, tmp_path: Path) -> None:
    """A classifier would answer for their titles."""
    with pytest.raises(UserError, match=r"holds paragraphs with questions .*\n.*--task question-answering"):
        told(write_squad(tmp_path / "train.json", asked(2)), content)


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
        # what pandas writes of arrays
        ("{'text': array(['a'], dtype=object), 'answer_start': array([5], dtype=int32)}", None, [("a", 5)]),
        ("{'text': array([], dtype=object), 'answer_start': array([], dtype=int64)}", None, []),
        ("{'text': np.str_('it\\'s'), 'answer_start': np.int64(5)}", None, [("it's", 5)]),
        ("array([{'text': 'a', 'answer_start': 5}], dtype=object)", None, [("a", 5)]),
        ("['a b' 'c']", "[5 9]", [("a b", 5), ("c", 9)]),
        ("['a']", "array([5], dtype=int32)", [("a", 5)]),
        ("{'text': ['in 12 34 \"x\" \"y\"'], 'answer_start': [nan]}", None, [('in 12 34 "x" "y"', None)]),
        # MRQA: all places where an answer stands, the last character counted
        ([{"text": "a", "char_spans": [[5, 8], [20, 23]]}], None, [("a", 5)]),
        (
            {"text": ["a", "b"], "char_spans": [{"start": [5], "end": [8]}, {"start": [1, 2], "end": [3, 4]}]},
            None,
            [("a", 5), ("b", 1)],
        ),
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
        ("{'text': array(['a' 'b'], dtype=object), 'answer_start': array([3])}", None, "neither JSON nor Python: {'te"),
        ("{'text': open('a'), 'answer_start': 3}", None, "neither JSON nor Python: {'text'"),
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


@pytest.mark.parametrize("units", ["utf-16-le", "utf-8"])
def test_starts_behind_an_emoji_in_units_of_other_languages(units: str) -> None:
    context = "\U0001f642 caf\u00e9 \U0001f642 in 1815 and in 1815"
    before = context[: context.rindex("1815")]
    start = len(before.encode(units)) // (2 if units == "utf-16-le" else 1)
    assert squad.locate(context, Answer("1815", start)) == Spot(len(before), len(before) + 4, moved=True)
    assert squad.locate(context, Answer("1815", len(before))) == Spot(len(before), len(before) + 4, moved=False)


def test_numbers_are_read_as_people_write_them_and_lists_are_no_text() -> None:
    reader = QuestionReader("train", nested=True)
    read = reader.read("row 1", "How many?", 12.0, {"text": [12.0], "answer_start": [0]}, None, None, None)
    assert read is not None
    assert (read["context"], read["answers"], read["start"], read["end"]) == ("12", ["12"], 0, 2)
    assert reader.read("row 2", ["How many?"], "12", {"text": ["12"]}, None, None, None) is None
    (finding,) = reader.findings()
    assert (finding.check, finding.examples) == ("unreadable-text", ["row 2: column 'question' holds a list, not text"])
