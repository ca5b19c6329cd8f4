"""What is seen of a model's attention, against the attention of the stock model; and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import make_tokenizer
from writers import byte_tokenizer, make_writer

from nlpkit.errors import UserError
from nlpkit.explaining.attention import seen, vectors
from nlpkit.explaining.attention.seen import Row, Seen, tokens_of
from nlpkit.inference.predictor import Predictor, open_predictor
from nlpkit.recipes import predict

TEXT = "the clerk was kind and the room was cold"
SHAPE = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
ENCODERS: dict[str, dict[str, Any]] = {
    "bert": {},
    "roberta": {"pad_token_id": 1},
    "distilbert": {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 48},
    "electra": {"embedding_size": 16},
    "albert": {"embedding_size": 16},
    "mpnet": {},
}


def encoder(folder: Path, model_type: str, auto_class: str = "AutoModelForMaskedLM", **settings: Any) -> Path:
    """A random model with large weights, so that no head attends to all tokens alike."""
    import torch
    import transformers

    tokenizer = make_tokenizer()
    torch.manual_seed(3)
    shape = {} if model_type == "distilbert" else SHAPE
    ids = {"vocab_size": len(tokenizer), "max_position_embeddings": 64, "pad_token_id": 0}
    config = transformers.AutoConfig.for_model(
        model_type, **{**shape, **ids, **ENCODERS.get(model_type, {}), **settings}
    )
    model = getattr(transformers, auto_class).from_config(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def text_to_text(folder: Path) -> Path:
    import torch
    from transformers import T5Config, T5ForConditionalGeneration

    tokenizer = byte_tokenizer()
    ids = {"pad_token_id": tokenizer.pad_token_id, "eos_token_id": tokenizer.eos_token_id}
    torch.manual_seed(4)
    shape = {"d_model": 32, "d_kv": 16, "d_ff": 64, "num_layers": 2, "num_heads": 2}
    config = T5Config(**shape, **ids, vocab_size=len(tokenizer), decoder_start_token_id=tokenizer.pad_token_id)
    T5ForConditionalGeneration(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def opened(folder: Path) -> Predictor[Any]:
    return open_predictor(predict.Config(model=str(folder), device="cpu", threads=1))


def look(predictor: Predictor[Any], text: str) -> Seen:
    options = predict.Config(model="MODEL", texts=[text]).for_task(type(predictor.task))
    (row,), reader = predictor.task.reader().typed(options)
    (found,) = seen.look(predictor, "MODEL", Row("text 1", row, reader))
    return found


def stock(model: Predictor[Any], **given: Any) -> Any:
    """What Transformers' own model gives for the same input, opened anew with eager attention."""
    import torch

    fresh = type(model.model).from_pretrained(model.folder, attn_implementation="eager").eval()
    with torch.inference_mode():
        return fresh(**given, output_attentions=True)


def close(found: seen.Stack, expected: Any) -> bool:
    return len(found.attentions) == len(expected) and all(
        np.allclose(ours, theirs[0].numpy(), atol=1e-6) for ours, theirs in zip(found.attentions, expected, strict=True)
    )


def from_vectors(found: vectors.Vectors) -> np.ndarray:
    """The softmax of the scaled products, with the bias by distance and the mask that were found."""
    scores = found.queries.astype(np.float64) @ found.keys.swapaxes(1, 2) * found.scale
    rows, columns = scores.shape[1:]
    for row in range(rows):
        if found.bias is not None:
            scores[:, row] += found.bias[:, rows - 1 - row : rows - 1 - row + columns]
        if found.causal:
            scores[:, row, row + 1 :] = -np.inf
    powers = np.exp(scores - scores.max(axis=2, keepdims=True))
    return np.asarray(powers / powers.sum(axis=2, keepdims=True))


def explained(found: seen.Stack) -> bool:
    """Whether queries and keys of each layer are there, and give its attention."""
    return all(
        layer is not None and np.allclose(from_vectors(layer), attention, atol=1e-4)
        for layer, attention in zip(found.vectors, found.attentions, strict=True)
    )


@pytest.mark.parametrize("model_type", ENCODERS)
def test_an_encoder_is_seen_as_it_computes(model_type: str, tmp_path: Path) -> None:
    model = opened(encoder(tmp_path, model_type))
    before = model.model.config._attn_implementation
    found = look(model, TEXT)
    (stack,) = found.stacks
    assert close(stack, stock(model, **model.tokenizer(TEXT, return_tensors="pt"))["attentions"])
    assert explained(stack)
    assert model.model.config._attn_implementation == before
    assert stack.rows.texts == ("[CLS]", *TEXT.split(), "[SEP]")
    assert stack.rows.special == (True, *[False] * 9, True)
    assert any(layer.bias is not None for layer in stack.vectors if layer) == (model_type == "mpnet")


def test_attention_that_is_no_number_is_refused(tmp_path: Path) -> None:
    model = opened(encoder(tmp_path, "bert"))
    next(model.model.bert.encoder.layer[0].parameters()).data.fill_(float("nan"))
    with pytest.raises(UserError, match="attention of layer 1 is no number"):
        look(model, TEXT)


def test_masks_are_filled_for_each_word_in_its_turn(tmp_path: Path) -> None:
    import torch

    model = opened(encoder(tmp_path, "bert"))
    found = look(model, TEXT)
    assert found.masked is not None and list(found.masked) == list(range(1, 10))
    ids = model.tokenizer(TEXT.replace("kind", "[MASK]"), return_tensors="pt")
    with torch.inference_mode():
        shares = model.model(**ids)["logits"][0, 4].softmax(-1)
    kind = model.tokenizer.convert_tokens_to_ids("kind")
    said = found.masked[4]
    assert said.candidates[0][1] == pytest.approx(float(shares.max()), rel=1e-4)
    assert said.candidates[0][0] == model.tokenizer.decode([int(shares.argmax())])
    assert said.share == pytest.approx(float(shares[kind]), rel=1e-4)
    assert said.rank == int((shares > shares[kind]).sum()) + 1


def test_a_model_that_writes_sees_nothing_behind_a_token(tmp_path: Path) -> None:
    model = opened(make_writer(tmp_path / "run"))
    found = look(model, "the film was")
    (stack,) = found.stacks
    ids = model.tokenizer("the film was", return_tensors="pt")
    assert close(stack, stock(model, **ids)["attentions"])
    assert explained(stack)
    assert all(layer is not None and layer.causal for layer in stack.vectors)
    assert found.masked is None


@pytest.mark.parametrize("family", ["llama", "qwen3"])
def test_queries_are_those_behind_their_rotation(family: str, tmp_path: Path) -> None:
    model = opened(make_writer(tmp_path / "run", family))
    ids = model.tokenizer("the film was good", return_tensors="pt")
    (stack,) = look(model, "the film was good").stacks
    assert close(stack, stock(model, **ids)["attentions"])
    assert explained(stack)  # qwen3: two heads have one key


def test_what_is_compared_in_another_way_is_not_claimed(tmp_path: Path) -> None:
    relative = {"relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_buckets": 8}
    (stack,) = look(opened(encoder(tmp_path, "deberta-v2", **relative)), TEXT).stacks
    assert stack.vectors == (None, None)


def test_encoder_decoder_and_cross_attention_of_what_was_written(tmp_path: Path) -> None:
    import torch

    model = opened(text_to_text(tmp_path))
    found = look(model, "the film was good")
    assert [stack.name for stack in found.stacks] == ["encoder", "decoder", "cross"]
    inputs = model.tokenizer("the film was good", return_tensors="pt")
    written = model.tokenizer(text_target=found.answer)["input_ids"]
    labels = torch.tensor([[*written, model.tokenizer.eos_token_id]])
    expected = stock(model, **inputs, labels=labels)
    for stack in found.stacks:
        assert close(stack, expected[f"{stack.name}_attentions"])
        assert explained(stack)
    decoder, cross = found.stacks[1:]
    assert len(decoder.rows) == labels.shape[1]
    assert cross.columns == found.stacks[0].rows


def test_two_texts_are_told_apart_as_their_tokenizer_parts_them() -> None:
    tokenizer = make_tokenizer()
    pair = tokens_of(tokenizer, tokenizer("the clerk", "was kind")["input_ids"])
    assert pair.texts == ("[CLS]", "the", "clerk", "[SEP]", "was", "kind", "[SEP]")
    assert pair.second == (False,) * 4 + (True,) * 3
    assert not any(tokens_of(tokenizer, tokenizer("the clerk")["input_ids"]).second)


def test_a_text_that_is_longer_than_the_model_is_refused(tmp_path: Path) -> None:
    model = opened(encoder(tmp_path / "mlm", "bert"))
    with pytest.raises(UserError, match="text 1 has 92 tokens, more than the 64 that the model reads at a time"):
        look(model, " ".join([TEXT] * 10))
    labels = {"id2label": {0: "bad", 1: "good"}, "label2id": {"bad": 0, "good": 1}}
    classes = opened(encoder(tmp_path / "cls", "bert", "AutoModelForSequenceClassification", **labels))
    with pytest.raises(UserError, match="text 1 has 92 tokens, more than the 64"):
        look(classes, " ".join([TEXT] * 10))
