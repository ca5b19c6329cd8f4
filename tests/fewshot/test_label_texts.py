"""What labels mean: their names where these are words, or what a file says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nlpkit.errors import UserError
from nlpkit.fewshot import label_texts


def test_names_are_texts_where_all_are_words() -> None:
    assert label_texts.of_labels(["card_payment-failed", "Sci/Tech"], None) == [
        (0, "This sentence is card payment failed."),
        (1, "This sentence is Sci Tech."),
    ]
    assert label_texts.of_labels(["good", "4"], None) == []
    assert label_texts.of_labels(["LABEL_0", "LABEL_1"], None) == []
    assert label_texts.of_labels(["good", "bad"], "none") == []


def test_a_file_says_it_for_each_label(tmp_path: Path) -> None:
    path = tmp_path / "texts.json"
    path.write_text(json.dumps({"1": ["very bad", "awful"], "2": "good"}))
    assert label_texts.of_labels(["1", "2"], str(path)) == [(0, "very bad"), (0, "awful"), (1, "good")]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"1": "bad"}', "names 1; the labels are 1, 2"),
        ('{"1": "bad", "2": "good", "3": "best"}', "names 1, 2, 3; the labels are 1, 2"),
        ('{"1": "bad", "2": []}', "gives 2 no text"),
        ('{"1": "bad", "2": " "}', "gives 2 no text"),
        ('{"1": "bad", "1": "good"}', "is not JSON"),
        ("[]", "names list"),
    ],
)
def test_a_file_that_does_not_fit_the_labels_is_refused(content: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "texts.json"
    path.write_text(content)
    with pytest.raises(UserError) as error:
        label_texts.of_labels(["1", "2"], str(path))
    assert said in error.value.message


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot read"):
        label_texts.of_labels(["a", "b"], str(tmp_path / "texts.json"))
