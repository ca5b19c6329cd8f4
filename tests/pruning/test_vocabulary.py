"""A smaller vocabulary: used text is read as before, other text still is, and the model computes the same."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from both_sides import writer
from conftest import GOOD, WORDS, make_tokenizer, sentence
from qa_models import byte_bpe, cls_last
from tiny import HEADS, tiny

from nlpkit.errors import UserError
from nlpkit.pruning.vocabulary import keep_pieces
from nlpkit.tokenization.saving import pipeline_of


def marked_bpe(prefix: str = "", suffix: str = "") -> Any:
    """A BPE on characters that marks what continues a word (`##`) or what ends it (`</w>`)."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    marks = {"continuing_subword_prefix": prefix} if prefix else {"end_of_word_suffix": suffix}
    inner = Tokenizer(models.BPE(unk_token="<unk>", **marks))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    trainer = trainers.BpeTrainer(vocab_size=200, special_tokens=special, show_progress=False, **marks)
    inner.train_from_iterator([f"{word} {word}s {word}ing un{word}" for word in WORDS] * 3, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=inner, pad_token="<pad>", unk_token="<unk>", model_max_length=40)


def padded_last() -> Any:
    """A WordPiece tokenizer whose padding token has the last id, beside the model."""
    tokenizer = make_tokenizer()
    tokenizer.add_special_tokens({"pad_token": "<padding>"})
    return tokenizer


TOKENIZERS: dict[str, Callable[[], Any]] = {
    "wordpiece": make_tokenizer,
    "byte-bpe": byte_bpe,
    "bpe-prefix": lambda: marked_bpe(prefix="##"),
    "bpe-suffix": lambda: marked_bpe(suffix="</w>"),
    "unigram": cls_last,
    "padded-last": padded_last,
}
rng = random.Random(0)
USED = [sentence(rng, "positive") for _ in range(20)]  # none of BAD is among them
OTHER = ["the late clerk was rude", "brokenness and coldly", "zzz qqq", "naïve"]


def model_for(
    tokenizer: Any, architecture: str = "bert", head: str = "AutoModelForSequenceClassification", **more: Any
) -> Any:
    size = max(tokenizer.get_vocab().values()) + 1
    types = {"type_vocab_size": 3} if architecture == "bert" else {}  # XLNet's <cls> has a type of its own
    return tiny(architecture, head, vocab_size=size, pad_token_id=tokenizer.pad_token_id, **types, **more)


def logits(model: Any, tokenizer: Any, texts: list[str]) -> torch.Tensor:
    with torch.no_grad():
        return model(**tokenizer(texts, padding=True, return_tensors="pt"))[0]


@pytest.mark.parametrize("kind", list(TOKENIZERS))
def test_used_text_is_read_as_before(kind: str) -> None:
    tokenizer = TOKENIZERS[kind]()
    model = model_for(tokenizer)
    before = [tokenizer.tokenize(text, add_special_tokens=True) for text in USED]
    expected = logits(model, tokenizer, USED)
    model, smaller, report = keep_pieces(model, tokenizer, USED, held_out=[*USED, *OTHER])
    assert [smaller.tokenize(text, add_special_tokens=True) for text in USED] == before
    torch.testing.assert_close(logits(model, smaller, USED), expected, atol=1e-5, rtol=0)
    assert report.kept == len(smaller) == model.config.vocab_size == model.get_input_embeddings().num_embeddings
    assert report.kept < report.total == len(tokenizer)
    assert report.bytes_saved == (max(tokenizer.get_vocab().values()) + 1 - report.kept) * 32 * 4
    assert report.unchanged is not None and 0.5 < report.unchanged < 1
    assert report.growth is not None and report.growth > 1
    assert sorted(smaller.get_vocab().values()) == list(range(report.kept))


@pytest.mark.parametrize("kind", list(TOKENIZERS))
def test_other_text_is_spelt_with_smaller_pieces(kind: str) -> None:
    tokenizer = TOKENIZERS[kind]()
    _, smaller, _ = keep_pieces(model_for(tokenizer), tokenizer, USED)
    for text in OTHER:
        assert smaller.tokenize(text).count(smaller.unk_token) == tokenizer.tokenize(text).count(tokenizer.unk_token)
    assert len(smaller.tokenize("awful")) > len(tokenizer.tokenize("awful"))


@pytest.mark.parametrize("kind", list(TOKENIZERS))
def test_special_tokens_keep_their_roles(kind: str) -> None:
    tokenizer = TOKENIZERS[kind]()
    model, smaller, _ = keep_pieces(model_for(tokenizer), tokenizer, USED)
    assert smaller.special_tokens_map == tokenizer.special_tokens_map
    for token in tokenizer.all_special_tokens:
        assert smaller.convert_ids_to_tokens(smaller.convert_tokens_to_ids(token)) == token
    assert model.config.pad_token_id == smaller.pad_token_id
    assert smaller.padding_side == tokenizer.padding_side
    assert smaller.model_max_length == tokenizer.model_max_length
    pair = ("the film", "was good")
    expected = tokenizer.convert_ids_to_tokens(tokenizer(*pair)["input_ids"])
    assert smaller.convert_ids_to_tokens(smaller(*pair)["input_ids"]) == expected


@pytest.mark.parametrize("architecture", ["roberta", "mpnet", "distilbert", "electra", "albert", "camembert"])
@pytest.mark.parametrize("head", list(HEADS))
def test_every_head(architecture: str, head: str) -> None:
    tokenizer = byte_bpe()
    model = model_for(tokenizer, architecture, head)
    expected = logits(model, tokenizer, USED)
    model, smaller, _ = keep_pieces(model, tokenizer, USED)
    found = logits(model, smaller, USED)
    if head == "AutoModelForMaskedLM":  # it predicts the pieces that are left
        order = [tokenizer.convert_tokens_to_ids(piece) for piece in smaller.convert_ids_to_tokens(range(len(smaller)))]
        expected = expected[..., order]
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("tied", [True, False])
def test_tied_layers_stay_tied(tied: bool, tmp_path: Path) -> None:
    from transformers import AutoModelForMaskedLM

    tokenizer = make_tokenizer()
    model = tiny("bert", "AutoModelForMaskedLM", tie_word_embeddings=tied, vocab_size=len(tokenizer))
    model, smaller, _ = keep_pieces(model, tokenizer, USED)
    assert (model.get_output_embeddings().weight is model.get_input_embeddings().weight) == tied
    model.save_pretrained(tmp_path)
    opened, info = AutoModelForMaskedLM.from_pretrained(tmp_path, output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"] and not info["mismatched_keys"]
    torch.testing.assert_close(logits(opened, smaller, USED), logits(model, smaller, USED))


@pytest.mark.parametrize("kind", ["wordpiece", "byte-bpe", "unigram"])
def test_a_saved_tokenizer_opens_as_it_was(kind: str, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = TOKENIZERS[kind]()
    model, smaller, _ = keep_pieces(model_for(tokenizer), tokenizer, USED)
    smaller.save_pretrained(tmp_path)
    model.save_pretrained(tmp_path)
    opened = AutoTokenizer.from_pretrained(tmp_path)
    assert pipeline_of(opened.backend_tokenizer) == pipeline_of(smaller.backend_tokenizer)
    assert "/tmp" not in (tmp_path / "tokenizer_config.json").read_text()


# --- models that write ---


def sentence_pieces() -> Any:
    """As T5 has it: a Unigram of words, parts and characters, with a hundred sentinels behind all."""
    from transformers import T5Tokenizer

    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    pieces = ["▁", *letters, ".", *(f"▁{word}" for word in WORDS), *(f"▁{word[:3]}" for word in WORDS)]
    known = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    known += [(piece, -float(len(pieces) - i)) for i, piece in enumerate(dict.fromkeys(pieces))]
    return T5Tokenizer(vocab=known + [(f"<extra_id_{i}>", 0.0) for i in reversed(range(100))])


@pytest.mark.parametrize(
    ("architecture", "make", "more"),
    [
        ("mt5", sentence_pieces, {"tie_word_embeddings": False}),
        ("t5", sentence_pieces, {}),
        ("bart", byte_bpe, {}),
        ("marian", byte_bpe, {}),
        ("led", byte_bpe, {}),
        ("encoder-decoder", make_tokenizer, {}),
        ("gpt2", byte_bpe, {}),
        ("llama", byte_bpe, {}),
    ],
)
def test_models_that_write(architecture: str, make: Callable[[], Any], more: dict[str, Any], tmp_path: Path) -> None:
    """The pieces that are left are as likely as before, beside one another, and what is saved writes the same; what the
    folder forbids to write it still forbids."""
    tokenizer = make()
    size = max(tokenizer.get_vocab().values()) + 1
    end = tokenizer.eos_token_id if tokenizer.eos_token_id is not None else tokenizer.sep_token_id
    ids = {"pad_token_id": tokenizer.pad_token_id, "eos_token_id": end, "decoder_start_token_id": end}
    model = writer(architecture, vocab_size=size, bos_token_id=tokenizer.bos_token_id, **ids, **more)
    for name, buffer in model.named_buffers():
        if name == "final_logits_bias":
            buffer.copy_(torch.randn_like(buffer))
    rare, common = (tokenizer.convert_tokens_to_ids(piece) for piece in (end_of(tokenizer), tokenizer.pad_token))
    model.generation_config.bad_words_ids = [[common], [common, rare]]
    read = tokenizer(USED[:1], return_tensors="pt")["input_ids"]
    said = {"decoder_input_ids": read[:, :4]} if model.config.is_encoder_decoder else {}
    with torch.no_grad():
        expected = model(input_ids=read, **said).logits
    before = sum(parameter.numel() for parameter in model.parameters())
    model, smaller, report = keep_pieces(model, tokenizer, USED, token_ids=[[-100, end]])
    assert report.kept < report.total
    order = tokenizer.convert_tokens_to_ids(smaller.convert_ids_to_tokens(range(len(smaller))))
    new = {old: number for number, old in enumerate(order)}
    read = read.apply_(new.__getitem__)
    assert read.tolist() == smaller(USED[:1])["input_ids"]
    with torch.no_grad():
        found = model(input_ids=read, **({"decoder_input_ids": read[:, :4]} if said else {})).logits
    torch.testing.assert_close(found, expected[..., order], atol=1e-5, rtol=1e-5)
    assert report.bytes_saved == 4 * (before - sum(parameter.numel() for parameter in model.parameters()))
    assert model.generation_config.bad_words_ids == [[smaller.pad_token_id]]
    model.save_pretrained(tmp_path)
    opened, info = type(model).from_pretrained(tmp_path, output_loading_info=True)
    assert not any(info[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    how = {"attention_mask": torch.ones_like(read), "max_new_tokens": 6, "do_sample": False}
    written = opened.generate(input_ids=read, **how)
    assert torch.equal(model.generate(input_ids=read, **how), written)
    assert int(written.max()) < len(smaller)


def end_of(tokenizer: Any) -> str:
    """The last of the pieces that `USED` does not have, and that are no single characters."""
    used = {piece for text in USED for piece in tokenizer.tokenize(text)}
    names = sorted(tokenizer.get_vocab(), key=tokenizer.get_vocab().__getitem__)
    return next(name for name in reversed(names) if name not in used and name.strip("Ġ▁#").isalpha() and len(name) > 3)


def test_encoder_and_decoder_with_vocabularies_of_their_own_are_refused() -> None:
    tokenizer = byte_bpe()
    size = max(tokenizer.get_vocab().values()) + 1
    more = {"share_encoder_decoder_embeddings": False, "decoder_vocab_size": size + 2, "tie_word_embeddings": False}
    model = writer("marian", vocab_size=size, pad_token_id=tokenizer.pad_token_id, **more)
    with pytest.raises(UserError, match="have vocabularies of their own"):
        keep_pieces(model, tokenizer, USED)


# --- what goes, and what is refused ---


def test_rare_pieces_go_and_token_ids_count() -> None:
    tokenizer = make_tokenizer()
    texts = ["good film"] * 3 + ["warm soup"]
    _, smaller, _ = keep_pieces(model_for(tokenizer), tokenizer, texts, min_count=2)
    assert [word for word in ("good", "film", "warm", "soup") if word in smaller.get_vocab()] == ["good", "film"]
    ids = [tokenizer.convert_tokens_to_ids(["bike", "bike"])]
    _, smaller, _ = keep_pieces(model_for(tokenizer), tokenizer, texts, token_ids=ids, min_count=2)
    assert "bike" in smaller.get_vocab()


def test_a_tokenizer_of_another_model_is_refused() -> None:
    with pytest.raises(UserError, match="the tokenizer has 81 tokens, the model 60"):
        keep_pieces(tiny("bert"), make_tokenizer(), GOOD)


def test_a_padding_token_that_positions_are_counted_from_cannot_move() -> None:
    tokenizer = padded_last()
    with pytest.raises(UserError, match="counts positions from its padding token"):
        keep_pieces(model_for(tokenizer, "roberta", max_position_embeddings=200), tokenizer, USED)
