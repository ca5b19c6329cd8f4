"""Both studies of a model whose attention is made by hand: a head each for the next word and for the one before."""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nlpkit.errors import UserError
from nlpkit.inference.weights import Weights
from nlpkit.models import surgery
from nlpkit.probing.heads import study
from nlpkit.probing.heads.observed import Attention, Head, Sentence
from nlpkit.probing.heads.relations import ALL
from nlpkit.probing.opened import LookedIntoOptions, Opened, open_model

WORDS = ["a", "wonderful", "film", "the", "plot", "."]


@pytest.fixture(scope="module")
def opened(tiny_model: Path) -> Opened:
    return open_model(LookedIntoOptions(model=str(tiny_model)))


@pytest.fixture
def made_by_hand(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first head looks at the next token, the last head at the one before, the others at all alike."""
    forward = opened.model.forward

    def attending(**inputs: Any) -> Any:
        given = forward(**inputs)
        if inputs.get("output_attentions"):
            for of_layer in given.attentions:
                of_layer.fill_(1 / of_layer.shape[-1])
            size = given.attentions[0].shape[-1]
            given.attentions[0][:, 0] = torch.eye(size).roll(1, dims=1)
            given.attentions[-1][:, -1] = torch.eye(size).roll(-1, dims=1)
        return given

    monkeypatch.setattr(opened.model, "forward", attending)


def sentences(count: int) -> list[Sentence]:
    """Sentences of words with one token each, in which each word depends on one beside it."""
    generator = np.random.default_rng(0)
    made = []
    for _ in range(count):
        size = int(generator.integers(3, 7))
        root = int(generator.integers(0, size))
        heads = np.array([i + 1 if i < root else i - 1 for i in range(size)])
        heads[root] = -1
        relations = ["root" if i == root else "det" if i < root else "obj" for i in range(size)]
        made.append(Sentence(generator.choice(WORDS, size).tolist(), heads, relations))
    return made


@pytest.mark.usefixtures("made_by_hand")
def test_the_head_that_finds_a_relation_is_named(opened: Opened) -> None:
    found = study.heads(opened, sentences(120), np.arange(120) % 2 == 0)
    best = {one.relation: one for one in found.best}
    last = found.heads[-1]
    assert (best["det"].head, best["det"].found.value) == (Head(1, 1), 1.0)
    assert (best["obj"].found.value, best["obj"].gain.value) == (1.0, 0.0)  # no better than the word before
    assert 0.3 < best[ALL].found.value < 0.8
    assert found.patterns.shares["next token"][0] == 1.0
    assert found.patterns.shares["previous token"][found.heads.index(last)] == pytest.approx(1.0)
    assert (found.left.sentences, found.left.too_long) == (120, 0)


@pytest.mark.usefixtures("made_by_hand")
def test_sentences_that_the_model_cannot_read_whole_are_counted(opened: Opened) -> None:
    assert opened.limit is not None
    long = Sentence(["film"] * opened.limit, np.array([-1] + [0] * (opened.limit - 1)), ["dep"] * opened.limit)
    found = study.heads(opened, [*sentences(120), long], np.arange(121) % 2 == 0)
    assert (found.left.sentences, found.left.too_long) == (120, 1)
    assert "dep" not in {one.relation for one in found.best}


@pytest.mark.slow
@pytest.mark.usefixtures("made_by_hand")
def test_all_heads_together_find_what_single_ones_do_not(opened: Opened) -> None:
    parsed = study.attention(opened, sentences(120), np.arange(120) % 2 == 0)
    ways = {way.key: way for way in parsed.ways}
    # in a chain that turns at its root, the right neighbour is as often wrong as right
    assert ways["head"].found.value < 0.8
    assert ways["attention"].found.value == pytest.approx(ways["distances_words"].found.value, abs=0.15)
    assert ways["attention"].gain is not None
    assert (parsed.learnt_on, parsed.judged_on) == (60, 60)
    strongest = parsed.weights.max(axis=1).argsort()[::-1][:2]
    assert {parsed.heads[i] for i in strongest} == {parsed.heads[0], parsed.heads[-1]}


def test_layers_may_have_different_numbers_of_heads(opened: Opened) -> None:
    pruned = copy.deepcopy(opened.model)
    surgery.keep_heads(pruned, {0: [1]})
    weights = Weights(pruned, opened.weights.device, lent=True)
    attention = Attention(dataclasses.replace(opened, weights=weights), sentences(2))
    one = next(attention.observed())
    assert list(attention.heads[:2]) == [Head(1, 1), Head(2, 1)]
    assert len(one.attention) == len(attention.heads)
    np.testing.assert_allclose(one.attention.sum(axis=2), 1, atol=1e-5)


def test_attention_to_a_window_alone_is_refused(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    forward = opened.model.forward

    def windowed(**inputs: Any) -> Any:
        given = forward(**inputs)
        given["attentions"] = tuple(of_layer[..., :2] for of_layer in given.attentions or ())
        return given

    monkeypatch.setattr(opened.model, "forward", windowed)
    with pytest.raises(UserError, match="from every token to every other one"):
        next(Attention(opened, sentences(2)).observed())
