from __future__ import annotations

import random
from itertools import pairwise
from typing import Any

import pytest
from seqeval.metrics.sequence_labeling import get_entities
from seqeval.scheme import BILOU as BILOU_OF_SEQEVAL
from seqeval.scheme import IOBES, Entities

from nlpkit.tasks.token_classification import tags

# "Jane Doe of Acme Corp met Rome Paris and Bob": Rome and Paris are two places that touch
ENTITIES = [(0, 2, "PER"), (3, 5, "ORG"), (6, 7, "LOC"), (7, 8, "LOC"), (9, 10, "PER")]
WRITTEN: dict[Any, str] = {
    "bio": "B-PER I-PER O B-ORG I-ORG O B-LOC B-LOC O B-PER",
    "iob1": "I-PER I-PER O I-ORG I-ORG O I-LOC B-LOC O I-PER",
    "bioes": "B-PER E-PER O B-ORG E-ORG O S-LOC S-LOC O S-PER",
    "ioe": "I-PER E-PER O I-ORG E-ORG O E-LOC E-LOC O E-PER",
}
BILOU = "B-PER L-PER O B-ORG L-ORG O U-LOC U-LOC O U-PER"
BMES = "B-PER E-PER O B-ORG E-ORG O S-LOC S-LOC O S-PER".replace("B-ORG E-ORG", "B-ORG M-ORG")


@pytest.mark.parametrize("scheme", WRITTEN)
def test_schemes_are_told_apart_and_mean_the_same(scheme: Any) -> None:
    sentence = WRITTEN[scheme].split()
    assert tags.detect([sentence]) == scheme
    assert tags.problems(sentence, scheme) == []
    assert tags.spans(sentence, scheme) == ENTITIES
    assert tags.converted(sentence, scheme) == WRITTEN["bio"].split()
    assert tags.written(map(tags.Span._make, ENTITIES), len(sentence), scheme) == sentence


def test_ioe1_marks_the_end_of_an_entity_that_touches_another() -> None:
    sentence = ["I-PER", "I-PER", "O", "I-ORG", "I-ORG", "O", "E-LOC", "I-LOC", "O", "I-PER"]
    assert tags.detect([sentence]) == "ioe"
    assert tags.problems(sentence, "ioe") == []
    assert tags.converted(sentence, "ioe") == WRITTEN["bio"].split()


def test_bilou_is_bioes_with_other_letters() -> None:
    sentence = BILOU.split()
    assert tags.detect([sentence]) == "bioes"
    assert tags.problems(sentence, "bioes") == []
    assert tags.converted(sentence, "bioes") == WRITTEN["bio"].split()


@pytest.mark.parametrize(
    ("sentences", "scheme"),
    [
        (["O B-X O B-Y", "B-X B-X"], "bio"),  # nothing but B: all entities have one word
        (["O I-X I-X O", "I-Y O"], "io"),  # nothing but I: no entities that touch
        (["O PER PER O O O", "O O LOC O O"], "io"),  # types without prefix
        (["DT NN VBZ ,", "NNP -LRB- SYM O"], "plain"),  # "O" is a tag of some sets for parts of speech
        (["B S E N V", "S N"], "plain"),  # letters that are tags, not prefixes
        (["B I O O B", "O B I I"], "bio"),  # entities without types
        (["B-X I-X O I-X O", "B-X I-X O B-Y O", "B-Y O"], "bio"),  # one slip
        (["I-X I-X O I-Y O", "I-X B-X O", "I-Y O B-Y O"], "iob1"),  # one slip
        (["B-X I-X E-X O", "B-X I-X O"], "bioes"),
        (["O O O", "O"], "io"),
        (["B-X I-X O", "O O B-Y", "B-X I-X", "B-X B-X x", "B-X B-Y B-Y B-X B-Y"], "bio"),  # one that is no tag
        (["NOUN VERB", "NOUN O"], "plain"),
        (["b-x i-x o b-y", "b-x b-x o"], "bio"),  # small letters
        (["i-x i-x o", "i-y o"], "io"),
        (["B-X I-X O B-X", " I-Y O"], "bio"),  # a missing tag tells nothing
        (["O O O E-MAIL O", "O O O PER O O"], "io"),  # types that look as if they had a prefix
    ],
)
def test_detection(sentences: list[str], scheme: str) -> None:
    assert tags.detect([sentence.split(" ") for sentence in sentences]) == scheme


@pytest.mark.parametrize(
    ("scheme", "sentence", "expected", "repaired"),
    [
        ("bio", "O I-X O", [(1, "I-X after O")], "O B-X O"),
        ("bio", "I-X I-X", [(0, "I-X after O")], "B-X I-X"),
        ("bio", "B-X I-Y I-Y", [(1, "I-Y after B-X")], "B-X B-Y I-Y"),
        ("bio", "B-X E-X O", [(1, "'E-X' is no tag of BIO")], "B-X I-X O"),
        ("bio", "B-X IX I-X", [(1, "'IX' is no tag of BIO"), (2, "I-X after IX")], "B-X O B-X"),
        ("bio", "B-X  O", [(1, "no tag")], "B-X O O"),
        ("iob1", "O B-X I-X", [(1, "B-X after O")], "O B-X I-X"),
        ("iob1", "I-X I-Y B-Y", [], "B-X B-Y B-Y"),
        ("io", "I-X I-X O I-Y", [], "B-X I-X O B-Y"),
        ("io", "X X O Y X", [], "B-X I-X O B-Y B-X"),
        ("io", "E-MAIL E-MAIL O S-X", [], "B-E-MAIL I-E-MAIL O B-S-X"),
        ("bio", "b-x i-x o i-x", [(3, "i-x after o")], "B-x I-x O B-x"),
        ("bioes", "b-x e-x o s-y", [], "B-x I-x O B-y"),
        ("io", "B-X I-X O", [(0, "'B-X' is no tag of IO")], "B-X I-X O"),
        ("bioes", "B-X O E-X", [(1, "B-X is not closed before O"), (2, "E-X after O")], "B-X O B-X"),
        ("bioes", "O B-X", [(1, "B-X is not closed at the end of the sentence")], "O B-X"),
        ("bioes", "S-X I-X E-X", [(1, "I-X after S-X")], "B-X B-X I-X"),
        ("bioes", "B-X I-Y E-Y", [(1, "B-X is not closed before I-Y")], "B-X B-Y I-Y"),
    ],
)
def test_illegal_tags_are_named_and_read_as_conlleval_does(
    scheme: Any, sentence: str, expected: list[tuple[int, str]], repaired: str
) -> None:
    given = sentence.split(" ")
    assert tags.problems(given, scheme) == expected
    assert tags.converted(given, scheme) == repaired.split()


def test_plain_tags_stay_and_only_a_missing_one_is_wrong() -> None:
    assert tags.converted(["NN", "B-X", "O"], "plain") == ["NN", "B-X", "O"]
    assert tags.problems(["NN", "", "O"], "plain") == [(1, "no tag")]


def test_entities_are_those_of_seqeval_in_any_sequence() -> None:
    rng = random.Random(0)
    known = ["O", *(f"{letter}-{kind}" for letter in "BIES" for kind in ("X", "Y", "A-B"))]
    for _ in range(3_000):
        sentence = rng.choices(known, k=rng.randint(1, 9))
        expected = [(start, end + 1, kind) for kind, start, end in get_entities(sentence)]
        assert tags.spans(sentence, "bioes") == expected, sentence


@pytest.mark.parametrize(("letters", "strict"), [("BIES", IOBES), ("BILU", BILOU_OF_SEQEVAL)])
def test_strict_figures_leave_out_what_seqeval_does_in_the_models_own_scheme(letters: str, strict: Any) -> None:
    rng = random.Random(4)
    known = ["O", "O", *(f"{letter}-{kind}" for letter in letters for kind in ("X", "Y"))]
    left_out = 0
    for _ in range(1_000):
        sentence = rng.choices(known, k=rng.randint(1, 9))
        expected = {(e.start, e.end, e.tag) for found in Entities([sentence], strict).entities for e in found}
        made = tags.answered(sentence, "bioes")
        spans = tags.spans(made)
        assert spans == tags.spans(sentence, "bioes")
        opened = {span for span in spans if made[span.start][0] == "B"}
        # what touches an entity of its type must begin with B-
        touching = {b for a, b in pairwise(spans) if (a.end, a.type) == (b.start, b.type)}
        assert opened - touching == expected - touching, sentence
        left_out += len(spans) - len(opened)
    assert left_out > 100


def test_what_is_converted_is_legal_and_stays() -> None:
    rng = random.Random(1)
    known = ["O", "", "x", *(f"{letter}-{kind}" for letter in "BIESLU" for kind in ("X", "Y"))]
    for scheme in ("bio", "iob1", "bioes", "ioe", "io"):
        for _ in range(500):
            made = tags.converted(rng.choices(known, k=rng.randint(1, 9)), scheme)  # type: ignore[arg-type]
            assert tags.problems(made, "bio") == []
            assert tags.converted(made, "bio") == made


@pytest.mark.parametrize(
    ("names", "scheme"),
    [
        (["O", "B-PER", "I-PER"], "bio"),
        (["O", "I-PER", "I-LOC"], "io"),
        (["O", "PER", "LOC"], "io"),
        (["O", "S-PER", "B-PER", "E-PER", "I-PER"], "bioes"),
        (["o", "b-per", "i-per"], "bio"),
        (["O", "B-PER", "I-PER", "X", "[CLS]", "[PAD]"], "bio"),  # of older scripts, which labelled all tokens
        (["O", "B-LOC", "I-LOC", "I-PER"], "iob1"),
        (["O", "I-PER", "E-PER"], "ioe"),
        (["O", "E-MAIL", "PER"], "io"),
        (["NN", "VB", "DT"], "plain"),
        (["LABEL_0", "LABEL_1"], "plain"),
    ],
)
def test_the_class_names_of_a_model_tell_their_scheme(names: list[str], scheme: str) -> None:
    assert tags.scheme_of_names(names) == scheme


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (["O", "B_PER", "I_PER", "B_LOC"], ["O", "B-PER", "I-PER", "B-LOC"]),
        (["B.PER", "I.PER", "O"], ["B-PER", "I-PER", "O"]),
        (["B:PER", "I:PER"], ["B-PER", "I-PER"]),
        (["B/PER", "I/PER", "O"], ["B-PER", "I-PER", "O"]),
        (["PER-B", "PER-I", "O"], ["B-PER", "I-PER", "O"]),
        (["PER_B", "PER_I", "WORK-OF-ART_B"], ["B-PER", "I-PER", "B-WORK-OF-ART"]),
        (["S_PER", "E_PER", "B_PER", "I_LOC"], ["S-PER", "E-PER", "B-PER", "I-LOC"]),
        (["b_per", "i_per", "o"], ["b-per", "i-per", "o"]),
        (["B=PER", "I=PER", "B - LOC", "O"], ["B-PER", "I-PER", "B-LOC", "O"]),
        (["NONE", "B-PER", "I-PER", "B-LOC"], ["O", "B-PER", "I-PER", "B-LOC"]),
        (["_", "B_PER", "I_PER"], ["O", "B-PER", "I-PER"]),
        (["B-PER", "B_LOC", "I_LOC"], ["B-PER", "B-LOC", "I-LOC"]),
        # no pairs, or not all: each is a type
        (["O", "I_CARD", "PHONE"], None),
        (["B_cell", "T_cell", "O"], None),
        (["B_cell", "I_CARD", "O"], None),
        (["B_PER", "I_PER", "MISC"], None),
        (["NONE", "B-PER", "I-PER", "O"], None),
        (["NONE", "OTHER", "B-PER", "I-PER"], None),
        (["NONE", "NOUN", "VERB"], None),
        (["B-PER", "I-PER", "B-B_cell"], None),
        (["PLAN-B", "PLAN-I", "X"], None),
    ],
)
def test_spellings_of_tags_are_told_from_the_whole_set(written: list[str], expected: list[str] | None) -> None:
    found = tags.spelling(written)
    assert [found.get(tag, tag) for tag in written] == (expected or written)
    assert tags.spelling(reversed(written)) == found


def test_a_model_tells_the_types_where_tags_have_no_pairs() -> None:
    assert tags.spelling(["B_PER", "O"]) == {}
    assert tags.spelling(["B_PER", "O"], ["LOC", "PER"]) == {"B_PER": "B-PER"}
    assert tags.spelling(["B-PER", "NONE"], ["LOC", "PER"]) == {"B-PER": "B-PER", "NONE": "O"}
    assert tags.spelling(["NONE"], ["LOC", "PER"]) == {"NONE": "O"}
    assert tags.spelling(["NONE"]) == {}
