"""What labels mean: their names where these are words, or what a file says."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from datasets import Dataset

from nlpkit.errors import UserError
from nlpkit.fewshot import label_texts
from nlpkit.fewshot.candidates import Bench


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


@pytest.mark.parametrize(("count", "each"), [(0, {}), (4, {0: 4, 1: 2, 2: 2}), (1, {0: 1, 1: 1, 2: 1})])
def test_an_encoder_learns_label_texts_as_so_many_rows(count: int, each: dict[int, int]) -> None:
    """Text 0 alone says what label 0 means, texts 1 and 2 share label 1."""
    rows = Dataset.from_dict({"input_ids": [[9], [8]], "attention_mask": [[1], [1]]})
    texts = Dataset.from_dict({"input_ids": [[0], [1], [2]], "attention_mask": [[1]] * 3, "example": [0, 1, 2]})
    task = SimpleNamespace(collate=lambda tokenizer: None)
    bench: Any = SimpleNamespace(features=rows, labels=np.array([0, 1]), described=texts, task=task, tokenizer=None)
    bench.meant, bench.size = np.array([0, 1, 1]), 2
    few = Bench.few(bench, np.array([1]), count=count)
    read = [row["input_ids"][0] for row in few.features]
    assert read[0] == 8 and Counter(read[1:]) == each
    assert few.labels.tolist() == [1] + [int(bench.meant[text]) for text in read[1:]]
    assert set(few.features[-1]) == {"input_ids", "attention_mask"}
