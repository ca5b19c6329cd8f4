"""Layouts of annotation tools: the rows that a task gets of them, and what is said about the others."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hearing import Heard

from nlpkit.data import readers, sources
from nlpkit.data.inputs import Content, Reading, Wanted
from nlpkit.data.layouts.cells import listed
from nlpkit.errors import UserError

TEXT = "Ann Lee saw Rome"
MARKS = [(0, 7, "PER"), (12, 16, "LOC")]


def dumped(path: Path, value: Any) -> Path:
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


def table(path: Path, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def rows(path: Path, content: Content = "words", *, labelled: bool = True) -> list[readers.Row]:
    return list(readers.read_rows(path, Reading(wanted=Wanted(content, labelled))))


def values(path: Path, content: Content = "words", *, labelled: bool = True) -> list[dict[str, Any]]:
    return [row.values for row in rows(path, content, labelled=labelled)]


def marked(spans: list[dict[str, Any]]) -> list[tuple[int, int, str]]:
    return [(span["start"], span["end"], span["label"]) for span in spans]


# --- Label Studio ---


def region(start: int, end: int, label: str, **more: Any) -> dict[str, Any]:
    value = {"start": start, "end": end, "labels": [label], "text": TEXT[start:end]}
    return {"value": value, "from_name": "tag", "to_name": "text", "type": "labels", **more}


def choice(name: str, *, field: str = "mood") -> dict[str, Any]:
    return {"value": {"choices": [name]}, "from_name": field, "to_name": "text", "type": "choices"}


def ls_task(number: int, *results: list[dict[str, Any]] | None, text: str = TEXT, **data: Any) -> dict[str, Any]:
    """A task with an annotation for each of `results`, cancelled where that is None."""
    made = [{"id": 7, "result": found or [], "was_cancelled": found is None} for found in results]
    return {"id": number, "data": {"text": text, **data}, "annotations": made}


def test_label_studio_spans(tmp_path: Path, heard: Heard) -> None:
    good = ls_task(1, [region(*mark) for mark in MARKS])
    path = dumped(tmp_path / "export.json", [good, ls_task(2, []), ls_task(3, None), ls_task(4)])
    found = rows(path)
    assert [row.line for row in found] == [1, 2]
    assert marked(found[0].values["spans"]) == MARKS
    assert found[1].values["spans"] == []
    assert "read as Label Studio" in heard.text
    assert "1 of 4 rows are left out: their annotations were cancelled (row 3)" in heard.text
    assert "1 of 4 rows are left out: they are not annotated (row 4)" in heard.text


def test_label_studio_is_read_whole_to_predict_for(tmp_path: Path) -> None:
    path = dumped(tmp_path / "export.json", [ls_task(1, []), ls_task(2, None), ls_task(3)])
    assert values(path, labelled=False) == [{"text": TEXT}] * 3


def test_label_studio_choices_are_labels_of_texts(tmp_path: Path) -> None:
    path = dumped(tmp_path / "export.json", [ls_task(1, [choice("good")]), ls_task(2, [choice("bad")])])
    assert values(path, "texts") == [{"text": TEXT, "label": ["good"]}, {"text": TEXT, "label": ["bad"]}]


def test_label_studio_of_several_annotators_takes_the_ground_truth_and_says_so(tmp_path: Path, heard: Heard) -> None:
    task = ls_task(1, [choice("good")], [choice("bad")])
    task["annotations"][1]["ground_truth"] = True
    path = dumped(tmp_path / "export.json", [task, ls_task(2, [choice("good")], [choice("good")])])
    assert [row["label"] for row in values(path, "texts")] == [["bad"], ["good"]]
    assert "2 of 2 rows have several annotations" in heard.text
    assert "1 of 2 rows have annotations that differ" in heard.text


def test_label_studio_data_with_a_column_of_the_same_name_stays_beside_the_annotation(
    tmp_path: Path, heard: Heard
) -> None:
    path = dumped(tmp_path / "export.json", [ls_task(1, [choice("good")], label="draft")])
    assert values(path, "texts") == [{"text": TEXT, "label": ["good"], "data.label": "draft"}]
    assert "data.label" in heard.text


def test_label_studio_min_and_csv_have_the_same_rows(tmp_path: Path) -> None:
    spans = [region(*mark)["value"] for mark in MARKS]
    flat = [{"id": i, "text": TEXT, "label": spans, "annotator": 1, "annotation_id": i} for i in (1, 2)]
    small = values(dumped(tmp_path / "min.json", flat))
    cells = [[row["id"], TEXT, json.dumps(spans), 1, row["id"]] for row in flat]
    wide = values(table(tmp_path / "t.csv", list(flat[0]), cells))
    assert [marked(row["label"]) for row in small] == [marked(row["label"]) for row in wide] == [MARKS, MARKS]


def test_label_studio_table_keeps_one_annotation_a_task(tmp_path: Path, heard: Heard) -> None:
    header = ["annotation_id", "annotator", "id", "text", "choice"]
    path = table(tmp_path / "t.csv", header, [[1, 1, 5, "so", "good"], [2, 2, 5, "so", "bad"], [3, 1, 6, "no", "bad"]])
    assert [row["label"] for row in values(path, "texts")] == ["good", "bad"]
    assert "1 of 3 rows are left out: another annotation of the same task comes before them (line 3)" in heard.text
    assert "1 of 3 rows differ" in heard.text


def test_label_studio_table_with_one_choice_and_several(tmp_path: Path) -> None:
    both = json.dumps({"choices": ["x", "y"]})
    path = table(tmp_path / "t.csv", ["annotation_id", "annotator", "id", "about", "text"], [
        [1, 1, 1, "x", "so"], [2, 1, 2, both, "no"]
    ])  # fmt: skip
    assert [row["label"] for row in values(path, "texts")] == [["x"], ["x", "y"]]


def test_label_studio_regions_that_do_not_count_the_whole_text(tmp_path: Path, heard: Heard) -> None:
    inside = {"startOffset": 0, "endOffset": 7, "labels": ["PER"]}
    paragraph = {**inside, "start": "0", "end": "1"}
    path = {**inside, "start": "/div[1]/text()[1]", "end": "/div[1]/text()[1]"}
    tasks = [ls_task(i, [{"value": value}]) for i, value in enumerate((paragraph, path), start=1)]
    tasks.append(ls_task(3, [{"value": {**path, "globalOffsets": {"start": 0, "end": 7}}}]))
    (row,) = values(dumped(tmp_path / "a.json", tasks))
    assert marked(row["spans"]) == [(0, 7, "PER")]
    assert "2 of 3 rows are left out: regions in them do not count the characters of the whole text" in heard.text
    flat = [
        {"id": i, "text": TEXT, "label": [v], "annotator": 1, "annotation_id": i}
        for i, v in enumerate((path, paragraph))
    ]
    with pytest.raises(UserError, match=r"no row is left.*whole text"):
        values(dumped(tmp_path / "b.json", flat))


def test_label_studio_choices_about_a_region_are_no_label_of_the_text(tmp_path: Path, heard: Heard) -> None:
    about = {"value": {"start": 0, "end": 7, "text": TEXT[:7], "choices": ["kind"]}, "from_name": "mood"}
    path = dumped(
        tmp_path / "export.json", [ls_task(1, [region(*MARKS[0]), about, about, choice("good", field="all")])]
    )
    assert values(path, "texts")[0]["label"] == ["good"]
    assert marked(values(path)[0]["spans"]) == MARKS[:1]
    assert "1 of 1 rows have choices about a region" in heard.text
    flat = {"id": 1, "text": TEXT, "label": [region(*MARKS[0])["value"]], "annotator": 1, "annotation_id": 1}
    assert "label" not in values(dumped(tmp_path / "min.json", [flat]), "texts")[0]


# --- doccano ---


def test_triples_are_spans_also_where_labels_are_numbers(tmp_path: Path) -> None:
    for label in ("PER", 7):
        path = jsonl(tmp_path / "a.jsonl", [{"text": TEXT, "label": [[0, 7, label]]}, {"text": TEXT, "label": []}])
        reading = Reading(wanted=Wanted("words", labelled=True))
        assert readers.read_table(path, reading)["label"].to_pylist() == [
            [{"start": 0, "end": 7, "label": str(label)}],
            [],
        ]
    path = jsonl(tmp_path / "b.jsonl", [{"text": "x", "box": [[4, 2, 9]]}])  # no span
    assert readers.read_table(path)["box"].to_pylist() == [[[4, 2, 9]]]


# --- Prodigy, spaCy ---


def prodigy_task(answer: str, **more: Any) -> dict[str, Any]:
    tokens = [{"text": word, "start": 0, "end": 1, "id": 0} for word in TEXT.split()]
    spans = [{"start": start, "end": end, "label": label, "token_start": 0} for start, end, label in MARKS]
    return {"text": TEXT, "_input_hash": 1, "tokens": tokens, "spans": spans, "answer": answer, **more}


def jsonl(path: Path, entries: Sequence[Any]) -> Path:
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries), encoding="utf-8")
    return path


def test_prodigy_takes_what_was_accepted(tmp_path: Path, heard: Heard) -> None:
    path = jsonl(tmp_path / "a.jsonl", [prodigy_task("accept"), prodigy_task("reject"), prodigy_task("ignore")])
    (row,) = values(path)
    assert marked(row["spans"]) == MARKS and "tokens" not in row
    assert "1 of 3 rows are left out: rejected by the annotator (line 2)" in heard.text
    assert "1 of 3 rows are left out: ignored by the annotator (line 3)" in heard.text
    assert len(values(path, labelled=False)) == 3


def test_prodigy_choices(tmp_path: Path) -> None:
    options = [{"id": "good"}, {"id": "bad"}]
    path = jsonl(tmp_path / "a.jsonl", [{"text": "x", "options": options, "accept": ["bad"], "answer": "accept"}])
    assert values(path, "texts") == [{"text": "x", "label": ["bad"]}]


def test_a_file_of_rejected_rows_has_none(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no row is left: 2 of 2 rows are left out: rejected"):
        values(jsonl(tmp_path / "a.jsonl", [prodigy_task("reject")] * 2))


def test_spacy_tuples(tmp_path: Path, heard: Heard) -> None:
    item = [TEXT, {"entities": [list(mark) for mark in MARKS]}]
    for path in (dumped(tmp_path / "a.json", [item]), jsonl(tmp_path / "a.jsonl", [item])):
        (row,) = values(path)
        assert row["text"] == TEXT and marked(row["spans"]) == MARKS
    path = dumped(tmp_path / "b.json", {"classes": ["PER"], "annotations": [None, item]})
    assert [row.line for row in rows(path)] == [2]
    assert "1 of 2 rows are left out: they are not annotated (row 1)" in heard.text
    path = dumped(tmp_path / "c.json", [["fine", {"cats": {"good": 1.0, "bad": 0.0}}]])
    assert values(path, "texts") == [{"text": "fine", "label": ["good"]}]


def test_documents_of_spacy_are_refused_with_the_command_that_converts_them(tmp_path: Path) -> None:
    (tmp_path / "train.spacy").write_bytes(b"x")
    for data in (tmp_path, tmp_path / "train.spacy"):
        with pytest.raises(UserError, match="documents of spaCy") as refused:
            loaded_words(data)
        assert f"DocBin().from_disk('{tmp_path / 'train.spacy'}')" in str(refused.value.hint)


# --- one word per row ---

WORDS = ["Ann", "Lee", "ran", "Bo", "sat"]
TAGS = ["B-PER", "I-PER", "O", "B-PER", "O"]
SENTENCES = [(["Ann", "Lee", "ran"], ["B-PER", "I-PER", "O"]), (["Bo", "sat"], ["B-PER", "O"])]


def test_words_in_rows_become_sentences(tmp_path: Path, heard: Heard) -> None:
    full = table(
        tmp_path / "full.csv", ["sentence_id", "word", "tag"], list(zip([0, 0, 0, 1, 1], WORDS, TAGS, strict=True))
    )
    kaggle = table(
        tmp_path / "kaggle.csv",
        ["Sentence #", "Word", "Tag"],
        list(zip(["Sentence: 1", "", "", "Sentence: 2", ""], WORDS, TAGS, strict=True)),
    )
    blank = tmp_path / "blank.tsv"
    blank.write_text("token\tner\nAnn\tB-PER\nLee\tI-PER\nran\tO\n\nBo\tB-PER\nsat\tO\n", encoding="utf-8")
    for path, word, tag, lines in (
        (full, "word", "tag", [5, 6]),
        (kaggle, "Word", "Tag", [5, 6]),
        (blank, "token", "ner", [6, 7]),
    ):
        found = rows(path)
        assert [(row.values[word], row.values[tag]) for row in found] == SENTENCES
        assert list(found[1].lines) == lines
        assert f"{path}: read as one word per row" in heard.text


def test_words_in_parquet_and_xlsx_become_sentences(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    openpyxl = pytest.importorskip("openpyxl")
    pq.write_table(pa.table({"id": [3, 3, 3, 4, 4], "word": WORDS, "tag": TAGS}), tmp_path / "a.parquet")
    book = openpyxl.Workbook()
    for cells in (("word", "tag"), *zip(WORDS[:3], TAGS[:3], strict=True), (), *zip(WORDS[3:], TAGS[3:], strict=True)):
        book.active.append(cells)
    book.save(tmp_path / "a.xlsx")
    for name in ("a.parquet", "a.xlsx"):
        reading = Reading(wanted=Wanted("words", labelled=True))
        read = readers.read_table(tmp_path / name, reading)
        assert list(zip(read["word"].to_pylist(), read["tag"].to_pylist(), strict=True)) == SENTENCES


@pytest.mark.parametrize("mark", [",", "\t"])
def test_words_in_rows_without_a_header(mark: str, tmp_path: Path, heard: Heard) -> None:
    lines = [f"{word}{mark}{tag}\n" for words, tags in SENTENCES for word, tag in zip(words, tags, strict=True)]
    lines.insert(3, "\n")
    path = tmp_path / ("a.csv" if mark == "," else "a.tsv")
    path.write_text("".join(lines), encoding="utf-8")
    assert values(path) == values(path, labelled=False)
    assert values(path) == [{"tokens": words, "column2": tags} for words, tags in SENTENCES]
    assert "the first row is a word with its tag" in heard.text
    counted = table(
        tmp_path / "b.csv", ["1", "Ann", "B-PER"], [["1", "ran", "O"], ["2", "Bo", "B-PER"], ["2", "sat", "O"]]
    )
    assert [row["tokens"] for row in values(counted)] == [["Ann", "ran"], ["Bo", "sat"]]
    # a header whose last name looks like a tag
    named = table(tmp_path / "c.csv", ["sentence_id", "word", "b_tag"], [[1, "Ann", "B-PER"], [1, "ran", "O"]])
    assert values(named)[0]["word"] == ["Ann", "ran"]


def test_the_first_sentence_may_be_long_and_a_number_may_lack(tmp_path: Path, heard: Heard) -> None:
    words = [[f"w{i}", "O"] for i in range(150)]
    found = values(table(tmp_path / "a.csv", ["word", "tag"], [*words, ["", ""], ["Bo", "B-PER"]]))
    assert [len(row["word"]) for row in found] == [150, 1]
    numbered = [[i // 2, f"w{i}", "O"] for i in range(120)]
    values(table(tmp_path / "b.csv", ["sentence_id", "word", "tag"], [*numbered, ["", "late", "O"]]))
    assert (
        "1 of 121 rows have no sentence_id, and are taken for words of the sentence before (first: line 122)"
        in heard.text
    )
    heard.said.clear()
    firsts = [["" if i % 5 else i, f"w{i}", "O"] for i in range(20)]
    values(table(tmp_path / "c.csv", ["Sentence #", "word", "tag"], firsts))
    assert "have no" not in heard.text


def test_words_in_rows_without_an_end_of_sentence_are_refused(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", ["word", "tag"], list(zip(WORDS, TAGS, strict=True)))
    with pytest.raises(UserError, match="nothing tells where a sentence ends") as refused:
        rows(path)
    assert "sentence_id" in str(refused.value.hint)
    path = table(tmp_path / "b.csv", ["id", "word", "tag"], list(zip(range(5), WORDS, TAGS, strict=True)))
    with pytest.raises(UserError, match="as 'id' is another in every row"):
        rows(path)


def test_words_in_rows_to_predict_for_are_answered_apart_and_that_is_said(tmp_path: Path, heard: Heard) -> None:
    path = table(tmp_path / "a.csv", ["word", "tag"], list(zip(WORDS, TAGS, strict=True)))
    assert [row["word"] for row in values(path, labelled=False)] == WORDS
    assert "each is answered as a text of its own" in heard.text


def test_shuffled_words_are_refused_and_repeated_numbers_are_told(tmp_path: Path, heard: Heard) -> None:
    header = ["sentence_id", "word", "tag"]
    mixed = [[i % 3, word, "O"] for i, word in enumerate("abcdefghi")]
    mixed.append([2, "j", "O"])  # so that there is a repetition to see
    with pytest.raises(UserError, match="do not stand together"):
        rows(table(tmp_path / "mixed.csv", header, mixed))
    again = [[i, word, "O"] for i in (0, 1, 0) for word in "abc"]
    assert len(rows(table(tmp_path / "again.csv", header, again))) == 3
    assert "1 of 3 sentences have a sentence_id that an earlier one has" in heard.text


def test_a_word_a_row_is_no_layout_of_texts(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", ["sentence_id", "word", "tag"], [[0, "Ann", "x"], [0, "ran", "y"]])
    assert len(values(path, "texts")) == 2


# --- lists in cells ---


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("['Ann', 'Lee']", ["Ann", "Lee"]),
        ("['Ann' 'Lee'\n 'ran']", ["Ann", "Lee", "ran"]),  # numpy; Python would join the strings
        ('["it\'s" \'a "b"\' "\\n"]', ["it's", 'a "b"', "\n"]),
        ('["Ann", null]', ["Ann", None]),
        ("[3 4 0]", [3, 4, 0]),
        ("[3. 4. 0.]", [3, 4, 0]),
        ("[3.0, 4.0]", [3, 4]),
        ("array(['Ann', 'Lee'], dtype=object)", ["Ann", "Lee"]),
        ("[',' '.']", [",", "."]),
        ("[(0, 3, 'PER')]", [[0, 3, "PER"]]),
        ("('Ann', 'Lee')", ["Ann", "Lee"]),
        ("('Ann',)", ["Ann"]),
        ("(laughs)", None),
        ("[]", []),
        ("['a' ... 'b']", None),  # numpy leaves out the middle of a long array
        ("['a'", None),
        ("[__import__('os')]", None),
        ("a b", None),
    ],
)
def test_lists_as_pandas_writes_them(cell: str, expected: list[Any] | None) -> None:
    assert listed(cell) == expected


def test_lists_in_cells_and_words_with_blanks_between(tmp_path: Path, heard: Heard) -> None:
    spelled = [[repr(words), repr(tags)] for words, tags in SENTENCES]
    joined = [[" ".join(words), " ".join(tags)] for words, tags in SENTENCES]
    for name, cells in (("spelled.csv", spelled), ("joined.csv", joined)):
        found = values(table(tmp_path / name, ["text", "labels"], cells))
        assert [(row["text"], row["labels"]) for row in found] == SENTENCES
    bad = table(tmp_path / "bad.csv", ["tokens", "tags"], [*spelled * 60, ["Ann ran", "['O']"]])
    assert values(bad)[-1]["tokens"] is None
    assert "1 of 121 rows hold no list in column 'tokens', as the others do (line 122)" in heard.text


def test_one_odd_cell_among_lists_costs_its_row_only(tmp_path: Path, heard: Heard) -> None:
    cells = [[str(words), str(tags)] for words, tags in SENTENCES] * 3
    found = values(table(tmp_path / "a.csv", ["tokens", "ner_tags"], [*cells, ["Ann ran", ""]]))
    assert [row["tokens"] for row in found] == [*[words for words, _ in SENTENCES] * 3, None]
    assert "1 of 7 rows hold no list in column 'tokens', as the others do (line 8)" in heard.text
    plain = [[" ".join(words), " ".join(tags)] for words, tags in SENTENCES] * 3
    found = values(table(tmp_path / "b.csv", ["sentence", "tags"], [*plain, ["Ann ran", ""], ["Ann ran", "O"]]))
    assert [row["tags"] for row in found] == [*[tags for _, tags in SENTENCES] * 3, None, ["O"]]
    # parts of speech are told by the name of their column
    speech = [["Ann ran", "NOUN VERB"], ["so", "ADV"]]
    assert values(table(tmp_path / "c.csv", ["text", "pos"], speech))[0]["pos"] == ["NOUN", "VERB"]
    assert values(table(tmp_path / "d.csv", ["text", "title"], speech))[0]["title"] == "NOUN VERB"


def test_a_text_in_brackets_is_no_list(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", ["text", "label"], [["[NOISE]", "a"], ["so it goes", "b"]])
    assert [row["text"] for row in values(path)] == ["[NOISE]", "so it goes"]


# --- texts under content, words in objects ---


def test_dataturks_and_lighttag(tmp_path: Path, heard: Heard) -> None:
    points = [{"label": [label], "points": [{"start": s, "end": e - 1, "text": TEXT[s:e]}]} for s, e, label in MARKS]
    turks = jsonl(
        tmp_path / "a.jsonl", [{"content": TEXT, "annotation": points}, {"content": TEXT, "annotation": None}]
    )
    light = [{"start": s, "end": e, "tag": label, "value": TEXT[s:e]} for s, e, label in MARKS]
    examples = dumped(tmp_path / "b.json", {"examples": [{"content": TEXT, "annotations": light}]})
    for path in (turks, examples):
        first, *others = values(path)
        assert first["text"] == TEXT and marked(first["spans"]) == MARKS
        assert [row["spans"] for row in others] == [[]] * (path == turks)
        assert "Dataturks" in heard.text
    path = jsonl(
        tmp_path / "c.jsonl", [{"content": TEXT, "annotation": points}] * 100 + [{"content": TEXT, "annotation": ["a"]}]
    )
    assert len(values(path)) == 100
    assert (
        "1 of 101 rows are left out: they have no 'content' with annotations, as the others do (line 101)" in heard.text
    )
    names = [{"content": TEXT, "annotations": ["good"]}]  # labels of the text
    assert values(jsonl(tmp_path / "d.jsonl", names), "texts") == names


def test_words_in_objects_and_pairs(tmp_path: Path) -> None:
    words, tags = SENTENCES[0]
    objects = [{"text": word, "tag": tag, "id": 1} for word, tag in zip(words, tags, strict=True)]
    (row,) = values(jsonl(tmp_path / "a.jsonl", [{"doc": 1, "tokens": objects}]))
    assert row == {"doc": 1, "tokens": words, "tag": tags}
    pairs = [list(pair) for pair in zip(words, tags, strict=True)]
    for path in (jsonl(tmp_path / "b.jsonl", [{"sentence": pairs}]), dumped(tmp_path / "c.json", [pairs])):
        assert values(path) == [{"tokens": words, "tags": tags}]
    # to predict for, with tags and without
    bare = [{"text": word} for word in words]
    for cell in (objects, pairs, bare):
        (row,) = values(jsonl(tmp_path / "d.jsonl", [{"sentence": cell}]), labelled=False)
        assert row["tokens"] == words
    task = {"text": TEXT, "tokens": bare}
    assert values(jsonl(tmp_path / "e.jsonl", [task]), labelled=False) == [task]


def test_spans_that_count_words(tmp_path: Path, heard: Heard) -> None:
    words, tags = SENTENCES[0]
    behind = {"tokens": words, "entities": [{"start": 0, "end": 2, "type": "PER"}]}
    short = {"tokens": ["Bo"], "entities": [{"start": 0, "end": 1, "type": "X"}]}
    assert values(jsonl(tmp_path / "a.jsonl", [behind, short]))[0] == {"tokens": words, "ner_tags": tags}
    assert "'end' is the word behind the span" in heard.text
    last = {"tokens": words, "entities": [{"start": 0, "end": 1, "type": "PER"}]}
    one = {"tokens": ["Bo", "sat"], "entities": [{"start": 0, "end": 0, "type": "PER"}]}
    path = jsonl(tmp_path / "b.jsonl", [last, one, {"tokens": words, "entities": [*last["entities"]] * 2}])
    assert [row["ner_tags"] for row in values(path)] == [tags, ["B-PER", "O"]]
    assert "'end' is the last word of the span" in heard.text
    assert "1 of 3 rows are left out: a span in them overlaps another" in heard.text
    triples = [
        {"tokens": ["Bo"]},
        {"tokenized_text": words, "ner": [[0, 1, "PER"]]},
        {"tokenized_text": ["Bo"], "ner": [[0, 0, "X"]]},
    ]
    assert [row["ner_tags"] for row in values(jsonl(tmp_path / "t.jsonl", triples[1:]))] == [tags, ["B-X"]]
    assert [row["ner_tags"] for row in values(jsonl(tmp_path / "u.jsonl", [triples[0], behind]))] == [["O"], tags]
    heard.said.clear()
    assert values(jsonl(tmp_path / "w.jsonl", [triples[1]]))[0]["ner_tags"] == tags
    assert "'end' is the last word of the span" in heard.text
    values(jsonl(tmp_path / "v.jsonl", [last]))
    assert "nothing shows it" in heard.text
    # beside a text the spans may count its characters
    marks_of_text = {
        "text": "Ann ran off",
        "tokens": ["Ann", "ran", "off"],
        "spans": [{"start": 4, "end": 7, "label": "X"}],
    }
    assert "spans" in values(jsonl(tmp_path / "c.jsonl", [marks_of_text]))[0]


# --- brat ---


def standoff(folder: Path, name: str, text: str, *notes: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.txt").write_text(text, encoding="utf-8", newline="")
    (folder / f"{name}.ann").write_text("".join(f"{note}\n" for note in notes), encoding="utf-8")
    return folder / f"{name}.ann"


def loaded_words(data: Path) -> sources.LoadedData:
    return sources.load(str(data), reading=Reading(wanted=Wanted("words", labelled=True)))


def test_brat_has_a_line_a_row_or_more_where_a_span_goes_on(tmp_path: Path, heard: Heard) -> None:
    text = "Ann Lee ran\r\nto Rome.\n\nNew\nYork is big\nleft or right arm\n"
    at = text.index
    standoff(
        tmp_path / "notes", "a", text,
        "T1\tPER 0 7\tAnn Lee",
        f"T2\tLOC {at('Rome')} {at('Rome') + 4}\tRome",
        f"T3\tLOC {at('New')} {at('York') + 4}\tNew York",
        f"T4\tBODY {at('left')} {at('left') + 4};{at('arm')} {at('arm') + 3}\tleft arm",
        "R1\tIn Arg1:T1 Arg2:T2",
    )  # fmt: skip
    standoff(tmp_path / "notes", "b", "nothing\n")
    (tmp_path / "notes" / "c.txt").write_text("x")
    read = loaded_words(tmp_path / "notes")
    rows = read.splits["train"]
    covered = [[row["text"][s["start"] : s["end"]] for s in row["spans"]] for row in rows.to_list()]
    assert covered == [["Ann Lee"], ["Rome"], ["New\nYork"], []]
    assert [read.where("train", i).rpartition("/")[2] for i in range(4)] == [
        "a.txt line 1", "a.txt line 2", "a.txt line 4", "b.txt line 1"
    ]  # fmt: skip
    assert "1 of 5 rows have a span in several pieces" in heard.text and "a.txt line 6" in heard.text
    assert "1 relation, event or note is passed over" in heard.text
    assert "1 text has no .ann file and is left out: c.txt" in heard.text


def test_brat_splits_are_folders_or_names_and_a_file_stands_alone(tmp_path: Path) -> None:
    for folder in ("folders/train", "folders/dev"):
        standoff(tmp_path / folder, "a", "Ann ran\n", "T1\tPER 0 3\tAnn")
    for name in ("train", "test"):
        standoff(tmp_path / "names", name, "Ann ran\n", "T1\tPER 0 3\tAnn")
    assert sorted(loaded_words(tmp_path / "folders").splits) == ["train", "validation"]
    assert sorted(loaded_words(tmp_path / "names").splits) == ["test", "train"]
    assert len(loaded_words(tmp_path / "names" / "test.ann").splits["train"]) == 1


def test_brat_names_what_is_no_annotation_and_a_text_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"a\.ann line 2: no annotation of brat: 'T2 PER'"):
        loaded_words(standoff(tmp_path / "x", "a", "Ann ran\n", "T1\tPER 0 3\tAnn", "T2 PER"))
    path = standoff(tmp_path / "y", "a", "Ann ran\n", "T1\tPER 0 3\tAnn")
    path.with_suffix(".txt").unlink()
    with pytest.raises(UserError, match=r"there is no a\.txt beside it"):
        loaded_words(path)


@pytest.mark.parametrize("mark", [" ", ",", ", "])
def test_tags_in_a_cell_stand_between_blanks_or_commas(mark: str, tmp_path: Path) -> None:
    lines = [f'"Ann Lee ran , {i} miles","{mark.join(["B-PER", "I-PER", *"OOOO"])}"\n' for i in range(6)]
    path = tmp_path / "a.csv"
    path.write_text("sentence,word_labels\n" + "".join(lines), encoding="utf-8")
    row = next(iter(readers.read_rows(path, Reading(wanted=Wanted("words", labelled=True)))))
    assert row.values["sentence"] == ["Ann", "Lee", "ran", ",", "0", "miles"]
    assert row.values["word_labels"] == ["B-PER", "I-PER", "O", "O", "O", "O"]
