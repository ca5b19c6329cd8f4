"""What each word is worth: on an answer that is known by construction, and beside the model opened by Transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nlpkit.explaining import faithfulness
from nlpkit.explaining.methods import METHODS, attention, gradients, occlusion
from nlpkit.explaining.variants import Variants
from nlpkit.hardware import devices
from nlpkit.inference.predictor import Predictor, TrainedModelOptions, open_trained
from nlpkit.tasks.explained import words_in
from nlpkit.tasks.roles import Explainable

TEXT = "a lovely story but a boring film"
WORTH = np.array([0.0, 0.4, 0.1, -0.2, 0.0, 0.3])


class Known(Variants):
    """An answer that is a sum of what the words are worth, whether they are masked or left out."""

    def __init__(self, worth: np.ndarray) -> None:
        self.worth, self.units, self.asked = worth, [(i,) for i in range(len(worth))], 0

    mask = 0

    def values(self, kept: np.ndarray, *, left_out: bool = False) -> np.ndarray:
        return kept @ self.worth

    removed = masked = values


@pytest.mark.parametrize("name", ["erasure", "occlusion", "shapley", "masked-copies"])
def test_a_sum_is_taken_apart_into_its_terms(name: str) -> None:
    found = METHODS[name].function(Known(WORTH), 0)
    assert np.allclose(found, WORTH, atol=0.02 if name == "masked-copies" else 1e-9)


def test_faithfulness_by_hand() -> None:
    # of 6 words 1, 1, 1, 2 and 3 are taken: .4, .4, .4, .7 and .8 of .6
    found = faithfulness.measured(Known(WORTH), WORTH)
    assert found.comprehensiveness == pytest.approx((3 * 0.4 + 0.7 + 0.8) / 5)
    assert found.sufficiency == pytest.approx((3 * (0.6 - 0.4) + (0.6 - 0.7) + (0.6 - 0.8)) / 5)
    assert faithfulness.of_random(Known(WORTH), 0, 50).comprehensiveness < 0.25


def test_a_word_that_is_left_out_earlier_is_worth_no_less_than_those_that_stay() -> None:
    class Same(Known):
        """The second and the last word say the same: one of them suffices."""

        def values(self, kept: np.ndarray, *, left_out: bool = False) -> np.ndarray:
            return (kept[:, 1] | kept[:, 5]) * 0.5 + kept @ np.array([0.0, 0.1, 0.2, 0.0, 0.0, 0.0])

        removed = masked = values

    same = Same(WORTH)
    assert np.argsort(-occlusion.occlusion(same, 0))[0] == 2
    order = np.argsort(-occlusion.erasure(same, 0), kind="stable").tolist()
    assert order[:2] == [2, 1] and order.index(5) == 2  # once the second is out, the last is missed


@pytest.fixture(scope="module")
def variants(trained: Path) -> Variants:
    options = TrainedModelOptions(model=str(trained), device="cpu", threads=1)
    opened = open_trained(str(trained), options, Explainable, "explain", exported=False)
    predictor = Predictor(opened.task, opened.model, opened.tokenizer, devices.choose(options), lent=False)
    ((_, computed),) = predictor.computed([(None, {"text": [TEXT]})])
    (question,) = opened.task.questions(opened.tokenizer, {"text": TEXT}, computed.outputs)
    return Variants(predictor, question, question.readings[0], "words")


@pytest.fixture(scope="module")
def stock(trained: Path) -> tuple[Any, Any]:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model = AutoModelForSequenceClassification.from_pretrained(trained, attn_implementation="eager").eval()
    return model, AutoTokenizer.from_pretrained(trained)


def test_a_word_is_worth_what_the_answer_loses_without_it(variants: Variants, stock: tuple[Any, Any]) -> None:
    model, tokenizer = stock
    label = model.config.label2id[variants.question.asked]

    def probability(text: str) -> float:
        with torch.no_grad():
            return float(model(**tokenizer(text, return_tensors="pt")).logits.softmax(-1)[0, label])

    words = TEXT.split()
    assert [word.text for word in variants.reading.words] == words
    whole = tokenizer(TEXT, return_tensors="pt")
    expected = []
    for word in variants.reading.words:
        masked = whole["input_ids"].clone()
        masked[0, list(word.positions)] = tokenizer.mask_token_id
        with torch.no_grad():
            given = model(**{**whole, "input_ids": masked}).logits.softmax(-1)[0, label]
        expected.append(probability(TEXT) - float(given))
    assert np.allclose(occlusion.occlusion(variants, 0), expected, atol=1e-6)
    without = np.ones((1, len(words)), dtype=bool)
    without[0, 5] = False
    assert variants.removed(without)[0] == pytest.approx(probability(TEXT.replace("boring ", "")), abs=1e-6)
    # by what the run has learnt, the answer hangs on its words of praise and blame
    strongest = {words[i] for i in np.argsort(-occlusion.erasure(variants, 0))[:2]}
    assert strongest & {"lovely", "boring"}


def test_integrated_gradients_add_up_to_what_the_words_change(
    variants: Variants, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gradients, "STEPS", 100)  # this model is steep
    nothing = variants.masked(np.zeros((1, len(variants)), dtype=bool))[0]
    found = gradients.integrated_gradients(variants, 0)
    assert found.sum() == pytest.approx(variants.whole - nothing, abs=0.002)


def test_attention_is_that_of_the_model_and_rollout_shares_it_out(variants: Variants, stock: tuple[Any, Any]) -> None:
    model, tokenizer = stock
    before = variants.predictor.model.config._attn_implementation
    found = attention.seen(variants)
    assert variants.predictor.model.config._attn_implementation == before
    with torch.no_grad():
        expected = model(**tokenizer(TEXT, return_tensors="pt"), output_attentions=True).attentions
    for layer, shares in zip(expected, found.shares, strict=True):
        assert np.allclose(layer[0].numpy(), shares, atol=1e-6)
    assert found.read[0] == pytest.approx(1.0)  # the answer is read at [CLS] alone
    row = found.read
    for shares in reversed(found.shares):
        row = row @ (0.5 * shares.mean(0) + 0.5 * np.eye(len(row)))
    assert row.sum() == pytest.approx(1.0)
    assert np.allclose(attention.rollout(variants, 0), variants.of_units(row))
    assert (attention.flow(variants, 0) <= 1.0 + 1e-6).all()
    assert attention.weighted_rollout(variants, 0).max() > 0


def test_what_was_asked_is_not_asked_again(variants: Variants) -> None:
    occlusion.occlusion(variants, 0)
    asked = variants.asked
    occlusion.occlusion(variants, 0)
    assert variants.asked == asked


def test_words_that_one_token_spans_are_one() -> None:
    text = "a \U0001f468\u200d\U0001f469\u200d\U0001f467 b"
    family = text[2:-2]
    (first, whole, last) = words_in(
        {"text": text}, [None, ("text", 0, 1), ("text", 2, len(text) - 2), ("text", len(text) - 1, len(text)), None]
    )
    assert (first.text, whole.text, last.text) == ("a", family, "b") and whole.positions == (2,)
