"""What the tags of a model stand for: entities in a scheme, or each for itself."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from nlpkit.tasks.token_classification.tag_sets import tag_set
from nlpkit.tasks.token_classification.tags import Span

BIO = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
BIOES = ["O", *(f"{prefix}-{kind}" for kind in ("PER", "LOC") for prefix in "BIES")]


@pytest.mark.parametrize(
    ("labels", "scheme", "tags"),
    [
        (BIO, "bio", "O B-PER I-PER B-PER O B-LOC"),
        (["O", "B-PER", "I-PER", "I-LOC"], "iob1", "O I-PER I-PER B-PER O I-LOC"),
        (BIOES, "bioes", "O B-PER E-PER S-PER O S-LOC"),
    ],
)
def test_entities_are_read_and_written_as_the_model_names_them(labels: list[str], scheme: str, tags: str) -> None:
    found = tag_set(labels, scheme).entities_of(tags.split())
    assert found == [Span(1, 3, "PER"), Span(3, 4, "PER"), Span(5, 6, "LOC")]
    assert list(tag_set(labels, scheme).tags_of(found, 6)) == tags.split()


def test_plain_tags_stand_for_each_word() -> None:
    tags = tag_set(["N", "V"], "plain")
    found = tags.entities_of(["N", "V", "V"])
    assert [span.type for span in found] == ["N", "V", "V"]
    assert list(tags.tags_of(found, 3)) == ["N", "V", "V"]
    assert (tags.counts([["N", "V"], ["V"]]), tags.in_order(Counter(N=1, V=2))) == ({"N": 1, "V": 2}, ["V", "N"])


@pytest.mark.parametrize(
    ("labels", "scheme", "tags", "filled"),
    [
        (BIO, "bio", ["B-PER", "", "I-PER"], ["B-PER", "I-PER", "I-PER"]),
        (BIO, "bio", ["B-PER", "", "B-PER"], ["B-PER", "O", "B-PER"]),
        (BIO, "bio", ["", "I-PER", ""], ["O", "I-PER", "O"]),
        (["N", "V"], "plain", ["", "V", "", ""], ["V", "V", "V", "V"]),
        (["N", "V"], "plain", ["", ""], ["N", "N"]),
    ],
)
def test_words_without_a_token_are_tagged_by_their_neighbours(
    labels: list[str], scheme: str, tags: list[str], filled: list[str]
) -> None:
    tag_set(labels, scheme).fill_gaps(tags)
    assert tags == filled


@pytest.mark.parametrize(
    ("labels", "scheme", "counts", "said"),
    [
        (BIO, "bio", {}, "there is no entity"),
        (BIO, "bio", {"PER": 1}, ""),
        (["N", "V"], "plain", {"N": 9}, "every word has the tag N"),
        (["N", "V"], "plain", {"N": 9, "V": 1}, ""),
    ],
)
def test_tags_that_teach_nothing_are_told(labels: list[str], scheme: str, counts: dict[str, int], said: str) -> None:
    assert tag_set(labels, scheme).nothing_to_learn(Counter(counts)) == said


def test_mistakes_are_about_entities_or_about_words() -> None:
    columns = {"text": ["Ann saw Rome"], "starts": [[0, 4, 8]], "ends": [[3, 7, 12]]}
    scores = [np.array([0.9, 0.8, 0.5])]
    ((_, entity),) = tag_set(BIO, "bio").mistakes([["B-PER", "O", "B-PER"]], [["B-PER", "O", "B-LOC"]], scores, columns)
    assert (entity["label"]["label"], entity["prediction"]["label"], entity["prediction"]["text"]) == (
        "LOC",
        "PER",
        "Rome",
    )
    ((row, word),) = tag_set(["N", "V"], "plain").mistakes([["N", "N", "N"]], [["N", "V", "N"]], scores, columns)
    assert (row, word) == (0, {"word": "saw", "label": "V", "prediction": "N", "score": pytest.approx(0.8)})
