from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest
from hearing import Heard

from nlpkit.data import places, readers
from nlpkit.data.inputs import Reading
from nlpkit.errors import UserError
from nlpkit.recipes import check_data


def rows_of(path: Path, content: str, **arguments: Any) -> list[readers.Row]:
    path.write_text(content, encoding="utf-8")
    return list(readers.read_rows(path, Reading(**arguments)))


def test_conll_2003_with_document_marks_and_several_blank_lines(tmp_path: Path) -> None:
    content = (
        "-DOCSTART- -X- -X- O\n\nEU NNP B-NP B-ORG\nrejects VBZ B-VP O\n\n\n\nPeter NNP B-NP B-PER\n\n"
        "-DOCSTART- -X- O O\n\nLondon NNP B-NP B-LOC"
    )
    rows = rows_of(tmp_path / "train.conll", content)
    assert [row.values["tokens"] for row in rows] == [["EU", "rejects"], ["Peter"], ["London"]]
    assert rows[0].values == {
        "tokens": ["EU", "rejects"],
        "column2": ["NNP", "VBZ"],
        "column3": ["B-NP", "B-VP"],
        "column4": ["B-ORG", "O"],
    }
    assert [row.line for row in rows] == [3, 8, 12]


@pytest.mark.parametrize("behind", ["", "\n"])
def test_a_line_that_names_the_columns_is_no_word(behind: str, tmp_path: Path) -> None:
    rows = rows_of(tmp_path / "a.conll", f"Token\tPOS\tTag\n{behind}EU\tNNP\tB-ORG\n\nTag\tNN\tO\nWord\tNN\tO\n")
    assert [row.values["tokens"] for row in rows] == [["EU"], ["Tag", "Word"]]
    assert rows[0].values["column3"] == ["B-ORG"]


def test_tabs_keep_blanks_in_words_and_a_blank_line_may_hold_a_tab(tmp_path: Path) -> None:
    rows = rows_of(tmp_path / "a.conll", "New York\tB-LOC\r\nis\tO\r\n\t\r\n#\tO\n#paris\tO\n3 1/2\tO\n")
    assert [row.values for row in rows] == [
        {"tokens": ["New York", "is"], "column2": ["B-LOC", "O"]},
        {"tokens": ["#", "#paris", "3 1/2"], "column2": ["O", "O", "O"]},
    ]


def test_remarks_are_dropped_and_the_word_number_sign_is_not(tmp_path: Path) -> None:
    content = "# text = # O\n# a remark of many words\n# NN O\n1 CD O\n\n# id 4\nx NN O\n# sent_id = 5\n# SYM O\n"
    rows = rows_of(tmp_path / "a.conll", content)
    assert [row.values["tokens"] for row in rows] == [["#", "1"], ["x", "#"]]
    assert rows[1].lines == [7, 9]


def test_conll_u_skips_ranges_and_empty_nodes(tmp_path: Path) -> None:
    word = "{}\t{}\t_\t{}\t_\t_\t0\troot\t_\t_\n"
    content = (
        "# sent_id = 1\n# text = Vámonos al mar\n"
        + word.format("1-2", "Vámonos", "_")
        + word.format("1", "Vamos", "VERB")
        + word.format("2", "nos", "PRON")
        + word.format("2.1", "nadie", "PRON")
        + word.format("3-4", "al", "_")
        + word.format("3", "a", "ADP")
        + word.format("4", "el", "DET")
        + "\n# sent_id = 2\n"
        + word.format("1", "Sí", "INTJ")
    )
    first, second = rows_of(tmp_path / "es.conllu", content)
    assert first.values["tokens"] == ["Vamos", "nos", "a", "el"]
    assert first.values["upos"] == ["VERB", "PRON", "ADP", "DET"]
    assert list(first.values) == [
        "id", "tokens", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc"
    ]  # fmt: skip
    assert list(first.lines) == [4, 5, 8, 9]
    assert second.values["tokens"] == ["Sí"]


def test_a_first_column_that_counts_is_not_the_words(tmp_path: Path) -> None:
    content = "#\thttp://de.wikipedia.org\n1\tSchartau\tB-PER\tO\n2\tsagte\tO\tO\n\n1\tJa\tO\tO\n"
    rows = rows_of(tmp_path / "germeval.conll", content)
    assert [row.values["tokens"] for row in rows] == [["Schartau", "sagte"], ["Ja"]]
    assert list(rows[0].values) == ["id", "tokens", "column3", "column4"]


@pytest.mark.parametrize(("delimiter", "line"), [("|", "a b|B-X\n"), (",", "a b,B-X\n"), (" ", "a B-X\n")])
def test_a_named_separator(tmp_path: Path, delimiter: str, line: str) -> None:
    (row,) = rows_of(tmp_path / "a.conll", line, delimiter=delimiter)
    assert row.values == {"tokens": [line.split(delimiter)[0]], "column2": ["B-X"]}


def test_a_line_of_other_columns_names_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "a.conll"
    content = "a O\nb O\n\nc O\nd\ne O\n\nf O\n"
    with pytest.raises(UserError, match=r"a\.conll line 5: expected 2 columns \(tokens, column2\), found 1"):
        rows_of(path, content)
    kept = list(readers.read_rows(path, on_error="keep"))
    assert [(row.values["tokens"], row.error is None) for row in kept] == [
        (["a", "b"], True),
        (["c"], False),
        (["f"], True),
    ]


def test_a_byte_that_does_not_decode_names_its_line(tmp_path: Path) -> None:
    path = tmp_path / "a.conll"
    path.write_bytes("a O\n\nKöln B-LOC\n".encode("latin-1"))
    with pytest.raises(UserError, match=r"a\.conll line 3: byte 0xf6"):
        list(readers.read_rows(path))
    assert [row.values["tokens"] for row in readers.read_rows(path, Reading(encoding="latin-1"))] == [
        ["a"],
        ["Köln"],
    ]


def test_the_table_keeps_the_line_of_each_word(tmp_path: Path) -> None:
    path = tmp_path / "a.conll.gz"
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.write("a O\n# c = d\nb O\n\nc O\n")
    table = readers.read_table(path)
    assert table[places.LINES].to_pylist() == [[1, 3], [5]]
    assert table[places.LINE].to_pylist() == [1, 5]


@pytest.mark.parametrize("content", ["", "\n\n", "# only a remark\n", "-DOCSTART- -X- O\n\n"])
def test_a_file_without_words_is_refused(tmp_path: Path, content: str) -> None:
    with pytest.raises(UserError, match="the file holds no rows"):
        rows_of(tmp_path / "a.conll", content)


def test_lists_of_start_end_label_become_objects(tmp_path: Path) -> None:
    path = tmp_path / "export.jsonl"
    path.write_text('{"text": "In Rome", "label": [[3, 7, "LOC"]]}\n{"text": "No", "label": []}\n')
    assert readers.read_table(path)["label"].to_pylist() == [[{"start": 3, "end": 7, "label": "LOC"}], []]


def test_the_lines_of_words_are_no_column_of_the_user(tmp_path: Path) -> None:
    (tmp_path / "a.conll").write_text("a O\nb O\n")
    with pytest.raises(UserError, match=r"the columns are tokens, column2\n"):
        check_data.run(check_data.Config(data=str(tmp_path / "a.conll"), task="question-answering", model="none"))


def test_tags_may_stand_before_their_words(tmp_path: Path) -> None:
    (row,) = rows_of(tmp_path / "a.conll", "B-Rating\t2\nI-Rating\tstart\nO\trestaurants\n")
    assert row.values == {"column1": ["B-Rating", "I-Rating", "O"], "tokens": ["2", "start", "restaurants"]}
    (row,) = rows_of(tmp_path / "b.conll", "O O\nB-12 O\n")  # words that look like tags, and their tags
    assert row.values == {"tokens": ["O", "B-12"], "column2": ["O", "O"]}


@pytest.mark.parametrize(("ends", "said"), [("", 1), ("\n", 0)])
def test_a_file_without_blank_lines_is_warned_of(ends: str, said: int, tmp_path: Path, heard: Heard) -> None:
    rows_of(tmp_path / "a.conll", f"Ann\tB-PER\nran\tO\n.\tO\n{ends}" * 80)
    assert [message.partition(": ")[2] for message in heard.warnings] == [
        "all 240 words are one sentence, as no blank line ends one"
    ] * said
