"""`nlpkit learn`: topics, their figures and pictures, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nlpkit.errors import UserError
from nlpkit.learn.topics import TOPICS
from nlpkit.recipes import learn


def test_topics_are_listed() -> None:
    report = learn.run(learn.Config())
    assert [topic["name"] for topic in report.record["topics"]] == list(TOPICS)


def test_attention_of_the_piece_is_the_models(tmp_path: Path) -> None:
    """On a random BERT, which Transformers computes; the folder keeps figures and a picture of each layer."""
    report = learn.run(learn.Config(topic="attention", text=["a b a c"], output=tmp_path / "seen"))
    assert report.record["largest_difference"]["states"] <= 1e-9
    assert report.record["plots"] == ["attention-layer-1", "attention-layer-2"]
    assert (tmp_path / "seen" / "plots" / "attention-layer-2.png").exists()
    record = json.loads((tmp_path / "seen" / "nlpkit.json").read_text())
    assert record["shown"]["tokens"] == [["[CLS]", "a", "b", "a", "c", "[SEP]"]]
    one = record["shown"]["layers"][0]
    assert all(0 <= entropy <= 2.585 for entropy in one["entropy"])  # bits of six tokens
    assert len(one["entropy"]) == 4


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"topic": "atention"}, "Did you mean attention?"),
        ({"topic": "attention", "layer": 3}, "has 2 layers"),
        ({"topic": "attention", "text": ["word " * 127]}, "has 129 tokens, and a random BERT reads 128"),
        ({"topic": "attention", "text": [" "]}, "a text is empty"),
        ({"text": ["a"]}, "--text is read by the topic"),
    ],
)
def test_a_mistake_is_one_message(options: dict[str, object], said: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=said.replace("?", "[?]")):
        learn.run(learn.Config(**options, output=tmp_path / "seen"))
    assert not (tmp_path / "seen").exists()
