"""How spans count the characters of their text: found out for a whole file, from their own text or from words."""

from __future__ import annotations

from typing import Any

import pytest

from nlpkit.tasks.token_classification.spans import Mark, counting, cuts_a_word, marks_of
from nlpkit.tasks.token_classification.tag_reader import TagReader

TEXTS = [
    "\U0001f600 Zo\u00eb m\u00e9t\nAnn Lee in Rome",
    "Bo\nand\nAl know Ann Lee, the \U0001f600 baker",
    "  Ann Lee, again",
]


def marks(way: str, *, named: bool) -> list[list[Mark]]:
    """Ann Lee in each text, counted in some way."""
    found = []
    for text in TEXTS:
        start, end = text.index("Ann"), text.index("Ann") + 7
        before = text[:start]
        lead = len(text) - len(text.lstrip())
        shift, longer = {
            "characters": (0, 0),
            "utf-16": (before.count("\U0001f600"), 0),
            "utf-8": (len(before.encode()) - start, 0),
            "inclusive": (0, -1),
            "from-1": (1, 0),
            "from-1-inclusive": (1, -1),
            "stripped": (-lead, 0),
            "crlf": (before.count("\n"), 0),
        }[way]
        found.append([Mark(start + shift, end + shift + longer, "PER", "Ann Lee" if named else None)])
    return found


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize(
    "way", ["characters", "utf-16", "utf-8", "inclusive", "from-1", "from-1-inclusive", "stripped", "crlf"]
)
def test_the_way_of_a_file_is_found(way: str, named: bool) -> None:
    texts, found = TEXTS, marks(way, named=named)
    if way == "stripped" and not named:  # in two texts of three nothing speaks against characters
        texts, found = texts[2:] * 2, found[2:] * 2
    made = counting(texts, found)
    assert made.offsets == way
    assert made.reason == (None if way == "characters" else "text" if named else "words")
    for text, (mark,) in zip(texts, found, strict=True):
        ((_, place, by_text),) = made.placed(text, [mark])
        assert place is not None and text[slice(*place)] == "Ann Lee" and not by_text


def test_scripts_in_which_no_word_is_cut_do_not_hide_that_all_others_are() -> None:
    texts = ["Anna saw Rome", "\u674e\u96f7\u5728\u5317\u4eac"]
    found = [[Mark(0, 3, "PER"), Mark(9, 12, "LOC")], [Mark(0, 1, "PER"), Mark(3, 4, "LOC")]]
    assert counting(texts, found).offsets == "inclusive"


def test_rows_that_are_held_out_count_as_their_file_does() -> None:
    texts = ["Anna saw Rome", "\U0001f642 Bo ran"]
    cells = [[{"start": start, "end": end, "label": "X"}] for start, end in ((0, 4), (3, 5))]
    reader = TagReader("bio", ["a.jsonl line 1"], None)
    reader.settle_offsets((texts[:1], cells[:1], [0]), "auto", [(texts[1:], cells[1:], [0]), (texts, cells, [1, 1])])
    assert reader.countings[0].offsets == "utf-16"
    assert (reader.countings[0].total, reader.countings[0].moved) == (1, 0)


def test_one_odd_span_changes_the_way_of_no_file() -> None:
    texts, found = [*TEXTS, "Kim Fox"], [*marks("characters", named=True), [Mark(0, 6, "PER", "Kim Fox")]]
    assert counting(texts, found).offsets == "characters"
    texts, found = [*TEXTS, "Kim Fox"], [*marks("characters", named=False), [Mark(0, 6, "PER")]]
    assert counting(texts, found).offsets == "characters"


def test_where_two_ways_fit_and_differ_nothing_is_guessed() -> None:
    text = "\U0001f600 ab(-xyz"  # "ab" in bytes, "(-" in UTF-16 units
    assert counting([text], [[Mark(5, 7, "PER")]]).offsets == "characters"
    assert counting([text], [[Mark(5, 7, "PER", "ab")]]).offsets == "utf-8"


def test_blanks_line_ends_and_composed_accents_are_no_contradiction() -> None:
    text = "Zoe\u0308 \n Lee sat"
    for named in ("Zo\u00eb Lee", "Zoe\u0308\\n Lee ", " Zoe\u0308 \n Lee"):
        assert counting([text], [[Mark(0, 10, "PER", named)]]).placed(text, [Mark(0, 10, "PER", named)])[0].place == (
            0,
            10,
        )


def test_a_name_that_is_not_the_text_is_no_contradiction() -> None:
    found = [marks_of([{"start": 0, "end": 3, "entity": "city", "value": "New York City"}])]
    made = counting(["NYC is big"], found)
    assert made.placed("NYC is big", found[0])[0].place == (0, 3)


@pytest.mark.parametrize(
    ("text", "place", "cut"),
    [
        ("Ann Lees", (0, 7), True),
        ("Ann's", (0, 3), False),
        ("(Ann)", (1, 4), False),
        ("Ann Lee ", (0, 8), False),
        ("\u6771\u4eac\u90fd", (0, 2), False),  # no blanks between words
        ("\uc548\ub098\ub294", (0, 2), False),  # Korean: a particle behind the name
        ("COVID19", (0, 5), True),
    ],
)
def test_what_cuts_a_word(text: str, place: tuple[int, int], cut: bool) -> None:
    assert cuts_a_word(text, place) is cut


@pytest.mark.parametrize(
    "item",
    [
        {"start": 0, "end": 3, "labels": ["PER"]},
        {"offset": 0, "length": 3, "category": "PER"},
        {"begin": "0", "end": "3", "entity_group": "PER"},
        {"offsets": [0, 3], "type": "PER"},
    ],
)
def test_how_tools_write_a_span(item: dict[str, Any]) -> None:
    assert [mark[:3] for mark in marks_of([item])] == [(0, 3, "PER")]


def test_a_span_of_several_labels_and_one_of_none() -> None:
    assert [mark.label for mark in marks_of([{"start": 0, "end": 3, "labels": ["A", "B"]}])] == ["A", "B"]
    with pytest.raises(ValueError, match="needs start, end and label"):
        marks_of([{"start": 0, "end": 3, "label": None}])


@pytest.mark.parametrize("start", [0.5, float("inf"), float("nan"), "x", [1], {}])
def test_a_start_that_is_no_whole_number_is_named(start: Any) -> None:
    with pytest.raises(ValueError, match="start and end of a span are numbers of characters"):
        marks_of([{"start": start, "end": 3, "label": "PER"}])
    assert marks_of([{"start": 1.0, "end": "3", "label": "PER"}])[0][:2] == (1, 3)
