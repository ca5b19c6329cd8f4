"""Models that are read with the pieces in the place of their attention, and those put together from pieces whole."""

from __future__ import annotations

from typing import Any

import pytest
import tiny
import torch

from nlpkit.errors import RunError, UserError
from nlpkit.learn import subject
from nlpkit.learn.borrowed import decoder_of, encoder_of
from nlpkit.learn.options import LearnOptions
from nlpkit.learn.pieces.masks import padding
from nlpkit.learn.shows import positions

WRITERS: dict[str, dict[str, Any]] = {
    "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 40},
    "llama": {**tiny.SHAPE, "num_hidden_layers": 2, "num_key_value_heads": 2},
    "mistral": {**tiny.SHAPE, "num_hidden_layers": 2, "num_key_value_heads": 2, "sliding_window": 2},
    "t5": {"d_model": 32, "num_layers": 2, "num_heads": 4, "d_kv": 8, "d_ff": 48},
}


def encoded() -> dict[str, Any]:
    batch = tiny.batch(rows=2)
    tokens = [[str(number) for number in row] for row in batch["input_ids"].tolist()]
    return {**batch, "tokens": tokens, "special_tokens_mask": torch.zeros_like(batch["input_ids"])}


def model_of(model_type: str) -> Any:
    if model_type not in WRITERS:
        return tiny.tiny(model_type).base_model.double()
    import transformers

    torch.manual_seed(0)
    config = transformers.AutoConfig.for_model(
        model_type, vocab_size=tiny.VOCABULARY, pad_token_id=1, **WRITERS[model_type]
    )
    model = transformers.AutoModel.from_config(config).double().eval()
    return model.get_encoder() if config.is_encoder_decoder else model


@pytest.mark.parametrize("model_type", ["distilbert", "albert", "mpnet", *WRITERS])
def test_the_piece_stands_in_for_the_attention_of_a_model(model_type: str) -> None:
    model = model_of(model_type)
    before = model.config._attn_implementation
    seen = subject.seen("a model", model, encoded())
    assert len(seen.layers) == len(seen.weights) == (2 if model_type in WRITERS else 3)
    assert max(max(pair) for pair in seen.differences()) <= 1e-6
    later = seen.layers[0].weights.triu(1)[seen.there[:, None, :].expand(2, 4, 9)].max()
    assert (later == 0) == (model_type in ("gpt2", "llama", "mistral"))
    assert model.config._attn_implementation == before


def test_what_cannot_be_replaced_is_refused() -> None:
    import transformers

    config = transformers.DebertaV2Config(**{**tiny.SHAPE, "num_hidden_layers": 1, "vocab_size": tiny.VOCABULARY})
    with pytest.raises(UserError, match="attention of the architecture deberta-v2 cannot be read this way"):
        subject.seen("a model", transformers.DebertaV2Model(config).double().eval(), encoded())


def test_another_formula_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(*args: Any, scale: float, **given: Any) -> Any:
        return right(*args, scale=scale * 1.001, **given)

    right = subject.scaled_dot_product
    monkeypatch.setattr(subject, "scaled_dot_product", wrong)
    with pytest.raises(RunError, match="layer 1: its attention is not the formula"):
        subject.seen("a model", model_of("bert"), encoded())


def test_a_damaged_model_is_not_taken_for_another_formula() -> None:
    model = model_of("bert")
    with torch.no_grad():
        model.encoder.layer[0].output.dense.bias.fill_(float("nan"))
    with pytest.raises(UserError, match="what the model gives is no number"):
        subject.seen("a model", model, encoded())


@pytest.mark.parametrize("model_type", ["bert", "roberta", "electra", "distilbert"])
def test_an_encoder_of_pieces_gives_the_states_of_the_model(model_type: str) -> None:
    model, batch = model_of(model_type), encoded()
    embeddings, encoder = encoder_of(model, "a model")
    there = batch["attention_mask"].bool()
    with torch.no_grad():
        theirs = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"])
        ours = encoder(embeddings(batch["input_ids"]), visible=padding(there))
    torch.testing.assert_close(ours.last[there], theirs.last_hidden_state[there], atol=1e-9, rtol=0)


@pytest.mark.parametrize("model_type", ["bart", "mbart"])
def test_a_decoder_of_pieces_gives_the_states_of_the_model(model_type: str) -> None:
    """BART is post-norm, mBART pre-norm."""
    import transformers

    torch.manual_seed(0)
    sizes = {f"{side}_{name}": value for side in ("encoder", "decoder") for name, value in SIDE.items()}
    config = transformers.AutoConfig.for_model(model_type, vocab_size=60, d_model=32, init_std=0.2, **sizes)
    model, batch = transformers.AutoModel.from_config(config).double().eval(), encoded()
    there = batch["attention_mask"].bool()
    with torch.no_grad():
        theirs = model(
            input_ids=batch["input_ids"],
            attention_mask=batch["attention_mask"],
            decoder_input_ids=batch["input_ids"].flip(0),
            output_hidden_states=True,
        )
        begun, read = theirs.decoder_hidden_states[0], theirs.encoder_last_hidden_state
        ours = decoder_of(model, "a model")(begun, read, visible_read=padding(there))
    torch.testing.assert_close(ours.last, theirs.last_hidden_state, atol=1e-9, rtol=0)


SIDE = {"layers": 2, "attention_heads": 4, "ffn_dim": 48}


def test_other_architectures_are_named() -> None:
    with pytest.raises(UserError, match="the encoder of the architecture albert is not put together"):
        encoder_of(model_of("albert"), "a model")


@pytest.mark.parametrize(("model_type", "has"), [("llama", "rotary"), ("t5", "relative"), ("roberta", "learned")])
def test_positions_of_a_model_are_those_of_the_piece(
    model_type: str, has: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(positions, "opened", lambda options, texts: ("a model", model_of(model_type), None))
    shown = positions.show(LearnOptions(topic="positions"))
    assert shown.record["has"] == [has]
    assert shown.record.get("largest_difference", 0) <= 1e-5
    assert (
        has != "learned" or "a model has 38 learned positions; it knows no longer texts" in shown.lines
    )  # behind id 1
