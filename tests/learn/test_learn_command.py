"""`nlpkit learn`: topics, their figures and pictures, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

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


def shown(topic: str, tmp_path: Path, **options: object) -> dict[str, Any]:
    return learn.run(learn.Config(topic=topic, output=tmp_path / "seen", **options)).record


@pytest.mark.parametrize("topic", [name for name, topic in TOPICS.items() if topic.kind == "piece"])
def test_each_piece_is_shown_without_a_model(topic: str, tmp_path: Path) -> None:
    record = shown(topic, tmp_path)
    assert sorted(record["plots"]) == sorted(file.stem for file in (tmp_path / "seen" / "plots").iterdir())
    assert record.get("differences", [0])[-1] <= 1e-9


def test_masks_hide_the_padding(tmp_path: Path) -> None:
    """A text is read as if it were alone; without the mask it is not."""
    record = shown("masks", tmp_path, text=["a b c d e f", "a b"])
    assert record["masks_equal"]
    assert not record["causal"]
    assert record["difference_alone"] <= 1e-9 < 0.01 < record["difference_padding_read"]
    assert all(0 < layer["to_padding"] < 1 for layer in record["layers"])


def test_its_own_number_of_heads_has_its_own_weights(tmp_path: Path) -> None:
    of_attention = shown("attention", tmp_path)["layers"]
    for layer in [one for one in shown("multi-head", tmp_path, overwrite=True)["heads"] if one["heads"] == 4]:
        assert layer["entropy"] == pytest.approx(sum(of_attention[layer["layer"] - 1]["entropy"]) / 4)


def test_a_layer_norm_needs_no_company_and_a_batch_norm_does(tmp_path: Path) -> None:
    for layer in shown("norms", tmp_path)["layers"]:
        assert layer["layer_by_company"] <= 1e-12 < 0.01 < layer["batch_by_company"]


@pytest.mark.slow
def test_pictures_are_drawn(tmp_path: Path, drawing: Any) -> None:
    with drawing():
        for topic in ("multi-head", "positions"):
            shown(topic, tmp_path, overwrite=True)
            assert all(file.stat().st_size > 5_000 for file in (tmp_path / "seen" / "plots").iterdir())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"topic": "atention"}, "Did you mean attention?"),
        ({"topic": "attention", "layer": 3}, "has 2 layers"),
        ({"topic": "attention", "text": ["word " * 127]}, "has 129 tokens, and a random BERT reads 128"),
        ({"topic": "attention", "text": [" "]}, "a text is empty"),
        ({"text": ["a"]}, "--text is read by the topics attention"),
        ({"topic": "training", "model": "minilm"}, "MODEL is read by the topics attention"),
        ({"topic": "masks", "text": ["a b", "c d"]}, "there is no padding to hide"),
        ({"topic": "norms", "text": ["a b"]}, "a batch norm is about several texts"),
        ({"topic": "decoder", "text": ["a b"]}, "Give both: --text READ --text WRITTEN"),
    ],
)
def test_a_mistake_is_one_message(options: dict[str, object], said: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=said.replace("?", "[?]")):
        learn.run(learn.Config(**options, output=tmp_path / "seen"))
    assert not (tmp_path / "seen").exists()
