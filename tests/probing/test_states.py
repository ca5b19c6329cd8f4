"""States of words and sentences are those of the model, whatever goes through it together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from nlpkit.errors import UserError
from nlpkit.probing.opened import Opened, open_model, untrained
from nlpkit.probing.options import LookedIntoOptions
from nlpkit.probing.states import Sentence, passes, states
from nlpkit.runs.files import write_json

SENTENCES = [
    Sentence.of_words(["awful", "film"]),
    Sentence.of_words(["a", "wonderful", "unwatchable", "film", "."]),
    Sentence("the plot", [(4, 8)]),
]


@pytest.fixture(scope="module")
def opened(tiny_model: Path) -> Opened:
    return open_model(LookedIntoOptions(model=str(tiny_model)))


def test_the_state_of_a_word_is_the_mean_over_its_tokens(opened: Opened) -> None:
    found = states(opened, SENTENCES, pooling="mean")
    first = states(opened, SENTENCES, word="first")
    assert found.words is not None and first.words is not None and found.sentences is not None
    assert found.starts.tolist() == [0, 2, 7, 8] and not found.lost.any()
    for number, sentence in enumerate(SENTENCES):
        encoded = opened.tokenizer(sentence.text, return_tensors="pt", return_offsets_mapping=True)
        offsets = encoded.pop("offset_mapping")[0].tolist()
        with torch.no_grad():
            hidden = torch.stack(opened.model(**encoded, output_hidden_states=True).hidden_states)[:, 0].numpy()
        np.testing.assert_allclose(found.sentences[:, number], hidden.mean(axis=1), atol=1e-5)
        for place, (start, end) in enumerate(sentence.places):
            own = [i for i, (a, b) in enumerate(offsets) if a < b and start <= a < end]
            index = found.starts[number] + place
            np.testing.assert_allclose(found.words[:, index], hidden[:, own].mean(axis=1), atol=1e-5)
            np.testing.assert_allclose(first.words[:, index], hidden[:, own[0]], atol=1e-5)


def test_words_beyond_what_the_model_reads_are_told(opened: Opened) -> None:
    assert opened.limit is not None
    long = Sentence.of_words(["film"] * opened.limit)
    found = states(opened, [SENTENCES[0], long, Sentence("x  y", [(0, 1), (1, 2), (3, 4)])], layers=[2])
    assert found.cut.sum() == 2  # the two special tokens take their room
    assert found.cut_sentences.tolist() == [False, True, False]
    assert np.flatnonzero(found.silent).tolist() == [2 + opened.limit + 1]  # the blank has no token


def test_attentions_are_those_of_each_sentence_alone(opened: Opened) -> None:
    opened.model.set_attn_implementation("eager")
    (alone,) = passes(opened, SENTENCES[:1], ["attentions"])
    together = {one.sentence: one for one in passes(opened, SENTENCES, ["attentions"])}
    assert alone.attentions is not None and together[0].attentions is not None
    np.testing.assert_allclose(np.stack(together[0].attentions), np.stack(alone.attentions), atol=1e-5)
    assert together[0].hidden is None
    opened.model.set_attn_implementation("sdpa")


def test_an_untrained_model_has_the_shape_and_not_the_weights(opened: Opened) -> None:
    other, again = untrained(opened, 1), untrained(opened, 1)
    one, two, three = (states(model, SENTENCES).words for model in (opened, other, again))
    assert one is not None and two is not None and three is not None
    assert one.shape == two.shape and not np.allclose(one, two)
    np.testing.assert_allclose(two, three, atol=1e-6)


def test_a_run_of_onnx_runtime_is_refused_with_the_run_that_it_was_made_from(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(bytes(200))
    write_json(tmp_path / "nlpkit.json", {"status": "complete", "parents": {"model": {"given": "runs/cls"}}})
    with pytest.raises(UserError, match="does not give its hidden states") as refused:
        open_model(LookedIntoOptions(model=str(tmp_path)))
    assert str(refused.value.hint).endswith("runs/cls")


def test_a_table_of_token_vectors_has_no_layers(tmp_path: Path) -> None:
    write_json(tmp_path / "config.json", {"model_type": "model2vec"})
    save_file({"embeddings": torch.ones(5, 4)}, tmp_path / "model.safetensors")
    with pytest.raises(UserError, match="is a table of token vectors: it has no layers"):
        open_model(LookedIntoOptions(model=str(tmp_path)))
