"""Hard negatives: those of sentence-transformers on the same vectors, and never a text that belongs to the anchor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from zlib import crc32

import numpy as np
import pytest

from nlpkit.tasks.sentence_embedding import negatives
from nlpkit.tasks.sentence_embedding.negatives import Limits, Pool

WIDTH = 8


class Vectors:
    """A random vector for each text; the model that sentence-transformers asks, and `embed` of nlpkit."""

    device = "cpu"

    def __init__(self, near: dict[str, str]) -> None:
        self.near = near
        self.asked: list[str] = []

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        self.asked += texts
        return np.stack([self._of(text) for text in texts])

    def _of(self, text: str) -> np.ndarray:
        base = np.random.default_rng(crc32(self.near.get(text, text).encode())).normal(size=WIDTH)
        own = np.random.default_rng(crc32(f"own {text}".encode())).normal(size=WIDTH)
        return (base + 0.7 * own).astype(np.float32)

    def encode_query(self, texts: list[str], **_: Any) -> np.ndarray:
        vectors = self(texts)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    encode_document = encode_query

    def similarity(self, one: Any, other: Any) -> Any:
        import torch

        return torch.as_tensor(one) @ torch.as_tensor(other).T

    def similarity_pairwise(self, one: Any, other: Any) -> Any:
        import torch

        return (torch.as_tensor(one) * torch.as_tensor(other)).sum(-1)


def rows(count: int = 60) -> tuple[list[str], list[str], Vectors]:
    """Questions with an answer near them; some questions have two, and some answers serve two."""
    anchors = [f"question {i % 50}" for i in range(count)]
    positives = [f"answer {i - i % 7 if i % 7 == 1 else i}" for i in range(count)]
    return anchors, positives, Vectors({a: p for p, a in zip(positives, anchors, strict=True)})


@pytest.mark.parametrize(
    ("limits", "theirs"),
    [
        (Limits(3, margin=None), {}),
        (Limits(2), {"relative_margin": 0.05}),
        (Limits(2, margin=0.1, relative=False), {"absolute_margin": 0.1}),
        (Limits(2, skipped=3, margin=0.3, highest=0.4), {"relative_margin": 0.3, "max_score": 0.4, "range_min": 3}),
    ],
)
def test_negatives_are_those_of_sentence_transformers(limits: Limits, theirs: dict[str, Any]) -> None:
    hard = pytest.importorskip("sentence_transformers.util.hard_negatives")
    from datasets import Dataset

    anchors, positives, vectors = rows()
    corpus = [f"text {i}" for i in range(40)]
    found = negatives.search(Pool.of(anchors, positives, corpus), "dense", limits, vectors)
    given = hard.mine_hard_negatives(
        Dataset.from_dict({"anchor": anchors, "positive": positives}),
        vectors,
        corpus=corpus,
        num_negatives=limits.wanted,
        verbose=False,
        **theirs,
    )
    wanted: dict[tuple[str, str], list[str]] = {}
    for row in given:
        wanted.setdefault((row["anchor"], row["positive"]), []).append(row["negative"])
    assert given.num_rows > 40
    for anchor, positive, texts in zip(anchors, positives, found.texts, strict=True):
        assert texts == wanted.get((anchor, positive), [])


@pytest.mark.parametrize("by", ["bm25", "dense", "both"])
def test_no_text_that_belongs_to_an_anchor_is_a_negative_of_it(by: str) -> None:
    """All positives of an anchor belong to it, however they are spelt, and so does it itself; each text comes once."""
    pytest.importorskip("bm25s")
    anchors = ["red apple pie", "red apple pie", "green pear"]
    positives = ["red apple pie recipe", "the red apple pie cake", "green pear tart"]
    corpus = ["Red  Apple Pie Recipe", "red apple pie", "red pie of cherries", "RED pie of cherries", "red"]
    found = negatives.search(Pool.of(anchors, positives, corpus), by, Limits(4, margin=None), rows()[2])
    for texts in found.texts[:2]:
        assert not {text.lower() for text in texts} & {
            "red  apple pie recipe",
            "red apple pie recipe",
            "the red apple pie cake",
            "red apple pie",
        }
        assert len({text.lower() for text in texts}) == len(texts)
        assert "red pie of cherries" in {text.lower() for text in texts}
    assert found.texts[0] == found.texts[1]


def test_bm25_alone_asks_for_no_vectors_and_leaves_rows_without_a_common_word_without_negatives() -> None:
    pytest.importorskip("bm25s")
    anchors, positives = ["apple pie", "pear tart", "zzz"], ["apple", "pear and apple pie", "qqq"]
    vectors = rows()[2]
    found = negatives.search(Pool.of(anchors, positives), "bm25", Limits(1, margin=None), vectors)
    assert found.texts == [["pear and apple pie"], [], []]
    assert found.counts == (1, 0, 2)
    assert not vectors.asked


def test_what_is_as_near_as_the_positive_is_left_out_and_counted() -> None:
    """The margin is of cosines, whoever found the candidates."""
    pytest.importorskip("bm25s")
    texts = {"q": [1, 0.0], "right": [0.8, 0.6], "right too": [0.9, 0.435], "wrong q": [0.5, 0.866], "far q": [0, 1.0]}

    def embed(asked: Sequence[str]) -> np.ndarray:
        return np.array([texts[text] for text in asked], dtype=np.float32)

    pool = Pool.of(["q"], ["right"], ["right too", "wrong q", "far q"])
    assert negatives.search(pool, "dense", Limits(3, margin=None), embed).texts == [["right too", "wrong q", "far q"]]
    found = negatives.search(pool, "dense", Limits(3), embed)
    assert found.texts == [["wrong q", "far q"]] and found.too_near == 1 and found.counts == (0, 1, 0)
    assert negatives.search(pool, "dense", Limits(3, margin=0.31, relative=False), embed).texts == [["far q"]]
    assert negatives.search(pool, "dense", Limits(1, skipped=1), embed).texts == [["far q"]]


def test_blocks_do_not_change_what_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    anchors, positives, vectors = rows()
    pool = Pool.of(anchors, positives)
    whole = negatives.search(pool, "dense", Limits(3), vectors).texts
    monkeypatch.setattr(negatives, "BLOCK", 150)
    assert negatives.search(pool, "dense", Limits(3), vectors).texts == whole
