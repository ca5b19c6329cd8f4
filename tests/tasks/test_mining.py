"""Training rows with hard negatives and margins: what is found, filled up, counted, saved and refused."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets import Dataset

from nlpkit.errors import UserError
from nlpkit.options.problems import OptionError
from nlpkit.tasks.sentence_embedding import mining
from nlpkit.tasks.sentence_embedding.negative_options import NegativeOptions, margin_of

PAIRS = [
    ("red apple", "red apple pie"),
    ("green pear", "green pear tart"),
    ("zzz", "qqq"),
    ("red fruit", "a red fruit"),
]
TRAIN = Dataset.from_dict({"text": [a for a, _ in PAIRS], "text_pair": [b for _, b in PAIRS], "where": ["x"] * 4})


class Asked:
    """Answers as models would: vectors of one text's words, scores of two texts' common words."""

    def __init__(self, outputs: int = 1, names: Sequence[str] = ("not_equivalent", "equivalent")) -> None:
        self.outputs, self.names = outputs, list(names)
        self.calls: list[tuple[str | None, str]] = []

    def __call__(self, model: str | None, task: str, examples: Mapping[str, Sequence[Any]], flag: str) -> np.ndarray:
        self.calls.append((model, task))
        words = sorted({word for text, _ in PAIRS for word in text.split()} | {"pie", "tart", "qqq", "a"})
        if task == "sentence-embedding":
            return np.array([[[w in text.split() for w in words]] for text in examples["text"]], np.float32)
        both = zip(examples["text"], examples["text_pair"], strict=True)
        score = [len(set(a.split()) & set(b.split())) for a, b in both]
        return np.array([[0.0] * (self.outputs - 1) + [x] for x in score], np.float32)

    def labels(self, model: str, flag: str) -> list[str]:
        return self.names


def options(**given: Any) -> NegativeOptions:
    return NegativeOptions(**given)


def test_rows_are_given_as_many_negatives_each_and_the_finding_counts_them() -> None:
    asked = Asked()
    train, (finding,) = mining.extended(TRAIN, options(mine_negatives=2, mine_by="bm25"), 1, asked)
    assert [len(texts) for texts in train["negatives"]] == [2] * 4
    assert train["negatives"][0][0] == "a red fruit"
    for (anchor, positive), texts in zip(PAIRS, train["negatives"], strict=True):
        assert {anchor, positive}.isdisjoint(texts) and len(set(texts)) == 2
    assert asked.calls == [(None, "sentence-embedding")] * 2
    assert "among 4 texts" in finding.message and "0 rows have 2, 2 fewer, 2 none; the rest is drawn" in finding.message
    again, _ = mining.extended(TRAIN, options(mine_negatives=2, mine_by="bm25"), 1, Asked())
    assert again["negatives"][:] == train["negatives"][:]


def test_another_model_and_further_texts_find_them(tmp_path: Path) -> None:
    (tmp_path / "more.txt").write_text("red apple tart\n\nzzz a\n", encoding="utf-8")
    asked = Asked()
    given = options(mine_negatives=1, mine_with="other", corpus=str(tmp_path / "more.txt"), negatives_margin="none")
    train, _ = mining.extended(TRAIN, given, 1, asked)
    assert train["negatives"][:] == [["red apple tart"], ["red apple pie"], ["zzz a"], ["red apple pie"]]
    assert {model for model, _ in asked.calls} == {"other"}


@pytest.mark.parametrize("outputs", [1, 2])
def test_a_cross_encoder_says_by_how_much_it_prefers_the_positive(outputs: int, tmp_path: Path) -> None:
    """Of one output, or of two classes; the file holds what is trained on."""
    file = tmp_path / "mined.jsonl"
    given = options(mine_negatives=1, negatives_margin="none", from_cross_encoder="judge", save_negatives=file)
    asked = Asked(outputs)
    train, findings = mining.extended(TRAIN, given, 1, asked)
    assert train["label"][:] == [[1.0], [2.0], [0.0], [1.0]]
    assert asked.calls[-1] == ("judge", "text-classification")
    assert "75.0% of the negatives" in findings[1].message
    saved = [json.loads(line) for line in file.read_text().splitlines()]
    assert saved[0] == {
        "anchor": "red apple",
        "positive": "red apple pie",
        "negatives": ["a red fruit"],
        "margins": [1.0],
    }


def test_the_label_that_says_yes_is_found_by_its_name() -> None:
    """Labels in the other order turn the margins round; those that do not tell are refused."""
    given = options(mine_negatives=1, negatives_margin="none", from_cross_encoder="judge")
    turned, _ = mining.extended(TRAIN, given, 1, Asked(2, ("equivalent", "not_equivalent")))
    assert turned["label"][:] == [[-1.0], [-2.0], [0.0], [-1.0]]
    with pytest.raises(UserError, match="'sports' and 'world', and neither says"):
        mining.extended(TRAIN, given, 1, Asked(2, ("sports", "world")))


def test_what_cannot_be_mined_or_scored_is_refused(tmp_path: Path) -> None:
    mined = TRAIN.add_column("negatives", [["x"]] * 4)
    with pytest.raises(UserError, match="have negatives already"):
        mining.extended(mined, options(mine_negatives=1), 1, Asked())
    with pytest.raises(UserError, match="takes pairs of texts"):
        mining.extended(TRAIN.add_column("label", [1.0] * 4), options(mine_negatives=1), 1, Asked())
    with pytest.raises(UserError, match="the rows have none") as caught:
        mining.extended(TRAIN, options(from_cross_encoder="judge"), 1, Asked())
    assert caught.value.hint and "--mine-negatives" in caught.value.hint
    with pytest.raises(UserError, match="there are 4 different texts"):
        mining.extended(TRAIN, options(mine_negatives=4), 1, Asked())
    with pytest.raises(UserError, match="3 labels"):
        mining.extended(mined, options(from_cross_encoder="judge"), 1, Asked(3))
    with pytest.raises(UserError, match="cannot read"):
        mining.extended(TRAIN, options(mine_negatives=1, corpus=str(tmp_path / "none.txt")), 1, Asked())


def test_margins_are_shares_numbers_or_none() -> None:
    assert [margin_of(text) for text in ("5%", "0.1", "none")] == [(0.05, True), (0.1, False), (None, False)]
    with pytest.raises(OptionError, match="share from 0% to 100%"):
        options(mine_negatives=1, negatives_margin="tight")
    with pytest.raises(OptionError, match="ends in"):
        options(mine_negatives=1, save_negatives="mined.csv")
